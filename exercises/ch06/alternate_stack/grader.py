"""alternate_stack: sigaltstack and SA_ONSTACK."""

from toolkit.grading import check


@check("says that the stack overflowed", points=4)
def says(program):
    """On the standard error, and status 3. Without an alternate stack the kernel cannot even call the handler."""
    run = program.run()
    run.expect.exit(3)
    run.expect.stderr(b"stack overflow\n")


@check("the handler runs on the other stack", points=2, depends_on=says)
def other(program):
    """rsp is inside `room` when the handler begins."""
    run = program.run(at=["label:handler"])
    run.expect.syscall("sigaltstack", args=(None, 0), result=0)
    run.expect.syscall("rt_sigaction", args=(11, None, 0, 8), result=0)
    stack = run.registers("label:handler")["rsp"]
    room = program.symbols["room"]
    assert room <= stack < room + 16384, f"rsp is {stack:#x}, and room begins at {room:#x}"


@check("the real stack was full", points=1, depends_on=says)
def full(program):
    """The recursion was not shortened: [stack] has grown to its limit of 8 MiB."""
    program.run().expect.area(at="exit", name="[stack]", at_least=8 * 1024 * 1024 - 65536)

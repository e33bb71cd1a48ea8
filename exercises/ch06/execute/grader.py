"""execute: execve."""

from toolkit.grading import check


@check("prints its argument", points=2)
def argument(program):
    """When it is started with one."""
    run = program.run("hello")
    run.expect.stdout(b"hello\n")
    run.expect.exit(0)


@check("runs itself again", points=3, depends_on=argument)
def itself(program):
    """Without an argument: execve(argv[0], [argv[0], "again"], environment)."""
    run = program.run()
    run.expect.stdout(b"again\n")
    run.expect.exit(0)
    run.expect.syscall("execve", times=1)


@check("hands its environment on", points=2, depends_on=itself)
def environment(program):
    """The third argument is the address of the table behind the arguments' 0: [rsp + 24] when there is one argument."""
    run = program.run(env={"COLOUR": "green"}, at=["exit"])
    run.expect.stdout(b"again\n")
    stack = run.expect.area(at="exit", name="[stack]")
    assert b"COLOUR=green\0" in run.memory(stack.start, stack.size, at="exit"), (
        "the new program has no COLOUR=green in its environment"
    )

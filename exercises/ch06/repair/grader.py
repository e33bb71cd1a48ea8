"""repair: a SIGSEGV handler that makes the access possible."""

from toolkit.grading import check


@check("the store succeeds in the end", points=3)
def succeeds(program):
    """The handler calls mprotect, returns, and the instruction is tried again."""
    run = program.run()
    run.expect.exit(1)
    page = program.symbols["page"]
    run.expect.memory(page + 100, b"\x07", at="exit")
    run.expect.syscall("mprotect", args=(page, 4096, 3), result=0)


@check("after one fault", points=2, depends_on=succeeds)
def one(program):
    """The handler runs once, and returns through rt_sigreturn to the store."""
    run = program.run()
    run.expect.label("handler", times=1)
    run.expect.syscall("rt_sigreturn", times=1)


@check("repairs only its own page", points=3, depends_on=succeeds)
def only(program):
    """With an argument the program touches address 100: si_addr (at rsi + 16) is not in the page, so end with status 99."""
    program.run("wild").expect.exit(99)

"""handler: rt_sigaction."""

from toolkit.grading import check


@check("survives the signal", points=2)
def survives(program):
    """Without a handler SIGUSR1 kills the program."""
    program.run().expect.signal(None)


@check("counts five signals", points=3, depends_on=survives)
def counts(program):
    """The handler ran five times, and the program went on behind each."""
    run = program.run()
    run.expect.exit(5)
    run.expect.syscall("kill", times=5)


@check("through the handler", points=2, depends_on=counts)
def through(program):
    """The handler counts; it is entered by the kernel, and left through rt_sigreturn."""
    run = program.run()
    run.expect.label("handler", times=5)
    run.expect.syscall("rt_sigreturn", times=5)

"""hello: the system call write."""

from toolkit.grading import check


@check("prints the line", points=3)
def prints(program):
    """Hello, world! and the end of the line, nothing more and nothing less, on the standard output."""
    program.run().expect.stdout(b"Hello, world!\n")


@check("ends with status 0", points=1)
def status(program):
    """The exit at the end of the file does it, if your part falls through to it."""
    program.run().expect.exit(0)


@check("writes once", points=1, depends_on=prints)
def once(program):
    """One system call is enough for a whole line."""
    program.run().expect.syscall("write", times=1)

"""redirect: dup and dup2."""

from toolkit.grading import check


@check("the second line is in the file", points=3)
def second(program):
    """Open with O_WRONLY | O_CREAT | O_TRUNC and the mode 0o644, then dup2(file, 1)."""
    run = program.run()
    run.expect.exit(0)
    run.expect.file("middle.txt", b"second\n")
    run.expect.syscall("open", args=(None, None, 0o644), succeeds=True)


@check("the others are on the standard output", points=3)
def others(program):
    """dup2(copy, 1) brings it back."""
    program.run().expect.stdout(b"first\nthird\n")


@check("all lines were written to descriptor 1", points=2, depends_on=[second, others])
def descriptor(program):
    """Use say, three times."""
    program.run().expect.syscall("write", args=(1,), times=3)
    program.run().expect.label("say", times=3)

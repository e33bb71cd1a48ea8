"""countdown: a loop around a system call."""

from toolkit.grading import check

DIGITS = b"".join(b"%d\n" % digit for digit in range(9, -1, -1))


@check("counts from 9 to 0", points=3)
def counts(program):
    """Ten lines, one digit each, from 9 to 0: both ends included."""
    program.run().expect.stdout(contains=DIGITS)


@check("ends with liftoff and status 0", points=1, depends_on=counts)
def ends(program):
    """After the digits comes the last line, and nothing before or behind."""
    run = program.run()
    run.expect.stdout(DIGITS + b"liftoff\n")
    run.expect.exit(0)


@check("is a loop", points=1, depends_on=counts)
def loop(program):
    """Ten copies of the same lines would do too, but this is an exercise on loops."""
    assert len(program.instructions) <= 40, "the program is very long for a loop"
    data = program.sections.get(".data")
    assert data is None or data.size <= 20, "the digits are written out as data"

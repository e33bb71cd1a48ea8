"""exit_code: argc, a comparison, a status."""

from toolkit.grading import check


@check("succeeds with two arguments", points=2)
def two(program):
    """argc is at [rsp] and counts the program's name too: it is 3 here."""
    program.run("one", "two").expect.exit(0)


@check("fails with fewer", points=1)
def fewer(program):
    """The status must be 1, also without any argument."""
    program.run().expect.exit(1)
    program.run("one").expect.exit(1)


@check("fails with more", points=1, depends_on=two)
def more(program):
    """Compare for equality: three arguments are too many."""
    program.run("one", "two", "three").expect.exit(1)

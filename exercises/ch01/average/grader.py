"""average: rotate through carry."""

from toolkit.grading import check, given, strategies

numbers = strategies.integers(0, 2**64 - 1)


@check("small numbers", points=2)
@given(strategies.integers(0, 1000), strategies.integers(0, 1000))
def small(program, a, b):
    """Half of the sum, rounded down."""
    program.expect.call("average", a, b, returns=(a + b) // 2)


@check("numbers whose sum needs 65 bits", points=3, depends_on=small)
@given(numbers, numbers)
def large(program, a, b):
    """The bit that does not fit is in the carry flag after `add`: bring it back with `rcr`."""
    program.expect.call("average", a, b, returns=(a + b) // 2)

"""divide: div, its two results, and its two ways to fail."""

from toolkit.grading import check, given, strategies

numbers = strategies.integers(0, 2**64 - 1)
ALL_ONES = 2**64 - 1


@check("divides", points=2)
def divides(program):
    """The quotient belongs into rax and the remainder into rdx: that is where div leaves them."""
    program.expect.call("divide", 100, 7, returns=(14, 2))


@check("survives a divisor of zero", points=2, depends_on=divides)
def zero(program):
    """Compare the divisor with zero before you divide."""
    program.expect.call("divide", 100, 0, returns=(ALL_ONES, 100))
    program.expect.call("divide", 0, 0, returns=(ALL_ONES, 0))


@check("divides any numbers", points=2, depends_on=divides)
@given(numbers, strategies.integers(1, 2**64 - 1))
def any_numbers(program, dividend, divisor):
    """Numbers with the highest bit set are large here, not negative; and rdx must be zero before the division."""
    program.expect.call("divide", dividend, divisor, returns=divmod(dividend, divisor))

"""flags: carry and overflow of an addition."""

from toolkit.grading import Hexadecimal, check, given, strategies

edges = strategies.sampled_from([0, 1, 2**63 - 1, 2**63, 2**64 - 1])
numbers = strategies.one_of(edges, strategies.integers(0, 2**64 - 1))


def signed(number):
    return number - 2**64 if number >= 2**63 else number


def flags(a, b):
    return (a + b >= 2**64) + 2 * (not -(2**63) <= signed(a) + signed(b) < 2**63)


@check("small sums fit", points=1)
def small(program):
    """2 + 3 fits in both readings: 0, in all 64 bits of rax."""
    program.expect.call("add_flags", 2, 3, returns=0)


@check("sees the carry", points=2, depends_on=small)
def carry(program):
    """2^64 - 1 plus 1 is too large without a sign, but as -1 + 1 it is 0."""
    program.expect.call("add_flags", Hexadecimal(2**64 - 1), 1, returns=1)


@check("sees the overflow", points=2, depends_on=small)
def overflow(program):
    """2^63 - 1 is the largest signed number: one more comes out negative."""
    program.expect.call("add_flags", Hexadecimal(2**63 - 1), 1, returns=2)


@check("sees both for any numbers", points=2, depends_on=[carry, overflow])
@given(numbers, numbers)
def both(program, a, b):
    """Read both flags from the same addition, before anything changes them."""
    program.expect.call("add_flags", Hexadecimal(a), Hexadecimal(b), returns=flags(a, b))

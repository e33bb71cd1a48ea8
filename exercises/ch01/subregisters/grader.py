"""subregisters: parts of registers, zero extension."""

from toolkit.grading import Hexadecimal, check, given, strategies

numbers = strategies.integers(0, 2**64 - 1)


def packed(*values):
    return sum((value & 0xFF) << 8 * place for place, value in enumerate(values))


@check("packs four small numbers", points=2)
def small(program):
    """The first number is the lowest byte, the fourth the highest of the four."""
    program.expect.call("pack", *map(Hexadecimal, (0x11, 0x22, 0x33, 0x44)), returns=0x44332211)


@check("takes only the lowest byte of each", points=3, depends_on=small)
@given(numbers, numbers, numbers, numbers)
def lowest(program, a, b, c, d):
    """Whatever the upper bits hold must not show in the result: movzx, or an and with 0xff."""
    program.expect.call("pack", *map(Hexadecimal, (a, b, c, d)), returns=packed(a, b, c, d))

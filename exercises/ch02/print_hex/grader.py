"""print_hex: four bits, one digit."""

from toolkit.grading import Hexadecimal, check, given, strategies


@check("prints all sixteen digits in order", points=3)
def order(program):
    """The highest four bits are the first digit."""
    program.expect.call("print_hex", Hexadecimal(0x0123456789ABCDEF), stdout=b"0123456789abcdef")


@check("prints leading zeros", points=1, depends_on=order)
def zeros(program):
    """Always sixteen digits."""
    program.expect.call("print_hex", 0, stdout=b"0" * 16)
    program.expect.call("print_hex", Hexadecimal(0x2A), stdout=b"000000000000002a")


@check("prints any number", points=2, depends_on=order)
@given(strategies.integers(0, 2**64 - 1))
def any_number(program, number):
    """All 64 bits, the highest included."""
    program.expect.call("print_hex", Hexadecimal(number), stdout=b"%016x" % number)

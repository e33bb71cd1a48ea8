"""print_decimal: digits by division."""

from toolkit.grading import check, given, strategies


@check("prints a number", points=2)
def number(program):
    """The digits come out from the last to the first: write them backwards."""
    program.expect.call("print_decimal", 1234, stdout=b"1234")


@check("prints 0", points=1, depends_on=number)
def zero(program):
    """Test for the end after the division, not before: 0 has one digit."""
    program.expect.call("print_decimal", 0, stdout=b"0")


@given(strategies.one_of(strategies.integers(0, 999), strategies.integers(0, 2**64 - 1)))
def drawn(program, number):
    program.expect.call("print_decimal", number, stdout=b"%d" % number)


@check("prints any number", points=2, depends_on=number)
def any_number(program):
    """Unsigned, up to 18446744073709551615, twenty digits. rdx must be zero before each division."""
    drawn(program)
    program.expect.call("print_decimal", 2**64 - 1, stdout=b"18446744073709551615")

"""count_bits: shifting a number out bit by bit."""

from toolkit.grading import check, given, strategies


@check("counts the bits of small numbers", points=2)
def small(program):
    """0b1011 has three bits set, 0 none."""
    for number in (0b1011, 0, 1, 0xFF):
        program.expect.call("count_bits", number, returns=number.bit_count())


@given(strategies.integers(0, 2**64 - 1))
def drawn(program, number):
    program.expect.call("count_bits", number, returns=number.bit_count())


@check("counts all 64 bits", points=2, depends_on=small)
def any_number(program):
    """The highest bit counts too; shift with shr, because sar would bring in copies of the sign for ever."""
    drawn(program)
    program.expect.call("count_bits", 2**63, returns=1)


@check("does it without popcnt", points=1, depends_on=small)
def by_hand(program):
    """Shift and add."""
    program.expect.no_instruction("popcnt")

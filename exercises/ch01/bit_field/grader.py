"""bit_field: variable shifts and masks."""

from toolkit.grading import Hexadecimal, check, given, strategies

starts = strategies.integers(0, 63)


@check("takes out a byte", points=2)
def byte(program):
    """bit_field(0x123456, 8, 8) is 0x34: shift down by 8, keep eight bits."""
    program.expect.call("bit_field", Hexadecimal(0x123456), 8, 8, returns=0x34)


@given(strategies.integers(0, 2**64 - 1), starts, strategies.integers(0, 63))
def drawn(program, value, start, length):
    length = min(length, 64 - start)
    program.expect.call(
        "bit_field", Hexadecimal(value), start, length, returns=(value >> start) & ((1 << length) - 1)
    )


@check("takes out any field", points=2, depends_on=byte)
def any_field(program):
    """The mask has `length` ones: (1 << length) - 1, computed in 64 bits."""
    for length in (40, 63):
        program.expect.call("bit_field", Hexadecimal(2**64 - 1), 0, length, returns=2**length - 1)
    drawn(program)


@check("takes out all 64 bits", points=2, depends_on=any_field)
def everything(program):
    """A shift by 64 is a shift by 0 for the processor: a length of 64 needs a case of its own."""
    program.expect.call("bit_field", Hexadecimal(2**64 - 2), 0, 64, returns=2**64 - 2)

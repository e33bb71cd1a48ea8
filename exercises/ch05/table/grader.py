"""table: %rep and %assign."""

from toolkit.grading import check, given, numbers, regex, strategies


@check("the table of squares is right", points=2)
def squares(program):
    """256 double words, 0 to 65025."""
    program.run().expect.memory("squares", numbers([n * n for n in range(256)], "I"), at="start")


@check("the table of bit counts is right", points=3)
def popcounts(program):
    """popcounts[n] is popcounts[n / 2] plus the lowest bit; or add up the eight bits in an expression."""
    program.run().expect.memory("popcounts", numbers([n.bit_count() for n in range(256)], "B"), at="start")


@check("computed by the assembler", points=1, depends_on=[squares, popcounts])
def computed(program):
    """%rep, not 512 numbers typed in."""
    program.expect.source(regex(r"^\s*%rep\b"))
    assert len(program.source) < 3000, "the source is very long for two tables"


@check("looks bits up", points=2, depends_on=popcounts)
@given(strategies.integers(0, 2**64 - 1))
def count(program, number):
    """Eight bytes, eight look-ups: movzx a byte, add the table's byte, shift."""
    program.expect.call("count_bits", number, returns=number.bit_count())

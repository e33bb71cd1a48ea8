"""page_arithmetic: masks and shifts by 12."""

from toolkit.grading import Hexadecimal, check, given, strategies

PAGE = 4096
addresses = strategies.integers(0, 2**64 - 1)
sizes = strategies.one_of(
    strategies.sampled_from([0, 1, 4095, 4096, 4097, 8192]), strategies.integers(0, 2**40)
)


@check("finds the page", points=1)
@given(addresses)
def page_of(program, address):
    """Clear the lowest twelve bits, in all 64 bits of the address."""
    program.expect.call("page_of", Hexadecimal(address), returns=address - address % PAGE)


@check("finds the offset", points=1)
@given(addresses)
def offset_of(program, address):
    """Keep only the lowest twelve bits."""
    program.expect.call("offset_of", Hexadecimal(address), returns=address % PAGE)


@check("rounds up to whole pages", points=2)
@given(sizes)
def round_up(program, size):
    """A multiple of 4096 stays what it is: add 4095, then clear the lowest twelve bits."""
    program.expect.call("round_up", size, returns=-(-size // PAGE) * PAGE)


@given(strategies.integers(0, 2**47), sizes)
def drawn_range(program, address, size):
    expected = (address + size - 1) // PAGE - address // PAGE + 1 if size else 0
    program.expect.call("pages_touched", Hexadecimal(address), size, returns=expected)


@check("counts the pages of a range", points=3, depends_on=[page_of, round_up])
def pages_touched(program):
    """From the page of the first byte to the page of the last one: address + size - 1. Two bytes can lie in two pages."""
    drawn_range(program)
    program.expect.call("pages_touched", 4095, 2, returns=2)
    program.expect.call("pages_touched", 8192, 4096, returns=1)

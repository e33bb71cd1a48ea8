"""fast_power: an algorithm with a budget of instructions."""

from toolkit.grading import check, given, strategies

WORD = 2**64


@check("computes small powers", points=2)
@given(strategies.integers(0, 20), strategies.integers(0, 12))
def small(program, base, exponent):
    """base^0 is 1, also 0^0; base^1 is base."""
    program.expect.call("power", base, exponent, returns=pow(base, exponent, WORD))


@check("computes any power", points=2, depends_on=small)
@given(strategies.integers(0, WORD - 1), strategies.integers(0, 200))
def every(program, base, exponent):
    """What does not fit into 64 bits is cut off by imul itself."""
    program.expect.call("power", base, exponent, returns=pow(base, exponent, WORD))


@check("in at most 10 n + 10 instructions", points=3, depends_on=every)
@given(strategies.integers(0, WORD - 1), strategies.integers(0, WORD - 1))
def fast(program, base, exponent):
    """One step for each bit of the exponent: square the base, shift the exponent, multiply only where the bit is 1."""
    program.expect.call(
        "power",
        base,
        exponent,
        returns=pow(base, exponent, WORD),
        instructions_at_most=10 * exponent.bit_length() + 10,
    )


@check("without a division", points=1, depends_on=small)
def no_division(program):
    """Halving the exponent is a shift by one."""
    program.expect.no_instruction("div", "idiv")

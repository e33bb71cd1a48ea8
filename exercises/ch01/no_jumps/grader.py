"""no_jumps: cmov, setcc, and a rule on the code."""

from toolkit.grading import check, given, strategies

numbers = strategies.one_of(
    strategies.integers(-3, 3),
    strategies.sampled_from([-(2**63), 2**63 - 1]),
    strategies.integers(-(2**63), 2**63 - 1),
)


@given(numbers)
def drawn_magnitude(program, number):
    program.expect.call("magnitude", number, returns=abs(number) % 2**64)


@check("takes the sign away", points=2)
def magnitude(program):
    """neg changes the sign; keep the number itself if it was positive. -2^63 has no positive partner: it stays."""
    drawn_magnitude(program)
    program.expect.call("magnitude", -(2**63), returns=2**63)


@check("finds the smaller of two numbers", points=2)
@given(numbers, numbers)
def smaller(program, a, b):
    """Compare as signed numbers: cmovl, not cmovb."""
    program.expect.call("smaller", a, b, returns=min(a, b))


@given(numbers)
def drawn_sign(program, number):
    program.expect.call("sign", number, returns=(number > 0) - (number < 0))


@check("tells the sign", points=2)
def sign(program):
    """In all of rax: -1 is all ones."""
    drawn_sign(program)
    program.expect.call("sign", 0, returns=0)


@check("without a jump", points=1, depends_on=[magnitude, smaller, sign])
def no_jumps(program):
    """Neither jmp nor a conditional jump nor loop: the choice must be computed."""
    for one in program.instructions:
        jumps = one.mnemonic.startswith("j") or one.mnemonic.startswith("loop")
        assert not jumps, f"{one.location}: {one.mnemonic} is a jump"


@check("in at most 80 bytes", points=1, depends_on=no_jumps)
def small(program):
    """toolkit build -l shows how many bytes each instruction takes."""
    program.expect.code_size(at_most=80)

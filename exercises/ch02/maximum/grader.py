"""maximum: signed comparison."""

from toolkit.grading import check, given, numbers, strategies

elements = strategies.one_of(strategies.integers(-5, 5), strategies.integers(-(2**63), 2**63 - 1))


def quadwords(values):
    return numbers(values, "q")


@check("finds the largest of some positive numbers", points=2)
@given(strategies.lists(strategies.integers(0, 1000), min_size=1, max_size=10))
def positive(program, values):
    """It may be the first, the last, or one between; with one number it is that one."""
    program.expect.call("maximum", quadwords(values), len(values), returns=max(values))


@check("finds it among negative numbers too", points=3, depends_on=positive)
@given(strategies.lists(elements, min_size=1, max_size=10))
def signed(program, values):
    """Use the signed jumps (jl, jg …), and begin with the first number, not with 0."""
    program.expect.call("maximum", quadwords(values), len(values), returns=max(values))

"""arithmetic: signed multiplication and division."""

from toolkit.grading import check, given, strategies


def celsius(fahrenheit):
    fifths = (fahrenheit - 32) * 5
    return -(-fifths // 9) if fifths < 0 else fifths // 9


@check("boiling water", points=1)
def boiling(program):
    """212 degrees Fahrenheit are 100 degrees Celsius."""
    program.expect.call("celsius", 212, returns=100)


@check("temperatures below zero", points=2, depends_on=boiling)
def cold(program):
    """idiv needs the sign of rax in rdx: cqo. With rdx at 0 a negative number looks enormous."""
    for fahrenheit in (31, 0, -40, -459):
        program.expect.call("celsius", fahrenheit, returns=celsius(fahrenheit))


@check("any temperature", points=2, depends_on=cold)
@given(strategies.integers(-(10**15), 10**15))
def any_temperature(program, fahrenheit):
    """Use all 64 bits: with 32-bit registers large numbers are cut off."""
    program.expect.call("celsius", fahrenheit, returns=celsius(fahrenheit))

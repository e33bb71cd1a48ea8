"""factorial: recursion and the stack."""

import math

from toolkit.grading import check, given, strategies


@check("0! is 1", points=1)
def zero(program):
    """The case in which the function does not call itself again."""
    program.expect.call("factorial", 0, returns=1)


@check("computes every factorial that fits", points=3, depends_on=zero)
@given(strategies.integers(0, 20))
def every(program, n):
    """20! needs 62 bits."""
    program.expect.call("factorial", n, returns=math.factorial(n))


@check("calls itself", points=2, depends_on=zero)
def recursive(program):
    """From factorial(6) on, the first instruction of the function must run seven times."""
    result = program.call("factorial", 6, count_label="factorial")
    assert result.label_count == 7, (
        f"the function was entered {result.label_count} time(s) for factorial(6), not 7 times"
    )

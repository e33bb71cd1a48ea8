"""twice: caller-saved and callee-saved registers."""

from toolkit.grading import check, given, strategies


@check("applies a function twice", points=2)
def friendly(program):
    """three_more(three_more(10)) is 16."""
    program.expect.call("twice", program.symbols["three_more"], 10, returns=16)


@check("survives a function that destroys what it may", points=3, depends_on=friendly)
@given(strategies.integers(0, 2**64 - 1))
def hostile(program, number):
    """After a call only rbx, rbp, r12 to r15 still hold what you put there; restore them before you return."""
    program.expect.call("twice", program.symbols["hostile_double"], number, returns=4 * number % 2**64)


@check("calls with an aligned stack", points=2)
def aligned(program):
    """At each call rsp must be a multiple of 16: push an odd number of registers before it."""
    run = program.run(at=["label:three_more"])
    assert run.registers("label:three_more")["rsp"] % 16 == 8, (
        "rsp was not a multiple of 16 when the function was called"
    )

"""stack: push, pop, and a balanced stack."""

from toolkit.grading import check, given, numbers, strategies, writable_numbers

arrays = strategies.lists(strategies.integers(0, 2**64 - 1), max_size=40)


@check("reverses three numbers", points=2)
def three(program):
    """1 2 3 becomes 3 2 1, and the function comes back: the stack must be as it was."""
    program.expect.call("reverse", writable_numbers([1, 2, 3]), 3, after={0: numbers([3, 2, 1])})


@check("reverses any array, also an empty one", points=2, depends_on=three)
@given(arrays)
def any_array(program, values):
    """With no elements there is nothing to push and nothing to pop."""
    program.expect.call("reverse", writable_numbers(values), len(values), after={0: numbers(values[::-1])})


@check("uses the stack", points=1, depends_on=three)
def uses_stack(program):
    """Push in one loop, pop in a second one."""
    program.expect.instruction("push", at_least=1)
    program.expect.instruction("pop", at_least=1)

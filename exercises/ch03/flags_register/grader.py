"""flags_register: pushfq and popfq."""

from toolkit.grading import check, given, strategies

USER = [0, 2, 4, 6, 7, 10, 11, 21]
KERNEL = [9, 12, 13]


@check("user mode may change the carry", points=2)
def carry(program):
    """pushfq, invert with xor, popfq, pushfq again, compare."""
    program.expect.call("changeable", 1 << 0, returns=1)


@check("user mode may not change the interrupt flag", points=2, depends_on=carry)
def interrupts(program):
    """The processor ignores the change without a word."""
    program.expect.call("changeable", 1 << 9, returns=0)


@check("tells which of any mask can be changed", points=2, depends_on=interrupts)
@given(strategies.lists(strategies.sampled_from(USER + KERNEL), unique=True))
def any_mask(program, bits):
    """Only bits of the mask count: the arithmetic in between changes other flags. The direction flag must be clear again when you return."""
    mask = sum(1 << bit for bit in bits)
    program.expect.call("changeable", mask, returns=sum(1 << bit for bit in bits if bit in USER))

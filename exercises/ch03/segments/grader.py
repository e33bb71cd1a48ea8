"""segments: the base of fs."""

from toolkit.grading import check, given, numbers, strategies


@check("reads the element", points=2)
@given(strategies.lists(strategies.integers(0, 2**64 - 1), min_size=1, max_size=8), strategies.integers(0, 7))
def reads(program, values, index):
    """Element number `index` lies at base + 8 * index."""
    index %= len(values)
    program.expect.call("through_fs", numbers(values), index, returns=values[index])


@check("through fs", points=2, depends_on=reads)
def segment(program):
    """Set the base with arch_prctl, and let an instruction use fs in its operand: [fs:...]."""
    program.expect.call("through_fs", numbers([1, 2]), 1, returns=2)
    assert any("fs:" in one.operands for one in program.instructions), "no instruction reads through fs"
    program.run().expect.syscall("arch_prctl", args=(0x1002,), result=0)

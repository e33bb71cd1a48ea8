"""registers: compute an exit status."""

from toolkit.grading import check


@check("ends with status 42", points=2)
def status(program):
    """The status is what rdi holds when the program calls exit."""
    program.run().expect.exit(42)


@check("lets the processor add", points=2, depends_on=status)
def adds(program):
    """Use `add` on two registers: 30 and 12 must both appear in registers, the sum only as their result."""
    program.expect.instruction("add", at_least=1)
    operands = [one.operands for one in program.instructions if one.mnemonic.startswith("mov")]
    for number in ("30", "0x1e"):
        if any(text.endswith(", " + number) for text in operands):
            break
    else:
        raise AssertionError("no register is loaded with 30")
    assert not any(text.endswith((", 42", ", 0x2a")) for text in operands), (
        "42 is written in the program instead of computed"
    )

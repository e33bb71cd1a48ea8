"""breakpoint: a stop for the debugger"""

from toolkit.grading import check


@check("prints before it dies", points=1)
def prints(program):
    """The line `before` comes first: it proves that the program got that far."""
    program.run().expect.stdout(b"before\n")


@check("dies of SIGTRAP", points=2, depends_on=prints)
def dies(program):
    """A shell shows the status 133."""
    program.run().expect.signal("SIGTRAP")


@check("it is int3", points=2, depends_on=dies)
def where(program):
    """The instruction at the label forbidden is int3: one byte, 0xCC. rip stops one byte behind it."""
    run = program.run()
    run.expect.killed_by("forbidden")
    instruction = next(
        (one for one in program.instructions if one.address == program.symbols["forbidden"]), None
    )
    assert instruction, "there is no instruction at the label forbidden"
    assert instruction.mnemonic == "int3", f"the instruction at forbidden is {instruction.mnemonic}"

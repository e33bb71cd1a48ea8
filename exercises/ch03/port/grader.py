"""port: talking to devices"""

from toolkit.grading import check


@check("prints before it dies", points=1)
def prints(program):
    """The line `before` comes first: it proves that the program got that far."""
    program.run().expect.stdout(b"before\n")


@check("dies of SIGSEGV", points=2, depends_on=prints)
def dies(program):
    """A shell shows the status 139."""
    program.run().expect.signal("SIGSEGV")


@check("it is in that is refused", points=2, depends_on=dies)
def where(program):
    """in al, 0x60 must be the instruction at the label forbidden."""
    run = program.run()
    run.expect.killed_by("forbidden")
    instruction = next(
        (one for one in program.instructions if one.address == program.symbols["forbidden"]), None
    )
    assert instruction, "there is no instruction at the label forbidden"
    assert instruction.mnemonic.split()[-1] in ("in",), (
        f"the instruction at forbidden is {instruction.mnemonic}"
    )

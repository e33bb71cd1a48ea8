"""division: a result that does not exist"""

from toolkit.grading import check


@check("prints before it dies", points=1)
def prints(program):
    """The line `before` comes first: it proves that the program got that far."""
    program.run().expect.stdout(b"before\n")


@check("dies of SIGFPE", points=2, depends_on=prints)
def dies(program):
    """A shell shows the status 136."""
    program.run().expect.signal("SIGFPE")


@check("it is idiv by -1", points=2, depends_on=dies)
def where(program):
    """rdx:rax holds -2^63 (rdx: all ones) and the divisor is -1."""
    run = program.run()
    run.expect.killed_by("forbidden")
    run.expect.register("rax", 2**63, at="exit")
    run.expect.register("rdx", 2**64 - 1, at="exit")
    instruction = next(
        (one for one in program.instructions if one.address == program.symbols["forbidden"]), None
    )
    assert instruction, "there is no instruction at the label forbidden"
    assert instruction.mnemonic == "idiv", f"the instruction at forbidden is {instruction.mnemonic}"
    divisor = instruction.operands.strip()
    registers = run.registers("exit")
    assert registers.get(divisor) == 2**64 - 1, f"the divisor {divisor} is not -1"

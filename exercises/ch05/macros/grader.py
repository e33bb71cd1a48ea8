"""macros: %macro with a parameter and a local label."""

from toolkit.grading import check, regex


@check("prints three lines", points=3)
def prints(program):
    """The macro is used three times: its label must be local to each use (%%text)."""
    run = program.run()
    run.expect.stdout(b"one\ntwo\nthree\n")
    run.expect.exit(0)


@check("with a macro that is used three times", points=2)
def macro(program):
    """%macro print 1 ... %endmacro, and three lines `print ...`."""
    program.expect.source(regex(r"^\s*%i?macro\s+print\s+1"), help="Define it: %macro print 1")
    uses = [line for line in program.source.splitlines() if line.strip().startswith("print ")]
    assert len(uses) == 3, f"print is used {len(uses)} times"


@check("the strings are constants", points=2, depends_on=prints)
def constants(program):
    """section .rodata inside the macro."""
    program.expect.section(".rodata", at_least=14)

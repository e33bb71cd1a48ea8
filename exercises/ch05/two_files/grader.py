"""two_files: a label from another file."""

from toolkit.grading import check, regex

SOURCES = ["two_files.asm", "number.asm"]


@check("prints 2026", points=3)
def prints(program):
    """Put the number into rdi and call print_number."""
    run = program.run()
    run.expect.stdout(b"2026\n")
    run.expect.exit(0)


@check("uses the function of the other file", points=2, depends_on=prints)
def uses(program):
    """extern in the one, global in the other; the label is reached once."""
    program.run().expect.label("print_number", times=1)
    assert regex(r"(?m)^\s*extern\s.*\bprint_number\b").search(program.sources["two_files.asm"]), (
        "two_files.asm does not declare print_number as extern"
    )


@check("works for any number", points=1, depends_on=uses)
def any_number(program):
    """number.asm is right as it is: leave the rest of it alone."""
    program.expect.call("print_number", 0, stdout=b"0\n")
    program.expect.call("print_number", 2**64 - 1, stdout=b"18446744073709551615\n")

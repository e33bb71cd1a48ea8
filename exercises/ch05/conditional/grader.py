"""conditional: %if when the program is built."""

from toolkit.grading import check

WORDS = {0: b"quiet\n", 1: b"normal\n", 2: b"verbose\n", 7: b"verbose\n"}


@check("prints normal when nothing else is said", points=2)
def normal(program):
    """LEVEL is 1 by default."""
    program.run().expect.stdout(b"normal\n")


@check("prints another word for another level", points=3, depends_on=normal)
def levels(program):
    """0 is quiet, 2 and everything above is verbose: %if, %elif, %else."""
    for level, word in WORDS.items():
        program.rebuilt(defines={"LEVEL": str(level)}).run().expect.stdout(word)


@check("holds only the word it prints", points=2, depends_on=levels)
def only(program):
    """The others must be left out by the preprocessor, not skipped by the program."""
    for level, word in WORDS.items():
        elf = program.rebuilt(defines={"LEVEL": str(level)}).elf
        for other in {b"quiet", b"normal", b"verbose"} - {word.strip()}:
            assert other not in elf, f"with LEVEL={level} the program still contains {other.decode()}"

"""ring: the code segment register."""

from toolkit.grading import check


@check("the program runs in ring 3", points=2)
def ring(program):
    """The lowest two bits of cs, in all of rax: the rest of rax is zero."""
    program.expect.call("ring", returns=3)


@check("finds the index of the segment", points=2)
def index(program):
    """Linux runs 64-bit programs with cs = 0x33: index 6. Shift the other fields out."""
    program.expect.call("selector_index", returns=6)


@check("reads cs", points=1, depends_on=[ring, index])
def reads(program):
    """The answer must come from the processor, not from you."""
    assert any("cs" in one.operands.replace(" ", "").split(",") for one in program.instructions), (
        "no instruction reads cs"
    )

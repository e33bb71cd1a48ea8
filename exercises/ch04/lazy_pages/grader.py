"""lazy_pages: demand paging seen through mincore."""

from toolkit.grading import check

PAGE = 4096


@check("counts three present pages", points=2)
def three(program):
    """Only the pages that were touched are there."""
    program.run().expect.exit(3)


@check("promises sixteen pages", points=1, depends_on=three)
def sixteen(program):
    """One area of 65536 bytes."""
    program.run().expect.area(at="exit", name="", perms="rw-p", at_least=16 * PAGE)


@check("asks the kernel", points=2, depends_on=three)
def asks(program):
    """The count must come from mincore's vector: 1 0 0 0 0 1 0 0 0 0 0 0 0 0 0 1."""
    run = program.run()
    run.expect.syscall("mincore", succeeds=True)
    run.expect.memory("vector", bytes(1 if page in (0, 5, 15) else 0 for page in range(16)), at="exit")

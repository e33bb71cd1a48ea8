"""brk_heap: move the program break."""

from toolkit.grading import check

PAGE = 4096
SIZE = 2 * PAGE


@check("prints from both pages", points=2)
def prints(program):
    """Print the H of the first page, then the newline of the second, and end with status 0."""
    run = program.run()
    run.expect.exit(0)
    run.expect.stdout(b"H\n")
    run.expect.syscall("write", args=(1, None, 1), times=2)


@check("the heap is two pages long", points=3, depends_on=prints)
def two_pages(program):
    """brk takes the address of the new end: what brk(0) returned, plus two pages. Do not move it back."""
    program.run().expect.area(at="exit", name="[heap]", perms="rw-p", size=SIZE)


@check("both pages were touched", points=1, depends_on=two_pages)
def touched(program):
    """H is the first byte of the heap and the newline the last one: both addresses come from the break."""
    run = program.run()
    heap = run.expect.area(at="exit", name="[heap]")
    run.expect.memory(heap.start, b"H", at="exit")
    run.expect.memory(heap.start + SIZE - 1, b"\n", at="exit")

"""tell_apart: which section becomes which area."""

from toolkit.grading import check

PAGE = 4096


@check("has constants", points=1)
def constants(program):
    """Something in section .rodata: a second read-only area of the program behind the code."""
    run = program.run()
    run.expect.exit(0)
    run.expect.area(name="program", perms="r--p", count=2)


@check("has one page of data", points=1)
def data(program):
    """Something in section .data, no more than a page."""
    program.run().expect.area(name="program", perms="rw-p", size=PAGE)


@check("has four pages of bss behind it", points=3, depends_on=data)
def bss(program):
    """The part of .bss that does not fit behind the data: between three and four pages of it."""
    run = program.run()
    data = run.expect.area(name="program", perms="rw-p")
    run.expect.area(name="", perms="rw-p", start=data.end, size=4 * PAGE)


@check("has a heap of three pages", points=2)
def heap(program):
    """brk(0), then brk of that address plus three pages."""
    run = program.run()
    heap = run.expect.area(name="[heap]", perms="rw-p", size=3 * PAGE)
    run.expect.syscall("brk", args=(heap.start + 3 * PAGE,))

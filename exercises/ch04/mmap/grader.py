"""mmap: a file as memory."""

from toolkit.grading import check

LONG = bytes(range(256)) * 39 + b"the last line, without an end"  # more than two pages, zeros among the bytes
PAGE = 4096


def pages(data):
    return -(-len(data) // PAGE) * PAGE


@check("prints the file", points=2)
def prints(program):
    """The output must be the bytes of test.txt and nothing else, and the program must end with status 0."""
    run = program.run(files={"test.txt": b"hello\n"})
    run.expect.exit(0)
    run.expect.stdout(b"hello\n")


@check("maps the file private and read-only", points=3, depends_on=prints)
def mapped(program):
    """mmap(0, size, PROT_READ, MAP_PRIVATE, descriptor, 0), and no munmap: the area must still be there at the end."""
    run = program.run(files={"test.txt": b"hello\n"})
    run.expect.syscall("mmap", args=(0,))
    run.expect.area(at="exit", path="test.txt", perms="r--p", size=PAGE, offset=0)


@check("copes with a file of any length", points=3, depends_on=prints)
def any_length(program):
    """Ask fstat for the size, map as many bytes and write as many. A byte of value 0 is a byte like any other."""
    run = program.run(files={"test.txt": LONG})
    run.expect.exit(0)
    run.expect.stdout(LONG)
    run.expect.area(at="exit", path="test.txt", size=pages(LONG))

"""map_sum: a loop over a mapped file."""

from toolkit.grading import check, given, strategies


@check("adds up a small file", points=2)
def small(program):
    """3 + 4 + 5 = 12."""
    program.run(files={"numbers.bin": b"\x03\x04\x05"}).expect.exit(12)


@check("adds up any file", points=3, depends_on=small)
@given(strategies.binary(min_size=1, max_size=60), strategies.sampled_from([1, 50, 200]), examples=12)
def any_file(program, data, times):
    """Bytes are unsigned (movzx), and the file may be several pages long."""
    data *= times
    program.run(files={"numbers.bin": data}).expect.exit(sum(data) % 256)


@check("adds up a file of several pages", points=1, depends_on=any_file)
def long_file(program):
    """The kernel brings each page when the loop reaches it."""
    data = bytes(range(251)) * 50
    program.run(files={"numbers.bin": data}).expect.exit(sum(data) % 256)
    page = b"\x07" * 4096
    program.run(files={"numbers.bin": page}).expect.exit(sum(page) % 256)


@check("through a mapping", points=2, depends_on=small)
def mapped(program):
    """The area must still be there at the end, and nothing may be read with read."""
    run = program.run(files={"numbers.bin": b"\x03\x04\x05"})
    run.expect.no_syscall("read")
    run.expect.syscall("mmap", args=(0,))
    run.expect.area(at="exit", path="numbers.bin", perms="r--?", size=4096)

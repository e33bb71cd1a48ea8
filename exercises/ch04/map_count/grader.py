"""map_count: lines of a mapped file, and the file that can't be mapped."""

from toolkit.grading import check, given, strategies

texts = strategies.text(strategies.sampled_from("ab \n"), max_size=40).map(str.encode)


def lines(data):
    return data.count(b"\n") + (bool(data) and not data.endswith(b"\n"))


def counts(program, data):
    run = program.run(files={"lines.txt": data})
    run.expect.stdout(b"%d\n" % lines(data))
    run.expect.exit(0)


@check("counts the lines of a small file", points=2)
def small(program):
    """Each line ends with the byte 10."""
    counts(program, b"one\ntwo\nthree\n")
    counts(program, b"\n")


@check("counts a last line without an end", points=2, depends_on=small)
def last(program):
    """Look at the last byte: if it is not 10, one more line has begun."""
    counts(program, b"one\ntwo")
    counts(program, b"x")


@check("survives an empty file", points=2, depends_on=small)
def empty(program):
    """mmap of 0 bytes fails with EINVAL: look at the size first, and print 0."""
    counts(program, b"")


@check("counts any file", points=2, depends_on=[last, empty])
@given(texts, strategies.sampled_from([1, 3, 300]), examples=12)
def any_file(program, text, times):
    """To the last byte, also when the file is several pages long, ends exactly with a page, or has zeros in it."""
    counts(program, text * times)
    counts(program, b"123\n" * 1024)
    counts(program, b"1234567\n" * 512 + b"x")
    counts(program, b"a\n" * 5000)
    counts(program, b"a\0b\nc\0\n")


@check("through a mapping", points=1, depends_on=small)
def mapped(program):
    """The area is still there at the end, and nothing was read with read."""
    run = program.run(files={"lines.txt": b"one\n"})
    run.expect.no_syscall("read")
    run.expect.syscall("mmap", args=(0,))
    run.expect.area(at="exit", path="lines.txt", perms="r--p", size=4096)

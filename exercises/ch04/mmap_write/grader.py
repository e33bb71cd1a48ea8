"""mmap_write: change a file by writing to memory."""

from toolkit.grading import check

LONG = (b"az AZ {`@[ 09\n" + bytes(range(256)) + b"The quick brown fox. ") * 20 + b"z"


def capitals(data):
    return bytes(byte - 32 if ord("a") <= byte <= ord("z") else byte for byte in data)


@check("the change reaches the file", points=3)
def reaches(program):
    """Open with O_RDWR and map with MAP_SHARED: a private mapping changes a copy, and the file never hears of it."""
    run = program.run(files={"note.txt": b"hello\n"})
    run.expect.exit(0)
    run.expect.file("note.txt", b"HELLO\n")


@check("changes the small letters and nothing else", points=3, depends_on=reaches)
def only_letters(program):
    """From 'a' to 'z', both of them included, and to the last byte. Compare bytes as unsigned numbers (jb, ja)."""
    run = program.run(files={"note.txt": LONG})
    run.expect.exit(0)
    run.expect.file("note.txt", capitals(LONG))


@check("works through the mapping, not with write", points=2, depends_on=reaches)
def through_mapping(program):
    """Store into the mapped bytes. No system call has to write anything."""
    run = program.run(files={"note.txt": b"hello\n"})
    for name in ("write", "pwrite64", "writev", "pwritev"):
        run.expect.no_syscall(name)
    run.expect.syscall("mmap", args=(0,))
    run.expect.area(at="exit", path="note.txt", perms="rw-s", size=4096)

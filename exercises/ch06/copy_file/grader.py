"""copy_file: open, read, write."""

from toolkit.grading import check

LONG = bytes(range(256)) * 50 + b"end"


@check("copies a small file", points=2)
def small(program):
    """To a file that did not exist: O_WRONLY | O_CREAT | O_TRUNC, with the mode 0o644."""
    run = program.run("a.txt", "b.txt", files={"a.txt": b"hello\n"})
    run.expect.exit(0)
    run.expect.file("b.txt", b"hello\n")
    run.expect.syscall("open", args=(None, None, 0o644), succeeds=True)
    run.expect.file("a.txt", b"hello\n")


@check("copies a long file", points=2, depends_on=small)
def long(program):
    """Read and write until read returns 0."""
    program.run("a.txt", "b.txt", files={"a.txt": LONG}).expect.file("b.txt", LONG)
    program.run("a.txt", "b.txt", files={"a.txt": b""}).expect.file("b.txt", b"")


@check("overwrites what was there", points=2, depends_on=small)
def overwrites(program):
    """O_TRUNC: otherwise the end of a longer old file stays."""
    run = program.run("a.txt", "b.txt", files={"a.txt": b"new", "b.txt": b"something old"})
    run.expect.file("b.txt", b"new")


@check("says when there is nothing to copy", points=2)
def missing(program):
    """Open the first file first, and look at the result."""
    run = program.run("nowhere.txt", "b.txt", files={"b.txt": b"precious"})
    run.expect.exit(1)
    run.expect.file("b.txt", b"precious")

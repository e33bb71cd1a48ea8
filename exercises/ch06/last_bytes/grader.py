"""last_bytes: lseek."""

from toolkit.grading import check


@check("prints the last ten bytes", points=3)
def ten(program):
    """lseek to ten bytes before the end, read, write."""
    run = program.run("a.txt", files={"a.txt": b"the beginning, and 0123456789"})
    run.expect.stdout(b"0123456789")
    run.expect.exit(0)


@check("prints a short file whole", points=2, depends_on=ten)
def short(program):
    """A position before the beginning is refused: compare the length with 10 first, or go to 0 when lseek fails."""
    for text in (b"short", b"", b"0123456789"):
        run = program.run("a.txt", files={"a.txt": text})
        run.expect.stdout(text)
        run.expect.exit(0)


@check("does not read the rest", points=2, depends_on=ten)
def seeks(program):
    """A large file is no reason to read it all."""
    run = program.run("a.txt", files={"a.txt": bytes(100_000) + b"0123456789"})
    run.expect.stdout(b"0123456789")
    assert all(call.arguments[2] <= 10 for call in run.syscalls if call.name in ("read", "pread64")), (
        "the program asked for more than ten bytes"
    )
    total = sum(call.result for call in run.syscalls if call.name in ("read", "pread64") and call.result > 0)
    assert total <= 10, f"the program read {total} bytes"

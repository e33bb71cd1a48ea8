"""growing_buffer: mremap with MREMAP_MAYMOVE."""

from toolkit.grading import check

LONG = bytes(range(251)) * 200


@check("copies a short input", points=1)
def short(program):
    """One page is enough here."""
    run = program.run(stdin=b"hello\n")
    run.expect.stdout(b"hello\n")
    run.expect.exit(0)


@check("copies an input of many pages", points=3, depends_on=short)
def long(program):
    """Use the address that mremap returns, and the new size."""
    program.run(stdin=LONG).expect.stdout(LONG)


@check("grows with mremap, doubling", points=2, depends_on=long)
def doubling(program):
    """From 4096 to 65536 bytes it takes four steps: 8192, 16384, 32768, 65536."""
    run = program.run(stdin=LONG)
    run.expect.syscall("mmap", args=(0, 4096, 3))
    sizes = [call.arguments[2] for call in run.syscalls if call.name == "mremap"]
    assert sizes == [8192, 16384, 32768, 65536], f"the sizes asked for were {sizes}"


@check("writes once", points=1, depends_on=long)
def once(program):
    """All bytes are in one buffer: one write does it."""
    program.run(stdin=LONG).expect.syscall("write", times=1)

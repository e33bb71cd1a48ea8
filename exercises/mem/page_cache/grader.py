"""page_cache: MAP_SHARED, read, write, msync."""

from toolkit.grading import check

BEFORE = b"12345678 and more"


@check("prints what both ways saw", points=3)
def prints(program):
    """MAP FILE: four bytes through read, four through the mapping; status 0 from msync."""
    run = program.run(files={"data.bin": BEFORE})
    run.expect.stdout(b"MAP FILE")
    run.expect.exit(0)


@check("the file has changed", points=2, depends_on=prints)
def changed(program):
    """The first eight bytes, and nothing behind them."""
    program.run(files={"data.bin": BEFORE}).expect.file("data.bin", b"MAP FILE and more")


@check("each half by its own way", points=3, depends_on=prints)
def ways(program):
    """The first four bytes are stored in memory and read with read; the others written with pwrite64 and loaded from memory."""
    run = program.run(files={"data.bin": BEFORE})
    run.expect.syscall("read", result=4)
    run.expect.syscall("pwrite64", args=(None, None, 4, 4), result=4)
    run.expect.no_syscall("pread64")
    run.expect.syscall("mmap", args=(0, 4096, 3, 1))
    run.expect.area(at="exit", path="data.bin", perms="rw-s", size=4096)
    writes = [call for call in run.syscalls if call.name in ("write", "pwrite64") and call.arguments[0] > 2]
    assert len(writes) == 1, "the file was written more than once through the descriptor"


@check("asks msync to wait for the disk", points=1, depends_on=prints)
def msync(program):
    """msync(page, 4096, MS_SYNC) after both changes."""
    run = program.run(files={"data.bin": BEFORE})
    run.expect.syscall("msync", args=(None, 4096, 4), result=0)
    names = [call.name for call in run.syscalls]
    assert names.index("msync") > names.index("pwrite64"), "msync came before pwrite64"

"""hole: munmap splits an area, mmap fills the gap and merges."""

from toolkit.grading import check

PAGE = 4096


def first_area(run):
    """Where the five pages are: the first call's result."""
    calls = [call for call in run.syscalls if call.name == "mmap"]
    assert len(calls) == 2, f"mmap was called {len(calls)} time(s), not 2 times"
    return calls[0].result


@check("numbers five pages", points=2)
def numbers(program):
    """One mmap of 5 * 4096 bytes; page number n begins with the byte n when the hole is made."""
    run = program.run()
    run.expect.syscall("mmap", args=(0, 5 * PAGE, 3, 0x22), times=1)
    start = first_area(run)
    names = [call.name for call in run.syscalls]
    hole = "syscall:munmap" if "munmap" in names else "syscall:mmap:2"
    for page in range(5):
        run.expect.memory(start + page * PAGE, bytes([page + 1]), at=hole)


@check("cuts a hole into the area", points=3, depends_on=numbers)
def cuts(program):
    """munmap(address of the third page, 4096): the third page begins two pages behind the first."""
    run = program.run(at=["syscall:mmap:2"])
    start = first_area(run)
    run.expect.syscall("munmap", args=(start + 2 * PAGE, PAGE), result=0, times=1)
    run.expect.area(at="syscall:mmap:2", name="", perms="rw-p", start=start, size=2 * PAGE)
    run.expect.area(at="syscall:mmap:2", name="", perms="rw-p", start=start + 3 * PAGE, size=2 * PAGE)


@check("fills the hole, and the area is whole again", points=2, depends_on=cuts)
def fills(program):
    """mmap(0, 4096, 3, 0x22, -1, 0): the kernel puts the page into the hole; the other pages still hold their numbers."""
    run = program.run()
    start = first_area(run)
    run.expect.syscall("mmap", args=(0, PAGE, 3, 0x22), result=start + 2 * PAGE, times=1)
    run.expect.area(at="exit", name="", perms="rw-p", start=start, size=5 * PAGE)
    for page in (0, 1, 3, 4):
        run.expect.memory(start + page * PAGE, bytes([page + 1]), at="exit")


@check("the new page is empty", points=1, depends_on=fills)
def empty(program):
    """The status is the new page's first byte: 0, and not the 3 that was there before."""
    run = program.run()
    run.expect.exit(0)
    run.expect.memory(first_area(run) + 2 * PAGE, b"\0", at="exit")

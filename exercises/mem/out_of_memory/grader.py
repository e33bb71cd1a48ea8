"""out_of_memory: the OOM killer."""

from toolkit.grading import check

MEMORY = 4 << 20
PAGE = 4096


@check("gets the promise of 8 MiB", points=1)
def promise(program):
    """The machine has only 4, but nothing was touched yet. MAP_NORESERVE lets the kernel promise it. On a large machine the program ends by itself."""
    run = program.run(memory=MEMORY)
    run.expect.syscall("mmap", args=(0, 8 << 20, 3, 0x4022), succeeds=True)
    program.run().expect.exit(0)


@check("is killed by the kernel", points=2, depends_on=promise)
def killed(program):
    """SIGKILL, at a store; not SIGSEGV."""
    program.run(memory=MEMORY).expect.signal("SIGKILL")


@check("used nearly all memory", points=2, depends_on=killed)
def used(program):
    """rbx counts the touched pages: most of the 1024 pages of the machine, and never more."""
    pages = program.run(memory=MEMORY).registers("exit")["rbx"]
    assert MEMORY // PAGE // 2 <= pages <= MEMORY // PAGE, f"rbx is {pages}"


@check("touches each page of the 8 MiB", points=1, depends_on=promise)
def each(program):
    """On a machine that is large enough, all 2048 pages are resident in the end."""
    run = program.run(at=["exit"])
    resident = sum(area.resident for area in run.maps("exit").areas)
    assert resident >= 8 << 20, f"only {resident >> 20} MiB are resident"

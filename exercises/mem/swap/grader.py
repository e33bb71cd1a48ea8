"""swap: anonymous pages that are put aside and come back."""

import struct

from toolkit.grading import check, numbers

EVENTS = 20_000  # a fault for each page, and one for each that comes back
PAGE, PAGES = 4096, 768
MEMORY, SWAP = 2 << 20, 4 << 20


def small(program):
    return program.run(memory=MEMORY, swap=SWAP)


@check("every number is still there", points=3)
def there(program):
    """3 MiB are used on a machine with 2: what was put aside comes back with the same bytes. sum is 0 + 1 + … + 767."""
    run = small(program)
    run.expect.exit(0)
    run.expect.memory("sum", numbers([PAGES * (PAGES - 1) // 2]), at="exit")
    run.expect.syscall("mmap", args=(0, PAGES * PAGE, 3, 0x4022), times=1, succeeds=True)


@check("counts the pages that were put aside", points=3, depends_on=there)
def counts(program):
    """One byte of mincore's vector for each page, the lowest bit 1 if it is in memory; absent counts the others."""
    run = small(program)
    run.expect.syscall("mincore", args=(None, PAGES * PAGE), result=0, times=1)
    address = next(call.arguments[2] for call in run.syscalls if call.name == "mincore")
    vector = run.memory(address, PAGES, at="exit")
    absent = struct.unpack("<I", run.memory("absent", 4, at="exit"))[0]
    expected = sum(not byte & 1 for byte in vector)
    assert absent == expected, f"absent is {absent}, but {expected} bytes of the vector say so"
    assert absent >= PAGES - MEMORY // PAGE, (
        f"absent is only {absent}: was everything written before mincore?"
    )


@check("all pages are used", points=2, depends_on=there)
def used(program):
    """On a machine with room for all, each page begins with its number at the end, and none is absent."""
    run = program.run()
    run.expect.exit(0)
    run.expect.memory("absent", bytes(4), at="exit")
    start = next(call.result for call in run.syscalls if call.name == "mmap")
    found = run.memory(start, PAGES * PAGE)
    wrong = (page for page in range(PAGES) if found[page * PAGE : page * PAGE + 8] != numbers([page]))
    for page in wrong:
        run.expect.memory(start + page * PAGE, numbers([page]), at="exit")


@check("without swap the program is killed", points=1, depends_on=there)
def killed(program):
    """The memory is really more than there is: on a machine without swap the kernel ends the program."""
    program.run(memory=MEMORY).expect.signal("SIGKILL")

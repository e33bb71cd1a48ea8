"""Memory that runs short: reclaim by second chance, swap, evicted file pages, the out-of-memory killer, overcommit."""

from __future__ import annotations

from functools import partial

import pytest
from fake_machine import new_space, touch

from toolkit.abi.errno import Errno
from toolkit.abi.memory import (
    MADV_FREE,
    MADV_PAGEOUT,
    MAP_ANONYMOUS,
    MAP_NORESERVE,
    MAP_PRIVATE,
    MAP_SHARED,
    OVERCOMMIT_ALWAYS,
    OVERCOMMIT_NEVER,
    PAGE_SIZE,
    PROT_READ,
    PROT_WRITE,
)
from toolkit.abi.process import RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK
from toolkit.abi.signals import Signal
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.mm.faults import Refused
from toolkit.kernel.mm.oom import Candidate, OutOfMemoryKiller, badness, oom_score
from toolkit.kernel.mm.pages import MemoryStorage, PageCache
from toolkit.kernel.mm.space import AddressSpace

RW, PRIVATE = PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS


def fill(space: AddressSpace, start: int, pages: int) -> Refused | None:
    """Write each page's number into it; the refusal if one comes."""
    for page in range(pages):
        refused = touch(space, start + page * PAGE_SIZE, write=True)
        if refused is not None:
            return refused
        space.write(start + page * PAGE_SIZE, page.to_bytes(4, "little"))
    return None


def numbers(space: AddressSpace, start: int, pages: int) -> list[int]:
    return [int.from_bytes(space.read(start + page * PAGE_SIZE, 4), "little") for page in range(pages)]


def test_more_pages_than_frames_go_to_swap_and_come_back() -> None:
    space = new_space(limit=100, swap_pages=200)
    start = space.mmap(0, 200 * PAGE_SIZE, RW, PRIVATE)
    assert fill(space, start, 200) is None
    assert space.swap_entries + space.resident_pages == 200
    assert space.swap_entries > 90
    assert space.faults.major == 0
    swapped = next(page for page in range(200) if space.page_state(start + page * PAGE_SIZE).swap is not None)
    assert touch(space, start + swapped * PAGE_SIZE) is None
    assert space.faults.major == 1
    assert numbers(space, start, 200) == list(range(200))
    space.munmap(start, 200 * PAGE_SIZE)
    assert space.frames.swap.used == 0
    assert space.swap_entries == 0


def test_without_swap_the_process_is_killed() -> None:
    space = new_space(limit=100)
    start = space.mmap(0, 200 * PAGE_SIZE, RW, PRIVATE | MAP_NORESERVE)
    refused = fill(space, start, 200)
    assert refused is not None
    assert refused.signal == Signal.SIGKILL


def test_a_page_used_lately_gets_a_second_chance() -> None:
    space = new_space(limit=120, swap_pages=200)
    start = space.mmap(0, 200 * PAGE_SIZE, RW, PRIVATE)
    for page in range(200):
        assert touch(space, start + page * PAGE_SIZE, write=True) is None
        assert touch(space, start) is None
    assert space.faults.major <= 2


def test_shared_pages_are_swapped_once_and_stay_shared() -> None:
    space = new_space(limit=120, swap_pages=300)
    start = space.mmap(0, 20 * PAGE_SIZE, RW, PRIVATE)
    fill(space, start, 20)
    child = space.clone()
    space.madvise(start, 20 * PAGE_SIZE, MADV_PAGEOUT)
    assert space.swap_entries == 0  # pages that others map are left alone
    big = child.mmap(0, 150 * PAGE_SIZE, RW, PRIVATE)
    fill(child, big, 150)
    assert numbers(space, start, 20) == numbers(child, start, 20) == list(range(20))
    child.write(start, b"\xff\0\0\0")
    assert numbers(space, start, 1) == [0]
    assert numbers(child, start, 1) == [255]
    child.release()
    assert numbers(space, start, 20) == list(range(20))
    space.release()
    assert space.frames.swap.used == 0
    assert space.frames.free_count == space.frames.total - 1


def test_shared_memory_goes_to_swap() -> None:
    space = new_space(limit=100, swap_pages=200)
    start = space.mmap(0, 150 * PAGE_SIZE, RW, MAP_SHARED | MAP_ANONYMOUS)
    assert fill(space, start, 150) is None
    assert numbers(space, start, 150) == list(range(150))
    assert space.faults.major > 0


class OpenFile:
    readable = writable = mappable = executable = True
    device, inode, name = (8, 1), 12, "/data"

    def __init__(self, pages: PageCache) -> None:
        self.pages = pages


def test_file_pages_are_dropped_and_read_again() -> None:
    space = new_space(limit=60)
    content = b"".join(page.to_bytes(4, "little") * 1024 for page in range(100))
    cache = PageCache(space.frames, MemoryStorage(content), len(content))
    start = space.mmap(0, len(content), RW, MAP_SHARED, OpenFile(cache))
    assert numbers(space, start, 100) == list(range(100))
    space.write(start + 5, b"kept")
    assert numbers(space, start, 100)[1:] == list(range(1, 100))
    assert space.faults.major > 0
    assert cache.read(0, 10) == content[:5] + b"kept" + content[9:10]


def test_pages_advised_free_are_dropped_without_swap() -> None:
    space = new_space(limit=100, swap_pages=0)
    start = space.mmap(0, 60 * PAGE_SIZE, RW, PRIVATE)
    fill(space, start, 60)
    space.madvise(start, 60 * PAGE_SIZE, MADV_FREE)
    space.write(start, b"\x07")  # written again: kept
    other = space.mmap(0, 60 * PAGE_SIZE, RW, PRIVATE)
    assert fill(space, other, 60) is None
    assert space.read(start, 1) == b"\x07"
    assert 0 in numbers(space, start, 60)[1:]


def test_the_killer_takes_the_largest_and_says_so() -> None:
    small = new_space(limit=200)
    large = AddressSpace(small.machine, small.frames, small.layout, small.limits)
    killed: list[int] = []
    spaces = {1: small, 2: large}
    candidates = [
        Candidate(space, pid, f"p{pid}", 1000, partial(killed.append, pid)) for pid, space in spaces.items()
    ]
    killer = OutOfMemoryKiller(small.frames, lambda: candidates, lambda: small)
    small.frames.out_of_memory = killer
    start = large.mmap(0, 120 * PAGE_SIZE, RW, PRIVATE)
    fill(large, start, 120)
    assert (badness(large) or 0) > (badness(small) or 0)
    assert oom_score(large) > oom_score(small)
    mine = small.mmap(0, 100 * PAGE_SIZE, RW, PRIVATE)
    assert fill(small, mine, 100) is None
    assert killed == [2]
    assert killer.log[-1].startswith(
        "Out of memory: Killed process 2 (p2) total-vm:480kB, anon-rss:480kB, file-rss:0kB"
    )
    assert killer.log[-1].endswith("oom_score_adj:0")


def test_an_exempt_process_is_not_chosen() -> None:
    space = new_space(limit=100)
    space.oom_score_adj = -1000
    assert badness(space) is None
    assert oom_score(space) == 0


@pytest.mark.parametrize(
    ("mode", "flags", "pages", "error"),
    [
        (0, PRIVATE, 90, None),
        (0, PRIVATE, 200, Errno.ENOMEM),
        (0, PRIVATE | MAP_NORESERVE, 100_000, None),
        (OVERCOMMIT_ALWAYS, PRIVATE, 100_000, None),
        (OVERCOMMIT_NEVER, PRIVATE, 40, None),
        (OVERCOMMIT_NEVER, PRIVATE, 60, Errno.ENOMEM),
        (OVERCOMMIT_NEVER, PRIVATE | MAP_NORESERVE, 60, Errno.ENOMEM),
        (OVERCOMMIT_NEVER, MAP_SHARED | MAP_ANONYMOUS, 60, Errno.ENOMEM),
    ],
)
def test_overcommit(mode: int, flags: int, pages: int, error: Errno | None) -> None:
    space = new_space(limit=100)
    space.frames.commitment.mode = mode
    if error is None:
        space.mmap(0, pages * PAGE_SIZE, RW, flags)
    else:
        with pytest.raises(SyscallError) as caught:
            space.mmap(0, pages * PAGE_SIZE, RW, flags)
        assert caught.value.errno == error


def test_what_was_committed_is_given_back() -> None:
    space = new_space(limit=1000)
    commitment = space.frames.commitment
    start = space.mmap(0, 40 * PAGE_SIZE, RW, PRIVATE)
    space.mmap(start + 8 * PAGE_SIZE, 4 * PAGE_SIZE, RW, PRIVATE | 0x10)
    assert commitment.committed == 40
    child = space.clone()
    assert commitment.committed == 80
    child.release()
    space.mremap(start, 8 * PAGE_SIZE, 16 * PAGE_SIZE, 1)
    assert commitment.committed == 48
    shared = space.mmap(0, 10 * PAGE_SIZE, RW, MAP_SHARED | MAP_ANONYMOUS)
    assert commitment.committed == 58
    space.munmap(shared, 10 * PAGE_SIZE)
    space.release()
    assert commitment.committed == 0


@pytest.mark.parametrize(
    ("limits", "privileged", "call", "error"),
    [
        ({RLIMIT_AS: 16 * PAGE_SIZE}, True, "mmap 17", Errno.ENOMEM),
        ({RLIMIT_AS: 16 * PAGE_SIZE}, True, "mmap 16", None),
        ({RLIMIT_DATA: 16 * PAGE_SIZE}, True, "mmap 17", Errno.ENOMEM),
        ({RLIMIT_MEMLOCK: 2 * PAGE_SIZE}, False, "lock 3", Errno.ENOMEM),
        ({RLIMIT_MEMLOCK: 2 * PAGE_SIZE}, False, "lock 2", None),
        ({RLIMIT_MEMLOCK: 2 * PAGE_SIZE}, True, "lock 3", None),
        ({RLIMIT_MEMLOCK: 0}, False, "lock 1", Errno.EPERM),
        ({RLIMIT_MEMLOCK: 2 * PAGE_SIZE}, False, "locked 3", Errno.EAGAIN),
    ],
)
def test_limits(limits: dict[int, int], privileged: bool, call: str, error: Errno | None) -> None:
    space = new_space(limits=limits, privileged=privileged)
    what, count = call.split()
    size = int(count) * PAGE_SIZE

    def attempt() -> None:
        start = space.mmap(0, size, RW, PRIVATE | (0x2000 if what == "locked" else 0))
        if what == "lock":
            space.mlock(start, size)

    if error is None:
        attempt()
    else:
        with pytest.raises(SyscallError) as caught:
            attempt()
        assert caught.value.errno == error


def test_data_limit_stops_the_heap() -> None:
    space = new_space(limits={RLIMIT_DATA: 4 * PAGE_SIZE})
    base = space.places.brk
    assert space.brk(base + 4 * PAGE_SIZE) == base + 4 * PAGE_SIZE
    assert space.brk(base + 5 * PAGE_SIZE) == base + 4 * PAGE_SIZE

"""An address space without a CPU: faults, copy-on-write, files, user copies, growth and the calls on it.

What Linux does in these cases is compared natively in tests/differential; here the same holds on every platform.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from fake_machine import HEAP, LAYOUT, FakeMachine, new_space, touch

from toolkit.abi.errno import Errno
from toolkit.abi.memory import (
    MADV_DONTFORK,
    MADV_DONTNEED,
    MADV_REMOVE,
    MADV_WIPEONFORK,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_GROWSDOWN,
    MAP_NORESERVE,
    MAP_PRIVATE,
    MAP_SHARED,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    MS_SYNC,
    PAGE_SIZE,
    PROT_EXEC,
    PROT_NONE,
    PROT_READ,
    PROT_WRITE,
)
from toolkit.abi.process import RLIMIT_STACK
from toolkit.abi.signals import BUS_ADRERR, SEGV_ACCERR, SEGV_MAPERR, Signal
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.mm.areas import STACK_GUARD_GAP
from toolkit.kernel.mm.faults import Refused
from toolkit.kernel.mm.pages import MemoryStorage, PageCache
from toolkit.kernel.mm.space import AddressSpace

RW, PRIVATE, SHARED = PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, MAP_SHARED | MAP_ANONYMOUS
ARENA = 0x10_0000_0000
TOP = 1 << 64


@dataclass(eq=False)
class OpenFile:
    pages: PageCache
    name: str = "/data"
    readable: bool = True
    writable: bool = True
    mappable: bool = True
    executable: bool = True
    device: tuple[int, int] = (8, 1)
    inode: int = 12


def open_file(space: AddressSpace, content: bytes, **rights: Any) -> OpenFile:
    return OpenFile(PageCache(space.frames, MemoryStorage(content), len(content)), **rights)


def stored(file: OpenFile) -> MemoryStorage:
    assert isinstance(file.pages.storage, MemoryStorage)
    return file.pages.storage


def error_of(call: object, *arguments: object) -> Errno | None:
    try:
        call(*arguments)  # type: ignore[operator]
    except SyscallError as error:
        return error.errno
    return None


def test_memory_is_zero_at_first_and_keeps_what_is_written() -> None:
    space = new_space()
    start = space.mmap(0, 3 * PAGE_SIZE, RW, PRIVATE)
    assert space.read(start, 3 * PAGE_SIZE) == bytes(3 * PAGE_SIZE)
    assert space.resident_pages == 0  # reading shows the zero page, which no one owns
    space.write(start + PAGE_SIZE - 2, b"over the edge")
    assert space.read(start + PAGE_SIZE - 2, 13) == b"over the edge"
    assert (space.resident_pages, space.faults.minor, space.faults.major) == (2, 5, 0)


@pytest.mark.parametrize(
    ("address", "write", "refused"),
    [
        (0x10, False, (Signal.SIGSEGV, SEGV_MAPERR)),
        (0xFFFF_8000_0000_0000, False, (Signal.SIGSEGV, SEGV_MAPERR)),
        (ARENA, True, (Signal.SIGSEGV, SEGV_ACCERR)),
        (ARENA, False, None),
        (ARENA + PAGE_SIZE, False, (Signal.SIGSEGV, SEGV_ACCERR)),
        (ARENA + 0x10000, False, None),
        (ARENA + 0x10000 + PAGE_SIZE, False, (Signal.SIGBUS, BUS_ADRERR)),
    ],
)
def test_what_faults_end_in(address: int, write: bool, refused: tuple[Signal, int] | None) -> None:
    space = new_space()
    space.mmap(ARENA, PAGE_SIZE, PROT_READ, PRIVATE)
    space.mmap(ARENA + PAGE_SIZE, PAGE_SIZE, PROT_NONE, PRIVATE)
    file = open_file(space, b"one page at most")
    space.mmap(ARENA + 0x10000, 2 * PAGE_SIZE, RW, MAP_SHARED, file)
    assert touch(space, address, write=write) == (Refused(*refused) if refused else None)


def test_private_file_pages_are_copied_and_shared_ones_are_the_file() -> None:
    space = new_space()
    file = open_file(space, b"abcdef" * 1000)
    private = space.mmap(0, 2 * PAGE_SIZE, RW, MAP_PRIVATE, file)
    shared = space.mmap(0, 2 * PAGE_SIZE, RW, MAP_SHARED, file)
    space.write(private, b"PRIVATE")
    assert space.read(shared, 6) == b"abcdef"
    space.write(shared + 100, b"SHARED")
    assert file.pages.read(100, 6) == b"SHARED"
    assert space.read(private + 100, 6) != b"SHARED"
    assert space.read(private + 6000, 10) == bytes(10)  # after the end of the file, in its last page
    assert stored(file).load(0)[100:106] != b"SHARED"
    space.msync(shared, PAGE_SIZE, MS_SYNC)
    assert stored(file).load(0)[100:106] == b"SHARED"


def test_write_and_truncate_are_seen_through_mappings() -> None:
    space = new_space()
    file = open_file(space, bytes(3 * PAGE_SIZE))
    start = space.mmap(0, 3 * PAGE_SIZE, RW, MAP_SHARED, file)
    space.read(start + 2 * PAGE_SIZE, 1)
    file.pages.write(PAGE_SIZE - 2, b"four")
    assert space.read(start + PAGE_SIZE - 2, 4) == b"four"
    space.write(start + PAGE_SIZE + 50, b"tail")
    file.pages.truncate(PAGE_SIZE + 10)
    assert space.read(start + PAGE_SIZE + 50, 4) == bytes(4)
    assert touch(space, start + 2 * PAGE_SIZE) == Refused(Signal.SIGBUS, BUS_ADRERR)
    file.pages.truncate(3 * PAGE_SIZE)
    assert space.read(start + 2 * PAGE_SIZE, 4) == bytes(4)


def test_a_hole_is_punched_for_sharers_and_not_in_private_copies() -> None:
    space = new_space()
    file = open_file(space, b"x" * 3 * PAGE_SIZE)
    shared = space.mmap(0, 3 * PAGE_SIZE, RW, MAP_SHARED, file)
    private = space.mmap(0, 3 * PAGE_SIZE, RW, MAP_PRIVATE, file)
    space.write(private + PAGE_SIZE, b"mine")
    space.madvise(shared + PAGE_SIZE, PAGE_SIZE, MADV_REMOVE)
    assert space.read(shared + PAGE_SIZE, 4) == bytes(4)
    assert space.read(private + PAGE_SIZE, 4) == b"mine"


def test_fork_copies_on_write_and_shares_what_is_shared() -> None:
    parent = new_space()
    private = parent.mmap(0, PAGE_SIZE, RW, PRIVATE)
    shared = parent.mmap(0, PAGE_SIZE, RW, SHARED)
    kept, wiped = (
        parent.mmap(0, PAGE_SIZE, RW, PRIVATE),
        parent.mmap(0, PAGE_SIZE, PROT_READ | PROT_WRITE, PRIVATE),
    )
    for address in (private, shared, kept, wiped):
        parent.write(address, b"parent")
    parent.madvise(kept, PAGE_SIZE, MADV_DONTFORK)
    parent.madvise(wiped, PAGE_SIZE, MADV_WIPEONFORK)
    child = parent.clone()
    assert parent.page_state(private).sharers == 2
    child.write(private, b"child ")
    child.write(shared, b"child ")
    assert (parent.read(private, 6), parent.read(shared, 6)) == (b"parent", b"child ")
    assert error_of(child.read, kept, 6) == Errno.EFAULT
    assert child.read(wiped, 6) == bytes(6)
    child.release()
    assert parent.page_state(private).sharers == 1
    parent.release()
    assert parent.frames.free_count == parent.frames.total - 1  # the zero page alone is left


def test_written_code_is_reported_to_the_machine() -> None:
    space = new_space()
    machine = space.machine
    assert isinstance(machine, FakeMachine)
    start = space.mmap(0, PAGE_SIZE, RW | PROT_EXEC, PRIVATE)
    space.write(start, b"\xc3")
    frame = space.page_state(start).frame
    space.write(start, b"\x90")
    assert machine.changed == [frame, frame]
    space.madvise(start, PAGE_SIZE, MADV_DONTNEED)
    other = space.mmap(0, PAGE_SIZE, RW, PRIVATE)
    space.write(other, b"x")
    assert space.page_state(other).frame == frame
    assert machine.changed == [frame] * 3


BAD = [
    0,
    1,
    0x7FFF_FFFF_E000,
    LAYOUT.task_size - 1,
    LAYOUT.task_size,
    0xFFFF_8000_0000_0000,
    TOP - 1,
    TOP - 4096,
]


@pytest.mark.parametrize("address", BAD)
@pytest.mark.parametrize("size", [1, 8, 5000, 1 << 40])
def test_bad_pointers_are_efault(address: int, size: int) -> None:
    space = new_space()
    assert error_of(space.read, address, size) == Errno.EFAULT
    assert error_of(space.write, address, b"x" * min(size, 5000)) == Errno.EFAULT
    assert error_of(space.read_string, address, size) == Errno.EFAULT
    assert error_of(space.poke, address, b"x") == Errno.EFAULT
    assert (space.read_available(address, size), space.write_available(address, b"x")) == (b"", 0)


def test_user_copies_stop_at_the_bad_page() -> None:
    space = new_space()
    start = space.mmap(ARENA, 2 * PAGE_SIZE, RW, PRIVATE)
    space.mprotect(start + PAGE_SIZE, PAGE_SIZE, PROT_READ)
    assert space.write_available(start + PAGE_SIZE - 3, b"abcdef") == 3
    assert error_of(space.write, start + PAGE_SIZE - 2, b"xyz") == Errno.EFAULT
    assert space.read(start + PAGE_SIZE - 3, 3) == b"axy"
    assert space.read_available(start + 2 * PAGE_SIZE - 2, 10) == bytes(2)
    space.poke(start + PAGE_SIZE, b"string\0")
    assert space.read_string(start + PAGE_SIZE, 100) == b"string"
    assert space.read_string(start + PAGE_SIZE, 3) == b"str"
    assert touch(space, start + PAGE_SIZE, write=True) == Refused(Signal.SIGSEGV, SEGV_ACCERR)


SIZES = [0, 1, TOP - 1, TOP - PAGE_SIZE, 1 << 63, 1 << 47]


@pytest.mark.parametrize("address", [0, ARENA, ARENA + 1, TOP - PAGE_SIZE, TOP - 1, 1 << 63])
@pytest.mark.parametrize("size", SIZES)
def test_no_argument_makes_a_call_fail_otherwise_than_by_errno(address: int, size: int) -> None:
    space = new_space()
    space.mmap(ARENA, 4 * PAGE_SIZE, RW, PRIVATE)
    calls = [
        (space.mmap, address, size, RW, PRIVATE),
        (space.mmap, address, size, RW, PRIVATE | MAP_FIXED_NOREPLACE),
        (space.mmap, 0, PAGE_SIZE, RW, MAP_PRIVATE, open_file(space, b"x"), size & -PAGE_SIZE),
        (space.munmap, address, size),
        (space.mprotect, address, size, PROT_READ),
        (space.mremap, address, size, size, MREMAP_MAYMOVE, 0),
        (space.mremap, ARENA, PAGE_SIZE, size, MREMAP_MAYMOVE | MREMAP_FIXED, address),
        (space.madvise, address, size, MADV_DONTNEED),
        (space.msync, address, size, MS_SYNC),
        (space.mincore, address, size, address),
        (space.mlock, address, size),
        (space.munlock, address, size),
        (space.name_area, address, size, b"name"),
    ]
    for call, *arguments in calls:
        error_of(call, *arguments)
    space.brk(address)
    assert all(area.start < area.end <= LAYOUT.task_size for area in space.areas)


@pytest.mark.parametrize(
    ("rights", "prot", "flags", "error"),
    [
        ({"writable": False}, RW, MAP_SHARED, Errno.EACCES),
        ({"writable": False}, RW, MAP_PRIVATE, None),
        ({"readable": False}, PROT_WRITE, MAP_SHARED, Errno.EACCES),
        ({"mappable": False}, PROT_READ, MAP_PRIVATE, Errno.ENODEV),
        ({"executable": False}, PROT_EXEC, MAP_PRIVATE, Errno.EPERM),
        ({}, PROT_READ, 0, Errno.EINVAL),
        ({}, PROT_READ, MAP_PRIVATE | MAP_GROWSDOWN, Errno.EINVAL),
    ],
)
def test_mapping_files_needs_rights(
    rights: dict[str, bool], prot: int, flags: int, error: Errno | None
) -> None:
    space = new_space()
    assert error_of(space.mmap, 0, PAGE_SIZE, prot, flags, open_file(space, b"x", **rights)) == error


def test_rights_of_the_file_bound_mprotect() -> None:
    space = new_space()
    start = space.mmap(0, PAGE_SIZE, PROT_READ, MAP_SHARED, open_file(space, b"x", writable=False))
    assert error_of(space.mprotect, start, PAGE_SIZE, RW) == Errno.EACCES


def test_stack_grows_to_its_limit_and_not_into_its_guard() -> None:
    space = new_space(limits={RLIMIT_STACK: 1 << 20})
    top = LAYOUT.stack_top
    space.map_stack(top, 132 << 10)
    assert touch(space, top - (1 << 20), write=True) is None
    assert touch(space, top - (1 << 20) - 1, write=True) == Refused(Signal.SIGSEGV, SEGV_MAPERR)
    area = space.area_at(top - 1)
    assert area is not None
    assert area.end - area.start == 1 << 20
    space.limits.values[RLIMIT_STACK] = 64 << 20  # type: ignore[attr-defined]
    below = area.start - STACK_GUARD_GAP - 16 * PAGE_SIZE
    space.mmap(below, PAGE_SIZE, RW, PRIVATE | MAP_FIXED)
    assert touch(space, area.start - 15 * PAGE_SIZE, write=True) is None
    assert touch(space, area.start - 17 * PAGE_SIZE, write=True) == Refused(Signal.SIGSEGV, SEGV_MAPERR)


def test_brk_returns_the_old_break_when_it_cannot() -> None:
    space = new_space()
    assert space.brk(0) == HEAP
    assert space.brk(HEAP + 5000) == HEAP + 5000
    space.mmap(HEAP + 4 * PAGE_SIZE, PAGE_SIZE, RW, PRIVATE | MAP_FIXED)
    assert space.brk(HEAP + 4 * PAGE_SIZE) == HEAP + 5000
    assert space.brk(HEAP - 1) == HEAP + 5000
    assert space.brk(HEAP) == HEAP
    assert space.area_at(HEAP) is None


def test_moved_pages_keep_their_content() -> None:
    space = new_space()
    start = space.mmap(ARENA, 4 * PAGE_SIZE, RW, PRIVATE)
    space.write(start + PAGE_SIZE, b"content")
    frame = space.page_state(start + PAGE_SIZE).frame
    moved = space.mremap(
        start, 4 * PAGE_SIZE, 8 * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, ARENA + (1 << 30)
    )
    assert space.read(moved + PAGE_SIZE, 7) == b"content"
    assert space.page_state(moved + PAGE_SIZE).frame == frame
    assert space.area_at(start) is None


def test_area_limit() -> None:
    space = new_space()
    space.max_map_count = 10
    for number in range(11):
        space.mmap(ARENA + 2 * number * PAGE_SIZE, PAGE_SIZE, RW, PRIVATE)
    assert error_of(space.mmap, 0, PAGE_SIZE, PROT_READ, PRIVATE) == Errno.ENOMEM
    space.munmap(ARENA, PAGE_SIZE)
    space.mmap(ARENA, 3 * PAGE_SIZE, RW, PRIVATE | MAP_FIXED)
    assert error_of(space.munmap, ARENA + PAGE_SIZE, PAGE_SIZE) in (None, Errno.ENOMEM)
    assert len(space.areas) <= 11


def test_a_huge_sparse_mapping_costs_only_what_is_touched() -> None:
    space = new_space()
    start = space.mmap(0, 1 << 36, RW, PRIVATE | MAP_NORESERVE)
    before = space.frames.free_count
    for step in range(8):
        space.write(start + (step << 33), b"x")
    assert before - space.frames.free_count <= 8 * 3 + 2  # a page and two tables each, and the tables above
    space.munmap(start, 1 << 36)
    assert space.frames.free_count >= before


@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize("pages", [1, 3])
def test_content_is_mapped_as_by_three_calls(pages: int, writable: bool) -> None:
    content = bytes(range(1, 256)) * (pages * PAGE_SIZE // 255 + 1)
    content = content[: pages * PAGE_SIZE]
    at_once, step_by_step = new_space(), new_space()
    at_once.map_content(ARENA, content, writable=writable)
    step_by_step.mmap(ARENA, len(content), RW, PRIVATE | MAP_FIXED)
    step_by_step.write(ARENA, content)
    if not writable:
        step_by_step.mprotect(ARENA, len(content), PROT_READ)
    assert at_once.read(ARENA, len(content)) == step_by_step.read(ARENA, len(content)) == content
    for space in (at_once, step_by_step):
        area = space.area_at(ARENA)
        assert area is not None
        assert area.group is not None
        assert (area.group.areas, area.group.links, area.chain) == (1, 1, (area.group,))
    assert [area._replace(group=None, chain=()) for area in at_once.areas] == [
        area._replace(group=None, chain=()) for area in step_by_step.areas
    ]
    for counted in ("total_pages", "resident", "charged_pages", "faults"):
        assert getattr(at_once, counted) == getattr(step_by_step, counted), counted
    assert at_once.frames.commitment.committed == step_by_step.frames.commitment.committed
    for page in range(pages):
        address = ARENA + page * PAGE_SIZE
        assert at_once.page_state(address) == step_by_step.page_state(address)
        assert at_once.table.entry(address) & 0xFFF == step_by_step.table.entry(address) & 0xFFF
    refused = at_once.fault(ARENA, 7)
    assert isinstance(refused, Refused) != writable


@pytest.mark.parametrize(
    ("start", "size"), [(0, 100), (PAGE_SIZE, PAGE_SIZE), (-PAGE_SIZE, PAGE_SIZE), (0, PAGE_SIZE)]
)
def test_content_needs_whole_pages_and_room_around(start: int, size: int) -> None:
    space = new_space()
    space.map_content(ARENA, bytes(PAGE_SIZE), writable=True)
    with pytest.raises(ValueError, match="no whole pages apart"):
        space.map_content(ARENA + start, bytes(size), writable=True)


def test_overwriting_needs_pages_that_are_there_and_writable() -> None:
    space = new_space()
    space.mmap(ARENA, 3 * PAGE_SIZE, RW, PRIVATE | MAP_FIXED)
    assert not space.overwrite(ARENA, b"absent")
    space.write(ARENA + PAGE_SIZE - 1, b"ab")
    before = space.faults.minor
    assert space.overwrite(ARENA + PAGE_SIZE - 2, b"wxyz")
    assert space.read(ARENA + PAGE_SIZE - 2, 4) == b"wxyz"
    assert not space.overwrite(ARENA + 2 * PAGE_SIZE - 2, b"1234")
    assert space.read(ARENA + 2 * PAGE_SIZE - 2, 2) == b"\0\0"
    space.mprotect(ARENA, PAGE_SIZE, PROT_READ)
    assert not space.overwrite(ARENA, b"read-only")
    assert not space.overwrite(-128, b"nowhere")
    assert space.faults.minor == before

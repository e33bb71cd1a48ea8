"""More memory than there is: random use by several processes while reclaim, swap and copies go on underneath.

What each page must read is kept beside; and what is counted (entries of frames, resident pages, swap slots) is
counted again from the page tables.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest
from fake_machine import LAYOUT, FakeMachine, touch

from toolkit.abi.memory import (
    MADV_COLD,
    MADV_DONTNEED,
    MADV_FREE,
    MADV_PAGEOUT,
    MADV_WILLNEED,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_PRIVATE,
    MAP_SHARED,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    PAGE_SIZE,
    PROT_READ,
    PROT_WRITE,
    PTE_FRAME_MASK,
)
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.mm.frames import ANONYMOUS, FILE, FIXED, FREE, SHMEM, Frames, OutOfMemoryError
from toolkit.kernel.mm.page_cache import MemoryStorage, PageCache
from toolkit.kernel.mm.residence import RESIDENT, swap_slot
from toolkit.kernel.mm.space import AddressSpace, FixedLimits

PRIVATE, SHARED, COPIED, MAPPED = 0x1000_0000, 0x2000_0000, 0x3000_0000, 0x4000_0000
PAGES = 24
RIGHTS = PROT_READ | PROT_WRITE


class File:
    """A file that every process maps privately at COPIED and shared at MAPPED."""

    name, device, inode = "/file", (0xFE, 0), 9
    readable = writable = mappable = executable = True

    def __init__(self, frames: Frames) -> None:
        self.pages = PageCache(
            frames,
            MemoryStorage(b"".join(bytes([n + 1]) * PAGE_SIZE for n in range(PAGES))),
            PAGES * PAGE_SIZE,
        )


class World:
    """Processes over a few frames, and what their pages must read: by process and page, or by shared page."""

    def __init__(self, seed: int, frames: int, swap: int) -> None:
        self.chance = random.Random(seed)
        machine = FakeMachine((frames + 2) * PAGE_SIZE)
        self.frames = Frames(machine, swap_pages=swap)
        self.file = File(self.frames)
        self.shared: dict[int, int] = {}
        self.on_file = {page: page + 1 for page in range(PAGES)}
        first = AddressSpace(machine, self.frames, LAYOUT, FixedLimits())
        for start, flags, backing in (
            (PRIVATE, MAP_PRIVATE | MAP_ANONYMOUS, None),
            (SHARED, MAP_SHARED | MAP_ANONYMOUS, None),
            (COPIED, MAP_PRIVATE, self.file),
            (MAPPED, MAP_SHARED, self.file),
        ):
            first.mmap(start, PAGES * PAGE_SIZE, RIGHTS, flags | MAP_FIXED, backing)
        self.own: dict[AddressSpace, dict[int, set[int]]] = {first: {}}

    def step(self) -> None:
        space = self.chance.choice(list(self.own))
        move = self.chance.choices(
            (
                self.store,
                self.load,
                self.look,
                self.fork,
                self.end,
                self.advise,
                self.protect,
                self.move,
                self.file_call,
            ),
            (30, 30, 15, 2, 1, 10, 4, 2, 4),
        )[0]
        try:
            move(space)
        except (SyscallError, OutOfMemoryError):
            self.kill(space)

    def kill(self, space: AddressSpace) -> None:
        """No memory: what the killer would end in another way."""
        if len(self.own) > 1:
            space.release()
            del self.own[space]
        else:
            space.madvise(PRIVATE, PAGES * PAGE_SIZE, MADV_DONTNEED)
            space.madvise(COPIED, PAGES * PAGE_SIZE, MADV_DONTNEED)
            self.own[space] = {}

    def place(self) -> tuple[int, int]:
        start = self.chance.choice((PRIVATE, SHARED, COPIED, MAPPED))
        page = self.chance.randrange(PAGES)
        return start, page

    def wanted(self, space: AddressSpace, start: int, page: int) -> set[int]:
        if start == SHARED:
            return {self.shared.get(page, 0)}
        if start == MAPPED:
            return {self.on_file[page]}
        return self.own[space].get(start + page, {self.on_file[page]} if start == COPIED else {0})

    def store(self, space: AddressSpace) -> None:
        start, page = self.place()
        value = self.chance.randrange(256)
        space.write(start + page * PAGE_SIZE, bytes([value]) * 3)
        if start == SHARED:
            self.shared[page] = value
        elif start == MAPPED:
            self.on_file[page] = value
        else:
            self.own[space][start + page] = {value}

    def load(self, space: AddressSpace) -> None:
        start, page = self.place()
        data = space.read(start + page * PAGE_SIZE, 3)
        assert len(set(data)) == 1
        assert data[0] in self.wanted(space, start, page)
        if start == PRIVATE and len(self.wanted(space, start, page)) > 1 and data[0] == 0:
            # A page that MADV_FREE gave up has gone; it is zero from now on.
            self.own[space][start + page] = {0}

    def look(self, space: AddressSpace) -> None:
        start, page = self.place()
        refused = touch(space, start + page * PAGE_SIZE, write=False)
        if refused is not None:
            self.kill(space)

    def fork(self, space: AddressSpace) -> None:
        if len(self.own) < 4:
            child = space.clone()
            self.own[child] = {page: set(values) for page, values in self.own[space].items()}

    def end(self, space: AddressSpace) -> None:
        if len(self.own) > 1:
            space.release()
            del self.own[space]

    def advise(self, space: AddressSpace) -> None:
        start, page = self.place()
        count = self.chance.randint(1, PAGES - page)
        advice = self.chance.choice((MADV_DONTNEED, MADV_FREE, MADV_PAGEOUT, MADV_COLD, MADV_WILLNEED))
        if advice == MADV_FREE and start != PRIVATE:
            return
        space.madvise(start + page * PAGE_SIZE, count * PAGE_SIZE, advice)
        for place in range(start + page, start + page + count):
            if advice == MADV_DONTNEED and start in (PRIVATE, COPIED):
                self.own[space].pop(place, None)
            elif advice == MADV_FREE and place in self.own[space]:
                self.own[space][place] = self.own[space][place] | {0}

    def protect(self, space: AddressSpace) -> None:
        start, page = self.place()
        count = self.chance.randint(1, PAGES - page)
        space.mprotect(start + page * PAGE_SIZE, count * PAGE_SIZE, PROT_READ)
        space.mprotect(start + page * PAGE_SIZE, count * PAGE_SIZE, RIGHTS)

    def move(self, space: AddressSpace) -> None:
        """There and back again."""
        page = self.chance.randrange(PAGES)
        old, new = PRIVATE + page * PAGE_SIZE, 0x5000_0000
        flags = MREMAP_MAYMOVE | MREMAP_FIXED
        space.mremap(old, PAGE_SIZE, PAGE_SIZE, flags, new)
        space.mremap(new, PAGE_SIZE, PAGE_SIZE, flags, old)

    def file_call(self, space: AddressSpace) -> None:
        page = self.chance.randrange(PAGES)
        match self.chance.randrange(3):
            case 0:
                self.file.pages.sync()
            case 1:
                assert set(self.file.pages.read(page * PAGE_SIZE, 3)) == {self.on_file[page]}
            case _:
                value = self.chance.randrange(256)
                self.file.pages.write(page * PAGE_SIZE, bytes([value]) * PAGE_SIZE)
                self.on_file[page] = value

    def check_counts(self) -> None:
        frames, swap = self.frames, self.frames.swap
        mappings: Counter[int] = Counter()
        slots: Counter[int] = Counter()
        for space in frames.spaces:
            resident = [0] * 6
            swapped = 0
            for _, slot, count in space.table.slots(0, LAYOUT.task_size):
                for entry in space.table.words[slot : slot + count].tolist():
                    if entry & RESIDENT:
                        frame = (entry & PTE_FRAME_MASK) >> 12
                        mappings[frame] += 1
                        kind = frames.kind[frame - frames.first]
                        assert kind != FREE
                        resident[kind] += kind != FIXED
                    elif entry:
                        slots[swap_slot(entry)] += 1
                        swapped += 1
            assert resident == space.resident
            assert swapped == space.swap_entries
        for cache in frames.caches:
            assert all(
                frames.kind[frame - frames.first] in (FILE, SHMEM) for frame in cache.resident.values()
            )
            slots.update(cache.swapped.values())
        assert dict(slots) == swap.references
        for index in range(len(frames.kind)):
            assert frames.mappings[index] == mappings[frames.first + index]
            if frames.kind[index] == ANONYMOUS and not frames.mappings[index]:
                assert frames.first + index in swap.slot_of
        free = [frame for frame in frames._free if frames.kind[frame - frames.first] == FREE]
        assert len(free) == len(set(free)) == len(frames._free)


@pytest.mark.parametrize(
    ("frames", "swap"), [(400, 0), (60, 300), (80, 300), (60, 40), (45, 20), (70, 0), (120, 100), (48, 200)]
)
@pytest.mark.parametrize("seed", range(2))
def test_every_page_reads_what_was_stored(seed: int, frames: int, swap: int) -> None:
    world = World(seed, frames, swap)
    for step in range(1200):
        world.step()
        if step % 40 == 0:
            world.check_counts()
    for space in list(world.own):
        for _ in range(50):
            if space in world.own:
                world.load(space)
        space.release()
    world.own.clear()
    world.frames.caches.clear()

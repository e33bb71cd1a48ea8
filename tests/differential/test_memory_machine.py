"""Random memory calls, played natively and here, compared after every step (results, errno, maps)."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from memory_oracle import (
    BRK,
    FORK_CHILD,
    FORK_PARENT,
    MADVISE,
    MINCORE,
    MLOCK,
    MLOCK2,
    MLOCKALL,
    MMAP,
    MPROTECT,
    MREMAP,
    MSYNC,
    MUNLOCK,
    MUNLOCKALL,
    MUNMAP,
    PEEK,
    TOUCH_READ,
    TOUCH_WRITE,
    Both,
)

pytestmark = pytest.mark.differential

ARENA = 0x10_0000_0000
PAGES = 24
ADVICE = [0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 25, 77]
EDGES = [0, 1, 4095, 4097, 1 << 47, (1 << 64) - 4096, (1 << 64) - 1, (1 << 63)]


class Player:
    """Draws calls that stay inside an arena of a few pages, so that areas often meet."""

    def __init__(self, both: Both, chance: random.Random) -> None:
        self.both, self.chance = both, chance
        self.moves: list[tuple[int, Callable[[], object]]] = [
            (40, self.mmap),
            (6, self.munmap),
            (25, self.mprotect),
            (35, self.touch),
            (12, self.mremap),
            (6, self.brk),
            (14, self.madvise),
            (6, self.lock),
            (3, self.msync),
            (3, self.mincore),
            (1, self.fork),
        ]

    def step(self) -> None:
        weights = [weight for weight, _ in self.moves]
        self.chance.choices([move for _, move in self.moves], weights)[0]()

    def address(self) -> int:
        if self.chance.random() < 0.02:
            return self.chance.choice(EDGES)
        skew = self.chance.choice([1, 5, 4095]) if self.chance.random() < 0.02 else 0
        return ARENA + self.chance.randrange(PAGES) * 4096 + skew

    def length(self) -> int:
        if self.chance.random() < 0.03:
            return self.chance.choice(EDGES)
        return self.chance.randint(0 if self.chance.random() < 0.1 else 1, 6) * 4096 - self.chance.choice(
            [0, 0, 0, 100]
        )

    def mmap(self) -> None:
        chance = self.chance
        kind = chance.choice([0x22, 0x22, 0x22, 0x22, 0x21, 0x02, 0x02, 0x01, 0x03, 0x23, 0x20, 0x28])
        flags = kind | (
            chance.choice([0x100, 0x4000, 0x8000, 0x20000, 0x2000]) if chance.random() < 0.15 else 0
        )
        place = chance.random()
        address = self.address()
        if place < 0.6:
            flags |= 0x10
        elif place < 0.7:
            flags |= 0x100000
        elif place < 0.8:
            address, flags = 0, flags | (0x40 if chance.random() < 0.3 else 0)
        length = self.length()
        if flags & 0x10 and length > 1 << 20:
            length = 4096
        prot = chance.choice([0, 1, 3, 3, 3, 2, 5, 7, 4])
        descriptor = chance.choice([3, 4, 5, 3, 77]) if not flags & 0x20 else (1 << 64) - 1
        offset = chance.choice([0, 0, 4096, 8192, 4096 * 5, 4096 * 8, 100])
        self.both.check(MMAP, address, length, prot, flags, descriptor, offset)

    def munmap(self) -> None:
        address, length = self.address(), self.length()
        if address >= ARENA and length < 1 << 20:
            self.both.check(MUNMAP, address, length)

    def mprotect(self) -> None:
        prot = self.chance.choice([0, 1, 3, 3, 3, 2, 5, 7, 4, 0x1000003, 0x2000003, 0x3000003, 16])
        self.both.check(MPROTECT, self.address(), self.length(), prot)

    def touch(self) -> None:
        address = self.address()
        self.both.check(self.chance.choice([TOUCH_WRITE, TOUCH_WRITE, TOUCH_READ, PEEK]), address)

    def mremap(self) -> None:
        flags = self.chance.choice([0, 1, 1, 3, 3, 3, 5, 7, 2, 8])
        new = self.address()
        old_length = self.length()
        new_length = old_length if self.chance.random() < 0.4 else self.length()
        if flags & 2 and new_length > 1 << 20:
            new_length = 4096
        address = self.address()
        if address >= ARENA and not (new_length < 1 << 47 and new_length > 1 << 30):
            self.both.check(MREMAP, address, old_length, new_length, flags, new)

    def brk(self) -> None:
        heap = self.both.space.places.start_brk
        self.both.check(BRK, heap + self.chance.choice([-5, 0, 1, 4096, 10000, 40960, 1 << 46]))

    def madvise(self) -> None:
        self.both.check(MADVISE, self.address(), self.length(), self.chance.choice(ADVICE))

    def lock(self) -> None:
        chance = self.chance
        number = chance.choice([MLOCK, MLOCK2, MUNLOCK, MUNLOCK, MUNLOCKALL, MLOCKALL])
        if number == MLOCKALL:
            self.both.check(MLOCKALL, chance.choice([0, 4, 2, 6, 8]))
            self.both.check(MUNLOCKALL)
        elif number == MUNLOCKALL:
            self.both.check(number)
        else:
            extra = (chance.choice([0, 1, 1, 2]),) if number == MLOCK2 else ()
            self.both.check(number, self.address(), self.length(), *extra)

    def msync(self) -> None:
        self.both.check(MSYNC, self.address(), self.length(), self.chance.choice([0, 1, 2, 4, 5, 6, 8]))

    def mincore(self) -> None:
        bss = self.both.space.areas.first_ending_above(0x403000)
        assert bss is not None
        vector = self.chance.choice([bss.start, 1])
        self.both.check(MINCORE, self.address(), self.length(), vector)

    def fork(self) -> None:
        self.both.check(self.chance.choice([FORK_CHILD, FORK_PARENT]))


def play(seed: int, steps: int) -> None:
    both = Both(Path(tempfile.mkdtemp(prefix="memory-oracle-")))
    try:
        player = Player(both, random.Random(seed))
        for _ in range(steps):
            player.step()
        both.check_pages()
    finally:
        both.close()


@pytest.mark.parametrize("seed", range(12))
def test_random_calls(seed: int) -> None:
    play(seed, 150)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1150))
def test_many_random_calls(seed: int) -> None:
    play(seed, 500)

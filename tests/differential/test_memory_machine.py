"""Random memory calls, played natively and here, compared after every step (results, errno, maps)."""

from __future__ import annotations

import gc
import os
import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from memory_oracle import (
    BECOME_NOBODY,
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
    SET_LIMIT,
    TOUCH_READ,
    TOUCH_WRITE,
    Both,
)

pytestmark = pytest.mark.differential

ARENA = 0x10_0000_0000
PAGES = 24
ADVICE = [0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 25, 77, 102, 102, 103]
TAKES_AWAY = {4, 10, 18, 102}
"""MADV_DONTNEED, MADV_DONTFORK, MADV_WIPEONFORK, MADV_GUARD_INSTALL."""
STACK = 0x7FFF_0000_0000
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
        address = self.address() or 8  # at 0 itself Linux's write(2) faults no page in (fault_in_readable)
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
        length, advice = self.length(), self.chance.choice(ADVICE)
        address = self.address()
        if advice in TAKES_AWAY and STACK < address + length < 1 << 64:
            length = 4096  # all the way up: the helper, or its child, would lose its stack
        self.both.check(MADVISE, address, length, advice)

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
    both = Both()
    try:
        player = Player(both, random.Random(seed))
        for _ in range(steps):
            player.step()
        both.check_pages()
    finally:
        both.close()


CHANCE = st.randoms(use_true_random=False)


class MemoryMachine(RuleBasedStateMachine):
    """The calls as rules, so that a failing run is cut down to the few calls that matter."""

    def __init__(self) -> None:
        super().__init__()
        self.both = Both()

    @rule(chance=CHANCE)
    def mmap(self, chance: random.Random) -> None:
        Player(self.both, chance).mmap()

    @rule(chance=CHANCE)
    def munmap(self, chance: random.Random) -> None:
        Player(self.both, chance).munmap()

    @rule(chance=CHANCE)
    def mprotect(self, chance: random.Random) -> None:
        Player(self.both, chance).mprotect()

    @rule(chance=CHANCE)
    def touch(self, chance: random.Random) -> None:
        Player(self.both, chance).touch()

    @rule(chance=CHANCE)
    def mremap(self, chance: random.Random) -> None:
        Player(self.both, chance).mremap()

    @rule(chance=CHANCE)
    def brk(self, chance: random.Random) -> None:
        Player(self.both, chance).brk()

    @rule(chance=CHANCE)
    def madvise(self, chance: random.Random) -> None:
        Player(self.both, chance).madvise()

    @rule(chance=CHANCE)
    def any_other(self, chance: random.Random) -> None:
        player = Player(self.both, chance)
        chance.choice([player.lock, player.msync, player.mincore, player.fork])()

    def teardown(self) -> None:
        try:
            self.both.check_pages()
        finally:
            self.both.close()
            del self.both
            gc.collect()  # the machine's memory hangs in a reference cycle


SWEEP = os.environ.get("TOOLKIT_SWEEP") == "full"


def run_machine(examples: int, steps: int) -> None:
    health = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        MemoryMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            suppress_health_check=health,
            # The history is told. Cutting it down would play thousands of native calls.
            phases=(Phase.generate,),
        ),
    )


def test_state_machine() -> None:
    run_machine(examples=16, steps=40)


@pytest.mark.slow
@pytest.mark.long
def test_state_machine_long() -> None:
    """TOOLKIT_SWEEP=full plays as many as take an hour."""
    run_machine(examples=1500 if SWEEP else 90, steps=80 if SWEEP else 60)


@pytest.mark.parametrize("seed", range(8))
def test_random_calls(seed: int) -> None:
    play(seed, 150)


LIMITS = {
    2: (0, 8 << 12, 40 << 12, 1 << 46),
    8: (0, 4096, 5 << 12, 8 << 20),
    9: (30 << 12, 120 << 12, 1 << 40),
}
HARD = {8: 8 << 20}
"""RLIMIT_DATA, RLIMIT_MEMLOCK and RLIMIT_AS: values to try."""


def play_limited(seed: int, steps: int) -> None:
    """As play, by a user without privileges and under changing limits."""
    both = Both()
    try:
        chance = random.Random(seed)
        player = Player(both, chance)
        both.check(BECOME_NOBODY)
        for _ in range(steps):
            if chance.random() < 0.1:
                resource = chance.choice(list(LIMITS))
                both.check(
                    SET_LIMIT, resource, chance.choice(LIMITS[resource]), HARD.get(resource, (1 << 64) - 1)
                )
            player.step()
    finally:
        both.close()


@pytest.mark.parametrize("seed", range(6))
def test_random_calls_under_limits(seed: int) -> None:
    play_limited(seed, 120)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1150 if SWEEP else 1030))
def test_many_random_calls(seed: int) -> None:
    """Seed 1037 destroys the native helper's own stack, and so proves nothing; it is in the full sweep only."""
    play(seed, 500)

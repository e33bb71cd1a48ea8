"""Futexes: waiting on a word of memory (futex(2)), and what a dying thread does for its robust ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.abi.errno import Errno
from toolkit.abi.memory import VM_SHARED, VM_WRITE
from toolkit.abi.process import (
    FUTEX_BITSET_MATCH_ANY,
    FUTEX_OWNER_DIED,
    FUTEX_TID_MASK,
    FUTEX_WAITERS,
)
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.waiting import Blocked, WaitQueue

if TYPE_CHECKING:
    from toolkit.kernel.task import Thread

ROBUST_LIST_LIMIT = 2048


class Waiter:
    """One thread that waits on a futex; a wake marks it and takes it from its queue."""

    __slots__ = ("bitset", "key", "queue", "thread", "woken")

    def __init__(self, thread: Thread, key: Any, bitset: int) -> None:
        self.thread = thread
        self.key = key
        self.bitset = bitset
        self.woken = False
        self.queue = WaitQueue(f"a futex at {key[-1]:#x}")


def waiters(thread: Thread) -> dict[Any, list[Waiter]]:
    """All waiters of the kernel, by key."""
    table: dict[Any, list[Waiter]] = thread.process.kernel.futexes
    return table


def key_of(thread: Thread, address: int, private: bool) -> Any:
    """What makes two words the same futex: the address in one space, or the place in a shared file.

    Raises EINVAL (alignment) and EFAULT.
    """
    if address & 3:
        raise SyscallError(Errno.EINVAL)
    if not private:
        area = thread.memory.area_at(address)
        if area is None:
            raise SyscallError(Errno.EFAULT)
        if not area.flags & (VM_WRITE | VM_SHARED) and area.backing is None:
            # Nobody could ever wake a waiter on a page that can't change (get_futex_key).
            raise SyscallError(Errno.EFAULT)
        if area.flags & VM_SHARED and area.backing is not None:
            return id(area.backing.pages), area.page_offset(address) << 12 | address & 0xFFF
    return thread.memory, address


def load(thread: Thread, address: int) -> int:
    """The futex word."""
    return int.from_bytes(thread.memory.read(address, 4), "little")


def wait(
    thread: Thread, address: int, expected: int, deadline: int | None, bitset: int, private: bool
) -> int:
    """FUTEX_WAIT: 0 when woken; EAGAIN when the word differs, ETIMEDOUT at the deadline."""
    waiter: Waiter | None = thread.sleep.get("futex")
    if waiter is None:
        if not bitset:
            raise SyscallError(Errno.EINVAL)
        key = key_of(thread, address, private)
        if load(thread, address) != expected:
            raise SyscallError(Errno.EAGAIN)
        waiter = Waiter(thread, key, bitset)
        thread.sleep["futex"] = waiter
        waiters(thread).setdefault(key, []).append(waiter)
    elif waiter.woken:
        return 0
    elif thread.expired(deadline):
        forget(waiter)
        raise SyscallError(Errno.ETIMEDOUT)
    held = waiter

    def interrupted() -> int:
        forget(held)
        return -Errno.EINTR

    raise Blocked(waiter.queue, deadline=deadline, interrupted=None if deadline is None else interrupted)


def forget(waiter: Waiter) -> None:
    """Take a waiter out of the table."""
    table = waiters(waiter.thread)
    queue = table.get(waiter.key)
    if queue and waiter in queue:
        queue.remove(waiter)
        if not queue:
            del table[waiter.key]


def wake_key(thread: Thread, key: Any, count: int, bitset: int = FUTEX_BITSET_MATCH_ANY) -> int:
    """Wake up to `count` waiters of a key, longest-waiting first."""
    woken = 0
    for waiter in tuple(waiters(thread).get(key, ())):
        if woken >= count:
            break
        if waiter.bitset & bitset:
            forget(waiter)
            if waiter.thread.sleep.get("futex") is not waiter:
                continue
            waiter.woken = True
            waiter.queue.wake()
            woken += 1
    return woken


def wake(
    thread: Thread, address: int, count: int, bitset: int = FUTEX_BITSET_MATCH_ANY, private: bool = False
) -> int:
    """FUTEX_WAKE: the number woken. Waiters that used the private key are found either way."""
    if not bitset:
        raise SyscallError(Errno.EINVAL)
    return wake_key(thread, key_of(thread, address, private), count, bitset)


def requeue(
    thread: Thread, address: int, count: int, limit: int, target: int, private: bool
) -> tuple[int, int]:
    """Wake `count` and move up to `limit` others to another futex: how many of each."""
    source, destination = key_of(thread, address, private), key_of(thread, target, private)
    woken = wake_key(thread, source, count)
    moved = 0
    for waiter in tuple(waiters(thread).get(source, ())):
        if moved >= limit or source == destination:
            break
        forget(waiter)
        waiter.key = destination
        waiters(thread).setdefault(destination, []).append(waiter)
        moved += 1
    return woken, moved


def exit_robust_list(thread: Thread) -> None:
    """Mark the locks a dying thread holds with FUTEX_OWNER_DIED and wake a waiter of each (robust_list(2))."""
    head, _ = thread.robust_list
    thread.robust_list = (0, 0)
    if not head:
        return
    word = thread.process.personality.word
    try:
        entry = pointer(thread, head, word)
        offset = pointer(thread, head + word, word)
        offset -= (offset >> word * 8 - 1) << word * 8
        pending = pointer(thread, head + 2 * word, word)
        for _ in range(ROBUST_LIST_LIMIT):
            if entry & ~1 == head:
                break
            following = pointer(thread, entry & ~1, word)
            if entry != pending:
                owner_died(thread, (entry & ~1) + offset)
            entry = following
        if pending:
            owner_died(thread, (pending & ~1) + offset)
    except SyscallError:
        return


def pointer(thread: Thread, address: int, word: int) -> int:
    """A pointer in memory."""
    return int.from_bytes(thread.memory.read(address, word), "little")


def owner_died(thread: Thread, address: int) -> None:
    """handle_futex_death()."""
    value = load(thread, address)
    if value & FUTEX_TID_MASK != thread.tid:
        return
    thread.memory.write(address, (value & FUTEX_WAITERS | FUTEX_OWNER_DIED).to_bytes(4, "little"))
    if value & FUTEX_WAITERS:
        wake(thread, address, 1)

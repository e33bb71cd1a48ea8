"""Threads: futexes, thread areas, tid addresses, scheduling calls."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING

from toolkit.abi import process as p
from toolkit.abi.errno import Errno
from toolkit.kernel import futex as core
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.syscalls import syscall
from toolkit.kernel.syscalls.arguments import Address, Int, Size, UnsignedInt, Word
from toolkit.kernel.syscalls.time import clock_now, read_timespec, write_timespec
from toolkit.machine.segments import FIRST_TLS_ENTRY, TLS_ENTRIES, descriptor

if TYPE_CHECKING:
    from toolkit.kernel.task import Thread

TLS_NUMBERS = range(FIRST_TLS_ENTRY, FIRST_TLS_ENTRY + TLS_ENTRIES)
TASK_SIZE_64 = 0x7FFF_FFFF_F000


@syscall("futex", "futex_time64", support="partial", note="priority inheritance is refused")
def futex(
    thread: Thread,
    address: Address,
    operation: Int,
    value: UnsignedInt,
    timeout: Word,
    second: Address,
    third: UnsignedInt,
) -> int:
    """futex(2)."""
    private = bool(operation & p.FUTEX_PRIVATE_FLAG)
    command = operation & ~(p.FUTEX_PRIVATE_FLAG | p.FUTEX_CLOCK_REALTIME)
    match command:
        case p.FUTEX_WAIT | p.FUTEX_WAIT_BITSET:
            deadline = futex_deadline(thread, operation, command, timeout)
            bitset = third if command == p.FUTEX_WAIT_BITSET else p.FUTEX_BITSET_MATCH_ANY
            return core.wait(thread, address, value, deadline, bitset, private)
        case p.FUTEX_WAKE:
            return core.wake(thread, address, value, private=private)
        case p.FUTEX_WAKE_BITSET:
            return core.wake(thread, address, value, third, private)
        case p.FUTEX_REQUEUE | p.FUTEX_CMP_REQUEUE:
            if command == p.FUTEX_CMP_REQUEUE and core.load(thread, address) != third:
                raise SyscallError(Errno.EAGAIN)
            woken, moved = core.requeue(thread, address, value, timeout & 0xFFFFFFFF, second, private)
            return woken + moved
        case p.FUTEX_WAKE_OP:
            return wake_operation(thread, address, value, timeout & 0xFFFFFFFF, second, third, private)
    raise SyscallError(Errno.ENOSYS)


def futex_deadline(thread: Thread, operation: int, command: int, timeout: int) -> int | None:
    """When a wait gives up: FUTEX_WAIT takes a duration, FUTEX_WAIT_BITSET a time."""
    if not timeout:
        return None
    if "deadline" in thread.sleep:
        return thread.deadline(0)
    duration = read_timespec(thread, timeout)
    if command == p.FUTEX_WAIT_BITSET:
        clock = p.CLOCK_REALTIME if operation & p.FUTEX_CLOCK_REALTIME else p.CLOCK_MONOTONIC
        duration = max(0, duration - clock_now(thread.process.kernel, thread, clock))
    return thread.deadline(duration)


def wake_operation(
    thread: Thread, address: int, count: int, second_count: int, second: int, encoded: int, private: bool
) -> int:
    """FUTEX_WAKE_OP."""
    operation, comparison = encoded >> 28 & 7, encoded >> 24 & 15
    argument, compared = (encoded >> 12 & 0xFFF), encoded & 0xFFF
    if encoded >> 31:
        argument = 1 << (argument & 31)
    old = core.load(thread, second)
    results = (argument, old + argument, old | argument, old & ~argument, old ^ argument)
    if operation >= len(results) or comparison > 5:
        raise SyscallError(Errno.ENOSYS)
    thread.memory.write(second, (results[operation] & 0xFFFFFFFF).to_bytes(4, "little"))
    woken = core.wake(thread, address, count, private=private)
    holds = (
        old == compared,
        old != compared,
        old < compared,
        old <= compared,
        old > compared,
        old >= compared,
    )
    if holds[comparison]:
        woken += core.wake(thread, second, second_count, private=private)
    return woken


@syscall()
def set_robust_list(thread: Thread, head: Address, size: Size) -> int:
    """set_robust_list(2)."""
    if size != 3 * thread.process.personality.word:
        raise SyscallError(Errno.EINVAL)
    thread.robust_list = (head, size)
    return 0


@syscall()
def get_robust_list(thread: Thread, tid: Int, head: Address, size: Address) -> int:
    """get_robust_list(2)."""
    target = thread.process.kernel.processes.by_tid.get(tid) if tid else thread
    if target is None:
        raise SyscallError(Errno.ESRCH)
    word = thread.process.personality.word
    thread.memory.write(size, target.robust_list[1].to_bytes(word, "little"))
    thread.memory.write(head, target.robust_list[0].to_bytes(word, "little"))
    return 0


@syscall()
def set_tid_address(thread: Thread, address: Address) -> int:
    """set_tid_address(2)."""
    thread.clear_child_tid = address
    return thread.tid


@syscall()
def rseq(thread: Thread, area: Address, size: UnsignedInt, flags: Int, signature: UnsignedInt) -> int:
    """rseq(2): registered; with one CPU the ids never change."""
    if flags & 1:
        if thread.rseq is None or thread.rseq[0] != area:
            raise SyscallError(Errno.EINVAL)
        thread.rseq = None
        return 0
    if flags or area & 31 or size < 32:
        raise SyscallError(Errno.EINVAL)
    if thread.rseq is not None:
        raise SyscallError(Errno.EBUSY if thread.rseq == (area, size, signature) else Errno.EINVAL)
    thread.rseq = (area, size, signature)
    thread.memory.write(area, bytes(8))
    return 0


@syscall()
def membarrier(thread: Thread, command: Int, flags: UnsignedInt, cpu: Int) -> int:
    """membarrier(2): with one CPU every barrier is satisfied."""
    supported = 0x1FF
    if command == 0:
        return supported
    if command & (command - 1) or not command & supported:
        raise SyscallError(Errno.EINVAL)
    return 0


@syscall(abi="x86_64")
def arch_prctl(thread: Thread, code: Int, address: Word) -> int:
    """arch_prctl(2): the bases of FS and GS."""
    machine = thread.process.kernel.machine
    if code in (p.ARCH_SET_FS, p.ARCH_SET_GS):
        if address >= TASK_SIZE_64:
            raise SyscallError(Errno.EPERM)
        if code == p.ARCH_SET_FS:
            machine.fs_base = address
        else:
            machine.gs_base = address
        return 0
    if code in (p.ARCH_GET_FS, p.ARCH_GET_GS):
        value = machine.fs_base if code == p.ARCH_GET_FS else machine.gs_base
        thread.memory.write(address, pack("<Q", value))
        return 0
    raise SyscallError(Errno.EINVAL)


@syscall("arch_prctl", abi="i386")
def arch_prctl_32(thread: Thread, code: Int, address: Word) -> int:
    """arch_prctl(2) knows only CPUID faulting on i386."""
    raise SyscallError(Errno.EINVAL)


def read_area(thread: Thread, address: int) -> tuple[int, int, int, int]:
    """struct user_desc: entry number, base, limit, flags (set_thread_area(2))."""
    data = thread.memory.read(address, 16)
    entry, base, limit, flags = (int.from_bytes(data[i : i + 4], "little") for i in range(0, 16, 4))
    return entry, base, limit, flags


def area_descriptor(base: int, limit: int, flags: int) -> int:
    """The segment descriptor of a user_desc (fill_ldt()); 0 for an empty one."""
    if not base and not limit and flags & 0x3F in (0x28, 0):
        return 0
    contents, read_only = flags >> 1 & 3, flags >> 3 & 1
    access = 0x71 | (read_only ^ 1) << 1 | contents << 2 | (flags >> 5 & 1 ^ 1) << 7
    upper = (flags >> 4 & 1) << 3 | (flags & 1) << 2 | flags >> 6 & 1
    return descriptor(base, limit, access, upper)


def set_area(thread: Thread, address: int, entry: int | None = None) -> int:
    """Store a TLS descriptor; -1 asks for a free entry, whose number is written back. EINVAL, ESRCH."""
    wanted, base, limit, flags = read_area(thread, address)
    if entry is None:
        entry = wanted
    if entry == 0xFFFFFFFF:
        free = [number for number in TLS_NUMBERS if not thread.thread_areas.get(number)]
        if not free:
            raise SyscallError(Errno.ESRCH)
        entry = free[0]
        thread.memory.write(address, pack("<I", entry))
    if entry not in TLS_NUMBERS:
        raise SyscallError(Errno.EINVAL)
    thread.thread_areas[entry] = area_descriptor(base, limit, flags)
    return entry


@syscall("set_thread_area", abi="i386")
def set_thread_area(thread: Thread, area: Address) -> int:
    """set_thread_area(2)."""
    entry = set_area(thread, area)
    thread.process.kernel.machine.set_descriptor(entry, thread.thread_areas[entry])
    return 0


@syscall("get_thread_area", abi="i386")
def get_thread_area(thread: Thread, area: Address) -> int:
    """get_thread_area(2)."""
    entry, _, _, _ = read_area(thread, area)
    if entry not in TLS_NUMBERS:
        raise SyscallError(Errno.EINVAL)
    value = thread.thread_areas.get(entry, 0)
    base = value >> 16 & 0xFFFFFF | value >> 56 << 24
    limit = value & 0xFFFF | (value >> 48 & 0xF) << 16
    access, upper = value >> 40 & 0xFF, value >> 52 & 0xF
    flags = upper >> 2 & 1 | (access >> 2 & 3) << 1 | (access >> 1 & 1 ^ 1) << 3 | (upper >> 3) << 4
    flags |= (access >> 7 ^ 1) << 5 | (upper & 1) << 6
    thread.memory.write(area + 4, pack("<III", base, limit, flags if value else 0x28))
    return 0


@syscall(
    "set_thread_area",
    "get_thread_area",
    abi="x86_64",
    support="refused",
    note="ENOSYS on x86-64, as on Linux",
)
def no_thread_area(thread: Thread, area: Address) -> int:
    """Linux on x86-64 has arch_prctl instead."""
    raise SyscallError(Errno.ENOSYS)


@syscall()
def sched_yield(thread: Thread) -> int:
    """sched_yield(2): the slice ends."""
    thread.process.kernel.yield_slice()
    return 0


@syscall()
def sched_getaffinity(thread: Thread, tid: Int, size: UnsignedInt, mask: Address) -> int:
    """sched_getaffinity(2): one CPU."""
    word = thread.process.personality.word
    if size < word or size % word:
        raise SyscallError(Errno.EINVAL)
    thread.memory.write(mask, (1).to_bytes(word, "little"))
    return word


@syscall()
def sched_setaffinity(thread: Thread, tid: Int, size: UnsignedInt, mask: Address) -> int:
    """sched_setaffinity(2): the one CPU must be among the chosen."""
    data = thread.memory.read(mask, min(size, 128))
    if not data or not data[0] & 1:
        raise SyscallError(Errno.EINVAL)
    return 0


@syscall()
def getcpu(thread: Thread, cpu: Address, node: Address) -> int:
    """getcpu(2): CPU 0 of node 0."""
    for address in (cpu, node):
        if address:
            thread.memory.write(address, bytes(4))
    return 0


@syscall()
def sched_getscheduler(thread: Thread, tid: Int) -> int:
    """sched_getscheduler(2): SCHED_OTHER."""
    return 0


@syscall()
def sched_setscheduler(thread: Thread, tid: Int, policy: Int, parameter: Address) -> int:
    """sched_setscheduler(2): real-time policies need privilege."""
    if policy not in (0, 3, 5):
        raise SyscallError(Errno.EPERM if policy in (1, 2, 6) else Errno.EINVAL)
    return sched_setparam(thread, tid, parameter)


@syscall()
def sched_getparam(thread: Thread, tid: Int, parameter: Address) -> int:
    """sched_getparam(2)."""
    if not parameter:
        raise SyscallError(Errno.EINVAL)
    thread.memory.write(parameter, bytes(4))
    return 0


@syscall()
def sched_setparam(thread: Thread, tid: Int, parameter: Address) -> int:
    """sched_setparam(2)."""
    if not parameter or any(thread.memory.read(parameter, 4)):
        raise SyscallError(Errno.EINVAL)
    return 0


@syscall()
def sched_get_priority_max(thread: Thread, policy: Int) -> int:
    """sched_get_priority_max(2)."""
    if policy not in (0, 1, 2, 3, 5, 6):
        raise SyscallError(Errno.EINVAL)
    return 99 if policy in (1, 2) else 0


@syscall()
def sched_get_priority_min(thread: Thread, policy: Int) -> int:
    """sched_get_priority_min(2)."""
    if policy not in (0, 1, 2, 3, 5, 6):
        raise SyscallError(Errno.EINVAL)
    return 1 if policy in (1, 2) else 0


@syscall("sched_rr_get_interval", "sched_rr_get_interval_time64")
def sched_rr_get_interval(thread: Thread, tid: Int, interval: Address) -> int:
    """sched_rr_get_interval(2)."""
    write_timespec(thread, interval, 4_000_000)
    return 0

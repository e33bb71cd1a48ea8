"""Time: clocks, sleeping, interval timers, POSIX timers, all on the virtual clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct, pack
from typing import TYPE_CHECKING

from toolkit.abi import process as p
from toolkit.abi.errno import Errno
from toolkit.abi.signals import SI_KERNEL, SI_TIMER, Signal
from toolkit.kernel.clock import NANOSECONDS
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.scheduler import Timer
from toolkit.kernel.signals import SignalInfo, send
from toolkit.kernel.syscalls import syscall
from toolkit.kernel.syscalls.arguments import Address, Int, UnsignedInt, Word
from toolkit.kernel.task import Process, Thread
from toolkit.kernel.waiting import Blocked

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel

TIMESPEC_64 = Struct("<qq")
TIMESPEC_32 = Struct("<ii")
ITIMERS = {
    p.ITIMER_REAL: Signal.SIGALRM,
    p.ITIMER_VIRTUAL: Signal.SIGVTALRM,
    p.ITIMER_PROF: Signal.SIGPROF,
}
SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD_ID = 0, 1, 4


def timespec_layout(thread: Thread) -> Struct:
    """struct timespec or timeval of the calling ABI; calls whose name ends in 64 pass 64-bit ones."""
    if thread.process.personality.bits == 64:
        return TIMESPEC_64
    name = thread.process.personality.syscall_names.get(thread.call_number, "")
    return TIMESPEC_64 if name.endswith("64") else TIMESPEC_32


def read_timespec(thread: Thread, address: int) -> int:
    """Nanoseconds. EFAULT, EINVAL."""
    layout = timespec_layout(thread)
    seconds, nanoseconds = layout.unpack(thread.memory.read(address, layout.size))
    if seconds < 0 or not 0 <= nanoseconds < NANOSECONDS:
        raise SyscallError(Errno.EINVAL)
    return min(int(seconds) * NANOSECONDS + int(nanoseconds), 1 << 62)


def write_timespec(thread: Thread, address: int, nanoseconds: int) -> None:
    """Store a struct timespec."""
    thread.memory.write(address, timespec_layout(thread).pack(*divmod(nanoseconds, NANOSECONDS)))


def read_timeval(thread: Thread, address: int) -> int:
    """Nanoseconds from a struct timeval. EINVAL."""
    layout = timespec_layout(thread)
    seconds, microseconds = layout.unpack(thread.memory.read(address, layout.size))
    if seconds < 0 or not 0 <= microseconds < 1_000_000:
        raise SyscallError(Errno.EINVAL)
    return min(int(seconds) * NANOSECONDS + int(microseconds) * 1000, 1 << 62)


def pack_timeval(thread: Thread, nanoseconds: int) -> bytes:
    """A struct timeval."""
    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    return timespec_layout(thread).pack(seconds, rest // 1000)


def clock_now(kernel: Kernel, thread: Thread, clock: int) -> int:
    """A clock's value in nanoseconds. EINVAL for an unknown one."""
    if clock in (p.CLOCK_REALTIME, p.CLOCK_REALTIME_COARSE, p.CLOCK_TAI):
        return kernel.clock.realtime
    if clock in (p.CLOCK_MONOTONIC, p.CLOCK_MONOTONIC_RAW, p.CLOCK_MONOTONIC_COARSE, p.CLOCK_BOOTTIME, 8, 9):
        return kernel.clock.now
    if clock in (p.CLOCK_PROCESS_CPUTIME_ID, p.CLOCK_THREAD_CPUTIME_ID) or clock < 0:
        return kernel.clock.now - thread.process.started
    raise SyscallError(Errno.EINVAL)


@syscall("clock_gettime", "clock_gettime64")
def clock_gettime(thread: Thread, clock: Int, address: Address) -> int:
    """clock_gettime(2)."""
    write_timespec(thread, address, clock_now(thread.process.kernel, thread, clock))
    return 0


@syscall("clock_getres", "clock_getres_time64")
def clock_getres(thread: Thread, clock: Int, address: Address) -> int:
    """clock_getres(2): a nanosecond, a tick for the coarse clocks."""
    clock_now(thread.process.kernel, thread, clock)
    if address:
        coarse = clock in (p.CLOCK_REALTIME_COARSE, p.CLOCK_MONOTONIC_COARSE)
        write_timespec(thread, address, 4_000_000 if coarse else 1)
    return 0


@syscall("clock_settime", "clock_settime64", "settimeofday", "stime", "adjtimex", "clock_adjtime")
def clock_settime(thread: Thread, first: Word) -> int:
    """Setting the clock needs privilege that nobody has here."""
    raise SyscallError(Errno.EPERM)


@syscall()
def gettimeofday(thread: Thread, address: Address, zone: Address) -> int:
    """gettimeofday(2)."""
    if address:
        thread.memory.write(address, pack_timeval(thread, thread.process.kernel.clock.realtime))
    if zone:
        thread.memory.write(zone, bytes(8))
    return 0


@syscall()
def time(thread: Thread, address: Address) -> int:
    """time(2)."""
    seconds = thread.process.kernel.clock.realtime // NANOSECONDS
    if address:
        thread.memory.write(address, seconds.to_bytes(thread.process.personality.word, "little"))
    return seconds


@syscall()
def times(thread: Thread, address: Address) -> int:
    """times(2): ticks of 10 ms."""
    clock = thread.process.kernel.clock
    if address:
        ticks = (clock.now - thread.process.started) // 10_000_000
        letter = "q" if thread.process.personality.bits == 64 else "i"
        thread.memory.write(address, pack(f"<4{letter}", ticks, 0, 0, 0))
    return clock.now // 10_000_000


# --- sleeping ----------------------------------------------------------------------------------------------


def sleep_until(thread: Thread, deadline: int, remaining: int) -> int:
    """Sleep; interrupted by a handler, store what is left at `remaining`."""
    if thread.expired(deadline):
        return 0

    def interrupted() -> int:
        if remaining:
            write_timespec(thread, remaining, max(0, deadline - thread.process.kernel.clock.now))
        return -Errno.EINTR

    raise Blocked(deadline=deadline, interrupted=interrupted)


@syscall()
def nanosleep(thread: Thread, request: Address, remaining: Address) -> int:
    """nanosleep(2)."""
    duration = read_timespec(thread, request)
    deadline = thread.deadline(duration)
    return sleep_until(thread, deadline or 0, remaining)


@syscall("clock_nanosleep", "clock_nanosleep_time64")
def clock_nanosleep(thread: Thread, clock: Int, flags: Int, request: Address, remaining: Address) -> int:
    """clock_nanosleep(2)."""
    kernel = thread.process.kernel
    now = clock_now(kernel, thread, clock)
    duration = read_timespec(thread, request)
    if flags & p.TIMER_ABSTIME:
        return sleep_until(thread, thread.deadline(max(0, duration - now)) or 0, 0)
    return sleep_until(thread, thread.deadline(duration) or 0, remaining)


# --- interval timers ---------------------------------------------------------------------------------------


@dataclass
class RepeatingTimer:
    """A timer that may start again each time it fires."""

    kernel: Kernel
    interval: int
    fire: Callable[[], None]
    timer: Timer | None = None

    def arm(self, delay: int) -> None:
        """Fire after `delay` nanoseconds."""
        self.timer = self.kernel.scheduler.at(self.kernel.clock.now + delay, self._due)

    def _due(self) -> None:
        self.timer = None
        if self.interval:
            self.arm(self.interval)
        self.fire()

    def left(self) -> int:
        """Nanoseconds until it fires; 0 when it is not armed."""
        return max(1, self.timer.when - self.kernel.clock.now) if self.timer is not None else 0

    def cancel(self) -> None:
        """Disarm."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


def set_interval_timer(process: Process, which: int, delay: int, interval: int) -> tuple[int, int]:
    """Arm or disarm; returns (left, interval) of the one before."""
    old = process.interval_timers.pop(which, None)
    before = (old.left(), old.interval) if old is not None else (0, 0)
    if old is not None:
        old.cancel()
    if delay:
        signal = int(ITIMERS[which])
        timer = RepeatingTimer(
            process.kernel, interval, lambda: void(send(process, SignalInfo(signal, SI_KERNEL)))
        )
        timer.arm(delay)
        process.interval_timers[which] = timer
    return before


def void(_value: object) -> None:
    """Discard a result."""


@syscall()
def alarm(thread: Thread, seconds: UnsignedInt) -> int:
    """alarm(2)."""
    left, _ = set_interval_timer(thread.process, p.ITIMER_REAL, seconds * NANOSECONDS, 0)
    return max(1, (left + NANOSECONDS // 2) // NANOSECONDS) if left else 0


@syscall()
def setitimer(thread: Thread, which: Int, new: Address, old: Address) -> int:
    """setitimer(2)."""
    if which not in ITIMERS:
        raise SyscallError(Errno.EINVAL)
    size = timespec_layout(thread).size
    interval = read_timeval(thread, new) if new else 0
    delay = read_timeval(thread, new + size) if new else 0
    left, before = set_interval_timer(thread.process, which, delay, interval)
    if old:
        thread.memory.write(old, pack_timeval(thread, before) + pack_timeval(thread, left))
    return 0


@syscall()
def getitimer(thread: Thread, which: Int, address: Address) -> int:
    """getitimer(2)."""
    if which not in ITIMERS:
        raise SyscallError(Errno.EINVAL)
    timer = thread.process.interval_timers.get(which)
    interval, left = (timer.interval, timer.left()) if timer is not None else (0, 0)
    thread.memory.write(address, pack_timeval(thread, interval) + pack_timeval(thread, left))
    return 0


# --- POSIX timers ------------------------------------------------------------------------------------------


@syscall()
def timer_create(thread: Thread, clock: Int, event: Address, identity: Address) -> int:
    """timer_create(2)."""
    process = thread.process
    clock_now(process.kernel, thread, clock)
    number = next(n for n in range(len(process.posix_timers) + 1) if n not in process.posix_timers)
    signal, how, value, tid = int(Signal.SIGALRM), SIGEV_SIGNAL, number, 0
    if event:
        word = process.personality.word
        data = thread.memory.read(event, word + 12)
        value = int.from_bytes(data[:word], "little")
        signal, how, tid = Struct("<iii").unpack(data[word:])
    if how not in (SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD_ID) or not 0 < signal <= 64:
        raise SyscallError(Errno.EINVAL)
    info = SignalInfo(signal, SI_TIMER, value=value, timer=number)

    def fire() -> None:
        target = process.kernel.processes.by_tid.get(tid) if how == SIGEV_THREAD_ID else None
        if how != SIGEV_NONE:
            send(process, info, target)

    process.posix_timers[number] = RepeatingTimer(process.kernel, 0, fire)
    thread.memory.write(identity, pack("<i", number))
    return 0


def posix_timer(thread: Thread, number: int) -> RepeatingTimer:
    """A timer by number. EINVAL."""
    timer: RepeatingTimer | None = thread.process.posix_timers.get(number)
    if timer is None:
        raise SyscallError(Errno.EINVAL)
    return timer


@syscall("timer_settime", "timer_settime64")
def timer_settime(thread: Thread, number: Int, flags: Int, new: Address, old: Address) -> int:
    """timer_settime(2)."""
    if not new:
        raise SyscallError(Errno.EINVAL)
    size = timespec_layout(thread).size
    interval, value = read_timespec(thread, new), read_timespec(thread, new + size)
    timer = posix_timer(thread, number)
    before = timer.interval, timer.left()
    timer.cancel()
    timer.interval = interval
    if value:
        now = thread.process.kernel.clock.now
        timer.arm(max(1, value - now) if flags & p.TIMER_ABSTIME else value)
    if old:
        write_timespec(thread, old, before[0])
        write_timespec(thread, old + size, before[1])
    return 0


@syscall("timer_gettime", "timer_gettime64")
def timer_gettime(thread: Thread, number: Int, address: Address) -> int:
    """timer_gettime(2)."""
    timer = posix_timer(thread, number)
    write_timespec(thread, address, timer.interval)
    write_timespec(thread, address + timespec_layout(thread).size, timer.left())
    return 0


@syscall()
def timer_getoverrun(thread: Thread, number: Int) -> int:
    """timer_getoverrun(2)."""
    posix_timer(thread, number)
    return 0


@syscall()
def timer_delete(thread: Thread, number: Int) -> int:
    """timer_delete(2)."""
    posix_timer(thread, number).cancel()
    del thread.process.posix_timers[number]
    return 0

"""One emulated computer: its processes, its files, its clock, and the loop that runs them.

    machine = Machine()
    with Kernel(machine, seed=0) as kernel:
        kernel.spawn(elf_bytes, ["./hello"], {"LANG": "C"}, stdin=b"input")
        kernel.at("exit", lambda stop: print(stop.maps()))
        outcome = kernel.run(budget=100_000_000)

The loop: run the current thread until something happens, then turn the event into a system call, a fault or a signal.
All chance comes from `seed`, all time from the virtual clock: equal inputs give equal bytes on every host.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from toolkit.abi.signals import SI_USER, Signal
from toolkit.kernel import exceptions, signals
from toolkit.kernel.clock import EVENT, Clock
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.mounts import Files, FileSetup
from toolkit.kernel.fs.streams import OutputBudget, Sink, Source, TerminalState
from toolkit.kernel.labels import Labels
from toolkit.kernel.limits import Limits
from toolkit.kernel.messages import Messages
from toolkit.kernel.mm.frames import Frames, OutOfMemoryError
from toolkit.kernel.mm.oom import OutOfMemoryKiller
from toolkit.kernel.moments import Moment, Moments, Observer, Stop
from toolkit.kernel.outcome import Ending, Outcome, TraceRecord, UnknownSyscall
from toolkit.kernel.passing import Passing
from toolkit.kernel.processes import Processes
from toolkit.kernel.scheduler import Scheduler
from toolkit.kernel.semaphores import Semaphores
from toolkit.kernel.services import Services
from toolkit.kernel.shm import SharedMemory
from toolkit.kernel.syscalls import SyscallTable, table
from toolkit.kernel.syscalls.dispatch import call, kill_for_memory, retry, wait
from toolkit.kernel.syscalls.tracing import Tracer
from toolkit.kernel.task import Process, State, Thread
from toolkit.kernel.waiting import Blocked, ThreadGone
from toolkit.machine.events import Breakpoint, BudgetSpent, Held, Interrupted, PageFault, Rewritten, Syscall
from toolkit.machine.registers import RAX, RIP
from toolkit.personality.linux_i386 import PERSONALITY as I386
from toolkit.personality.linux_x86_64 import PERSONALITY as X86_64

if TYPE_CHECKING:
    from toolkit.kernel.futex import Waiter
    from toolkit.kernel.vdso_area import VdsoFrames
    from toolkit.machine.cpu import Machine

UNLIMITED = 1 << 62
RESUMABLE = (Ending.BUDGET, Ending.PAUSED)
PAGES_PER_EVENT = 2
"""As a power of two: handing out so many pages costs the host about what a system call does."""
KEPT_FRAMES = 4096
"""Frames that stay with the machine between two programs; a program that had more gives them back to the host."""
IDLE_WAKES = 1_000_000
"""How often a run with a small budget may wake from idleness: timers without a program cost no instructions."""


class Kernel(Services):
    """An emulated computer on a `Machine`. One run: `spawn`, `at`, `run`; then `close` leaves the machine clean.

    `memory` is the physical memory the programs may use, in bytes (default: all of the machine's); `swap` the size of
    the swap device. `out_of_memory.log` holds what the kernel's log says of killings. `files` maps names
    (relative to `directory`, or absolute) to contents; `mounts` maps absolute paths to host directories that are seen
    there and never written. With `trace` every system call and signal is recorded.
    """

    def __init__(
        self,
        machine: Machine,
        *,
        seed: int = 0,
        clock: Clock | None = None,
        memory: int | None = None,
        swap: int = 0,
        files: Mapping[str, bytes | FileSetup] | None = None,
        mounts: Mapping[str, str] | None = None,
        directory: str = "/home/student",
        uid: int = 1000,
        gid: int = 1000,
        limits: Limits | None = None,
        trace: bool = False,
        hostname: str = "toolkit",
    ) -> None:
        self.machine = machine
        self.seed = seed
        self.clock = clock or Clock()
        self.limits = limits or Limits()
        self.hostname: str = hostname
        self.frames = Frames(machine, limit=None if memory is None else memory >> 12, swap_pages=swap >> 12)
        self.out_of_memory = OutOfMemoryKiller(self.frames, self.memory_users, self.current_space)
        self.frames.out_of_memory = self.out_of_memory
        self.random = random.Random(seed)
        self.scheduler = Scheduler(seed)
        self.files = Files(self, files or {}, mounts or {}, directory, uid, gid)
        self.processes: Processes = Processes(self, uid, gid)
        self.moments = Moments()
        self.output = OutputBudget(self.limits.output, lambda: self.end(Ending.OUTPUT_LIMIT))
        self.terminal: TerminalState | None = None
        self.instructions = 0
        self.events = 0
        self._most_events = UNLIMITED if self.limits.events is None else self.limits.events
        self.tracer = Tracer(self.limits.trace, self.limits.printed) if trace else None
        self.unknown_syscalls: dict[tuple[str, int], UnknownSyscall] = {}
        self.current: Thread | None = None
        self._active: object = None
        self._values = machine.registers.values
        self._pristine = machine.save_context()
        self._ending: Ending | None = None
        self._waiting: tuple[str, ...] = ()
        self._yielded = False
        self._idle_wakes = 0
        self._budget = UNLIMITED
        self.return_address: int | None = None
        """Where nothing is mapped: a jump there by the main process, whose death it would be, ends the run instead."""
        self.cut_slice: tuple[Thread, int] | None = None
        """The thread whose slice a pause cut in two, and the instructions left of it."""
        self.futexes: dict[Any, list[Waiter]] = {}
        self.fork_hooks: list[Callable[[Process, Process], None]] = []
        self.exit_hooks: list[Callable[[Process], None]] = []
        self.shared_memory: SharedMemory = SharedMemory(self)
        self.semaphores: Semaphores = Semaphores(self)
        self.messages: Messages = Messages(self)
        self._labels = Labels(machine, self.moments)
        self.passing: Passing = Passing(self)
        self._vdso: dict[int, VdsoFrames] = {}
        self.tables: dict[str, SyscallTable] = {"x86_64": table(X86_64), "i386": table(I386)}
        self._table_64 = self.tables["x86_64"].entries

    # --- for the outside -----------------------------------------------------------------------------------

    def spawn(
        self,
        program: bytes | str,
        arguments: Iterable[bytes | str] | None = None,
        environment: Mapping[str, str] | Iterable[bytes | str] = (),
        *,
        name: str = "program",
        stdin: bytes | Source = b"",
        stdout: Sink | None = None,
        stderr: Sink | None = None,
        terminal: bool = False,
    ) -> Process:
        """Start the main process. `program` is an ELF file's bytes, put into the directory as `name`, or a guest path.

        `stdin` is what it reads, or a function that blocks for up to n bytes; `stdout` and `stderr` receive what it
        writes, else it is captured. `terminal`: the three streams are one terminal.
        Raises SyscallError as execve would, for a file that can't be executed.
        """
        return self.processes.spawn(program, arguments, environment, name, stdin, stdout, stderr, terminal)

    def at(self, moment: Moment | str, observer: Observer) -> None:
        """Have `observer` called at a moment of the main process. ValueError when the text is no moment."""
        self.moments.add(Moment.parse(moment) if isinstance(moment, str) else moment, observer)

    def forget_labels(self, observer: Observer) -> None:
        """No longer call `observer` at labels: also while the program runs, and then the labels cost nothing more."""
        self._labels.forget(observer, self.processes.main)

    def run(self, budget: int | None = None) -> Outcome:
        """Run all processes until they have ended, or `budget` instructions were executed since the first call.

        Called again with a larger budget, a run that spent its budget, or was paused, goes on where it was: the program
        can't tell that it was stopped.
        """
        self._budget = UNLIMITED if budget is None else budget
        main = self.processes.main
        self._labels.place(main)
        self.passing.place()
        if self._ending in RESUMABLE:
            self._ending = None
        elif not main.dead and not self.instructions:
            self.observe(main.threads[0], self.moments.start)
        try:
            self._loop()
        except KeyboardInterrupt:
            self.send_signal(Signal.SIGINT, main)
            return self.run(budget)
        return self.outcome()

    def send_signal(self, signal: int, process: Process | None = None) -> None:
        """Send a signal from outside, as `kill` by the same user does; the main process by default."""
        target = process or self.processes.main
        info = signals.SignalInfo(signal, SI_USER, pid=self.processes.shell_pid, uid=target.credentials.uid)
        signals.send(target, info)

    def finish(self) -> None:
        """End the run at the next chance, with nothing sent to the program."""
        self.end(Ending.FINISHED)

    def pause(self) -> None:
        """For an observer of a label or a step: have `run` return here, to be called again."""
        self.end(Ending.PAUSED)

    def outcome(self) -> Outcome:
        """What the run has left behind so far."""
        main = self.processes.main
        ended = main.dead and self._ending in (None, Ending.DEADLOCK)
        ending = self._ending or Ending.EXITED
        if ended:
            ending = Ending.SIGNALED if main.signal is not None else Ending.EXITED
        return Outcome(
            ending=ending,
            exit_code=main.exit_code if ended else None,
            signal=main.signal if ended else None,
            core_dumped=main.core_dumped if ended else False,
            instructions=self.instructions,
            stdout=self.processes.stdout,
            stderr=self.processes.stderr,
            registers=self.processes.final_registers or self.machine.registers.as_dict(),
            fault=main.fault,
            unknown_syscalls=tuple(self.unknown_syscalls.values()),
            waiting=() if ended else self._waiting,
            trace=self.trace,
            pid=main.pid,
        )

    @property
    def trace(self) -> tuple[TraceRecord, ...]:
        """The records so far, in order."""
        return self.tracer.finished() if self.tracer is not None else ()

    def read_file(self, path: str) -> bytes:
        """A regular file's contents as they are now; `path` as the program would write it. SyscallError otherwise."""
        return self.files.read(path)

    def files_under(self, path: str | None = None, without: str | None = None) -> dict[str, bytes]:
        """Every regular file below a directory (default: the program's own), by relative name, host mounts and `without` left out."""
        return self.files.tree(path, without)

    def render_maps(self, process: Process | None = None) -> bytes:
        """The text of /proc/PID/maps."""
        from toolkit.kernel.fs import procfs_memory

        target = process or self.processes.main
        return procfs_memory.maps(target.memory).encode("utf-8", "surrogateescape")

    def close(self) -> None:
        """Forget the processes and make the machine pristine for the next kernel.

        Frames are zeroed when they are handed out; those of a large program are given back to the host instead.
        """
        self.processes.clear()
        first, used = self.machine.first_free_frame, self.frames.fresh
        self.machine.reset(first + used if used > KEPT_FRAMES else first)

    def __enter__(self) -> Kernel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- the loop ------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        while self._ending is None:
            thread, left = self._next_slice()
            if thread is None:
                if not self._idle():
                    return
                continue
            self.switch(thread)
            left = self._run_slice(thread, left)
            if self._ending in RESUMABLE:
                self.cut_slice = thread, left
            elif thread.state is State.RUNNABLE:
                self.scheduler.add(thread)

    def _next_slice(self) -> tuple[Thread | None, int]:
        """Who runs next, and for how many instructions: the rest of a slice that the end of the last `run` cut in two."""
        if self.cut_slice is not None:
            cut, self.cut_slice = self.cut_slice, None
            return cut
        thread = self.scheduler.take()
        return thread, UNLIMITED if thread is None else self.scheduler.slice()

    def _idle(self) -> bool:
        """Nobody can run: jump to the next timer; without one the run is over."""
        when = self.scheduler.next_time()
        living = [process for process in self.processes.all() if not process.dead]
        self._idle_wakes += 1
        if when is not None and living and self._idle_wakes > IDLE_WAKES + self._budget:
            self.end(Ending.BUDGET)
            return False
        if when is not None and living:
            self.clock.now = max(self.clock.now, when)
            self.scheduler.fire(self.clock.now)
            return True
        if living:
            self._ending = Ending.DEADLOCK
            self._waiting = tuple(thread.describe() for process in living for thread in process.threads)
        return False

    def switch(self, thread: Thread) -> None:
        """Put a thread's registers and page table into the machine."""
        current = self.current
        if current is not thread:
            if current is not None and current.state is not State.DEAD:
                current.context = self.machine.save_context()
            self.activate(thread)
            if thread.context is not None:
                self.machine.restore_context(thread.context)
                thread.context = None
            for entry, descriptor in thread.thread_areas.items():
                self.machine.set_descriptor(entry, descriptor)
            self.current = thread
        elif self._active is not thread.memory:
            self.activate(thread)

    def activate(self, thread: Thread) -> None:
        """Make the thread's page table the current one."""
        if self._active is not thread.memory:
            self.machine.set_page_table(thread.memory.table.root << 12)
            self._active = thread.memory

    def enter_mode(self, thread: Thread) -> None:
        """Make the CPU that of a fresh program: 64-bit, or compatibility mode for an i386 one."""
        self.machine.set_mode(thread.process.personality.bits)

    def deactivate(self, space: object) -> None:
        """The space is about to be released."""
        if self._active is space:
            self._active = None

    def _run_slice(self, thread: Thread, left: int) -> int:
        """Run one thread until it blocks, ends, or has used its time: what is left of that."""
        machine, values, clock, scheduler = self.machine, self._values, self.clock, self.scheduler
        run, entries = machine.run, self._table_64
        retry(thread)
        runnable = State.RUNNABLE
        while thread.state is runnable and self._ending is None:
            if self._yielded:
                self._yielded = False
                if scheduler.queue:
                    return left
            if thread.signal_pending:
                signals.deliver(thread)
                thread.announced = thread.passed = None
                continue
            limit = self._limit(left)
            if limit <= 0:
                if self._limit_reached(thread, left):
                    return left
                continue
            if values[RIP] in self._labels.names:  # the machine never stops at the instruction it begins with
                left -= self._labels.arrive(self, thread)
                continue
            event = run(limit)
            executed = machine.instructions
            left -= executed
            self.instructions += executed
            clock.now += executed
            if type(event) is Syscall:
                clock.now += EVENT
                if event.kind == "syscall":
                    number = values[RAX] & 0xFFFFFFFF
                    entry = entries.get(number)
                    if entry is None or self._slow_calls or entry.invoke is None:
                        call(self, thread, number, "x86_64")
                        continue
                    thread.call_number = number
                    try:
                        values[RAX] = entry.invoke(thread, values)
                        if thread.sleep:
                            thread.sleep.clear()
                    except SyscallError as error:
                        values[RAX] = -error.errno
                        if thread.sleep:
                            thread.sleep.clear()
                    except Blocked as blocked:
                        thread.call_invoke = entry.invoke
                        wait(thread, blocked)
                    except ThreadGone:
                        return left
                    except OutOfMemoryError:
                        kill_for_memory(thread)
                else:
                    call(self, thread, values[RAX] & 0xFFFFFFFF, "i386")
            elif type(event) is PageFault:
                clock.now += EVENT
                exceptions.page_fault(self, thread, event)
            elif isinstance(event, (BudgetSpent, Breakpoint, Interrupted, Rewritten)):
                continue
            elif type(event) is Held:
                self.passing.held(thread)
            else:
                clock.now += EVENT
                exceptions.handle(self, thread, event)
        return left

    @property
    def _slow_calls(self) -> bool:
        return self.tracer is not None or bool(self.moments.syscalls)

    def charge_fault(self, work_before: int) -> None:
        """A fault that was resolved costs the host as much as a page that is handed out, and less than a system call."""
        self.events -= 1
        self.frames.page_work = max(self.frames.page_work, work_before + 1)

    def _limit(self, left: int) -> int:
        """How many instructions may run before the kernel has something to do."""
        self.events += 1
        if self._most_events is not UNLIMITED:
            pages = self.frames.page_work >> PAGES_PER_EVENT
            if self.events + pages + self.machine.rewrites > self._most_events:
                self.end(Ending.EVENTS)
                return 0
        limit = self._budget - self.instructions
        if self.scheduler.queue and left < limit:
            limit = left
        when = self.scheduler.next_time()
        if when is not None and when - self.clock.now < limit:
            limit = when - self.clock.now
        if self.moments.steps and self.moments.steps[0][0] - self.instructions < limit:
            limit = self.moments.steps[0][0] - self.instructions
        return limit

    def _limit_reached(self, thread: Thread, left: int) -> bool:
        """Act on the limit that is used up; True when the slice is over."""
        self.scheduler.fire(self.clock.now)
        while self.moments.steps and self.moments.steps[0][0] <= self.instructions:
            _, moment, observer = self.moments.steps.pop(0)
            self.observe(thread, [(moment, observer)])
        if self.instructions >= self._budget:
            self.end(Ending.BUDGET)
            return True
        return left <= 0

    def yield_slice(self) -> None:
        """The current thread gives the rest of its slice away."""
        self._yielded = True

    @property
    def ending(self) -> Ending | None:
        """How the run will end, once that is decided."""
        return self._ending

    def end(self, ending: Ending) -> None:
        """Stop the loop."""
        if self._ending is None:
            self._ending = ending

    # --- observers -----------------------------------------------------------------------------------------

    def observe(self, thread: Thread, observers: Iterable[tuple[Moment, Observer]]) -> None:
        """Have observers look at a thread of the main process."""
        for moment, observer in tuple(observers):
            self.switch(thread)
            self.moments.reached.add(moment)
            observer(Stop(self, thread.process, thread, moment))

    def before_end(self, process: Process) -> None:
        """A process is about to end: the last look at it."""
        if process is self.processes.main:
            thread = (
                self.current
                if self.current is not None and self.current.process is process
                else process.threads[0]
            )
            self.observe(thread, self.moments.exit)
            if self.current is thread:
                self.processes.final_registers = self.machine.registers.as_dict()

    def comes_back(self, thread: Thread, address: int) -> bool:
        """Whether a fetch from `address` is the main process's return while nobody else runs: the last look at it."""
        if address != self.return_address or thread.memory.area_at(address) is not None:
            return False
        main, alone = self.processes.main, len(self.processes.by_pid) == 1
        if thread.process is not main or not alone or len(main.threads) > 1:
            return False
        if signals.handles(thread, Signal.SIGSEGV):
            return False
        self.observe(thread, self.moments.exit)
        self.end(Ending.RETURNED)
        return True

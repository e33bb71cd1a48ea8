"""What the rest of the kernel asks of the computer as a whole, or tells it: chance, shared frames, limits of files, ends, the trace."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from toolkit.abi import process as p
from toolkit.abi.signals import SI_KERNEL, SI_USER, Signal
from toolkit.kernel import signals, vdso_area
from toolkit.kernel.fs.mounts import Files
from toolkit.kernel.limits import Limits
from toolkit.kernel.mm.oom import Candidate
from toolkit.kernel.outcome import SignalRecord
from toolkit.kernel.syscalls.tracing import Tracer
from toolkit.kernel.task import Process, Thread
from toolkit.kernel.waiting import Blocked
from toolkit.machine.cpu import Machine
from toolkit.personality.linux_i386 import PERSONALITY as I386
from toolkit.personality.linux_x86_64 import PERSONALITY as X86_64

if TYPE_CHECKING:
    from toolkit.kernel.mm.frames import Frames
    from toolkit.kernel.mm.space import AddressSpace
    from toolkit.kernel.processes import Processes
    from toolkit.kernel.vdso_area import VdsoFrames


class Services:
    """The part of a Kernel that does not concern the loop."""

    machine: Machine
    frames: Frames
    files: Files
    processes: Processes
    current: Thread | None
    limits: Limits
    random: random.Random
    tracer: Tracer | None
    _vdso: dict[int, VdsoFrames]

    def record_signal(self, record: SignalRecord) -> None:
        """A signal was delivered."""
        if self.tracer is not None:
            self.tracer.add(record)

    def finish_record(self, thread: Thread, result: int | None) -> None:
        """A traced call has returned."""
        if self.tracer is not None:
            self.tracer.end(thread, result)

    def interrupt_record(self, thread: Thread, blocked: Blocked) -> None:
        """A traced call was interrupted by a signal."""
        if self.tracer is not None:
            self.tracer.interrupted(thread, blocked)

    def ignored_signal(self, process: Process, info: signals.SignalInfo) -> None:
        """A signal was thrown away."""
        if self.tracer is not None:
            self.tracer.ignore(signals.record_of(info, process.pid, process.pid))

    def thread_ended(self, thread: Thread) -> None:
        """A thread is gone: tell who joins it."""
        if self.tracer is not None and thread.tid != thread.process.pid:
            self.tracer.thread_ended(thread)
        self.processes.thread_ended(thread)

    def process_ended(self, process: Process) -> None:
        """A process is gone: free what it held, tell its parent."""
        if self.tracer is not None:
            self.tracer.process_ended(process)
        self.processes.ended(process)

    def stopped(self, process: Process, signal: int) -> None:
        """A process was stopped by a signal."""
        self.processes.stopped(process, signal)

    def continued(self, process: Process) -> None:
        """A stopped process goes on."""
        self.processes.continued(process)

    def memory_users(self) -> Iterator[Candidate]:
        """The processes that the out-of-memory killer may choose from, oldest first."""
        for process in self.processes.all():
            if not process.dead:
                info = signals.SignalInfo(Signal.SIGKILL, SI_KERNEL)
                kill = functools.partial(signals.send, process, info)
                yield Candidate(process.memory, process.pid, process.name, process.credentials.uid, kill)

    def current_space(self) -> AddressSpace | None:
        """The memory of the process that runs."""
        return self.current.process.memory if self.current is not None else None

    def core_dumps(self, limit: int) -> bool:
        """Whether the core bit is set: only if a core file may be written (RLIMIT_CORE)."""
        return limit > 0

    def random_bytes(self, count: int) -> bytes:
        """Bytes of chance, from the seed."""
        return self.random.randbytes(count)

    def vdso_frames(self, bits: int) -> VdsoFrames:
        """The frames of the vDSO."""
        found = self._vdso.get(bits)
        if found is None:
            personality = X86_64 if bits == 64 else I386
            found = self._vdso[bits] = vdso_area.allocate(self.frames, personality)
        return found

    def file_room(self, thread: Thread, offset: int) -> int:
        """Bytes that may be written at an offset (RLIMIT_FSIZE sends SIGXFSZ)."""
        limit = min(thread.process.limits.values[p.RLIMIT_FSIZE][0], self.limits.file_size)
        if offset >= limit:
            if limit < self.limits.file_size:
                signals.send(thread.process, signals.SignalInfo(Signal.SIGXFSZ, SI_USER), thread)
            return 0
        return limit - offset

    def account_storage(self, file: object, end: int) -> None:
        """ENOSPC when the program has written more than its files may hold."""
        self.files.account(file, end)

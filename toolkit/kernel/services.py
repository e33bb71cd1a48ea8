"""What the rest of the kernel asks of the computer as a whole: chance, shared frames, limits of files, and the trace."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from toolkit.abi import process as p
from toolkit.abi.signals import SI_USER, Signal
from toolkit.kernel import signals, vdso_area
from toolkit.kernel.fs.mounts import Files
from toolkit.kernel.limits import Limits
from toolkit.kernel.outcome import SignalRecord
from toolkit.kernel.syscalls.tracing import Tracer
from toolkit.kernel.task import Process, Thread
from toolkit.kernel.waiting import Blocked
from toolkit.machine.cpu import Machine
from toolkit.personality.linux_i386 import PERSONALITY as I386
from toolkit.personality.linux_x86_64 import PERSONALITY as X86_64

if TYPE_CHECKING:
    from toolkit.kernel.mm.frames import Frames
    from toolkit.kernel.vdso_area import VdsoFrames


class Services:
    """The part of a Kernel that does not concern the loop."""

    machine: Machine
    frames: Frames
    files: Files
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

"""How much of the host one emulated computer may use. A program meets each limit as an errno or a signal."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes."""

    output: int = 16 << 20
    """Captured stdout and stderr together; more ends the run with Ending.OUTPUT_LIMIT."""
    processes: int = 512
    """Threads of all processes; fork fails with EAGAIN beyond (RLIMIT_NPROC)."""
    open_files: int = 1024
    """The soft RLIMIT_NOFILE; EMFILE beyond."""
    open_files_hard: int = 20_000
    storage: int = 256 << 20
    """What the program may write into files; ENOSPC beyond."""
    file_size: int = 1 << 40
    """The largest offset a file may reach; EFBIG beyond."""
    inodes: int = 200_000
    """Files the program may make; ENOSPC beyond."""
    trace: int = 1_000_000
    """Records kept of system calls and signals; later ones are dropped."""
    printed: int = 1_000_000
    """How many of these have arguments and results as strace prints them; the others have the numbers alone."""
    events: int | None = None
    """System calls, refused faults, signals and other entries into the kernel of all processes together, a quarter of the
    pages handed out, faulted in and copied, changes of translated code, and some more for what is dear (`processes.FORK_EVENTS`, `EXEC_EVENTS`, `signals.HANDLER_EVENTS`); more ends the run
    with Ending.EVENTS. Deterministic, and a bound on time where the instruction budget alone is none."""

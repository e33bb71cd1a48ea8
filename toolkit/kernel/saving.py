"""A state to come back to, as long as nothing but instructions happened since it was saved.

Between two entries into the kernel a lone thread changes its registers and the frames that it may write, page tables
included, and nothing else. So these are a whole snapshot there, and it costs a copy of the frames. An entry into the kernel (a
system call, a fault, a signal) changes what only a new run can undo: the clock tells, for it moves by more than instructions then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.abi.memory import PAGE_SHIFT
from toolkit.kernel.task import State

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.task import Thread
    from toolkit.machine.cpu import Context

MOST_FRAMES = 1024
"""A program with more is not saved: the copy would take longer than the way."""


@dataclass(frozen=True, slots=True)
class Saved:
    """The state after `instructions`; `stretch` names what lies between two entries into the kernel."""

    instructions: int
    stretch: int
    slice: tuple[Thread, int] | None
    context: Context
    frames: bytes


def stretch_of(kernel: Kernel) -> int:
    """Equal for two moments of one run between which the kernel was not entered."""
    return kernel.clock.now - kernel.instructions


def save(kernel: Kernel) -> Saved | None:
    """The present state of a paused run; None where it is more than a lone thread's registers and frames."""
    thread, scheduler = kernel.current, kernel.scheduler
    first = kernel.frames.first
    end = first + kernel.frames.fresh
    if thread is None or thread.state is not State.RUNNABLE or thread.signal_pending:
        return None
    if scheduler.queue or scheduler.timers or end - first > MOST_FRAMES:
        return None
    frames = kernel.machine.bytes[first << PAGE_SHIFT : end << PAGE_SHIFT].tobytes()
    context = kernel.machine.save_context()
    return Saved(kernel.instructions, stretch_of(kernel), kernel.cut_slice, context, frames)


def restore(kernel: Kernel, saved: Saved) -> None:
    """Come back. Precondition: the run is paused in the stretch in which the state was saved."""
    first, machine = kernel.frames.first, kernel.machine
    machine.bytes[first << PAGE_SHIFT : (first << PAGE_SHIFT) + len(saved.frames)] = saved.frames
    machine.restore_context(saved.context)
    for index, executable in enumerate(kernel.frames.code):
        if executable:
            machine.frame_changed(first + index)
    machine.flush_tlb()
    kernel.instructions = saved.instructions
    kernel.clock.now = saved.stretch + saved.instructions
    kernel.cut_slice = saved.slice
    for thread in kernel.processes.main.threads:
        thread.announced = None

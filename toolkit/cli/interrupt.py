"""Ctrl-C is a SIGINT to the program: the emulator runs machine code that Python's handlers would wait for.

The operating system's handler writes a byte (``signal.set_wakeup_fd``); a thread that waits for it stops the engine,
so that Python's own handler gets its turn and sends the signal.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

    from toolkit.kernel.kernel import Kernel


class Interrupts:
    """Whether the program waits for input on our behalf: then the handler must break off that wait itself."""

    def __init__(self) -> None:
        self.reading = False


@contextmanager
def passed_on(kernel: Kernel, state: Interrupts) -> Iterator[None]:
    """While the block runs, SIGINT goes to the kernel's main process. For the main thread."""
    from toolkit.abi.signals import Signal

    waker, woken = socket.socketpair()
    waker.setblocking(False)

    def handler(_number: int, _frame: FrameType | None) -> None:
        if state.reading:
            raise KeyboardInterrupt
        kernel.send_signal(Signal.SIGINT)

    def watch() -> None:
        while woken.recv(1):
            if not state.reading:
                kernel.machine.interrupt()

    previous_handler = signal.signal(signal.SIGINT, handler)
    previous_descriptor = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(previous_descriptor)
        signal.signal(signal.SIGINT, previous_handler)
        waker.close()  # the thread reads the end
        thread.join(1)
        woken.close()

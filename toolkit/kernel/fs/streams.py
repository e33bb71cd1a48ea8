"""The program's standard streams: captured, fed from bytes, or passed through to the host; and terminals."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.files import OpenFile
from toolkit.kernel.fs.vfs import FileSystem, Inode

if TYPE_CHECKING:
    from toolkit.kernel.task import Thread

Sink = Callable[[bytes], None]
Source = Callable[[int], bytes]

TERMINAL_SETTINGS = f.TERMIOS.pack(
    0x500, 0x5, 0xBF, 0x8A3B, 0, bytes.fromhex("031c7f150400010011131a00120f1716000000")
)
"""What `stty sane` leaves: ICRNL IXON, OPOST ONLCR, 38400 baud, ISIG ICANON ECHO …"""


class Capture:
    """Collects a stream, up to a limit that streams share, and passes it on to `sink` if there is one."""

    def __init__(self, budget: OutputBudget, sink: Sink | None = None) -> None:
        self.data = bytearray()
        self.sink = sink
        self.budget = budget

    def accept(self, data: bytes) -> None:
        """Take what the program wrote."""
        if self.sink is not None:
            self.sink(data)
            return
        room = self.budget.left
        self.data += data[:room]
        self.budget.spend(len(data))


class OutputBudget:
    """How much may still be printed; `exhausted` is called once when it is too much."""

    def __init__(self, limit: int, exhausted: Callable[[], None]) -> None:
        self.left = limit
        self._exhausted = exhausted

    def spend(self, count: int) -> None:
        """Account for written bytes."""
        if count > self.left:
            self.left = 0
            self._exhausted()
        else:
            self.left -= count


class StreamNode(Inode):
    """The pipe to whoever started the program: opened again through /dev/stdout, it is the same stream."""

    stream: OpenFile

    def __init__(self, system: FileSystem, uid: int, gid: int) -> None:
        super().__init__(system, f.S_IFIFO | 0o600, uid, gid)

    def open(self, thread: Thread, flags: int, path: bytes) -> OpenFile:
        return self.stream


class OutputStream(OpenFile):
    """The writing end of a pipe to whoever started the program."""

    def __init__(self, inode: StreamNode, capture: Capture) -> None:
        super().__init__(inode, f.O_WRONLY)
        inode.stream = self
        self.capture = capture

    def shown_path(self) -> bytes:
        return b"pipe:[%d]" % self.node.number

    def write(self, thread: Thread, data: bytes) -> int:
        self.capture.accept(data)
        return len(data)

    def poll(self, thread: Thread) -> int:
        return f.POLLOUT | f.POLLWRNORM


class InputStream(OpenFile):
    """The reading end of a pipe that holds `data`, or that a function of the host fills."""

    def __init__(self, inode: StreamNode, data: bytes | Source) -> None:
        super().__init__(inode, f.O_RDONLY)
        inode.stream = self
        self._source: Source | None
        self.hold(data)

    def hold(self, data: bytes | Source) -> None:
        """Have this to be read from now on."""
        self._data = data if isinstance(data, bytes) else b""
        self._source = None if isinstance(data, bytes) else data

    def shown_path(self) -> bytes:
        return b"pipe:[%d]" % self.node.number

    def read(self, thread: Thread, count: int) -> bytes:
        if self._source is not None:
            return self._source(count) if count else b""
        taken = self._data[self.position : self.position + count]
        self.position += len(taken)
        return taken

    def poll(self, thread: Thread) -> int:
        if self._source is not None or self.position < len(self._data):
            return f.POLLIN | f.POLLRDNORM
        return f.POLLHUP

    def ioctl(self, thread: Thread, request: int, argument: int) -> int:
        if request == f.FIONREAD:
            thread.memory.write(argument, (len(self._data) - self.position).to_bytes(4, "little"))
            return 0
        return super().ioctl(thread, request, argument)


class TerminalState:
    """What the descriptors of one terminal share."""

    def __init__(self, capture: Capture, source: bytes | Source, rows: int = 24, columns: int = 80) -> None:
        self.capture = capture
        self.source: Source | None = None if isinstance(source, bytes) else source
        self.buffer = bytearray(source if isinstance(source, bytes) else b"")
        self.settings = TERMINAL_SETTINGS
        self.window = f.WINDOW_SIZE.pack(rows, columns, 0, 0)
        self.foreground = 0


class OpenTerminal(OpenFile):
    """A terminal: line input from the host, output to the host."""

    def __init__(self, inode: Inode, state: TerminalState, flags: int = f.O_RDWR) -> None:
        super().__init__(inode, flags, b"/dev/pts/0")
        self.state = state

    def read(self, thread: Thread, count: int) -> bytes:
        state = self.state
        if not count:
            return b""
        if not state.buffer and state.source is not None:
            state.buffer += state.source(max(count, 4096))
        end = state.buffer.find(b"\n", 0, count)
        taken = bytes(state.buffer[: end + 1 if end >= 0 else count])
        del state.buffer[: len(taken)]
        return taken

    def write(self, thread: Thread, data: bytes) -> int:
        self.state.capture.accept(data)
        return len(data)

    def ioctl(self, thread: Thread, request: int, argument: int) -> int:
        memory, state = thread.memory, self.state
        match request:
            case f.TCGETS:
                memory.write(argument, state.settings)
            case f.TCSETS | f.TCSETSW | f.TCSETSF:
                state.settings = memory.read(argument, f.TERMIOS.size)
            case f.TIOCGWINSZ:
                memory.write(argument, state.window)
            case f.TIOCSWINSZ:
                state.window = memory.read(argument, 8)
            case f.TIOCGPGRP:
                memory.write(argument, (state.foreground or thread.process.group).to_bytes(4, "little"))
            case f.TIOCSPGRP:
                state.foreground = int.from_bytes(memory.read(argument, 4), "little")
            case f.FIONREAD:
                memory.write(argument, len(state.buffer).to_bytes(4, "little"))
            case 0x540E | 0x5422:  # TIOCSCTTY, TIOCNOTTY
                pass
            case 0x5429:  # TIOCGSID
                memory.write(argument, thread.process.session.to_bytes(4, "little"))
            case _:
                raise SyscallError(Errno.ENOTTY)
        return 0

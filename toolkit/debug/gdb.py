"""gdb's remote serial protocol over a timeline: one gdb at a time, on this machine only.

Supported: registers, memory, software and hardware breakpoints, step, continue, and the reverse commands (``reverse-stepi``,
``reverse-continue``). See gdb's manual, appendix "Remote Serial Protocol".
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Callable

from toolkit.debug.timeline import Timeline, finish_unless

# gdb's order for amd64: the sixteen general registers, rip, then eflags and six segment registers of four bytes.
ORDER = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", *(f"r{n}" for n in range(8, 16)), "rip")
HARDWARE = {
    name: index for index, name in enumerate(("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"))
}
SEGMENTS = ("cs", "ss", "ds", "es", "fs", "gs")
LONGEST_READ = 0x4000
TRAP = "T05"
INTERRUPTED = "T02"
START_OF_LOG = "T05replaylog:begin;"


class GdbServer:
    """Answers packets; the socket is kept apart, so that it can be tested without one."""

    def __init__(self, timeline: Timeline, interrupted: Callable[[], bool] = lambda: False) -> None:
        """``interrupted``: whether gdb asks meanwhile to stop a movement."""
        self.timeline = timeline
        self._interrupted = interrupted
        self.breakpoints: set[int] = set()
        self.ended = False

    def answer(self, packet: str) -> str | None:
        """The reply to a packet, "" for one that is not supported, None for none at all."""
        if packet == "k":
            self.ended = True
            return None
        for prefix, handler in self._handlers().items():
            if packet.startswith(prefix):
                return handler(packet[len(prefix) :])
        return ""

    def _handlers(self) -> dict[str, Callable[[str], str]]:
        return {
            "qSupported": lambda _: (
                f"PacketSize={LONGEST_READ:x};ReverseStep+;ReverseContinue+;swbreak+;hwbreak+"
            ),
            "qAttached": lambda _: "1",
            "qC": lambda _: f"QC{self.timeline.thread.tid:x}",
            "qfThreadInfo": lambda _: f"m{self.timeline.thread.tid:x}",
            "qsThreadInfo": lambda _: "l",
            "H": lambda _: "OK",
            "T": lambda _: "OK",
            "?": lambda _: self._stop(),
            "g": lambda _: self._registers(),
            "G": self._set_registers,
            "m": self._read,
            "M": self._write,
            "Z0,": self._insert,
            "Z1,": self._insert,
            "z0,": self._remove,
            "z1,": self._remove,
            "bs": lambda _: self._back(),
            "bc": lambda _: self._back_to_breakpoint(),
            "s": lambda _: self._step(),
            "c": lambda _: self._continue(),
            "D": lambda _: self._detach(),
        }

    # -- state

    def _stop(self) -> str:
        outcome = self.timeline.outcome
        if outcome is None:
            return TRAP
        return f"X{outcome.signal:02x}" if outcome.signal else f"W{(outcome.exit_code or 0) & 0xFF:02x}"

    def _registers(self) -> str:
        values = self.timeline.registers
        selectors = self.timeline.kernel.machine.selectors
        general = struct.pack("<17Q", *(values[name] for name in ORDER))
        return (
            general + struct.pack("<7I", values["rflags"] & 0xFFFFFFFF, *(selectors[n] for n in SEGMENTS))
        ).hex()

    def _set_registers(self, text: str) -> str:
        data = bytes.fromhex(text)
        if len(data) < 17 * 8 + 4:
            return "E01"
        for name, value in zip(ORDER, struct.unpack_from("<17Q", data), strict=True):
            self.timeline.set_register(_hardware_number(name), value)
        self.timeline.set_register(17, struct.unpack_from("<I", data, 17 * 8)[0])
        return "OK"

    def _read(self, text: str) -> str:
        address, length = (int(part, 16) for part in text.split(","))
        data = self.timeline.read(address, min(length, LONGEST_READ))
        return "E14" if data is None else data.hex()

    def _write(self, text: str) -> str:
        where, _, data = text.partition(":")
        address = int(where.split(",")[0], 16)
        return "OK" if self.timeline.write(address, bytes.fromhex(data)) else "E14"

    # -- breakpoints and movement

    def _insert(self, text: str) -> str:
        self.breakpoints.add(int(text.split(",")[0], 16))
        return "OK"

    def _remove(self, text: str) -> str:
        self.breakpoints.discard(int(text.split(",")[0], 16))
        return "OK"

    def _step(self) -> str:
        self.timeline.step()
        return self._stop()

    def _continue(self) -> str:
        movement = self.timeline.going_forward_to(self.breakpoints)
        return INTERRUPTED if finish_unless(movement, self._interrupted) is None else self._stop()

    def _back(self) -> str:
        if self.timeline.position == 0:
            return START_OF_LOG
        self.timeline.back()
        return TRAP

    def _back_to_breakpoint(self) -> str:
        found = finish_unless(self.timeline.going_back_to(self.breakpoints), self._interrupted)
        return INTERRUPTED if found is None else TRAP if found else START_OF_LOG

    def _detach(self) -> str:
        self.ended = True
        return "OK"


def _hardware_number(name: str) -> int:
    if name in HARDWARE:
        return HARDWARE[name]
    return 16 if name == "rip" else int(name[1:])


def serve(timeline: Timeline, port: int, ready: Callable[[int], None]) -> None:
    """Wait for gdb on 127.0.0.1 and serve it until it leaves. ``ready`` is told the port (0 chooses a free one). Raises OSError."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        ready(listener.getsockname()[1])
        connection, _ = listener.accept()
    # An acknowledgement goes out before its reply: with Nagle's algorithm the reply would wait 40 ms for gdb's own.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        Conversation(timeline, connection).hold()


class Conversation:
    """Packets from one connection, and the answers to them."""

    def __init__(self, timeline: Timeline, connection: socket.socket) -> None:
        self._connection = connection
        self._waiting = b""
        self._server = GdbServer(timeline, self._interrupted)

    def hold(self) -> None:
        """Until gdb leaves."""
        while not self._server.ended and self._receive():
            while not self._server.ended and (found := _take_packet(self._waiting)) is not None:
                packet, self._waiting = found
                self._connection.sendall(b"+")
                reply = _safe_answer(self._server, packet)
                if reply is not None:
                    self._connection.sendall(b"$" + reply + b"#" + b"%02x" % (sum(reply) & 0xFF))

    def _receive(self) -> bool:
        data = self._connection.recv(65536)
        self._waiting += data
        return bool(data)

    def _interrupted(self) -> bool:
        """Whether Ctrl-C was typed in gdb: a byte 3 outside of any packet. A gdb that left stops the movement too."""
        if not select.select([self._connection], [], [], 0)[0]:
            return False
        if not self._receive():
            return True
        before, stop, behind = self._waiting.partition(b"\3")
        if stop:
            self._waiting = before + behind
        return bool(stop)


def _safe_answer(server: GdbServer, packet: bytes) -> bytes | None:
    try:
        reply = server.answer(packet.decode("ascii"))
    except (ValueError, struct.error):
        reply = "E01"
    return None if reply is None else reply.encode()


def _take_packet(data: bytes) -> tuple[bytes, bytes] | None:
    """The first whole packet and what follows it; acknowledgements and interrupts in front are passed over."""
    start = data.find(b"$")
    end = data.find(b"#", start) if start >= 0 else -1
    if end < 0 or len(data) < end + 3:
        return None
    return data[start + 1 : end], data[end + 3 :]

"""System V message queues (msgop(2), ipc/msg.c)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.abi.errno import Errno
from toolkit.kernel.clock import NANOSECONDS
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.ipc import IPC_NOWAIT, READ, WRITE, IpcObject, Registry, requested
from toolkit.kernel.waiting import Blocked, WaitQueue

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.task import Process, Thread

MSG_NOERROR = 0o10000
MSG_EXCEPT = 0o20000
MSG_COPY = 0o40000
QUEUES_MAXIMUM = 32_000
MESSAGE_MAXIMUM = 8192
QUEUE_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Message:
    """A type above 0 and the text."""

    kind: int
    text: bytes


class MessageQueue(IpcObject):
    """Messages in the order of sending."""

    def __init__(self, process: Process, key: int, mode: int) -> None:
        super().__init__(process, key, mode)
        self.messages: list[Message] = []
        self.limit = QUEUE_BYTES
        self.sent_at = self.received_at = 0
        self.last_sender = self.last_receiver = 0
        self.can_receive = WaitQueue("a message")
        self.can_send = WaitQueue("room in a message queue")

    @property
    def bytes(self) -> int:
        """msg_cbytes."""
        return sum(len(message.text) for message in self.messages)

    def choose(self, kind: int, flags: int) -> int | None:
        """The index of the message that msgrcv's type asks for."""
        if flags & MSG_COPY:
            return kind if 0 <= kind < len(self.messages) else None
        if kind < 0:
            suitable = [index for index, message in enumerate(self.messages) if message.kind <= -kind]
            return min(suitable, key=lambda index: self.messages[index].kind, default=None)
        for index, message in enumerate(self.messages):
            if kind == 0 or (message.kind == kind) != bool(flags & MSG_EXCEPT):
                return index
        return None


class Messages:
    """The queues of a kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.registry: Registry[MessageQueue] = Registry(kernel, QUEUES_MAXIMUM)

    def get(self, process: Process, key: int, flags: int) -> int:
        """msgget(2)."""
        found = self.registry.by_key(key, flags)
        if found is not None:
            found.require(process, requested(flags))
            return found.id
        return self.registry.add(MessageQueue(process, key, flags))

    def _queue(self, thread: Thread, number: int) -> MessageQueue:
        held: MessageQueue | None = thread.sleep.get("queue")
        if held is not None and held.removed:
            raise SyscallError(Errno.EIDRM)
        return held or self.registry.find(number)

    def send(self, thread: Thread, number: int, message: Message, flags: int) -> int:
        """msgsnd(2)."""
        queue = self._queue(thread, number)
        queue.require(thread.process, WRITE)
        if queue.bytes + len(message.text) > queue.limit or len(queue.messages) >= queue.limit:
            if flags & IPC_NOWAIT:
                raise SyscallError(Errno.EAGAIN)
            thread.sleep["queue"] = queue
            raise Blocked(queue.can_send, restart=False)
        queue.messages.append(message)
        queue.sent_at, queue.last_sender = self.kernel.clock.realtime // NANOSECONDS, thread.process.pid
        queue.can_receive.wake()
        return 0

    def receive(self, thread: Thread, number: int, size: int, kind: int, flags: int) -> Message:
        """msgrcv(2): the message, cut to `size` with MSG_NOERROR. E2BIG, ENOMSG, EIDRM."""
        queue = self._queue(thread, number)
        queue.require(thread.process, READ)
        index = queue.choose(kind, flags)
        if index is None:
            if flags & IPC_NOWAIT:
                raise SyscallError(Errno.ENOMSG)
            thread.sleep["queue"] = queue
            raise Blocked(queue.can_receive, restart=False)
        message = queue.messages[index]
        if len(message.text) > size and not flags & MSG_NOERROR:
            raise SyscallError(Errno.E2BIG)
        if not flags & MSG_COPY:
            del queue.messages[index]
            queue.received_at, queue.last_receiver = (
                self.kernel.clock.realtime // NANOSECONDS,
                thread.process.pid,
            )
            queue.can_send.wake()
        return Message(message.kind, message.text[:size])

    def remove(self, queue: MessageQueue) -> None:
        """IPC_RMID: who waits gets EIDRM."""
        self.registry.remove(queue)
        queue.can_receive.wake()
        queue.can_send.wake()

"""System V message queues (msgop(2), ipc/msg.c).

As in Linux, a sender gives its message to the first receiver that waits for such a one, and only else to the queue.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.abi import ipc as a
from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.ipc import READ, WRITE, IpcObject, Registry, seconds
from toolkit.kernel.task import State
from toolkit.kernel.waiting import Blocked, WaitQueue

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.task import Thread

HEADER_BYTES = 64
"""What a message takes of the kernel's memory beside its text."""
MEMORY = 64 << 20
"""Bytes of kernel memory for all messages together; ENOMEM beyond."""


@dataclass(frozen=True, slots=True)
class Message:
    """A type above 0 and the text."""

    kind: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Wanted:
    """What msgrcv asks for: msgtyp, msgsz and msgflg."""

    kind: int
    size: int
    flags: int

    def accepts(self, message: Message) -> bool:
        """testmsg()."""
        if self.kind == 0:
            return True
        if self.kind < 0:
            return message.kind <= -self.kind
        return (message.kind == self.kind) != bool(self.flags & a.MSG_EXCEPT)

    def too_long(self, message: Message) -> bool:
        """Whether the message does not fit and may not be cut."""
        return len(message.text) > self.size and not self.flags & a.MSG_NOERROR


class Receiver:
    """A call of msgrcv that waits; `answer` is None until a sender or a removal answers it."""

    def __init__(self, thread: Thread, wanted: Wanted) -> None:
        self.thread = thread
        self.wanted = wanted
        self.answer: Message | Errno | None = None
        self.queue = WaitQueue("a message")

    @property
    def waits(self) -> bool:
        """False when a signal or its end has taken the thread out of the call."""
        alive = self.thread.state is not State.DEAD and self.thread.sleep.get("receiver") is self
        return alive and self.answer is None

    def finish(self, answer: Message | Errno) -> None:
        """The call is over."""
        self.answer = answer
        self.queue.wake()


class MessageQueue(IpcObject):
    """Messages in the order of sending; `limit` in bytes (msg_qbytes)."""

    def __init__(self, kernel: Kernel, thread: Thread, key: int, mode: int) -> None:
        super().__init__(thread.process, key, mode)
        self.kernel = kernel
        self.messages: deque[Message] = deque()
        self.limit = a.MSGMNB
        self.bytes = 0
        self.sent_at = self.received_at = 0
        self.last_sender = self.last_receiver = 0
        self.receivers: list[Receiver] = []
        self.room = WaitQueue("room in a message queue")

    def fits(self, size: int) -> bool:
        """msg_fits_inqueue()."""
        return self.bytes + size <= self.limit and len(self.messages) + 1 <= self.limit

    def hand_over(self, message: Message) -> bool:
        """pipelined_send(): give the message to a receiver that waits for it; those it is too long for get E2BIG."""
        self.receivers = [receiver for receiver in self.receivers if receiver.waits]
        for receiver in self.receivers:
            if not receiver.wanted.accepts(message):
                continue
            if receiver.wanted.too_long(message):
                receiver.finish(Errno.E2BIG)
                continue
            self.received_at, self.last_receiver = seconds(self.kernel), receiver.thread.process.pid
            receiver.finish(message)
            return True
        return False

    def choose(self, wanted: Wanted) -> Message | None:
        """The message that msgrcv's type asks for (find_msg)."""
        if wanted.flags & a.MSG_COPY:
            return self.messages[wanted.kind] if 0 <= wanted.kind < len(self.messages) else None
        suitable = (message for message in self.messages if wanted.accepts(message))
        if wanted.kind < 0:
            return min(suitable, key=lambda message: message.kind, default=None)
        return next(suitable, None)

    def take(self, message: Message, process_id: int) -> None:
        """Remove a message that was received."""
        position = next(index for index, each in enumerate(self.messages) if each is message)
        del self.messages[position]
        self.bytes -= len(message.text)
        self.received_at, self.last_receiver = seconds(self.kernel), process_id
        self.room.wake()


class Messages:
    """The queues of a kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.registry: Registry[MessageQueue] = Registry(a.MSGMNI)
        self.count = self.bytes = 0
        """Messages, and bytes of them, in all queues."""

    def get(self, thread: Thread, key: int, flags: int) -> int:
        """msgget(2). EACCES, EEXIST, ENOENT, ENOSPC."""
        found = self.registry.by_key(key, flags)
        if found is not None:
            found.require(thread.process, flags)
            return found.id
        return self.registry.add(MessageQueue(self.kernel, thread, key, flags))

    def send(self, thread: Thread, number: int, message: Message, flags: int) -> int:
        """msgsnd(2). EACCES, EAGAIN, EIDRM, EINTR, EINVAL, ENOMEM."""
        queue: MessageQueue = thread.sleep.get("queue") or self.registry.find(number)
        if queue.gone:
            raise SyscallError(Errno.EIDRM)
        queue.require(thread.process, WRITE)
        if not queue.fits(len(message.text)):
            if flags & a.IPC_NOWAIT:
                raise SyscallError(Errno.EAGAIN)
            thread.sleep["queue"] = queue
            raise Blocked(queue.room, restart=False)
        if self.count * HEADER_BYTES + self.bytes > MEMORY:
            raise SyscallError(Errno.ENOMEM)
        queue.last_sender, queue.sent_at = thread.process.pid, seconds(self.kernel)
        if not queue.hand_over(message):
            queue.messages.append(message)
            queue.bytes += len(message.text)
            self._account(1, len(message.text))
        return 0

    def _account(self, messages: int, size: int) -> None:
        self.count += messages
        self.bytes += size

    def receive(self, thread: Thread, number: int, wanted: Wanted) -> Message:
        """msgrcv(2): the message, cut to the size with MSG_NOERROR. E2BIG, EACCES, EIDRM, EINTR, EINVAL, ENOMSG."""
        receiver: Receiver | None = thread.sleep.get("receiver")
        if receiver is None:
            return self._receive_first(thread, number, wanted)
        if isinstance(receiver.answer, Errno):
            raise SyscallError(receiver.answer)
        if receiver.answer is None:
            raise Blocked(receiver.queue, restart=False)
        return Message(receiver.answer.kind, receiver.answer.text[: wanted.size])

    def _receive_first(self, thread: Thread, number: int, wanted: Wanted) -> Message:
        queue = self.registry.find(number)
        queue.require(thread.process, READ)
        message = queue.choose(wanted)
        if message is None:
            if wanted.flags & a.IPC_NOWAIT:
                raise SyscallError(Errno.ENOMSG)
            receiver = thread.sleep["receiver"] = Receiver(thread, wanted)
            queue.receivers.append(receiver)
            raise Blocked(receiver.queue, restart=False)
        if wanted.too_long(message):
            raise SyscallError(Errno.E2BIG)
        if not wanted.flags & a.MSG_COPY:
            queue.take(message, thread.process.pid)
            self._account(-1, -len(message.text))
        return Message(message.kind, message.text[: wanted.size])

    def remove(self, queue: MessageQueue) -> None:
        """IPC_RMID: who waits gets EIDRM."""
        self.registry.remove(queue)
        self._account(-len(queue.messages), -queue.bytes)
        for receiver in queue.receivers:
            if receiver.waits:
                receiver.finish(Errno.EIDRM)
        queue.room.wake()

"""/proc/sysvipc and the limits of System V IPC below /proc/sys/kernel (sysvipc(7), proc(5))."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.abi import ipc as a
from toolkit.abi.memory import PAGE_SHIFT

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel

SHM_HEADER = (
    "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid"
    "      atime      dtime      ctime                   rss                  swap\n"
)
SEM_HEADER = "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n"
MSG_HEADER = (
    "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid"
    "      stime      rtime      ctime\n"
)


def segments(kernel: Kernel) -> bytes:
    """/proc/sysvipc/shm."""
    lines = [SHM_HEADER]
    memory = kernel.shared_memory
    for each in memory.registry.all():
        resident, swapped = len(each.pages.resident) << PAGE_SHIFT, len(each.pages.swapped) << PAGE_SHIFT
        lines.append(
            f"{each.key:10d} {each.id:10d}  {each.mode:4o} {each.pages.size:21d} {each.creator:5d} {each.last:5d}"
            f"  {memory.attachments(each):5d} {each.uid:5d} {each.gid:5d} {each.creator_uid:5d}"
            f" {each.creator_gid:5d} {each.attached_at:10d} {each.detached_at:10d} {each.changed:10d}"
            f" {resident:21d} {swapped:21d}\n"
        )
    return "".join(lines).encode()


def sets(kernel: Kernel) -> bytes:
    """/proc/sysvipc/sem."""
    return SEM_HEADER.encode() + b"".join(
        f"{each.key:10d} {each.id:10d}  {each.mode:4o} {len(each.values):10d} {each.uid:5d} {each.gid:5d}"
        f" {each.creator_uid:5d} {each.creator_gid:5d} {each.operated_at:10d} {each.changed:10d}\n".encode()
        for each in kernel.semaphores.registry.all()
    )


def queues(kernel: Kernel) -> bytes:
    """/proc/sysvipc/msg."""
    return MSG_HEADER.encode() + b"".join(
        f"{each.key:10d} {each.id:10d}  {each.mode:4o}  {each.bytes:10d} {len(each.messages):10d}"
        f" {each.last_sender:5d} {each.last_receiver:5d} {each.uid:5d} {each.gid:5d} {each.creator_uid:5d}"
        f" {each.creator_gid:5d} {each.sent_at:10d} {each.received_at:10d} {each.changed:10d}\n".encode()
        for each in kernel.messages.registry.all()
    )


def _fixed(content: str) -> bytes:
    return f"{content}\n".encode()


TABLES = {"sysvipc/shm": segments, "sysvipc/sem": sets, "sysvipc/msg": queues}
LIMITS = {
    "sys/kernel/shmmax": lambda kernel: _fixed(str(a.SHMMAX)),
    "sys/kernel/shmall": lambda kernel: _fixed(str(a.SHMALL)),
    "sys/kernel/shmmni": lambda kernel: _fixed(str(a.SHMMNI)),
    "sys/kernel/msgmax": lambda kernel: _fixed(str(a.MSGMAX)),
    "sys/kernel/msgmnb": lambda kernel: _fixed(str(a.MSGMNB)),
    "sys/kernel/msgmni": lambda kernel: _fixed(str(a.MSGMNI)),
    "sys/kernel/sem": lambda kernel: _fixed(f"{a.SEMMSL}\t{a.SEMMNS}\t{a.SEMOPM}\t{a.SEMMNI}"),
}

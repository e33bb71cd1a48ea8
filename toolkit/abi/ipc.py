"""System V IPC: flags, commands, limits and struct layouts (linux/ipc.h, shm.h, sem.h, msg.h; sysvipc(7))."""

from __future__ import annotations

from struct import Struct

IPC_PRIVATE = 0
IPC_CREAT, IPC_EXCL, IPC_NOWAIT = 0o1000, 0o2000, 0o4000
IPC_RMID, IPC_SET, IPC_STAT, IPC_INFO = 0, 1, 2, 3
IPC_64 = 0x100
"""i386's ipc(2): the structs are the newer ones."""
IPC_INDEX_BITS = 15
"""An id is a sequence number above an index of so many bits."""
IPC_SEQUENCE_END = 0x7FFF_FFFF >> IPC_INDEX_BITS
IPC_SHORTEST_CYCLE = 64

SHM_RDONLY, SHM_RND, SHM_REMAP, SHM_EXEC = 0o10000, 0o20000, 0o40000, 0o100000
SHM_HUGETLB, SHM_NORESERVE = 0o4000, 0o10000
SHM_HUGE_SHIFT, SHM_HUGE_MASK = 26, 0x3F
SHM_DEST, SHM_LOCKED = 0o1000, 0o2000
SHM_LOCK, SHM_UNLOCK, SHM_STAT, SHM_INFO, SHM_STAT_ANY = 11, 12, 13, 14, 15
SHMMIN, SHMMNI = 1, 4096
SHMMAX = SHMALL = (1 << 64) - 1 - (1 << 24)

SEM_UNDO = 0x1000
GETPID, GETVAL, GETALL, GETNCNT, GETZCNT, SETVAL, SETALL = 11, 12, 13, 14, 15, 16, 17
SEM_STAT, SEM_INFO, SEM_STAT_ANY = 18, 19, 20
SEMMNI, SEMMSL, SEMOPM, SEMVMX, SEMUSZ = 32_000, 32_000, 500, 32_767, 20
SEMMNS = SEMMNI * SEMMSL
SEMAEM = SEMVMX
SEMBUF = Struct("<Hhh")

MSG_NOERROR, MSG_EXCEPT, MSG_COPY = 0o10000, 0o20000, 0o40000
MSG_STAT, MSG_INFO, MSG_STAT_ANY = 11, 12, 13
MSGMNI, MSGMAX, MSGMNB = 32_000, 8192, 16_384
MSGPOOL, MSGMAP, MSGSSZ, MSGTQL, MSGSEG = MSGMNI * MSGMNB // 1024, MSGMNB, 16, MSGMNB, 0xFFFF

PERMISSIONS: dict[str, Struct] = {
    "64": Struct("<iIIIIIH2x4x16x"),
    "32": Struct("<iIIIIH2xH2x8x"),
    "old": Struct("<iHHHHHH"),
}
"""struct ipc64_perm of both ABIs and i386's struct ipc_perm: key, uid, gid, cuid, cgid, mode, seq."""

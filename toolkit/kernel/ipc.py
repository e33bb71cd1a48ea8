"""What the three kinds of System V IPC share: keys, ids, permissions (sysvipc(7), ipc/util.c)."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Generic, TypeVar

from toolkit.abi.errno import Errno
from toolkit.kernel.clock import NANOSECONDS
from toolkit.kernel.errors import SyscallError

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.task import Process

IPC_PRIVATE = 0
IPC_CREAT = 0o1000
IPC_EXCL = 0o2000
IPC_NOWAIT = 0o4000
IPC_RMID, IPC_SET, IPC_STAT, IPC_INFO = 0, 1, 2, 3
READ, WRITE = 0o444, 0o222
PERMISSIONS_64 = Struct("<iIIIIIH6x16x")
PERMISSIONS_32 = Struct("<iIIIIIH2x8x")
INDEX_BITS = 15


class IpcObject:
    """key, id, owner and mode of a segment, a semaphore set or a queue."""

    def __init__(self, process: Process, key: int, mode: int) -> None:
        who = process.credentials
        self.key = key
        self.id = 0
        self.uid = self.creator_uid = who.euid
        self.gid = self.creator_gid = who.egid
        self.mode = mode & 0o777
        self.removed = False
        self.changed = process.kernel.clock.realtime // NANOSECONDS

    def permissions(self, bits: int, extra_mode: int = 0) -> bytes:
        """struct ipc64_perm."""
        layout = PERMISSIONS_64 if bits == 64 else PERMISSIONS_32
        return layout.pack(
            self.key,
            self.uid,
            self.gid,
            self.creator_uid,
            self.creator_gid,
            self.mode | extra_mode,
            self.id >> INDEX_BITS,
        )

    def require(self, process: Process, wanted: int) -> None:
        """ipcperms(): `wanted` is the access three times over, as READ and WRITE are. EACCES."""
        who = process.credentials
        if who.euid == 0:
            return
        if who.euid in (self.uid, self.creator_uid):
            granted = self.mode >> 6
        elif self.gid in (who.egid, *who.groups) or self.creator_gid in (who.egid, *who.groups):
            granted = self.mode >> 3
        else:
            granted = self.mode
        if wanted & 7 & ~granted:
            raise SyscallError(Errno.EACCES)

    def require_owner(self, process: Process) -> None:
        """EPERM unless owner, creator or root."""
        if process.credentials.euid not in (0, self.uid, self.creator_uid):
            raise SyscallError(Errno.EPERM)

    def set_permissions(self, data: bytes, bits: int) -> None:
        """IPC_SET: uid, gid and mode from a struct."""
        layout = PERMISSIONS_64 if bits == 64 else PERMISSIONS_32
        _, self.uid, self.gid, _, _, mode, _ = layout.unpack(data[: layout.size])
        self.mode = mode & 0o777


Kind = TypeVar("Kind", bound=IpcObject)


class Registry(Generic[Kind]):
    """All objects of one kind, by id; ids are handed out as ipc_idr_alloc() does, going round."""

    def __init__(self, kernel: Kernel, limit: int) -> None:
        self.kernel = kernel
        self.limit = limit
        self.objects: dict[int, Kind] = {}
        self._next = 0
        self._sequence = 0

    def add(self, item: Kind) -> int:
        """Give the object an id; ENOSPC beyond the limit."""
        if len(self.objects) >= self.limit:
            raise SyscallError(Errno.ENOSPC)
        used = {number & (1 << INDEX_BITS) - 1 for number in self.objects}
        index = self._next
        while index in used:
            index = (index + 1) % self.limit
        if index < self._next:
            self._sequence += 1
        self._next = (index + 1) % self.limit
        item.id = self._sequence << INDEX_BITS | index
        self.objects[item.id] = item
        return item.id

    def find(self, number: int) -> Kind:
        """An object by id. EINVAL."""
        found = self.objects.get(number)
        if found is None:
            raise SyscallError(Errno.EINVAL)
        return found

    def by_key(self, key: int, flags: int) -> Kind | None:
        """An object by key; None when a new one is to be made. ENOENT, EEXIST."""
        if key == IPC_PRIVATE:
            return None
        for item in self.objects.values():
            if item.key == key and not item.removed:
                if flags & IPC_CREAT and flags & IPC_EXCL:
                    raise SyscallError(Errno.EEXIST)
                return item
        if not flags & IPC_CREAT:
            raise SyscallError(Errno.ENOENT)
        return None

    def remove(self, item: Kind) -> None:
        """The object is gone."""
        item.removed = True
        self.objects.pop(item.id, None)


def requested(flags: int) -> int:
    """The access that the mode bits of shmget and its kin ask for."""
    return (flags >> 6 | flags >> 3 | flags) & 7

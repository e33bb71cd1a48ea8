"""What the three kinds of System V IPC share: keys, ids, permissions (sysvipc(7), ipc/util.c)."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Generic, TypeVar

from toolkit.abi import ipc as a
from toolkit.abi.errno import Errno
from toolkit.kernel.clock import NANOSECONDS
from toolkit.kernel.errors import SyscallError

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.task import Process

READ, WRITE = 0o444, 0o222
NOBODY = 0xFFFF_FFFF


def seconds(kernel: Kernel) -> int:
    """Unix time now: what the structs and /proc/sysvipc show."""
    return kernel.clock.realtime // NANOSECONDS


class IpcObject:
    """key, id, owner and mode of a segment, a semaphore set or a queue."""

    def __init__(self, process: Process, key: int, mode: int) -> None:
        who = process.credentials
        self.key = key
        self.id = 0
        self.uid = self.creator_uid = who.euid
        self.gid = self.creator_gid = who.egid
        self.mode = mode & 0o777
        self.gone = False
        self.changed = seconds(process.kernel)

    def permissions(self, layout: Struct) -> bytes:
        """One of `abi.ipc.PERMISSIONS`; numbers too large for the old struct wrap as they do there."""
        limit = 0xFFFF if layout is a.PERMISSIONS["old"] else 0xFFFF_FFFF
        owners = (self.uid, self.gid, self.creator_uid, self.creator_gid)
        return layout.pack(
            self.key, *(number & limit for number in owners), self.mode, self.id >> a.IPC_INDEX_BITS
        )

    def require(self, process: Process, wanted: int) -> None:
        """ipcperms(): the access asked for in any of the three places of `wanted`. EACCES."""
        who = process.credentials
        groups = (who.egid, *who.groups)
        granted = self.mode
        if who.euid in (self.uid, self.creator_uid):
            granted >>= 6
        elif self.gid in groups or self.creator_gid in groups:
            granted >>= 3
        asked = wanted >> 6 | wanted >> 3 | wanted
        if asked & ~granted & 7 and not process.privileged:
            raise SyscallError(Errno.EACCES)

    def require_owner(self, process: Process) -> None:
        """EPERM unless owner, creator or root."""
        if process.credentials.euid not in (self.uid, self.creator_uid) and not process.privileged:
            raise SyscallError(Errno.EPERM)

    def set_permissions(self, data: bytes, layout: Struct) -> None:
        """IPC_SET: uid, gid and the nine bits of mode. EINVAL for the id -1."""
        _, uid, gid, _, _, mode, _ = layout.unpack_from(data)
        if NOBODY in (uid, gid):
            raise SyscallError(Errno.EINVAL)
        self.uid, self.gid = uid, gid
        self.mode = self.mode & ~0o777 | mode & 0o777


Kind = TypeVar("Kind", bound=IpcObject)


class Registry(Generic[Kind]):
    """All objects of one kind, by index. Indices go round as ipc_idr_alloc() has them, so that ids return late."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.objects: dict[int, Kind] = {}
        self._next = 0
        self._last = -1
        self._sequence = 0

    def all(self) -> list[Kind]:
        """The objects in the order of their indices."""
        return [self.objects[index] for index in sorted(self.objects)]

    def add(self, item: Kind) -> int:
        """Give the object an id. ENOSPC beyond the limit."""
        if len(self.objects) >= self.limit:
            raise SyscallError(Errno.ENOSPC)
        end = min(max(len(self.objects) * 3 // 2, a.IPC_SHORTEST_CYCLE), 1 << a.IPC_INDEX_BITS)
        index = self._free(self._next, end)
        if index is None:
            index = self._free(0, end)
        assert index is not None
        self._next = index + 1
        if index <= self._last:
            self._sequence = (self._sequence + 1) % a.IPC_SEQUENCE_END
        self._last = index
        item.id = self._sequence << a.IPC_INDEX_BITS | index
        self.objects[index] = item
        return item.id

    def _free(self, first: int, end: int) -> int | None:
        return next((index for index in range(first, end) if index not in self.objects), None)

    def find(self, number: int) -> Kind:
        """ipc_obtain_object_check(): an object by id. EINVAL."""
        found = self.objects.get(number & (1 << a.IPC_INDEX_BITS) - 1)
        if found is None or found.id != number:
            raise SyscallError(Errno.EINVAL)
        return found

    def at(self, index: int) -> Kind:
        """An object by index, as the STAT commands of ipcs ask for it. EINVAL."""
        found = self.objects.get(index & (1 << a.IPC_INDEX_BITS) - 1)
        if found is None:
            raise SyscallError(Errno.EINVAL)
        return found

    def by_key(self, key: int, flags: int) -> Kind | None:
        """An object by key; None when a new one is to be made. ENOENT, EEXIST."""
        if key == a.IPC_PRIVATE:
            return None
        for item in self.objects.values():
            if item.key == key:
                if flags & a.IPC_CREAT and flags & a.IPC_EXCL:
                    raise SyscallError(Errno.EEXIST)
                return item
        if not flags & a.IPC_CREAT:
            raise SyscallError(Errno.ENOENT)
        return None

    @property
    def highest(self) -> int:
        """The highest index in use, 0 without objects: what the INFO commands return."""
        return max(self.objects, default=0)

    def remove(self, item: Kind) -> None:
        """The object is gone."""
        item.gone = True
        del self.objects[item.id & (1 << a.IPC_INDEX_BITS) - 1]

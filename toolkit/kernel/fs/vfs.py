"""The tree of files: inodes in memory, host directories read lazily below them, and the walk along a path.

A host directory given to the kernel is *copied on first sight*: looking a name up makes an inode for it, a file's
bytes are read when the program first needs them, and every change stays in memory. So nothing on the host is ever
written, and no host file is reachable outside the directories that were given: symbolic links are followed by the
walk below, inside the emulated tree, never by the host.
"""

from __future__ import annotations

import os
import stat as host_stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.waiting import WaitQueue

if TYPE_CHECKING:
    from toolkit.kernel.fs.files import OpenFile
    from toolkit.kernel.mm.page_cache import PageCache
    from toolkit.kernel.task import Process, Thread

ROOT_DEVICE = 0xFE00
"""Device number of the emulated disk, as /proc/PID/maps prints it: fe:00."""
PROC_DEVICE = 0x14
DEVICE_DEVICE = 0x05
MEMORY_DEVICE = 0x18


@dataclass
class Times:
    """Nanoseconds since 1970."""

    accessed: int
    modified: int
    changed: int


class FileSystem:
    """What the inodes of one tree share: the device number, the clock, and the next inode number."""

    def __init__(self, now: Callable[[], int], device: int = ROOT_DEVICE, first_inode: int = 2) -> None:
        self.now = now
        self.device = device
        self._next_inode = first_inode

    def number(self) -> int:
        """A new inode number: they are given in the order in which the program meets the files."""
        self._next_inode += 1
        return self._next_inode - 1


class Inode:
    """A file of any kind. `mode` holds type and permission bits (inode(7))."""

    def __init__(self, system: FileSystem, mode: int, uid: int = 0, gid: int = 0) -> None:
        self.system = system
        self.number = system.number()
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.links = 1
        self.device_number = 0
        self.place: tuple[Directory, bytes] | None = None
        """Where it was entered last: the directory and the name."""
        now = system.now()
        self.times = Times(now, now, now)

    @property
    def kind(self) -> int:
        """The S_IFMT bits."""
        return self.mode & f.S_IFMT

    @property
    def size(self) -> int:
        """st_size, bytes."""
        return 0

    def open(self, thread: Thread, flags: int, path: bytes) -> OpenFile:
        """What open(2) makes of a file that is none of the usual kinds."""
        raise SyscallError(Errno.ENXIO)

    def touch(self) -> None:
        """The contents changed: mtime and ctime."""
        self.times.modified = self.times.changed = self.system.now()

    def changed(self) -> None:
        """The inode changed: ctime."""
        self.times.changed = self.system.now()


class Symlink(Inode):
    """A symbolic link."""

    def __init__(self, system: FileSystem, target: bytes, uid: int = 0, gid: int = 0) -> None:
        super().__init__(system, f.S_IFLNK | 0o777, uid, gid)
        self.text = target

    def target(self, process: Process) -> bytes:
        """Where it points, for this process (links of /proc differ)."""
        return self.text

    @property
    def size(self) -> int:
        return len(self.text)


class Fifo(Inode):
    """A named pipe; the pipe itself exists while someone has it open (fifo(7))."""

    def __init__(self, system: FileSystem, mode: int, uid: int = 0, gid: int = 0) -> None:
        super().__init__(system, f.S_IFIFO | mode & 0o7777, uid, gid)
        self.pipe: object | None = None
        self.opened = WaitQueue("fifo open")


class Socket(Inode):
    """The name of a Unix socket; nothing listens on it here."""

    def __init__(self, system: FileSystem, mode: int, uid: int = 0, gid: int = 0) -> None:
        super().__init__(system, f.S_IFSOCK | mode & 0o7777, uid, gid)


class Device(Inode):
    """A character device; `driver` makes what an open returns."""

    def __init__(self, system: FileSystem, mode: int, major: int, minor: int, driver: str) -> None:
        super().__init__(system, f.S_IFCHR | mode)
        self.device_number = major << 8 | minor
        self.driver = driver


class RegularFile(Inode):
    """A file with contents."""

    def __init__(self, system: FileSystem, pages: PageCache, mode: int, uid: int = 0, gid: int = 0) -> None:
        super().__init__(system, f.S_IFREG | mode & 0o7777, uid, gid)
        self.pages = pages
        self.writers = 0
        """Open file descriptions that may write; exec refuses such a file (ETXTBSY)."""
        self.executed = 0
        """Processes that run it; writing to it is refused (ETXTBSY)."""
        self.seals = -1
        """memfd seals; -1: not a memfd."""

    @property
    def size(self) -> int:
        return self.pages.size


class Directory(Inode):
    """Names to inodes, in the order of their making."""

    def __init__(self, system: FileSystem, mode: int = 0o755, uid: int = 0, gid: int = 0) -> None:
        super().__init__(system, f.S_IFDIR | mode & 0o7777, uid, gid)
        self.entries: dict[bytes, Inode] = {}
        self.parent: Directory = self
        self.name = b"/"
        self.links = 2
        self.removed = False

    @property
    def size(self) -> int:
        return 4096

    def lookup(self, name: bytes) -> Inode | None:
        """The inode of a name, or None."""
        return self.entries.get(name)

    def names(self) -> Iterator[tuple[bytes, Inode]]:
        """All names but . and .., with their inodes."""
        return iter(tuple(self.entries.items()))

    def check_writable(self) -> None:
        """EACCES where names can't be made, as in /proc."""

    def add(self, name: bytes, inode: Inode) -> None:
        """Enter a name; the caller has checked that it is free."""
        self.entries[name] = inode
        inode.place = (self, name)
        if isinstance(inode, Directory):
            inode.parent = self
            inode.name = name
            self.links += 1
        self.touch()

    def remove(self, name: bytes) -> None:
        """Take a name out; the inode's link count is the caller's affair."""
        inode = self.entries.pop(name)
        if isinstance(inode, Directory):
            self.links -= 1
        self.touch()

    def path(self) -> bytes:
        """The absolute path, as getcwd prints it."""
        parts: list[bytes] = []
        place: Directory = self
        while place.parent is not place:
            parts.append(place.name)
            place = place.parent
        return b"/" + b"/".join(reversed(parts))


class HostDirectory(Directory):
    """A directory of the host, seen read-only: its entries become inodes when they are looked up."""

    def __init__(self, system: FileSystem, host_path: str, load: Callable[[str, int], PageCache]) -> None:
        status = os.stat(host_path)
        super().__init__(system, host_stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
        self.times = Times(status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns)
        self.host_path = host_path
        self._load = load
        self._removed: set[bytes] = set()
        self._complete = False

    def lookup(self, name: bytes) -> Inode | None:
        found = self.entries.get(name)
        if found is None and not self._complete and name not in self._removed:
            found = self._adopt(name)
        return found

    def names(self) -> Iterator[tuple[bytes, Inode]]:
        if not self._complete:
            for entry in sorted(os.listdir(os.fsencode(self.host_path))):
                if entry not in self.entries and entry not in self._removed:
                    self._adopt(entry)
            self._complete = True
        return super().names()

    def remove(self, name: bytes) -> None:
        super().remove(name)
        self._removed.add(name)

    def host_path_of(self, name: bytes) -> str:
        """Where an entry of this name lies on the host."""
        return os.path.join(self.host_path, os.fsdecode(name))

    def removed_names(self) -> set[bytes]:
        """Entries of the host that the program took away."""
        return {
            name for name in self._removed - self.entries.keys() if os.path.lexists(self.host_path_of(name))
        }

    def _adopt(self, name: bytes) -> Inode | None:
        """Make the inode of a host entry; special files of the host stay invisible."""
        if b"/" in name or b"\0" in name or name in (b".", b".."):
            return None
        host_path = self.host_path_of(name)
        try:
            status = os.lstat(host_path)
            inode = self._inode(host_path, status)
        except (OSError, ValueError):
            return None
        if inode is None:
            return None
        inode.times = Times(status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns)
        inode.uid, inode.gid = status.st_uid, status.st_gid
        kept = replace(self.times)  # to see an entry is no change of the directory
        self.add(name, inode)
        self.times = kept
        return inode

    def _inode(self, host_path: str, status: os.stat_result) -> Inode | None:
        mode = host_stat.S_IMODE(status.st_mode)
        if host_stat.S_ISDIR(status.st_mode):
            return HostDirectory(self.system, host_path, self._load)
        if host_stat.S_ISLNK(status.st_mode):
            return Symlink(self.system, os.fsencode(os.readlink(host_path)))
        if host_stat.S_ISREG(status.st_mode):
            return RegularFile(self.system, self._load(host_path, status.st_size), mode)
        return None


@dataclass(slots=True)
class Found:
    """Where a path leads: the directory and name of its last component, and the inode there, if any."""

    directory: Directory
    name: bytes
    inode: Inode | None
    must_be_directory: bool = False

    def existing(self) -> Inode:
        """The inode; ENOENT without one, ENOTDIR where a trailing slash asks for a directory."""
        if self.inode is None:
            raise SyscallError(Errno.ENOENT)
        if self.must_be_directory and not isinstance(self.inode, Directory):
            raise SyscallError(Errno.ENOTDIR)
        return self.inode


def permitted(process: Process, inode: Inode, wanted: int) -> bool:
    """Whether the process may access the inode: bits R_OK, W_OK, X_OK (path_resolution(7))."""
    credentials = process.credentials
    if credentials.fsuid == 0:
        return not wanted & f.X_OK or isinstance(inode, Directory) or bool(inode.mode & 0o111)
    if credentials.fsuid == inode.uid:
        granted = inode.mode >> 6
    elif inode.gid == credentials.fsgid or inode.gid in credentials.groups:
        granted = inode.mode >> 3
    else:
        granted = inode.mode
    return granted & wanted == wanted


def require(process: Process, inode: Inode, wanted: int) -> None:
    """EACCES unless `permitted`."""
    if not permitted(process, inode, wanted):
        raise SyscallError(Errno.EACCES)


def walk(process: Process, start: Directory, path: bytes, follow: bool = True) -> Found:
    """Resolve a path as path_resolution(7) says. `follow`: also follow a symbolic link in the last place.

    Raises ENOENT (empty path, missing directory), ENOTDIR, EACCES, ELOOP, ENAMETOOLONG.
    """
    if not path:
        raise SyscallError(Errno.ENOENT)
    root = process.working.root
    place = root if path.startswith(b"/") else start
    trailing = path.endswith(b"/")
    pending = [part for part in reversed(path.split(b"/")) if part]
    links = 0
    while pending:
        name = pending.pop()
        last = not pending
        require(process, place, f.X_OK)
        if len(name) > f.NAME_MAX:
            raise SyscallError(Errno.ENAMETOOLONG)
        if name == b".":
            if last:
                return Found(place.parent, place.name, place)
            continue
        if name == b"..":
            place = place if place is root else place.parent
            if last:
                return Found(place.parent, place.name, place)
            continue
        inode = place.lookup(name)
        if isinstance(inode, Symlink) and (not last or follow or trailing):
            jump = jump_target(inode, process)
            if jump is not None:
                inode = jump
            else:
                links += 1
                target = inode.target(process)
                if links > f.SYMLINKS_MAX:
                    raise SyscallError(Errno.ELOOP)
                if not target:
                    raise SyscallError(Errno.ENOENT)
                trailing = trailing or (last and target.endswith(b"/"))
                pending.extend(part for part in reversed(target.split(b"/")) if part)
                if target.startswith(b"/"):
                    place = root
                if not pending:
                    return Found(place, b"", place)
                continue
        if last:
            return Found(place, name, inode, trailing)
        if inode is None:
            raise SyscallError(Errno.ENOENT)
        if not isinstance(inode, Directory):
            raise SyscallError(Errno.ENOTDIR)
        place = inode
    return Found(place.parent, place.name, place)


def jump_target(link: Symlink, process: Process) -> Inode | None:
    """A "magic" link of /proc leads straight to an inode, whatever its text says (proc(5), /proc/PID/fd)."""
    jump = getattr(link, "jump", None)
    return jump(process) if jump is not None else None

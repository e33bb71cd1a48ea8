"""The emulated computer's file tree: a small root in memory, /dev and /proc, and the host directories given to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.devices import DeviceDirectory
from toolkit.kernel.fs.storage import BytesStorage, HostStorage
from toolkit.kernel.fs.vfs import (
    Directory,
    FileSystem,
    HostDirectory,
    Inode,
    RegularFile,
    Symlink,
)
from toolkit.kernel.mm.page_cache import PageCache

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.task import Process

ROOT_FOLDERS = (
    ("tmp", 0o1777),
    ("home", 0o755),
    ("etc", 0o755),
    ("usr", 0o755),
    ("bin", 0o755),
    ("var", 0o755),
)
FIRST_INODE = 1_000
PIPE_DEVICE = 0x0D


@dataclass(frozen=True, slots=True)
class FileSetup:
    """A file to put into the tree: contents, permission bits, and, for a link, where it points."""

    data: bytes = b""
    mode: int = 0o644
    link_to: str | None = None
    directory: bool = False


class Files:
    """The tree and what the kernel does to it from outside."""

    def __init__(
        self,
        kernel: Kernel,
        files: Mapping[str, bytes | FileSetup],
        mounts: Mapping[str, str],
        directory: str,
        uid: int,
        gid: int,
    ) -> None:
        self.kernel = kernel
        self.uid, self.gid = uid, gid
        self.system = FileSystem(lambda: kernel.clock.realtime, first_inode=FIRST_INODE + kernel.seed % 997)
        self.pipe_system = FileSystem(self.system.now, PIPE_DEVICE, 10_000 + kernel.seed % 997)
        self.shared_memory = FileSystem(self.system.now, 1, 1)
        self.used = 0
        self.made = 0
        self._sizes: dict[int, int] = {}
        self.root = self._make_root(mounts)
        self.home = self.make_directories(directory, uid, gid)
        for name, content in files.items():
            self.put(name, content)

    def _make_root(self, mounts: Mapping[str, str]) -> Directory:
        host_root = mounts.get("/")
        root = HostDirectory(self.system, host_root, self.host_pages) if host_root else Directory(self.system)
        if host_root is None:
            for name, mode in ROOT_FOLDERS:
                root.add(name.encode(), Directory(self.system, mode))
        from toolkit.kernel.fs.procfs import ProcRoot

        root.add(b"dev", DeviceDirectory(self.kernel))
        root.add(b"proc", ProcRoot(self.kernel))
        self.root = root
        for place, host_path in sorted(mounts.items()):
            if place != "/":
                parent = self.make_directories(place.rpartition("/")[0], 0, 0)
                parent.add(
                    place.rpartition("/")[2].encode(), HostDirectory(self.system, host_path, self.host_pages)
                )
        return root

    def make_directories(self, path: str, uid: int, gid: int) -> Directory:
        """The directory of a path from the root, made where it is missing; links are followed. EINVAL for `..`."""
        place = self.root
        for part in path.encode().split(b"/"):
            if not part or part == b".":
                continue
            if part == b"..":
                raise SyscallError(Errno.EINVAL)
            found = place.lookup(part)
            for _ in range(f.SYMLINKS_MAX):
                if not isinstance(found, Symlink):
                    break
                found = self._follow(place, found)
            if found is None:
                found = Directory(self.system, 0o755, uid, gid)
                place.add(part, found)
            if not isinstance(found, Directory):
                raise SyscallError(Errno.ENOTDIR)
            place = found
        return place

    def _follow(self, place: Directory, link: Symlink) -> Inode | None:
        """The inode a link of the host leads to, before any process exists; only simple ones."""
        target = link.text
        here: Inode | None = self.root if target.startswith(b"/") else place
        for part in target.split(b"/"):
            if not part or part == b".":
                continue
            if not isinstance(here, Directory):
                return None
            here = here.parent if part == b".." else here.lookup(part)
        return here

    # --- contents ------------------------------------------------------------------------------------------

    def new_pages(self, data: bytes = b"") -> PageCache:
        """The pages of a file in memory."""
        return PageCache(self.kernel.frames, BytesStorage(data), len(data))

    def host_pages(self, host_path: str, size: int) -> PageCache:
        """The pages of a file of the host."""
        return PageCache(self.kernel.frames, HostStorage(host_path), size)

    def new_file(
        self, mode: int, uid: int, gid: int, data: bytes = b"", system: FileSystem | None = None
    ) -> RegularFile:
        """A regular file that is in no directory yet; ENOSPC when the program has made too many."""
        self.made += 1
        if self.made > self.kernel.limits.inodes:
            raise SyscallError(Errno.ENOSPC)
        return RegularFile(system or self.system, self.new_pages(data), mode, uid, gid)

    def new_memory_file(self, mode: int, uid: int, gid: int) -> RegularFile:
        """A file that lives in memory alone (memfd, /dev/shm): its pages can be swapped."""
        self.made += 1
        if self.made > self.kernel.limits.inodes:
            raise SyscallError(Errno.ENOSPC)
        pages = PageCache(self.kernel.frames, None, 0)
        return RegularFile(self.shared_memory, pages, mode, uid, gid)

    def account(self, file: object, end: int) -> None:
        """ENOSPC beyond Limits.storage, counted by file size."""
        key = id(file)
        known = self._sizes.get(key, 0)
        if end <= known:
            return
        grown = min(end - known, self.kernel.limits.storage + 1) if known else end - file.size  # type: ignore[attr-defined]
        if grown > 0 and self.used + grown > self.kernel.limits.storage:
            raise SyscallError(Errno.ENOSPC)
        self.used += max(grown, 0)
        self._sizes[key] = end

    # --- from outside --------------------------------------------------------------------------------------

    def put(self, name: str, content: bytes | FileSetup) -> Inode:
        """Place a file before the run; a relative name lies in the program's directory."""
        setup = content if isinstance(content, FileSetup) else FileSetup(bytes(content))
        folder, _, base = name.rpartition("/")
        if name.startswith("/"):
            parent = self.make_directories(folder, self.uid, self.gid)
        else:
            parent = self.make_directories(self.home.path().decode() + "/" + folder, self.uid, self.gid)
        if base in ("", ".", ".."):
            raise SyscallError(Errno.EINVAL)
        inode: Inode
        if setup.directory:
            inode = Directory(self.system, setup.mode | 0o111, self.uid, self.gid)
        elif setup.link_to is not None:
            inode = Symlink(self.system, setup.link_to.encode(), self.uid, self.gid)
        else:
            inode = RegularFile(self.system, self.new_pages(setup.data), setup.mode, self.uid, self.gid)
        parent.entries.pop(base.encode(), None)
        parent.add(base.encode(), inode)
        return inode

    def find(self, path: str) -> Inode:
        """The inode of a path, seen from the main process's starting directory."""
        from toolkit.kernel.fs.vfs import walk

        return walk(self.kernel.processes.main, self.home, path.encode()).existing()

    def read(self, path: str) -> bytes:
        """A regular file's bytes."""
        inode = self.find(path)
        if not isinstance(inode, RegularFile):
            raise SyscallError(Errno.EISDIR)
        return inode.pages.read(0, inode.size)

    def tree(self, path: str | None = None, without: str | None = None) -> dict[str, bytes]:
        """Regular files below a directory, host directories and one name left out."""
        start = self.home if path is None else self.find(path)
        found: dict[str, bytes] = {}
        pending: list[tuple[str, Inode]] = [("", start)]
        while pending:
            prefix, place = pending.pop()
            if not isinstance(place, Directory) or isinstance(place, HostDirectory):
                continue
            for name, inode in place.names():
                shown = prefix + name.decode("utf-8", "backslashreplace")
                if not isinstance(inode, RegularFile):
                    pending.append((shown + "/", inode))
                elif shown != without:
                    found[shown] = inode.pages.read(0, inode.size)
        return dict(sorted(found.items()))


def owner_of(process: Process) -> tuple[int, int]:
    """Uid and gid of a file the process makes."""
    return process.credentials.fsuid, process.credentials.fsgid

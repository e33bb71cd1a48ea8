"""Where a path starts, open, reading directories, the current directory."""

from __future__ import annotations

from collections.abc import Callable
from struct import pack
from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.files import OpenDirectory
from toolkit.kernel.fs.opening import open_at
from toolkit.kernel.fs.vfs import (
    Directory,
    Found,
    Inode,
    require,
    walk,
)
from toolkit.kernel.syscalls import syscall
from toolkit.kernel.syscalls.arguments import (
    Address,
    FileDescriptor,
    Mode,
    OpenFlags,
    Path,
    Size,
    UnsignedInt,
)

if TYPE_CHECKING:
    from toolkit.kernel.task import Process, Thread

OPEN_HOW_SIZE = 24


# --- where a path starts -----------------------------------------------------------------------------------


def base(thread: Thread, descriptor: int, path: bytes) -> Directory:
    """The directory a path begins in: AT_FDCWD or an open one. EBADF, ENOTDIR."""
    working = thread.process.working
    if path.startswith(b"/"):
        return working.root
    if descriptor == f.AT_FDCWD:
        return working.directory
    inode = thread.process.files.get(descriptor).node
    if not isinstance(inode, Directory):
        raise SyscallError(Errno.ENOTDIR)
    return inode


def locate(thread: Thread, descriptor: int, path: bytes, flags: int = 0, follow: bool | None = None) -> Found:
    """Resolve a path relative to a descriptor; AT_EMPTY_PATH with "" means the descriptor itself."""
    if not path and flags & f.AT_EMPTY_PATH:
        if descriptor == f.AT_FDCWD:
            here = thread.process.working.directory
            return Found(here.parent, here.name, here)
        inode = thread.process.files.get(descriptor).node
        place = inode.place or (thread.process.working.root, b"")
        return Found(place[0], place[1], inode)
    if not path:
        raise SyscallError(Errno.ENOENT)
    follow = not flags & f.AT_SYMLINK_NOFOLLOW if follow is None else follow
    return walk(thread.process, base(thread, descriptor, path), path, follow)


# --- open --------------------------------------------------------------------------------------------------


def do_open(thread: Thread, descriptor: int, path: bytes, flags: int, mode: int) -> int:
    """Open and give it the lowest free descriptor."""
    process = thread.process
    limit = process.limits.open_files
    if len(process.files.open) >= limit:
        raise SyscallError(Errno.EMFILE)
    file = open_at(thread, base(thread, descriptor, path), path, flags, mode)
    return process.files.add(file, limit, bool(flags & f.O_CLOEXEC))


@syscall("open")
def open_(thread: Thread, path: Path, flags: OpenFlags, mode: Mode) -> int:
    """open(2)."""
    return do_open(thread, f.AT_FDCWD, path, flags, mode)


@syscall()
def openat(thread: Thread, directory: FileDescriptor, path: Path, flags: OpenFlags, mode: Mode) -> int:
    """openat(2)."""
    return do_open(thread, directory, path, flags, mode)


@syscall()
def creat(thread: Thread, path: Path, mode: Mode) -> int:
    """creat(2)."""
    return do_open(thread, f.AT_FDCWD, path, f.O_CREAT | f.O_WRONLY | f.O_TRUNC, mode)


@syscall(support="partial", note="resolve flags are refused")
def openat2(thread: Thread, directory: FileDescriptor, path: Path, how: Address, size: Size) -> int:
    """openat2(2)."""
    if size < OPEN_HOW_SIZE:
        raise SyscallError(Errno.EINVAL)
    data = thread.memory.read(how, OPEN_HOW_SIZE)
    flags, mode, resolve = (int.from_bytes(data[index : index + 8], "little") for index in (0, 8, 16))
    if resolve:
        raise SyscallError(Errno.EINVAL)
    return do_open(thread, directory, path, flags, mode)


# --- directories -------------------------------------------------------------------------------------------


@syscall()
def getdents64(thread: Thread, fd: FileDescriptor, buffer: Address, count: UnsignedInt) -> int:
    """getdents64(2)."""
    return list_directory(thread, fd, buffer, count, dirent64)


@syscall()
def getdents(thread: Thread, fd: FileDescriptor, buffer: Address, count: UnsignedInt) -> int:
    """getdents(2): the old record with d_type in its last byte."""
    return list_directory(
        thread, fd, buffer, count, dirent_64 if thread.process.personality.bits == 64 else dirent_32
    )


def dirent64(number: int, offset: int, kind: int, name: bytes) -> bytes:
    """struct linux_dirent64."""
    length = (f.DIRENT64_HEADER.size + len(name) + 1 + 7) & ~7
    return (f.DIRENT64_HEADER.pack(number, offset, length, kind) + name).ljust(length, b"\0")


def dirent_64(number: int, offset: int, kind: int, name: bytes) -> bytes:
    """struct linux_dirent of x86-64."""
    length = (18 + len(name) + 2 + 7) & ~7
    return (pack("<QQH", number, offset, length) + name).ljust(length - 1, b"\0") + bytes([kind])


def dirent_32(number: int, offset: int, kind: int, name: bytes) -> bytes:
    """struct linux_dirent of i386."""
    length = (10 + len(name) + 2 + 3) & ~3
    return (pack("<IIH", number & 0xFFFFFFFF, offset, length) + name).ljust(length - 1, b"\0") + bytes([kind])


def list_directory(
    thread: Thread, fd: int, buffer: int, count: int, record: Callable[[int, int, int, bytes], bytes]
) -> int:
    """As many whole records as fit; EINVAL when not even one does."""
    file = thread.process.files.get(fd)
    if not file.can_read:
        raise SyscallError(Errno.EBADF)
    if not isinstance(file, OpenDirectory):
        raise SyscallError(Errno.ENOTDIR)
    if file.directory.removed:
        raise SyscallError(Errno.ENOENT)
    entries = file.entries()
    data, position = bytearray(), file.position
    while position < len(entries):
        name, inode = entries[position]
        piece = record(inode.number, position + 1, inode.kind >> 12, name)
        if len(data) + len(piece) > count:
            if not data:
                raise SyscallError(Errno.EINVAL)
            break
        data += piece
        position += 1
    thread.memory.write(buffer, bytes(data))
    file.position = position
    return len(data)


# --- the current directory ---------------------------------------------------------------------------------


@syscall()
def getcwd(thread: Thread, buffer: Address, size: Size) -> int:
    """getcwd(2), the system call: the length with the zero byte."""
    here = thread.process.working.directory
    if here.removed:
        raise SyscallError(Errno.ENOENT)
    text = here.path() + b"\0"
    if len(text) > size:
        raise SyscallError(Errno.ERANGE)
    thread.memory.write(buffer, text)
    return len(text)


@syscall()
def chdir(thread: Thread, path: Path) -> int:
    """chdir(2)."""
    return change_directory(thread.process, locate(thread, f.AT_FDCWD, path).existing())


@syscall()
def fchdir(thread: Thread, fd: FileDescriptor) -> int:
    """fchdir(2)."""
    return change_directory(thread.process, thread.process.files.get(fd).node)


def change_directory(process: Process, inode: Inode) -> int:
    """ENOTDIR, EACCES."""
    if not isinstance(inode, Directory):
        raise SyscallError(Errno.ENOTDIR)
    require(process, inode, f.X_OK)
    process.working.directory = inode
    return 0


@syscall()
def umask(thread: Thread, mask: Mode) -> int:
    """umask(2)."""
    working = thread.process.working
    old, working.umask = working.umask, mask & 0o777
    return old


@syscall(
    "getxattr", "lgetxattr", "fgetxattr", "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr",
    "fremovexattr", "listxattr", "llistxattr", "flistxattr", "setxattrat", "getxattrat", "listxattrat",
    "removexattrat", "file_getattr", "file_setattr",
    support="refused", note="the file system keeps no extended attributes",
)  # fmt: skip
def extended_attributes(thread: Thread, first: Address) -> int:
    """A file system without extended attributes."""
    raise SyscallError(Errno.EOPNOTSUPP)

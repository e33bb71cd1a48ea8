"""Names: open, the stat family, directories, links, permissions, times, the current directory."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.kernel.clock import NANOSECONDS
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.files import OpenDirectory, OpenPath
from toolkit.kernel.fs.opening import check_addable, open_at
from toolkit.kernel.fs.vfs import (
    ROOT_DEVICE,
    Directory,
    Fifo,
    Found,
    Inode,
    RegularFile,
    Socket,
    Symlink,
    permitted,
    require,
    walk,
)
from toolkit.kernel.syscalls import syscall
from toolkit.kernel.syscalls.arguments import (
    Address,
    AtFlags,
    FileDescriptor,
    Int,
    Long,
    Mode,
    OpenFlags,
    Path,
    Size,
    UnsignedInt,
)
from toolkit.kernel.syscalls.files import pair
from toolkit.kernel.syscalls.time import timespec_layout

if TYPE_CHECKING:
    from toolkit.kernel.task import Process, Thread

BLOCK = 4096
STATFS_MAGIC = 0xEF53
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


# --- stat --------------------------------------------------------------------------------------------------


def block_count(inode: Inode) -> int:
    """st_blocks: units of 512 bytes, whole pages."""
    if isinstance(inode, RegularFile):
        return (inode.size + BLOCK - 1) // BLOCK * 8
    return 8 if isinstance(inode, Directory) and inode.system.device == ROOT_DEVICE else 0


def encode_device(number: int) -> int:
    """new_encode_dev() of a 16-bit major:minor."""
    major, minor = number >> 8, number & 0xFF
    return minor & 0xFF | major << 8


def stat_bytes(thread: Thread, inode: Inode) -> bytes:
    """struct stat of the calling ABI."""
    times = [
        part
        for value in (inode.times.accessed, inode.times.modified, inode.times.changed)
        for part in divmod(value, NANOSECONDS)
    ]
    device, rdev = encode_device(inode.system.device), encode_device(inode.device_number)
    if thread.process.personality.bits == 64:
        return f.STAT_64.pack(
            device, inode.number, inode.links, inode.mode, inode.uid, inode.gid, rdev, inode.size, BLOCK,
            block_count(inode), *times,
        )  # fmt: skip
    return f.STAT64_32.pack(
        device, inode.number & 0xFFFFFFFF, inode.mode, inode.links, inode.uid, inode.gid, rdev, inode.size, BLOCK,
        block_count(inode), *times, inode.number,
    )  # fmt: skip


def put_stat(thread: Thread, inode: Inode, address: int) -> int:
    """Store a struct stat."""
    thread.memory.write(address, stat_bytes(thread, inode))
    return 0


@syscall("stat", "stat64")
def stat(thread: Thread, path: Path, buffer: Address) -> int:
    """stat(2)."""
    return put_stat(thread, locate(thread, f.AT_FDCWD, path).existing(), buffer)


@syscall("lstat", "lstat64")
def lstat(thread: Thread, path: Path, buffer: Address) -> int:
    """lstat(2)."""
    return put_stat(thread, locate(thread, f.AT_FDCWD, path, follow=False).existing(), buffer)


@syscall("fstat", "fstat64")
def fstat(thread: Thread, fd: FileDescriptor, buffer: Address) -> int:
    """fstat(2)."""
    return put_stat(thread, thread.process.files.get(fd).node, buffer)


@syscall("newfstatat", "fstatat64")
def newfstatat(thread: Thread, directory: FileDescriptor, path: Path, buffer: Address, flags: AtFlags) -> int:
    """fstatat(2)."""
    if flags & ~(f.AT_SYMLINK_NOFOLLOW | f.AT_NO_AUTOMOUNT | f.AT_EMPTY_PATH):
        raise SyscallError(Errno.EINVAL)
    return put_stat(thread, locate(thread, directory, path, flags).existing(), buffer)


@syscall()
def statx(
    thread: Thread, directory: FileDescriptor, path: Path, flags: AtFlags, mask: UnsignedInt, buffer: Address
) -> int:
    """statx(2)."""
    if mask >> 31 or flags & 0x6000 == 0x6000:
        raise SyscallError(Errno.EINVAL)
    inode = locate(thread, directory, path, flags).existing()
    times = inode.times
    order = (times.accessed, times.modified, times.changed, times.modified)
    parts = [part for value in order for part in divmod(value, NANOSECONDS)]
    device, rdev = inode.system.device, inode.device_number
    data = f.STATX.pack(
        f.STATX_BASIC_STATS, BLOCK, 0, inode.links, inode.uid, inode.gid, inode.mode, inode.number, inode.size,
        block_count(inode), 0, *parts, rdev >> 8, rdev & 0xFF, device >> 8, device & 0xFF,
    )  # fmt: skip
    thread.memory.write(buffer, data)
    return 0


def statfs_bytes(thread: Thread) -> bytes:
    """struct statfs: an ext4-like file system with the storage limit as its size."""
    files = thread.process.kernel.files
    total = thread.process.kernel.limits.storage // BLOCK
    free = max(0, total - files.used // BLOCK)
    if thread.process.personality.bits == 64:
        return pack(
            "<7q2i4q32x", STATFS_MAGIC, BLOCK, total, free, free, 65536, 60000, 0, 0, 255, BLOCK, 0, 0
        )[:120]
    return pack(
        "<2i5q2i7i", STATFS_MAGIC, BLOCK, total, free, free, 65536, 60000, 0, 0, 255, BLOCK, 0, 0, 0, 0, 0
    )


@syscall()
def statfs(thread: Thread, path: Path, buffer: Address) -> int:
    """statfs(2)."""
    locate(thread, f.AT_FDCWD, path).existing()
    thread.memory.write(buffer, statfs_bytes(thread))
    return 0


@syscall()
def fstatfs(thread: Thread, fd: FileDescriptor, buffer: Address) -> int:
    """fstatfs(2)."""
    thread.process.files.get(fd)
    thread.memory.write(buffer, statfs_bytes(thread))
    return 0


@syscall("statfs64", abi="i386")
def statfs64(thread: Thread, path: Path, size: Size, buffer: Address) -> int:
    """statfs64(2)."""
    return statfs(thread, path, buffer)


@syscall("fstatfs64", abi="i386")
def fstatfs64(thread: Thread, fd: FileDescriptor, size: Size, buffer: Address) -> int:
    """fstatfs64(2)."""
    return fstatfs(thread, fd, buffer)


# --- access ------------------------------------------------------------------------------------------------


def check_access(thread: Thread, directory: int, path: bytes, mode: int, flags: int) -> int:
    """access(2) asks with the real ids unless AT_EACCESS."""
    if mode & ~7 or flags & ~(f.AT_EACCESS | f.AT_SYMLINK_NOFOLLOW | f.AT_EMPTY_PATH):
        raise SyscallError(Errno.EINVAL)
    who = thread.process.credentials
    saved = who.fsuid, who.fsgid
    if not flags & f.AT_EACCESS:
        who.fsuid, who.fsgid = who.uid, who.gid
    try:
        inode = locate(thread, directory, path, flags & ~f.AT_EACCESS).existing()
        require(thread.process, inode, mode)
    finally:
        who.fsuid, who.fsgid = saved
    return 0


@syscall()
def access(thread: Thread, path: Path, mode: Int) -> int:
    """access(2)."""
    return check_access(thread, f.AT_FDCWD, path, mode, 0)


@syscall()
def faccessat(thread: Thread, directory: FileDescriptor, path: Path, mode: Int) -> int:
    """faccessat(2), the system call without flags."""
    return check_access(thread, directory, path, mode, 0)


@syscall()
def faccessat2(thread: Thread, directory: FileDescriptor, path: Path, mode: Int, flags: AtFlags) -> int:
    """faccessat2(2)."""
    return check_access(thread, directory, path, mode, flags)


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


def list_directory(thread: Thread, fd: int, buffer: int, count: int, record) -> int:  # type: ignore[no-untyped-def]
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


def make(thread: Thread, directory: int, path: bytes, inode_of) -> int:  # type: ignore[no-untyped-def]
    """Enter a new inode under a free name."""
    found = locate(thread, directory, path, follow=False)
    if found.inode is not None:
        raise SyscallError(Errno.EEXIST)
    check_addable(thread, found.directory)
    inode = inode_of(found)
    count_inode(thread)
    found.directory.add(found.name, inode)
    return 0


def count_inode(thread: Thread) -> None:
    """ENOSPC when the program has made too many files."""
    files = thread.process.kernel.files
    files.made += 1
    if files.made > thread.process.kernel.limits.inodes:
        raise SyscallError(Errno.ENOSPC)


@syscall()
def mkdir(thread: Thread, path: Path, mode: Mode) -> int:
    """mkdir(2)."""
    return mkdirat(thread, f.AT_FDCWD, path, mode)


@syscall()
def mkdirat(thread: Thread, directory: FileDescriptor, path: Path, mode: Mode) -> int:
    """mkdirat(2)."""
    process = thread.process
    who = process.credentials
    return make(
        thread,
        directory,
        path,
        lambda found: Directory(
            found.directory.system, mode & 0o1777 & ~process.working.umask, who.fsuid, who.fsgid
        ),
    )


@syscall()
def mknod(thread: Thread, path: Path, mode: Mode, device: UnsignedInt) -> int:
    """mknod(2)."""
    return mknodat(thread, f.AT_FDCWD, path, mode, device)


@syscall()
def mknodat(thread: Thread, directory: FileDescriptor, path: Path, mode: Mode, device: UnsignedInt) -> int:
    """mknodat(2): fifos, sockets and regular files; devices need privilege."""
    process = thread.process
    who = process.credentials
    kind, permissions = mode & f.S_IFMT, mode & 0o7777 & ~process.working.umask
    if kind in (f.S_IFCHR, f.S_IFBLK):
        raise SyscallError(Errno.EPERM)
    if kind not in (0, f.S_IFREG, f.S_IFIFO, f.S_IFSOCK):
        raise SyscallError(Errno.EPERM if kind == f.S_IFDIR else Errno.EINVAL)

    def inode_of(found: Found) -> Inode:
        system = found.directory.system
        if kind == f.S_IFIFO:
            return Fifo(system, permissions, who.fsuid, who.fsgid)
        if kind == f.S_IFSOCK:
            return Socket(system, permissions, who.fsuid, who.fsgid)
        return process.kernel.files.new_file(permissions, who.fsuid, who.fsgid, system=system)

    return make(thread, directory, path, inode_of)


@syscall()
def symlink(thread: Thread, target: Path, path: Path) -> int:
    """symlink(2)."""
    return symlinkat(thread, target, f.AT_FDCWD, path)


@syscall()
def symlinkat(thread: Thread, target: Path, directory: FileDescriptor, path: Path) -> int:
    """symlinkat(2)."""
    if not target:
        raise SyscallError(Errno.ENOENT)
    who = thread.process.credentials
    return make(
        thread, directory, path, lambda found: Symlink(found.directory.system, target, who.fsuid, who.fsgid)
    )


@syscall()
def readlink(thread: Thread, path: Path, buffer: Address, size: Int) -> int:
    """readlink(2)."""
    return readlinkat(thread, f.AT_FDCWD, path, buffer, size)


@syscall()
def readlinkat(thread: Thread, directory: FileDescriptor, path: Path, buffer: Address, size: Int) -> int:
    """readlinkat(2)."""
    if size <= 0:
        raise SyscallError(Errno.EINVAL)
    inode = locate(thread, directory, path, f.AT_EMPTY_PATH, follow=False).inode
    if inode is None:
        raise SyscallError(Errno.ENOENT)
    if not isinstance(inode, Symlink):
        raise SyscallError(Errno.EINVAL)
    target = inode.target(thread.process)[:size]
    thread.memory.write(buffer, target)
    return len(target)


@syscall()
def link(thread: Thread, old: Path, new: Path) -> int:
    """link(2)."""
    return linkat(thread, f.AT_FDCWD, old, f.AT_FDCWD, new, 0)


@syscall()
def linkat(
    thread: Thread,
    old_directory: FileDescriptor,
    old: Path,
    directory: FileDescriptor,
    new: Path,
    flags: AtFlags,
) -> int:
    """linkat(2)."""
    if flags & ~(f.AT_SYMLINK_FOLLOW | f.AT_EMPTY_PATH):
        raise SyscallError(Errno.EINVAL)
    inode = locate(thread, old_directory, old, flags, follow=bool(flags & f.AT_SYMLINK_FOLLOW)).existing()
    found = locate(thread, directory, new, follow=False)
    if found.inode is not None:
        raise SyscallError(Errno.EEXIST)
    if isinstance(inode, Directory):
        raise SyscallError(Errno.EPERM)
    if inode.system is not found.directory.system:
        raise SyscallError(Errno.EXDEV)
    check_addable(thread, found.directory)
    inode.links += 1
    inode.changed()
    found.directory.add(found.name, inode)
    return 0


def check_removable(thread: Thread, found: Found, inode: Inode) -> None:
    """EACCES without write permission on the directory; sticky directories protect other users' files."""
    directory = found.directory
    directory.check_writable()
    require(thread.process, directory, f.W_OK | f.X_OK)
    uid = thread.process.credentials.fsuid
    if directory.mode & f.S_ISVTX and uid not in (0, inode.uid, directory.uid):
        raise SyscallError(Errno.EPERM)


@syscall()
def unlink(thread: Thread, path: Path) -> int:
    """unlink(2)."""
    return unlinkat(thread, f.AT_FDCWD, path, 0)


@syscall()
def rmdir(thread: Thread, path: Path) -> int:
    """rmdir(2)."""
    return unlinkat(thread, f.AT_FDCWD, path, f.AT_REMOVEDIR)


@syscall()
def unlinkat(thread: Thread, directory: FileDescriptor, path: Path, flags: Int) -> int:
    """unlinkat(2)."""
    if flags & ~f.AT_REMOVEDIR:
        raise SyscallError(Errno.EINVAL)
    last = path.rstrip(b"/").rpartition(b"/")[2]
    if flags:
        if last == b".":
            raise SyscallError(Errno.EINVAL)
        if last == b"..":
            raise SyscallError(Errno.ENOTEMPTY)
    found = locate(thread, directory, path, follow=False)
    if found.inode is None:
        raise SyscallError(Errno.ENOENT)
    inode = found.inode
    if flags:
        return remove_directory(thread, found, inode)
    if isinstance(inode, Directory):
        check_removable(thread, found, inode)
        raise SyscallError(Errno.EISDIR)
    if found.must_be_directory:
        raise SyscallError(Errno.ENOTDIR)
    check_removable(thread, found, inode)
    found.directory.remove(found.name)
    unlinked(inode)
    return 0


def unlinked(inode: Inode) -> None:
    """One name fewer; a directory is gone with it."""
    inode.links -= 1
    inode.changed()
    if isinstance(inode, Directory):
        inode.links = 0
        inode.removed = True


def remove_directory(thread: Thread, found: Found, inode: Inode) -> int:
    """rmdir(2): ENOTDIR, EBUSY (the root), ENOTEMPTY."""
    if not isinstance(inode, Directory):
        raise SyscallError(Errno.ENOTDIR)
    if inode is thread.process.working.root or inode.parent.system is not inode.system:
        raise SyscallError(Errno.EBUSY)
    check_removable(thread, found, inode)
    if next(inode.names(), None) is not None:
        raise SyscallError(Errno.ENOTEMPTY)
    found.directory.remove(found.name)
    unlinked(inode)
    return 0


@syscall()
def rename(thread: Thread, old: Path, new: Path) -> int:
    """rename(2)."""
    return renameat2(thread, f.AT_FDCWD, old, f.AT_FDCWD, new, 0)


@syscall()
def renameat(
    thread: Thread, old_directory: FileDescriptor, old: Path, directory: FileDescriptor, new: Path
) -> int:
    """renameat(2)."""
    return renameat2(thread, old_directory, old, directory, new, 0)


@syscall()
def renameat2(
    thread: Thread,
    old_directory: FileDescriptor,
    old: Path,
    directory: FileDescriptor,
    new: Path,
    flags: UnsignedInt,
) -> int:
    """renameat2(2)."""
    if flags & ~(f.RENAME_NOREPLACE | f.RENAME_EXCHANGE) or flags == 3:
        raise SyscallError(Errno.EINVAL)
    for path in (old, new):
        if path.rstrip(b"/").rpartition(b"/")[2] in (b".", b"..", b""):
            raise SyscallError(Errno.EBUSY if path else Errno.ENOENT)
    source = locate(thread, old_directory, old, follow=False)
    target = locate(thread, directory, new, follow=False)
    if source.directory.system is not target.directory.system:
        raise SyscallError(Errno.EXDEV)
    moved = source.existing()
    if flags & f.RENAME_NOREPLACE and target.inode is not None:
        raise SyscallError(Errno.EEXIST)
    check_removable(thread, source, moved)
    check_addable(thread, target.directory)
    if is_inside(target.directory, moved):
        raise SyscallError(Errno.EINVAL)
    if flags & f.RENAME_EXCHANGE:
        return exchange(source, target)
    if target.inode is moved:
        return 0
    if target.inode is not None:
        replace(thread, target, target.inode, moved)
    elif target.must_be_directory and not isinstance(moved, Directory):
        raise SyscallError(Errno.ENOTDIR)
    source.directory.remove(source.name)
    target.directory.add(target.name, moved)
    moved.changed()
    return 0


def is_inside(directory: Directory, ancestor: Inode) -> bool:
    """Whether a directory lies in or is another one."""
    place = directory
    while place is not ancestor:
        if place.parent is place:
            return False
        place = place.parent
    return True


def replace(thread: Thread, target: Found, old: Inode, moved: Inode) -> None:
    """Take away what rename overwrites: EISDIR, ENOTDIR, ENOTEMPTY."""
    if isinstance(old, Directory):
        if not isinstance(moved, Directory):
            raise SyscallError(Errno.EISDIR)
        if next(old.names(), None) is not None:
            raise SyscallError(Errno.ENOTEMPTY)
    elif isinstance(moved, Directory):
        raise SyscallError(Errno.ENOTDIR)
    check_removable(thread, target, old)
    target.directory.remove(target.name)
    unlinked(old)


def exchange(source: Found, target: Found) -> int:
    """RENAME_EXCHANGE."""
    first, second = source.existing(), target.existing()
    source.directory.remove(source.name)
    target.directory.remove(target.name)
    source.directory.add(source.name, second)
    target.directory.add(target.name, first)
    return 0


# --- attributes --------------------------------------------------------------------------------------------


def change_mode(thread: Thread, inode: Inode, mode: int) -> int:
    """chmod: EPERM unless the owner."""
    if thread.process.credentials.fsuid not in (0, inode.uid):
        raise SyscallError(Errno.EPERM)
    inode.mode = inode.kind | mode & 0o7777
    inode.changed()
    return 0


@syscall()
def chmod(thread: Thread, path: Path, mode: Mode) -> int:
    """chmod(2)."""
    return change_mode(thread, locate(thread, f.AT_FDCWD, path).existing(), mode)


@syscall()
def fchmod(thread: Thread, fd: FileDescriptor, mode: Mode) -> int:
    """fchmod(2)."""
    file = thread.process.files.get(fd)
    if isinstance(file, OpenPath):
        raise SyscallError(Errno.EBADF)
    return change_mode(thread, file.node, mode)


@syscall()
def fchmodat(thread: Thread, directory: FileDescriptor, path: Path, mode: Mode) -> int:
    """fchmodat(2), the system call without flags."""
    return change_mode(thread, locate(thread, directory, path).existing(), mode)


@syscall()
def fchmodat2(thread: Thread, directory: FileDescriptor, path: Path, mode: Mode, flags: AtFlags) -> int:
    """fchmodat2(2)."""
    inode = locate(thread, directory, path, flags).existing()
    if isinstance(inode, Symlink):
        raise SyscallError(Errno.EOPNOTSUPP)
    return change_mode(thread, inode, mode)


def change_owner(thread: Thread, inode: Inode, uid: int, gid: int) -> int:
    """chown: only root gives files away; an owner may choose among his groups."""
    who = thread.process.credentials
    if who.fsuid:
        foreign_group = gid not in (-1, inode.gid, who.fsgid, *who.groups)
        if uid not in (-1, inode.uid) or foreign_group or who.fsuid != inode.uid:
            raise SyscallError(Errno.EPERM)
    inode.uid = inode.uid if uid == -1 else uid
    inode.gid = inode.gid if gid == -1 else gid
    inode.changed()
    return 0


@syscall("chown", "chown32")
def chown(thread: Thread, path: Path, uid: Int, gid: Int) -> int:
    """chown(2)."""
    return change_owner(thread, locate(thread, f.AT_FDCWD, path).existing(), uid, gid)


@syscall("lchown", "lchown32")
def lchown(thread: Thread, path: Path, uid: Int, gid: Int) -> int:
    """lchown(2)."""
    return change_owner(thread, locate(thread, f.AT_FDCWD, path, follow=False).existing(), uid, gid)


@syscall("fchown", "fchown32")
def fchown(thread: Thread, fd: FileDescriptor, uid: Int, gid: Int) -> int:
    """fchown(2)."""
    return change_owner(thread, thread.process.files.get(fd).node, uid, gid)


@syscall()
def fchownat(
    thread: Thread, directory: FileDescriptor, path: Path, uid: Int, gid: Int, flags: AtFlags
) -> int:
    """fchownat(2)."""
    return change_owner(thread, locate(thread, directory, path, flags).existing(), uid, gid)


def set_times(
    thread: Thread, inode: Inode, accessed: int | None, modified: int | None, explicit: bool
) -> int:
    """utimensat's rules: EPERM for explicit times of another's file, EACCES for "now" without write permission."""
    uid = thread.process.credentials.fsuid
    if uid not in (0, inode.uid):
        if explicit:
            raise SyscallError(Errno.EPERM)
        if not permitted(thread.process, inode, f.W_OK):
            raise SyscallError(Errno.EACCES)
    if accessed is not None:
        inode.times.accessed = accessed
    if modified is not None:
        inode.times.modified = modified
    inode.changed()
    return 0


@syscall("utimensat", "utimensat_time64")
def utimensat(
    thread: Thread, directory: FileDescriptor, path: Address, times: Address, flags: AtFlags
) -> int:
    """utimensat(2); a null path means the descriptor."""
    if path:
        text = thread.memory.read_string(path, f.PATH_MAX)
        inode = locate(thread, directory, text, flags).existing()
    else:
        inode = thread.process.files.get(directory).node
    now = inode.system.now()
    if not times:
        return set_times(thread, inode, now, now, explicit=False)
    layout = timespec_layout(thread)
    values: list[int | None] = []
    data = thread.memory.read(times, 2 * layout.size)
    for seconds, nanoseconds in layout.iter_unpack(data):
        if nanoseconds == f.UTIME_NOW:
            values.append(now)
        elif nanoseconds == f.UTIME_OMIT:
            values.append(None)
        elif 0 <= nanoseconds < NANOSECONDS:
            values.append(seconds * NANOSECONDS + nanoseconds)
        else:
            raise SyscallError(Errno.EINVAL)
    return set_times(thread, inode, values[0], values[1], explicit=values != [now, now])


@syscall()
def utimes(thread: Thread, path: Path, times: Address) -> int:
    """utimes(2)."""
    return futimesat(thread, f.AT_FDCWD, path, times)


@syscall()
def futimesat(thread: Thread, directory: FileDescriptor, path: Path, times: Address) -> int:
    """futimesat(2)."""
    inode = locate(thread, directory, path).existing()
    if not times:
        now = inode.system.now()
        return set_times(thread, inode, now, now, explicit=False)
    layout = timespec_layout(thread)
    pairs = list(layout.iter_unpack(thread.memory.read(times, 2 * layout.size)))
    if any(not 0 <= microseconds < 1_000_000 for _, microseconds in pairs):
        raise SyscallError(Errno.EINVAL)
    values = [seconds * NANOSECONDS + microseconds * 1000 for seconds, microseconds in pairs]
    return set_times(thread, inode, values[0], values[1], explicit=True)


@syscall()
def utime(thread: Thread, path: Path, times: Address) -> int:
    """utime(2): whole seconds."""
    inode = locate(thread, f.AT_FDCWD, path).existing()
    if not times:
        now = inode.system.now()
        return set_times(thread, inode, now, now, explicit=False)
    word = thread.process.personality.word
    data = thread.memory.read(times, 2 * word)
    accessed, modified = (int.from_bytes(data[i : i + word], "little") * NANOSECONDS for i in (0, word))
    return set_times(thread, inode, accessed, modified, explicit=True)


@syscall(abi="x86_64")
def truncate(thread: Thread, path: Path, length: Long) -> int:
    """truncate(2)."""
    return truncate_path(thread, path, length)


@syscall("truncate", abi="i386")
def truncate_32(thread: Thread, path: Path, length: Int) -> int:
    """truncate(2) with a 32-bit length."""
    return truncate_path(thread, path, length)


@syscall("truncate64", abi="i386")
def truncate64(thread: Thread, path: Path, low: UnsignedInt, high: UnsignedInt) -> int:
    """truncate(2) with the length in two registers."""
    return truncate_path(thread, path, pair(low, high))


def truncate_path(thread: Thread, path: bytes, length: int) -> int:
    """EINVAL, EISDIR, EACCES, ETXTBSY, EFBIG."""
    if length < 0:
        raise SyscallError(Errno.EINVAL)
    inode = locate(thread, f.AT_FDCWD, path).existing()
    if not isinstance(inode, RegularFile):
        raise SyscallError(Errno.EISDIR if isinstance(inode, Directory) else Errno.EINVAL)
    require(thread.process, inode, f.W_OK)
    if inode.executed:
        raise SyscallError(Errno.ETXTBSY)
    if length > inode.size and thread.process.kernel.file_room(thread, length - 1) <= 0:
        raise SyscallError(Errno.EFBIG)
    inode.pages.truncate(length)
    inode.touch()
    return 0


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

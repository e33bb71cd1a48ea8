"""What an inode says of itself, and changing it: the stat family, access, modes, owners, times, lengths."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.kernel.clock import NANOSECONDS
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.files import OpenPath
from toolkit.kernel.fs.vfs import (
    ROOT_DEVICE,
    Directory,
    Inode,
    RegularFile,
    Symlink,
    permitted,
    require,
)
from toolkit.kernel.syscalls import syscall
from toolkit.kernel.syscalls.arguments import (
    Address,
    AtFlags,
    FileDescriptor,
    Int,
    Long,
    Mode,
    Path,
    Size,
    UnsignedInt,
)
from toolkit.kernel.syscalls.directories import locate
from toolkit.kernel.syscalls.files import pair
from toolkit.kernel.syscalls.time import timespec_layout

if TYPE_CHECKING:
    from toolkit.kernel.task import Thread

BLOCK = 4096
STATFS_MAGIC = 0xEF53


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
    elif directory == f.AT_FDCWD:
        raise SyscallError(Errno.EFAULT)
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

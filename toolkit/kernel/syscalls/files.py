"""Files by descriptor: read, write and their vectors, seek, dup, fcntl, ioctl, pipes, sync."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.files import OpenFile, OpenPath, OpenRegular
from toolkit.kernel.fs.pipes import OpenPipe
from toolkit.kernel.syscalls import syscall
from toolkit.kernel.syscalls.arguments import (
    Address,
    FileDescriptor,
    InBuffer,
    Int,
    Long,
    OutBuffer,
    Size,
    UnsignedInt,
    Whence,
)

if TYPE_CHECKING:
    from toolkit.kernel.task import Thread

USER_END = (1 << 47) - 4096
"""The end of the addresses programs can have (TASK_SIZE_MAX)."""


def readable(thread: Thread, fd: int) -> OpenFile:
    """The open file; EBADF unless it may be read."""
    file = thread.process.files.open.get(fd)
    if file is None or not file.can_read:
        raise SyscallError(Errno.EBADF)
    return file


def writable(thread: Thread, fd: int) -> OpenFile:
    """The open file; EBADF unless it may be written."""
    file = thread.process.files.open.get(fd)
    if file is None or not file.can_write:
        raise SyscallError(Errno.EBADF)
    return file


def check_range(address: int, count: int) -> None:
    """access_ok(): EFAULT for a range that leaves what user programs can have, of 64 bits in any case."""
    if address + count > USER_END:
        raise SyscallError(Errno.EFAULT)


@syscall()
def read(thread: Thread, fd: FileDescriptor, buffer: OutBuffer, count: Size) -> int:
    """read(2)."""
    file = readable(thread, fd)
    return read_into(thread, file, buffer, count, None)


def read_into(thread: Thread, file: OpenFile, buffer: int, count: int, offset: int | None) -> int:
    """Read into memory: what a bad page cuts off is neither returned nor consumed where the file can be sought."""
    if count >> 63:
        raise SyscallError(Errno.EINVAL)
    check_range(buffer, count)
    count = min(count, f.READ_WRITE_MAX)
    data = file.read(thread, count) if offset is None else file.read_at(thread, count, offset)
    if not data:
        return 0
    try:
        thread.memory.write(buffer, data)
    except SyscallError:
        written = thread.memory.write_available(buffer, data)
        if offset is None and file.seekable:
            file.position -= len(data) - written
        if not written:
            raise
        return written
    return len(data)


@syscall()
def write(thread: Thread, fd: FileDescriptor, buffer: InBuffer, count: Size) -> int:
    """write(2)."""
    return write_from(thread, writable(thread, fd), buffer, count, None)


def write_from(thread: Thread, file: OpenFile, buffer: int, count: int, offset: int | None) -> int:
    """Write from memory: up to the first bad page, EFAULT when that is the first byte."""
    if count >> 63:
        raise SyscallError(Errno.EINVAL)
    check_range(buffer, count)
    count = min(count, f.READ_WRITE_MAX)
    try:
        data = thread.memory.read(buffer, count)
    except SyscallError:
        if file.ignores_data:
            return count
        data = thread.memory.read_available(buffer, count)
        if not data:
            raise
    return file.write(thread, data) if offset is None else file.write_at(thread, data, offset)


@syscall("pread64", abi="x86_64")
def pread64(thread: Thread, fd: FileDescriptor, buffer: OutBuffer, count: Size, offset: Long) -> int:
    """pread(2)."""
    file = positioned(readable(thread, fd), offset)
    return read_into(thread, file, buffer, count, offset)


@syscall("pread64", abi="i386")
def pread64_32(
    thread: Thread, fd: FileDescriptor, buffer: OutBuffer, count: Size, low: UnsignedInt, high: UnsignedInt
) -> int:
    """pread(2) with the offset in two registers."""
    return pread64(thread, fd, buffer, count, pair(low, high))


def pair(low: int, high: int) -> int:
    """A signed 64-bit number from two registers."""
    value = high << 32 | low
    return value - (1 << 64) if value >> 63 else value


def positioned(file: OpenFile, offset: int) -> OpenFile:
    """EINVAL for a negative offset."""
    if offset < 0:
        raise SyscallError(Errno.EINVAL)
    return file


@syscall("pwrite64", abi="x86_64")
def pwrite64(thread: Thread, fd: FileDescriptor, buffer: InBuffer, count: Size, offset: Long) -> int:
    """pwrite(2)."""
    file = positioned(writable(thread, fd), offset)
    return write_from(thread, file, buffer, count, offset)


@syscall("pwrite64", abi="i386")
def pwrite64_32(
    thread: Thread, fd: FileDescriptor, buffer: InBuffer, count: Size, low: UnsignedInt, high: UnsignedInt
) -> int:
    """pwrite(2) with the offset in two registers."""
    return pwrite64(thread, fd, buffer, count, pair(low, high))


def vectors(thread: Thread, address: int, count: int) -> list[tuple[int, int]]:
    """The iovecs: EINVAL beyond IOV_MAX or for a negative length (import_iovec())."""
    if not 0 <= count <= f.IOV_MAX:
        raise SyscallError(Errno.EINVAL)
    word = thread.process.personality.word
    layout = Struct("<QQ" if word == 8 else "<II")
    pieces = []
    total = 0
    for base, length in layout.iter_unpack(thread.memory.read(address, layout.size * count)):
        if length >> (word * 8 - 1):
            raise SyscallError(Errno.EINVAL)
        check_range(base, length)
        length = min(length, f.READ_WRITE_MAX - total)
        total += length
        pieces.append((base, length))
    return pieces


def read_vector(thread: Thread, file: OpenFile, pieces: list[tuple[int, int]], offset: int | None) -> int:
    """Read once and scatter."""
    total = sum(length for _, length in pieces)
    data = file.read(thread, total) if offset is None else file.read_at(thread, total, offset)
    done = 0
    for base, length in pieces:
        piece = data[done : done + length]
        if not piece:
            break
        written = thread.memory.write_available(base, piece)
        done += written
        if written < len(piece):
            break
    if data and not done:
        raise SyscallError(Errno.EFAULT)
    return done


def gather(thread: Thread, pieces: list[tuple[int, int]]) -> bytes:
    """The bytes of all the pieces up to the first bad page; EFAULT when there are none."""
    parts = []
    for base, length in pieces:
        part = thread.memory.read_available(base, length)
        parts.append(part)
        if len(part) < length:
            if not any(parts):
                raise SyscallError(Errno.EFAULT)
            break
    return b"".join(parts)


@syscall()
def readv(thread: Thread, fd: FileDescriptor, vector: Address, count: Int) -> int:
    """readv(2)."""
    return read_vector(thread, readable(thread, fd), vectors(thread, vector, count), None)


@syscall()
def writev(thread: Thread, fd: FileDescriptor, vector: Address, count: Int) -> int:
    """writev(2)."""
    file = writable(thread, fd)
    return file.write(thread, gather(thread, vectors(thread, vector, count)))


@syscall()
def preadv(thread: Thread, fd: FileDescriptor, vector: Address, count: Int, low: Long) -> int:
    """preadv(2)."""
    return read_vector(thread, positioned(readable(thread, fd), low), vectors(thread, vector, count), low)


@syscall()
def pwritev(thread: Thread, fd: FileDescriptor, vector: Address, count: Int, low: Long) -> int:
    """pwritev(2)."""
    file = positioned(writable(thread, fd), low)
    return file.write_at(thread, gather(thread, vectors(thread, vector, count)), low)


@syscall(support="partial", note="flags other than 0 are refused")
def preadv2(
    thread: Thread, fd: FileDescriptor, vector: Address, count: Int, low: Long, high: Long, flags: Int
) -> int:
    """preadv2(2)."""
    if flags:
        raise SyscallError(Errno.EOPNOTSUPP)
    return read_vector(
        thread, readable(thread, fd), vectors(thread, vector, count), None if low == -1 else low
    )


@syscall(support="partial", note="flags other than 0 are refused")
def pwritev2(
    thread: Thread, fd: FileDescriptor, vector: Address, count: Int, low: Long, high: Long, flags: Int
) -> int:
    """pwritev2(2)."""
    if flags:
        raise SyscallError(Errno.EOPNOTSUPP)
    file, data = writable(thread, fd), gather(thread, vectors(thread, vector, count))
    return file.write(thread, data) if low == -1 else file.write_at(thread, data, low)


@syscall()
def close(thread: Thread, fd: FileDescriptor) -> int:
    """close(2)."""
    thread.process.files.close(fd, thread)
    return 0


@syscall()
def close_range(thread: Thread, first: UnsignedInt, last: UnsignedInt, flags: UnsignedInt) -> int:
    """close_range(2)."""
    if first > last or flags & ~6:
        raise SyscallError(Errno.EINVAL)
    files = thread.process.files
    for fd in [fd for fd in files if first <= fd <= last]:
        if flags & 4:
            files.close_on_exec.add(fd)
        else:
            files.close(fd, thread)
    return 0


@syscall()
def lseek(thread: Thread, fd: FileDescriptor, offset: Long, whence: Whence) -> int:
    """lseek(2)."""
    file = thread.process.files.get(fd)
    if isinstance(file, OpenPath):
        raise SyscallError(Errno.EBADF)
    if not 0 <= whence <= f.SEEK_HOLE:
        raise SyscallError(Errno.EINVAL)
    return file.seek(offset, whence)


@syscall("_llseek", abi="i386")
def llseek(
    thread: Thread, fd: FileDescriptor, high: UnsignedInt, low: UnsignedInt, result: Address, whence: Whence
) -> int:
    """_llseek(2)."""
    position = lseek(thread, fd, pair(low, high), whence)
    thread.memory.write(result, position.to_bytes(8, "little"))
    return 0


@syscall(abi="x86_64")
def ftruncate(thread: Thread, fd: FileDescriptor, length: Long) -> int:
    """ftruncate(2)."""
    return truncate_open(thread, fd, length)


@syscall("ftruncate", abi="i386")
def ftruncate_32(thread: Thread, fd: FileDescriptor, length: Int) -> int:
    """ftruncate(2) with a 32-bit length."""
    return truncate_open(thread, fd, length)


@syscall("ftruncate64", abi="i386")
def ftruncate64(thread: Thread, fd: FileDescriptor, low: UnsignedInt, high: UnsignedInt) -> int:
    """ftruncate(2) with the length in two registers."""
    return truncate_open(thread, fd, pair(low, high))


def truncate_open(thread: Thread, fd: int, length: int) -> int:
    """Set the length of an open file."""
    if length < 0:
        raise SyscallError(Errno.EINVAL)
    file = thread.process.files.get(fd)
    if not file.can_write or not isinstance(file, OpenRegular):
        raise SyscallError(Errno.EINVAL)
    seal = 2 if length < file.file.size else 4
    if file.file.seals > 0 and file.file.seals & seal:
        raise SyscallError(Errno.EPERM)
    if length > file.file.size and thread.process.kernel.file_room(thread, length - 1) <= 0:
        raise SyscallError(Errno.EFBIG)
    file.truncate(length)
    return 0


@syscall(abi="x86_64", support="partial", note="modes 0, KEEP_SIZE, PUNCH_HOLE and ZERO_RANGE")
def fallocate(thread: Thread, fd: FileDescriptor, mode: Int, offset: Long, length: Long) -> int:
    """fallocate(2)."""
    file = writable(thread, fd)
    if offset < 0 or length <= 0:
        raise SyscallError(Errno.EINVAL)
    if not isinstance(file, OpenRegular):
        raise SyscallError(Errno.ESPIPE if isinstance(file, OpenPipe) else Errno.ENODEV)
    if mode & ~(f.FALLOC_FL_KEEP_SIZE | f.FALLOC_FL_PUNCH_HOLE | f.FALLOC_FL_ZERO_RANGE):
        raise SyscallError(Errno.EOPNOTSUPP)
    end = offset + length
    if thread.process.kernel.file_room(thread, end - 1) <= 0:
        raise SyscallError(Errno.EFBIG)
    if mode & (f.FALLOC_FL_PUNCH_HOLE | f.FALLOC_FL_ZERO_RANGE):
        stop = min(end, file.file.size)
        if offset < stop:
            file.file.pages.write(offset, bytes(stop - offset))
    if end > file.file.size and not mode & f.FALLOC_FL_KEEP_SIZE:
        thread.process.kernel.account_storage(file.file, end)
        file.truncate(end)
    return 0


@syscall("fallocate", abi="i386", support="partial", note="modes 0, KEEP_SIZE, PUNCH_HOLE and ZERO_RANGE")
def fallocate_32(
    thread: Thread,
    fd: FileDescriptor,
    mode: Int,
    low: UnsignedInt,
    high: UnsignedInt,
    length_low: UnsignedInt,
    length_high: UnsignedInt,
) -> int:
    """fallocate(2): offset and length in halves."""
    offset, length = pair(low, high), pair(length_low, length_high)
    return fallocate(thread, fd, mode, offset, length)


@syscall("fsync", "fdatasync", "syncfs")
def fsync(thread: Thread, fd: FileDescriptor) -> int:
    """fsync(2): pages changed through mappings reach the file."""
    file = thread.process.files.get(fd)
    if isinstance(file, OpenRegular):
        file.file.pages.sync()
    elif isinstance(file, OpenPipe):
        raise SyscallError(Errno.EINVAL)
    return 0


@syscall()
def sync(thread: Thread) -> int:
    """sync(2)."""
    return 0


@syscall("fadvise64", "fadvise64_64", "readahead")
def fadvise64(thread: Thread, fd: FileDescriptor) -> int:
    """posix_fadvise(2): advice changes nothing here."""
    if isinstance(thread.process.files.get(fd), OpenPipe):
        raise SyscallError(Errno.ESPIPE)
    return 0


@syscall("sendfile", "sendfile64")
def sendfile(
    thread: Thread, out: FileDescriptor, source: FileDescriptor, offset: Address, count: Size
) -> int:
    """sendfile(2)."""
    target, file = writable(thread, out), readable(thread, source)
    if not file.seekable:
        raise SyscallError(Errno.EINVAL)
    count = min(count, f.PIPE_CAPACITY)
    place = int.from_bytes(thread.memory.read(offset, 8), "little") if offset else file.position
    data = file.read_at(thread, count, place)
    written = target.write(thread, data) if data else 0
    if offset:
        thread.memory.write(offset, (place + written).to_bytes(8, "little"))
    else:
        file.position += written
    return written


@syscall()
def copy_file_range(
    thread: Thread,
    source: FileDescriptor,
    source_offset: Address,
    out: FileDescriptor,
    out_offset: Address,
    count: Size,
) -> int:
    """copy_file_range(2)."""
    file, target = readable(thread, source), writable(thread, out)
    if not isinstance(file, OpenRegular) or not isinstance(target, OpenRegular):
        raise SyscallError(Errno.EINVAL)
    start = int.from_bytes(thread.memory.read(source_offset, 8), "little") if source_offset else file.position
    place = int.from_bytes(thread.memory.read(out_offset, 8), "little") if out_offset else target.position
    count = min(count, f.READ_WRITE_MAX)
    if file.node is target.node and place < start + count and start < place + count:
        raise SyscallError(Errno.EINVAL)
    data = file.read_at(thread, count, start)
    written = target.write_at(thread, data, place)
    for pointer, opened, end in (
        (source_offset, file, start + written),
        (out_offset, target, place + written),
    ):
        if pointer:
            thread.memory.write(pointer, end.to_bytes(8, "little"))
        else:
            opened.position = end
    return written


@syscall()
def memfd_create(thread: Thread, name: Address, flags: UnsignedInt) -> int:
    """memfd_create(2)."""
    text = thread.memory.read_string(name, 250)
    if len(text) >= 250 or flags & ~(f.MFD_CLOEXEC | f.MFD_ALLOW_SEALING | 0x18):
        raise SyscallError(Errno.EINVAL)
    process = thread.process
    inode = process.kernel.files.new_memory_file(0o777, process.credentials.fsuid, process.credentials.fsgid)
    inode.seals = 0 if flags & f.MFD_ALLOW_SEALING else 1
    inode.links = 0
    file = OpenRegular(inode, f.O_RDWR, b"/memfd:" + text)
    file.deleted = True
    return process.files.add(file, process.limits.open_files, bool(flags & f.MFD_CLOEXEC))

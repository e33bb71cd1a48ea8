"""Descriptors: dup, pipe, fcntl with its locks and seals, flock, ioctl."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.files import OpenFile, OpenPath
from toolkit.kernel.fs.pipes import OpenPipe, Pipe
from toolkit.kernel.fs.vfs import Fifo, RegularFile
from toolkit.kernel.syscalls import syscall
from toolkit.kernel.syscalls.arguments import (
    Address,
    FileDescriptor,
    Int,
    OpenFlags,
    UnsignedInt,
    Word,
)

if TYPE_CHECKING:
    from toolkit.kernel.task import Thread

PIPE_MAXIMUM = 1 << 20
FLOCK_64 = Struct("<hh4xqqi4x")
FLOCK_32 = Struct("<hhiii")
FLOCK64_32 = Struct("<hhqqi")


@syscall()
def dup(thread: Thread, fd: FileDescriptor) -> int:
    """dup(2)."""
    files = thread.process.files
    return files.add(files.get(fd), thread.process.limits.open_files)


@syscall()
def dup2(thread: Thread, old: FileDescriptor, new: FileDescriptor) -> int:
    """dup2(2)."""
    if old == new:
        thread.process.files.get(old)
        return new
    return duplicate(thread, old, new, close_on_exec=False)


@syscall()
def dup3(thread: Thread, old: FileDescriptor, new: FileDescriptor, flags: OpenFlags) -> int:
    """dup3(2)."""
    if old == new or flags & ~f.O_CLOEXEC:
        raise SyscallError(Errno.EINVAL)
    return duplicate(thread, old, new, close_on_exec=bool(flags & f.O_CLOEXEC))


def duplicate(thread: Thread, old: int, new: int, *, close_on_exec: bool) -> int:
    """Put a file under a given number, closing what is there."""
    files = thread.process.files
    if not 0 <= new < thread.process.limits.open_files:
        raise SyscallError(Errno.EBADF)
    file = files.get(old)
    if new in files.open:
        files.close(new, thread)
    files.put(new, file, close_on_exec)
    return new


@syscall()
def pipe(thread: Thread, descriptors: Address) -> int:
    """pipe(2)."""
    return make_pipe(thread, descriptors, 0)


@syscall()
def pipe2(thread: Thread, descriptors: Address, flags: OpenFlags) -> int:
    """pipe2(2)."""
    if flags & ~(f.O_CLOEXEC | f.O_NONBLOCK | f.O_DIRECT):
        raise SyscallError(Errno.EINVAL)
    return make_pipe(thread, descriptors, flags)


def make_pipe(thread: Thread, descriptors: int, flags: int) -> int:
    """Two descriptors, lowest first: the reading end, the writing end."""
    process = thread.process
    system = process.kernel.files.pipe_system
    inode = Fifo(system, 0o600, process.credentials.fsuid, process.credentials.fsgid)
    pipe_ = Pipe()
    inode.pipe = pipe_
    status = flags & f.O_NONBLOCK
    ends = OpenPipe(inode, pipe_, f.O_RDONLY | status), OpenPipe(inode, pipe_, f.O_WRONLY | status)
    limit, close_on_exec = process.limits.open_files, bool(flags & f.O_CLOEXEC)
    first = process.files.add(ends[0], limit, close_on_exec)
    try:
        second = process.files.add(ends[1], limit, close_on_exec)
        thread.memory.write(descriptors, first.to_bytes(4, "little") + second.to_bytes(4, "little"))
    except SyscallError:
        process.files.close(first, thread)
        if ends[1].references:
            process.files.close(second, thread)
        raise
    return 0


@syscall("fcntl", "fcntl64")
def fcntl(thread: Thread, fd: FileDescriptor, command: Int, argument: Word) -> int:
    """fcntl(2)."""
    files = thread.process.files
    file = files.get(fd)
    match command:
        case f.F_DUPFD | f.F_DUPFD_CLOEXEC:
            limit = thread.process.limits.open_files
            if argument >= limit:
                raise SyscallError(Errno.EINVAL)
            return files.add(file, limit, command == f.F_DUPFD_CLOEXEC, argument)
        case f.F_GETFD:
            return f.FD_CLOEXEC if fd in files.close_on_exec else 0
        case f.F_SETFD:
            (files.close_on_exec.add if argument & f.FD_CLOEXEC else files.close_on_exec.discard)(fd)
            return 0
        case f.F_GETFL:
            return file.flags & ~(f.O_CREAT | f.O_EXCL | f.O_NOCTTY | f.O_TRUNC | f.O_CLOEXEC)
        case f.F_SETFL:
            changeable = f.O_APPEND | f.O_NONBLOCK | f.O_ASYNC | f.O_DIRECT | f.O_NOATIME
            file.flags = file.flags & ~changeable | argument & changeable
            return 0
        case (
            f.F_GETLK | f.F_SETLK | f.F_SETLKW | f.F_OFD_GETLK | f.F_OFD_SETLK | f.F_OFD_SETLKW | 12 | 13 | 14
        ):
            return record_lock(thread, file, command, argument)
        case f.F_SETOWN:
            return 0
        case f.F_GETOWN:
            return 0
        case f.F_GETPIPE_SZ | f.F_SETPIPE_SZ:
            return pipe_size(file, command, argument)
        case f.F_ADD_SEALS | f.F_GET_SEALS:
            return seals(file, command, argument)
    raise SyscallError(Errno.EINVAL)


def record_lock(thread: Thread, file: OpenFile, command: int, address: int) -> int:
    """POSIX record locks (fcntl(2)): the kernel's lock table decides."""
    from toolkit.kernel.fs import locks

    wide = thread.process.personality.bits == 64
    layout = FLOCK_64 if wide else (FLOCK64_32 if command >= 12 else FLOCK_32)
    kind, whence, start, length, _ = layout.unpack(thread.memory.read(address, layout.size))
    base = {f.SEEK_SET: 0, f.SEEK_CUR: file.position, f.SEEK_END: file.node.size}.get(whence)
    if base is None or kind not in (f.F_RDLCK, f.F_WRLCK, f.F_UNLCK):
        raise SyscallError(Errno.EINVAL)
    query = command in (f.F_GETLK, f.F_OFD_GETLK, 12)
    if not query:
        needed = {f.F_RDLCK: file.can_read, f.F_WRLCK: file.can_write}.get(kind, True)
        if not needed:
            raise SyscallError(Errno.EBADF)
    owner = file if command >= f.F_OFD_GETLK else thread.process
    request = locks.Lock.make(owner, kind, base + start, length)
    if query:
        found = locks.conflict(file.node, request)
        if found is None:
            answer = layout.pack(f.F_UNLCK, whence, start, length, 0)
        else:
            answer = layout.pack(found.kind, f.SEEK_SET, found.start, found.length, found.pid)
        thread.memory.write(address, answer)
        return 0
    return locks.apply(file.node, request, wait=command in (f.F_SETLKW, f.F_OFD_SETLKW, 14))


def pipe_size(file: OpenFile, command: int, argument: int) -> int:
    """F_GETPIPE_SZ and F_SETPIPE_SZ: a power of two of pages."""
    if not isinstance(file, OpenPipe):
        raise SyscallError(Errno.EBADF)
    if command == f.F_SETPIPE_SZ:
        size = max(4096, 1 << (argument - 1).bit_length() if argument else 0)
        if size > PIPE_MAXIMUM:
            raise SyscallError(Errno.EPERM)
        if size < len(file.pipe.data):
            raise SyscallError(Errno.EBUSY)
        file.pipe.capacity = size
    return file.pipe.capacity


def seals(file: OpenFile, command: int, argument: int) -> int:
    """memfd seals."""
    inode = file.node
    if not isinstance(inode, RegularFile) or inode.seals < 0:
        raise SyscallError(Errno.EINVAL)
    if command == f.F_GET_SEALS:
        return inode.seals
    if inode.seals & 1:
        raise SyscallError(Errno.EPERM)
    inode.seals |= argument & 0x1F
    return 0


@syscall()
def flock(thread: Thread, fd: FileDescriptor, operation: Int) -> int:
    """flock(2)."""
    from toolkit.kernel.fs import locks

    file = thread.process.files.get(fd)
    kinds = {1: f.F_RDLCK, 2: f.F_WRLCK, 8: f.F_UNLCK}
    kind = kinds.get(operation & ~4)
    if kind is None:
        raise SyscallError(Errno.EINVAL)
    return locks.whole_file(file, kind, wait=not operation & 4)


@syscall()
def ioctl(thread: Thread, fd: FileDescriptor, request: UnsignedInt, argument: Word) -> int:
    """ioctl(2): the generic ones here, the rest is the file's."""
    files = thread.process.files
    file = files.get(fd)
    if isinstance(file, OpenPath):
        raise SyscallError(Errno.EBADF)
    match request:
        case f.FIOCLEX:
            files.close_on_exec.add(fd)
        case f.FIONCLEX:
            files.close_on_exec.discard(fd)
        case f.FIONBIO:
            on = int.from_bytes(thread.memory.read(argument, 4), "little")
            file.flags = file.flags | f.O_NONBLOCK if on else file.flags & ~f.O_NONBLOCK
        case _:
            return file.ioctl(thread, request, argument)
    return 0

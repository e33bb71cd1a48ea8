"""Memory: mmap and its relatives. The semantics live in kernel/mm; here descriptors become backings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.abi import memory as m
from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.files import OpenFile
from toolkit.kernel.syscalls import syscall
from toolkit.kernel.syscalls.arguments import (
    Address,
    FileDescriptor,
    Int,
    MapFlags,
    Protection,
    Size,
    UnsignedInt,
    Word,
)

if TYPE_CHECKING:
    from toolkit.kernel.task import Thread

OLD_MMAP_ARGUMENTS = 24


def backing(thread: Thread, flags: int, fd: int) -> OpenFile | None:
    """The file behind a mapping; EBADF; None for anonymous memory."""
    if flags & m.MAP_ANONYMOUS:
        return None
    file = thread.process.files.get(fd)
    if not file.readable and not file.writable:
        raise SyscallError(Errno.EBADF)
    return file


@syscall(abi="x86_64")
def mmap(
    thread: Thread,
    address: Address,
    length: Size,
    prot: Protection,
    flags: MapFlags,
    fd: FileDescriptor,
    offset: Word,
) -> int:
    """mmap(2)."""
    if offset & (m.PAGE_SIZE - 1):
        raise SyscallError(Errno.EINVAL)
    return thread.memory.mmap(address, length, prot, flags, backing(thread, flags, fd), offset)


@syscall(abi="i386")
def mmap2(
    thread: Thread,
    address: Address,
    length: Size,
    prot: Protection,
    flags: MapFlags,
    fd: FileDescriptor,
    page: UnsignedInt,
) -> int:
    """mmap2(2): the offset in pages."""
    return thread.memory.mmap(address, length, prot, flags, backing(thread, flags, fd), page << m.PAGE_SHIFT)


@syscall("mmap", abi="i386")
def old_mmap(thread: Thread, arguments: Address) -> int:
    """i386's first mmap: a pointer to six words."""
    data = thread.memory.read(arguments, OLD_MMAP_ARGUMENTS)
    words = [int.from_bytes(data[index : index + 4], "little") for index in range(0, OLD_MMAP_ARGUMENTS, 4)]
    address, length, prot, flags, fd, offset = words
    if offset & (m.PAGE_SIZE - 1):
        raise SyscallError(Errno.EINVAL)
    return thread.memory.mmap(address, length, prot, flags, backing(thread, flags, fd), offset)


@syscall()
def munmap(thread: Thread, address: Address, length: Size) -> int:
    """munmap(2)."""
    thread.memory.munmap(address, length)
    return 0


@syscall()
def mprotect(thread: Thread, address: Address, length: Size, prot: Protection) -> int:
    """mprotect(2)."""
    thread.memory.mprotect(address, length, prot)
    return 0


@syscall()
def pkey_mprotect(thread: Thread, address: Address, length: Size, prot: Protection, pkey: Int) -> int:
    """pkey_mprotect(2) without protection keys: only key -1."""
    if pkey != -1:
        raise SyscallError(Errno.EINVAL)
    thread.memory.mprotect(address, length, prot)
    return 0


@syscall("pkey_alloc", "pkey_free")
def pkey_alloc(thread: Thread, first: Word) -> int:
    """The CPU has no protection keys: ENOSPC, as Linux says then."""
    raise SyscallError(Errno.ENOSPC)


@syscall()
def brk(thread: Thread, address: Address) -> int:
    """brk(2), the system call: returns the break."""
    return thread.memory.brk(address)


@syscall()
def mremap(
    thread: Thread,
    address: Address,
    old_length: Size,
    new_length: Size,
    flags: UnsignedInt,
    new_address: Address,
) -> int:
    """mremap(2)."""
    return thread.memory.mremap(address, old_length, new_length, flags, new_address)


@syscall()
def madvise(thread: Thread, address: Address, length: Size, advice: Int) -> int:
    """madvise(2)."""
    thread.memory.madvise(address, length, advice)
    return 0


@syscall()
def mseal(thread: Thread, address: Address, length: Size, flags: Word) -> int:
    """mseal(2)."""
    thread.memory.mseal(address, length, flags)
    return 0


@syscall()
def msync(thread: Thread, address: Address, length: Size, flags: Int) -> int:
    """msync(2)."""
    thread.memory.msync(address, length, flags)
    return 0


@syscall()
def mincore(thread: Thread, address: Address, length: Size, vector: Address) -> int:
    """mincore(2)."""
    thread.memory.mincore(address, length, vector)
    return 0


@syscall()
def mlock(thread: Thread, address: Address, length: Size) -> int:
    """mlock(2)."""
    thread.memory.mlock(address, length)
    return 0


@syscall()
def mlock2(thread: Thread, address: Address, length: Size, flags: Int) -> int:
    """mlock2(2)."""
    if flags & ~m.MLOCK_ONFAULT:
        raise SyscallError(Errno.EINVAL)
    thread.memory.mlock(address, length, flags)
    return 0


@syscall()
def munlock(thread: Thread, address: Address, length: Size) -> int:
    """munlock(2)."""
    thread.memory.munlock(address, length)
    return 0


@syscall()
def mlockall(thread: Thread, flags: Int) -> int:
    """mlockall(2)."""
    thread.memory.mlockall(flags)
    return 0


@syscall()
def munlockall(thread: Thread) -> int:
    """munlockall(2)."""
    thread.memory.munlockall()
    return 0


@syscall("get_mempolicy", "set_mempolicy", "mbind", "set_mempolicy_home_node", "migrate_pages", "move_pages")
def mempolicy(thread: Thread, first: Word) -> int:
    """A kernel without NUMA (CONFIG_NUMA unset) has no memory policies."""
    raise SyscallError(Errno.ENOSYS)

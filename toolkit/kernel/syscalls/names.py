"""Names in directories: making, linking, removing and renaming what they name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.opening import check_addable, may_link
from toolkit.kernel.fs.vfs import (
    Directory,
    Fifo,
    Found,
    Inode,
    Socket,
    Symlink,
    require,
)
from toolkit.kernel.syscalls import syscall
from toolkit.kernel.syscalls.arguments import (
    Address,
    AtFlags,
    FileDescriptor,
    Int,
    Mode,
    Path,
    UnsignedInt,
)
from toolkit.kernel.syscalls.directories import locate

if TYPE_CHECKING:
    from toolkit.kernel.task import Thread


def make(thread: Thread, directory: int, path: bytes, inode_of: Callable[[Found], Inode]) -> int:
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
        raise SyscallError(Errno.EINVAL if path else Errno.ENOENT)
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
    if isinstance(inode, Directory) or not may_link(thread, inode):
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

"""open(2): from a path to an open file, with everything its flags ask for (fs/namei.c, do_open)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.devices import open_device
from toolkit.kernel.fs.files import OpenDirectory, OpenFile, OpenPath, OpenRegular
from toolkit.kernel.fs.pipes import OpenPipe, Pipe
from toolkit.kernel.fs.vfs import (
    Device,
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
from toolkit.kernel.waiting import Blocked

if TYPE_CHECKING:
    from toolkit.kernel.task import Thread

ACCESS_NEEDED = {f.O_RDONLY: f.R_OK, f.O_WRONLY: f.W_OK, f.O_RDWR: f.R_OK | f.W_OK, 3: f.R_OK | f.W_OK}


def open_at(thread: Thread, start: Directory, path: bytes, flags: int, mode: int) -> OpenFile:
    """Open or create. Raises the errnos of open(2)."""
    process = thread.process
    if flags & f.O_PATH:
        flags &= f.O_DIRECTORY | f.O_NOFOLLOW | f.O_PATH | f.O_CLOEXEC
    check_flags(flags)
    exclusive = flags & f.O_CREAT and flags & f.O_EXCL
    found = walk(process, start, path, follow=not flags & f.O_NOFOLLOW and not exclusive)
    if flags & f.TMPFILE_BIT:
        return open_temporary(thread, found, flags, mode)
    if found.inode is None:
        if not flags & f.O_CREAT:
            raise SyscallError(Errno.ENOENT)
        return create(thread, found, path, flags, mode)
    if exclusive:
        raise SyscallError(Errno.EEXIST)
    inode = found.existing()
    return open_inode(thread, inode, path, flags)


def check_flags(flags: int) -> None:
    """EINVAL for flags that exclude each other (fs/open.c, build_open_flags)."""
    if flags & f.O_DIRECTORY and flags & f.O_CREAT:
        raise SyscallError(Errno.EINVAL)
    if flags & f.TMPFILE_BIT and (not flags & f.O_DIRECTORY or flags & f.O_ACCMODE == f.O_RDONLY):
        raise SyscallError(Errno.EINVAL)


def create(thread: Thread, found: Found, path: bytes, flags: int, mode: int) -> OpenFile:
    """Make a regular file and open it; the mode does not limit this open."""
    process = thread.process
    if found.must_be_directory:
        raise SyscallError(Errno.EISDIR)
    check_addable(thread, found.directory)
    inode = process.kernel.files.new_file(
        mode & 0o7777 & ~process.working.umask,
        process.credentials.fsuid,
        process.credentials.fsgid,
        system=found.directory.system,
    )
    found.directory.add(found.name, inode)
    return OpenRegular(inode, flags, absolute(found))


def check_addable(thread: Thread, directory: Directory) -> None:
    """EACCES without write permission, ENOENT in a removed directory."""
    if directory.removed:
        raise SyscallError(Errno.ENOENT)
    directory.check_writable()
    require(thread.process, directory, f.W_OK | f.X_OK)


def may_link(thread: Thread, inode: Inode) -> bool:
    """Whether a user may make another name for what belongs to somebody else (may_linkat, fs.protected_hardlinks)."""
    who = thread.process.credentials
    if who.fsuid in (0, inode.uid):
        return True
    set_ids = inode.mode & f.S_ISUID or inode.mode & (f.S_ISGID | 0o010) == f.S_ISGID | 0o010
    return (
        isinstance(inode, RegularFile) and not set_ids and permitted(thread.process, inode, f.R_OK | f.W_OK)
    )


def absolute(found: Found) -> bytes:
    """The full path of what was found."""
    return found.directory.path().rstrip(b"/") + b"/" + found.name


def open_temporary(thread: Thread, found: Found, flags: int, mode: int) -> OpenFile:
    """O_TMPFILE: a file without a name."""
    directory = found.existing()
    if not isinstance(directory, Directory):
        raise SyscallError(Errno.ENOTDIR)
    check_addable(thread, directory)
    process = thread.process
    inode = process.kernel.files.new_file(
        mode & 0o7777 & ~process.working.umask, process.credentials.fsuid, process.credentials.fsgid
    )
    inode.links = 0
    path = directory.path().rstrip(b"/") + b"/#%d" % inode.number
    return OpenRegular(inode, flags, path)


def open_inode(thread: Thread, inode: Inode, path: bytes, flags: int) -> OpenFile:
    """Open an existing inode."""
    if flags & f.O_DIRECTORY and not isinstance(inode, Directory):
        raise SyscallError(Errno.ENOTDIR)
    if isinstance(inode, Symlink):
        if flags & f.O_PATH:
            return OpenPath(inode, flags, path)
        raise SyscallError(Errno.ELOOP)
    full = full_path(inode, path)
    if flags & f.O_PATH:
        return (
            OpenDirectory(inode, flags, full)
            if isinstance(inode, Directory)
            else OpenPath(inode, flags, full)
        )
    access = flags & f.O_ACCMODE
    if isinstance(inode, Directory) and (access != f.O_RDONLY or flags & f.O_CREAT):
        raise SyscallError(Errno.EISDIR)
    require(thread.process, inode, ACCESS_NEEDED[access])
    if isinstance(inode, Directory):
        return OpenDirectory(inode, flags, full)
    if isinstance(inode, RegularFile):
        return open_regular(thread, inode, full, flags)
    if isinstance(inode, Fifo):
        return open_fifo(thread, inode, flags, full)
    if isinstance(inode, Device):
        return open_device(thread.process.kernel, thread, inode, flags, full)
    if isinstance(inode, Socket):
        raise SyscallError(Errno.ENXIO)
    return inode.open(thread, flags, full)


def full_path(inode: Inode, path: bytes) -> bytes:
    """The absolute path of an inode that was reached by `path`."""
    if isinstance(inode, Directory):
        return inode.path()
    if inode.place is not None:
        return inode.place[0].path().rstrip(b"/") + b"/" + inode.place[1]
    return path


def open_regular(thread: Thread, inode: RegularFile, path: bytes, flags: int) -> OpenFile:
    """ETXTBSY for writing to a running program, EPERM for O_NOATIME on another's file; then O_TRUNC."""
    process = thread.process
    writing = flags & f.O_ACCMODE != f.O_RDONLY
    if writing and inode.executed:
        raise SyscallError(Errno.ETXTBSY)
    if flags & f.O_NOATIME and process.credentials.fsuid not in (0, inode.uid):
        raise SyscallError(Errno.EPERM)
    if flags & f.O_TRUNC:
        require(process, inode, f.W_OK)
        inode.pages.truncate(0)
        inode.touch()
    return OpenRegular(inode, flags, path)


def open_fifo(thread: Thread, inode: Fifo, flags: int, path: bytes) -> OpenFile:
    """A fifo waits for its other end (fifo(7)); ENXIO for a writer that will not wait. A pipe opened again does not."""
    if inode.place is None and isinstance(inode.pipe, Pipe):
        return OpenPipe(inode, inode.pipe, flags, path)
    if not isinstance(inode.pipe, Pipe):
        inode.pipe = Pipe("fifo")
    pipe = inode.pipe
    file: OpenPipe | None = thread.sleep.get("fifo")
    if file is None:
        if flags & f.O_NONBLOCK and flags & f.O_ACCMODE == f.O_WRONLY and not pipe.readers:
            raise SyscallError(Errno.ENXIO)
        file = OpenPipe(inode, pipe, flags, path)
        file.waited_for = pipe.meetings
        pipe.meetings += 1
        inode.opened.wake()
    waiting = not flags & f.O_NONBLOCK and flags & f.O_ACCMODE != f.O_RDWR
    alone = not pipe.writers if file.can_read else not pipe.readers
    if waiting and alone and pipe.meetings == file.waited_for + 1:
        thread.sleep["fifo"] = file
        opened = file

        def interrupted() -> int:
            opened.closed(None)
            return -Errno.EINTR

        raise Blocked(inode.opened, interrupted=interrupted)
    return file

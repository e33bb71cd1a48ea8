"""Processes: fork and its relatives, exec, exit, wait, ids, limits, prctl."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct, pack
from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi import process as p
from toolkit.abi.errno import Errno
from toolkit.abi.signals import CLD_CONTINUED, CLD_DUMPED, CLD_EXITED, CLD_KILLED, CLD_STOPPED, Signal
from toolkit.kernel import exec as elf_exec
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.syscalls import syscall
from toolkit.kernel.syscalls.arguments import Address, FileDescriptor, Int, Path, Size, Word
from toolkit.kernel.task import Process, Usage
from toolkit.kernel.waiting import Blocked, ThreadGone

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.kernel.task import Thread

CLONE_ARGS = Struct("<8Q")
CLONE_ARGS_SIZE_MINIMUM = 64
ARGUMENTS_MAXIMUM = 1 << 21


# --- making ------------------------------------------------------------------------------------------------


@syscall()
def fork(thread: Thread) -> int:
    """fork(2)."""
    return thread.process.kernel.processes.clone(thread, 0, 0, 0, 0, 0, int(Signal.SIGCHLD))


@syscall()
def vfork(thread: Thread) -> int:
    """vfork(2)."""
    flags = p.CLONE_VFORK | p.CLONE_VM
    return clone_and_wait(thread, flags, 0, 0, 0, 0, int(Signal.SIGCHLD))


@syscall(abi="x86_64")
def clone(
    thread: Thread, flags: Word, stack: Address, parent_tid: Address, child_tid: Address, tls: Word
) -> int:
    """clone(2)."""
    return clone_and_wait(
        thread, flags & 0xFFFFFFFF & ~p.CSIGNAL, stack, parent_tid, child_tid, tls, flags & p.CSIGNAL
    )


@syscall("clone", abi="i386")
def clone_32(
    thread: Thread, flags: Word, stack: Address, parent_tid: Address, tls: Word, child_tid: Address
) -> int:
    """clone(2) with i386's order of arguments."""
    return clone_and_wait(thread, flags & ~p.CSIGNAL, stack, parent_tid, child_tid, tls, flags & p.CSIGNAL)


@syscall()
def clone3(thread: Thread, arguments: Address, size: Size) -> int:
    """clone3(2)."""
    if size < CLONE_ARGS_SIZE_MINIMUM:
        raise SyscallError(Errno.EINVAL)
    if size > 4096:
        raise SyscallError(Errno.E2BIG)
    data = thread.memory.read(arguments, size)
    if any(data[88:]):
        raise SyscallError(Errno.E2BIG)
    flags, _pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls = CLONE_ARGS.unpack(data[:64])
    if any(data[64:88]) or flags & p.CSIGNAL or exit_signal > 64 or bool(stack) != bool(stack_size):
        raise SyscallError(Errno.EINVAL)
    if flags & (p.CLONE_THREAD | p.CLONE_PARENT) and exit_signal:
        raise SyscallError(Errno.EINVAL)
    top = stack + stack_size if stack else 0
    return clone_and_wait(thread, flags, top, parent_tid, child_tid, tls, exit_signal)


def clone_and_wait(
    thread: Thread, flags: int, stack: int, parent_tid: int, child_tid: int, tls: int, exit_signal: int
) -> int:
    """Make the child; with CLONE_VFORK wait until it has its own image or is gone."""
    made: int | None = thread.sleep.get("vfork_tid")
    if made is None:
        made = thread.process.kernel.processes.clone(
            thread, flags, stack, parent_tid, child_tid, tls, exit_signal
        )
        if not flags & p.CLONE_VFORK:
            return made
        thread.sleep["vfork_tid"] = made
    if "vfork" in thread.sleep:
        raise Blocked(thread.vfork_done, killable=True)
    return made


# --- exec --------------------------------------------------------------------------------------------------


@syscall()
def execve(thread: Thread, path: Path, arguments: Address, environment: Address) -> int:
    """execve(2)."""
    file, opened = elf_exec.open_executable(thread.process, path)
    return execute(thread, path, file, opened, arguments, environment)


@syscall()
def execveat(
    thread: Thread,
    directory: FileDescriptor,
    path: Path,
    arguments: Address,
    environment: Address,
    flags: Int,
) -> int:
    """execveat(2)."""
    from toolkit.kernel.syscalls.directories import locate

    if flags & ~(f.AT_EMPTY_PATH | f.AT_SYMLINK_NOFOLLOW):
        raise SyscallError(Errno.EINVAL)
    inode = locate(thread, directory, path, flags).existing()
    if flags & f.AT_SYMLINK_NOFOLLOW and inode.kind == f.S_IFLNK:
        raise SyscallError(Errno.ELOOP)
    file, opened = elf_exec.checked_executable(thread.process, inode, path)
    if path.startswith(b"/") or directory == f.AT_FDCWD:
        name = path
    else:
        name = b"/dev/fd/%d" % directory + (b"/" + path if path else b"")
    return execute(thread, name, file, opened, arguments, environment)


def execute(thread: Thread, name: bytes, file, opened, arguments: int, environment: int) -> int:  # type: ignore[no-untyped-def]
    """Read the vectors and replace the image."""
    request = elf_exec.Request(
        name, file, opened, string_vector(thread, arguments), string_vector(thread, environment), name
    )
    try:
        thread.process.kernel.processes.execute(thread, request)
    except elf_exec.ExecKilled:
        raise ThreadGone from None
    return 0


def string_vector(thread: Thread, address: int) -> list[bytes]:
    """A null-terminated array of strings; a null pointer is an empty one. EFAULT, E2BIG."""
    word = thread.process.personality.word
    found: list[bytes] = []
    total = 0
    while address:
        pointer = int.from_bytes(thread.memory.read(address, word), "little")
        if not pointer:
            break
        text = thread.memory.read_string(pointer, elf_exec.MAX_ARGUMENT)
        total += len(text) + 1 + word
        if len(text) >= elf_exec.MAX_ARGUMENT or total > elf_exec.ARGUMENTS_CEILING:
            raise SyscallError(Errno.E2BIG)
        found.append(text)
        address += word
    return found


# --- ending ------------------------------------------------------------------------------------------------


@syscall("exit")
def exit_(thread: Thread, code: Int) -> int:
    """_exit(2) of one thread; the last one ends the process."""
    process = thread.process
    if len(process.threads) == 1:
        process.exit(code)
    else:
        thread.finish()
    raise ThreadGone


@syscall()
def exit_group(thread: Thread, code: Int) -> int:
    """exit_group(2)."""
    thread.process.exit(code)
    raise ThreadGone


# --- waiting -----------------------------------------------------------------------------------------------


def wait_for(thread: Thread, matches: Callable[[Process], bool], options: int) -> tuple[Process, int] | None:
    """A child with news and its wait status; None: nothing yet, with WNOHANG. Raises Blocked or ECHILD."""
    parent = thread.process
    mine = [child for child in parent.children if matches(child)]
    if not mine:
        raise SyscallError(Errno.ECHILD)
    for child in mine:
        if child.dead:
            if options & p.WEXITED:
                return child, child.wait_status
        elif child.report is not None:
            status = child.report
            wanted = p.WCONTINUED if status == 0xFFFF else p.WUNTRACED
            if options & wanted:
                return child, status
    if options & p.WNOHANG:
        return None
    raise Blocked(parent.child_changed)


def fetched(thread: Thread, child: Process, options: int) -> None:
    """The news was taken: a zombie is reaped."""
    if options & p.WNOWAIT:
        return
    if child.dead:
        parent = thread.process
        parent.children.remove(child)
        add_usage(parent.children_usage, child.usage)
        add_usage(parent.children_usage, child.children_usage)
        parent.kernel.processes.forget(child)
    else:
        child.report = None


def add_usage(total: Usage, part: Usage) -> None:
    """Sum resource usage."""
    total.instructions += part.instructions
    total.minor_faults += part.minor_faults
    total.major_faults += part.major_faults


@syscall()
def wait4(thread: Thread, pid: Int, status: Address, options: Int, usage: Address) -> int:
    """wait4(2)."""
    if options & ~(p.WNOHANG | p.WUNTRACED | p.WCONTINUED | p.WNOTHREAD | p.WALL | p.WCLONE):
        raise SyscallError(Errno.EINVAL)
    if pid == -(1 << 31):
        raise SyscallError(Errno.ESRCH)
    found = wait_for(thread, chooser(thread, pid), options | p.WEXITED)
    if found is None:
        return 0
    child, word = found
    if status:
        thread.memory.write(status, pack("<I", word))
    if usage:
        thread.memory.write(usage, rusage(thread, child.usage))
    fetched(thread, child, options)
    return child.pid


@syscall("waitpid", abi="i386")
def waitpid(thread: Thread, pid: Int, status: Address, options: Int) -> int:
    """waitpid(2)."""
    return wait4(thread, pid, status, options, 0)


def chooser(thread: Thread, pid: int) -> Callable[[Process], bool]:
    """Which children wait4's first argument means."""
    if pid == -1:
        return lambda child: True
    if pid > 0:
        return lambda child: child.pid == pid
    group = thread.process.group if pid == 0 else -pid
    return lambda child: child.group == group


@syscall()
def waitid(thread: Thread, kind: Int, number: Int, info: Address, options: Int, usage: Address) -> int:
    """waitid(2): the siginfo is written even when it fails."""
    try:
        found = wait_for(thread, chosen(thread, kind, number, options), options)
    except SyscallError:
        if info:
            thread.memory.write(info, wait_info(None))
        raise
    if info:
        thread.memory.write(info, wait_info(found))
    if found is not None:
        if usage:
            thread.memory.write(usage, rusage(thread, found[0].usage))
        fetched(thread, found[0], options)
    return 0


def chosen(thread: Thread, kind: int, number: int, options: int) -> Callable[[Process], bool]:
    """Which children waitid's arguments mean. EINVAL."""
    if not options & (p.WEXITED | p.WSTOPPED | p.WCONTINUED):
        raise SyscallError(Errno.EINVAL)
    if kind == p.P_ALL:
        return chooser(thread, -1)
    if kind == p.P_PID and number > 0:
        return chooser(thread, number)
    if kind == p.P_PGID and number >= 0:
        return chooser(thread, -number)
    raise SyscallError(Errno.EINVAL)


def wait_info(found: tuple[Process, int] | None) -> bytes:
    """The siginfo that waitid fills in; zeros when there was nothing."""
    if found is None:
        return bytes(28)
    child, word = found
    if child.dead and child.signal is not None:
        code, status = (CLD_DUMPED if child.core_dumped else CLD_KILLED), child.signal
    elif child.dead:
        code, status = CLD_EXITED, child.exit_code or 0
    elif word == 0xFFFF:
        code, status = CLD_CONTINUED, int(Signal.SIGCONT)
    else:
        code, status = CLD_STOPPED, child.stop_signal
    return pack("<iii4xiIi", int(Signal.SIGCHLD), 0, code, child.pid, child.credentials.uid, status)


def rusage(thread: Thread, usage: Usage) -> bytes:
    """struct rusage: a nanosecond an instruction."""
    seconds, rest = divmod(usage.instructions, 1_000_000_000)
    letter = "q" if thread.process.personality.bits == 64 else "i"
    values = [seconds, rest // 1000, 0, 0, 0, 0, 0, 0, usage.minor_faults, usage.major_faults, *([0] * 6)]
    values += [0] * (18 - len(values))
    values[16], values[17] = usage.voluntary_switches, usage.involuntary_switches
    return pack(f"<18{letter}", *values)


@syscall()
def getrusage(thread: Thread, who: Int, usage: Address) -> int:
    """getrusage(2)."""
    process = thread.process
    if who == -1:
        value = process.children_usage
    elif who in (0, 1):
        counts = process.memory.faults
        value = Usage(process.kernel.instructions, counts.minor, counts.major)
    else:
        raise SyscallError(Errno.EINVAL)
    thread.memory.write(usage, rusage(thread, value))
    return 0

"""Processes: fork and its relatives, exec, exit, wait, ids, limits, prctl."""

from __future__ import annotations

from struct import Struct, pack
from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi import process as p
from toolkit.abi.errno import Errno
from toolkit.abi.signals import CLD_CONTINUED, CLD_DUMPED, CLD_EXITED, CLD_KILLED, CLD_STOPPED, Signal
from toolkit.kernel import exec as elf_exec
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.syscalls import syscall
from toolkit.kernel.syscalls.arguments import Address, FileDescriptor, Int, Path, Size, UnsignedInt, Word
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
    """waitid(2)."""
    if not options & (p.WEXITED | p.WSTOPPED | p.WCONTINUED):
        raise SyscallError(Errno.EINVAL)
    if kind == p.P_ALL:
        matches = chooser(thread, -1)
    elif kind == p.P_PID and number > 0:
        matches = chooser(thread, number)
    elif kind == p.P_PGID and number >= 0:
        matches = chooser(thread, -number)
    else:
        raise SyscallError(Errno.EINVAL)
    found = wait_for(thread, matches, options)
    if info:
        thread.memory.write(info, wait_info(found))
    if found is not None:
        if usage:
            thread.memory.write(usage, rusage(thread, found[0].usage))
        fetched(thread, found[0], options)
    return 0


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


# --- ids ---------------------------------------------------------------------------------------------------


@syscall()
def getpid(thread: Thread) -> int:
    """getpid(2)."""
    return thread.process.pid


@syscall()
def gettid(thread: Thread) -> int:
    """gettid(2)."""
    return thread.tid


@syscall()
def getppid(thread: Thread) -> int:
    """getppid(2)."""
    process = thread.process
    if process.parent is not None:
        return process.parent.pid
    processes = process.kernel.processes
    return processes.shell_pid if process is processes.main else 1


def find_process(thread: Thread, pid: int) -> Process:
    """A process by pid, 0 for the caller's own. ESRCH."""
    if pid == 0:
        return thread.process
    found = thread.process.kernel.processes.by_pid.get(pid)
    if found is None:
        raise SyscallError(Errno.ESRCH)
    return found


@syscall()
def getpgid(thread: Thread, pid: Int) -> int:
    """getpgid(2)."""
    return find_process(thread, pid).group


@syscall()
def getpgrp(thread: Thread) -> int:
    """getpgrp(2)."""
    return thread.process.group


@syscall()
def setpgid(thread: Thread, pid: Int, group: Int) -> int:
    """setpgid(2)."""
    if group < 0:
        raise SyscallError(Errno.EINVAL)
    target, process = find_process(thread, pid), thread.process
    if target is not process and target.parent is not process:
        raise SyscallError(Errno.ESRCH)
    if target is not process and target.did_exec:
        raise SyscallError(Errno.EACCES)
    group = group or target.pid
    members = [other for other in process.kernel.processes.all() if other.group == group]
    if target.session == target.pid or target.session != process.session:
        raise SyscallError(Errno.EPERM)
    if group != target.pid and not any(other.session == process.session for other in members):
        raise SyscallError(Errno.EPERM)
    target.group = group
    return 0


@syscall()
def getsid(thread: Thread, pid: Int) -> int:
    """getsid(2)."""
    return find_process(thread, pid).session


@syscall()
def setsid(thread: Thread) -> int:
    """setsid(2)."""
    process = thread.process
    if any(other.group == process.pid for other in process.kernel.processes.all()):
        raise SyscallError(Errno.EPERM)
    process.session = process.group = process.pid
    return process.pid


def id_call(name: str, field: str) -> None:
    """Declare a call that returns one id."""

    def get(thread: Thread) -> int:
        value: int = getattr(thread.process.credentials, field)
        return value

    get.__doc__ = f"{name}(2)."
    get.__module__ = __name__
    syscall(name, name + "32")(get)


for _name, _field in (("getuid", "uid"), ("geteuid", "euid"), ("getgid", "gid"), ("getegid", "egid")):
    id_call(_name, _field)


def triple(thread: Thread, addresses: tuple[int, int, int], values: tuple[int, int, int]) -> int:
    """Store three ids."""
    for address, value in zip(addresses, values, strict=True):
        thread.memory.write(address, pack("<I", value))
    return 0


@syscall("getresuid", "getresuid32")
def getresuid(thread: Thread, real: Address, effective: Address, saved: Address) -> int:
    """getresuid(2)."""
    who = thread.process.credentials
    return triple(thread, (real, effective, saved), (who.uid, who.euid, who.suid))


@syscall("getresgid", "getresgid32")
def getresgid(thread: Thread, real: Address, effective: Address, saved: Address) -> int:
    """getresgid(2)."""
    who = thread.process.credentials
    return triple(thread, (real, effective, saved), (who.gid, who.egid, who.sgid))


@syscall("setresuid", "setresuid32")
def setresuid(thread: Thread, real: Int, effective: Int, saved: Int) -> int:
    """setresuid(2)."""
    who = thread.process.credentials
    present = (who.uid, who.euid, who.suid)
    if who.euid and any(wanted != -1 and wanted not in present for wanted in (real, effective, saved)):
        raise SyscallError(Errno.EPERM)
    who.uid = real if real != -1 else who.uid
    who.euid = effective if effective != -1 else who.euid
    who.suid = saved if saved != -1 else who.suid
    who.fsuid = who.euid
    return 0


@syscall("setresgid", "setresgid32")
def setresgid(thread: Thread, real: Int, effective: Int, saved: Int) -> int:
    """setresgid(2)."""
    who = thread.process.credentials
    present = (who.gid, who.egid, who.sgid)
    if who.euid and any(wanted != -1 and wanted not in present for wanted in (real, effective, saved)):
        raise SyscallError(Errno.EPERM)
    who.gid = real if real != -1 else who.gid
    who.egid = effective if effective != -1 else who.egid
    who.sgid = saved if saved != -1 else who.sgid
    who.fsgid = who.egid
    return 0


@syscall("setuid", "setuid32")
def setuid(thread: Thread, uid: Int) -> int:
    """setuid(2)."""
    if thread.process.credentials.euid == 0:
        return setresuid(thread, uid, uid, uid)
    return setresuid(thread, -1, uid, -1)


@syscall("setgid", "setgid32")
def setgid(thread: Thread, gid: Int) -> int:
    """setgid(2)."""
    if thread.process.credentials.euid == 0:
        return setresgid(thread, gid, gid, gid)
    return setresgid(thread, -1, gid, -1)


@syscall("setreuid", "setreuid32")
def setreuid(thread: Thread, real: Int, effective: Int) -> int:
    """setreuid(2)."""
    return setresuid(thread, real, effective, effective if real != -1 else -1)


@syscall("setregid", "setregid32")
def setregid(thread: Thread, real: Int, effective: Int) -> int:
    """setregid(2)."""
    return setresgid(thread, real, effective, effective if real != -1 else -1)


@syscall("setfsuid", "setfsuid32")
def setfsuid(thread: Thread, uid: Int) -> int:
    """setfsuid(2): returns the old one."""
    who = thread.process.credentials
    old = who.fsuid
    if uid in (who.uid, who.euid, who.suid) or (who.euid == 0 and uid >= 0):
        who.fsuid = uid
    return old


@syscall("setfsgid", "setfsgid32")
def setfsgid(thread: Thread, gid: Int) -> int:
    """setfsgid(2): returns the old one."""
    who = thread.process.credentials
    old = who.fsgid
    if gid in (who.gid, who.egid, who.sgid) or (who.euid == 0 and gid >= 0):
        who.fsgid = gid
    return old


@syscall("getgroups", "getgroups32")
def getgroups(thread: Thread, size: Int, groups: Address) -> int:
    """getgroups(2)."""
    mine = thread.process.credentials.groups
    if size < 0 or 0 < size < len(mine):
        raise SyscallError(Errno.EINVAL)
    if size:
        thread.memory.write(groups, pack(f"<{len(mine)}I", *mine))
    return len(mine)


@syscall("setgroups", "setgroups32")
def setgroups(thread: Thread, size: Int, groups: Address) -> int:
    """setgroups(2): root only."""
    who = thread.process.credentials
    if who.euid:
        raise SyscallError(Errno.EPERM)
    data = thread.memory.read(groups, 4 * size) if size > 0 else b""
    who.groups = tuple(int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4))
    return 0


# --- limits and attributes ---------------------------------------------------------------------------------


def check_resource(resource: int) -> None:
    """EINVAL for an unknown limit."""
    if not 0 <= resource < p.RLIM_NLIMITS:
        raise SyscallError(Errno.EINVAL)


@syscall("getrlimit", "ugetrlimit")
def getrlimit(thread: Thread, resource: Int, limit: Address) -> int:
    """getrlimit(2)."""
    check_resource(resource)
    values = thread.process.limits.values[resource]
    if thread.process.personality.bits == 64:
        thread.memory.write(limit, pack("<QQ", *values))
    else:
        thread.memory.write(limit, pack("<II", *(min(value, 0xFFFFFFFF) for value in values)))
    return 0


@syscall()
def setrlimit(thread: Thread, resource: Int, limit: Address) -> int:
    """setrlimit(2)."""
    check_resource(resource)
    layout = Struct("<QQ" if thread.process.personality.bits == 64 else "<II")
    soft, hard = layout.unpack(thread.memory.read(limit, layout.size))
    if layout.size == 8:
        soft, hard = (p.RLIM_INFINITY if value == 0xFFFFFFFF else value for value in (soft, hard))
    return change_limit(thread, thread.process, resource, soft, hard)


def change_limit(thread: Thread, process: Process, resource: int, soft: int, hard: int) -> int:
    """EINVAL when soft exceeds hard, EPERM when hard is raised without privilege."""
    if soft > hard:
        raise SyscallError(Errno.EINVAL)
    if hard > process.limits.values[resource][1] and thread.process.credentials.euid:
        raise SyscallError(Errno.EPERM)
    if resource == p.RLIMIT_NOFILE and hard > process.kernel.limits.open_files_hard:
        raise SyscallError(Errno.EPERM)
    process.limits.values[resource] = (soft, hard)
    return 0


@syscall()
def prlimit64(thread: Thread, pid: Int, resource: Int, new: Address, old: Address) -> int:
    """prlimit(2)."""
    check_resource(resource)
    process = find_process(thread, pid)
    wanted = thread.memory.read(new, 16) if new else None
    before = process.limits.values[resource]
    if wanted is not None:
        change_limit(
            thread,
            process,
            resource,
            int.from_bytes(wanted[:8], "little"),
            int.from_bytes(wanted[8:], "little"),
        )
    if old:
        thread.memory.write(old, pack("<QQ", *before))
    return 0


@syscall()
def getpriority(thread: Thread, which: Int, who: Int) -> int:
    """getpriority(2), the system call: 20 - nice."""
    return 20


@syscall("setpriority", "nice")
def setpriority(thread: Thread, first: Int) -> int:
    """Priorities change nothing here."""
    return 0


@syscall(support="partial", note="names, death signal, dumpable, no-new-privileges, subreaper, area names")
def prctl(thread: Thread, option: Int, second: Word, third: Word, fourth: Word, fifth: Word) -> int:
    """prctl(2)."""
    process = thread.process
    match option:
        case p.PR_SET_NAME:
            thread.name = thread.memory.read_string(second, 15)[:15].decode("utf-8", "replace")
        case p.PR_GET_NAME:
            thread.memory.write(second, thread.name.encode()[:15].ljust(16, b"\0"))
        case p.PR_SET_PDEATHSIG:
            process.flags["pdeathsig"] = second
        case p.PR_GET_PDEATHSIG:
            thread.memory.write(second, pack("<i", process.flags.get("pdeathsig", 0)))
        case p.PR_GET_DUMPABLE:
            return process.dumpable
        case p.PR_SET_DUMPABLE:
            if second > 1:
                raise SyscallError(Errno.EINVAL)
            process.dumpable = second
        case p.PR_SET_NO_NEW_PRIVS:
            if second != 1:
                raise SyscallError(Errno.EINVAL)
            process.no_new_privileges = True
        case p.PR_GET_NO_NEW_PRIVS:
            return int(process.no_new_privileges)
        case p.PR_SET_CHILD_SUBREAPER:
            process.flags["subreaper"] = int(bool(second))
        case p.PR_GET_CHILD_SUBREAPER:
            thread.memory.write(second, pack("<i", process.flags.get("subreaper", 0)))
        case p.PR_CAPBSET_READ:
            return int(second <= 40)
        case p.PR_SET_VMA:
            if second:
                raise SyscallError(Errno.EINVAL)
            thread.memory.name_area(third, fourth, thread.memory.read_string(fifth, 80) if fifth else None)
        case _:
            raise SyscallError(Errno.EINVAL)
    return 0


@syscall()
def personality(thread: Thread, persona: UnsignedInt) -> int:
    """personality(2): ADDR_NO_RANDOMIZE, as under setarch -R."""
    process = thread.process
    old = process.flags.get("personality", p.ADDR_NO_RANDOMIZE)
    if persona != 0xFFFFFFFF:
        process.flags["personality"] = persona
    return old


@syscall("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", support="refused")
def ptrace(thread: Thread, first: Word) -> int:
    """Looking into other processes is not permitted, as in a container."""
    raise SyscallError(Errno.EPERM)

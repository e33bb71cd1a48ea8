"""Who a process is: pids, groups, sessions, user and group ids."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING

from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.syscalls import syscall
from toolkit.kernel.syscalls.arguments import Address, Int
from toolkit.kernel.task import Process

if TYPE_CHECKING:
    from toolkit.kernel.task import Thread


def find_process(thread: Thread, pid: int) -> Process:
    """A process by pid, 0 for the caller's own. ESRCH."""
    if pid == 0:
        return thread.process
    found = thread.process.kernel.processes.by_pid.get(pid)
    if found is None:
        raise SyscallError(Errno.ESRCH)
    return found


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

"""Limits and attributes of processes: rlimits, priorities, prctl, personality."""

from __future__ import annotations

from struct import Struct, pack
from typing import TYPE_CHECKING

from toolkit.abi import process as p
from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.syscalls import syscall
from toolkit.kernel.syscalls.arguments import Address, Int, UnsignedInt, Word
from toolkit.kernel.syscalls.identity import find_process
from toolkit.kernel.task import Process

if TYPE_CHECKING:
    from toolkit.kernel.task import Thread


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


@syscall(
    "ptrace", "process_vm_readv", "process_vm_writev", "kcmp",
    support="refused", note="no process may look into another",
)  # fmt: skip
def ptrace(thread: Thread, first: Word) -> int:
    """Looking into other processes is not permitted, as in a container."""
    raise SyscallError(Errno.EPERM)

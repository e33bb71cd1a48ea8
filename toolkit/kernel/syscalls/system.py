"""The system: uname, sysinfo, random numbers, hostname, and the calls that need privileges nobody has here."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.abi.process import ALL_CAPABILITIES
from toolkit.kernel.clock import NANOSECONDS
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.mm.frames import SHMEM
from toolkit.kernel.syscalls import syscall
from toolkit.kernel.syscalls.arguments import Address, FileDescriptor, Int, Size, UnsignedInt, Word

if TYPE_CHECKING:
    from toolkit.kernel.task import Thread

RELEASE = "6.18.44"
VERSION = "#1 SMP PREEMPT_DYNAMIC"
UTS_LENGTH = 65


def uname_fields(thread: Thread) -> tuple[str, str, str, str, str, str]:
    """sysname, nodename, release, version, machine, domainname; an i386 program sees x86_64 too (uname(2))."""
    return "Linux", thread.process.kernel.hostname, RELEASE, VERSION, "x86_64", "(none)"


@syscall("uname", "newuname")
def uname(thread: Thread, buffer: Address) -> int:
    """uname(2)."""
    data = b"".join(
        field.encode()[: UTS_LENGTH - 1].ljust(UTS_LENGTH, b"\0") for field in uname_fields(thread)
    )
    thread.memory.write(buffer, data)
    return 0


@syscall()
def sysinfo(thread: Thread, buffer: Address) -> int:
    """sysinfo(2)."""
    kernel = thread.process.kernel
    uptime = kernel.clock.now // NANOSECONDS
    frames, swap = kernel.frames, kernel.frames.swap
    pages = frames.total, frames.free_count, frames.count(SHMEM), 0, swap.size, swap.size - swap.used
    tasks = len(kernel.processes.by_tid)
    if thread.process.personality.bits == 64:
        sizes = (count << 12 for count in pages)
        data = pack("<q3Q6QH6xQQI4x", uptime, 0, 0, 0, *sizes, tasks, 0, 0, 1)
    else:
        data = pack("<i3I6IH2xIII8x", uptime, 0, 0, 0, *pages, tasks, 0, 0, 4096)
    thread.memory.write(buffer, data)
    return 0


@syscall()
def getrandom(thread: Thread, buffer: Address, count: Size, flags: UnsignedInt) -> int:
    """getrandom(2), from the seed."""
    if flags & ~(f.GRND_NONBLOCK | f.GRND_RANDOM | 4):
        raise SyscallError(Errno.EINVAL)
    count = min(count, 1 << 25)
    thread.memory.write(buffer, thread.process.kernel.random_bytes(count))
    return count


@syscall()
def sethostname(thread: Thread, name: Address, length: Int) -> int:
    """sethostname(2): needs privilege."""
    raise SyscallError(Errno.EPERM)


@syscall("syslog")
def syslog(thread: Thread, kind: Int, buffer: Address, length: Int) -> int:
    """syslog(2): needs privilege."""
    raise SyscallError(Errno.EPERM)


@syscall()
def capget(thread: Thread, header: Address, data: Address) -> int:
    """capget(2): no capabilities, all of them for root."""
    try:
        version = capability_version(thread, header)
    except SyscallError as error:
        if data or error.errno != Errno.EINVAL:
            raise
        return 0  # the way to ask for the version
    if data:
        full = ALL_CAPABILITIES if thread.process.credentials.euid == 0 else 0
        low, high = full & 0xFFFFFFFF, full >> 32
        words = (low, low, 0) if version == 0x19980330 else (low, low, 0, high, high, 0)
        thread.memory.write(data, pack(f"<{len(words)}I", *words))
    return 0


def capability_version(thread: Thread, header: int) -> int:
    """The version in a capability header; EINVAL, with the kernel's written there, if it is none (cap_validate_magic)."""
    version = int.from_bytes(thread.memory.read(header, 4), "little")
    if version not in (0x19980330, 0x20071026, 0x20080522):
        thread.memory.write(header, pack("<I", 0x20080522))
        raise SyscallError(Errno.EINVAL)
    return version


@syscall("capset")
def capset(thread: Thread, header: Address, data: Address) -> int:
    """capset(2): capabilities can't be gained."""
    version = capability_version(thread, header)
    if int.from_bytes(thread.memory.read(header + 4, 4), "little") not in (0, thread.tid):
        raise SyscallError(Errno.EPERM)
    thread.memory.read(data, 12 if version == 0x19980330 else 24)
    if thread.process.credentials.euid:
        raise SyscallError(Errno.EPERM)
    return 0


@syscall(
    "mount", "umount2", "pivot_root", "chroot", "swapon", "swapoff", "reboot", "init_module", "finit_module",
    "delete_module", "acct", "setdomainname", "iopl", "ioperm", "unshare", "setns", "bpf", "perf_event_open",
    "kexec_load", "kexec_file_load", "quotactl", "userfaultfd", "lookup_dcookie", "open_by_handle_at",
    "fanotify_init", "vhangup", "move_mount", "fsopen", "fsmount", "open_tree", "mount_setattr",
    support="refused", note="needs privilege",
)  # fmt: skip
def privileged(thread: Thread, first: Word) -> int:
    """Calls that an ordinary user is refused."""
    raise SyscallError(Errno.EPERM)


@syscall("socket", "socketpair", support="refused", note="there is no network")
def socket(thread: Thread, family: Int) -> int:
    """A kernel without a network: no address family is there."""
    raise SyscallError(Errno.EAFNOSUPPORT)


@syscall(
    "connect", "bind", "listen", "accept", "accept4", "sendto", "recvfrom", "sendmsg", "recvmsg", "sendmmsg",
    "recvmmsg", "shutdown", "getsockname", "getpeername", "setsockopt", "getsockopt", "recvmmsg_time64",
    support="refused", note="there are no sockets",
)  # fmt: skip
def on_socket(thread: Thread, fd: FileDescriptor) -> int:
    """No descriptor is a socket: EBADF or ENOTSOCK."""
    thread.process.files.get(fd)
    raise SyscallError(Errno.ENOTSOCK)


@syscall("socketcall", abi="i386", support="refused", note="there is no network")
def socketcall(thread: Thread, call: Int, arguments: Address) -> int:
    """i386's one call for sockets: socket and socketpair, or a call on a descriptor."""
    if call in (1, 8):
        raise SyscallError(Errno.EAFNOSUPPORT)
    thread.process.files.get(int.from_bytes(thread.memory.read(arguments, 4), "little"))
    raise SyscallError(Errno.ENOTSOCK)


@syscall("seccomp")
def seccomp(thread: Thread, operation: UnsignedInt, flags: UnsignedInt, argument: Address) -> int:
    """seccomp(2): a kernel without CONFIG_SECCOMP."""
    raise SyscallError(Errno.EINVAL)


@syscall(
    "io_uring_setup", "io_uring_enter", "io_uring_register", "io_setup", "io_destroy", "io_submit", "io_cancel",
    "io_getevents", "inotify_init", "inotify_init1", "add_key", "request_key", "keyctl", "map_shadow_stack",
    "memfd_secret", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "cachestat",
    "modify_ldt", "remap_file_pages", "vm86", "vm86old", "statmount", "listmount", "lsm_get_self_attr",
    "lsm_set_self_attr", "lsm_list_modules", "futex_waitv", "futex_wake", "futex_wait", "futex_requeue",
    support="refused", note="this kernel was configured without it",
)  # fmt: skip
def not_configured(thread: Thread, first: Word) -> int:
    """Optional parts of Linux that this kernel was built without (CONFIG_… unset)."""
    raise SyscallError(Errno.ENOSYS)


@syscall(
    "uselib", "ustat", "sysfs", "_sysctl", "create_module", "get_kernel_syms", "query_module", "nfsservctl",
    "getpmsg", "putpmsg", "afs_syscall", "tuxcall", "security", "epoll_ctl_old", "epoll_wait_old", "vserver",
    "break", "stty", "gtty", "ftime", "prof", "lock", "mpx", "ulimit", "profil", "idle", "bdflush",
    support="refused", note="Linux itself has only the number",
)  # fmt: skip
def historic(thread: Thread, first: Word) -> int:
    """Numbers whose calls Linux never had or has removed (sys_ni_syscall)."""
    raise SyscallError(Errno.ENOSYS)


@syscall("restart_syscall")
def restart_syscall(thread: Thread) -> int:
    """restart_syscall(2): called by a program itself, EINTR."""
    raise SyscallError(Errno.EINTR)


@syscall("ioprio_set", "ioprio_get")
def ioprio(thread: Thread, which: Int, who: Int) -> int:
    """I/O priorities change nothing here."""
    return 0


@syscall("sched_setattr", "sched_getattr")
def sched_attributes(thread: Thread, first: Word) -> int:
    """Deadline scheduling needs privilege."""
    raise SyscallError(Errno.EPERM)

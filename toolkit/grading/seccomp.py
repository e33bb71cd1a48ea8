"""A seccomp filter: this process may from now on make only the system calls that computing and answering need.

Everything else fails with EPERM: sockets, new processes and threads, exec, ptrace, opening for writing, and what is
yet to be invented. The filter is classic BPF as seccomp(2) takes it, written out by hand for x86-64 and aarch64.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from dataclasses import dataclass

_SET_MODE_FILTER, _ALL_THREADS = 1, 1  # SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC
_NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS
_ALLOW, _KILL, _REFUSE = (
    0x7FFF0000,
    0x80000000,
    0x00050000 | 1,
)  # SECCOMP_RET_ALLOW, …KILL_PROCESS, …ERRNO EPERM
_LOAD, _EQUAL, _ANY_BIT, _RETURN = (
    0x20,
    0x15,
    0x45,
    0x06,
)  # BPF_LD+W+ABS, BPF_JMP+JEQ+K, BPF_JMP+JSET+K, BPF_RET+K
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

# By name → x86-64's number, aarch64's number (None: it has no such call).
_ALLOWED: dict[str, tuple[int | None, int]] = {
    "read": (0, 63),
    "write": (1, 64),
    "readv": (19, 65),
    "writev": (20, 66),
    "pread64": (17, 67),
    "close": (3, 57),
    "lseek": (8, 62),
    "stat": (4, 79),
    "fstat": (5, 80),
    "lstat": (6, 79),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "readlink": (89, 78),
    "readlinkat": (267, 78),
    "access": (21, 48),
    "faccessat": (269, 48),
    "getdents64": (217, 61),
    "getcwd": (79, 17),
    "poll": (7, 73),
    "ppoll": (271, 73),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "brk": (12, 214),
    "membarrier": (324, 283),
    "futex": (202, 98),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "restart_syscall": (219, 128),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "clock_gettime": (228, 113),
    "gettimeofday": (96, 169),
    "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "gettid": (186, 178),
    "getrandom": (318, 278),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
# The flag that any of them sets makes the opening one for writing: O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND, __O_TMPFILE.
_WRITING = 0o1 | 0o2 | 0o100 | 0o1000 | 0o2000 | 0o20000000


@dataclass(frozen=True)
class _Architecture:
    audit: int  # AUDIT_ARCH_…
    column: int  # of _ALLOWED
    seccomp: int
    opens: tuple[tuple[int, int], ...]  # call → which argument holds the flags
    tgkill: int


_ARCHITECTURES = {
    "x86_64": _Architecture(0xC000003E, 0, 317, ((2, 1), (257, 2)), 234),
    "aarch64": _Architecture(0xC00000B7, 1, 277, ((56, 2),), 131),
}


def architecture() -> str | None:
    """This host's name among those that a filter is known for, else None."""
    name = platform.machine()
    wide = sys.maxsize > 1 << 32
    return name if sys.platform.startswith("linux") and wide and name in _ARCHITECTURES else None


def build_filter(name: str, process: int) -> bytes:
    """The filter's instructions (struct sock_filter) for an architecture; ``process`` may send itself signals (abort(3))."""
    here = _ARCHITECTURES[name]
    code = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, here.audit), (_RETURN, 0, 0, _KILL)]
    code.append((_LOAD, 0, 0, _NUMBER))
    for call, argument in here.opens:
        code += [
            (_EQUAL, 0, 4, call),
            (_LOAD, 0, 0, _ARGUMENTS + 8 * argument),
            (_ANY_BIT, 0, 1, _WRITING),
            (_RETURN, 0, 0, _REFUSE),
            (_RETURN, 0, 0, _ALLOW),
        ]
    code += [
        (_EQUAL, 0, 4, here.tgkill),
        (_LOAD, 0, 0, _ARGUMENTS),
        (_EQUAL, 1, 0, process),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    numbers = {numbers[here.column] for numbers in _ALLOWED.values()} - {None}
    for number in sorted(number for number in numbers if number is not None):
        code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    code.append((_RETURN, 0, 0, _REFUSE))
    return b"".join(struct.pack("=HBBI", *each) for each in code)


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


def filter_calls() -> str | None:
    """Put the filter in force for every thread of this process, for ever; what ``doctor`` calls it, None where it can't be."""
    name = architecture()
    if name is None:
        return None
    code = build_filter(name, os.getpid())
    program = _Program(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        return None
    done = libc.syscall(
        _ARCHITECTURES[name].seccomp,
        ctypes.c_uint32(_SET_MODE_FILTER),
        ctypes.c_uint32(_ALL_THREADS),
        ctypes.byref(program),
    )
    return "seccomp" if done == 0 else None

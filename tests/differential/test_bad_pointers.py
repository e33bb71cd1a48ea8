"""Each pointer of each system call: wild, half mapped, read-only, misaligned. The same errno natively and here."""

from __future__ import annotations

import difflib
import subprocess
from pathlib import Path

import pytest

from toolkit.kernel.kernel import Kernel
from toolkit.kernel.syscalls import DECLARATIONS, Declaration, load_families
from toolkit.kernel.syscalls.arguments import Buffer, Descriptor, Hexadecimal, PathText
from toolkit.machine.cpu import Machine
from toolkit.personality.linux_x86_64 import PERSONALITY

SOURCE = Path(__file__).parent / "memory" / "pointers.c"

pytestmark = pytest.mark.differential

LEFT_OUT = {
    "brk", "mmap", "mprotect", "munmap", "mremap", "msync", "madvise", "mlock", "munlock", "mlock2", "pkey_mprotect",
    "shmat", "shmdt",  # addresses, not pointers
    "clone", "clone3",  # the child would go on in this program
    "set_robust_list", "set_tid_address", "rseq",  # followed when the thread ends
    "seccomp",  # strict mode kills the child
    "timer_create",  # the kernel's numbers of timers go on from one process to the next
}  # fmt: skip
VALUES: dict[str, dict[str, int]] = {
    "": {"count": 1, "size": 8, "length": 16, "fd": 3, "source": 6, "out": 3},
    "read": {"count": 64},
    "write": {"count": 64},
    "pread64": {"count": 64},
    "pwrite64": {"count": 64},
    "getdents": {"fd": 8, "count": 1024},
    "getdents64": {"fd": 8, "count": 1024},
    "epoll_ctl": {"epoll": 4, "operation": 1, "fd": 6},
    "epoll_wait": {"epoll": 4, "limit": 4},
    "epoll_pwait": {"epoll": 4, "limit": 4},
    "epoll_pwait2": {"epoll": 4, "limit": 4},
    "timerfd_settime": {"fd": 5},
    "timerfd_gettime": {"fd": 5},
    "rt_sigaction": {"signal": 10},
    "rt_sigqueueinfo": {"pid": 1},
    "openat": {"directory": -100},
    "getcwd": {"size": 4096},
    "readlink": {"size": 64},
    "readlinkat": {"size": 64},
    "sendfile": {"source": 3, "out": 7},
    "copy_file_range": {"source": 3, "out": 3},
    "select": {"count": 8},
    "pselect6": {"count": 8},
    "openat2": {"size": 24},
    "sched_setattr": {"size": 0},
    "mincore": {"address": 0x1000000000, "length": 4096},
    "getgroups": {"size": 16},
    "setgroups": {"size": 1},
    "msgrcv": {"flags": 0o4000},
    "ioctl": {"fd": 6, "request": 0x541B},
    "prlimit64": {"resource": 7},
    "getrlimit": {"resource": 7},
    "setrlimit": {"resource": 7},
    "memfd_create": {},
    "waitid": {},
}
"""Values that let a call come as far as its pointers, by argument; "" is for all calls."""


def rows() -> list[str]:
    """Initialisers of struct row: one for each pointer of each call this kernel has."""
    load_families()
    found: list[str] = []
    for number, name in sorted(PERSONALITY.syscall_names.items()):
        declaration = DECLARATIONS.get((PERSONALITY.name, name)) or DECLARATIONS.get((None, name))
        if declaration is None or declaration.support == "refused" or name in LEFT_OUT:
            continue
        for index, (argument, kind) in enumerate(declaration.arguments):
            if is_pointer(name, argument, kind):
                values = ", ".join(value_of(declaration, place, index) for place in range(6))
                found.append(f'{{ "{name}", "{argument}", {number}, {{ {values} }} }},')
    return found


def is_pointer(call: str, argument: str, kind: object) -> bool:
    if isinstance(kind, PathText | Buffer):
        return True
    plain = {("fcntl", "argument"), ("prctl", "second"), ("semctl", "argument"), ("mincore", "address")}
    return isinstance(kind, Hexadecimal) and argument != "first" and (call, argument) not in plain


def value_of(declaration: Declaration, place: int, bad: int) -> str:
    if place >= len(declaration.arguments):
        return "0"
    name, kind = declaration.arguments[place]
    if is_pointer(declaration.name, name, kind):
        path = isinstance(kind, PathText) or (declaration.name, name) == ("utimensat", "path")
        return ("BAD" if place == bad else "GOOD") if not path else ("BAD_PATH" if place == bad else "PATH")
    default = -100 if isinstance(kind, Descriptor) and "directory" in name else 0
    return str(VALUES.get(declaration.name, {}).get(name, VALUES[""].get(name, default)))


def test_bad_pointers_give_linux_s_errno(tmp_path: Path) -> None:
    (tmp_path / "rows.h").write_text("\n".join(rows()) + "\n")
    program = tmp_path / "program"
    subprocess.run(
        ["gcc", "-O1", "-static", "-w", f"-I{tmp_path}", "-o", program, SOURCE], check=True, timeout=60
    )
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    tmp_path.chmod(0o755)
    done = subprocess.run(
        ["setarch", "-R", program],
        cwd=home,
        env={},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=100,
    )
    assert done.returncode == 0
    with Kernel(Machine(), uid=0, gid=0) as kernel:
        kernel.spawn(program.read_bytes(), ["./program"], {}, name="program")
        outcome = kernel.run(4_000_000_000)
    assert outcome.exit_code == 0
    lines = done.stdout.decode().splitlines(), outcome.stdout.decode().splitlines()
    assert list(difflib.unified_diff(*lines, "native", "ours", n=0)) == []

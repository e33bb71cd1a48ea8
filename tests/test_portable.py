"""The main job without anything POSIX alone has, and without Keystone: as on Windows, or on an ARM machine.

The modules and functions are hidden in this test's child process and in the worker it starts.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
POSIX_MODULES = (
    "fcntl",
    "resource",
    "pwd",
    "grp",
    "termios",
    "tty",
    "pty",
    "syslog",
    "curses",
    "readline",
    "crypt",
    "spwd",
)
POSIX_FUNCTIONS = [
    "chown",
    "chroot",
    "ctermid",
    "fchmod",
    "fchown",
    "fork",
    "forkpty",
    "getegid",
    "geteuid",
    "getgid",
    "getgroups",
    "getloadavg",
    "getpgid",
    "getpgrp",
    "getpriority",
    "getresuid",
    "getsid",
    "getuid",
    "initgroups",
    "killpg",
    "lchown",
    "major",
    "makedev",
    "memfd_create",
    "mkfifo",
    "mknod",
    "nice",
    "openpty",
    "pathconf",
    "pipe2",
    "posix_fallocate",
    "posix_fadvise",
    "pread",
    "preadv",
    "pwrite",
    "pwritev",
    "sched_getaffinity",
    "sched_yield",
    "sendfile",
    "setegid",
    "seteuid",
    "setgid",
    "setpgid",
    "setpriority",
    "setsid",
    "setuid",
    "statvfs",
    "sync",
    "sysconf",
    "tcgetpgrp",
    "ttyname",
    "uname",
    "wait3",
    "wait4",
    "waitid",
]
"""What os lacks on Windows (of those that the standard library itself does not need here)."""
POSIX_SIGNALS = [
    "SIGALRM",
    "SIGBUS",
    "SIGCHLD",
    "SIGCONT",
    "SIGHUP",
    "SIGPIPE",
    "SIGPROF",
    "SIGQUIT",
    "SIGSTOP",
    "SIGSYS",
    "SIGTRAP",
    "SIGTSTP",
    "SIGUSR1",
    "SIGUSR2",
    "SIGXCPU",
    "SIGXFSZ",
    "alarm",
    "pause",
    "pthread_kill",
    "pthread_sigmask",
    "setitimer",
    "sigpending",
    "sigwait",
]

HIDE = f"""
import sys, os, signal
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {POSIX_MODULES!r} + EXTRA:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden())
for name in list(sys.modules):
    if name.split(".")[0] in {POSIX_MODULES!r} + EXTRA:
        del sys.modules[name]
for name in {POSIX_FUNCTIONS!r}:
    if hasattr(os, name):
        delattr(os, name)
for name in {POSIX_SIGNALS!r}:
    if hasattr(signal, name):
        delattr(signal, name)
import platform
platform.machine = lambda: "riscv64"  # no machine code of ours is for this host
"""

JOB = """
import subprocess
from pathlib import Path
from toolkit.grading.exercise import Course
from toolkit.grading.runner import Choice, grade
from toolkit.grading.sandbox import WorkerSandbox
from toolkit.grading.export import to_json
boot = HIDDEN + "\\nfrom toolkit.grading.worker import main; main()"
course = Course(Path("exercises"))
with WorkerSandbox(command=[sys.executable, "-c", "import sys; sys.path.append(" + repr(str(Path.cwd())) + ")\\n" + boot]) as sandbox:
    report = grade(course.select(TARGETS), Choice(reference=True), sandbox)
sys.stdout.write(to_json(report))
sys.exit(report.exit_status)
"""

TARGETS = [
    f"ch04/{name}"
    for name in (
        *("mappings_loop", "segfault_badaddr", "segfault_readonly", "mmap"),
        *("mmap_write", "brk_heap", "guard_page", "mappings_self"),
    )
]


def grade_with_hidden(*modules: str) -> subprocess.CompletedProcess[str]:
    hide = f"EXTRA = {modules!r}\n{HIDE}"
    return subprocess.run(
        [sys.executable, "-c", f"{hide}\nHIDDEN = {hide!r}\nTARGETS = {TARGETS!r}\n{JOB}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("modules", [(), ("keystone",)], ids=["as on Windows", "as on ARM"])
def test_the_main_job_needs_nothing_of_posix(modules: tuple[str, ...]) -> None:
    result = grade_with_hidden(*modules)
    assert result.returncode == 0, result.stderr or result.stdout


def test_the_result_is_the_same_bytes() -> None:
    """Same submission and seed, same report: whichever encoder and host."""
    with_everything = subprocess.run(
        [sys.executable, "-m", "toolkit", "check", *TARGETS, "--reference", "--format", "json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert with_everything.stdout == grade_with_hidden("keystone").stdout


COMMANDS = [
    ["run", "{folder}/hello.asm"],
    ["run", "--strace", "--file", "in.txt={folder}/hello.asm", "{folder}/hello.asm"],
    ["build", "-o", "{folder}/hello", "{folder}/hello.asm"],
    ["maps", "--at", "syscall:write", "{folder}/hello.asm"],
    ["debug", "--line", "{folder}/hello.asm"],
    ["size", "{folder}/hello"],
    ["list"],
    ["doctor", "--syscalls"],
]
HELLO = """
section .data
text: db "hello", 10
section .text
global _start
_start:
    mov eax, 1
    mov edi, 1
    mov rsi, text
    mov edx, 6
    syscall
    mov eax, 60
    xor edi, edi
    syscall
"""


def test_commands_do_there_what_they_do_here(tmp_path: Path) -> None:
    (tmp_path / "hello.asm").write_text(HELLO)
    commands = [[part.format(folder=tmp_path) for part in command] for command in COMMANDS]
    run = """
import io
from toolkit.cli import cli
for command in COMMANDS:
    print(command, flush=True)
    print(cli.main(command, standalone_mode=False), flush=True)
"""
    outputs = []
    for hide in ("", f"EXTRA = ('keystone',)\n{HIDE}"):
        result = subprocess.run(
            [sys.executable, "-c", f"{hide}\nCOMMANDS = {commands!r}\n{run}"],
            cwd=ROOT,
            input="s 2\nb\nc\n",
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert result.returncode == 0, result.stderr
        outputs.append((result.stdout, result.stderr, (tmp_path / "hello").read_bytes()))
    assert outputs[0] == outputs[1]
    assert "hello\n0" in outputs[0][0]


TEXTS = [
    ["check", "ch04/mmap"],
    ["list"],
    ["show", "ch04/mmap", "--lang", "ru"],
    ["debug", "--line", "exercises/ch04/mmap/mmap.asm"],
]


@pytest.mark.parametrize("command", TEXTS, ids=[command[0] for command in TEXTS])
def test_a_code_page_that_lacks_a_character_breaks_nothing(command: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "toolkit", *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "cp437"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    assert result.returncode in (0, 1)
    assert b"fault of toolkit" not in result.stderr


def test_every_command_can_be_imported() -> None:
    hide = f"EXTRA = ('keystone',)\n{HIDE}"
    code = "import importlib\nfrom toolkit.cli import COMMANDS\n[importlib.import_module('toolkit.cli.' + home) for home, _ in COMMANDS.values()]\nimport toolkit.cli.watch, toolkit.cli.progress_file"
    result = subprocess.run(
        [sys.executable, "-c", f"{hide}\n{code}"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr

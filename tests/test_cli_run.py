"""``toolkit run``: what goes in and comes out of a program besides its standard streams."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.forked import toolkit
from tests.test_cli import COPY, CRASH, HELLO, ROOT

CAT = """\
global _start
section .bss
buffer: resb 100
section .text
_start:
    mov rdi, [rsp + 16]
    mov eax, 2
    xor esi, esi
    syscall
    test eax, eax
    js .fail
    mov edi, eax
    xor eax, eax
    mov rsi, buffer
    mov edx, 100
    syscall
    mov edx, eax
    mov eax, 1
    mov edi, 1
    mov rsi, buffer
    syscall
    xor edi, edi
    mov eax, 60
    syscall
.fail:
    mov edi, 1
    mov eax, 60
    syscall
"""
CREATE = """\
global _start
section .data
name: db "/made.txt", 0
section .text
_start:
    mov eax, 2
    mov rdi, name
    mov esi, 0x41
    mov edx, 0x1a4
    syscall
    mov edi, eax
    mov eax, 1
    mov rsi, name
    mov edx, 5
    syscall
    mov eax, 60
    xor edi, edi
    syscall
"""
PRINT_ENVIRONMENT = """\
global _start
section .text
_start:
    mov rsi, [rsp + 24]     ; envp[0]
    mov eax, 1
    mov edi, 1
    mov edx, 3
    syscall
    mov eax, 60
    xor edi, edi
    syscall
"""
LOOP = "global _start\nsection .text\n_start: jmp _start\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sources = {
        "cat": CAT,
        "create": CREATE,
        "env": PRINT_ENVIRONMENT,
        "loop": LOOP,
        "crash": CRASH,
        "hello": HELLO,
    }
    for name, text in sources.items():
        (tmp_path / f"{name}.asm").write_text(text)
    return tmp_path


def test_a_host_file_is_seen_under_the_name_given(folder: Path) -> None:
    (folder / "secret").write_text("for the program\n")
    assert toolkit("run", "cat.asm", "data.txt", cwd=folder).returncode == 1
    given = toolkit("run", "--file", "data.txt=secret", "cat.asm", "data.txt", cwd=folder)
    assert (given.returncode, given.stdout) == (0, b"for the program\n")


def test_the_environment_is_what_is_said(folder: Path) -> None:
    assert toolkit("run", "--env", "A=b", "env.asm", cwd=folder, HOME="/x").stdout == b"A=b"


def test_a_root_is_read_only_unless_write(folder: Path) -> None:
    (folder / "root").mkdir()
    (folder / "root" / "in.txt").write_text("in the root")
    read = toolkit("run", "--root", "root", "cat.asm", "/in.txt", cwd=folder)
    assert (read.returncode, read.stdout) == (0, b"in the root")
    toolkit("run", "--root", "root", "create.asm", cwd=folder)
    assert not (folder / "root" / "made.txt").exists()
    toolkit("run", "--root", "root", "--write", "create.asm", cwd=folder)
    assert (folder / "root" / "made.txt").exists()


CHANGES = """
%macro call 1-4 0, 0, 0
    mov eax, %1
    mov rdi, %2
    mov rsi, %3
    mov rdx, %4
    syscall
%endmacro
section .data
old: db "/old", 0
kept: db "/kept", 0
gone: db "/gone", 0
moved: db "/sub/moved", 0
folder: db "/new", 0
inner: db "/new/inner", 0
link: db "/link", 0
own: db "own", 0
text: db "text"
section .text
global _start
_start:
    call 2, old, 0x401              ; open(O_WRONLY | O_APPEND), write, close
    mov ebx, eax
    call 1, rbx, text, 4
    call 3, rbx
    call 2, kept, 0
    call 90, kept, 0o600            ; chmod
    call 87, gone                   ; unlink
    call 82, old, moved             ; rename
    call 83, folder, 0o755          ; mkdir
    call 85, inner, 0o640           ; creat
    mov ebx, eax
    call 1, rbx, text, 4
    call 88, kept, link             ; symlink
    call 85, own, 0o644             ; in the program's own directory
    call 60
"""


@pytest.mark.skipif(os.name == "nt", reason="permissions and links")
def test_what_is_brought_back_is_what_the_program_did(folder: Path) -> None:
    (folder / "changes.asm").write_text(CHANGES)
    root = folder / "root"
    (root / "sub").mkdir(parents=True)
    for name in ("old", "kept", "gone", "untouched"):
        (root / name).write_text(name)
    (root / "kept").chmod(0o644)
    result = toolkit("run", "--root", "root", "--write", "changes.asm", cwd=folder)
    assert (result.returncode, result.stderr) == (0, b"")
    left = {str(each.relative_to(root)) for each in root.rglob("*")}
    own = {"home", "home/student", "home/student/own"}
    assert left - own == {"kept", "untouched", "sub", "sub/moved", "new", "new/inner", "link"}
    assert left >= own
    assert (root / "sub" / "moved").read_text() == "oldtext"
    assert (root / "new" / "inner").stat().st_mode & 0o777 == 0o640 & ~0o022
    assert (root / "kept").stat().st_mode & 0o777 == 0o600
    assert os.readlink(root / "link") == "/kept"


STREAMS = [
    ("exec toolkit run cat.asm <&-", 1),
    ("exec toolkit run hello.asm >&-", 3),
    ("exec toolkit run hello.asm > /dev/full", 3),
    ("exec toolkit --help >&-", 0),
    ("exec toolkit --help > /dev/full", 3),
    ("exec toolkit list > /dev/full", 3),
    ("exec toolkit nonsense 2> /dev/full", 2),
    ("exec toolkit nonsense > /dev/full 2>&1", 2),
]


@pytest.mark.skipif(sys.platform != "linux", reason="a POSIX shell and /dev/full")
@pytest.mark.parametrize(("line", "status"), STREAMS)
def test_streams_that_are_closed_or_full(folder: Path, line: str, status: int) -> None:
    """The program is told, as natively; nothing of ours takes the place of a closed descriptor."""
    command = line.replace("toolkit", f"{sys.executable} -m toolkit")
    result = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, timeout=60)
    assert (result.returncode, b"internal error" in result.stderr) == (status, False)


def test_memory_that_is_too_small_to_start_in(folder: Path) -> None:
    result = toolkit("run", "--memory", "100K", "hello.asm", cwd=folder)
    assert result.returncode == 139
    assert b"more --memory is needed" in result.stderr


def test_instructions_can_be_limited(folder: Path) -> None:
    result = toolkit("run", "--max-instructions", "1000", "loop.asm", cwd=folder)
    assert result.returncode == 124
    assert result.stderr == b"toolkit: still running after 1,000 instructions, at loop.asm:3\n"


def test_strace(folder: Path) -> None:
    result = toolkit("run", "--strace", "hello.asm", cwd=folder)
    assert result.stdout == b"hello\n"
    first, *rest = result.stderr.decode().splitlines()
    assert re.fullmatch(r'execve\("./hello", \["./hello"\], 0x7f\w+ /\* 0 vars \*/\) += 0', first)
    assert rest == [
        'write(1, "hello\\n", 6)                  = 6',
        "exit(3)                                 = ?",
        "+++ exited with 3 +++",
    ]


def test_evidence_is_saved_as_json(folder: Path) -> None:
    result = toolkit("run", "--save-evidence", "e.json", "hello.asm", cwd=folder)
    assert (result.returncode, result.stdout) == (3, b"hello\n")
    evidence = json.loads((folder / "e.json").read_text())
    assert evidence["exit_code"] == 3
    assert [call["name"] for call in evidence["syscalls"]] == ["write", "exit"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--file", "x"], b"NAME=PATH"),
        (["--file", "x=missing"], b"missing does not exist"),
        (["--env", "x"], b"NAME=VALUE"),
        (["--memory", "much"], b"is no size"),
        (["--root", "missing"], b"is not a directory"),
        (["--write"], b"needs --root"),
    ],
)
def test_options_that_make_no_sense(folder: Path, options: list[str], message: bytes) -> None:
    result = toolkit("run", *options, "hello.asm", cwd=folder)
    assert result.returncode == 2
    assert message in result.stderr


def test_what_is_no_program(folder: Path) -> None:
    (folder / "text").write_text("just text")
    result = toolkit("run", "text", cwd=folder)
    assert result.returncode == 2
    assert b"neither an .asm file nor an ELF program" in result.stderr
    (folder / "damaged").write_bytes(b"\x7fELF" + bytes(200))
    damaged = toolkit("run", "damaged", cwd=folder)
    assert damaged.returncode == 126
    assert b"cannot execute: ENOEXEC" in damaged.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
@pytest.mark.parametrize("name", ["loop", "waiting"])
def test_control_c_is_a_signal_to_the_program(folder: Path, name: str) -> None:
    (folder / "waiting.asm").write_text(COPY)
    process = subprocess.Popen(
        [sys.executable, "-m", "toolkit", "run", f"{name}.asm"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_until_busy(process.pid)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert process.stderr is not None
    assert process.stderr.read() == b""


def wait_until_busy(pid: int) -> None:
    """Until the process has installed its own handler for SIGINT (proc(5), SigCgt, and the wakeup's thread)."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        threads = list(Path(f"/proc/{pid}/task").iterdir()) if Path("/proc").is_dir() else []
        if len(threads) > 1:
            time.sleep(0.3)
            return
        time.sleep(0.05)


def test_maps_pages_and_sizes(folder: Path) -> None:
    assert b"00401000-00402000 r-xp" in toolkit("maps", "hello.asm", cwd=folder).stdout
    assert (
        b"[heap]" not in toolkit("maps", "hello.asm", "--at", "start", "--format", "smaps", cwd=folder).stdout
    )
    assert toolkit("maps", "hello.asm", "--at", "label:gone", cwd=folder).returncode == 1
    assert toolkit("maps", "hello.asm", "--at", "noon", cwd=folder).returncode == 2
    assert b"0x0000000000402000" in toolkit("pages", "hello.asm", "--address", "message", cwd=folder).stdout
    assert toolkit("size", "hello.asm", cwd=folder).stdout.decode().splitlines()[1].split()[:2] == ["39", "6"]
    assert b"start address 0x0000000000401000" in toolkit("objdump", "-f", "hello.asm", cwd=folder).stdout


SEGMENT = """global _start
_start: mov eax, 29
 xor edi, edi
 mov esi, 8000
 mov edx, 0o1640
 syscall
 mov edi, eax
 xor esi, esi
 xor edx, edx
 mov eax, 30
 syscall
 xor edi, edi
 mov eax, 60
 syscall
"""


def test_segments_and_system_calls(folder: Path) -> None:
    (folder / "segment.asm").write_text(SEGMENT)
    table = toolkit("shm", "segment.asm", cwd=folder).stdout.decode().splitlines()
    assert table[0].split()[:6] == ["KEY", "ID", "PERMS", "OWNER", "SIZE", "NATTCH"]
    assert table[1].split()[:6] == ["0x00000000", "0", "rw-r-----", "1000", "7.8K", "1"]
    assert toolkit("shm", "segment.asm", "--at", "start", cwd=folder).stdout == b""
    lines = toolkit("trace", "segment.asm", cwd=folder).stderr.decode().splitlines()
    assert lines[0].startswith('execve("./segment", ["./segment"], 0x7ff')
    assert lines[1] == "shmget(IPC_PRIVATE, 8000, IPC_CREAT|0640) = 0"
    assert lines[-1] == "+++ exited with 0 +++"
    assert b"| 29 | shmget | full | ipc |" in toolkit("doctor", "--syscalls", cwd=folder).stdout


NAMED = {
    "by its name": ("mappings_loop", b""),
    "by its folder": ("exercises/ch04/mappings_loop", b""),
    "by its file": ("exercises/ch04/mappings_loop/mappings_loop.asm", b""),
    "with its other files": ("exercises/ch05/two_files/reference/two_files.asm", b"2026\n"),
    "in its format": ("exercises/ch04/layout32/reference/layout32.asm", b"text  08049000\n"),
    "with its data": ("exercises/ch04/mmap/reference/mmap.asm", b"A file is a row of bytes.\n"),
}


@pytest.mark.parametrize("case", NAMED)
def test_an_exercise_is_run(case: str) -> None:
    name, output = NAMED[case]
    result = toolkit("run", "--no-explain", "--max-instructions", "5000", name, cwd=ROOT)
    assert result.stdout.startswith(output)
    assert b"does not exist" not in result.stderr


def test_no_program_and_no_exercise() -> None:
    result = toolkit("run", "mappings_lop", cwd=ROOT)
    assert (result.returncode, b"did you mean mappings_loop" in result.stderr) == (2, True)

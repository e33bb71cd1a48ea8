"""Programs built by the real nasm, ld and gcc: the same exit, output and maps here and on Linux."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from toolkit.kernel.kernel import Kernel
from toolkit.kernel.outcome import Outcome
from toolkit.machine.cpu import Machine

PROGRAMS = Path(__file__).parent / "programs"
BUDGET = 2_000_000_000

pytestmark = pytest.mark.differential

FAULTS = {
    "exit code": "mov eax, 60\n mov edi, 300\n syscall",
    "exit_group": "mov eax, 231\n mov edi, -1\n syscall",
    "read of null": "mov rax, [0]",
    "read just below the image": "mov al, [0x3fffff]",
    "write to text": "mov byte [rel _start], 1",
    "write to a read-only header page": "mov byte [0x400000], 1",
    "execute data": "mov rax, data\n jmp rax",
    "jump to null": "xor eax, eax\n jmp rax",
    "non-canonical read": "mov rax, 0x8000000000000000\n mov al, [rax]",
    "non-canonical push": "mov rsp, 0x8000000000000000\n push rax",
    "kernel address": "mov rax, 0xffffffff80000000\n mov al, [rax]",
    "divide by zero": "xor ecx, ecx\n div ecx",
    "division overflow": "mov edx, 5\n mov ecx, 1\n div ecx",
    "undefined instruction": "ud2",
    "breakpoint": "int3",
    "single step": "pushf\n or qword [rsp], 0x100\n popf\n nop",
    "privileged hlt": "hlt",
    "privileged in": "in al, 0x60",
    "int 0x81": "int 0x81",
    "misaligned movaps": "mov rax, data + 1\n movaps xmm0, [rax]",
    "stack overflow": "again: push rax\n jmp again",
    "running off the text": "mov rax, 0x401ffe\n jmp rax",
    "kill itself with SIGTERM": "mov eax, 39\n syscall\n mov edi, eax\n mov eax, 62\n mov esi, 15\n syscall",
    "abort": "mov eax, 39\n syscall\n mov edi, eax\n mov eax, 62\n mov esi, 6\n syscall",
    "unknown system call": "mov eax, 9999\n syscall\n neg eax\n mov edi, eax\n mov eax, 60\n syscall",
    "bad descriptor": "mov eax, 1\n mov edi, 77\n syscall\n neg eax\n mov edi, eax\n mov eax, 60\n syscall",
    "bad buffer": "mov eax, 1\n mov edi, 1\n mov esi, 1\n mov edx, 5\n syscall\n neg eax\n mov edi, eax\n mov eax, 60\n syscall",
    "vsyscall time": "mov rax, 0xffffffffff600400\n xor edi, edi\n call rax\n mov edi, 5\n mov eax, 60\n syscall",
    "vsyscall read": "mov rax, 0xffffffffff600000\n mov al, [rax]",
    "int 0x80 in 64-bit code": "mov eax, 1\n mov ebx, 9\n int 0x80",
    "x87 fault": "push 0x340\n fldcw [rsp]\n fld1\n fldz\n fdivp\n fwait",
}


def build_assembly(folder: Path, name: str, body: str) -> Path:
    """nasm and ld."""
    source = folder / f"{name}.asm"
    source.write_text(f'%include "{PROGRAMS / "faults.inc"}"\n{body}\n')
    target = folder / name
    subprocess.run(["nasm", "-f", "elf64", source, "-o", folder / f"{name}.o"], check=True)
    subprocess.run(["ld", "-o", target, folder / f"{name}.o"], check=True)
    return target


def native(program: Path, *arguments: str, where: Path | None = None) -> tuple[int, bytes, bytes]:
    """Run on Linux with randomisation off: status as a shell shows it, stdout, stderr."""
    done = subprocess.run(
        ["setarch", "-R", f"./{program.name}", *arguments],
        cwd=where or program.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin"},
    )
    status = done.returncode if done.returncode >= 0 else 128 - done.returncode
    return status, done.stdout, done.stderr


def emulated(
    machine: Machine, program: Path, *arguments: str, mounts: bool = False, seed: int = 0
) -> Outcome:
    """Run here, as root like the test."""
    with Kernel(
        machine, seed=seed, uid=0, gid=0, mounts={"/": "/"} if mounts else {}, directory="/tmp/here"
    ) as kernel:
        kernel.spawn(
            program.read_bytes(),
            [f"./{program.name}", *arguments],
            {"PATH": "/usr/bin:/bin"},
            name=program.name,
        )
        return kernel.run(BUDGET)


def comparable(text: bytes) -> bytes:
    """Maps without device, inode and directory."""
    return re.sub(rb"(?m)^(\S+ \S{4} \S+) \S+ \d+ +(?:/\S*/)?(.*)$", rb"\1 \2", text)


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine()


@pytest.mark.parametrize("case", FAULTS)
def test_assembly_ends_as_on_linux(case: str, machine: Machine, tmp_path: Path) -> None:
    program = build_assembly(tmp_path, "program", FAULTS[case])
    status, stdout, stderr = native(program)
    outcome = emulated(machine, program)
    assert comparable(outcome.stdout) == comparable(stdout)
    assert (outcome.status, outcome.stderr) == (status, stderr)


C_PROGRAMS = sorted(path.stem for path in PROGRAMS.glob("*.c"))
BUILDS = {
    "glibc static -O0": ["gcc", "-O0", "-static", "-pthread"],
    "glibc static -O2": ["gcc", "-O2", "-static", "-pthread"],
    "glibc static-pie": ["gcc", "-O1", "-static-pie", "-pthread"],
    "glibc dynamic": ["gcc", "-O1", "-pthread"],
    "musl static": ["musl-gcc", "-O1", "-static"],
}


@pytest.mark.slow
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("name", C_PROGRAMS)
def test_c_program_runs_as_on_linux(name: str, build: str, machine: Machine, tmp_path: Path) -> None:
    compiler = BUILDS[build]
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"needs {compiler[0]}")
    program = tmp_path / name
    subprocess.run([*compiler, "-w", "-o", program, PROGRAMS / f"{name}.c"], check=True)
    status, stdout, stderr = native(program)
    outcome = emulated(machine, program, mounts=True)
    assert (outcome.status, outcome.stdout, outcome.stderr) == (status, stdout, stderr)
    assert outcome.unknown_syscalls == ()


def test_initial_stack_is_linux_s(machine: Machine, tmp_path: Path) -> None:
    """Byte for byte but for AT_RANDOM's 16 bytes."""
    source = (
        "mov rsi, rsp\n mov rdx, 0x7ffffffff000\n sub rdx, rsp\n mov edi, 1\n mov eax, 1\n syscall\n"
        "mov eax, 60\n xor edi, edi\n syscall"
    )
    path = tmp_path / "stack"
    (tmp_path / "stack.asm").write_text(f"global _start\nsection .text\n_start:\n{source}\n")
    subprocess.run(["nasm", "-f", "elf64", tmp_path / "stack.asm", "-o", tmp_path / "stack.o"], check=True)
    subprocess.run(["ld", "-o", path, tmp_path / "stack.o"], check=True)
    for arguments in ((), ("one", "two"), tuple("x" * n for n in range(200))):
        _, expected, _ = native(path, *arguments)
        actual = emulated(machine, path, *arguments).stdout
        assert len(actual) == len(expected)
        differing = [
            index for index, pair in enumerate(zip(actual, expected, strict=True)) if pair[0] != pair[1]
        ]
        assert differing
        assert max(differing) - min(differing) < 16


def test_i386_program_runs_as_on_linux(machine: Machine, tmp_path: Path) -> None:
    program = tmp_path / "i386"
    subprocess.run(["nasm", "-f", "elf32", PROGRAMS / "i386.asm", "-o", tmp_path / "i386.o"], check=True)
    subprocess.run(["ld", "-m", "elf_i386", "-o", program, tmp_path / "i386.o"], check=True)
    status, stdout, _ = native(program)
    outcome = emulated(machine, program)
    assert comparable(outcome.stdout) == comparable(stdout)
    assert outcome.status == status


COMMANDS = {
    "cat": ["/bin/cat", "/etc/passwd"],
    "ls -l": ["/bin/ls", "-l", "/usr/bin/yes", "/usr/bin/env"],
    "sha256sum": ["/usr/bin/sha256sum", "/usr/bin/env"],
    "sort": ["/usr/bin/sort", "-r", "/etc/passwd"],
    "gzip": ["/bin/sh", "-c", "gzip -c < /etc/passwd | gzip -d"],
    "bash": [
        "/bin/bash",
        "-c",
        "echo $((6*7)); for i in a b; do echo $i; done | sort -r; diff <(echo a) <(echo b); exit 4",
    ],
    "background": ["/bin/bash", "-c", "for i in 1 2 3; do (exit $i) & wait $!; echo $?; done; kill -SEGV $$"],
    "trap": ["/bin/sh", "-c", 'trap "echo got" USR1; kill -USR1 $$; (sleep 1; echo bg) & wait; kill -9 $$'],
    "busybox": [
        "/bin/busybox",
        "sh",
        "-c",
        "echo hi | busybox tr a-z A-Z; busybox seq 50 | busybox sort -rn | busybox head -3",
    ],
    "awk": ["/usr/bin/awk", 'BEGIN { for (i = 0; i < 5; i++) s += i * i; printf "%d %.3f\\n", s, exp(1) }'],
    "perl": ["/usr/bin/perl", "-e", 'my $p = fork; exit 3 unless $p; wait; print $? >> 8, "\\n"'],
    "python": ["/usr/bin/python3", "-S", "-c", "print(6*7)"],
    "timeout": ["/usr/bin/timeout", "1", "sleep", "5"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_installed_program_runs_as_on_linux(name: str, machine: Machine) -> None:
    command = COMMANDS[name]
    if not Path(command[0]).exists():
        pytest.skip(f"needs {command[0]}")
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["setarch", "-R", *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        env=environment,
        cwd="/tmp",
    )
    with Kernel(machine, uid=0, gid=0, mounts={"/": "/"}, directory="/tmp") as kernel:
        kernel.spawn(command[0], command, environment)
        outcome = kernel.run()
    status = done.returncode if done.returncode >= 0 else 128 - done.returncode
    assert (outcome.stdout, outcome.stderr, outcome.status) == (done.stdout, done.stderr, status)
    assert outcome.unknown_syscalls == ()


@pytest.mark.slow
def test_dynamic_program_has_linux_s_map(machine: Machine) -> None:
    """`cat /proc/self/maps`: every area, in order, text for text but for device and inode."""
    environment = {"PATH": "/usr/bin:/bin"}
    command = ["/usr/bin/cat", "/proc/self/maps"]
    expected = subprocess.run(
        ["setarch", "-R", *command], capture_output=True, env=environment, cwd="/tmp"
    ).stdout
    with Kernel(machine, uid=0, gid=0, mounts={"/": "/"}, directory="/tmp") as kernel:
        kernel.spawn(command[0], command, environment)
        actual = kernel.run().stdout
    assert comparable(actual) == comparable(expected)

"""Real programs run unchanged: the host's own binaries, and what its compilers make, with output as on Linux."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.differential.test_programs import native
from toolkit.kernel.clock import NANOSECONDS, Clock
from toolkit.kernel.kernel import Kernel
from toolkit.kernel.outcome import Outcome
from toolkit.machine.cpu import Machine

SOURCES = Path(__file__).parent / "binaries"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
UPTIME = 1_000

pytestmark = pytest.mark.differential


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine()


APPLETS = (
    "seq 1 20 | grep 1 | sort -rn | head -4 | awk '{s+=$1} END {print s}'; ls /etc/passwd | wc -l; echo abc | tr a-c A-C |"
    " sed s/B/x/ | md5sum; printf '%s\\n' b a | sort | xargs echo; date -u -d @0; expr 3 + 4; cut -d: -f1 /etc/passwd |"
    " tail -1; echo hi | od -c; test -f /etc/passwd && echo yes; for i in 1 2 3; do echo $((i * i)); done; (exit 5); echo $?"
)
COMMANDS: dict[str, list[str]] = {
    "cat": ["/bin/cat", "/etc/passwd"],
    "sort": ["/usr/bin/sort", "-r", "/etc/passwd"],
    "ls": ["/bin/ls", "-l", "/usr/include/linux/netfilter"],
    "sed": ["/bin/sed", "s/root/toor/", "/etc/passwd"],
    "grep": ["/bin/grep", "-c", "root", "/etc/passwd"],
    "awk": ["/usr/bin/awk", "BEGIN { for (i = 0; i < 5; i++) print i * i }"],
    "missing file": ["/bin/cat", "/nonexistent"],
    "false": ["/bin/false"],
}
SLOW_COMMANDS: dict[str, list[str]] = {
    "sha256sum": ["/usr/bin/sha256sum", "/usr/bin/ls"],
    "gzip": ["/bin/sh", "-c", "gzip -c < /etc/passwd | gzip -d"],
    "bash": [
        "/bin/bash",
        "-c",
        "for i in 1 2 3; do echo $i; done; x=$(ls / | head -3); echo $x; (exit 3); echo $?",
    ],
    "busybox": ["/usr/bin/busybox", "sh", "-c", APPLETS],
    "tar": ["/bin/sh", "-c", "tar cf - -C /usr/include/linux netfilter | tar tf - | sort | tail -5"],
    "diff": ["/bin/sh", "-c", "diff /etc/passwd /etc/group; echo $?"],
    "perl": ["/usr/bin/perl", "-e", "print 6*7, qq(\\n)"],
    "python": ["/usr/bin/python3", "-S", "-c", "print(6*7)"],
}


def run_here(machine: Machine, command: list[str]) -> Outcome:
    """The host's binary on this kernel, at the host's date, as root."""
    clock = Clock(int(time.time() - UPTIME) * NANOSECONDS, UPTIME * NANOSECONDS)
    with Kernel(machine, uid=0, gid=0, mounts={"/": "/"}, directory="/", clock=clock) as kernel:
        kernel.spawn(command[0], command, ENVIRONMENT)
        return kernel.run()


def run_there(command: list[str]) -> tuple[int, bytes, bytes]:
    """The same on Linux."""
    done = subprocess.run(
        ["setarch", "-R", *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=ENVIRONMENT,
        cwd="/",
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def compare(machine: Machine, command: list[str]) -> None:
    """Equal status and output, and no system call missing."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}")
    outcome = run_here(machine, command)
    assert (outcome.status, outcome.stdout, outcome.stderr) == run_there(command)
    assert outcome.unknown_syscalls == ()


@pytest.mark.parametrize("name", COMMANDS)
def test_command(name: str, machine: Machine) -> None:
    compare(machine, COMMANDS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW_COMMANDS)
def test_slow_command(name: str, machine: Machine) -> None:
    compare(machine, SLOW_COMMANDS[name])


def test_areas_of_cat_are_in_the_native_order(machine: Machine) -> None:
    """Also their addresses, rights, offsets and names; device and inode numbers aside."""
    command = ["/bin/cat", "/proc/self/maps"]
    pattern = re.compile(rb"(?m)^(\S+ \S+ \S+) \S+ \d+ *")
    ours, theirs = (
        pattern.sub(rb"\1 ", text) for text in (run_here(machine, command).stdout, run_there(command)[1])
    )
    assert ours.splitlines() == theirs.splitlines()


BUILDS = {
    "glibc static -O0": ["gcc", "-O0", "-static"],
    "glibc static -O2": ["gcc", "-O2", "-static"],
    "glibc dynamic -O0": ["gcc", "-O0"],
    "glibc dynamic -O2": ["gcc", "-O2"],
    "musl static -O0": ["musl-gcc", "-O0", "-static"],
    "musl static -O2": ["musl-gcc", "-O2", "-static"],
    "musl dynamic -O2": ["musl-gcc", "-O2"],
    "i386 static -O0": ["gcc", "-m32", "-O0", "-static"],
    "i386 static -O2": ["gcc", "-m32", "-O2", "-static"],
    "i386 dynamic -O2": ["gcc", "-m32", "-O2"],
    "i386 no PIE": ["gcc", "-m32", "-O1", "-no-pie"],
}


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("name", ["library", "testmap"])
def test_compiled(name: str, build: str, machine: Machine, tmp_path: Path) -> None:
    if shutil.which(BUILDS[build][0]) is None:
        pytest.skip(f"needs {BUILDS[build][0]}")
    program = tmp_path / name
    subprocess.run(
        [
            *BUILDS[build],
            "-w",
            "-fno-pie" if "no PIE" in build else "-w",
            "-o",
            program,
            SOURCES / f"{name}.c",
            "-lm",
        ],
        check=True,
    )
    status, stdout, stderr = native(program, "one", "two")
    # In the same directory: glibc keeps the path of /proc/self/exe on the heap.
    with Kernel(machine, uid=0, gid=0, mounts={"/": "/"}, directory=str(tmp_path)) as kernel:
        arguments = [f"./{name}", "one", "two"]
        kernel.spawn(program.read_bytes(), arguments, {"PATH": "/usr/bin:/bin"}, name=name)
        outcome = kernel.run()
    assert outcome.stdout.decode() == stdout.decode()
    assert (outcome.status, outcome.stderr) == (status, stderr)
    assert outcome.unknown_syscalls == ()

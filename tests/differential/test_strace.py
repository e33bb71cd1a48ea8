"""`toolkit trace` beside `strace -f`: the same lines for the same program, but for addresses, process numbers and chance.

Lines of several processes come in an order that chance decides natively: they are compared process by process, calls
told in two lines joined.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.differential.strace_programs import ASSEMBLY, DATA, HEAD, C
from toolkit.kernel.kernel import Kernel
from toolkit.machine.cpu import Machine
from toolkit.views.activity import render_trace

pytestmark = [
    pytest.mark.differential,
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace"),
]

UNFINISHED = re.compile(r"^(.*?) <unfinished \.\.\.>$")
RESUMED = re.compile(r"^<\.\.\. \w+ resumed>(.*)$")


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine()


def by_process(text: str) -> list[list[str]]:
    """Lines of each process in the order in which the processes appear; each line without its number."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        number, _, rest = line.partition(" ")
        lines = found.setdefault(number, [])
        resumed = RESUMED.match(rest.strip())
        if resumed:
            lines[-1] += resumed.group(1)
            continue
        unfinished = UNFINISHED.match(rest.strip())
        lines.append(unfinished.group(1) if unfinished else rest.strip())
    numbers = list(found)
    return [children_last([comparable(line, numbers) for line in lines]) for lines in found.values()]


def children_last(lines: list[str]) -> list[str]:
    """SIGCHLD comes when the child's end and the scheduler have it: its lines are compared behind the others."""
    told = [line for line in lines if line.startswith("--- SIGCHLD ")]
    return [line for line in lines if line not in told] + told


def comparable(line: str, numbers: list[str]) -> str:
    """A line without what differs from run to run."""
    line = re.sub(r"0x[0-9a-f]{5,}", "ADDRESS", line)
    for index, number in enumerate(numbers):
        line = re.sub(rf"\b{number}\b", f"P{index}", line)
    line = re.sub(r'^getrandom\("[^"]*"', "getrandom(BYTES", line)
    line = re.sub(r"si_[us]time=\d+( /\* [\d.]+ s \*/)?", "TIME", line)
    line = re.sub(r"left \{tv_sec=0, tv_[un]sec=\d+\}", "LEFT", line)
    line = re.sub(r"^((?:shm|sem|msg)\w+)\(\d+,", r"\1(ID,", line)
    line = re.sub(r"^(shmget.*|semget.*|msgget.*) = \d+$", r"\1 = ID", line)
    line = re.sub(r'^(readlink\("/proc/self/exe", ).*', r"\1", line)
    return re.sub(r"[ \t]+", " ", line)


def native_lines(program: Path) -> list[list[str]]:
    """What strace says, from behind the execve that started the program."""
    output = program.parent / "strace.out"
    subprocess.run(
        ["setarch", "-R", "env", "-i", shutil.which("strace") or "", "-f", "-o", output, f"./{program.name}"],
        cwd=program.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    text = output.read_text()
    return by_process(text.partition("\n")[2])


def our_lines(machine: Machine, program: Path) -> list[list[str]]:
    """What this kernel's trace says."""
    with Kernel(machine, uid=0, gid=0, directory="/tmp/here", trace=True) as kernel:
        kernel.spawn(program.read_bytes(), [f"./{program.name}"], {}, name=program.name)
        outcome = kernel.run(10**9)
    text = render_trace(outcome.trace, pids=True)
    joined = re.sub(r"strace: Process \d+ attached\n", "", text)
    lines = [re.sub(r"^\[pid +(\d+)\] ", r"\1 ", line) for line in joined.splitlines()]
    return by_process("\n".join(lines))


def show(lines: list[list[str]]) -> str:
    """One text, for a readable difference."""
    return "\n--\n".join("\n".join(each) for each in lines)


@pytest.mark.parametrize("case", ASSEMBLY)
def test_assembly(case: str, machine: Machine, tmp_path: Path) -> None:
    source, program = tmp_path / "program.asm", tmp_path / "program"
    body = ASSEMBLY[case]
    source.write_text(f"global _start\n{DATA}_start:\n{body}\n")
    subprocess.run(["nasm", "-f", "elf64", source, "-o", tmp_path / "program.o"], check=True)
    subprocess.run(["ld", "-o", program, tmp_path / "program.o"], check=True)
    assert show(our_lines(machine, program)) == show(native_lines(program))


@pytest.mark.parametrize("case", C)
def test_c_program(case: str, machine: Machine, tmp_path: Path) -> None:
    source, program = tmp_path / "program.c", tmp_path / "program"
    source.write_text(f"{HEAD}int main(void) {{ {C[case]} return 0; }}\n")
    subprocess.run(["gcc", "-w", "-O0", "-static", "-pthread", "-o", program, source], check=True)
    assert show(our_lines(machine, program)) == show(native_lines(program))

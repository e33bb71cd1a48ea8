"""Programs about memory: exit, output, smaps, status and statm at the end are the same natively and here."""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from host import has_protection_keys
from memory_programs import SCRIPTS, assembly

from toolkit.kernel.fs import procfs_memory
from toolkit.kernel.kernel import Kernel
from toolkit.kernel.mm.space import AddressSpace
from toolkit.machine.cpu import Machine

pytestmark = pytest.mark.differential

ATTEMPTS = 3
"""A sync anywhere on the machine cleans pages just before they are looked at; then the native run is repeated."""

CONTENT = bytes(index * 7 % 251 for index in range(6 * 4096 - 1000))


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All programs, assembled and linked."""
    folder = tmp_path_factory.mktemp("programs")
    for number, script in enumerate(SCRIPTS.values()):
        (folder / f"p{number}.asm").write_text(assembly(script))
    command = (
        "for f in p*.asm; do b=${f%.asm}; nasm -f elf64 $f -o $b.o && ld -o $b $b.o || exit 1; done; sync"
    )
    subprocess.run(["sh", "-c", command], cwd=folder, check=True, timeout=120)
    return folder


def write_data(folder: Path) -> None:
    """The file the programs map, page by page, so that the native page cache holds it in single pages."""
    descriptor = os.open(folder / "data", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for start in range(0, len(CONTENT), 4096):
        os.write(descriptor, CONTENT[start : start + 4096])
    os.fsync(descriptor)
    os.close(descriptor)


def native(folder: Path, program: Path) -> tuple[int, bytes, str]:
    """Exit status (negative: the signal), output, and the memory files of /proc while the program waits at its end."""
    write_data(folder)
    process = subprocess.Popen(
        [shutil.which("setarch") or "setarch", "-R", program],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    output, smaps = b"", ""
    while not output.endswith(b"#\n") and (more := os.read(process.stdout.fileno(), 65536)):
        output += more
    if output.endswith(b"#\n"):
        while Path(f"/proc/{process.pid}/syscall").read_text().split()[0] != "0":
            time.sleep(0.0005)
        smaps = Path(f"/proc/{process.pid}/smaps").read_text()
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines(keepends=True)
        smaps += "".join(line for line in lines if line.startswith(("Vm", "Rss", "Huge")))
        smaps += Path(f"/proc/{process.pid}/statm").read_text()
    process.stdin.close()
    output += process.stdout.read()
    process.stdout.close()
    return process.wait(timeout=20), output, smaps


def everything(space: AddressSpace) -> str:
    """smaps, the Vm and Rss lines of status, statm."""
    return procfs_memory.smaps(space) + procfs_memory.status_lines(space) + procfs_memory.statm(space)


def ours(machine: Machine, program: bytes) -> tuple[int, bytes, str]:
    """The same from the emulated kernel."""
    smaps: list[str] = []
    with Kernel(machine, files={"data": CONTENT}, uid=0, gid=0) as kernel:
        kernel.frames.protection_keys = has_protection_keys()
        process = kernel.spawn(program, name="program")
        kernel.at("syscall:read", lambda stop: smaps.append(everything(process.memory)))
        outcome = kernel.run(50_000_000)
        status = outcome.exit_code if outcome.exit_code is not None else -int(outcome.signal or 0)
        return status, outcome.stdout, smaps[-1] if smaps else ""


def comparable(smaps: str) -> str:
    """What must agree: not devices, inodes, folders."""
    text = re.sub(r"(?m)^(\w+-\w+ .... \w+) \S+ \d+ +", r"\1 ", smaps)
    text = re.sub(r" /\S*/(\S+)", r" \1", text)
    text = re.sub(r"(?m)^(\S+ \S+ \S+) p(?:\d+|rogram)$", r"\1 program", text)
    # Linux counts resident pages for each CPU apart, so its peak lags behind.
    text = re.sub(r"(?m)^VmHWM:.*\n", "", text)
    # Linux marks a page as lazily freed only when a batch of such pages is worked off.
    text = re.sub(r"(?m)^LazyFree:.*\n", "", text)
    return re.sub(r"(?m)[ \t]+$", "", text)


@pytest.mark.parametrize("name", SCRIPTS)
def test_program(name: str, built: Path, machine: Machine, tmp_path: Path) -> None:
    program = built / f"p{list(SCRIPTS).index(name)}"
    our_status, our_output, our_state = ours(machine, program.read_bytes())
    difference: list[str] = []
    for _ in range(ATTEMPTS):
        status, output, state = native(tmp_path, program)
        assert (our_status, our_output) == (status, output), SCRIPTS[name]
        lines = comparable(state).splitlines(), comparable(our_state).splitlines()
        difference = list(difflib.unified_diff(*lines, "native", "ours", n=14))
        if not difference:
            return
    raise AssertionError(SCRIPTS[name] + "\n" + "\n".join(difference))

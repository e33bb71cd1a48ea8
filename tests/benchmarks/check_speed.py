"""How fast the main job is, beside native nasm, ld and Linux in the same run: ``python tests/benchmarks/check_speed.py``.

Every figure is the best of several: what the machine can do, not what else it was doing. With ``--strict`` the exit status is 1
when a target is missed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHAPTER = ROOT / "exercises" / "ch04"
EIGHT = (
    *("mappings_loop", "segfault_badaddr", "segfault_readonly", "mmap"),
    *("mmap_write", "brk_heap", "guard_page", "mappings_self"),
)
TOOLKIT = [sys.executable, "-m", "toolkit"]


@dataclass(frozen=True)
class Row:
    """One line of the table; times in seconds, ``native`` is ``None`` where there is no counterpart."""

    what: str
    ours: float
    native: float | None
    native_what: str
    target: float

    def __str__(self) -> str:
        native = f"{show(self.native):>9} {self.native_what}" if self.native is not None else ""
        verdict = "ok" if self.ours <= self.target else "MISSED"
        return f"{self.what:<52} {show(self.ours):>9}  target {show(self.target):>8}  {verdict:<6}  {native}"


def show(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{seconds * 1000:.2f} ms"


def best(action: Callable[[], object], times: int) -> float:
    """The shortest of several runs, in seconds."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        found.append(time.perf_counter() - began)
    return min(found)


def process(arguments: list[str], expected: int | None = 0, stdin: bytes = b"") -> Callable[[], object]:
    """An action that runs a whole process and holds it to its exit status."""

    def run() -> None:
        status = subprocess.run(arguments, cwd=ROOT, input=stdin, capture_output=True).returncode
        assert expected is None or status == expected, (arguments, status)

    return run


def help_row() -> Row:
    python = best(process([sys.executable, "-c", "pass"]), 5)
    return Row(
        "toolkit --help, whole process",
        best(process([*TOOLKIT, "--help"]), 5),
        python,
        "python -c pass",
        0.15,
    )


def check_row(folder: Path) -> Row:
    targets = [f"ch04/{name}" for name in EIGHT]
    ours = best(process([*TOOLKIT, "check", *targets, "--reference"]), 3)
    native = best(lambda: [native_exercise(name, folder) for name in EIGHT], 3) if native_tools() else None
    return Row(
        "check of the eight, --reference, whole process", ours, native, "nasm + ld + one run of each", 1.0
    )


def native_exercise(name: str, folder: Path) -> None:
    """Build the reference with nasm and ld and run it once; a looping one is ended."""
    native_build(CHAPTER / name / "reference" / f"{name}.asm", folder / name)
    files = CHAPTER / name / "files"
    if files.is_dir():
        shutil.copytree(files, folder, dirs_exist_ok=True)
    child = subprocess.Popen(
        [folder / name],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        child.wait(0.001 if name == "mappings_loop" else 10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def native_build(source: Path, program: Path) -> None:
    subprocess.run(["nasm", "-f", "elf64", "-o", f"{program}.o", source], check=True, cwd=source.parent)
    subprocess.run(["ld", "-o", program, f"{program}.o"], check=True)


def run_row(folder: Path) -> Row:
    """One more run of an assembled small program in the same worker: request, run and answer."""
    from toolkit.grading.evidence import BuildRequest, Evidence, FileData, RunRequest
    from toolkit.grading.sandbox import WorkerSandbox

    source = folder / "small.asm"
    source.write_text("global _start\nsection .text\n_start: mov eax, 60\n xor edi, edi\n syscall\n")
    request = RunRequest(BuildRequest("small", (FileData("small.asm", source.read_bytes()),)))
    with WorkerSandbox() as sandbox:
        assert isinstance(sandbox.run(request), Evidence)
        ours = best(lambda: sandbox.run(request), 300)
    native = None
    if native_tools():
        native_build(source, folder / "small")
        native = best(process([str(folder / "small")]), 50)
    return Row("one more run in the same worker, with its evidence", ours, native, "a native spawn", 0.0005)


def build_row(folder: Path) -> Row:
    from toolkit.grading.building import build
    from toolkit.grading.evidence import BuildRequest, FileData

    source = CHAPTER / "mappings_loop" / "mappings_loop.asm"
    request = BuildRequest("mappings_loop", (FileData("mappings_loop.asm", source.read_bytes()),))
    assert build(request).elf is not None
    ours = best(lambda: build(request), 100)
    native = best(lambda: native_build(source, folder / "mappings_loop"), 20) if native_tools() else None
    return Row("assemble + link mappings_loop in a warm process", ours, native, "nasm + ld", 0.0015)


def native_tools() -> bool:
    return sys.platform == "linux" and shutil.which("nasm") is not None and shutil.which("ld") is not None


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = []
        for make in (help_row, lambda: check_row(folder), lambda: run_row(folder), lambda: build_row(folder)):
            rows.append(make())
            print(rows[-1], flush=True)
    if "--strict" in sys.argv:
        sys.exit(any(row.ours > row.target for row in rows))


if __name__ == "__main__":
    main()

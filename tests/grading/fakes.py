"""A sandbox that answers from a table, and short ways to write areas and evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from toolkit.grading.evidence import (
    Broken,
    BuildEvidence,
    BuildRequest,
    DiagnosticRecord,
    Evidence,
    Location,
    MomentRecord,
    RunRequest,
    SectionRecord,
)
from toolkit.kernel.mm.snapshot import AreaRow, MapSnapshot

EXITS = Evidence(exit_code=0)
BUILT = BuildEvidence(elf=b"\x7fELF\x02", symbols={"_start": 0x401000, "buffer": 0x402000})

PROGRAM = "/home/student/prog"


def area(start: int, end: int, perms: str, name: str = "", offset: int = 0) -> AreaRow:
    return AreaRow(start, end, perms, offset, (0, 0), 0, name)


AREAS = (
    area(0x400000, 0x401000, "r--p", PROGRAM),
    area(0x401000, 0x402000, "r-xp", PROGRAM, 0x1000),
    area(0x402000, 0x403000, "rw-p", PROGRAM, 0x2000),
    area(0x7FFFF7FBD000, 0x7FFFF7FBE000, "rw-p", "/home/student/test.txt"),
    area(0x7FFFFFFDE000, 0x7FFFFFFFF000, "rw-p", "[stack]"),
)
REGISTERS = dict.fromkeys(("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp"), 0) | {
    **{f"r{number}": 0 for number in range(8, 16)},
    "rsp": 0x7FFFFFFFE000,
    "rip": 0x401000,
    "rflags": 0x202,
}


def moment(areas: tuple[AreaRow, ...] = AREAS, **registers: int) -> MomentRecord:
    return MomentRecord(MapSnapshot(areas=areas), REGISTERS | registers)


def error(message: str, line: int) -> DiagnosticRecord:
    where = Location("prog.asm", line, 5)
    return DiagnosticRecord("error", message, f"{where}: error: {message}", where, "try again")


@dataclass
class FakeSandbox:
    """``answer`` is the evidence of every run, or a function of the request; what was asked is kept."""

    answer: Evidence | Broken | Callable[[RunRequest], Evidence | Broken] = EXITS
    built: BuildEvidence | Broken = BUILT
    requests: list[RunRequest] = field(default_factory=list)
    builds: list[BuildRequest] = field(default_factory=list)

    def build(self, request: BuildRequest) -> BuildEvidence | Broken:
        self.builds.append(request)
        return self.built

    def run(self, request: RunRequest) -> Evidence | Broken:
        self.requests.append(request)
        evidence = self.answer(request) if callable(self.answer) else self.answer
        if isinstance(evidence, Evidence) and "exit" not in evidence.moments:
            evidence = replace(evidence, moments={"exit": moment(), **evidence.moments})
        return evidence

    def close(self) -> None:
        pass


SECTIONS = (
    SectionRecord(".text", 0x401000, 0x20, "AX"),
    SectionRecord(".data", 0x402000, 8, "WA"),
    SectionRecord(".bss", 0x402008, 0, "WA"),
)


def save(path: Path, text: str) -> None:
    """All at once: it may be looked at between a file's being emptied and written."""
    whole = path.with_suffix(".new")
    whole.write_text(text)
    whole.replace(path)


def write_exercise(folder: Path, grader: str, source: str = "_start:\n", **files: str) -> Path:
    """An exercise's folder: README, grader, starter; ``files``: path with ``__`` for ``/`` and ``_dot_`` for a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(f"# The {folder.name} exercise\n")
    (folder / "grader.py").write_text(grader)
    (folder / f"{folder.name}.asm").write_text(source)
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder

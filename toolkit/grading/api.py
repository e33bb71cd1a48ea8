"""The two public functions that run programs: ``toolkit.run`` and ``toolkit.check``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from toolkit.asm.diagnostics import BuildError
from toolkit.grading.checks import BrokenCheck
from toolkit.grading.evidence import Broken, BuildRequest, Evidence, FileData, RunRequest
from toolkit.grading.program import as_bytes, check_moment
from toolkit.grading.report import Report
from toolkit.grading.sandbox import Sandbox


def run(
    program: bytes | str | os.PathLike[str],
    arguments: Iterable[str | bytes] = (),
    *,
    name: str = "program",
    stdin: str | bytes = b"",
    files: Mapping[str, bytes] | None = None,
    environment: Mapping[str, str] | None = None,
    at: Sequence[str] = ("exit",),
    seed: int = 0,
    budget: int | None = None,
    sandbox: Sandbox | None = None,
) -> Evidence:
    """Run a program as a Linux process and say what it did.

    ``program``: an ELF file's bytes, source text in nasm's language (``str``), or the path of either. ``budget`` in
    instructions, ``None`` for no limit. Without a ``sandbox`` (``WorkerSandbox()``) it runs in this process.
    Raises BuildError when a source has errors, OSError when a file can't be read, BrokenCheck when nothing could be run.
    """
    request = RunRequest(
        _build_request(program, name),
        tuple(as_bytes(each) for each in arguments),
        tuple(f"{key}={value}".encode() for key, value in (environment or {}).items()),
        as_bytes(stdin),
        tuple(FileData(key, value) for key, value in sorted((files or {}).items())),
        seed,
        budget,
        tuple(check_moment(moment) for moment in at),
    )
    answer = (sandbox or _engine()).run(request)
    if isinstance(answer, Broken):
        raise BrokenCheck(answer.reason)
    return answer


def _build_request(program: bytes | str | os.PathLike[str], name: str) -> BuildRequest:
    if isinstance(program, os.PathLike):
        path = Path(program)
        data = path.read_bytes()
        if data.startswith(b"\x7fELF"):
            return _checked(BuildRequest(path.name, elf=data))
        return _checked(BuildRequest(path.stem, (FileData(path.name, data),)))
    if isinstance(program, str):
        return _checked(BuildRequest(name, (FileData(f"{name}.asm", program.encode()),)))
    return BuildRequest(name, elf=bytes(program))


def _checked(request: BuildRequest) -> BuildRequest:
    """The request itself. Raises BuildError, which carries the assembler's own diagnostics."""
    if request.elf is None:
        from toolkit.asm import assemble

        source = request.sources[0]
        assembly = assemble(source.data.decode("latin-1"), name=source.name)
        if assembly.object is None:
            raise BuildError(assembly.diagnostics)
    return request


_kept_engine: list[Sandbox] = []


def _engine() -> Sandbox:
    """One engine for all runs in this process: a second run costs a tenth of the first."""
    if not _kept_engine:
        from toolkit.grading.engine import Engine

        _kept_engine.append(Engine())
    return _kept_engine[0]


def check(
    targets: Sequence[str] = (),
    *,
    course: str | os.PathLike[str] | None = None,
    reference: bool = False,
    submission: str | os.PathLike[str] | None = None,
    seed: int = 0,
    jobs: int = 1,
) -> Report:
    """Grade exercises, as ``toolkit check`` does. Raises CourseError when a target can't be found."""
    from toolkit.grading.exercise import Course, find_course
    from toolkit.grading.runner import Choice, grade

    folder = Path(course) if course is not None else find_course(Path.cwd())
    exercises = Course(folder).select(targets)
    choice = Choice(reference, None if submission is None else Path(submission), seed)
    return grade(exercises, choice, jobs=jobs)

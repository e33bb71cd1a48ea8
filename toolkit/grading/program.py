"""The submission as a check sees it: a program that can be looked at, and run again and again with the same result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from toolkit.grading.categories import Category
from toolkit.grading.checks import BrokenCheck, Failure, GraderError
from toolkit.grading.evidence import (
    DEFAULT_BUDGET,
    EVENT_LIMIT,
    Broken,
    BuildEvidence,
    BuildRequest,
    Evidence,
    FaultRecord,
    FileData,
    InstructionRecord,
    Kill,
    MomentRecord,
    Peek,
    RunRequest,
    SectionRecord,
    SyscallRecord,
)
from toolkit.grading.looks import Looks, without_looks
from toolkit.kernel.moments import Moment
from toolkit.personality.linux_x86_64 import SYSCALL_NAMES

if TYPE_CHECKING:
    from toolkit.grading.calls import CallResult
    from toolkit.grading.expectations import RunExpectations
    from toolkit.grading.rules import ProgramExpectations
    from toolkit.grading.sandbox import Sandbox
    from toolkit.kernel.mm.snapshot import MapSnapshot


def check_moment(moment: str) -> str:
    """The moment itself. Raises GraderError when there is no such moment (``toolkit.kernel.moments``)."""
    try:
        parsed = Moment.parse(moment)
    except ValueError as error:
        raise GraderError(str(error)) from error
    if parsed.kind == "syscall" and parsed.name not in SYSCALL_NAMES.values():
        raise GraderError(f"{moment!r}: Linux has no system call {parsed.name}")
    return moment


@dataclass(frozen=True)
class ProgramOptions:
    """What an exercise says about every run of its program. ``files`` lie in the program's directory."""

    files: tuple[FileData, ...] = ()
    budget: int = DEFAULT_BUDGET
    events: int = EVENT_LIMIT
    seed: int = 0


class Program:
    """One submission in one grading. Equal runs are made once and their evidence is kept."""

    def __init__(
        self, build: BuildRequest, options: ProgramOptions, sandbox: Sandbox, looks: Looks | None = None
    ) -> None:
        self.build_request = build
        self.options = options
        self.looks = looks if looks is not None else Looks()
        self._sandbox = sandbox
        self._runs: dict[RunRequest, Evidence] = {}
        self.unsupported: set[str] = set()  # what the kernel lacked in the runs since the last check began

    @property
    def name(self) -> str:
        return self.build_request.name

    @property
    def requests(self) -> tuple[RunRequest, ...]:
        """Every run made so far."""
        return tuple(self._runs)

    @property
    def seed(self) -> int:
        return self.options.seed

    @property
    def instructions_executed(self) -> int:
        """In all the runs; one made again to look at more of its memory counts once."""
        if not any(request.peeks or "start" in request.moments for request in self._runs):
            return sum(evidence.instructions for evidence in self._runs.values())
        runs = {without_looks(request): evidence.instructions for request, evidence in self._runs.items()}
        return sum(runs.values())

    @cached_property
    def sources(self) -> Mapping[str, str]:
        """Name → text of the submitted sources."""
        return {file.name: file.data.decode(errors="replace") for file in self.build_request.sources}

    @property
    def source(self) -> str:
        """Text of the main source file."""
        return next(iter(self.sources.values()), "")

    @cached_property
    def build(self) -> BuildEvidence:
        """What assembling and linking gives. Raises BrokenCheck."""
        return self._build(disassemble=False)

    def _build(self, disassemble: bool) -> BuildEvidence:
        evidence = self._sandbox.build(replace(self.build_request, disassemble=disassemble))
        if isinstance(evidence, Broken):
            raise BrokenCheck(evidence.reason)
        return evidence

    @property
    def elf(self) -> bytes:
        """The linked executable's bytes."""
        return self.build.elf or b""

    @cached_property
    def symbols(self) -> Mapping[str, int]:
        """Name → address. Asking for one that isn't defined raises Failure."""
        return Symbols(self.build.symbols)

    @property
    def sections(self) -> Mapping[str, SectionRecord]:
        return {section.name: section for section in self.build.sections}

    @cached_property
    def instructions(self) -> tuple[InstructionRecord, ...]:
        """The program's code, disassembled in the order of addresses."""
        return self._build(disassemble=True).instructions

    def rebuilt(self, defines: Mapping[str, str]) -> Program:
        """The same sources assembled with ``-D``. Raises Failure when they don't assemble so."""
        request = replace(self.build_request, defines=tuple(sorted(defines.items())))
        other = Program(request, self.options, self._sandbox, self.looks)
        if other.build.elf is None:
            first = next(
                (each for each in other.build.diagnostics if each.severity in ("error", "fatal")), None
            )
            options = " ".join(f"-D {name}={text}" for name, text in defines.items())
            raise Failure(
                f"it does not assemble with {options}: {first.message if first else 'no message'}",
                location=first.location if first else None,
                category=Category.BUILD,
            )
        other.unsupported = self.unsupported
        return other

    @property
    def expect(self) -> ProgramExpectations:
        """Rules on the code itself."""
        from toolkit.grading.rules import ProgramExpectations

        return ProgramExpectations(self)

    def run(
        self,
        *args: str | bytes,
        stdin: str | bytes = b"",
        files: Mapping[str, str | bytes | None] | None = None,
        env: Mapping[str, str] | None = None,
        budget: int | None = None,
        kill_at: str | None = None,
        kill_with: str = "SIGTERM",
        at: Iterable[str] = (),
        memory: int | None = None,
        swap: int = 0,
    ) -> Run:
        """Run the program once (see README.md). Raises BrokenCheck when no evidence could be had."""
        request = RunRequest(
            build=self.build_request,
            arguments=tuple(as_bytes(argument) for argument in args),
            environment=tuple(f"{name}={value}".encode() for name, value in (env or {}).items()),
            stdin=as_bytes(stdin),
            files=merge_files(self.options.files, files or {}),
            seed=self.options.seed,
            budget=self.options.budget if budget is None else budget,
            events=self.options.events,
            moments=_moments(at),
            kill=None if kill_at is None else Kill(check_moment(kill_at), kill_with),
            memory=memory,
            swap=swap,
        )
        return Run(self, self.looks.with_known(request))

    def call(
        self,
        function: str,
        *arguments: int | bytes | bytearray,
        stdin: str | bytes = b"",
        count_label: str | None = None,
        budget: int | None = None,
    ) -> CallResult:
        """Call a function of the program (see README.md). Raises Failure when it does not come back."""
        from toolkit.grading.calls import call

        return call(self, function, arguments, as_bytes(stdin), count_label, budget)

    def evidence(self, request: RunRequest) -> Evidence:
        """The evidence of a run, made now or kept from before. Raises BrokenCheck."""
        evidence = self._runs.get(request)
        if evidence is None:
            answer = self._sandbox.run(request)
            if isinstance(answer, Broken):
                raise BrokenCheck(answer.reason)
            evidence = self._runs[request] = answer
        self.unsupported.update(evidence.unsupported)
        return evidence


class Symbols(dict[str, int]):
    """Name → address; a missing name is the submission's failure."""

    def __missing__(self, name: str) -> int:
        raise Failure(
            f"the program defines no symbol {name}",
            help=f"Keep the label `{name}` in your file.",
            category=Category.CODE,
        )


def _moments(at: Iterable[str]) -> tuple[str, ...]:
    named = [at] if isinstance(at, str) else list(at)
    return tuple(dict.fromkeys(["exit", *(check_moment(moment) for moment in named)]))


def as_bytes(value: str | bytes) -> bytes:
    """Text as UTF-8. Raises GraderError for anything but text and bytes."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    raise GraderError(f"{value!r} is neither text nor bytes")


def merge_files(base: Iterable[FileData], changes: Mapping[str, str | bytes | None]) -> tuple[FileData, ...]:
    """``base`` with files added, replaced, or (``None``) taken away. Raises GraderError for a name that leaves the directory."""
    files = {file.name: file.data for file in base}
    for name, data in changes.items():
        parts = name.split("/")
        if "" in parts or ".." in parts or "\\" in name or "\0" in name:
            raise GraderError(f"file name {name!r}: it must lie in the program's directory")
        files.pop(name, None)
        if data is not None:
            files[name] = as_bytes(data)
    return tuple(FileData(name, data) for name, data in sorted(files.items()))


class Run:
    """One finished run. What is asked about a moment that wasn't recorded is found by running again."""

    def __init__(self, program: Program, request: RunRequest) -> None:
        self.program = program
        self.request = request
        self.evidence = program.evidence(request)

    @property
    def expect(self) -> RunExpectations:
        from toolkit.grading.expectations import RunExpectations

        return RunExpectations(self)

    @property
    def exit_code(self) -> int | None:
        """0 to 255, or ``None`` when it was killed or did not end."""
        return self.evidence.exit_code

    @property
    def signal(self) -> str | None:
        """The name of the signal that killed it."""
        return self.evidence.signal

    @property
    def status(self) -> int | None:
        """As the shell says it: the exit code, or 128 + the signal's number."""
        if self.evidence.signal is None:
            return self.evidence.exit_code
        from toolkit.abi.signals import Signal

        return 128 + Signal[self.evidence.signal]

    @property
    def stdout(self) -> bytes:
        return self.evidence.stdout

    @property
    def stderr(self) -> bytes:
        return self.evidence.stderr

    @property
    def files(self) -> Mapping[str, bytes]:
        """The program's directory afterwards."""
        return self.evidence.files

    @property
    def syscalls(self) -> tuple[SyscallRecord, ...]:
        return self.evidence.syscalls

    @property
    def fault(self) -> FaultRecord | None:
        """The memory or processor fault that killed it."""
        return self.evidence.fault

    @property
    def instructions(self) -> int:
        """How many were executed."""
        return self.evidence.instructions

    def symbol(self, name: str) -> int:
        """A symbol's address. Raises Failure when the program doesn't define it."""
        return self.program.symbols[name]

    def maps(self, at: str = "exit") -> ProcessMap:
        """The process's map at a moment. Raises Failure when it was never reached."""
        return ProcessMap(self.moment(at).maps)

    def registers(self, at: str = "exit") -> Mapping[str, int]:
        """64-bit registers, rip and rflags at a moment."""
        return self.moment(at).registers

    def memory(self, where: str | int, length: int, at: str = "exit") -> bytes:
        """Bytes at a symbol, ``symbol+number`` or an address. Raises Failure when they can't be read."""
        text = where if isinstance(where, str) else f"{where:#x}"
        peek = Peek(check_moment(at), text, length)
        request = self.request
        if peek not in request.peeks:
            self.program.looks.note(request, peek)
            request = replace(request, moments=_moments([*request.moments, at]), peeks=(*request.peeks, peek))
        record = self.program.evidence(request).moments.get(at)
        if record is None:
            raise self._not_reached(at)
        data = record.memory.get(peek_key(peek))
        if data is None:
            raise Failure(f"memory at {text} can't be read at {describe_moment(at)}", category=Category.STATE)
        return data

    def reached(self, moment: str) -> MomentRecord | None:
        """The record of a moment, ``None`` when the program never came there."""
        if check_moment(moment) in self.request.moments:
            return self.evidence.moments.get(moment)
        self.program.looks.note_moment(self.request, moment)
        request = replace(self.request, moments=_moments([*self.request.moments, moment]))
        return self.program.evidence(request).moments.get(moment)

    def moment(self, moment: str) -> MomentRecord:
        """The record of a moment. Raises Failure when it was never reached."""
        record = self.reached(moment)
        if record is None:
            raise self._not_reached(moment)
        return record

    def _not_reached(self, moment: str) -> Exception:
        from toolkit.grading.expectations import ending
        from toolkit.grading.explain import explain_fate, failed_calls

        kind, _, rest = moment.partition(":")
        name, _, count = rest.partition(":")
        times = f" {count} times" if count not in ("", "1") else ""
        words = {
            "syscall": f"the program did not call {name}{times}"
            if times
            else f"the program never called {name}",
            "label": f"the program never reached the label {name}{times}",
            "step": f"the program ended before {name} instructions",
        }
        message = words.get(kind, f"the program never came to {moment}")
        if kind == "label" and name not in self.program.symbols:
            message = f"the program has no label {name}"
        return Failure(
            message,
            expected=describe_moment(moment),
            actual=ending(self.evidence),
            location=self.evidence.last_location,
            explanation=explain_fate(self.evidence) + failed_calls(self.evidence),
            category=Category.COURSE,
        )


class ProcessMap:
    """A map as graders read it: ``areas`` (``.start``, ``.end``, ``.size``, ``.permissions``, ``.offset``, ``.name``), or ``text``."""

    def __init__(self, snapshot: MapSnapshot) -> None:
        self.areas = snapshot.areas
        self.area_at = snapshot.area_at
        self._snapshot = snapshot

    @property
    def text(self) -> str:
        """What the program reads from /proc/self/maps then."""
        from toolkit.kernel.fs.procfs_memory import render_maps

        return render_maps(self._snapshot)


def peek_key(peek: Peek) -> str:
    """Under which name a moment's record keeps a peek's bytes."""
    return f"{peek.where}:{peek.length}"


def describe_moment(moment: str) -> str:
    """A moment in words."""
    kind, _, rest = moment.partition(":")
    name, _, count = rest.partition(":")
    which = f" (time {count})" if count else ""
    return {
        "start": "the start",
        "exit": "the end",
        "syscall": f"the call of {name}{which}",
        "label": f"the label {name}{which}",
        "step": f"step {name}",
    }.get(kind, moment)

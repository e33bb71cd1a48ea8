"""What crosses between a grading and its sandbox: requests one way, evidence the other. Pure data.

Every class here is frozen, picklable, and made of types that ``wire`` can check while decoding.
Names of files that a program made are text; bytes that are not UTF-8 are written ``\\xNN``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from operator import attrgetter

from toolkit.kernel.mm.snapshot import MapSnapshot

DEFAULT_BUDGET = 100_000_000  # instructions a graded run may execute
EVENT_LIMIT = 10_000  # system calls, faults, signals and changes of its own code that a graded run may cause (`Limits.events`)


@dataclass(frozen=True, slots=True)
class FileData:
    """A file by the name it has in its folder, ``/`` between parts."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class SourceBounds:
    """How large sources may be. ``lines``: of a file, and of what macros and repetitions make; ``size``: bytes of a file."""

    lines: int = 20_000
    size: int = 1 << 18


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """Sources to assemble and link, in this order; or, instead, ``elf``: a finished executable.

    ``support``: files that ``%include`` and ``incbin`` may read beside the sources. ``name`` is the program's.
    ``bounds``: those of a submission; ``None``: as much as the assembler takes.
    """

    name: str
    sources: tuple[FileData, ...] = ()
    support: tuple[FileData, ...] = ()
    format: str = "elf64"
    elf: bytes | None = None
    disassemble: bool = False
    defines: tuple[tuple[str, str], ...] = ()
    bounds: SourceBounds | None = None


@dataclass(frozen=True, slots=True)
class Peek:
    """Memory to record at a moment: ``where`` is a symbol, ``symbol+number`` or a number as text; ``length`` in bytes."""

    moment: str
    where: str
    length: int


@dataclass(frozen=True, slots=True)
class Kill:
    """A signal that arrives from outside at a moment, as ``kill`` sends it."""

    moment: str
    signal: str = "SIGTERM"


@dataclass(frozen=True, slots=True)
class CallArgument:
    """An argument of a call: ``data`` is put into guarded memory and its address passed, else ``value`` itself."""

    value: int = 0
    data: bytes | None = None
    writable: bool = False


@dataclass(frozen=True, slots=True)
class CallRequest:
    """Instead of running from the entry point: call ``function`` (a symbol), and count arrivals at ``count_label``.

    ``keep_red_zone``: inner calls use the stack below their caller's red zone, whose bytes are else overwritten. ``follow_stack``: note rsp after each of so many instructions.
    """

    function: str
    arguments: tuple[CallArgument, ...] = ()
    count_label: str | None = None
    keep_red_zone: bool = False
    follow_stack: int = 0


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One run of one program. Equal requests have equal evidence: chance comes from ``seed`` alone.

    ``moments``: those to record; of a call that does not come back ``exit`` is recorded all the same.
    ``budget``: instructions; ``events``: as `kernel.limits.Limits.events`.
    ``memory`` and ``swap``: the machine's, in bytes; ``None``: as much as it has.
    """

    build: BuildRequest
    arguments: tuple[bytes, ...] = ()
    environment: tuple[bytes, ...] = ()
    stdin: bytes = b""
    files: tuple[FileData, ...] = ()
    seed: int = 0
    budget: int | None = DEFAULT_BUDGET
    moments: tuple[str, ...] = ("exit",)
    peeks: tuple[Peek, ...] = ()
    kill: Kill | None = None
    call: CallRequest | None = None
    memory: int | None = None
    swap: int = 0
    events: int = EVENT_LIMIT

    def of(self, build: BuildRequest) -> RunRequest:
        """The same run of another program."""
        return RunRequest(build, *_all_but_build(self))


_all_but_build = attrgetter(*(each.name for each in fields(RunRequest) if each.name != "build"))


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a source; ``line`` and ``column`` from 1, column 0 where unknown."""

    file: str
    line: int
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" + (f":{self.column}" if self.column else "")


@dataclass(frozen=True, slots=True)
class DiagnosticRecord:
    """A message of the assembler or the linker; ``text`` is its rendering with source line and caret."""

    severity: str
    message: str
    text: str
    location: Location | None = None
    help: str | None = None


@dataclass(frozen=True, slots=True)
class SectionRecord:
    """A section of the linked file: ``address`` and ``size`` in bytes, ``flags`` as readelf's letters (``AX``)."""

    name: str
    address: int
    size: int
    flags: str


@dataclass(frozen=True, slots=True)
class InstructionRecord:
    """One disassembled instruction of the linked file."""

    address: int
    size: int
    mnemonic: str
    operands: str
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class BuildEvidence:
    """What assembling and linking gave; ``elf`` is ``None`` when there were errors."""

    diagnostics: tuple[DiagnosticRecord, ...] = ()
    elf: bytes | None = None
    symbols: dict[str, int] = field(default_factory=dict)
    sections: tuple[SectionRecord, ...] = ()
    instructions: tuple[InstructionRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class SyscallRecord:
    """A system call as it ended: six raw ``arguments``, the raw ``result``, and errno's name when it failed."""

    name: str
    number: int
    arguments: tuple[int, ...]
    result: int | None
    error: str | None = None
    text: str = ""
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class PastRecord:
    """An instruction that was executed before a fault. ``step``: how many instructions the run had executed with it."""

    step: int
    address: int
    instruction: bytes
    location: Location | None = None
    source_line: str = ""


@dataclass(frozen=True, slots=True)
class FaultRecord:
    """What the processor refused. ``access`` is read, write or execute for a memory fault, else ``None``.

    ``address``: the address touched (``None`` where the processor gives none, as for a non-canonical one).
    ``code``: ``si_code``. ``instruction``: the bytes at ``registers["rip"]`` as far as they could be read.
    ``came_from``: the last instruction executed. ``setters``: by register, the instruction that set it last, as far
    back as is remembered; with ``since_start`` a register without one was never set. ``undelivered``: why the program's
    own handler of the signal could not be called.
    """

    signal: str
    code: int
    address: int | None
    access: str | None
    registers: dict[str, int]
    instruction: bytes = b""
    bits: int = 64
    location: Location | None = None
    source_line: str = ""
    reason: str = ""
    came_from: PastRecord | None = None
    setters: dict[str, PastRecord] = field(default_factory=dict)
    since_start: bool = False
    undelivered: str = ""


@dataclass(frozen=True, slots=True)
class MomentRecord:
    """The stopped process at a moment. ``memory`` answers this moment's peeks; ``None``: it could not be read."""

    maps: MapSnapshot
    registers: dict[str, int]
    memory: dict[str, bytes | None] = field(default_factory=dict)
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class CallEvidence:
    """How a call went. ``returned``: control came back to the caller; the rest is as it was then.

    ``buffers``: bytes of each buffer argument afterwards, by the argument's index. ``violations``: what of the ABI
    was not held to, in words. ``calls``: how many ``call`` instructions were executed. ``deep_write``: bytes were
    changed so far below the stack that rsp has to be followed to know whether it may be. ``stack``: of a call that did
    not come back, how many bytes rsp was in the end above where it was when the function was called.
    """

    returned: bool
    rax: int = 0
    rdx: int = 0
    buffers: dict[int, bytes] = field(default_factory=dict)
    addresses: dict[int, int] = field(default_factory=dict)
    violations: tuple[str, ...] = ()
    label_count: int = 0
    calls: int = 0
    deep_write: bool = False
    stack: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """One finished run. Exactly one of ``exit_code``, ``signal`` and ``cut_short`` says how it ended.

    ``cut_short``: "budget" (instructions), "events" (more than ``most_events`` system calls, faults, signals and changes of code), "output" (printed more than a run may), "deadlock" (waits for what can't
    happen any more, ``waiting`` says for what). ``moments`` holds those that were reached. ``unsupported`` names what the emulated kernel could not do for
    the program: an ending that follows from it is not the program's fault.
    """

    exit_code: int | None = None
    signal: str | None = None
    cut_short: str = ""
    waiting: tuple[str, ...] = ()
    core_dumped: bool = False
    stdout: bytes = b""
    stderr: bytes = b""
    files: dict[str, bytes] = field(default_factory=dict)
    moments: dict[str, MomentRecord] = field(default_factory=dict)
    syscalls: tuple[SyscallRecord, ...] = ()
    fault: FaultRecord | None = None
    call: CallEvidence | None = None
    last_location: Location | None = None
    instructions: int = 0
    unsupported: tuple[str, ...] = ()
    most_events: int = EVENT_LIMIT


@dataclass(frozen=True, slots=True)
class Broken:
    """Why no evidence could be had; never the submission's failure."""

    reason: str

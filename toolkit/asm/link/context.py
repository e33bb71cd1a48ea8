"""The state of one link: options, inputs, names, outputs, what is to be said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from toolkit.abi import elf
from toolkit.asm.diagnostics import Diagnostic, Span
from toolkit.asm.link.identifiers import Identifiers
from toolkit.asm.link.model import (
    Entry,
    InputFile,
    InputSection,
    NameTable,
    OutputSection,
)

MAX_MESSAGES = 100


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """What ld's command line would say.

    ``kind``: ``static`` (an executable at a fixed address; dynamically linked when shared libraries are among the
    inputs), ``pie`` or ``shared``. ``emulation``: ``elf_x86_64``, ``elf_i386``, or "" to take it from the first object.
    ``addresses`` of output sections are those of -Ttext, -Tdata, -Tbss and --section-start, in their order. ``missing_entry``: whether a missing entry symbol is an ``error`` or, as for ld, a ``warning``.
    ``build_id``: None, ``sha1``, ``md5`` or ``0x…``. ``dynamic_linker``: the interpreter's path,
    "" for ld's default, None for none at all (--no-dynamic-linker). ``symbolic`` is -Bsymbolic; without ``new_tags`` a
    ``runpath`` is a DT_RPATH.
    """

    kind: str = "static"
    entry: str | None = None
    emulation: str = ""
    addresses: Mapping[str, int] = field(default_factory=dict)
    text_segment: int | None = None
    gc_sections: bool = False
    eh_frame_hdr: bool = False
    build_id: str | None = None
    missing_entry: str = "error"
    strip: str = ""  # "all" | "debug" | ""
    execstack: bool | None = None
    relro: bool = True
    bind_now: bool = False
    soname: str = ""
    runpath: str = ""
    dynamic_linker: str | None = ""
    hash_style: str = "both"
    export_dynamic: bool = False
    allow_undefined: bool = False
    undefined: Sequence[str] = ()
    defined: Sequence[tuple[str, str]] = ()  # --defsym: name, expression
    discard_locals: str = ""  # "x": all, "X": those named .L*
    script: str | None = None
    symbolic: bool = False
    new_tags: bool = True
    no_undefined: bool = False
    text_relocations: str = "warning"
    fatal_warnings: bool = False
    quiet: bool = False
    allow_multiple: bool = False
    warn_permissions: bool = True
    warn_stack: bool = True
    unwind_tables: bool = True
    tracking: bool = False
    stack_size: int | None = None
    wrapped: Sequence[str] = ()
    required: Sequence[str] = ()  # names that must be defined: --require-defined
    relax: bool = True
    optimised: bool = False  # -O1 and above: the hash tables of dynamic symbols
    relocatable: bool = False  # -r: an object, not a program
    lacking_libraries: bool = False  # --allow-shlib-undefined
    open_file: Callable[[str], bytes | None] | None = None
    folders: Sequence[str] = ()

    @property
    def asked(self) -> tuple[str, ...]:
        """Names the command line refers to: those of -u, and that of -e unless it is a number."""
        named = self.entry is not None and self.entry_number is None
        return (*self.undefined, self.entry or "") if named else tuple(self.undefined)

    @property
    def entry_number(self) -> int | None:
        """The address that -e tells instead of a name."""
        text = self.entry or ""
        try:
            return int(text, 0) if text.isalnum() else None
        except ValueError:
            return None


@dataclass(slots=True)
class Context:
    """Everything the passes of one link share."""

    options: LinkOptions
    names: NameTable = field(default_factory=NameTable)
    files: list[InputFile] = field(default_factory=list)
    inputs: list[InputFile] = field(default_factory=list)  # objects and libraries in their order
    libraries: list[InputFile] = field(default_factory=list)  # shared ones
    outputs: list[OutputSection] = field(default_factory=list)
    made: list[OutputSection] = field(
        default_factory=list
    )  # in the order of BFD's list, which the headers have
    headers: list[OutputSection] = field(default_factory=list)  # those of them that are not dropped
    all_outputs: list[OutputSection] = field(default_factory=list)  # with the empty ones that were dropped
    by_name: dict[str, OutputSection] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    machine: int = elf.EM_X86_64
    is64: bool = True
    discarded_groups: set[str] = field(default_factory=set)
    duplicates: list[tuple[Entry, InputFile, InputSection | None, int]] = field(default_factory=list)
    linker_file: InputFile | None = None
    identifiers: Identifiers = field(default_factory=Identifiers)
    relro_end: int = 0
    relro_start: int = 0
    tls: OutputSection | None = None
    tls_size: int = 0
    failed: bool = False
    features: int = 0  # GNU_PROPERTY_X86_FEATURE_1_* that hold for every object
    value_of_undefined: Callable[[Entry], int] = lambda entry: 0  # what .symtab says of a library's function
    # the PLT section and the address that a symbol table has for a function in place of its own
    stand_in: Callable[[Entry], tuple[InputSection, int] | None] = lambda entry: None
    had_frames: bool = False  # there was unwind information, before functions were dropped
    boundaries: dict[Entry, InputSection] = field(
        default_factory=dict
    )  # __start_NAME, __stop_NAME → the first section of the name
    dots: dict[int, int] = field(default_factory=dict)  # location counter before some script statements

    @property
    def is_pic(self) -> bool:
        return self.options.kind != "static"

    @property
    def is_shared(self) -> bool:
        return self.options.kind == "shared"

    @property
    def may_lack_names(self) -> bool:
        """Whether names that nobody defines are left to the start of the program: in a shared object, without -z defs."""
        return self.options.allow_undefined or (self.is_shared and not self.options.no_undefined)

    def may_lack(self, entry: Entry) -> bool:
        """``may_lack_names`` for one name: others can't define what is not for them to see."""
        return self.may_lack_names and entry.visibility == elf.STV_DEFAULT

    @property
    def is_symbolic(self) -> bool:
        """Whether a shared object's references go to its own definitions."""
        return self.is_shared and self.options.symbolic

    @property
    def is_dynamic(self) -> bool:
        """Whether the output has a dynamic section."""
        return self.needs_dynamic or bool(self.libraries)

    @property
    def needs_dynamic(self) -> bool:
        """Whether it has one even without libraries: with names for others to find, and no dynamic linker to load it."""
        return self.is_pic or (self.options.export_dynamic and self.options.dynamic_linker is None)

    @property
    def word(self) -> int:
        return 8 if self.is64 else 4

    def say(
        self,
        severity: str,
        message: str,
        file: str,
        *,
        line: int = 0,
        help: str = "",
        ld_message: str = "",
        related: tuple[tuple[str, Span], ...] = (),
    ) -> None:
        """Report; ``line`` 0 means that only the file is known."""
        if severity == "warning" and self.options.quiet:
            return
        if severity == "error" or self.options.fatal_warnings:
            self.failed = True
        if len(self.diagnostics) < MAX_MESSAGES:
            span = Span(file, line, 1 if line else 0)
            said = Diagnostic(severity, message, span, help=help, nasm_message=ld_message, related=related)
            if line or not any(d.message == message and d.span == span for d in self.diagnostics):
                self.diagnostics.append(said)

    def where(self, section: InputSection, offset: int) -> tuple[str, int]:
        """Source file and line of a place in an input section, else the object's name and 0."""
        lines = section.file.lines
        row = lines.find(offset, section.name) if lines is not None else None
        return (row.file, row.line) if row else (section.file.name, 0)

    def place(self, section: InputSection, offset: int) -> str:
        """The place as ld words it: ``a.o:(.text+0x1)``."""
        return f"{section.file.name}:({section.name}+{offset:#x})"

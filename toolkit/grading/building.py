"""Sources → an executable, in memory: what a worker, and ``toolkit run`` and ``build``, do before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from toolkit.grading.evidence import (
    BuildEvidence,
    BuildRequest,
    DiagnosticRecord,
    InstructionRecord,
    Location,
    SectionRecord,
)

if TYPE_CHECKING:
    from toolkit.asm.diagnostics import Diagnostic
    from toolkit.asm.linetable import LineTable
    from toolkit.kernel.moments import Moment


@dataclass(frozen=True)
class Built:
    """A finished build: ``elf`` is ``None`` when there were errors; ``texts``: source name → its lines."""

    diagnostics: tuple[DiagnosticRecord, ...]
    elf: bytes | None = None
    symbols: Mapping[str, int] = field(default_factory=dict)
    lines: LineTable | None = None
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @cached_property
    def call_moments(self) -> tuple[tuple[Moment, Moment], ...]:
        """Each arrival at a ``call``, and behind it."""
        from toolkit.kernel.moments import Moment

        return tuple(
            (Moment("label", f"{address:#x}", 0), Moment("label", f"{following:#x}", 0))
            for address, following in self.call_sites.items()
        )

    @cached_property
    def call_places(self) -> frozenset[int]:
        """The addresses of the program's ``call`` instructions."""
        return frozenset(self.call_sites)

    @cached_property
    def call_sites(self) -> dict[int, int]:
        """The program's ``call`` instructions: address → where it returns to."""
        if self.elf is None:
            return {}
        code = disassemble(self, sections_of(self.elf))
        return {each.address: each.address + each.size for each in code if each.mnemonic == "call"}

    def location(self, address: int) -> Location | None:
        """Which source line the byte at an address came from."""
        row = self.lines.find(address) if self.lines is not None else None
        return None if row is None else Location(row.file, row.line)

    def source_line(self, location: Location | None) -> str:
        """The text at a location, empty when it isn't known."""
        lines = self.texts.get(location.file, ()) if location is not None else ()
        return lines[location.line - 1] if location is not None and 0 < location.line <= len(lines) else ""


def build(request: BuildRequest) -> Built:
    """Assemble every source and link; every message of every file is kept."""
    if request.elf is not None:
        return Built((), request.elf, symbols_of(request.elf))
    from toolkit.asm import assemble
    from toolkit.asm.link import LinkInput, link
    from toolkit.asm.source import SourceTree

    files = {file.name: file.data for file in (*request.support, *request.sources)}
    bounds = request.bounds
    if bounds is None:
        tree = SourceTree.from_memory(files)
    else:
        tree = SourceTree.from_memory(files, max_source_bytes=bounds.size, max_lines=bounds.lines)
    inputs, said = [], list[DiagnosticRecord]()
    for source in request.sources:
        assembly = assemble(
            "",
            name=source.name,
            format=request.format,
            defines=request.defines,
            tree=tree,
            most_lines=bounds.lines if bounds is not None else None,
        )
        said += records(assembly.diagnostics)
        if assembly.object is not None:
            inputs.append(LinkInput(_object_name(source.name), assembly.object, assembly.lines))
    texts = _texts(files)
    if len(inputs) < len(request.sources):
        return Built(tuple(said), texts=texts)
    linked = link(inputs)
    said += records(linked.diagnostics)
    return Built(tuple(said), linked.elf, linked.symbols, linked.lines, texts)


def _object_name(source: str) -> str:
    return source.rpartition(".")[0] + ".o"


def _texts(files: Mapping[str, bytes]) -> dict[str, list[str]]:
    suffixes = (".asm", ".inc", ".mac")
    return {
        name: data.decode(errors="replace").splitlines()
        for name, data in files.items()
        if name.endswith(suffixes)
    }


def records(diagnostics: Sequence[Diagnostic]) -> list[DiagnosticRecord]:
    """Diagnostics as evidence keeps them, none that only repeats another."""
    if not diagnostics:
        return []
    from toolkit.asm.diagnostics import readable_lines
    from toolkit.asm.reports import without_repeats

    return [
        DiagnosticRecord(
            each.severity,
            readable_lines(each.message),
            each.render(),
            Location(each.span.file, each.span.line, each.span.column) if each.span.line else None,
            readable_lines(each.help) or None,
        )
        for each in without_repeats(diagnostics)
    ]


def as_evidence(built: Built, *, disassembled: bool) -> BuildEvidence:
    """What crosses to the parent."""
    if built.elf is None:
        return BuildEvidence(built.diagnostics)
    sections = sections_of(built.elf)
    code = tuple(disassemble(built, sections)) if disassembled else ()
    return BuildEvidence(built.diagnostics, built.elf, dict(built.symbols), sections, code)


def sections_of(elf: bytes) -> tuple[SectionRecord, ...]:
    """The allocated sections of an ELF file, in the file's order."""
    return tuple(record for record, _ in _section_contents(elf))


_FLAGS = ((1, "W"), (2, "A"), (4, "X"), (0x10, "M"), (0x20, "S"), (0x400, "T"))  # readelf's letters


def _section_contents(elf: bytes) -> Iterable[tuple[SectionRecord, bytes]]:
    import io

    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        for section in ELFFile(io.BytesIO(elf)).iter_sections():
            flags = section["sh_flags"]
            if not flags & 2:
                continue
            letters = "".join(letter for bit, letter in _FLAGS if flags & bit)
            content = b"" if section["sh_type"] == "SHT_NOBITS" else section.data()
            yield SectionRecord(section.name, section["sh_addr"], section["sh_size"], letters), content
    except (ELFError, UnicodeDecodeError, ValueError):
        return


def symbols_of(elf: bytes) -> dict[str, int]:
    """Name → address of an ELF file's symbol table; empty when it has none."""
    import io

    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        table = ELFFile(io.BytesIO(elf)).get_section_by_name(".symtab")
        if table is None:
            return {}
        named = (each for each in table.iter_symbols() if each.name and each["st_shndx"] != "SHN_UNDEF")
        return {each.name: each["st_value"] for each in named}
    except (ELFError, UnicodeDecodeError, ValueError, AttributeError):
        return {}


def disassemble(built: Built, sections: Sequence[SectionRecord]) -> Iterable[InstructionRecord]:
    """The code of a program, instruction by instruction, going on at the next source line's bytes after data."""
    import capstone

    assert built.elf is not None
    mode = capstone.CS_MODE_64 if built.elf[4:5] == b"\2" else capstone.CS_MODE_32
    engine = capstone.Cs(capstone.CS_ARCH_X86, mode)
    for section, content in _section_contents(built.elf):
        if "X" not in section.flags:
            continue
        for start, data in _pieces(built, section.address, content):
            for address, size, mnemonic, operands in engine.disasm_lite(data, start):
                yield InstructionRecord(address, size, mnemonic, operands, built.location(address))


def _pieces(built: Built, address: int, content: bytes) -> Iterable[tuple[int, bytes]]:
    """A section cut at the source lines, so that data among the code doesn't shift what follows it."""
    rows = [row for row in built.lines or () if address <= row.address < address + len(content)]
    if not rows:
        yield address, content
        return
    for row in rows:
        yield row.address, content[row.address - address : row.address - address + row.length]


__all__ = ["Built", "as_evidence", "build", "disassemble", "records", "sections_of"]

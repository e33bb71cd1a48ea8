"""What differs between output formats while a program is laid out: sections, directives, and nasm's words for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from toolkit.asm import directives_elf
from toolkit.asm.diagnostics import Span
from toolkit.asm.directives_bin import BIN_DIRECTIVES, open_bin_section, set_alignment
from toolkit.asm.expr import StatementError
from toolkit.asm.objfile import Section, new_section
from toolkit.asm.scan import ScanError, read_number

if TYPE_CHECKING:
    from toolkit.asm.directives import Directive
    from toolkit.asm.layout import Pass
    from toolkit.asm.layout_run import Outcome
    from toolkit.asm.reports import Reporter


class Format(Protocol):
    """An output format. ``bits`` is what programs start in; ``shown`` is nasm's name for it in messages."""

    name: str
    bits: int
    shown: str
    directives: dict[str, Directive]
    specials: frozenset[str]  # WRT kinds

    def default_section(self) -> Section: ...
    def open_section(self, run: Pass, text: str) -> Section: ...
    def check_kind(self, kind: str) -> None: ...
    def check_common(self, attributes: str) -> None: ...
    def zeroing(self, section: Section) -> str: ...
    def ignoring(self, section: Section) -> str: ...
    def align_section(self, section: Section, alignment: int) -> None: ...


class ElfFormat:
    """elf64 and elf32."""

    shown = "ELF"
    specials = frozenset(("..gotpc", "..gotoff", "..got", "..plt", "..sym", "..gottpoff", "..tlsie"))

    def __init__(self, name: str) -> None:
        self.name = name
        self.bits = 32 if name == "elf32" else 64
        self.directives: dict[str, Directive] = {"osabi": _osabi}

    def default_section(self) -> Section:
        return new_section(".text", self.bits)

    def open_section(self, run: Pass, text: str) -> Section:
        name = text.split(None, 1)[0] if text else ""
        layout = run.layout
        try:
            return directives_elf.open_section(
                layout.sections, text, self.bits, lambda message: run.warn(message, "other"), layout.text
            )
        except StatementError as error:
            if name in directives_elf.RESERVED:
                run.report_error(error)
                raise StatementError(f"segment name `{name}' not recognized") from error
            raise

    def check_kind(self, kind: str) -> None:
        """ELF knows every kind of symbol."""

    def check_common(self, attributes: str) -> None:
        directives_elf.common_alignment(attributes)

    def zeroing(self, section: Section) -> str:
        return f"uninitialized space declared in non-BSS section `{section.name}': zeroing"

    def ignoring(self, section: Section) -> str:
        return f"attempt to initialize memory in BSS section `{section.name}': ignored"

    def align_section(self, section: Section, alignment: int) -> None:
        section.alignment = max(section.alignment, alignment)


def _osabi(run: Pass, value: str) -> None:
    first, _, second = value.partition(",")
    numbers: list[int] = []
    for text, wrong in ((first, "`osabi' directive requires a parameter"), (second, "")):
        if not text.strip() and numbers:
            break
        try:
            number = read_number(text.strip())[0] if text.strip() else -1
        except ScanError:
            number = -1
        if number < 0 and wrong:
            raise StatementError(wrong)
        if not 0 <= number <= 255:
            kind = "valid osabi numbers are 0 to 255"
            raise StatementError(kind if not numbers else "invalid ABI version number (valid: 0 to 255)")
        numbers.append(number)
    run.layout.osabi = (numbers[0], numbers[1] if len(numbers) > 1 else 0)


class BinFormat:
    """Flat binary files, with ORG and placed sections."""

    name = "bin"
    bits = 16
    shown = "binary"
    specials: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.directives: dict[str, Directive] = BIN_DIRECTIVES

    def default_section(self) -> Section:
        return Section(".text", alignment=0)

    def open_section(self, run: Pass, text: str) -> Section:
        return open_bin_section(run, text)

    def check_kind(self, kind: str) -> None:
        if kind == "common":
            raise StatementError("binary output format does not support common variables")

    def check_common(self, attributes: str) -> None:
        """Never reached: there are no common symbols."""

    def zeroing(self, section: Section) -> str:
        return f"uninitialized space declared in {section.name} section: zeroing"

    def ignoring(self, section: Section) -> str:
        return "attempt to initialize memory in a nobits section: ignored"

    def align_section(self, section: Section, alignment: int) -> None:
        set_alignment(section, "align", alignment)


def find_format(name: str) -> Format:
    """The format called ``name``. Raises ValueError."""
    if name in ("elf64", "elf32"):
        return ElfFormat(name)
    if name == "bin":
        return BinFormat()
    raise ValueError(f"output format `{name}' is not one of elf64, elf32 and bin")


def written(outcome: Outcome, reporter: Reporter) -> bytes:
    """The bytes of the output file. What can't be expressed in it is reported."""
    module = outcome.module
    if module.format == "bin":
        from toolkit.asm.binfile import write as write_bin

        data = write_bin(outcome, reporter)
    else:
        from toolkit.asm.elfwrite import write as write_elf

        data = write_elf(module)
    for refusal in module.refused:
        row = outcome.lines.find(refusal.offset, refusal.section.name)
        place = Span(row.file, row.line) if row else Span(module.source_name, 1)
        text = outcome.layout.tree.source_line(place.file, place.line)
        reporter.report_at("error", refusal.message, place, text)
    return data

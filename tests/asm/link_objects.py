"""Small objects for the linker's tests, made with our own writer."""

from __future__ import annotations

from toolkit.asm.elfwrite import write
from toolkit.asm.linetable import LineTable
from toolkit.asm.link import LinkInput
from toolkit.asm.objfile import Module, Section, Symbol, new_section
from toolkit.asm.statement import Fixup, Value

EXIT = bytes.fromhex("b83c00000031ff0f05")  # mov eax, 60; xor edi, edi; syscall


class ObjectMaker:
    """Builds one object: sections by name, labels, references."""

    def __init__(self, name: str = "a.o", kind: str = "elf64") -> None:
        self.name = name
        self.module = Module(kind, name.removesuffix(".o") + ".asm")
        self.rows: list[tuple[str, int, int, str, int]] = []

    def section(self, name: str, contents: bytes = b"", size: int = 0) -> Section:
        section = new_section(name)
        section.contents += contents
        section.size = size
        self.module.sections.append(section)
        return section

    def label(self, name: str, section: Section | None, value: int = 0, binding: str = "global") -> Symbol:
        symbol = Symbol(name, section, value, binding)
        self.module.symbols.append(symbol)
        return symbol

    def extern(self, name: str) -> Symbol:
        symbol = Symbol(name, binding="extern", defined=False, referenced=True)
        self.module.symbols.append(symbol)
        return symbol

    def call(self, section: Section, target: Symbol | Section, line: int = 1) -> None:
        """``call target`` appended to a section, as line ``line`` of the source."""
        at = len(section.contents)
        section.contents += b"\xe8\0\0\0\0"
        value = Value(0, ((target, 1),))
        section.fixups.append(Fixup(at + 1, 4, value, relative=True, end=4))
        self.rows.append((section.name, at, 5, self.module.source_name, line))

    def address(self, section: Section, target: Symbol | Section, size: int = 8, constant: int = 0) -> None:
        """``dq target`` (or dd, dw, db) appended to a section."""
        at = len(section.contents)
        section.contents += bytes(size)
        section.fixups.append(Fixup(at, size, Value(constant, ((target, 1),))))

    def data(self) -> bytes:
        return write(self.module)

    def made(self) -> LinkInput:
        return LinkInput(self.name, self.data(), LineTable.of(self.rows))


def program(name: str = "a.o") -> ObjectMaker:
    """A program that only exits."""
    maker = ObjectMaker(name)
    maker.label("_start", maker.section(".text", EXIT))
    return maker


def archive(members: dict[str, tuple[bytes, list[str]]]) -> bytes:
    """A System V archive: member name → (contents, names it defines)."""
    names = [(symbol, member) for member, (_, symbols) in members.items() for symbol in symbols]
    text = b"".join(symbol.encode() + b"\0" for symbol, _ in names)
    size = 4 + 4 * len(names) + len(text)
    position = 8 + 60 + size + size % 2
    places, bodies = {}, b""
    for member, (data, _) in members.items():
        places[member] = position + len(bodies)
        bodies += _header(member + "/", len(data)) + data + b"\n" * (len(data) % 2)
    table = len(names).to_bytes(4, "big") + b"".join(places[m].to_bytes(4, "big") for _, m in names) + text
    return b"!<arch>\n" + _header("/", size) + table + b"\n" * (size % 2) + bodies


def _header(name: str, size: int) -> bytes:
    return f"{name:<16}{0:<12}{0:<6}{0:<6}{644:<8}{size:<10}`\n".encode()

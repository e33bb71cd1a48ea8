"""Notes the linker writes or merges: .note.gnu.property and the build ID.

Sources: x86-64 psABI 4.2 ("Program Property"), the Linux gABI extension's merge rules, BFD's elf-properties.c.
"""

from __future__ import annotations

from toolkit.abi import elf
from toolkit.asm.link.context import Context
from toolkit.asm.link.model import InputFile, InputSection

_NAME = ".note.gnu.property"
_AND, _OR, _OR_AND = (
    range(0xC0000000, 0xC0008000),
    range(0xC0008000, 0xC0010000),
    range(0xC0010000, 0xC0018000),
)


def merge_properties(context: Context) -> None:
    """Leave one property note, in the first file that has one, with what holds for all files together."""
    holder: InputSection | None = None
    found: list[tuple[InputFile, dict[int, int]]] = []
    for file in context.files:
        properties: dict[int, int] = {}
        for section in file.sections:
            if (
                section is not None
                and section.name == _NAME
                and section.type == elf.SHT_NOTE
                and section.kept
            ):
                properties.update(_parse(section.data, context.word))
                if holder is None:
                    holder = section
                else:
                    section.kept = False
        found.append((file, properties))
    if holder is None:
        return
    merged = dict(next(properties for file, properties in found if file is holder.file))
    for file, properties in found:
        if file is not holder.file:
            merged = _merge(merged, properties)
    context.features = merged.get(elf.GNU_PROPERTY_X86_FEATURE_1_AND, 0)
    _write(holder, merged, context.word)


def _parse(data: bytes | bytearray | memoryview, word: int) -> dict[int, int]:
    properties: dict[int, int] = {}
    if len(data) < 16 or bytes(data[4 * 2 : 16]) != b"\x05\0\0\0GNU\0":
        return properties
    at, end = 16, min(len(data), 16 + int.from_bytes(data[4:8], "little"))
    while at + 8 <= end:
        kind, size = (
            int.from_bytes(data[at : at + 4], "little"),
            int.from_bytes(data[at + 4 : at + 8], "little"),
        )
        if size == 4:
            properties[kind] = int.from_bytes(data[at + 8 : at + 12], "little")
        at += 8 + (size + word - 1) // word * word
    return properties


def _merge(one: dict[int, int], other: dict[int, int]) -> dict[int, int]:
    merged: dict[int, int] = {}
    for kind in sorted({*one, *other}):
        a, b = one.get(kind), other.get(kind)
        if kind in _OR:
            merged[kind] = (a or 0) | (b or 0)
        elif a is not None and b is not None:
            merged[kind] = a & b if kind in _AND else a | b
    return {kind: value for kind, value in merged.items() if value or kind in _OR_AND}


def _write(section: InputSection, properties: dict[int, int], word: int) -> None:
    if not properties:
        section.kept = False
        return
    body = b""
    for kind in sorted(properties):
        value = kind.to_bytes(4, "little") + b"\4\0\0\0" + properties[kind].to_bytes(4, "little")
        body += value + bytes(-len(value) % word)
    section.data = (4).to_bytes(4, "little") + len(body).to_bytes(4, "little") + b"\5\0\0\0GNU\0" + body
    section.size = len(section.data)
    section.alignment = word


def build_id_size(kind: str) -> int:
    """Bytes of the identifier ``--build-id=kind`` asks for."""
    if kind.startswith("0x"):
        return len(bytes.fromhex(kind[2:].replace("-", "").replace(":", "")))
    return {"sha1": 20, "md5": 16}.get(kind, 20)


def build_id_note(size: int) -> bytes:
    """The note with an identifier of zeros, to be overwritten when the file is complete."""
    return b"\4\0\0\0" + size.to_bytes(4, "little") + b"\3\0\0\0GNU\0" + bytes(size)


def build_id(kind: str, data: bytes) -> bytes:
    """The identifier of a finished file (its own field still zero)."""
    if kind.startswith("0x"):
        return bytes.fromhex(kind[2:].replace("-", "").replace(":", ""))
    import hashlib  # slow to load, and seldom needed

    return (
        hashlib.md5(data, usedforsecurity=False).digest()
        if kind == "md5"
        else hashlib.sha1(data, usedforsecurity=False).digest()
    )

"""Symbol versions of the libraries a link uses: .gnu.version and .gnu.version_r (LSB 5.0 core, 10.7)."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from toolkit.asm.link.dynhash import sysv_hash
from toolkit.asm.link.model import Entry, InputFile, StringTable


class NeededVersions:
    """Which versions of which libraries are needed, numbered from 2 as found; the tables have the latest found first."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.by_file: dict[InputFile, dict[str, int]] = {}
        for entry in entries:
            if entry.version and entry.dynamic_definition is not None and entry.file:
                library = self.by_file.setdefault(entry.file, {})
                if entry.version not in library:
                    library[entry.version] = 2 + sum(len(names) for names in self.by_file.values())

    def __len__(self) -> int:
        return len(self.by_file)

    def add_names(self, strings: StringTable) -> None:
        for file in reversed(self.by_file):
            strings.add(_file_name(file))
            for version in reversed(self.by_file[file]):
                strings.add(version.encode())

    def symbol_table(self, entries: Iterable[Entry]) -> bytes:
        """.gnu.version: one half-word for each dynamic symbol."""
        numbers = [0]
        for entry in entries:
            versions = self.by_file.get(entry.file, {}) if entry.file and entry.dynamic_definition else {}
            numbers.append(versions.get(entry.version, 1))
        return struct.pack(f"<{len(numbers)}H", *numbers)

    def needed_table(self, strings: StringTable) -> bytes:
        """.gnu.version_r: Verneed records with their Vernaux chains."""
        body = b""
        files = list(reversed(self.by_file))
        for file in files:
            versions = list(reversed(self.by_file[file].items()))
            size = 16 + 16 * len(versions)
            name = strings.offsets[_file_name(file)]
            body += struct.pack("<HHIII", 1, len(versions), name, 16, 0 if file is files[-1] else size)
            for index, (version, number) in enumerate(versions):
                text = version.encode()
                step = 16 if index + 1 < len(versions) else 0
                body += struct.pack("<IHHII", sysv_hash(text), 0, number, strings.offsets[text], step)
        return body


def _file_name(file: InputFile) -> bytes:
    return file.soname.rpartition("/")[2].encode("utf-8", "surrogateescape")

"""Open the inputs in ld's order: objects, archives (thin ones too), shared libraries, and texts that name further files.

A file named inside another is read through ``LinkOptions.open_file``; without one it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from toolkit.abi import elf
from toolkit.asm.link import resolve, sharedlib
from toolkit.asm.link.context import Context
from toolkit.asm.link.elfread import (
    ARCHIVE_MAGIC,
    THIN_ARCHIVE_MAGIC,
    MalformedError,
    is_elf,
    is_shared_library,
    read_object,
)
from toolkit.asm.link.model import UNDEFINED, UNDEFINED_WEAK

if TYPE_CHECKING:
    from toolkit.asm.link import LinkInput

_MAX_DEPTH = 8  # texts that name texts
_MAX_FILES = 4096
_TOKENS = re.compile(r'/\*.*?\*/|"[^"]*"|[(),;]|[^\s(),;"]+', re.DOTALL)
_FORMATS = {elf.EM_X86_64: "elf64-x86-64", elf.EM_386: "elf32-i386"}
_EMULATIONS = {"elf_x86_64": elf.EM_X86_64, "elf_i386": elf.EM_386}


def read_inputs(context: Context, objects: Sequence[LinkInput]) -> None:
    """Enter every input; what can't be read is reported and passed over."""
    for name in context.options.asked:
        entry = context.names.entry(name)
        entry.state, entry.referenced = UNDEFINED, True
    reader = _Reader(context)
    for item in objects:
        reader.open(item, 0)
    reader.close_group()
    for entry in context.names.entries.values() if context.libraries else ():
        if entry.state == UNDEFINED_WEAK and entry.wanted_by_library and not context.may_lack(entry):
            entry.state = UNDEFINED  # some reference is not weak


class _Reader:
    def __init__(self, context: Context) -> None:
        self.context = context
        self.group = 0
        self.archives: list[resolve.Archive] = []  # of the group that is open
        self.count = 0

    def open(self, item: LinkInput, depth: int) -> None:
        if item.group != self.group:
            self.close_group()
            self.group = item.group
        self.count += 1
        try:
            if depth > _MAX_DEPTH or self.count > _MAX_FILES:
                raise MalformedError("too many files that name further files")
            self._open(item, depth)
        except MalformedError as problem:
            self.context.say("error", str(problem), item.name, ld_message=f"{item.name}: {problem}")

    def close_group(self) -> None:
        """Search the group's archives again as long as that brings something."""
        try:
            while self.group and len(self.archives) > 1:
                found = [archive.search(self.context) for archive in self.archives]
                if True not in found:
                    break
        except MalformedError as problem:
            self.context.say("error", str(problem), self.archives[-1].name)
        self.archives = []

    def _open(self, item: LinkInput, depth: int) -> None:
        context, data = self.context, item.data
        if data[:8] in (ARCHIVE_MAGIC, THIN_ARCHIVE_MAGIC):
            set_machine(context, None)
            archive = resolve.Archive(item.name, data, context.options.open_file)
            if item.searched:
                archive.open_first(context)
            if item.whole:
                archive.add_all(context)
                return
            self.archives.append(archive)
            archive.search(context)
        elif is_shared_library(data):
            library = sharedlib.read_library(item.name, data, searched=item.searched)
            context.identifiers.open(library)
            set_machine(context, library.machine)
            if item.only_archives:
                raise MalformedError(f"attempted static link of dynamic object `{item.name}'")
            if library.machine != context.machine:
                raise MalformedError("the shared library is for another machine")
            sharedlib.add_library(context, library, as_needed=item.as_needed)
        elif is_elf(data):
            file = read_object(item.name, data)
            file.lines = item.lines
            context.identifiers.open(file)
            set_machine(context, file.machine)
            resolve.add_object(context, file)
        elif is_text(data):
            self._open_text(item, depth)
        else:
            raise MalformedError("file format not recognized: neither an ELF object nor an archive")

    def _open_text(self, item: LinkInput, depth: int) -> None:
        """glibc's libc.so and its like: a linker script that only names inputs."""
        for words in commands(item.data):
            name, *rest = words
            if name == "OUTPUT_FORMAT" and rest and not self._is_format(rest[0]):
                raise MalformedError(f"file in wrong format: it is for {rest[0]}")
            if name not in ("INPUT", "GROUP"):
                continue
            group = item.group
            if name == "GROUP":
                self.close_group()
                group = self.group = -self.count
            as_needed = item.as_needed
            for word in rest:
                if word in ("AS_NEEDED(", ")"):
                    as_needed = item.as_needed or word != ")"
                else:
                    found = self._find(word, item)
                    self.open(replace(found, as_needed=as_needed, group=group), depth + 1)

    def _is_format(self, name: str) -> bool:
        machine = _EMULATIONS.get(self.context.options.emulation)
        if machine is None:
            machine = self.context.machine if self.context.files or self.context.libraries else None
        return name in _FORMATS.values() if machine is None else name == _FORMATS[machine]

    def _find(self, word: str, item: LinkInput) -> LinkInput:
        """The file a text names: as it stands, beside the text, or in the folders of -L."""
        from toolkit.asm.link.arguments import search

        read = self.context.options.open_file
        if read is None:
            raise MalformedError(f"it names other files ({word}), which are not read here")
        folders = self.context.options.folders
        if word.startswith("-l"):
            found = search(word[2:], folders, item.only_archives, read, self.context.options.emulation)
            if found is None:
                raise MalformedError(f"it asks for {word}, which is in none of the folders given with -L")
            return replace(item, name=found[0], data=found[1], whole=False, searched=True)
        beside = item.name.rpartition("/")[0] or "."
        places = (
            [word] if word.startswith("/") else [f"{beside}/{word}", word, *(f"{f}/{word}" for f in folders)]
        )
        for place in places:
            data = read(place)
            if data is not None:
                return replace(item, name=place, data=data, whole=False)
        raise MalformedError(f"it asks for {word}, which does not exist")


def is_text(data: bytes) -> bool:
    """Whether a file may be a linker script that names inputs."""
    head = data[:65536]
    return (
        bool(head.strip())
        and b"\0" not in head
        and bool(re.search(rb"\b(GROUP|INPUT|OUTPUT_FORMAT)\s*\(", head))
    )


def commands(data: bytes) -> Iterator[list[str]]:
    """(command, words): ``AS_NEEDED(`` and ``)`` stand around what is only taken when needed. Raises MalformedError."""
    text = data.decode("utf-8", "surrogateescape")
    words = [w.strip('"') for w in _TOKENS.findall(text) if not w.startswith("/*") and w not in (",", ";")]
    at = 0
    while at < len(words):
        if at + 1 >= len(words) or words[at + 1] != "(":
            raise MalformedError(f"syntax error in the text at `{words[at][:40]}'")
        name, found, depth = words[at], [], 1
        at += 2
        while depth and at < len(words):
            word = words[at]
            if word == "(":
                raise MalformedError(f"syntax error in {name}")
            if word == ")":
                depth -= 1
                if depth:
                    found.append(word)
            elif at + 1 < len(words) and words[at + 1] == "(":
                if word != "AS_NEEDED" or depth > 1:
                    raise MalformedError(f"{word} is not understood within {name}")
                found.append("AS_NEEDED(")
                depth, at = depth + 1, at + 1
            else:
                found.append(word)
            at += 1
        if depth:
            raise MalformedError(f"{name} is not closed")
        if name not in _KNOWN:
            raise MalformedError(
                f"{name} is not understood: only scripts that name inputs are (GROUP, INPUT, AS_NEEDED)"
            )
        yield [name, *found]


_KNOWN = frozenset(
    ("INPUT", "GROUP", "OUTPUT_FORMAT", "OUTPUT_ARCH", "SEARCH_DIR", "TARGET", "EXTERN", "ENTRY", "STARTUP")
)


def set_machine(context: Context, machine: int | None) -> None:
    """The first file decides, if no emulation is asked for."""
    if context.files:
        return
    chosen = _EMULATIONS.get(context.options.emulation, machine)
    if chosen is not None:
        context.machine = chosen
        context.is64 = chosen == elf.EM_X86_64

"""Programs named on the command line: an .asm file is built first, anything else is an ELF file's bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.grading.building import Built

if TYPE_CHECKING:
    from toolkit.asm import Assembly
    from toolkit.asm.source import Diagnostic


class Assembler:
    """Assembles files of the host with one set of options and collects what is said about them."""

    def __init__(
        self,
        object_format: str = "elf64",
        defines: Sequence[str] = (),
        include: Sequence[Path] = (),
        *,
        listing: bool = False,
    ) -> None:
        self._format = object_format
        self._listing = listing
        self._defines = [_define(each) for each in defines]
        self._include = [str(each) for each in include]
        self.diagnostics: list[Diagnostic] = []

    @property
    def failed(self) -> bool:
        return any(each.is_error for each in self.diagnostics)

    def assemble(self, path: Path) -> Assembly | None:
        """One file, ``None`` when it has errors."""
        from toolkit.asm import assemble

        try:
            assembly = assemble(
                path, format=self._format, defines=self._defines, include=self._include, listing=self._listing
            )
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        self.diagnostics += assembly.diagnostics
        return assembly if assembly.object is not None else None

    def link(self, files: Sequence[Path], objects: Sequence[Assembly]) -> bytes | None:
        """The linked file's bytes, ``None`` when there are errors."""
        linked = self.linked(files, objects)
        return None if linked is None else linked.elf

    def linked(self, files: Sequence[Path], objects: Sequence[Assembly]) -> Built | None:
        """The linked program with its lines, ``None`` when there are errors."""
        from toolkit.asm.link import LinkInput, link

        inputs = [
            LinkInput(path.with_suffix(".o").name, each.object or b"", each.lines)
            for path, each in zip(files, objects, strict=True)
        ]
        result = link(inputs)
        self.diagnostics += result.diagnostics
        if result.elf is None:
            return None
        texts = {str(path): path.read_text(errors="replace").splitlines() for path in files}
        return Built((), result.elf, result.symbols, result.lines, texts)


def _define(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name.isidentifier():
        raise click.UsageError(f"-D {text}: write NAME or NAME=VALUE")
    return name, value


def _exercise_format(path: Path) -> str:
    """The object format of the exercise that a source belongs to; elf64 where it belongs to none."""
    from toolkit.grading.checks import BrokenCheck
    from toolkit.grading.exercise import Exercise

    for folder in path.resolve().parents[:2]:
        if (folder / "grader.py").is_file():
            try:
                return str(Exercise(folder).grader.constants.get("FORMAT", "elf64"))
            except BrokenCheck:
                return "elf64"
    return "elf64"


def load_program(path: Path) -> Built:
    """Build an .asm file, or read an ELF file. Prints what is wrong and exits with 1 or 2."""
    from toolkit.cli.build import print_diagnostics
    from toolkit.cli.common import open_source, read_binary
    from toolkit.grading.building import Built, symbols_of

    if path.suffix.lower() not in (".asm", ".s", ".nasm"):
        data = read_binary(path)
        if not data.startswith((b"\x7fELF", b"#!")):
            raise click.UsageError(f"{path} is neither an .asm file nor an ELF program")
        return Built((), data, symbols_of(data))
    open_source(path)
    assembler = Assembler(_exercise_format(path))
    assembly = assembler.assemble(path)
    built = None if assembly is None else assembler.linked([path], [assembly])
    print_diagnostics(assembler.diagnostics)
    if built is None or assembler.failed:
        raise click.exceptions.Exit(1)
    return built

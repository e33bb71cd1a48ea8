"""Programs named on the command line: an .asm file is built first, anything else is an ELF file's bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.grading.building import Built

if TYPE_CHECKING:
    from toolkit.asm import Assembly
    from toolkit.asm.diagnostics import Diagnostic
    from toolkit.grading.exercise import Exercise


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
        texts = {str(path): path.read_text(encoding="utf-8", errors="replace").splitlines() for path in files}
        return Built((), result.elf, result.symbols, result.lines, texts)


def _define(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name.isidentifier():
        raise click.UsageError(f"-D {text}: write NAME or NAME=VALUE")
    return name, value


def program_file(path: Path) -> Path:
    """The file that is meant: itself, or the source of an exercise given by its folder or its name. Raises UserError."""
    from toolkit.cli.common import UserError, find_course
    from toolkit.grading.checks import BrokenCheck
    from toolkit.grading.exercise import CourseError, Exercise

    if path.is_file() or path.suffix or (path.is_absolute() and not path.is_dir()):
        return path
    try:
        named = Exercise(path) if (path / "grader.py").is_file() else find_course().one(path.as_posix())
        return named.folder / named.source_names[0]
    except CourseError as error:
        if path.exists():
            return path
        raise UserError(f"there is no file {path} and {error}") from error
    except (click.UsageError, BrokenCheck):
        return path


def _exercise_around(path: Path) -> Exercise | None:
    """The exercise that a source belongs to: beside it, or in its reference/ or mutants/."""
    from toolkit.grading.exercise import Exercise

    for folder in path.resolve().parents[:2]:
        if (folder / "grader.py").is_file():
            return Exercise(folder)
    return None


def _format_and_sources(path: Path) -> tuple[str, list[Path]]:
    """The object format of a source, and what is linked with it: of an exercise's main file, its other files."""
    from toolkit.grading.checks import BrokenCheck

    exercise = _exercise_around(path)
    if exercise is None:
        return "elf64", [path]
    try:
        main, *others = exercise.source_names
        object_format = str(exercise.grader.constants.get("FORMAT", "elf64"))
    except BrokenCheck:
        return "elf64", [path]
    if path.name != main:
        return object_format, [path]
    beside = [path.with_name(name) for name in others]
    found = [each if each.is_file() else exercise.folder / each.name for each in beside]
    return object_format, [path, *found]


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
    object_format, sources = _format_and_sources(path)
    assembler = Assembler(object_format)
    for source in sources:
        open_source(source)
    objects = [assembler.assemble(source) for source in sources]
    whole = [each for each in objects if each is not None]
    built = assembler.linked(sources, whole) if len(whole) == len(sources) else None
    print_diagnostics(assembler.diagnostics)
    if built is None or assembler.failed:
        raise click.exceptions.Exit(1)
    return built

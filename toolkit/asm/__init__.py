"""The NASM language: source text to object files and linked programs.

``assemble`` reads as the list of passes; ``build`` adds the linker. The modules, in the order text flows through them:
``source`` (files, diagnostics), ``preprocess``, ``scan``, ``expr``, ``parser``, ``layout`` (with ``directives``, ``data``),
``encode`` (with ``instructions``), ``objfile`` and ``elfwrite`` or ``binfile``, ``link``. Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.asm.diagnostics import Diagnostic
    from toolkit.asm.layout_run import Outcome
    from toolkit.asm.linetable import LineTable
    from toolkit.asm.link import Linked
    from toolkit.asm.source import SourceTree

__all__ = ["Assembly", "Built", "assemble", "build"]

FORMATS = ("elf64", "elf32", "bin")


@dataclass(frozen=True, slots=True)
class Assembly:
    """The result of one assembler run. ``object`` is the output file, None when there were errors."""

    object: bytes | None
    lines: LineTable
    diagnostics: tuple[Diagnostic, ...]
    dependencies: tuple[str, ...] = ()
    passes: int = 0
    _outcome: Outcome | None = field(default=None, repr=False, compare=False)

    def __reduce__(self) -> tuple[type[Assembly], tuple[Any, ...]]:
        fields = (self.object, self.lines, self.diagnostics, self.dependencies, self.passes)
        return (Assembly, fields)

    def listing(self) -> str:
        """The text of nasm's ``-l`` file. Needs ``assemble(…, listing=True)``; raises ValueError without."""
        if self._outcome is None:
            raise ValueError("assemble with listing=True to get a listing")
        from toolkit.asm.listing import render

        return render(self._outcome, self.diagnostics)


def assemble(
    source: str | os.PathLike[str],
    *,
    name: str = "program.asm",
    format: str = "elf64",
    defines: Sequence[tuple[str, str]] = (),
    undefines: Sequence[str] = (),
    include: Sequence[str] = (),
    pre_includes: Sequence[str] = (),
    tree: SourceTree | None = None,
    encoder: str = "auto",
    strict: bool = False,
    listing: bool = False,
    debug: bool = False,
    warnings: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    timestamp: int | None = None,
    most_lines: int | None = None,
) -> Assembly:
    """Assemble one source file as ``nasm -f FORMAT`` does.

    A ``str`` is source text (latin-1 or UTF-8), called ``name`` in messages; anything path-like is a file to read, with its folder and the
    ``include`` folders as the only places files come from. With ``tree`` the source is read from it under ``name``.
    ``encoder``: auto, table or keystone. ``strict``: suspicious warnings are errors. ``debug``: DWARF line
    information (``-g -F dwarf``). ``warnings``: as behind ``-W`` (``+all``, ``no-orphan-labels``, ``error``).
    ``most_lines``: how many lines macros and repetitions may make in a pass; None: 1,200,000.
    Never raises for a bad program: its ``object`` is None then. Raises ValueError for an unknown format
    or encoder, KeystoneUnavailableError where ``keystone`` is asked for and does not load.
    """
    from toolkit.asm.encode import choose_encoder
    from toolkit.asm.layout import Layout
    from toolkit.asm.layout_format import find_format, written
    from toolkit.asm.layout_run import run_passes
    from toolkit.asm.preprocess import Preprocessor
    from toolkit.asm.reports import Reporter, finish_diagnostics, initial_warnings

    output = find_format(format)
    choose_encoder(encoder)
    tree, main, shown = _open_source(source, name, include, tree)
    reporter = Reporter(strict)
    preprocessor = Preprocessor(
        tree, main, defines=defines, undefines=undefines, pre_includes=pre_includes, format=format,
        debug_format="dwarf" if debug else "", environment=environment, timestamp=timestamp, most_lines=most_lines,
        listing=listing, report=reporter.from_preprocessor,
    )  # fmt: skip
    layout = Layout(output, tree, encoder)
    outcome = run_passes(
        layout, preprocessor, reporter,
        source_name=shown, warning_states=initial_warnings(warnings), keep_records=listing or debug,
    )  # fmt: skip
    data: bytes | None = None
    if not reporter.diagnostics.has_errors:
        if debug and format != "bin":
            from toolkit.asm.dwarf import add_line_information

            add_line_information(outcome)
        data = written(outcome, reporter)
    failed = reporter.diagnostics.has_errors
    return Assembly(
        None if failed else data,
        outcome.lines,
        finish_diagnostics(reporter, layout, preprocessor),
        (*tree.used, *preprocessor.dependencies),
        layout.passes,
        outcome if listing else None,
    )


def _open_source(
    source: str | os.PathLike[str], name: str, include: Sequence[str], tree: SourceTree | None
) -> tuple[SourceTree, str, str]:
    """(tree, the source's name in it, its name as nasm's command line would have it)."""
    from toolkit.asm.source import SourceTree

    if not isinstance(source, str):
        path = os.fspath(source)
        if tree is not None:
            return tree, PurePath(path).as_posix(), path
        found, main = SourceTree.from_path(path, include)
        return found, main, path
    if tree is not None and not source:
        return tree, name, name
    try:
        data = source.encode("latin-1")
    except UnicodeEncodeError:
        data = source.encode("utf-8", "surrogatepass")
    return SourceTree.from_memory({name: data}), name, name


@dataclass(frozen=True, slots=True)
class Built:
    """A linked program: ``elf`` is None when there were errors. ``symbols``: name → address."""

    elf: bytes | None
    lines: LineTable
    symbols: dict[str, int]
    diagnostics: tuple[Diagnostic, ...]
    objects: tuple[Assembly, ...] = ()


def build(
    sources: Sequence[str | os.PathLike[str]] | str | os.PathLike[str],
    *,
    name: str = "program.asm",
    link_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> Built:
    """Assemble each source (``options`` as of ``assemble``) and link them as ``ld`` does."""
    from toolkit.asm.linetable import LineTable
    from toolkit.asm.link import LinkInput, link

    several = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    assemblies = [assemble(source, name=name, **options) for source in several]
    diagnostics = tuple(d for assembly in assemblies for d in assembly.diagnostics)
    inputs: list[LinkInput] = []
    for source, assembly in zip(several, assemblies, strict=True):
        if assembly.object is None:
            return Built(None, LineTable(), {}, diagnostics, tuple(assemblies))
        shown = name if isinstance(source, str) else os.fspath(source)
        inputs.append(LinkInput(_object_name(shown), assembly.object, assembly.lines))
    linked: Linked = link(inputs, **(link_options or {}))
    return Built(
        linked.elf, linked.lines, linked.symbols, diagnostics + linked.diagnostics, tuple(assemblies)
    )


def _object_name(source: str) -> str:
    return source.removesuffix(".asm") + ".o"

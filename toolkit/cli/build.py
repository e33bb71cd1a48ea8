"""``toolkit build``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from toolkit.asm import Assembly
    from toolkit.asm.diagnostics import Diagnostic

EPILOG = """\b
Examples:
  toolkit build hello.asm                 the program hello
  toolkit build main.asm library.asm      both, linked into main
  toolkit build main.asm other.o lib.a    with objects and archives of nasm's, gcc's or ours
  toolkit build -c -o hello.o hello.asm   the object alone, as -f obj
  toolkit build -f bin boot.asm           flat bytes
  toolkit build -l hello.lst hello.asm    with a listing
  toolkit build -g hello.asm              with line numbers for gdb
  toolkit build --format json hello.asm   what is wrong, for another program
Exit status: 0; 1 when there are errors in a source or in linking; 2 wrong usage or an unreadable file.
"""

_SUFFIX = {"elf64": ".o", "elf32": ".o", "obj": ".o", "bin": ""}
_ARCHIVE, _ELF = b"!<arch>\n", b"\x7fELF"
_THIN_ARCHIVE = b"!<thin>\n"
_MACRO_NAME = re.compile(r"[A-Za-z_.?@][\w.?@$#~]*")


@dataclass
class _Job:
    """One run of the command: its files in the order of the command line, and what was said about them."""

    options: dict[str, Any]
    inputs: list[tuple[Path, bytes | None]]  # bytes: an object, archive or library; None: a source
    assemblies: dict[Path, Assembly] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return any(each.is_error for each in self.diagnostics)

    @property
    def sources(self) -> list[Path]:
        return [path for path, data in self.inputs if data is None]

    def assemble(self) -> None:
        """Every source. Raises UsageError."""
        from toolkit.asm import assemble

        for path in self.sources:
            try:
                assembly = assemble(path, **self.options)
            except ValueError as error:
                raise click.UsageError(str(error)) from error
            self.assemblies[path] = assembly
            self.diagnostics += assembly.diagnostics

    def link(self) -> bytes | None:
        """The linked file, None when there are errors. ``assemble`` made every object."""
        from toolkit.asm.link import LinkInput, link
        from toolkit.asm.link.arguments import read_file

        inputs = []
        for path, data in self.inputs:
            if data is not None:
                inputs.append(LinkInput(str(path), data))
            else:
                made = self.assemblies[path]
                inputs.append(LinkInput(path.with_suffix(".o").name, made.object or b"", made.lines))
        linked = link(inputs, open_file=read_file)
        self.diagnostics += linked.diagnostics
        return linked.elf


@click.command("build", epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where to write the result.")
@click.option(
    "-f",
    "object_format",
    type=click.Choice(list(_SUFFIX)),
    default="elf64",
    help="Object format; obj is an elf64 object, not linked.",
)
@click.option("-l", "--listing", type=click.Path(path_type=Path), help="Also write a listing.")
@click.option(
    "-D", "defines", multiple=True, metavar="NAME[=VALUE]", help="As %define NAME VALUE before the source."
)
@click.option(
    "-I", "include", multiple=True, type=click.Path(path_type=Path), help="Where to look for included files."
)
@click.option("-c", "compile_only", is_flag=True, help="Do not link: write the object.")
@click.option("-g", "debug", is_flag=True, help="With DWARF line numbers for a debugger.")
@click.option("-F", "debug_format", type=click.Choice(["dwarf"]), help="The same, as nasm's -g -F dwarf.")
@click.option("--strict", is_flag=True, help="Errors for warnings that are nearly always mistakes.")
@click.option("--nasm-messages", is_flag=True, help="Say what is wrong in nasm's words.")
@click.option(
    "--format",
    "--messages",
    "messages",
    type=click.Choice(["text", "json"]),
    default="text",
    help="How to print what is wrong.",
)
def build_command(
    files: tuple[Path, ...],
    output: Path | None,
    object_format: str,
    listing: Path | None,
    defines: tuple[str, ...],
    include: tuple[Path, ...],
    compile_only: bool,
    debug: bool,
    debug_format: str | None,
    strict: bool,
    nasm_messages: bool,
    messages: str,
) -> None:
    """Assemble FILEs as nasm does, and link them as ld does. Objects, archives and libraries are linked as they are."""
    from toolkit.cli.common import write_bytes

    alone = compile_only or object_format in ("bin", "obj")
    options = {
        "format": "elf64" if object_format == "obj" else object_format,
        "defines": [_define(each) for each in defines],
        "include": [str(each) for each in include],
        "listing": listing is not None,
        "debug": debug or debug_format is not None,
        "strict": strict,
    }
    job = _Job(options, [(path, _linkable(path)) for path in files])
    results = _destinations(job, output, _SUFFIX[object_format], alone)
    job.assemble()
    if listing is not None:
        text = "".join(each.listing() for each in job.assemblies.values())
        write_bytes(listing, text.encode("latin-1", errors="replace"))
    made: dict[Path, bytes | None] = {}
    if not job.failed:
        made = (
            {path: job.assemblies[source].object for source, path in results.items()}
            if alone
            else {next(iter(results.values())): job.link()}
        )
    style = "nasm" if nasm_messages and messages == "text" else messages
    print_diagnostics(job.diagnostics, style)
    if job.failed:
        raise click.exceptions.Exit(1)
    for path, data in made.items():
        if data is not None:
            write_bytes(path, data, executable=not alone)


def _define(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not _MACRO_NAME.fullmatch(name):
        raise click.UsageError(f"-D {text}: write NAME or NAME=VALUE")
    return name, value


def _linkable(path: Path) -> bytes | None:
    """The bytes of an object, archive or shared library; None for a source. Raises UsageError for what can't be read."""
    from toolkit.asm.link.inputs import is_text
    from toolkit.cli.common import open_source, read_binary

    if path.suffix.lower() in (".asm", ".s", ".nasm"):
        open_source(path)
        return None
    data = read_binary(path)
    if data.startswith((_ELF, _ARCHIVE, _THIN_ARCHIVE)):
        return data
    if path.suffix == ".so" and is_text(data):
        return data
    if path.suffix in (".o", ".a", ".so"):
        raise click.UsageError(f"{path} is no ELF object, archive or library")
    open_source(path)
    return None


def _destinations(job: _Job, output: Path | None, suffix: str, alone: bool) -> dict[Path, Path]:
    """Source to file to write; of a linked program, its first file. Raises UsageError where one would be overwritten."""
    if alone:
        for path, data in job.inputs:
            if data is not None:
                raise click.UsageError(f"{path} is assembled already, and nothing is to be linked")
        if output is not None and len(job.inputs) > 1:
            raise click.UsageError(
                "-o with several FILEs and without linking: leave -o out, or build them one by one"
            )
    sources = job.sources if alone else [job.inputs[0][0]]
    found = {source: output or source.with_suffix(suffix if alone else "") for source in sources}
    inputs = {path.resolve() for path, _ in job.inputs}
    for target in found.values():
        if target.resolve() in inputs:
            raise click.UsageError(
                f"{target} is one of the FILEs and would be overwritten: name another with -o"
            )
    if len(set(found.values())) < len(found):
        raise click.UsageError("two of the FILEs have one name without suffix: build them one by one with -o")
    return found


def print_diagnostics(diagnostics: Sequence[Diagnostic], messages: str = "text") -> None:
    """On stderr for a reader (``text``, or ``nasm`` for nasm's words), or on stdout as one list (``json``)."""
    if messages == "json":
        click.echo(json.dumps([each.as_json() for each in diagnostics], indent=2, ensure_ascii=False))
        return
    import os
    import sys

    color = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    for line in _rendered(diagnostics, messages, color):
        click.echo(line, err=True, color=color)


def _rendered(diagnostics: Sequence[Diagnostic], messages: str, color: bool) -> Iterable[str]:
    if messages == "nasm":
        yield from filter(None, (each.render_nasm() for each in diagnostics))
    elif diagnostics:
        from toolkit.asm.reports import without_repeats

        yield from (each.render(color=color) for each in without_repeats(diagnostics))

"""``toolkit build``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from toolkit.asm.source import Diagnostic

EPILOG = """\b
Examples:
  toolkit build hello.asm                 the program hello
  toolkit build main.asm library.asm      both, linked into main
  toolkit build -c -o hello.o hello.asm   the object alone
  toolkit build -f bin boot.asm           flat bytes
  toolkit build -l hello.lst hello.asm    with a listing
Exit status: 0; 1 when there are errors in a source; 2 wrong usage.
"""

_SUFFIX = {"elf64": ".o", "elf32": ".o", "obj": ".obj", "bin": ""}


@click.command("build", epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where to write the result.")
@click.option(
    "-f",
    "--format",
    "object_format",
    type=click.Choice(list(_SUFFIX)),
    default="elf64",
    help="Object format.",
)
@click.option("-l", "--listing", type=click.Path(path_type=Path), help="Also write a listing.")
@click.option(
    "-D", "defines", multiple=True, metavar="NAME[=VALUE]", help="As %define NAME VALUE before the source."
)
@click.option(
    "-I", "include", multiple=True, type=click.Path(path_type=Path), help="Where to look for included files."
)
@click.option("-c", "compile_only", is_flag=True, help="Do not link: write the object.")
@click.option(
    "--messages", type=click.Choice(["text", "json"]), default="text", help="How to print what is wrong."
)
def build_command(
    files: tuple[Path, ...],
    output: Path | None,
    object_format: str,
    listing: Path | None,
    defines: tuple[str, ...],
    include: tuple[Path, ...],
    compile_only: bool,
    messages: str,
) -> None:
    """Assemble FILEs as nasm does, and link them as ld does."""
    from toolkit.cli.common import open_source, write_bytes
    from toolkit.cli.programs import Assembler

    alone = compile_only or object_format in ("bin", "obj")
    if alone and output is not None and len(files) > 1:
        raise click.UsageError(
            "-o with several FILEs and without linking: leave -o out, or build them one by one"
        )
    for file in files:
        open_source(file)
    assembler = Assembler(object_format, defines, include, listing=listing is not None)
    objects = [assembler.assemble(file) for file in files]
    if listing is not None and objects:
        write_bytes(
            listing, "".join(each.listing() for each in objects if each is not None).encode(errors="replace")
        )
    results: list[tuple[Path, bytes]] = []
    if not assembler.failed:
        if alone:
            results = [
                (output or file.with_suffix(_SUFFIX[object_format]), each.object)
                for file, each in zip(files, objects, strict=True)
                if each is not None and each.object is not None
            ]
        else:
            linked = assembler.link(files, [each for each in objects if each is not None])
            results = [] if linked is None else [(output or files[0].with_suffix(""), linked)]
    print_diagnostics(assembler.diagnostics, messages)
    if assembler.failed:
        raise click.exceptions.Exit(1)
    for path, data in results:
        write_bytes(path, data, executable=not alone)


def print_diagnostics(diagnostics: Sequence[Diagnostic], messages: str = "text") -> None:
    """On stderr for a reader, or on stdout as one JSON list."""
    if messages == "json":
        click.echo(json.dumps([each.as_json() for each in diagnostics], indent=2, ensure_ascii=False))
        return
    import os
    import sys

    color = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    for line in _rendered(diagnostics, color):
        click.echo(line, err=True, color=color)


def _rendered(diagnostics: Iterable[Diagnostic], color: bool) -> Iterable[str]:
    return (each.render(color=color) for each in diagnostics)

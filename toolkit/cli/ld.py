"""``toolkit ld``: the linker with GNU ld's own command line."""

from __future__ import annotations

from pathlib import Path

import click

from toolkit.cli.build import print_diagnostics
from toolkit.cli.common import write_bytes

EPILOG = """\b
Examples:
  toolkit ld main.o lib.o -o main
  toolkit ld -r first.o second.o -o both.o
  toolkit ld -shared library.o -o lib.so -soname lib.so
  toolkit ld -m elf_i386 main.o ./lib.so -o main -dynamic-linker /lib/ld-linux.so.2
Exit status: 0; 1 when there are errors in linking; 2 wrong usage or an unreadable file.
"""


@click.command(
    "ld",
    epilog=EPILOG,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[OPTION | FILE]...")
@click.pass_context
def ld_command(context: click.Context, arguments: tuple[str, ...]) -> None:
    """Link objects, archives and libraries as GNU ld does, with the options of ld(1) that programs are linked with.

    -shared, -pie, -m, -o, -e, -l, -L, -T* addresses, --gc-sections, --start-group, --whole-archive, --as-needed, -z …, -s, -S,
    -x, -X, -r, -u, --wrap, --defsym, -soname, -rpath, --hash-style, --build-id, --eh-frame-hdr, -E, -Bsymbolic and more.
    """
    from toolkit.asm.link.arguments import UsageError, link_files

    if not arguments or arguments[0] in ("--help", "-help", "-h"):
        click.echo(context.get_help())
        return
    try:
        linked, plan = link_files(arguments)
    except UsageError as error:
        raise click.UsageError(str(error)) from error
    print_diagnostics(linked.diagnostics, "text")
    if linked.elf is None:
        raise click.exceptions.Exit(1)
    write_bytes(Path(plan.output), linked.elf, executable=not plan.options.relocatable)

"""``toolkit debug``: step through a program, forwards and back, or let gdb do it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from toolkit.debug.stepper import Stepper

EPILOG = """\b
Examples:
  toolkit debug crash.asm
  toolkit debug hello.asm --gdb 1234     and elsewhere: gdb ./hello -ex 'target remote :1234'
Commands of the stepper: s [N] step, b [N] back, c [LABEL] continue, rc [LABEL] back to, g N go to instruction N,
r registers, x ADDRESS [BYTES] memory, o output so far, m map, q quit; an empty line repeats the last one.
"""


@click.command("debug", epilog=EPILOG)
@click.option(
    "--gdb",
    "port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Serve gdb on this port of this machine.",
)
@click.option("--seed", type=int, default=0, help="Seed of everything that is left to chance.")
@click.option(
    "--stdin", "stdin", type=click.Path(path_type=Path), metavar="FILE", help="What the program reads."
)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, metavar="[ARG]...")
def debug_command(
    port: int | None, seed: int, stdin: Path | None, file: Path, arguments: tuple[str, ...]
) -> None:
    """Step through FILE (an .asm, built first, or a Linux ELF program), forwards and back."""
    from toolkit.cli.common import read_binary
    from toolkit.cli.programs import load_program, program_file
    from toolkit.debug.stepper import Stepper, begin

    file = program_file(file)
    built = load_program(file)
    data = b"" if stdin is None else read_binary(stdin)
    timeline = begin(built.elf or b"", [f"./{file.stem}", *arguments], data, seed)
    try:
        if port is None:
            _converse(Stepper(timeline, built))
            return
        from toolkit.debug.gdb import serve

        serve(
            timeline, port, lambda chosen: click.echo(f"waiting for gdb: target remote :{chosen}", err=True)
        )
    except OSError as error:
        raise click.UsageError(f"--gdb {port}: {error.strerror}") from error
    finally:
        timeline.close()


def _converse(stepper: Stepper) -> None:
    """Read commands until q or the end of the input."""
    stream: TextIO = sys.stdin
    interactive = stream.isatty()
    click.echo(stepper.where())
    last = ""
    while True:
        if interactive:
            click.echo("> ", nl=False)
        line = stream.readline()
        if not line:
            return
        command = line.strip() or last
        if command in ("q", "quit"):
            return
        last = command
        click.echo(stepper.obey(command))

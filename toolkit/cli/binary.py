"""``toolkit size`` and ``toolkit objdump``: ELF files as binutils print them; an .asm file is built first."""

from __future__ import annotations

from pathlib import Path

import click


def _source(file: Path) -> tuple[bytes | str, str]:
    """What the view reads, and the name it shows: a program built from an .asm file, or the file itself."""
    if file.suffix.lower() not in (".asm", ".nasm"):
        return str(file), str(file)
    from toolkit.cli.programs import load_program

    built = load_program(file)
    return built.elf or b"", str(file.with_suffix(""))


@click.command("size", epilog="\b\nExamples:\n  toolkit size hello\n  toolkit size -A hello.asm\n")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("-A", "sysv", is_flag=True, help="Every section with its size and address.")
def size_command(files: tuple[Path, ...], sysv: bool) -> None:
    """Print the sizes of an ELF file's text, data and bss, as size(1) does."""
    from toolkit.views.binary import BinaryFileError, size

    for number, file in enumerate(files):
        source, name = _source(file)
        try:
            text = size(source, name, sysv)
        except BinaryFileError as error:
            raise click.UsageError(str(error)) from error
        if number and not sysv:
            text = text.partition("\n")[2]
        click.echo(text, nl=False)


@click.command(
    "objdump", epilog="\b\nExamples:\n  toolkit objdump -h hello\n  toolkit objdump -f hello.asm\n"
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-f", "file_header", is_flag=True, help="The file's header.")
@click.option("-h", "section_headers", is_flag=True, help="The sections.")
def objdump_command(file: Path, file_header: bool, section_headers: bool) -> None:
    """Print an ELF file's headers, as objdump(1) does."""
    from toolkit.views.binary import BinaryFileError, objdump

    if not (file_header or section_headers):
        raise click.UsageError("say what to print: -f, -h or both")
    source, name = _source(file)
    try:
        text = objdump(source, name, file_header=file_header, section_headers=section_headers)
    except BinaryFileError as error:
        raise click.UsageError(str(error)) from error
    click.echo(text, nl=False)

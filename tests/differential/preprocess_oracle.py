"""What ``nasm -E`` and our preprocessor make of one program, in a form that can be compared."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from toolkit.asm.diagnostics import Diagnostic
from toolkit.asm.preprocess import Preprocessor
from toolkit.asm.preprocess.evaluation import preprocess_only
from toolkit.asm.source import SourceTree

CASES = Path(__file__).parent / "preprocess"
ENVIRONMENT = {"HOME": "/root", "PATH": "/usr/bin:/bin"}
FOLLOWS_FROM_SYMBOLS = re.compile(r"non-constant value|non-constant expression|invalid expression in param")


class Preprocessed(NamedTuple):
    """Lines with blanks normalised, and messages as nasm prints them."""

    lines: list[str]
    messages: list[str]


def load_cases(folder: Path = CASES) -> Iterator[tuple[str, str]]:
    """(title, program) of every case in a data folder."""
    for path in sorted(folder.glob("*.txt")):
        for block in re.split(r"^=== ?", path.read_bytes().decode("latin-1"), flags=re.M)[1:]:
            title, _, body = block.partition("\n")
            yield f"{path.stem}: {title}", body


def nasm(program: str, output_format: str = "elf64") -> Preprocessed:
    """What nasm 2.16.01 prints under ``-E``."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "t.asm").write_bytes(program.encode("latin-1"))
        done = subprocess.run(
            ["nasm", "-E", "-f", output_format, "t.asm"],
            cwd=folder,
            capture_output=True,
            env=ENVIRONMENT,
            timeout=20,
            check=False,
        )
    return Preprocessed(
        _lines(done.stdout.decode("latin-1")), _messages(done.stderr.decode("latin-1").split("\n"))
    )


def ours(program: str, output_format: str = "elf64") -> Preprocessed:
    """The same from ``Preprocessor``."""
    tree = SourceTree.from_memory({"t.asm": program.encode("latin-1")})
    said: list[Diagnostic] = []
    preprocessor = Preprocessor(
        tree, "t.asm", format=output_format, environment=ENVIRONMENT, report=said.append
    )
    lines = [line.text for line in preprocessor.lines(preprocess_only, pass_kind=3)]
    messages = [part for diagnostic in said for part in diagnostic.render_nasm().split("\n")]
    return Preprocessed(_lines("\n".join(lines)), _messages(messages))


def _lines(text: str) -> list[str]:
    """Lines that are neither blank nor %line, runs of blanks as one."""
    lines = (
        re.sub(r"[ \t]+", " ", line).strip() for line in text.split("\n") if not line.startswith("%line")
    )
    return [line for line in lines if line]


def _messages(messages: list[str]) -> list[str]:
    """Each message once; what nasm adds after "symbol references not supported" on the same line left out."""
    kept: list[str] = []
    place_of_symbol = ""
    for message in messages:
        message = message.replace(
            "error: `' missing", "error: `%rotate' missing"
        )  # nasm forgets the name there
        place = message.partition(" ")[0]
        if "symbol references not supported" in message:
            place_of_symbol = place
        elif place == place_of_symbol and FOLLOWS_FROM_SYMBOLS.search(message):
            continue
        if message and message not in kept:
            kept.append(message)
    return kept


class Assembled(NamedTuple):
    """An object's bytes, None where it was refused, and the messages."""

    data: bytes | None
    messages: list[str]


def assembled_by_nasm(program: str, output_format: str) -> Assembled:
    """What ``nasm -f FORMAT`` writes."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "t.asm").write_bytes(program.encode("latin-1"))
        done = subprocess.run(
            ["nasm", "-f", output_format, "t.asm", "-o", "t.o"],
            cwd=folder,
            capture_output=True,
            env=ENVIRONMENT,
            timeout=20,
            check=False,
        )
        made = Path(folder, "t.o")
        data = made.read_bytes() if done.returncode == 0 and made.exists() else None
    return Assembled(data, _messages(done.stderr.decode("latin-1").split("\n")))


def assembled_by_us(program: str, output_format: str) -> Assembled:
    """The same from ``assemble``."""
    from toolkit.asm import assemble

    tree = SourceTree.from_memory({"t.asm": program.encode("latin-1")})
    result = assemble("", name="t.asm", tree=tree, format=output_format, environment=ENVIRONMENT)
    messages = [part for d in result.diagnostics for part in d.render_nasm().split("\n")]
    return Assembled(result.object, _messages(messages))

"""``size`` and ``objdump`` against binutils, over the system's own files and nasm's."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from toolkit.views import binary

pytestmark = pytest.mark.differential
FOLDERS = ("/usr/bin", "/usr/lib/x86_64-linux-gnu", "/usr/lib/gcc/x86_64-linux-gnu/12", "/usr/sbin")


def printed(*command: str) -> str:
    run = subprocess.run(command, capture_output=True, check=False)
    return run.stdout.decode("utf-8", "surrogateescape")


def elf_files(limit: int) -> Iterator[str]:
    """System files that are ELF, each once, in an order that mixes kinds."""
    found = sorted(
        {p.resolve() for folder in FOLDERS if Path(folder).is_dir() for p in Path(folder).iterdir()}
    )
    random.Random(4).shuffle(found)
    for path in found:
        if limit and path.is_file():
            with path.open("rb") as stream:
                is_elf = stream.read(4) == b"\x7fELF"
            if is_elf:
                limit -= 1
                yield str(path)


def compare(*paths: str) -> None:
    """Each view of each file is what binutils prints of all of them, one behind the other."""
    head = binary.size(paths[0]).splitlines(keepends=True)[0]
    rows = "".join(binary.size(path).removeprefix(head) for path in paths)
    assert head + rows == printed("size", *paths)
    views: list[tuple[tuple[str, ...], Callable[[str], str]]] = [
        (("size", "-A"), lambda path: binary.size(path, sysv=True)),
        (("objdump", "-f"), lambda path: binary.objdump(path, file_header=True)),
        (
            ("objdump", "-f", "-h"),
            lambda path: binary.objdump(path, file_header=True, section_headers=True),
        ),
    ]
    for command, view in views:
        assert "".join(map(view, paths)) == printed(*command, *paths), command


def test_system_files() -> None:
    compare(*elf_files(40))


@pytest.mark.slow
@pytest.mark.long
def test_all_system_files() -> None:
    files = list(elf_files(5000))
    for first in range(0, len(files), 50):
        compare(*files[first : first + 50])


@pytest.mark.parametrize("kind", ["elf64", "elf32"])
@pytest.mark.parametrize("name", ["plain", "orphans", "common_one", "strings_one"])
def test_nasm_objects(name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = Path(__file__).parent / "link" / f"{name}.asm"
    text = (
        source.read_text()
        .replace("rax", "eax")
        .replace("rbx", "ebx")
        .replace("rcx", "ecx")
        .replace("rsi", "esi")
    )
    Path("a.asm").write_text(text.replace("rdi", "edi").replace("rel ", ""))
    subprocess.run(["nasm", "-w-all", "-f", kind, "a.asm", "-o", "a.o"], check=True)
    compare("a.o")


def test_archive() -> None:
    path = "/usr/lib/gcc/x86_64-linux-gnu/12/libgcc_eh.a"
    if not Path(path).exists():
        pytest.skip("libgcc_eh.a is not installed")
    assert binary.size(path) == printed("size", path)
    assert binary.objdump(path, section_headers=True) == printed("objdump", "-h", path)
    assert binary.objdump(path, file_header=True) == printed("objdump", "-f", path)
    assert binary.size(path, sysv=True) == printed("size", "-A", path)

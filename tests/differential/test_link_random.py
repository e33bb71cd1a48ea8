"""Random objects linked by GNU ld and by us: the same bytes, and what ld refuses is refused."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.asm.link_programs import Case, case, rare_case, wide_case
from toolkit.asm.link.arguments import link_files

BATCH = 25
COUNT = 10_000 if os.environ.get("TOOLKIT_SWEEP") == "full" else 300

# seeds beyond the quick ones that differed once, by what was mended
MENDED = {
    "copies of constants, and of what has no size": (1268, 1497, 1523, 1761, 2215),
    "what --gc-sections keeps for other modules": (1139, 1168, 1188, 1307, 1365, 1520, 1567, 1679),
    "names of the command line that a library defines": (1225, 1457, 1514, 1579, 2360),
    "thread-local storage without contents is not RELRO": (2774, 4138, 4292, 4334, 5065, 5775),
    "--gc-sections keeps an exported __start_": (4286, 5020),
    "empty rows for what is in code": (4680, 4683, 5599),
    "what is exported comes before the command line's names": (859, 2132, 3708, 5146),
    "--wrap holds for what a library asks for": (4064, 4719, 4801, 5592, 5801),
}

pytestmark = pytest.mark.differential


def build(made: Case) -> list[str] | None:
    """The inputs of a case in the current folder; None where the assembler or ld refuses a source or the library."""
    for name, text in {**made.sources, **made.library}.items():
        Path(f"{name}.s").write_text(text)
        command = ["as", f"--{made.bits}", f"{name}.s", "-o", f"{name}.o"]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return None
    inputs = [f"{name}.o" for name in made.sources if name not in made.archived]
    if made.archived:
        subprocess.run(["ar", "rcsD", "libmore.a", *(f"{name}.o" for name in made.archived)], check=True)
        inputs += ["-L.", "--start-group", "-lmore", "--end-group"]
    if not made.library:
        return inputs
    emulation = made.arguments[:2]
    done = subprocess.run(
        ["ld", *emulation, "-shared", "lib.o", "-o", "lib.so"], capture_output=True, check=False
    )
    return None if done.returncode else [*inputs, "lib.so"]


def is_equal(seed: int) -> bool | None:
    """Whether both linkers agree on a random case; None when it can't be built."""
    return is_linked_equally(case(seed))


def is_linked_equally(made: Case) -> bool | None:
    """Whether both linkers make the same of a case, in an emptied current folder; None when it can't be built."""
    for name in os.listdir():
        Path(name).unlink()
    inputs = build(made)
    if inputs is None:
        return None
    command = [*made.arguments, *inputs]
    done = subprocess.run(["ld", *command, "-o", "reference"], capture_output=True, check=False)
    linked, _ = link_files(command)
    reference = Path("reference").read_bytes() if done.returncode == 0 else None
    return settled(linked.elf) == settled(reference)


def settled(data: bytes | None) -> bytes | None:
    """A file without what ld leaves to chance.

    To the .eh_frame_hdr of an .eh_frame that lost all entries it adds four bytes that it never set, and they are in
    the build ID.
    """
    if data is None:
        return None
    start = data.find(b"\x01\x1b\xff\xff")
    if start < 0 or not _is_header_without_table(data, start):
        return data
    note = data.find(b"\4\0\0\0\x14\0\0\0\3\0\0\0GNU\0")
    holes = [(start + 8, 4)] + ([(note + 16, 20)] if note >= 0 else [])
    for at, size in holes:
        data = data[:at] + bytes(size) + data[at + size :]
    return data


def _is_header_without_table(data: bytes, offset: int) -> bool:
    """Whether an .eh_frame_hdr of 12 bytes is there."""
    row, table, width = ("<IIIIII", 0x20, 4) if data[4] == 1 else ("<IIQQQQ", 0x28, 8)
    start = int.from_bytes(data[table : table + width], "little")
    size = struct.calcsize(row)
    step = 40 if data[4] == 1 else 64
    rows = (struct.unpack_from(row, data, at) for at in range(start, len(data) - size + 1, step))
    return any(found[4:6] == (offset, 12) for found in rows)


@pytest.mark.parametrize("start", range(0, COUNT, BATCH))
def test_random_links(start: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("as") is None:
        pytest.skip("the GNU assembler is not installed")
    monkeypatch.chdir(tmp_path)
    results = {seed: is_equal(seed) for seed in range(start, start + BATCH)}
    different = [seed for seed, equal in results.items() if equal is False]
    assert not different, f"seeds {different}: print tests.asm.link_programs.case(seed)"
    assert sum(equal is not None for equal in results.values()) > BATCH // 2


@pytest.mark.parametrize("start", range(0, COUNT // 6, BATCH))
@pytest.mark.parametrize("make", [wide_case, rare_case])
def test_random_links_of_more(
    make: Callable[[int], Case], start: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commons, indirect functions, boundaries, archives and more options; then what is rare."""
    if shutil.which("as") is None or shutil.which("ar") is None:
        pytest.skip("the GNU assembler is not installed")
    monkeypatch.chdir(tmp_path)
    results = {seed: is_linked_equally(make(seed)) for seed in range(start, start + BATCH)}
    different = [seed for seed, equal in results.items() if equal is False]
    assert not different, f"seeds {different}: print tests.asm.link_programs.{make.__name__}(seed)"
    assert sum(equal is not None for equal in results.values()) > BATCH // 2


@pytest.mark.parametrize("cause", MENDED)
def test_links_that_differed(cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("as") is None:
        pytest.skip("the GNU assembler is not installed")
    monkeypatch.chdir(tmp_path)
    results = {seed: is_equal(seed) for seed in MENDED[cause]}
    assert results == dict.fromkeys(MENDED[cause], True)


@pytest.mark.parametrize("arguments", ["", "-pie", "-pie -u missing", "-shared -z defs", "-shared"])
@pytest.mark.parametrize(
    "source", [".data\n.long missing, missing-.", "call missing@PLT", ".weak missing\ncall missing@PLT"]
)
def test_what_a_library_wants_too_is_missing(
    source: str, arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("as") is None:
        pytest.skip("the GNU assembler is not installed")
    monkeypatch.chdir(tmp_path)
    start = f".globl _start\n_start: nop\n{source}"
    emulation = ["-m", "elf_i386"]
    made = Case(32, "", {"o": start}, {"lib": "call missing@PLT"}, [*emulation, *arguments.split()])
    assert is_linked_equally(made)

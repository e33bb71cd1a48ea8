"""Every assembly program of the repository, assembled by us and by nasm: same object, same listing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from toolkit.asm import Assembly, assemble

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted(path for folder in ("exercises", "tests") for path in (ROOT / folder).rglob("*.asm"))
SHARE = 12  # the default run looks at one program in so many


def nasm(path: Path, folder: Path, format: str) -> tuple[bytes | None, str]:
    """(object or None, listing) of the real nasm, run in the program's folder."""
    output, listing = folder / "t.o", folder / "t.lst"
    output.unlink(missing_ok=True)
    listing.unlink(missing_ok=True)
    command = ["nasm", "-f", format, path.name, "-o", str(output), "-l", str(listing)]
    run = subprocess.run(command, cwd=path.parent, capture_output=True, timeout=30)
    text = listing.read_text("latin-1") if listing.exists() else ""
    return (output.read_bytes() if run.returncode == 0 else None), text


def ours(path: Path, format: str, monkeypatch: pytest.MonkeyPatch) -> Assembly:
    monkeypatch.chdir(path.parent)
    return assemble(Path(path.name), format=format, listing=True)


def difference(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    expected, listing = nasm(path, folder, "elf64")
    result = ours(path, "elf64", monkeypatch)
    name = path.relative_to(ROOT)
    if expected != result.object:
        return f"{name}: " + ("; ".join(d.render_nasm() for d in result.diagnostics) or "other bytes")
    if expected is not None and listing != result.listing():
        return f"{name}: the listings differ"
    return ""


@pytest.mark.differential
def test_some_programs_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [text for path in PROGRAMS[::SHARE] if (text := difference(path, tmp_path, monkeypatch))]
    assert not found, "\n".join(found)


@pytest.mark.differential
@pytest.mark.slow
def test_programs_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [text for path in PROGRAMS if (text := difference(path, tmp_path, monkeypatch))]
    assert not found, "\n".join(found)


LISTED = {
    "a repetition of nothing": "%rep 3\n%assign i 1\n%endrep\n nop\n",
    "a macro of nothing": "%macro m 0\n%define z 1\n%endmacro\nm\n nop\n",
    "a macro of nothing, repeated": "%macro m 0\n%define z 1\n%endmacro\n%rep 2\nm\n%endrep\n nop\n",
    "blank lines, repeated": " nop\n%rep 2\n ; c\n\n%endrep\n nop\n",
    "repeated data": "%rep 2\n db 1\n%endrep\n times 3 dd 5\n resb 3\n",
}


@pytest.mark.differential
@pytest.mark.parametrize("case", LISTED)
def test_listing(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "listed.asm"
    path.write_text(LISTED[case])
    expected = nasm(path, tmp_path, "elf64")[1]
    assert expected
    assert ours(path, "elf64", monkeypatch).listing() == expected

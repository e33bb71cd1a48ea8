"""Archives as students send them, and as an attacker would."""

from __future__ import annotations

import io
import struct
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.classroom.archives import ArchiveError, Contents, is_archive, plain_name, read_archive, stem


def wanted(name: str) -> bool:
    return name.endswith(".asm")


def zipped(*entries: tuple[str, bytes], mode: int = 0) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            info = zipfile.ZipInfo(name, (2026, 11, 20, 12, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = mode << 16
            archive.writestr(info, data)
    return stream.getvalue()


def tarred(
    *entries: tuple[str, bytes], mode: str = "w", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mtime = kind, link, 1_000_000
            info.size = len(data) if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def read(tmp_path: Path, data: bytes) -> Contents:
    path = tmp_path / "upload"
    path.write_bytes(data)
    return read_archive(path, wanted)


GOOD: dict[str, bytes] = {
    "zip": zipped(("a/prog.asm", b"nop"), ("a/notes.txt", b"x")),
    "tar": tarred(("a/prog.asm", b"nop"), ("a/notes.txt", b"x")),
    "tar.gz": tarred(("a/prog.asm", b"nop"), mode="w:gz"),
    "tar.bz2": tarred(("a/prog.asm", b"nop"), mode="w:bz2"),
    "tar.xz": tarred(("a/prog.asm", b"nop"), mode="w:xz"),
    "zip with backslashes": zipped(("a\\prog.asm", b"nop")),
}


@pytest.mark.parametrize("kind", GOOD)
def test_good_archives(tmp_path: Path, kind: str) -> None:
    contents = read(tmp_path, GOOD[kind])
    assert contents.files == {"a/prog.asm": b"nop"}
    assert contents.times["a/prog.asm"] in (1_000_000, 1_795_176_000)
    assert contents.notes == []


LEFT_OUT: dict[str, tuple[bytes, str]] = {
    "absolute name in a zip": (zipped(("/etc/prog.asm", b"x")), "no plain relative name"),
    "absolute name in a tar": (tarred(("/etc/prog.asm", b"x")), "no plain relative name"),
    "a name that leaves": (zipped(("../../prog.asm", b"x")), "no plain relative name"),
    "a name that leaves in a tar": (tarred(("a/../../prog.asm", b"x")), "no plain relative name"),
    "a name with a drive": (zipped(("C:/prog.asm", b"x")), "no plain relative name"),
    "a name with a newline": (tarred(("a\nb.asm", b"x")), "no plain relative name"),
    "a name with an escape": (tarred(("\x1b[2J.asm", b"x")), "no plain relative name"),
    "a name of a thousand letters": (tarred(("a" * 2000 + ".asm", b"x")), "no plain relative name"),
    "a symbolic link in a zip": (zipped(("prog.asm", b"/etc/passwd"), mode=0o120777), "is a link"),
    "a device in a zip": (zipped(("prog.asm", b""), mode=0o020666), "is a device"),
    "a symbolic link in a tar": (
        tarred(("prog.asm", b""), kind=tarfile.SYMTYPE, link="/etc/passwd"),
        "is a link",
    ),
    "a hard link in a tar": (
        tarred(("prog.asm", b""), kind=tarfile.LNKTYPE, link="/etc/passwd"),
        "is a link",
    ),
    "a character device": (tarred(("prog.asm", b""), kind=tarfile.CHRTYPE), "is a device"),
    "a block device": (tarred(("prog.asm", b""), kind=tarfile.BLKTYPE), "is a device"),
    "a FIFO": (tarred(("prog.asm", b""), kind=tarfile.FIFOTYPE), "is a device"),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_entries_that_are_left_out(tmp_path: Path, case: str) -> None:
    data, note = LEFT_OUT[case]
    contents = read(tmp_path, data)
    assert contents.files == {}
    assert note in contents.notes[0]
    assert contents.notes[0].isprintable()
    assert [path.name for path in tmp_path.iterdir()] == ["upload"]


def encrypted() -> bytes:
    data = bytearray(zipped(("prog.asm", b"nop")))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


def test_an_encrypted_entry_is_left_out(tmp_path: Path) -> None:
    contents = read(tmp_path, encrypted())
    assert contents.files == {}
    assert "is encrypted" in contents.notes[0]


def many_zip() -> bytes:
    """A million entries: a central directory of 50 bytes each, never read."""
    entry = (
        struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0)
        + b"a.as"
    )
    directory = entry * 1_000_000
    count, size = 1_000_000, len(directory)
    record = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, count, count, size, 0)
    locator = struct.pack("<IIQI", 0x07064B50, 0, size, 1)
    return (
        directory
        + record
        + locator
        + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    )


def many_tar() -> bytes:
    info = tarfile.TarInfo("a.txt")
    return info.tobuf() * 20_000 + bytes(1024)


def bomb() -> bytes:
    return zipped(("prog.asm", bytes(33 << 20)))


def many_large() -> bytes:
    return zipped(*((f"{number}.asm", bytes(1_100_000)) for number in range(4)))


def gzip_bomb() -> bytes:
    import gzip

    head = tarfile.TarInfo("skipped.txt")
    head.size = 260 << 20
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1) as file:
        file.write(head.tobuf())
        for _ in range(260):
            file.write(bytes(1 << 20))
    return stream.getvalue()


def lying() -> bytes:
    """A header that says 10 bytes, and data that grows to 40 MiB."""
    data = bytearray(zipped(("prog.asm", bytes(40 << 20))))
    for at in (22, data.index(b"PK\1\2") + 24):
        data[at : at + 4] = struct.pack("<I", 10)
    return bytes(data)


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "a zip bomb": (bomb, "more than 4 MiB"),
    "many large files": (many_large, "more than 4 MiB"),
    "a tar that grows": (gzip_bomb, "grows to more than 256 MiB"),
    "a million entries in a zip": (many_zip, "1,000,000 entries; at most 10,000"),
    "many entries in a tar": (many_tar, "more than 10,000 entries"),
    "a truncated zip": (lambda: zipped(("prog.asm", b"nop" * 1000))[:100], "damaged|can't be read"),
    "a truncated tar.gz": (lambda: tarred(("prog.asm", bytes(range(256)) * 99), mode="w:gz")[:200], "damaged|can't be read"),
    "a truncated tar.xz": (lambda: tarred(("prog.asm", bytes(range(256)) * 99), mode="w:xz")[:100], "damaged|can't be read"),
    "a zip with a wrong checksum": (lambda: flipped_now(), "damaged"),
    "no archive": (lambda: b"mov rax, 1\n" * 100, "damaged|can't be read"),
    "nothing": (lambda: b"", "damaged|can't be read"),
    "random bytes": (lambda: bytes(range(256)) * 20, "damaged|can't be read"),
}  # fmt: skip


def flipped_now() -> bytes:
    data = bytearray(zipped(("prog.asm", b"nop")))
    for at in (14, data.index(b"PK\1\2") + 16):
        data[at] ^= 0xFF
    return bytes(data)


@pytest.mark.parametrize("case", REFUSED)
def test_archives_that_are_refused(tmp_path: Path, case: str) -> None:
    make, words = REFUSED[case]
    data = make()
    began = time.monotonic()
    with pytest.raises(ArchiveError, match=words) as caught:
        read(tmp_path, data)
    assert str(tmp_path) not in str(caught.value)
    assert time.monotonic() - began < 15


def test_the_size_that_a_header_claims_is_not_believed(tmp_path: Path) -> None:
    data = lying()
    path = tmp_path / "upload"
    path.write_bytes(data)
    del data
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError):
            read_archive(path, wanted)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 << 20


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("a/b.asm", "a/b.asm"),
        ("./a//b.asm", "a/b.asm"),
        ("a\\b.asm", "a/b.asm"),
        ("/a.asm", None),
        ("\\a.asm", None),
        ("../a.asm", None),
        ("a/../b.asm", None),
        ("c:a.asm", None),
        ("", None),
        (".", None),
        ("a\x00.asm", None),
        ("a\u202e.asm", None),
    ],
)
def test_plain_names(name: str, plain: str | None) -> None:
    assert plain_name(name) == plain


def test_names_of_archives() -> None:
    assert [stem(name) for name in ("a.tar.gz", "b.ZIP", "c.txz", "d.asm")] == ["a", "b", "c", "d.asm"]
    assert [is_archive(name) for name in ("a.tar.gz", "b.ZIP", "c.asm")] == [True, True, False]

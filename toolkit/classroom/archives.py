"""A zip or tar file → the text files in it, read in memory and never unpacked on the disk.

An archive comes from a student and may be hostile: entries are counted before they are read, decompression stops at a
limit, and only regular files with plain relative names are taken. What is left out is said in ``Contents.notes``.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

LONGEST_NAME = 1_000
SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


class ArchiveError(Exception):
    """The archive can't be read; the message is for the instructor and the student."""


@dataclass(frozen=True)
class Bounds:
    """How much is read of an archive: files listed in it, bytes of a zip's list, bytes of the files that are kept, and
    bytes that a compressed tar may grow to while it is searched."""

    entries: int
    directory: int
    total: int
    stream: int


HAND_IN = Bounds(10_000, 8 << 20, 4 << 20, 256 << 20)
EXPORT = Bounds(200_000, 64 << 20, 1 << 30, 8 << 30)  # of a whole class, from the instructor's course system


@dataclass
class Contents:
    """Files by name (``/`` between parts), when each was last changed (seconds since 1970, UTC assumed), and remarks."""

    files: dict[str, bytes] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    limit: int = HAND_IN.total
    size: int = 0

    def add(self, name: str, data: bytes, time: float | None) -> None:
        """Keep a file. Raises ArchiveError when the whole gets too large."""
        if self.size + len(data) > self.limit:
            raise ArchiveError(f"it holds more than {self.limit >> 20} MiB of files")
        self.size += len(data)
        self.files[name] = data
        if time is not None:
            self.times[name] = time

    def note(self, text: str) -> None:
        """Remark on something left out, the first hundred times."""
        if len(self.notes) < 100:
            self.notes.append(text)


Wanted = Callable[[str], bool]


def is_archive(name: str) -> bool:
    """Whether a file's name is an archive's."""
    return name.lower().endswith(SUFFIXES)


def stem(name: str) -> str:
    """The name without an archive's endings."""
    lower = name.lower()
    ending = max((suffix for suffix in SUFFIXES if lower.endswith(suffix)), key=len, default="")
    return name[: len(name) - len(ending)]


def read_archive(source: Path | bytes, wanted: Wanted, bounds: Bounds = HAND_IN) -> Contents:
    """The wanted files of an archive. Raises ArchiveError, in bounded time and memory, whatever the file is."""
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
            if zipfile.is_zipfile(file):
                file.seek(0)
                return _read_zip(file, wanted, bounds)
            file.seek(0)
            return _read_tar(file, wanted, bounds)
    except ArchiveError:
        raise
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        NotImplementedError,
        RuntimeError,
        OverflowError,
    ) as error:
        raise ArchiveError(f"it can't be read: {describe(error)}") from error
    except (zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, struct.error) as error:
        raise ArchiveError(f"it is damaged: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """An exception in a line without paths of this host."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:200]


def plain_name(name: str) -> str | None:
    """The name with ``/`` between its parts, or None for one that is absolute, leaves its folder, or can't be shown."""
    name = name.replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or len(name) > LONGEST_NAME or not parts or ":" in parts[0]:
        return None
    return "/".join(parts) if all(part.isprintable() for part in parts) else None


def _read_zip(file: BinaryIO, wanted: Wanted, bounds: Bounds) -> Contents:
    _check_zip_directory(file, bounds)
    contents = Contents(limit=bounds.total)
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        if len(entries) > bounds.entries:
            raise ArchiveError(f"it has {len(entries):,} entries; at most {bounds.entries:,} are read")
        for entry in entries:
            name = _accept(contents, entry.filename, _zip_kind(entry), wanted)
            if name is None:
                continue
            if entry.flag_bits & 1:
                contents.note(f"{name!r} is encrypted and was left out")
                continue
            with archive.open(entry) as stream:
                contents.add(name, _read_bounded(cast(BinaryIO, stream), contents), _zip_time(entry))
    return contents


def _check_zip_directory(file: BinaryIO, bounds: Bounds) -> None:
    """Refuse a huge central directory before it is read (APPNOTE 4.3.16, 4.3.14)."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 65_557))
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at >= 0 and len(tail) - at >= 22:
        count, directory = struct.unpack_from("<HI", tail, at + 10)
        zip64 = tail.rfind(b"PK\6\6")
        if zip64 >= 0 and len(tail) - zip64 >= 56 and (count == 0xFFFF or directory == 0xFFFFFFFF):
            count, directory = struct.unpack_from("<QQ", tail, zip64 + 32)
        if count > bounds.entries or directory > bounds.directory:
            raise ArchiveError(f"it has {count:,} entries; at most {bounds.entries:,} are read")
    file.seek(0)


def _zip_kind(entry: zipfile.ZipInfo) -> str:
    if entry.is_dir():
        return "directory"
    mode = entry.external_attr >> 16
    if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
        return "link" if stat.S_ISLNK(mode) else "device"
    return "file"


def _zip_time(entry: zipfile.ZipInfo) -> float | None:
    import calendar

    try:
        return float(calendar.timegm((*entry.date_time, 0, 0, 0)))
    except (ValueError, OverflowError):
        return None


def _accept(contents: Contents, name: str, kind: str, wanted: Wanted) -> str | None:
    """The plain name of an entry that is to be read."""
    if kind == "directory":
        return None
    plain = plain_name(name)
    if plain is None:
        contents.note(f"{name[:200]!r} has no plain relative name and was left out")
        return None
    if kind != "file":
        contents.note(f"{plain!r} is a {kind} and was left out")
        return None
    return plain if wanted(plain) else None


def _read_bounded(stream: BinaryIO, contents: Contents) -> bytes:
    """A file, or one byte more than there is room for."""
    return stream.read(contents.limit - contents.size + 1)


_MAGIC: tuple[tuple[bytes, Callable[..., object]], ...] = (
    (b"\x1f\x8b", gzip.GzipFile),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\0", lzma.LZMAFile),
)


class _Limited(io.RawIOBase):
    """A stream that refuses to give more than a number of bytes."""

    def __init__(self, source: BinaryIO, limit: int) -> None:
        self._source = source
        self._left = self._limit = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        data = self._source.read(min(len(view), 1 << 16))
        self._left -= len(data)
        if self._left < 0:
            raise ArchiveError(f"it grows to more than {self._limit >> 20} MiB")
        view[: len(data)] = data
        return len(data)


def _read_tar(file: BinaryIO, wanted: Wanted, bounds: Bounds) -> Contents:
    head = file.read(6)
    file.seek(0)
    opener = next((each for magic, each in _MAGIC if head.startswith(magic)), None)
    if opener is gzip.GzipFile:
        opened = cast(BinaryIO, gzip.GzipFile(fileobj=file))
    else:
        opened = file if opener is None else cast(BinaryIO, opener(file))
    contents = Contents(limit=bounds.total)
    stream = io.BufferedReader(_Limited(opened, bounds.stream))
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in _members(archive, bounds.entries):
            kind = "file" if member.isreg() else "directory" if member.isdir() else _tar_kind(member)
            name = _accept(contents, member.name, kind, wanted)
            if name is None:
                continue
            extracted = archive.extractfile(member)
            if extracted is not None:
                contents.add(name, _read_bounded(cast(BinaryIO, extracted), contents), float(member.mtime))
    return contents


def _members(archive: tarfile.TarFile, most: int) -> Iterator[tarfile.TarInfo]:
    for count, member in enumerate(archive):
        if count >= most:
            raise ArchiveError(f"it has more than {most:,} entries")
        archive.members = []  # type: ignore[attr-defined]  # the library keeps every member it has seen
        yield member


def _tar_kind(member: tarfile.TarInfo) -> str:
    return "link" if member.issym() or member.islnk() else "device"

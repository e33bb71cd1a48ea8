"""Areas of a map as graders speak of them: which one is meant, and in words how two differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.grading.checks import GraderError

if TYPE_CHECKING:
    from toolkit.kernel.mm.snapshot import AreaRow

PAGE = 4096
_RIGHTS = {"r": "readable", "w": "writable", "x": "executable", "s": "shared", "p": "private"}


@dataclass(frozen=True)
class AreaPattern:
    """What an area must look like; ``None`` leaves a property open. Sizes in bytes, ``?`` in ``perms`` means either."""

    path: str | None = None
    name: str | None = None
    perms: str | None = None
    size: int | None = None
    start: int | None = None
    end: int | None = None
    offset: int | None = None
    contains: int | None = None
    at_least: int | None = None
    at_most: int | None = None

    def __post_init__(self) -> None:
        if self.perms is not None and (
            len(self.perms) != 4
            or any(c not in "?-" + "rwxps"[i : i + 1] + "ps" * (i == 3) for i, c in enumerate(self.perms))
        ):
            raise GraderError(
                f"perms {self.perms!r}: write four characters as in /proc/PID/maps, like r--p or rw-?"
            )

    def differences(self, area: AreaRow, program: str) -> list[str]:
        """How ``area`` differs from this, in words; empty when it fits. ``program``: path of the program's file."""
        found = [
            text for text in (self._name_difference(area, program), self._perms_difference(area)) if text
        ]
        found += [text for text in self._number_differences(area) if text]
        return found

    def _name_difference(self, area: AreaRow, program: str) -> str | None:
        if self.path is not None and not path_fits(area.name, self.path):
            return f"it is {area_name(area)}, not {self.path}"
        wanted = program if self.name == "program" else self.name
        if wanted is not None and area.name != wanted:
            return f"it is {area_name(area)}, not {wanted or 'anonymous'}"
        return None

    def _perms_difference(self, area: AreaRow) -> str | None:
        return None if self.perms is None else perms_difference(self.perms, area.permissions)

    def _number_differences(self, area: AreaRow) -> list[str | None]:
        size = area.end - area.start
        return [
            None
            if self.size in (None, size)
            else f"it is {in_pages(size)} long, not {in_pages(self.size or 0)}",
            None
            if self.at_least is None or size >= self.at_least
            else f"it is {in_pages(size)} long, at least {in_pages(self.at_least)} expected",
            None
            if self.at_most is None or size <= self.at_most
            else f"it is {in_pages(size)} long, at most {in_pages(self.at_most)} expected",
            _address_difference("starts", self.start, area.start),
            _address_difference("ends", self.end, area.end),
            None
            if self.offset in (None, area.offset)
            else f"it begins at offset {area.offset:#x} of the file, not {self.offset:#x}",
            None
            if self.contains is None or area.start <= self.contains < area.end
            else f"it does not contain {self.contains:#x}",
        ]

    def __str__(self) -> str:
        """As a line of a map with only what is asked for."""
        words = []
        if self.start is not None or self.end is not None:
            words.append(f"{_hex(self.start)}-{_hex(self.end)}")
        if self.perms is not None:
            words.append(self.perms)
        if self.path is not None or self.name is not None:
            words.append(self.path or self.name or "anonymous")
        sizes = (("size", self.size), ("at least", self.at_least), ("at most", self.at_most))
        words += [f"{label} {in_pages(size)}" for label, size in sizes if size is not None]
        if self.offset is not None:
            words.append(f"offset {self.offset:#x}")
        if self.contains is not None:
            words.append(f"containing {self.contains:#x}")
        return ", ".join(words) or "any area"


def _hex(address: int | None) -> str:
    return "…" if address is None else f"{address:x}"


def _address_difference(verb: str, wanted: int | None, actual: int) -> str | None:
    return None if wanted in (None, actual) else f"it {verb} at {actual:#x}, not {wanted:#x}"


def path_fits(name: str, path: str) -> bool:
    """Whether a map's last column is the file ``path``: all of it, or its last parts."""
    if path.endswith(" (deleted)"):
        return name == path
    name = name.removesuffix(" (deleted)")
    return name == path or name.endswith("/" + path.lstrip("/"))


def area_name(area: AreaRow) -> str:
    """What an area is, for a sentence."""
    return area.name.rpartition("/")[2] if area.name else "anonymous"


def perms_difference(wanted: str, actual: str) -> str | None:
    """``is writable, must not be`` …; ``None`` when they agree. ``?`` in ``wanted`` agrees with anything."""
    words = []
    for want, have in zip(wanted, actual, strict=True):
        if want in ("?", have):
            continue
        if want in "ps":
            words.append(f"is {_RIGHTS[have]}, must be {_RIGHTS[want]}")
        elif want == "-":
            words.append(f"is {_RIGHTS[have]}, must not be")
        else:
            words.append(f"is not {_RIGHTS[want]}, must be")
    return f"it {'; it '.join(words)} ({actual}, expected {wanted})" if words else None


def in_pages(size: int) -> str:
    """``8192 bytes (2 pages)``."""
    if size % PAGE or not size:
        return f"{size} bytes"
    pages = size // PAGE
    return f"{size} bytes ({pages} page{'s' if pages > 1 else ''})"


def closest(areas: Sequence[AreaRow], pattern: AreaPattern, program: str) -> AreaRow | None:
    """The area with the fewest differences that is at least of the right name or place, ``None`` if there is none."""
    named = pattern.path is not None or pattern.name is not None
    candidates = [
        area
        for area in areas
        if (pattern._name_difference(area, program) is None if named else True)
        and not (pattern.contains is not None and not area.start <= pattern.contains < area.end)
    ]
    if not named and pattern.contains is None and pattern.start is None:
        candidates = [area for area in candidates if not area.name.startswith("[v")]
    return min(candidates, key=lambda area: len(pattern.differences(area, program)), default=None)


def map_line(area: AreaRow, *, directories: bool = True) -> str:
    """One area as ``start-end perms offset name``: the columns of /proc/PID/maps that are compared."""
    name = area.name if directories else _basename(area.name)
    return f"{area.start:08x}-{area.end:08x} {area.permissions} {area.offset:08x} {name}".rstrip()


def _basename(name: str) -> str:
    return name.rpartition("/")[2] if name.startswith("/") else name


def normalise_line(line: str) -> str:
    """A line of /proc/PID/maps without device and inode and the directory of a path. Raises GraderError."""
    columns = line.split(maxsplit=5)
    if len(columns) >= 5 and ":" in columns[3]:
        columns = columns[:3] + columns[5:]
    if len(columns) < 3 or "-" not in columns[0]:
        raise GraderError(f"not a line of /proc/PID/maps: {line!r}")
    return " ".join([*columns[:3], *(_basename(name) for name in columns[3:])])


def map_difference(expected: Sequence[str], areas: Sequence[AreaRow]) -> list[str]:
    """A short diff of two maps: ``-`` expected, ``+`` actual, and for a changed area the difference in words."""
    wanted = {line.split("-", 1)[0].lstrip("0"): line for line in expected}
    present = {f"{area.start:x}": area for area in areas}
    lines: list[str] = []
    for start in sorted(wanted.keys() | present.keys(), key=lambda text: int(text or "0", 16)):
        line, area = wanted.get(start), present.get(start)
        actual = map_line(area, directories=False) if area is not None else None
        if line == actual:
            continue
        lines += [f"- {line}"] if line is not None else []
        lines += [f"+ {actual}"] if actual is not None else []
        lines.append("    " + _explain_line(line, area))
    return lines


def _explain_line(line: str | None, area: AreaRow | None) -> str:
    if area is None:
        return "this area is missing"
    if line is None:
        return "this area should not be there"
    span, perms, offset, *name = line.split(" ", 3)
    wanted_end = int(span.split("-")[1], 16)
    words = [perms_difference(perms, area.permissions)]
    if area.end != wanted_end:
        longer = "longer" if area.end > wanted_end else "shorter"
        words.append(f"it is {in_pages(abs(area.end - wanted_end))} {longer}")
    if int(offset, 16) != area.offset:
        words.append(f"it maps the file from {area.offset:#x}, not {int(offset, 16):#x}")
    if (name[0] if name else "") != _basename(area.name):
        words.append(f"it is {area_name(area)}, not {name[0] if name else 'anonymous'}")
    return "; ".join(word for word in words if word)

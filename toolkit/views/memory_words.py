"""What areas are called and how changes of a map are said."""

from __future__ import annotations

from toolkit.kernel.mm.snapshot import AreaRow, MapSnapshot

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")

_IMAGE = ("text", "data", "read-only data")
USER_END = 1 << 47


def size_text(size: int) -> str:
    """``4 KiB``, ``127.9 TiB``: bytes in the largest unit that leaves at least 1."""
    value, unit = float(size), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value /= 1024
        unit += 1
    return f"{value:.0f} {_UNITS[unit]}" if value == int(value) else f"{value:.1f} {_UNITS[unit]}"


def role(row: AreaRow) -> str:
    """What a teacher calls the area: text, data, heap, stack …"""
    special = {
        "[heap]": "heap",
        "[stack]": "stack",
        "[vdso]": "vdso",
        "[vvar]": "kernel data",
        "[vvar_vclock]": "kernel data",
        "[vsyscall]": "vsyscall",
    }
    if row.name in special:
        return special[row.name]
    if row.permissions == "---p":
        return "guard"
    if row.permissions[3] == "s":
        return "shared memory" if row.device == (0, 1) else "shared file"
    if not row.name or row.name.startswith("[anon"):
        return "anonymous"
    if "x" in row.permissions:
        return "text"
    return "data" if "w" in row.permissions else "read-only data"


def roles(snapshot: MapSnapshot) -> dict[int, str]:
    """The role of each area by its start. Anonymous memory right after a program's data is its bss."""
    names: dict[int, str] = {}
    previous: AreaRow | None = None
    for row in snapshot.areas:
        name = role(row)
        touches = previous is not None and previous.end == row.start
        if name == "anonymous" and touches and previous is not None and role(previous) in _IMAGE:
            name = "bss" if "w" in row.permissions else name
        names[row.start] = name
        previous = row
    return names


def gap_words(start: int, end: int) -> str:
    """How much lies between two areas, and whose it is."""
    return f"{size_text(end - start)} {'of the kernel' if end > USER_END >= start else 'not mapped'}"


def change_in_words(removed: list[AreaRow], added: list[AreaRow]) -> str:
    """One sentence about areas that took the place of others."""
    if not removed:
        return "; ".join(
            f"new: {size_text(row.size)} {row.permissions} {row.name or 'anonymous'}" for row in added
        )
    if not added:
        return "; ".join(f"unmapped: {size_text(row.size)} {row.name or 'anonymous'}" for row in removed)
    if len(removed) == len(added) == 1:
        return _one_change(removed[0], added[0])
    before, after = sum(row.size for row in removed), sum(row.size for row in added)
    words = (
        "split into"
        if len(added) > len(removed)
        else "merged into"
        if len(added) < len(removed)
        else "became"
    )
    text = f"{_areas(len(removed))} {words} {_areas(len(added))}"
    if before != after:
        text += f", {size_text(before)} → {size_text(after)}"
    return text


def _areas(count: int) -> str:
    return "1 area" if count == 1 else f"{count} areas"


def _one_change(old: AreaRow, new: AreaRow) -> str:
    parts = []
    if old.permissions != new.permissions:
        parts.append(f"permissions {old.permissions} → {new.permissions}")
    if old.size != new.size:
        verb = "grew" if new.size > old.size else "shrank"
        end = "down" if old.start != new.start else "up"
        parts.append(
            f"{verb} by {size_text(abs(new.size - old.size))}" + (f" {end}wards" if verb == "grew" else "")
        )
    elif old.start != new.start:
        parts.append(f"moved from {old.start:x} to {new.start:x}")
    if old.name != new.name:
        parts.append(f"name {old.name or 'none'} → {new.name or 'none'}")
    if old.offset != new.offset and old.start == new.start:
        parts.append(f"file offset {old.offset:#x} → {new.offset:#x}")
    return ", ".join(parts) or "another file"

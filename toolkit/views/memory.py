"""Views of an address space: text, JSON, a tree and the picture a teacher would draw, all from one snapshot.

``render(snapshot, "maps")`` and its siblings are what ``toolkit maps --format`` prints; ``difference`` is ``--diff``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from toolkit.kernel.fs.procfs_memory import maps_line, render_maps, render_smaps, smaps_values
from toolkit.kernel.mm.snapshot import AreaRow, MapSnapshot
from toolkit.views.memory_picture import svg
from toolkit.views.memory_words import change_in_words, gap_words, roles, size_text
from toolkit.views.vmmap import vmmap

__all__ = ["FORMATS", "as_json", "as_tree", "difference", "render", "svg", "vmmap"]


def as_json(snapshot: MapSnapshot) -> str:
    """The areas as a JSON document: numbers are bytes, addresses are hexadecimal strings.

    ``pages`` lists runs of pages in one state; ``sharers`` counts the page-table entries that show each of
    them, ``lazy`` ones were given up by MADV_FREE.
    """
    names = roles(snapshot)
    return (
        json.dumps(
            {"version": 1, "areas": [_area_values(row, names[row.start]) for row in snapshot.areas]}, indent=1
        )
        + "\n"
    )


def _area_values(row: AreaRow, name: str) -> dict[str, Any]:
    return {
        "start": hex(row.start),
        "end": hex(row.end),
        "size": row.size,
        "permissions": row.permissions,
        "offset": row.offset,
        "name": row.name,
        "role": name,
        "flags": list(row.flags),
        "resident": row.resident,
        "dirty": row.dirty,
        "swapped": row.swapped,
        "memory": {label: value for label, value in smaps_values(row).items() if value},
        "pages": [{**run._asdict(), "address": hex(run.address)} for run in row.runs],
    }


def as_tree(snapshot: MapSnapshot) -> str:
    """Areas grouped by what they belong to, lowest first, with the gaps between the groups."""
    lines: list[str] = []
    end, names = 0, roles(snapshot)
    for name, rows in _groups(snapshot.areas):
        if rows[0].start > end:
            lines.append(f"· {gap_words(end, rows[0].start)}")
        lines.append(f"{name}  {size_text(sum(row.size for row in rows))}")
        for index, row in enumerate(rows):
            branch = "└─" if index == len(rows) - 1 else "├─"
            lines.append(
                f"{branch} {row.start:012x}-{row.end:012x} {row.permissions} {_summary(row, names[row.start])}".rstrip()
            )
        end = rows[-1].end
    return "\n".join(lines) + "\n"


def _groups(areas: Iterable[AreaRow]) -> list[tuple[str, list[AreaRow]]]:
    """Neighbours with one name; anonymous memory that touches a file's data is its bss."""
    groups: list[tuple[str, list[AreaRow]]] = []
    for row in areas:
        last = groups[-1][1][-1] if groups else None
        bss = (
            last is not None
            and last.end == row.start
            and not row.name
            and groups[-1][0].startswith("/")
            and last.permissions[1] == "w"
            and last.permissions[3] == "p"
        )
        if bss or (last is not None and groups[-1][0] == row.name):
            groups[-1][1].append(row)
        else:
            groups.append((row.name or "anonymous memory", [row]))
    return groups


def _summary(row: AreaRow, name: str) -> str:
    text = f"{size_text(row.size):>9}  {name:<16}"
    details = [f"{size_text(row.resident)} resident"] if row.resident else []
    if row.dirty:
        details.append(f"{size_text(row.dirty)} dirty")
    if row.swapped:
        details.append(f"{size_text(row.swapped)} swapped")
    return text + ", ".join(details)


def difference(old: MapSnapshot, new: MapSnapshot) -> str:
    """What changed between two moments: lines of maps with ``-`` and ``+``, and the change in words after each group.

    Empty if nothing did.
    """
    before = {maps_line(row): row for row in old.areas}
    after = {maps_line(row): row for row in new.areas}
    gone = [row for line, row in before.items() if line not in after]
    come = [row for line, row in after.items() if line not in before]
    lines: list[str] = []
    for removed, added in _clusters(gone, come):
        lines += [f"-{maps_line(row)}" for row in removed]
        lines += [f"+{maps_line(row)}" for row in added]
        lines.append(f"  {change_in_words(removed, added)}")
    for line, row in after.items():
        was = before.get(line)
        if was is not None and (was.resident, was.dirty, was.swapped) != (
            row.resident,
            row.dirty,
            row.swapped,
        ):
            lines += [f" {line}", f"  {_page_change(was, row)}"]
    return "".join(line.rstrip() + "\n" for line in lines)


def _page_change(old: AreaRow, new: AreaRow) -> str:
    parts = []
    for label in ("resident", "dirty", "swapped"):
        was, now = getattr(old, label), getattr(new, label)
        if was != now:
            parts.append(f"{label} {size_text(was)} → {size_text(now)}")
    return ", ".join(parts)


def _clusters(gone: list[AreaRow], come: list[AreaRow]) -> list[tuple[list[AreaRow], list[AreaRow]]]:
    """Removed and added areas that overlap belong to one change."""
    clusters: list[tuple[int, list[AreaRow], list[AreaRow]]] = []
    tagged = [(row.start, row.end, True, row) for row in gone] + [
        (row.start, row.end, False, row) for row in come
    ]
    for start, end, removed, row in sorted(tagged, key=lambda item: (item[0], item[1])):
        if not clusters or start >= clusters[-1][0]:
            clusters.append((end, [], []))
        top, old, new = clusters[-1]
        (old if removed else new).append(row)
        clusters[-1] = (max(top, end), old, new)
    return [(old, new) for _, old, new in clusters]


FORMATS: dict[str, Callable[[MapSnapshot], str]] = {
    "maps": render_maps,
    "smaps": render_smaps,
    "vmmap": vmmap,
    "json": as_json,
    "svg": svg,
    "tree": as_tree,
}


def render(snapshot: MapSnapshot, form: str) -> str:
    """The snapshot in one of FORMATS. Raises KeyError for another name."""
    return FORMATS[form](snapshot)

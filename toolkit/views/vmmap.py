"""The map in the layout of macOS's ``vmmap --wide``, for readers who know it from there.

Region types keep Apple's names where Linux has the same thing (__TEXT, __DATA, Stack); VSIZE, RSDNT, DIRTY and SWAP are the
area's size, resident, changed and swapped bytes; MAX is what mprotect could still grant.
"""

from __future__ import annotations

from collections.abc import Iterable

from toolkit.kernel.mm.snapshot import AreaRow, MapSnapshot
from toolkit.views.memory_words import role

_TYPES = {
    "text": "__TEXT",
    "data": "__DATA",
    "read-only data": "__DATA_CONST",
    "heap": "MALLOC",
    "stack": "Stack",
    "guard": "Guard page",
    "anonymous": "VM_ALLOCATE",
    "shared memory": "Shared memory",
    "shared file": "mapped file",
}
_HEAD = (
    "REGION TYPE                      START - END             "
    "[ VSIZE  RSDNT  DIRTY   SWAP] PRT/MAX SHRMOD PURGE    REGION DETAIL"
)
_SUMMARY_HEAD = (
    "                                VIRTUAL RESIDENT    DIRTY  SWAPPED   REGION\n"
    "REGION TYPE                        SIZE     SIZE     SIZE     SIZE    COUNT\n"
    "===========                     ======= ========    =====  =======  ======="
)


def vmmap(snapshot: MapSnapshot) -> str:
    """Non-writable regions, writable regions and a summary by region type."""
    readonly = [row for row in snapshot.areas if "w" not in row.permissions]
    writable = [row for row in snapshot.areas if "w" in row.permissions]
    lines = ["==== Non-writable regions", _HEAD, *map(_line, readonly), ""]
    lines += ["==== Writable regions", _HEAD, *map(_line, writable), ""]
    lines += ["==== Legend", "SM=sharing mode:", *_LEGEND, "", "==== Summary", _SUMMARY_HEAD]
    return "\n".join([*lines, *_summary(snapshot.areas)]) + "\n"


_LEGEND = (
    "        COW=copy_on_write PRV=private NUL=empty SHM=shared ZER=zero_filled",
    "        PRT/MAX=the access now, and the most that mprotect could give",
)


def short_size(size: int) -> str:
    """vmmap's sizes: ``808``, ``16K``, ``8192K``, ``56.0M``, ``1.5G``."""
    if size < 1024 and size:
        return str(size)
    for unit, shift in (("K", 10), ("M", 20), ("G", 30)):
        if size >> shift < 10000:
            return f"{size >> 10}K" if unit == "K" else f"{size / (1 << shift):.1f}{unit}"
    return f"{size / (1 << 40):.1f}T"


def region_type(row: AreaRow) -> str:
    """Apple's name of the region, or ours where there is none."""
    return _TYPES.get(role(row), row.name.strip("[]"))


def _line(row: AreaRow) -> str:
    sizes = " ".join(f"{short_size(size):>6}" for size in (row.size, row.resident, row.dirty, row.swapped))
    head = f"{region_type(row):<23}{row.start:16x}-{row.end:<16x} [{sizes}] {row.permissions[:3]}/{_maximum(row)}"
    return f"{head} SM={_sharing(row):<3} {'':<8} {row.name}".rstrip()


def _maximum(row: AreaRow) -> str:
    return "".join(
        letter if flag in row.flags else "-" for letter, flag in zip("rwx", ("mr", "mw", "me"), strict=True)
    )


def _sharing(row: AreaRow) -> str:
    """How pages are shared: see the legend."""
    if row.permissions[3] == "s":
        return "SHM"
    if any(run.anonymous for run in row.runs):
        return "COW" if any(run.anonymous and run.sharers > 1 for run in row.runs) else "PRV"
    if row.name and not row.name.startswith("["):
        return "COW"
    return "ZER" if "w" in row.permissions else "NUL"


def _summary(rows: Iterable[AreaRow]) -> list[str]:
    totals: dict[str, list[int]] = {}
    for row in rows:
        total = totals.setdefault(region_type(row), [0, 0, 0, 0, 0])
        for index, value in enumerate((row.size, row.resident, row.dirty, row.swapped, 1)):
            total[index] += value
    lines = [_summary_line(name, totals[name]) for name in sorted(totals)]
    whole = [sum(total[index] for total in totals.values()) for index in range(5)]
    return [*lines, _SUMMARY_HEAD.splitlines()[-1], _summary_line("TOTAL", whole)]


def _summary_line(name: str, total: list[int]) -> str:
    size, resident, dirty, swapped = map(short_size, total[:4])
    return f"{name:<30}{size:>9}{resident:>9}{dirty:>9}{swapped:>9}{total[4]:>9}"

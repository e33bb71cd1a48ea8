"""The files of /proc that show memory, each rendered here and nowhere else (fs/proc/task_mmu.c, meminfo.c, array.c).

What concerns one process starts from a ``MapSnapshot`` or an ``AddressSpace``; the program that reads the file, the command
line and the graders get the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from toolkit.abi.errno import Errno
from toolkit.abi.memory import (
    PAGE_MASK,
    PAGE_SHIFT,
    PAGE_SIZE,
    PTE_FRAME_MASK,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_PFNMAP,
    VM_WRITE,
    page_ceiling,
)
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.mm import accounting, oom
from toolkit.kernel.mm.frames import ANONYMOUS, FILE, FIXED, SHMEM, TABLE
from toolkit.kernel.mm.residence import GUARD, RESIDENT, swap_slot
from toolkit.kernel.mm.snapshot import AreaRow, MapSnapshot, area_row, gate_row, take_snapshot

if TYPE_CHECKING:
    from toolkit.kernel.fs.sequences import Records
    from toolkit.kernel.mm.frames import Frames
    from toolkit.kernel.mm.overcommit import Commitment
    from toolkit.kernel.mm.space import AddressSpace

NAME_COLUMN = 73
"""Where a name begins in maps (counted from 0) if the numbers before it leave room; else one blank more divides them."""

_PSS_SHIFT = 12

_SMAPS_FIELDS = (
    ("Rss", "rss"),
    ("Pss", "pss"),
    ("Pss_Dirty", "pss_dirty"),
    ("Shared_Clean", "shared_clean"),
    ("Shared_Dirty", "shared_dirty"),
    ("Private_Clean", "private_clean"),
    ("Private_Dirty", "private_dirty"),
    ("Referenced", "referenced"),
    ("Anonymous", "anonymous"),
    ("KSM", ""),
    ("LazyFree", "lazy_free"),
    ("AnonHugePages", ""),
    ("ShmemPmdMapped", ""),
    ("FilePmdMapped", ""),
    ("Shared_Hugetlb", ""),
    ("Private_Hugetlb", ""),
    ("Swap", "swap"),
    ("SwapPss", "swap_pss"),
    ("Locked", "locked"),
)


def maps(space: AddressSpace) -> str:
    """/proc/PID/maps."""
    return render_maps(take_snapshot(space, pages=False))


def smaps(space: AddressSpace) -> str:
    """/proc/PID/smaps."""
    return render_smaps(take_snapshot(space))


_GATE, _END = -1, -2


def maps_records(space: AddressSpace) -> Records:
    """/proc/PID/maps, an area at a time, as a program reads it."""
    return _area_records(space, lambda row: maps_line(row) + "\n", pages=False)


def smaps_records(space: AddressSpace) -> Records:
    """/proc/PID/smaps, an area at a time, as a program reads it."""
    return _area_records(space, smaps_entry, pages=True)


def _area_records(space: AddressSpace, entry: Callable[[AreaRow], str], *, pages: bool) -> Records:
    """A cursor is the end of the last area shown (m_start, m_next); nothing is shown of memory that is gone."""

    def record(cursor: int) -> tuple[bytes, int] | None:
        if cursor == _END or space not in space.frames.spaces:
            return None
        area = space.areas.first_ending_above(cursor) if cursor != _GATE else None
        if area is not None:
            row = area_row(space, area, pages=pages)
            last = space.areas.first_ending_above(area.end) is None
            return _encoded(entry(row)), _GATE if last else area.end
        gate = gate_row(space)
        return None if gate is None else (_encoded(entry(gate)), _END)

    return record


def _encoded(content: str) -> bytes:
    """Names keep their bytes."""
    return content.encode("utf-8", "surrogateescape")


def oom_score(space: AddressSpace) -> str:
    """/proc/PID/oom_score."""
    return f"{oom.oom_score(space)}\n"


def oom_score_adj(space: AddressSpace) -> str:
    """/proc/PID/oom_score_adj."""
    return f"{space.oom_score_adj}\n"


def smaps_rollup(space: AddressSpace) -> str:
    """/proc/PID/smaps_rollup."""
    return render_smaps_rollup(take_snapshot(space))


def render_maps(snapshot: MapSnapshot) -> str:
    """One line an area (show_map_vma)."""
    return "".join(maps_line(row) + "\n" for row in snapshot.areas)


def maps_line(row: AreaRow) -> str:
    """An area's line without the newline. A newline in a name is written ``\\012``."""
    head = f"{row.start:08x}-{row.end:08x} {row.permissions} {row.offset:08x} {row.device[0]:02x}:{row.device[1]:02x}"
    head += f" {row.inode} "
    if not row.name:
        return head
    name = row.name.replace("\n", "\\012")
    return head.ljust(NAME_COLUMN - 1) + " " + name


class _Sums:
    """What smaps adds up; sizes in bytes, Pss scaled by 2^12 as the kernel does (struct mem_size_stats)."""

    def __init__(self, rows: Iterable[AreaRow]) -> None:
        self.rss = self.shared_clean = self.shared_dirty = self.private_clean = self.private_dirty = 0
        self.referenced = self.anonymous = self.lazy_free = self.swap = 0
        self._pss = self._pss_dirty = self._pss_locked = self._swap_pss = 0
        self.pss_by_kind = {"Pss_Anon": 0, "Pss_File": 0, "Pss_Shmem": 0}
        for row in rows:
            self._add(row)

    def _add(self, row: AreaRow) -> None:
        in_memory_file = row.device == (0, 1)
        for run in row.runs:
            size, share = (
                run.pages * PAGE_SIZE,
                run.pages * ((PAGE_SIZE << _PSS_SHIFT) // max(run.sharers, 1)),
            )
            if not run.resident:
                self.swap += size
                self._swap_pss += share if run.anonymous else 0
                continue
            self.rss += size
            self._pss += share
            kind = "Pss_Anon" if run.anonymous else "Pss_Shmem" if in_memory_file else "Pss_File"
            self.pss_by_kind[kind] += share
            self._pss_dirty += share if run.dirty else 0
            self._pss_locked += share if row.locked else 0
            self.referenced += size if run.accessed else 0
            if run.anonymous:
                self.anonymous += size
                self.lazy_free += size if run.lazy else 0
            name = ("shared" if run.sharers > 1 else "private") + ("_dirty" if run.dirty else "_clean")
            setattr(self, name, getattr(self, name) + size)

    @property
    def pss(self) -> int:
        return self._pss >> _PSS_SHIFT

    @property
    def pss_dirty(self) -> int:
        return self._pss_dirty >> _PSS_SHIFT

    @property
    def locked(self) -> int:
        return self._pss_locked >> _PSS_SHIFT

    @property
    def swap_pss(self) -> int:
        return self._swap_pss >> _PSS_SHIFT

    def lines(self, *, rollup: bool) -> str:
        """The lines from Rss to Locked."""
        text = ""
        for label, attribute in _SMAPS_FIELDS:
            text += _kilobytes(label, getattr(self, attribute) if attribute else 0)
            if rollup and label == "Pss_Dirty":
                text += "".join(_kilobytes(kind, pss >> _PSS_SHIFT) for kind, pss in self.pss_by_kind.items())
        return text


def render_smaps(snapshot: MapSnapshot) -> str:
    """The lines of each area (show_smap)."""
    return "".join(map(smaps_entry, snapshot.areas))


def smaps_entry(row: AreaRow) -> str:
    """One area's lines."""
    text = maps_line(row) + "\n" + _kilobytes("Size", row.size)
    text += _kilobytes("KernelPageSize", PAGE_SIZE) + _kilobytes("MMUPageSize", PAGE_SIZE)
    text += _Sums([row]).lines(rollup=False)
    text += f"THPeligible:    {int(row.huge_eligible):8}\n"
    if row.protection_key is not None:
        text += f"ProtectionKey:  {row.protection_key:8}\n"
    return text + "VmFlags: " + "".join(f"{letters} " for letters in row.flags) + "\n"


def smaps_values(row: AreaRow) -> dict[str, int]:
    """The numbers of one area's smaps lines, in bytes."""
    sums = _Sums([row])
    return {"Size": row.size} | {label: getattr(sums, name) if name else 0 for label, name in _SMAPS_FIELDS}


def render_smaps_rollup(snapshot: MapSnapshot) -> str:
    """The sums over all areas but the vsyscall page (show_smaps_rollup)."""
    rows = [row for row in snapshot.areas if row.name != "[vsyscall]"]
    first, last = (rows[0].start, rows[-1].end) if rows else (0, 0)
    head = maps_line(AreaRow(first, last, "---p", 0, (0, 0), 0, "[rollup]"))
    return head + "\n" + _Sums(rows).lines(rollup=True)


def _kilobytes(label: str, size: int) -> str:
    return f"{label + ':':<16}{size >> 10:8} kB\n"


def _pages(space: AddressSpace, wanted: int, mask: int) -> int:
    return sum(area.pages for area in space.areas if area.flags & mask == wanted)


def _text_pages(space: AddressSpace) -> tuple[int, int]:
    """Pages of the program's code and of other code (VmExe, VmLib)."""
    code = page_ceiling(space.places.end_code) - (space.places.start_code & PAGE_MASK)
    executable = _pages(space, VM_EXEC, VM_EXEC | VM_WRITE | VM_GROWSDOWN)
    text = min(code >> PAGE_SHIFT, executable)
    return text, executable - text


def statm(space: AddressSpace) -> str:
    """/proc/PID/statm: size, resident, shared, text, lib, data and dirty pages, in pages."""
    if space not in space.frames.spaces:
        return "0 0 0 0 0 0 0\n"
    code = page_ceiling(space.places.end_code) - (space.places.start_code & PAGE_MASK)
    data = accounting.data_pages(space) + _pages(space, VM_GROWSDOWN, VM_GROWSDOWN)
    shared = space.resident[FILE] + space.resident[SHMEM]
    return f"{space.total_pages} {space.resident_pages} {shared} {code >> PAGE_SHIFT} 0 {data} 0\n"


def status_lines(space: AddressSpace) -> str:
    """The lines of /proc/PID/status from VmPeak to HugetlbPages (task_mem)."""
    text, library = _text_pages(space)
    pages = {
        "VmPeak": space.peak_pages,
        "VmSize": space.total_pages,
        "VmLck": space.locked_pages,
        "VmPin": 0,
        "VmHWM": max(space.peak_resident, space.resident_pages),
        "VmRSS": space.resident_pages,
        "RssAnon": space.resident[ANONYMOUS],
        "RssFile": space.resident[FILE],
        "RssShmem": space.resident[SHMEM],
        "VmData": accounting.data_pages(space),
        "VmStk": _pages(space, VM_GROWSDOWN, VM_GROWSDOWN),
        "VmExe": text,
        "VmLib": library,
        "VmPTE": space.table.table_bytes >> PAGE_SHIFT,
        "VmSwap": space.swap_entries,
        "HugetlbPages": 0,
    }
    return "".join(f"{label}:\t{count << 2:8} kB\n" for label, count in pages.items())


_PAGEMAP_PRESENT, _PAGEMAP_SWAPPED = 1 << 63, 1 << 62
_PAGEMAP_FILE, _PAGEMAP_EXCLUSIVE, _PAGEMAP_GUARD = 1 << 61, 1 << 56, 1 << 58
_GUARD_MARKER = 31 | 4 << 5  # SWP_PTE_MARKER as the swap type, PTE_MARKER_GUARD as the slot


def pagemap(space: AddressSpace, first: int, count: int, *, privileged: bool = True) -> bytes:
    """/proc/PID/pagemap: a 64-bit word for each of ``count`` virtual pages from number ``first``.

    Bit 63 present, 62 swapped, 61 a file's page or shared anonymous, 58 a guard, 56 mapped once; bits 0-54 the frame, or the swap type and slot,
    0 for readers without privilege (Documentation/admin-guide/mm/pagemap.rst).
    """
    words = [0] * count
    start, end = first << PAGE_SHIFT, (first + count) << PAGE_SHIFT
    for address, slot, entries in space.table.slots(start, end) if count else ():
        for position, entry in enumerate(space.table.words[slot : slot + entries].tolist()):
            if entry:
                page = (address >> PAGE_SHIFT) + position
                words[page - first] = _pagemap_word(space, page << PAGE_SHIFT, entry, privileged)
    return struct.pack(f"<{count}Q", *words)


def _pagemap_word(space: AddressSpace, address: int, entry: int, privileged: bool) -> int:
    if entry == GUARD:
        return _PAGEMAP_SWAPPED | _PAGEMAP_GUARD | (_GUARD_MARKER if privileged else 0)
    if not entry & RESIDENT:
        return _PAGEMAP_SWAPPED | (swap_slot(entry) << 5 if privileged else 0)
    area = space.areas.find(address)
    frame = (entry & PTE_FRAME_MASK) >> PAGE_SHIFT
    index = frame - space.frames.first
    kind = space.frames.kind[index]
    word = _PAGEMAP_PRESENT | (frame if privileged else 0)
    if (area is not None and area.flags & VM_PFNMAP) or kind == FIXED:
        return word
    if kind != ANONYMOUS:
        word |= _PAGEMAP_FILE
    if space.frames.mappings[index] == 1:
        word |= _PAGEMAP_EXCLUSIVE
    return word


def meminfo(frames: Frames) -> str:
    """/proc/meminfo; sizes in kB (fs/proc/meminfo.c)."""
    cached = frames.count(FILE) + frames.count(SHMEM)
    anonymous, shmem = frames.count(ANONYMOUS), frames.count(SHMEM)
    commitment, swap = frames.commitment, frames.swap
    dirty = sum(len(cache.dirty) for cache in frames.caches if cache.storage is not None)
    values = {
        "MemTotal": frames.total,
        "MemFree": frames.free_count,
        "MemAvailable": frames.free_count + cached - shmem,
        "Buffers": 0,
        "Cached": cached,
        "SwapCached": len(swap.slot_of),
        "Active": anonymous + frames.count(FILE),
        "Inactive": 0,
        "Active(anon)": anonymous + shmem,
        "Inactive(anon)": 0,
        "Active(file)": frames.count(FILE),
        "Inactive(file)": 0,
        "Unevictable": 0,
        "Mlocked": sum(space.locked_pages for space in frames.spaces),
        "SwapTotal": swap.size,
        "SwapFree": swap.size - swap.used,
        "Zswap": 0,
        "Zswapped": 0,
        "Dirty": dirty,
        "Writeback": 0,
        "AnonPages": anonymous,
        "Mapped": _mapped_file_pages(frames),
        "Shmem": shmem,
        **dict.fromkeys(("KReclaimable", "Slab", "SReclaimable", "SUnreclaim", "KernelStack"), 0),
        "PageTables": frames.count(TABLE),
        **dict.fromkeys(("SecPageTables", "NFS_Unstable", "Bounce", "WritebackTmp"), 0),
        "CommitLimit": commitment.limit,
        "Committed_AS": commitment.committed,
    }
    # The kernel's own map of memory: of single pages here (arch_report_meminfo).
    direct = {"DirectMap4k": frames.total, "DirectMap2M": 0, "DirectMap1G": 0}
    return _meminfo_lines(values) + _MEMINFO_REST + _meminfo_lines(direct)


def _meminfo_lines(values: dict[str, int]) -> str:
    return "".join(f"{label + ':':<16}{pages << 2:8} kB\n" for label, pages in values.items())


_MEMINFO_REST = (
    "VmallocTotal:   34359738367 kB\n"
    + "".join(
        f"{label + ':':<16}{0:8} kB\n"
        for label in (
            "VmallocUsed", "VmallocChunk", "Percpu", "AnonHugePages", "ShmemHugePages", "ShmemPmdMapped",
            "FileHugePages", "FilePmdMapped", "Balloon",
        )
    )
    + "HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\nHugePages_Surp:        0\n"
    "Hugepagesize:       2048 kB\nHugetlb:               0 kB\n"
)  # fmt: skip
"""The lines of meminfo that are the same on every machine here: there are no huge pages, and no kernel memory."""


def _mapped_file_pages(frames: Frames) -> int:
    """Pages of files that some process maps."""
    return sum(
        1
        for cache in frames.caches
        for frame in cache.resident.values()
        if frames.mappings[frame - frames.first]
    )


def _number(data: bytes) -> int:
    """A decimal number with blanks around it. Raises EINVAL."""
    try:
        return int(data.split(b"\n")[0].decode("ascii"))
    except ValueError as error:
        raise SyscallError(Errno.EINVAL) from error


def set_oom_score_adj(space: AddressSpace, data: bytes, *, privileged: bool) -> None:
    """A write to /proc/PID/oom_score_adj. Raises EINVAL, and EACCES for a lower value without privilege."""
    value = _number(data)
    if not oom.SCORE_ADJUSTMENT_MINIMUM <= value <= oom.SCORE_ADJUSTMENT_MAXIMUM:
        raise SyscallError(Errno.EINVAL)
    if value < min(space.oom_score_adj, 0) and not privileged:
        raise SyscallError(Errno.EACCES)
    space.oom_score_adj = value


def set_overcommit(commitment: Commitment, name: str, data: bytes) -> None:
    """A write to /proc/sys/vm/``name``, one of the overcommit settings. Raises EINVAL."""
    value = _number(data)
    highest = 2 if name == "overcommit_memory" else (1 << 31) - 1
    if not 0 <= value <= highest:
        raise SyscallError(Errno.EINVAL)
    if name == "overcommit_memory":
        commitment.mode = value
    elif name == "overcommit_ratio":
        commitment.ratio, commitment.kilobytes = value, 0
    else:
        commitment.ratio, commitment.kilobytes = 0, value

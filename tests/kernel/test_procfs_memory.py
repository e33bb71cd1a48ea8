"""The memory files of /proc, rendered from an address space."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

from toolkit.abi.memory import (
    MADV_PAGEOUT,
    MAP_ANONYMOUS,
    MAP_PRIVATE,
    MAP_SHARED,
    PAGE_SIZE,
    PROT_READ,
    PROT_WRITE,
)
from toolkit.kernel.fs import procfs_memory

sys.path.append(str(Path(__file__).parent / "mm"))
from fake_machine import HEAP, LAYOUT, new_space

RW, PRIVATE, SHARED = PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, MAP_SHARED | MAP_ANONYMOUS


def kilobytes(text: str) -> dict[str, int]:
    lines = (line.split(":") for line in text.splitlines())
    return {label: int(value.split()[0]) for label, value in lines}


def test_status_and_statm_count_the_same_pages() -> None:
    space = new_space()
    space.map_stack(LAYOUT.stack_top, 132 << 10)
    space.places.start_stack = LAYOUT.stack_top - 64
    space.write(LAYOUT.stack_top - 64, b"x")
    space.brk(HEAP + 3 * PAGE_SIZE)
    space.write(HEAP, b"x" * 2 * PAGE_SIZE)
    shared = space.mmap(0, 4 * PAGE_SIZE, RW, SHARED)
    space.write(shared, b"x")
    space.read(HEAP + 2 * PAGE_SIZE, 1)  # the zero page is not counted
    status = kilobytes(procfs_memory.status_lines(space))
    assert (status["VmSize"], status["VmRSS"], status["RssAnon"], status["RssShmem"]) == (160, 16, 12, 4)
    assert (status["VmData"], status["VmStk"], status["VmExe"], status["VmPeak"]) == (12, 132, 0, 160)
    assert procfs_memory.statm(space) == "40 4 1 0 0 36 0\n"
    space.munmap(shared, 4 * PAGE_SIZE)
    status = kilobytes(procfs_memory.status_lines(space))
    assert (status["VmSize"], status["VmPeak"], status["VmRSS"], status["VmHWM"]) == (144, 160, 12, 16)


def test_status_lines_look_as_in_linux() -> None:
    lines = procfs_memory.status_lines(new_space()).splitlines()
    assert lines[0] == "VmPeak:\t       0 kB"
    assert [line.split(":")[0] for line in lines] == [
        *("VmPeak", "VmSize", "VmLck", "VmPin", "VmHWM", "VmRSS", "RssAnon", "RssFile", "RssShmem", "VmData"),
        *("VmStk", "VmExe", "VmLib", "VmPTE", "VmSwap", "HugetlbPages"),
    ]


def test_rollup_sums_smaps() -> None:
    space = new_space()
    first = space.mmap(0, 4 * PAGE_SIZE, RW, PRIVATE)
    space.write(first, b"x" * 3 * PAGE_SIZE)
    shared = space.mmap(0, 4 * PAGE_SIZE, RW, SHARED)
    space.write(shared, b"x" * 2 * PAGE_SIZE)
    text = procfs_memory.smaps_rollup(space)
    head, _, rest = text.partition("\n")
    assert head[25:] == f"{' ---p 00000000 00:00 0':<48}[rollup]"
    values = kilobytes(rest)
    assert (values["Rss"], values["Pss_Anon"], values["Pss_Shmem"], values["Anonymous"]) == (20, 12, 8, 12)


def test_vm_flags_of_common_areas() -> None:
    space = new_space()
    space.mmap(0x10000, PAGE_SIZE, RW, PRIVATE | 0x10)
    space.mmap(0x20000, PAGE_SIZE, PROT_READ, SHARED | 0x10)
    space.mmap(0x30000, PAGE_SIZE, RW, PRIVATE | 0x10 | 0x4000 | 0x100)
    flags = [line for line in procfs_memory.smaps(space).splitlines() if line.startswith("VmFlags")]
    assert flags == [
        "VmFlags: rd wr mr mw me ac ",
        "VmFlags: rd sh mr mw me ms ",
        "VmFlags: rd wr mr mw me gd nr ",
        "VmFlags: ex ",
    ]


def test_pagemap() -> None:
    space = new_space(swap_pages=10)
    start = space.mmap(0, 5 * PAGE_SIZE, RW, PRIVATE)
    space.write(start, b"x" * 2 * PAGE_SIZE)
    space.read(start + 2 * PAGE_SIZE, 1)
    space.madvise(start + PAGE_SIZE, PAGE_SIZE, MADV_PAGEOUT)
    words = struct.unpack("<5Q", procfs_memory.pagemap(space, start >> 12, 5))
    frame = space.page_state(start).frame
    assert frame is not None
    assert words[0] == 1 << 63 | 1 << 56 | frame
    assert words[1] >> 62 == 1
    assert words[2] == 1 << 63 | space.frames.zero
    assert words[3:] == (0, 0)
    hidden = struct.unpack("<5Q", procfs_memory.pagemap(space, start >> 12, 5, privileged=False))
    assert hidden[0] == 1 << 63 | 1 << 56


def test_meminfo_accounts_for_every_frame() -> None:
    space = new_space(limit=1000, swap_pages=100)
    start = space.mmap(0, 50 * PAGE_SIZE, RW, PRIVATE)
    space.write(start, b"x" * 20 * PAGE_SIZE)
    values = kilobytes(procfs_memory.meminfo(space.frames).replace("HugePages_", "Huge"))
    assert values["MemTotal"] == 4000
    assert values["MemFree"] + values["AnonPages"] + values["Cached"] + values["PageTables"] + 4 == 4000
    assert (values["AnonPages"], values["SwapTotal"], values["Committed_AS"]) == (80, 400, 200)
    assert values["CommitLimit"] == 2000 + 400


def test_pages_are_named_once_area_names_are_set() -> None:
    space = new_space()
    start = space.mmap(0, 3 * PAGE_SIZE, RW, PRIVATE)
    space.name_area(start + PAGE_SIZE, PAGE_SIZE, b"my arena")
    names = [line[73:] for line in procfs_memory.maps(space).splitlines()[:3]]
    assert names == ["", "[anon:my arena]", ""]
    space.name_area(start, 3 * PAGE_SIZE, None)
    assert len(space.areas) == 1

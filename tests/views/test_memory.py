"""Views of memory: each format of one snapshot, differences between two, and the page-table walk."""

from __future__ import annotations

import json
import pickle
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from toolkit.abi.memory import (
    MADV_GUARD_INSTALL,
    MAP_ANONYMOUS,
    MAP_PRIVATE,
    PAGE_SIZE,
    PROT_READ,
    PROT_WRITE,
)
from toolkit.kernel.mm.snapshot import AreaRow, MapSnapshot, PageRun, take_snapshot
from toolkit.views import memory, pages
from toolkit.views.memory_words import role, size_text
from toolkit.views.vmmap import short_size

sys.path.append(str(Path(__file__).parents[1] / "kernel" / "mm"))
from fake_machine import HEAP, new_space

RW, PRIVATE = PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS


def row(
    start: int, pages: int, permissions: str, name: str = "", *, runs: tuple[PageRun, ...] = ()
) -> AreaRow:
    flags = tuple(
        flag for flag, letter in zip(("rd", "wr", "ex"), permissions, strict=False) if letter != "-"
    )
    return AreaRow(
        start,
        start + pages * PAGE_SIZE,
        permissions,
        0,
        (0, 0),
        0,
        name,
        (*flags, "mr", "mw", "me"),
        runs=runs,
    )


def resident(address: int, pages: int, *, dirty: bool = True, sharers: int = 1) -> PageRun:
    return PageRun(address, pages, True, True, dirty, True, sharers)


PROGRAM = MapSnapshot(
    (
        row(0x400000, 1, "r-xp", "/home/student/hello <1>"),
        row(0x401000, 2, "rw-p", "/home/student/hello <1>", runs=(resident(0x401000, 1),)),
        row(0x403000, 1, "rw-p"),
        row(
            0x404000,
            33,
            "rw-p",
            "[heap]",
            runs=(resident(0x404000, 2), PageRun(0x408000, 1, False, True, False, False, 1)),
        ),
        row(0x7FFF_F7FF_0000, 1, "---p"),
        row(0x7FFF_FFFD_E000, 33, "rw-p", "[stack]", runs=(resident(0x7FFF_FFFF_E000, 1),)),
        row(0xFFFF_FFFF_FF60_0000, 1, "--xp", "[vsyscall]"),
    )
)


def test_maps() -> None:
    lines = memory.render(PROGRAM, "maps").splitlines()
    assert lines[0] == f"{'00400000-00401000 r-xp 00000000 00:00 0':<73}/home/student/hello <1>"
    assert lines[2] == "00403000-00404000 rw-p 00000000 00:00 0 "
    assert lines[3].endswith(" [heap]")


def test_newlines_in_names_are_escaped_as_the_kernel_does() -> None:
    assert memory.render(MapSnapshot((row(0x1000, 1, "r--p", "/a\nb\\c (deleted)"),)), "maps").endswith(
        "/a\\012b\\c (deleted)\n"
    )


def test_long_numbers_push_the_name_aside() -> None:
    wide = AreaRow(
        0xFFFF_FFFF_FF60_0000, 0xFFFF_FFFF_FF60_1000, "--xp", 1 << 44, (0x123, 0x45678), 1 << 60, "/x"
    )
    assert memory.render(MapSnapshot((wide,)), "maps").endswith(f" {1 << 60}  /x\n")


def test_smaps_adds_up() -> None:
    shared = row(0x1000, 3, "rw-p", runs=(resident(0x1000, 1), resident(0x2000, 2, dirty=False, sharers=3)))
    values = dict(
        line.split(":", 1) for line in memory.render(MapSnapshot((shared,)), "smaps").splitlines()[1:]
    )
    expected = {
        "Rss": 12,
        "Pss": 6,
        "Pss_Dirty": 4,
        "Shared_Clean": 8,
        "Shared_Dirty": 0,
        "Private_Dirty": 4,
        "Anonymous": 12,
    }
    assert {label: int(values[label].split()[0]) for label in expected} == expected


def test_json_is_one_document_with_runs_of_pages() -> None:
    document = json.loads(memory.render(PROGRAM, "json"))
    heap = document["areas"][3]
    assert (heap["start"], heap["role"], heap["resident"], heap["swapped"]) == (
        "0x404000",
        "heap",
        8192,
        4096,
    )
    assert heap["pages"][0] == {
        "address": "0x404000",
        "pages": 2,
        "resident": True,
        "anonymous": True,
        "dirty": True,
        "accessed": True,
        "sharers": 1,
        "lazy": False,
    }


def test_tree_groups_a_program_with_its_bss() -> None:
    lines = memory.render(PROGRAM, "tree").splitlines()
    assert lines[0] == "· 4 MiB not mapped"
    assert lines[1].startswith("/home/student/hello <1>")
    assert [line[0] for line in lines[2:5]] == ["├", "├", "└"]
    assert "8 KiB resident, 8 KiB dirty, 4 KiB swapped" in memory.render(PROGRAM, "tree")


def test_picture_is_xml_with_each_area_and_its_pages() -> None:
    picture = ET.fromstring(memory.render(PROGRAM, "svg"))
    words = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    for expected in (
        "text",
        "data",
        "bss",
        "heap",
        "stack",
        "guard",
        "vsyscall",
        "hello <1>",
        "000000404000",
    ):
        assert expected in words
    fills = [element.get("fill") for element in picture.iter("{http://www.w3.org/2000/svg}rect")]
    assert fills.count("#cc4125") == 3 + 1  # changed pages, and the legend
    assert fills.count("#8e7cc3") == 1 + 1  # swapped pages, and the legend


def test_picture_of_nothing() -> None:
    ET.fromstring(memory.render(MapSnapshot(()), "svg"))


def test_vmmap_has_apples_columns() -> None:
    lines = memory.render(PROGRAM, "vmmap").splitlines()
    text = next(line for line in lines if line.startswith("__TEXT"))
    assert text == (
        "__TEXT                           400000-401000           "
        "[    4K     0K     0K     0K] r-x/rwx SM=COW          /home/student/hello <1>"
    )
    assert (
        lines.index("==== Non-writable regions")
        < lines.index("==== Writable regions")
        < lines.index("==== Summary")
    )
    assert next(line for line in lines if line.startswith("TOTAL")).split()[1:] == [
        "288K",
        "16K",
        "16K",
        "4K",
        "7",
    ]


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0K"), (808, "808"), (4096, "4K"), (8 << 20, "8192K"), (56 << 20, "56.0M"), (64 << 30, "64.0G")],
)
def test_vmmap_sizes(size: int, text: str) -> None:
    assert short_size(size) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (4096, "4 KiB"), (1 << 20, "1 MiB"), (3 << 19, "1.5 MiB"), (1 << 64, "16 EiB")],
)
def test_sizes(size: int, text: str) -> None:
    assert size_text(size) == text


A, B, C = row(0x1000, 2, "rw-p"), row(0x1000, 4, "rw-p"), row(0x1000, 2, "r--p")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ((A,), (A,), ""),
        ((), (A,), "new: 8 KiB rw-p anonymous"),
        ((A,), (), "unmapped: 8 KiB anonymous"),
        ((A,), (B,), "grew by 8 KiB upwards"),
        ((B,), (A,), "shrank by 8 KiB"),
        ((A,), (C,), "permissions rw-p → r--p"),
        ((B,), (A, row(0x3000, 2, "r--p")), "1 area split into 2 areas"),
        ((A, row(0x3000, 2, "r--p")), (B,), "2 areas merged into 1 area"),
        (
            (row(0x3000, 1, "rw-p", "[stack]"),),
            (row(0x1000, 3, "rw-p", "[stack]"),),
            "grew by 8 KiB downwards",
        ),
        (
            (A,),
            (row(0x1000, 2, "rw-p", runs=(resident(0x1000, 1),)),),
            "resident 0 B → 4 KiB, dirty 0 B → 4 KiB",
        ),
    ],
)
def test_difference(old: tuple[AreaRow, ...], new: tuple[AreaRow, ...], words: str) -> None:
    text = memory.difference(MapSnapshot(old), MapSnapshot(new))
    assert (text.splitlines()[-1].strip() if text else "") == words


@pytest.mark.parametrize(
    ("permissions", "name", "expected"),
    [
        ("r-xp", "/bin/x", "text"),
        ("rw-p", "/bin/x", "data"),
        ("r--p", "/bin/x", "read-only data"),
        ("rw-p", "", "anonymous"),
        ("rw-p", "[anon:arena]", "anonymous"),
        ("rw-s", "/tmp/f", "shared file"),
        ("---p", "", "guard"),
        ("rw-p", "[stack]", "stack"),
    ],
)
def test_roles(permissions: str, name: str, expected: str) -> None:
    assert role(row(0x1000, 1, permissions, name)) == expected


def test_snapshots_are_picklable_and_independent_of_the_space() -> None:
    space = new_space()
    start = space.mmap(0, 4 * PAGE_SIZE, RW, PRIVATE)
    space.write(start, b"x" * 5000)
    snapshot = take_snapshot(space)
    space.release()
    assert pickle.loads(pickle.dumps(snapshot)) == snapshot
    found = snapshot.area_at(start)
    assert found is not None
    assert (found.resident, found.dirty, found.size) == (8192, 8192, 16384)
    assert found.runs == (PageRun(start, 2, True, True, True, True, 1),)


def test_walk_shows_four_levels_and_the_physical_address() -> None:
    space = new_space()
    space.brk(HEAP + PAGE_SIZE)
    space.write(HEAP, b"x")
    lines = pages.walk(space, HEAP + 0x10).splitlines()
    assert [line.split()[0] for line in lines[3:7]] == ["PML4", "PDPT", "PD", "PT"]
    assert [int(line.split()[2]) for line in lines[3:7]] == [0, 0, 2, 2]
    assert lines[6].endswith("present writable user accessed dirty no-execute")
    frame = space.page_state(HEAP).frame
    assert frame is not None
    assert lines[-1] == f"physical address {(frame << 12) + 0x10:#x}"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (HEAP + 0x1000, "the kernel finds a page"),
        (0x10, "nothing is mapped here"),
        (HEAP + 0x2000, "allows no access"),
        (HEAP + 0x3000, "the page is a guard (MADV_GUARD_INSTALL)"),
    ],
)
def test_walk_says_why_there_is_no_translation(address: int, words: str) -> None:
    space = new_space()
    space.brk(HEAP + 4 * PAGE_SIZE)
    space.madvise(HEAP + 3 * PAGE_SIZE, PAGE_SIZE, MADV_GUARD_INSTALL)
    space.write(HEAP, b"x")
    space.write(HEAP + 2 * PAGE_SIZE, b"x")
    space.mprotect(HEAP + 2 * PAGE_SIZE, PAGE_SIZE, 0)
    assert words in pages.walk(space, address)


def test_pages_lists_what_is_in_memory() -> None:
    space = new_space()
    start = space.mmap(0, 8 * PAGE_SIZE, RW, PRIVATE)
    space.write(start, b"x")
    space.read(start + PAGE_SIZE, 1)
    space.madvise(start + 2 * PAGE_SIZE, PAGE_SIZE, MADV_GUARD_INSTALL)
    lines = pages.pages(space, start).splitlines()[1:]
    assert [line.split()[2] for line in lines] == ["anonymous", "zero", "guard"]
    assert lines[0].endswith("1  present writable accessed dirty")

"""Areas: splitting, merging and gap search as tables; each case is drawn above its row.

One letter is one page; equal letters are one kind of area, a dot is a gap, and a bar divides two areas of a kind.
"""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest

from toolkit.abi.memory import PAGE_SIZE, VM_DATA, VM_GROWSDOWN, VM_READ, VM_SHARED, VM_SPECIAL, VM_WRITE
from toolkit.kernel.mm.areas import STACK_GUARD_GAP, Area, AreaSet
from toolkit.kernel.mm.merging import AnonymousGroup, inherited

BASE = 0x10000
KINDS = {
    "r": VM_DATA & ~VM_WRITE,
    "w": VM_DATA,
    "n": VM_DATA & ~VM_WRITE & ~VM_READ,
    "s": VM_DATA | VM_SHARED,
}


def drawn(picture: str) -> AreaSet:
    """The set a picture shows; offsets are page numbers, as in private anonymous areas."""
    areas, page = AreaSet(), 0
    for run in picture.split("|"):
        index = 0
        while index < len(run):
            letter = run[index]
            length = len(run[index:]) - len(run[index:].lstrip(letter))
            if letter != ".":
                start = BASE + page * PAGE_SIZE
                areas.insert(Area(start, start + length * PAGE_SIZE, KINDS[letter], start >> 12))
            index += length
            page += length
    return areas


def picture(areas: AreaSet, pages: int) -> str:
    """What ``drawn`` would read."""
    text, position, letters = "", BASE, {flags: letter for letter, flags in KINDS.items()}
    previous: Area | None = None
    for area in areas:
        text += "." * ((area.start - position) // PAGE_SIZE)
        if previous is not None and previous.end == area.start and previous.flags == area.flags:
            text += "|"
        text += letters[area.flags] * area.pages
        previous, position = area, area.end
    return text + "." * (pages - len(text.replace("|", "")))


def at(page: int) -> int:
    return BASE + page * PAGE_SIZE


@pytest.mark.parametrize(
    ("before", "first", "last", "after"),
    [
        # a hole in the middle splits one area into two
        ("rrrrr", 1, 3, "r..rr"),
        # the head, the tail, the whole, nothing
        ("rrrrr", 0, 2, "..rrr"),
        ("rrrrr", 3, 5, "rrr.."),
        ("rrrrr", 0, 5, "....."),
        ("rr.rr", 2, 3, "rr.rr"),
        # across several areas and the gaps between them
        ("rrww.nn", 1, 6, "r.....n"),
    ],
)
def test_carve(before: str, first: int, last: int, after: str) -> None:
    areas = drawn(before)
    taken = areas.carve(at(first), at(last))
    assert picture(areas, len(before.replace("|", ""))) == after
    assert all(at(first) <= area.start < area.end <= at(last) for area in taken)


@pytest.mark.parametrize(
    ("before", "first", "last", "kind", "after"),
    [
        # nothing beside it
        (".....", 1, 3, "r", ".rr.."),
        # it continues the left neighbour; the right one; both
        ("rr...", 2, 4, "r", "rrrr."),
        ("...rr", 1, 3, "r", ".rrrr"),
        ("rr..r", 2, 4, "r", "rrrrr"),
        # other flags on a side keep areas apart
        ("rr..w", 2, 4, "w", "rrwww"),
        ("ww..w", 2, 4, "r", "wwrrw"),
        # a gap keeps areas apart
        ("rr...", 3, 4, "r", "rr.r."),
    ],
)
def test_add(before: str, first: int, last: int, kind: str, after: str) -> None:
    areas = drawn(before)
    merged = areas.add(Area(at(first), at(last), KINDS[kind], at(first) >> 12))
    assert picture(areas, len(before)) == after
    assert areas.find(at(first)) == merged


@pytest.mark.parametrize(
    ("before", "first", "last", "kind", "after"),
    [
        # the eight cases of vma_merge_existing_range and the splits beside them
        ("rrrr", 0, 4, "w", "wwww"),
        ("rrrr", 1, 3, "w", "rwwr"),
        ("rrrr", 0, 2, "w", "wwrr"),
        ("rrrr", 2, 4, "w", "rrww"),
        ("wwrr", 2, 4, "w", "wwww"),
        ("wwrr", 2, 3, "w", "wwwr"),
        ("rrww", 0, 2, "w", "wwww"),
        ("rrww", 1, 2, "w", "rwww"),
        ("wrrw", 1, 3, "w", "wwww"),
        ("wrrw", 1, 2, "w", "wwrw"),
        ("wrrn", 1, 3, "w", "wwwn"),
    ],
)
def test_change(before: str, first: int, last: int, kind: str, after: str) -> None:
    areas = drawn(before)
    area = areas.find(at(first))
    assert area is not None
    changed = area.part(at(first), at(last))._replace(flags=KINDS[kind])
    areas.change(at(first), at(last), area, changed)
    assert picture(areas, len(before)) == after


def one_page(page: int, **fields: Any) -> Area:
    return Area(at(page), at(page + 1), VM_DATA, at(page) >> 12)._replace(**fields)


BACKING, OTHER_BACKING = object(), object()
GROUP, OTHER_GROUP = AnonymousGroup(), AnonymousGroup()
CHILD = AnonymousGroup(GROUP)


def own(group: AnonymousGroup) -> dict[str, Any]:
    """The fields of an area with private pages of its own."""
    return {"group": group, "chain": (group,)}


FORKED = {"group": CHILD, "chain": (GROUP, CHILD)}


class CountingBacking:
    """A file that wants to know when areas end, as a System V segment does."""

    def area_closed(self, space: object) -> None:
        """Nothing to count here."""


@pytest.mark.parametrize(
    ("left", "right", "one"),
    [
        ({}, {}, True),
        ({"backing": BACKING, "offset": 4}, {"backing": BACKING, "offset": 5}, True),
        ({"backing": BACKING, "offset": 4}, {"backing": BACKING, "offset": 6}, False),
        ({"backing": BACKING, "offset": 4}, {"backing": OTHER_BACKING, "offset": 5}, False),
        ({"backing": BACKING, "offset": 4}, {"offset": 5}, False),
        ({"name": "[anon:a]"}, {"name": "[anon:a]"}, True),
        ({"name": "[anon:a]"}, {}, False),
        ({"flags": VM_DATA | VM_SPECIAL}, {"flags": VM_DATA | VM_SPECIAL}, False),
        (own(GROUP), own(GROUP), True),
        (own(GROUP), {}, True),
        ({}, own(GROUP), True),
        (own(GROUP), own(OTHER_GROUP), False),
        (FORKED, {}, False),
        (FORKED, FORKED, True),
    ],
)
def test_what_makes_neighbours_one(left: dict[str, Any], right: dict[str, Any], one: bool) -> None:
    areas = AreaSet()
    areas.insert(one_page(0, **left))
    areas.add(one_page(1, **right))
    assert len(areas) == (1 if one else 2)


def test_merging_both_sides_needs_their_groups_to_agree() -> None:
    # a b .   a's group and b's differ; the page between has none: it joins the left one only
    areas = AreaSet()
    areas.insert(one_page(0, **own(GROUP)))
    areas.insert(one_page(2, **own(OTHER_GROUP)))
    merged = areas.add(one_page(1))
    assert (merged.start, merged.end, merged.group) == (at(0), at(2), GROUP)


def test_an_area_that_grows_joins_what_follows_whatever_it_was_forked_from() -> None:
    # aa.b: as a new area, one with a parent's pages does not join b, which has none; as a grown one it does
    areas = AreaSet()
    forked = one_page(0, **FORKED)
    areas.insert(forked)
    areas.insert(one_page(2))
    assert areas.extend(forked, at(2)) == forked._replace(end=at(3))
    areas = AreaSet()
    areas.insert(one_page(2))
    assert areas.add(one_page(1, **FORKED)) == one_page(1, **FORKED)


def test_an_area_whose_file_counts_areas_is_not_merged_away() -> None:
    # w r|: the whole of r becomes w and stays apart; where only its head does, the boundary moves
    backing = CountingBacking()
    left = one_page(0, backing=backing, offset=0)
    right = Area(at(1), at(3), KINDS["r"], 1, backing)
    for end, expected in (
        (at(3), [(at(0), at(1)), (at(1), at(3))]),
        (at(2), [(at(0), at(2)), (at(2), at(3))]),
    ):
        areas = AreaSet()
        areas.insert(left)
        areas.insert(right)
        areas.change(at(1), end, right, right.part(at(1), end)._replace(flags=VM_DATA))
        assert [(area.start, area.end) for area in areas] == expected


def test_a_group_that_nobody_has_any_more_is_used_again() -> None:
    # three generations: when the second has unmapped its copy, a fourth takes the second's group over
    generations = [one_page(0, **own(AnonymousGroup()))]
    spaces = [AreaSet() for _ in range(3)]
    spaces[0].insert(generations[0])
    for space in spaces[1:]:
        group, chain = inherited(generations[-1])
        assert group is not None
        assert chain == (*generations[-1].chain, group)
        generations.append(one_page(0, group=group, chain=chain))
        space.insert(generations[-1])
    spaces[1].remove(generations[1])
    assert inherited(generations[2]) == (generations[1].group, generations[2].chain)
    spaces[1].insert(generations[1])
    assert inherited(generations[2])[0] not in generations[2].chain


def lowest_gap_by_trying(areas: AreaSet, length: int, low: int, high: int) -> int | None:
    """Every page is tried; an area that grows down keeps its guard from the gap just below it."""
    listed = list(areas)
    for start in range(low, high - length + 1, PAGE_SIZE):
        above = next((area for area in listed if area.end > start), None)
        if above is None or above.guarded_start >= start + length:
            return start
    return None


def highest_gap_by_trying(areas: AreaSet, length: int, low: int, high: int) -> int | None:
    """The kernel's loop: the highest range that is free, tried again below the guard it hits."""
    listed = list(areas)
    for start in range(high - length, low - 1, -PAGE_SIZE):
        above = next((area for area in listed if area.end > start), None)
        if above is None or above.start >= start + length:
            if above is None or above.guarded_start >= start + length:
                return start + length
            return highest_gap_by_trying(areas, length, low, above.guarded_start)
    return None


@pytest.mark.parametrize("seed", range(12))
def test_gap_search_finds_what_trying_every_page_finds(seed: int) -> None:
    chance = random.Random(seed)
    areas, pages = AreaSet(), 400
    for _ in range(250):
        start = chance.randrange(pages)
        length = chance.randint(1, 4)
        if chance.random() < 0.7 and not areas.intersects(at(start), at(start + length)):
            grows = VM_GROWSDOWN if chance.random() < 0.02 else 0
            areas.add(
                Area(
                    at(start),
                    at(start + length),
                    chance.choice(list(KINDS.values())) | grows,
                    at(start) >> 12,
                )
            )
        elif chance.random() < 0.5:
            areas.carve(at(start), at(start + length))
        length = chance.randint(1, 6) * PAGE_SIZE
        low, high = at(chance.randrange(100)), at(chance.choice([pages, pages + 5, 200]))
        assert areas.highest_gap(length, low, high) == highest_gap_by_trying(areas, length, low, high)
        assert areas.lowest_gap(length, low, high) == lowest_gap_by_trying(areas, length, low, high)
        assert all(one.end <= other.start for one, other in pairwise(areas))


def test_guard_gap_is_not_given_out() -> None:
    areas = AreaSet()
    stack = 0x7FFF_0000_0000
    areas.insert(Area(stack, stack + PAGE_SIZE, VM_DATA | VM_GROWSDOWN, 0))
    assert areas.highest_gap(PAGE_SIZE, PAGE_SIZE, stack) == stack - STACK_GUARD_GAP


def test_lookups_over_many_chunks() -> None:
    areas = AreaSet()
    for page in range(0, 2000, 2):
        areas.insert(one_page(page))
    assert len(areas) == 1000
    for page in range(2000):
        found = areas.find(at(page) + 5)
        assert (found is not None) == (page % 2 == 0)
        above = areas.first_ending_above(at(page))
        assert above is None if page == 1999 else above is not None and above.start == at(page + page % 2)
        below = areas.last_starting_below(at(page))
        assert below is None if page == 0 else below is not None and below.start == at((page - 1) // 2 * 2)
    assert [area.start for area in areas.overlapping(at(3), at(9))] == [at(4), at(6), at(8)]
    for page in range(0, 2000, 2):
        areas.remove(one_page(page))
    assert len(areas) == 0
    assert areas.first_ending_above(0) is None

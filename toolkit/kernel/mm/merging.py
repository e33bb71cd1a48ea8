"""When two neighbouring areas become one, and the identity of private memory that decides it (mm/vma.c, mm/rmap.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.abi.memory import PAGE_SHIFT, VM_SPECIAL, VM_STICKY

if TYPE_CHECKING:
    from toolkit.kernel.mm.areas import Area


class AnonymousGroup:
    """Identity shared by private areas whose own pages may be kept together (struct anon_vma).

    An area gets one when its first private page appears, and a child's areas get new ones by fork: ``parent`` is the
    one then copied. ``children`` counts the groups made so, ``areas`` those whose own group it is, ``links`` those
    whose chain holds it.
    """

    __slots__ = ("areas", "children", "links", "parent")

    def __init__(self, parent: AnonymousGroup | None = None) -> None:
        self.parent = parent
        self.areas = self.links = 0
        # The first group of a line counts as its own child, so that it is reused by nobody.
        self.children = 0 if parent is not None else 1


def link(area: Area) -> None:
    """The area became part of an address space: its groups count it (anon_vma_chain_link)."""
    for group in area.chain:
        group.links += 1
        if group.links == 1 and group.parent is not None:
            group.parent.children += 1
    if area.group is not None:
        area.group.areas += 1


def unlink(area: Area) -> None:
    """The area is no longer part of an address space (unlink_anon_vmas)."""
    for group in area.chain:
        group.links -= 1
        if not group.links and group.parent is not None:
            group.parent.children -= 1
    if area.group is not None:
        area.group.areas -= 1


def inherited(area: Area) -> tuple[AnonymousGroup | None, tuple[AnonymousGroup, ...]]:
    """The group and chain of a child's copy of the area (anon_vma_fork).

    A group that no area has for its own any more is used again, so that chains don't grow with each generation.
    """
    if area.group is None:
        return None, ()
    for group in area.chain:
        if group.children < 2 and not group.areas:
            return group, area.chain
    group = AnonymousGroup(area.group)
    return group, (*area.chain, group)


def is_fork_child(area: Area) -> bool:
    """Whether the area may hold pages of a parent process (vma_is_fork_child)."""
    return area.group is not None and len(area.chain) > 1


def alike(left: Area, right: Area) -> bool:
    """Whether ``right`` begins where ``left`` ends with the same attributes (is_mergeable_vma)."""
    return (
        left.end == right.start
        and not (left.flags ^ right.flags) & ~VM_STICKY
        and not left.flags & VM_SPECIAL
        and left.backing is right.backing
        and left.name == right.name
        and left.offset + ((left.end - left.start) >> PAGE_SHIFT) == right.offset
    )


def may_share_group(area: Area, neighbour: Area) -> bool:
    """Whether a new or changed area could become part of a neighbour (is_mergeable_anon_vma).

    One that has no group takes the other's, unless that other may hold pages of a parent process.
    """
    if area.group is None and neighbour.group is None:
        return True
    if neighbour.group is None:
        return not is_fork_child(area)
    if area.group is None:
        return not is_fork_child(neighbour)
    return area.group is neighbour.group


def agree(left: Area, right: Area) -> bool:
    """Whether the groups of two areas allow that both become one with what lies between (can_vma_merge_right)."""
    return left.group is None or right.group is None or left.group is right.group


def may_vanish(area: Area) -> bool:
    """Whether the area may be merged away: not if its file counts areas by their ends (can_merge_remove_vma)."""
    return area.backing is None or not hasattr(area.backing, "area_closed")

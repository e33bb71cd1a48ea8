"""Giving part of an area other attributes: the one place that splits and merges areas in use (vma_modify)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError

if TYPE_CHECKING:
    from toolkit.kernel.mm.areas import Area
    from toolkit.kernel.mm.space import AddressSpace


def modify(space: AddressSpace, area: Area, start: int, end: int, **changes: Any) -> Area:
    """Change fields of [start, end) of ``area``; the area that covers the range then.

    Raises ENOMEM when that takes a split and vm.max_map_count is reached.
    """
    changed = area.part(start, end)._replace(**changes)
    if not any(space.areas.mergeable(start, end, area, changed)):
        splits = (start > area.start) + (end < area.end)
        if splits and len(space.areas) + splits > space.max_map_count:
            raise SyscallError(Errno.ENOMEM)
    return space.areas.change(start, end, area, changed)

"""Checks against RLIMIT_AS, RLIMIT_DATA and RLIMIT_MEMLOCK and the overcommit policy, and what areas are charged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.abi.errno import Errno
from toolkit.abi.memory import (
    PAGE_SHIFT,
    VM_ACCOUNT,
    VM_GROWSDOWN,
    VM_LOCKED,
    VM_NORESERVE,
    VM_SHARED,
    VM_WRITE,
)
from toolkit.abi.process import RLIM_INFINITY, RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK
from toolkit.kernel.errors import SyscallError

if TYPE_CHECKING:
    from toolkit.kernel.mm.space import AddressSpace


def is_data(flags: int) -> bool:
    """Whether RLIMIT_DATA counts the area: private and writable, no stack (is_data_mapping)."""
    return flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN) == VM_WRITE


def is_charged(flags: int) -> bool:
    """Whether the overcommit policy counts the area (accountable_mapping)."""
    return flags & (VM_NORESERVE | VM_SHARED | VM_WRITE) == VM_WRITE


def data_pages(space: AddressSpace) -> int:
    """Pages that RLIMIT_DATA counts (data_vm)."""
    return sum(area.pages for area in space.areas if is_data(area.flags))


def may_expand(space: AddressSpace, flags: int, pages: int) -> bool:
    """Whether ``pages`` more of such an area fit RLIMIT_AS and RLIMIT_DATA (may_expand_vm)."""
    limit = space.limits.soft(RLIMIT_AS)
    if limit != RLIM_INFINITY and space.total_pages + pages > limit >> PAGE_SHIFT:
        return False
    limit = space.limits.soft(RLIMIT_DATA)
    # A soft limit of 0 does not count: a workaround for Valgrind in may_expand_vm.
    if limit not in (0, RLIM_INFINITY) and is_data(flags):
        return data_pages(space) + pages <= limit >> PAGE_SHIFT
    return True


def may_lock(space: AddressSpace) -> bool:
    """Whether the process may lock anything at all (can_do_mlock)."""
    return space.limits.privileged or space.limits.soft(RLIMIT_MEMLOCK) != 0


def may_lock_more(space: AddressSpace, flags: int, pages: int) -> bool:
    """Whether ``pages`` more locked pages fit RLIMIT_MEMLOCK (mlock_future_ok)."""
    if not flags & VM_LOCKED or space.limits.privileged:
        return True
    limit = space.limits.soft(RLIMIT_MEMLOCK)
    return limit == RLIM_INFINITY or space.locked_pages + pages <= limit >> PAGE_SHIFT


def charge(space: AddressSpace, pages: int) -> None:
    """Charge ``pages`` to Committed_AS. Raises ENOMEM."""
    space.frames.commitment.charge(pages, privileged=space.limits.privileged, total_pages=space.total_pages)


def uncharge(space: AddressSpace, flags: int, pages: int) -> None:
    """An area with ``flags`` lost ``pages``."""
    if flags & VM_ACCOUNT:
        space.frames.commitment.release(pages)


def check_growth(space: AddressSpace, flags: int, pages: int) -> None:
    """What a stack must pass to grow by ``pages`` beside RLIMIT_STACK (acct_stack_growth). Raises ENOMEM."""
    if not may_expand(space, flags, pages) or not may_lock_more(space, flags, pages):
        raise SyscallError(Errno.ENOMEM)
    charge(space, pages)

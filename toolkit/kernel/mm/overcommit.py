"""Committed memory: what private writable areas could come to need, and whether a further promise is made.

Modes as in vm.overcommit_memory (Documentation/mm/overcommit-accounting.rst).
"""

from __future__ import annotations

from toolkit.abi.errno import Errno
from toolkit.abi.memory import OVERCOMMIT_ALWAYS, OVERCOMMIT_GUESS
from toolkit.kernel.errors import SyscallError

USER_RESERVE_PAGES = 32768
ADMIN_RESERVE_PAGES = 2048
"""vm.user_reserve_kbytes and vm.admin_reserve_kbytes, in pages; at most 1/32 of free memory at boot."""


class Commitment:
    """Committed_AS and the policy about it. Counts are in pages."""

    def __init__(self, memory: int, swap: int) -> None:
        self.memory = memory
        self.swap = swap
        self.mode = OVERCOMMIT_GUESS
        self.ratio = 50
        self.kilobytes = 0
        """vm.overcommit_kbytes; replaces the ratio if not 0."""
        self.committed = 0

    @property
    def limit(self) -> int:
        """CommitLimit, enforced in mode 2."""
        share = self.kilobytes >> 2 if self.kilobytes else self.memory * self.ratio // 100
        return share + self.swap

    def charge(self, pages: int, *, privileged: bool, total_pages: int = 0) -> None:
        """Promise ``pages`` more (__vm_enough_memory). Raises ENOMEM; ``total_pages`` is the process's size."""
        if not self._enough(pages, privileged, total_pages):
            raise SyscallError(Errno.ENOMEM)
        self.committed += pages

    def release(self, pages: int) -> None:
        """Take back a promise."""
        self.committed -= pages

    def _enough(self, pages: int, privileged: bool, total_pages: int) -> bool:
        if self.mode == OVERCOMMIT_ALWAYS:
            return True
        if self.mode == OVERCOMMIT_GUESS:
            return pages <= self.memory + self.swap
        allowed = self.limit
        if not privileged:
            allowed -= min(ADMIN_RESERVE_PAGES, self.memory // 32)
        allowed -= min(total_pages // 32, USER_RESERVE_PAGES, self.memory // 32)
        return self.committed + pages < allowed

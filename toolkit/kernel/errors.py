"""The one exception by which kernel code refuses a system call."""

from __future__ import annotations

from toolkit.abi.errno import Errno


class SyscallError(Exception):
    """A system call fails with ``errno``; only the dispatcher catches it."""

    def __init__(self, errno: Errno) -> None:
        super().__init__(errno.name)
        self.errno = errno

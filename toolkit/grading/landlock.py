"""Landlock: this process may from now on read below a few folders, and change nothing anywhere (landlock(7)).

The kernel's numbers are the same on every architecture. Where the kernel lacks Landlock, nothing is done.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH = 1  # LANDLOCK_RULE_PATH_BENEATH
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS

_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}  # ABI → how many LANDLOCK_ACCESS_FS bits it knows; later ones 16
_NETWORK_FROM, _SCOPES_FROM = 4, 6  # the ABIs that brought TCP, and signals and abstract sockets


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32)]


def abi() -> int:
    """The kernel's Landlock version, 0 where there is none."""
    if not sys.platform.startswith("linux"):
        return 0
    found: int = _libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))
    return max(0, found)


def restrict(readable: Iterable[str]) -> str | None:
    """Allow reading below the folders and nothing else; what ``doctor`` calls it. Raises OSError when the kernel refuses."""
    version = abi()
    if not version:
        return None
    libc = _libc()
    ruleset = _create(libc, version)
    try:
        for folder in readable:
            _allow(libc, ruleset, folder)
        _check(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
        _check(libc.syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)))
    finally:
        os.close(ruleset)
    return f"Landlock (ABI {version})"


def _create(libc: ctypes.CDLL, version: int) -> int:
    rules = _Ruleset((1 << _FILE_RIGHTS.get(version, 16)) - 1)
    size = 8
    if version >= _NETWORK_FROM:
        rules.network, size = 0b11, 16
    if version >= _SCOPES_FROM:
        rules.scopes, size = 0b11, 24
    return _check(
        libc.syscall(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0))
    )


def _allow(libc: ctypes.CDLL, ruleset: int, folder: str) -> None:
    try:
        descriptor = os.open(folder, os.O_PATH | os.O_CLOEXEC | os.O_DIRECTORY)
    except OSError:
        return  # no such folder: nothing to read in it
    try:
        rule = _PathBeneath(_READ_FILE | _READ_DIR, descriptor)
        _check(
            libc.syscall(
                _ADD_RULE,
                ctypes.c_int(ruleset),
                ctypes.c_int(_PATH_BENEATH),
                ctypes.byref(rule),
                ctypes.c_uint32(0),
            )
        )
    finally:
        os.close(descriptor)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"Landlock: {os.strerror(number)}")
    return result

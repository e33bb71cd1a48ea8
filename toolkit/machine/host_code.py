"""A few instructions of the host's own in memory: written once, then executable and not writable any more.

Each way also makes the processor's instruction cache see them: Linux does so when it makes a page executable, Windows and
Apple have a call for it.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import sys

from toolkit.machine.physical import PAGE_SIZE

MAP_JIT = 0x800  # sys/mman.h of macOS


class HostCode:
    """Keeps ``code`` in memory at `address`. Raises OSError where the host does not let us have executable memory."""

    def __init__(self, code: bytes) -> None:
        if sys.platform == "win32":
            self.address = _on_windows(code)
            return
        write = _on_apple_silicon if _is_apple_silicon() else _on_posix
        self._page, self.address = write(code)


def _is_apple_silicon() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"


def _on_posix(code: bytes) -> tuple[mmap.mmap, int]:
    """Written, then protected (mprotect(2))."""
    page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    page.write(code)
    address = _address(page)
    libc = ctypes.CDLL(None, use_errno=True)
    rights = mmap.PROT_READ | mmap.PROT_EXEC
    if libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(mmap.PAGESIZE), rights):
        raise OSError(ctypes.get_errno(), "mprotect")
    return page, address


def _on_apple_silicon(code: bytes) -> tuple[mmap.mmap, int]:
    """Through MAP_JIT, as the engine does it for its own code (pthread_jit_write_protect_np(3))."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_JIT
    rights = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    page = mmap.mmap(-1, mmap.PAGESIZE, flags=flags, prot=rights)
    address = _address(page)
    libc = ctypes.CDLL(None)
    try:
        protect, synchronise = libc.pthread_jit_write_protect_np, libc.sys_icache_invalidate
    except AttributeError as error:
        raise OSError("no memory for machine code") from error
    protect(0)
    ctypes.memmove(address, code, len(code))
    protect(1)
    synchronise(ctypes.c_void_p(address), ctypes.c_size_t(len(code)))
    return page, address


def _address(page: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(page))


def _on_windows(code: bytes) -> int:
    """VirtualAlloc, VirtualProtect and FlushInstructionCache; the page stays until the process ends."""
    if sys.platform != "win32":
        raise AssertionError("Windows alone")
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.VirtualAlloc.restype = kernel.GetCurrentProcess.restype = ctypes.c_void_p
    committed, writable, executable = 0x3000, 0x04, 0x20
    size = ctypes.c_size_t(PAGE_SIZE)
    address = kernel.VirtualAlloc(None, size, committed, writable)
    if not address:
        raise ctypes.WinError(ctypes.get_last_error())
    ctypes.memmove(address, code, len(code))
    before = ctypes.c_uint32()
    if not kernel.VirtualProtect(ctypes.c_void_p(address), size, executable, ctypes.byref(before)):
        raise ctypes.WinError(ctypes.get_last_error())
    kernel.FlushInstructionCache(ctypes.c_void_p(kernel.GetCurrentProcess()), ctypes.c_void_p(address), size)
    return int(address)

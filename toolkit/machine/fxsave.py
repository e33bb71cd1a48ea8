"""The 512-byte FXSAVE image of x87 and SSE state (SDM volume 1, table 10-2), as an AMD processor writes it.

AMD stores the last x87 instruction's and operand's addresses only while an exception is pending; here they are
always 0. MXCSR_MASK is 0x2ffff: bit 17 is AMD's misaligned exception mask.
"""

from __future__ import annotations

import ctypes
from typing import Any

SIZE = 512
MXCSR_MASK = 0x2FFFF
CONTROL, STATUS, TAGS, MXCSR, MASK, X87, XMM = 0, 2, 4, 24, 28, 32, 160


class FxsaveImage:
    """Moves the state between the engine and a buffer in the image's layout, with one call in each direction."""

    def __init__(self, library: Any, handle: Any) -> None:
        self._buffer = (ctypes.c_ubyte * SIZE)()
        self._full_tags = ctypes.c_uint16()
        base = ctypes.addressof(self._buffer)
        parts = [("FPCW", base + CONTROL), ("FPSW", base + STATUS), ("MXCSR", base + MXCSR)]
        parts += [("FPTAG", ctypes.addressof(self._full_tags))]
        parts += [(f"ST{index}", base + X87 + 16 * index) for index in range(8)]
        parts += [(f"XMM{index}", base + XMM + 16 * index) for index in range(16)]
        # Writing a register marks it as in use: the tags must come last.
        parts.append(parts.pop(3))
        count = len(parts)
        ids = (ctypes.c_int * count)(*(getattr(library.x86, f"UC_X86_REG_{name}") for name, _ in parts))
        places = (ctypes.c_void_p * count)(*(place for _, place in parts))
        self._arguments = (handle, ids, places, count)
        self._read, self._write = library.functions.uc_reg_read_batch, library.functions.uc_reg_write_batch

    def read(self) -> bytes:
        """The engine's state as an image."""
        ctypes.memset(self._buffer, 0, SIZE)
        self._read(*self._arguments)
        tags = self._full_tags.value
        self._buffer[TAGS] = sum((tags >> 2 * index & 3 != 3) << index for index in range(8))
        ctypes.memmove(ctypes.byref(self._buffer, MASK), MXCSR_MASK.to_bytes(4, "little"), 4)
        return bytes(self._buffer)

    def write(self, image: bytes) -> None:
        """Put an image into the engine. Raises ValueError for a wrong size or reserved bits set in MXCSR."""
        if len(image) != SIZE:
            raise ValueError(f"an FXSAVE image has {SIZE} bytes, not {len(image)}")
        if int.from_bytes(image[MXCSR : MXCSR + 4], "little") & ~MXCSR_MASK:
            raise ValueError("reserved bits of MXCSR are set")
        ctypes.memmove(self._buffer, image, SIZE)
        self._full_tags.value = sum(3 << 2 * index for index in range(8) if not image[TAGS] >> index & 1)
        self._write(*self._arguments)

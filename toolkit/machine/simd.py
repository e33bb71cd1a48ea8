"""SSE exception flags: MXCSR's sticky bits, and exceptions that are not masked.

The engine records what its arithmetic raised in a place of its own and never moves it to MXCSR, nor raises #XM.
"""

from __future__ import annotations

from typing import Any

FLAGS = 0x3F
MASKS_SHIFT = 7
# softfloat's exception flags → MXCSR's (SDM volume 1, 10.2.3)
SOFTFLOAT_FLAGS = ((1, 0x01), (64, 0x02), (4, 0x04), (8, 0x08), (16, 0x10), (32, 0x20))


def unmasked(mxcsr: int) -> int:
    """The exceptions, as flag bits, that an MXCSR value lets through."""
    return ~(mxcsr >> MASKS_SHIFT) & FLAGS


class SimdFlags:
    """Reads and clears the engine's record, through the context buffer in which `place` is the record's byte."""

    __slots__ = ("_arguments", "_context", "_mxcsr", "_place", "_restore", "_save")

    def __init__(self, functions: Any, handle: Any, context: Any, place: Any, mxcsr: Any) -> None:
        self._save, self._restore = functions.uc_context_save, functions.uc_context_restore
        self._context, self._place, self._mxcsr = context, place, mxcsr
        self._arguments = (handle, context.context)

    def raised(self) -> int:
        """The exceptions raised since the last `clear`, as MXCSR's bits."""
        self._save(*self._arguments)
        record = self._place.value
        return sum(bit for flag, bit in SOFTFLOAT_FLAGS if record & flag) if record else 0

    def clear(self) -> None:
        """Forget the exceptions raised, as loading MXCSR does."""
        self._save(*self._arguments)
        if self._place.value:
            self._place.value = 0
            self._restore(*self._arguments)

    def mxcsr(self) -> int:
        """The register's value as it is in the engine."""
        self._mxcsr.load()
        return int(self._mxcsr.values[0])

    def update(self, more: int = 0) -> int:
        """Put the exceptions raised, and `more`, into MXCSR where the program can see them; the value."""
        raised = self.raised() | more
        value = self.mxcsr()
        if raised & ~value:
            self._mxcsr.values[0] = value | raised
            self._mxcsr.store()
        return value | raised

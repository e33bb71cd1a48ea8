"""Relocations that need more than an address: GOT, PLT, thread-local storage."""

from __future__ import annotations

from toolkit.asm.link.context import Context
from toolkit.asm.link.model import InputFile, InputSection, Relocation


class Special:
    """To be filled."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def handles(self, section: InputSection, relocation: Relocation) -> bool:
        return False

    def apply(self, image: bytearray, file: InputFile, section: InputSection, relocation: Relocation) -> None:
        raise NotImplementedError

"""Link objects into a program as GNU ld 2.40 does: the same bytes, and clearer messages.

The passes, in order: read the inputs and resolve names (``resolve``), drop what nothing needs (``collect``), see what the
relocations need (``relocate``), assign input sections to output sections (``assign``), place these in memory (``layout``) and in
the file (``segments``), apply the relocations, and write (``output``). ``relocatable`` has the few of -r.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from toolkit.asm.diagnostics import Diagnostic
from toolkit.asm.linetable import LineTable
from toolkit.asm.link.context import LinkOptions

__all__ = ["LinkInput", "LinkOptions", "Linked", "link"]


@dataclass(frozen=True, slots=True)
class LinkInput:
    """One file: an object, an archive (``!<arch>``), a shared library, or a text that names such files (``GROUP ( … )``).

    ``lines`` tells where an object's bytes came from. ``as_needed``: a shared library that nothing refers to is left out.
    ``whole``: every member of an archive is linked. Archives with one ``group`` other than 0 are searched together until
    nothing new is found. ``only_archives``: it is no shared library, nor are those that a text names with -l. ``searched``: it was found by -l.
    """

    name: str
    data: bytes
    lines: LineTable | None = None
    as_needed: bool = False
    whole: bool = False
    group: int = 0
    only_archives: bool = False
    searched: bool = False


@dataclass(frozen=True, slots=True)
class Linked:
    """``elf`` is None when there were errors. ``symbols``: name → virtual address, local names included."""

    elf: bytes | None
    lines: LineTable
    symbols: dict[str, int]
    diagnostics: tuple[Diagnostic, ...]


def link(objects: Sequence[LinkInput], options: LinkOptions | None = None, **changes: object) -> Linked:
    """Link ``objects`` in their order. ``changes`` are fields of ``LinkOptions``. Never raises for bad input."""
    from toolkit.asm.link.driver import run

    chosen = LinkOptions() if options is None else options
    if changes:
        chosen = replace(chosen, **changes)  # type: ignore[arg-type]
    return run(objects, chosen)

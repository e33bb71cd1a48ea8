"""``__start_NAME`` and ``__stop_NAME`` of sections whose names are C identifiers.

ld defines those that something asks for as soon as the inputs are read, by the first section of the name (ldlang.c
``lang_init_start_stop``, elflink.c ``bfd_elf_define_start_stop``): from then on they are names of this link, protected, and a
library's definitions do not count. Where they are is known after the layout.
"""

from __future__ import annotations

from toolkit.abi import elf
from toolkit.asm.link.context import Context
from toolkit.asm.link.model import COMMON, DEFINED, NEW, UNDEFINED_WEAK, Entry, InputSection, OutputSection

_PREFIXES = ("__start_", "__stop_")


def define(context: Context) -> None:
    """Give each name that is asked for its section; the address follows in ``place``."""
    firsts: dict[str, InputSection] = {}
    for file in context.files:
        for section in file.content():
            if section.name.isidentifier() and section.kept and not section.flags & elf.SHF_EXCLUDE:
                firsts.setdefault(section.name, section)
    for name, section in firsts.items():
        for prefix in _PREFIXES:
            entry = context.names.get(prefix + name)
            if entry is not None and _is_open(entry):
                _define(context, entry, section)


def _is_open(entry: Entry) -> bool:
    if entry.is_defined and entry.dynamic_definition is None:
        return False
    return entry.state not in (NEW, COMMON) or entry.referenced or entry.dynamic_reference


def _define(context: Context, entry: Entry, section: InputSection) -> None:
    entry.was_dynamic = entry.dynamic_reference or entry.dynamic_definition is not None
    if not entry.referenced:
        entry.type = 0
    entry.state, entry.section, entry.value = DEFINED, section, 0
    entry.dynamic_definition = None
    entry.referenced = True
    entry.visibility = entry.visibility or elf.STV_PROTECTED
    context.boundaries[entry] = section


def forget(context: Context, live: set[InputSection]) -> None:
    """What --gc-sections dropped has no boundaries."""
    for entry, section in list(context.boundaries.items()):
        if not entry.marked and section not in live:
            entry.state, entry.section, entry.referenced = UNDEFINED_WEAK, None, False
            del context.boundaries[entry]


def place(context: Context) -> None:
    """The addresses, once the outputs have theirs."""
    for entry, section in context.boundaries.items():
        output = section.output
        if isinstance(output, OutputSection):
            entry.section = output
            entry.value = output.size if entry.name.startswith("__stop_") else 0

"""``.gnu.warning.NAME`` sections: what the author of NAME has to say to everyone who refers to it (GNU ld, BFD's linker.c)."""

from __future__ import annotations

from toolkit.asm.link.context import Context
from toolkit.asm.link.model import InputSection

_PREFIX = ".gnu.warning."


def warn_about_symbols(context: Context) -> None:
    """Say each notice once, at the first reference to its symbol; unreferenced symbols are not spoken of."""
    notices: dict[str, str] = {}
    for file in context.files:
        for section in file.sections:
            if section is not None and section.name.startswith(_PREFIX):
                text = bytes(section.data or b"").rstrip(b"\0").decode("utf-8", "replace")
                notices.setdefault(section.name.removeprefix(_PREFIX), text)
    if not notices:
        return
    for name, (section, offset) in _first_references(context, notices).items():
        place, line = context.where(section, offset)
        text = notices[name]
        context.say(
            "warning",
            text,
            place,
            line=line,
            help=f"whoever wrote `{name}' says this of every use; choose another function if you can",
            ld_message=f"{context.place(section, offset)}: warning: {text}",
        )


def _first_references(context: Context, notices: dict[str, str]) -> dict[str, tuple[InputSection, int]]:
    found: dict[str, tuple[InputSection, int]] = {}
    for file in context.files:
        for section in file.sections:
            for relocation in section.relocations if section is not None else ():
                number = relocation[2]
                name = file.symbols[number].name if file.first_global <= number < len(file.symbols) else ""
                if name in notices and name not in found and section is not None:
                    found[name] = (section, relocation[0])
    return found

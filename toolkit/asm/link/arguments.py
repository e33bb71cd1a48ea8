"""ld's command line: what of it is understood, and as what options and inputs (ld(1), GNU binutils 2.40)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from toolkit.asm.link import Linked, LinkInput, LinkOptions, link

_EMULATIONS = ("elf_x86_64", "elf_i386")
# word → field and value
_RELOCATABLE = ("r", "i", "relocatable")
_SWITCHES: dict[str, tuple[str, object]] = {
    "shared": ("kind", "shared"),
    "Bshareable": ("kind", "shared"),
    "pie": ("kind", "pie"),
    "pic-executable": ("kind", "pie"),
    "no-pie": ("kind", "static"),
    "gc-sections": ("gc_sections", True),
    "no-gc-sections": ("gc_sections", False),
    "eh-frame-hdr": ("eh_frame_hdr", True),
    "no-eh-frame-hdr": ("eh_frame_hdr", False),
    "s": ("strip", "all"),
    "strip-all": ("strip", "all"),
    "S": ("strip", "debug"),
    "strip-debug": ("strip", "debug"),
    "x": ("discard_locals", "x"),
    "discard-all": ("discard_locals", "x"),
    "X": ("discard_locals", "X"),
    "discard-locals": ("discard_locals", "X"),
    "discard-none": ("discard_locals", "none"),
    "E": ("export_dynamic", True),
    "export-dynamic": ("export_dynamic", True),
    "no-export-dynamic": ("export_dynamic", False),
    "Bsymbolic": ("symbolic", True),
    "enable-new-dtags": ("new_tags", True),
    "disable-new-dtags": ("new_tags", False),
    "no-dynamic-linker": ("dynamic_linker", None),
    "no-undefined": ("no_undefined", True),
    "allow-shlib-undefined": ("lacking_libraries", True),
    "no-allow-shlib-undefined": ("lacking_libraries", False),
    "fatal-warnings": ("fatal_warnings", True),
    "no-fatal-warnings": ("fatal_warnings", False),
    "no-warnings": ("quiet", True),
    "w": ("quiet", True),
    "allow-multiple-definition": ("allow_multiple", True),
    "no-warn-rwx-segments": ("warn_permissions", False),
    "warn-rwx-segments": ("warn_permissions", True),
    "no-warn-execstack": ("warn_stack", False),
    "warn-execstack": ("warn_stack", True),
    "build-id": ("build_id", "sha1"),
    "no-ld-generated-unwind-info": ("unwind_tables", False),
    "ld-generated-unwind-info": ("unwind_tables", True),
    **dict.fromkeys(_RELOCATABLE, ("relocatable", True)),
    "no-relax": ("relax", False),
    "relax": ("relax", True),
    "no-omagic": ("", None),  # as without it
}
# what is not done here, and why: an option that is read must have its effect
_REFUSED = {
    "Ur": "constructors are not collected: use -r",
    **dict.fromkeys(("Map", "M", "print-map"), "no map is written: see what was linked with `readelf -SW' and `nm -n'"),
    **dict.fromkeys(("version-script", "dynamic-list"), "names have no versions here: hide them in the source (`global name:function hidden')"),
    **dict.fromkeys(("N", "n", "omagic", "nmagic"), "programs are laid out in pages"),
    **dict.fromkeys(("q", "emit-relocs"), "relocations are not kept"),
    **dict.fromkeys(("warn-common", "no-warn-mismatch", "warn-once"), "what is warned of can't be chosen"),
}  # fmt: skip
# word with a value → field
_VALUES = {
    "e": "entry",
    "entry": "entry",
    "soname": "soname",
    "h": "soname",
    "rpath": "runpath",
    "dynamic-linker": "dynamic_linker",
    "I": "dynamic_linker",
    "hash-style": "hash_style",
    "build-id": "build_id",
}
# option → the output section it places
_ADDRESSES = {
    "Ttext": ".text",
    "Tdata": ".data",
    "Tbss": ".bss",
    "Ttext-segment": "",
    "section-start": "",
}
_KEYWORDS: dict[str, tuple[str, object]] = {
    "execstack": ("execstack", True),
    "noexecstack": ("execstack", False),
    "relro": ("relro", True),
    "norelro": ("relro", False),
    "now": ("bind_now", True),
    "lazy": ("bind_now", False),
    "text": ("text_relocations", "error"),
    "notext": ("text_relocations", ""),
    "textoff": ("text_relocations", ""),
    "defs": ("no_undefined", True),
    "undefs": ("no_undefined", False),
    "muldefs": ("allow_multiple", True),
    "ibtplt": ("tracking", True),
    "combreloc": ("", None),
    "separate-code": ("", None),
}


_FOLDERS = {
    "elf_x86_64": "/usr/local/lib/x86_64-linux-gnu /lib/x86_64-linux-gnu /usr/lib/x86_64-linux-gnu /usr/local/lib64 /lib64 "
    "/usr/lib64 /usr/local/lib /lib /usr/lib",
    "elf_i386": "/usr/local/lib/i386-linux-gnu /lib/i386-linux-gnu /usr/lib/i386-linux-gnu /usr/local/lib32 /lib32 /usr/lib32 "
    "/usr/lib/x86_64-linux-gnu /usr/local/lib /lib /usr/lib",
}


class UsageError(Exception):
    """The command line can't be followed; the text says why."""


@dataclass(slots=True)
class Plan:
    """What a command line asks for. ``files``: (name, state) in their order; a name ``-lNAME`` is to be searched for."""

    options: LinkOptions = field(default_factory=LinkOptions)
    output: str = "a.out"
    folders: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)  # of -R, which takes folders
    files: list[tuple[str, LinkInput]] = field(default_factory=list)


@dataclass(slots=True)
class _State:
    """What holds for the files that follow."""

    as_needed: bool = False
    whole: bool = False
    only_archives: bool = False
    group: int = 0
    groups: int = 0
    saved: list[tuple[bool, bool, bool]] = field(default_factory=list)

    def of(self, name: str) -> LinkInput:
        return LinkInput(
            name,
            b"",
            as_needed=self.as_needed,
            whole=self.whole,
            group=self.group,
            only_archives=self.only_archives,
        )


def parse(arguments: Sequence[str]) -> Plan:
    """Read a command line. Raises UsageError."""
    plan = Plan(LinkOptions(missing_entry="warning"))
    state = _State()
    changes: dict[str, object] = {}
    lists: dict[str, list[object]] = {
        "undefined": [],
        "defined": [],
        "wrapped": [],
        "required": [],
        "paths": [],
    }
    rest = iter(arguments)
    for word in rest:
        if not word.startswith("-") or word == "-":
            plan.files.append((word, state.of(word)))
        elif word.startswith("-l"):
            name = word[2:] or _next(rest, word)
            plan.files.append((f"-l{name}", state.of(name)))
        elif not (_state_word(word, state) or _path_word(word, rest, plan)):
            _option(word, rest, changes, lists)
    plan.paths += [str(path) for path in lists.pop("paths")]
    changes |= {name: tuple(values) for name, values in lists.items() if values}
    plan.options = replace(plan.options, **changes)  # type: ignore[arg-type]
    if "-nostdlib" not in arguments and "--nostdlib" not in arguments:
        plan.folders += _FOLDERS[plan.options.emulation or "elf_x86_64"].split()
    return plan


def _next(rest: Iterator[str], word: str) -> str:
    value = next(rest, None)
    if value is None:
        raise UsageError(f"option {word} needs an argument")
    return value


def _state_word(word: str, state: _State) -> bool:
    name = word.lstrip("-")
    if name in ("as-needed", "no-as-needed"):
        state.as_needed = name == "as-needed"
    elif name in ("whole-archive", "no-whole-archive"):
        state.whole = name == "whole-archive"
    elif name == "push-state":
        state.saved.append((state.as_needed, state.whole, state.only_archives))
    elif name == "pop-state":
        if not state.saved:
            raise UsageError("no state pushed before popping")
        state.as_needed, state.whole, state.only_archives = state.saved.pop()
    elif word in ("-(", "--start-group", "-start-group"):
        state.groups += 1
        state.group = state.groups
    elif word in ("-)", "--end-group", "-end-group"):
        state.group = 0
    elif word in (
        "-Bstatic",
        "-static",
        "-dn",
        "-non_shared",
        "-Bdynamic",
        "-dy",
        "-call_shared",
        "--static",
    ):
        state.only_archives = word in ("-Bstatic", "-static", "-dn", "-non_shared", "--static")
    elif name in _RELOCATABLE:
        state.only_archives = True
        return False
    else:
        return False
    return True


def _path_word(word: str, rest: Iterator[str], plan: Plan) -> bool:
    if word.startswith("-L"):
        plan.folders.append(word[2:] or _next(rest, word))
    elif word.startswith("--library-path="):
        plan.folders.append(word.partition("=")[2])
    elif word in ("-o", "--output"):
        plan.output = _next(rest, word)
    elif word.startswith("--output="):
        plan.output = word.partition("=")[2]
    elif word in ("-plugin", "-rpath-link", "--rpath-link", "--plugin"):
        _next(rest, word)  # objects for a plugin and libraries of libraries are not read
    elif word.startswith("--sysroot="):
        if word.partition("=")[2] not in ("", "/"):
            raise UsageError(f"{word}: libraries are searched for in this system; name others with -L")
    elif not word.startswith(
        ("-plugin-opt", "--plugin-opt", "-rpath-link=", "--rpath-link=")
    ) and word not in ("-nostdlib", "--nostdlib"):
        return False
    return True


def _option(
    word: str, rest: Iterator[str], changes: dict[str, object], lists: dict[str, list[object]]
) -> None:
    name, equals, value = word.lstrip("-").partition("=")

    def argument() -> str:
        return value if equals else _next(rest, word)

    if name == "z" or (word.startswith("-z") and len(word) > 2):
        _keyword(word[2:] or _next(rest, word), changes)
    elif name == "m" or (word.startswith("-m") and name[1:] in _EMULATIONS):
        chosen = argument() if name == "m" else name[1:]
        if chosen not in _EMULATIONS:
            raise UsageError(f"unrecognised emulation mode: {chosen} (supported: {' '.join(_EMULATIONS)})")
        changes["emulation"] = chosen
    elif name in ("T", "script") or (name.startswith("T") and Path(name[1:]).suffix in (".ld", ".x", ".lds")):
        changes["script"] = name[1:] or argument()
    elif name in _ADDRESSES:
        _address(name, argument(), changes)
    elif name in ("u", "undefined"):
        lists["undefined"].append(argument())
    elif name == "R":
        lists["paths"].append(argument())
        _value("runpath", str(lists["paths"][-1]), changes)
    elif name == "require-defined":
        lists["required"].append(argument())
        lists["undefined"].append(lists["required"][-1])
    elif name in _REFUSED:
        raise UsageError(f"{word} is not supported: {_REFUSED[name]}")
    elif name in ("wrap",):
        lists["wrapped"].append(argument())
    elif name == "defsym":
        symbol, _, expression = argument().partition("=")
        lists["defined"].append((symbol, expression))
    elif name in _VALUES and (equals or name != "build-id"):
        _value(_VALUES[name], argument(), changes)
    elif name in _SWITCHES and not equals:
        chosen_field, setting = _SWITCHES[name]
        if chosen_field:
            changes[chosen_field] = setting
    elif not _short(word, lists, changes):
        raise UsageError(f"unrecognized option '{word}'")


def _short(word: str, lists: dict[str, list[object]], changes: dict[str, object]) -> bool:
    """-eNAME, -uNAME and -RNAME, written together."""
    letter, value = word[1:2], word[2:]
    if word.startswith("--") or not value:
        return False
    if letter == "u":
        lists["undefined"].append(value)
    elif letter == "e":
        changes["entry"] = value
    elif letter == "O" and value.isdigit():
        changes["optimised"] = int(value) > 0
    else:
        return False
    return True


def _value(name: str, value: str, changes: dict[str, object]) -> None:
    if name == "hash_style" and value not in ("sysv", "gnu", "both"):
        raise UsageError(f"invalid hash style `{value}'")
    if name == "runpath" and changes.get("runpath"):
        value = f"{changes['runpath']}:{value}"
    if name == "build_id" and value not in ("none", "sha1", "md5") and not value.startswith("0x"):
        raise UsageError(f"--build-id={value}: the styles are sha1, md5, none, and a number 0x…")
    changes[name] = None if name == "build_id" and value == "none" else value


def _address(name: str, value: str, changes: dict[str, object]) -> None:
    section = _ADDRESSES[name]
    if name == "section-start":
        section, equals, value = value.partition("=")
        if not equals:
            raise UsageError(f"invalid argument to option '--section-start': {section}")
    try:
        address = int(value, 16)
    except ValueError:
        raise UsageError(f"invalid hex number `{value}'") from None
    if name == "Ttext-segment":
        changes["text_segment"] = address
        return
    addresses = changes.setdefault("addresses", {})
    assert isinstance(addresses, dict)
    addresses[section] = address


def _keyword(word: str, changes: dict[str, object]) -> None:
    if word.startswith(("max-page-size=", "common-page-size=")):
        if int(word.partition("=")[2], 0) != 0x1000:
            raise UsageError(f"-z {word}: pages have 4,096 bytes")
        return
    if word.startswith("stack-size="):
        changes["stack_size"] = int(word.partition("=")[2], 0)
        return
    if word not in _KEYWORDS:
        raise UsageError(f"-z {word} is not supported")
    name, setting = _KEYWORDS[word]
    if name:
        changes[name] = setting


def gather(plan: Plan, read: Callable[[str], bytes | None]) -> list[LinkInput]:
    """The inputs with their bytes. ``read`` gives a file's, or None where there is none. Raises UsageError."""
    inputs = []
    for path in plan.paths:
        if read(path) is not None:
            raise UsageError(
                f"-R {path}: it names a folder for libraries; a file's symbols alone are not linked"
            )
    for name, item in plan.files:
        if name.startswith("-l"):
            found = search(
                name[2:], plan.folders, item.only_archives, read, plan.options.emulation or "elf_x86_64"
            )
            if found is None:
                raise UsageError(f"cannot find {name}: no such file in the folders given with -L")
            path, data = found
        else:
            path, whole = name, read(name)
            if whole is None:
                raise UsageError(f"cannot find {name}: No such file or directory")
            data = whole
        inputs.append(replace(item, name=path, data=data, searched=name.startswith("-l")))
    return inputs


def search(
    name: str,
    folders: Sequence[str],
    only_archives: bool,
    read: Callable[[str], bytes | None],
    emulation: str = "",
) -> tuple[str, bytes] | None:
    """-lNAME: libNAME.so or libNAME.a in the first folder that has one; with a colon the file of that very name.

    With an ``emulation`` a file for another machine is passed over, as ld does.
    """
    if name.startswith(":"):
        names = [name[1:]]
    else:
        names = [f"lib{name}.a"] if only_archives else [f"lib{name}.so", f"lib{name}.a"]
    for folder in folders:
        for base in names:
            path = f"{folder}/{base}"
            data = read(path)
            if data is not None and _fits(data, emulation):
                return path, data
    return None


def _fits(data: bytes, emulation: str) -> bool:
    """Whether a library is for the machine, as far as its first bytes tell."""
    if not emulation:
        return True
    wanted, form = {"elf_i386": (b"\1", b"elf32-i386")}.get(emulation, (b"\2", b"elf64-x86-64"))
    if data[:4] == b"\x7fELF":
        return data[4:5] == wanted
    if data[:8] == b"!<arch>\n":
        at = data.find(b"\x7fELF", 0, 1 << 22)
        return at < 0 or data[at + 4 : at + 5] == wanted
    found = re.search(rb"OUTPUT_FORMAT\s*\(\s*([^\s)]+)", data[:4096])
    return found is None or found[1] == form


def read_file(name: str) -> bytes | None:
    """A file's bytes, None where there is no such file."""
    try:
        return Path(name).read_bytes()
    except OSError:
        return None


def link_files(
    arguments: Sequence[str], read: Callable[[str], bytes | None] = read_file
) -> tuple[Linked, Plan]:
    """Link as ``ld ARGUMENTS`` would, but write nothing. Raises UsageError."""
    plan = parse(arguments)
    inputs = gather(plan, read)
    options = replace(plan.options, open_file=read, folders=tuple(plan.folders))
    return link(inputs, options), plan

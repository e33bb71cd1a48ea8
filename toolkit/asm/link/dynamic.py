"""Dynamic linking for x86-64: what a shared object, a PIE or a program that uses libraries has beside its contents.

The dynamic section and the tables it points to (System V ABI, chapter 5), PLT and GOT (x86-64 psABI, 5.2), in the layout and
order GNU ld 2.40 gives them; hash tables in both styles, as Debian's ld makes them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from toolkit.abi import elf
from toolkit.asm.link import relax64
from toolkit.asm.link.assign import created_section
from toolkit.asm.link.context import Context
from toolkit.asm.link.model import (
    DEFINED,
    Entry,
    InputFile,
    InputSection,
    Relocation,
    StringTable,
)
from toolkit.asm.link.special import ADDRESS, MODULE, TP_OFFSET, Key, Special, is_weak_undefined

INTERPRETER = "/lib/ld64.so.1"  # ld's default; gcc passes /lib64/ld-linux-x86-64.so.2
_SPARE_TAGS = 6
_MASK = (1 << 64) - 1
_BUCKETS = (1, 3, 17, 37, 67, 97, 131, 197, 263, 521, 1031, 2053, 4099, 8209, 16411, 32771)
_SMALL = (elf.R_X86_64_32, elf.R_X86_64_32S, elf.R_X86_64_16, elf.R_X86_64_8)


_PLT_CIE = bytes.fromhex("14000000 00000000 01 7a5200 01 78 10 01 1b 0c0708 9001 0000")
_PLT_FDE = bytes.fromhex(
    "24000000 1c000000 00000000 00000000 00 0e10 46 0e18 4a 0f 0b 7708 8000 3f1a3b2a332422 00000000"
)
_PLT_GOT_FDE = bytes.fromhex("14000000 1c000000 00000000 00000000 00 00000000000000")


def sysv_hash(name: bytes) -> int:
    """The ABI's hash of a symbol name (System V ABI, figure 5-13)."""
    value = 0
    for byte in name:
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ high >> 24) & ~high
    return value


def gnu_hash(name: bytes) -> int:
    """The hash of .gnu.hash: Bernstein's, times 33."""
    value = 5381
    for byte in name:
        value = (value * 33 + byte) & 0xFFFFFFFF
    return value


def _bucket_count(names: int, gnu: bool) -> int:
    fitting = [size for size in _BUCKETS if size <= names] or [1]
    return max(fitting[-1], 2) if gnu else fitting[-1]


def _rela(offset: int, info: int, addend: int) -> bytes:
    """A RELA entry; values wrap at 64 bits."""
    return struct.pack("<QQQ", offset & _MASK, info, addend & _MASK)


def _name(entry: Entry) -> bytes:
    return entry.name.encode("utf-8", "surrogateescape")


class Dynamic(Special):
    """``Special`` with symbols that are found only when the program starts."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.exported: list[Entry] = []
        self.numbers: dict[Entry, int] = {}
        self.calls: dict[Entry, int] = {}  # PLT index
        self.got_calls: dict[Entry, int] = {}  # index in .plt.got
        self.zeros: set[Entry] = set()  # undefined weak names that are 0 without asking anyone
        self.plainly: set[Entry] = set()  # undefined weak names referred to without the GOT or a PLT
        self.addressed: set[Entry] = set()  # functions whose PLT entry stands for their address
        self.frames: dict[str, InputSection] = {}  # unwind information by PLT section
        self.copies: dict[Entry, int] = {}
        self.relocated: list[tuple[InputSection, Relocation, Key]] = []
        self.strings = StringTable()
        self.versions: dict[InputFile, dict[str, int]] = {}
        self.tags: list[tuple[int, int | InputSection | str]] = []
        self.sections: dict[str, InputSection] = {}
        self.relative_count = 0
        self.text_relocations = False

    # ---- what is needed -------------------------------------------------------------------------------------

    def is_preemptible(self, key: Key | None) -> bool:
        if not isinstance(key, Entry):
            return False
        if key.dynamic_definition is not None:
            return True
        if key.is_defined:
            return self.context.is_shared and key.visibility == 0 and not key.local
        return (
            key.visibility == 0
            and (self.context.is_shared or is_weak_undefined(key))
            and key not in self.zeros
        )

    def rewrite(
        self, section: InputSection, relocation: Relocation, key: Key | None
    ) -> tuple[Relocation, bool]:
        """Note what one relocation needs, and relax it where its symbol is bound here."""
        from toolkit.asm.link.special import _by_linker, _is_absolute, _rewrite64

        kind = relocation.type
        if key is None or kind == elf.R_X86_64_NONE:
            return relocation, False
        dynamic = self.is_preemptible(key)
        if relax64.is_got_load(kind) and not dynamic:
            bound = not isinstance(key, Entry) or key.is_defined or _by_linker(key)
            if bound or is_weak_undefined(key):
                changed = relax64.convert_load(
                    section,
                    relocation,
                    absolute=_is_absolute(key),
                    weak_undefined=not bound,
                    pic=self.context.is_pic,
                )
                if changed is not None:
                    return changed, False
        if kind in (elf.R_X86_64_TLSGD, elf.R_X86_64_TLSLD, elf.R_X86_64_GOTTPOFF):
            return self._rewrite_tls(section, relocation, key, dynamic)
        if relax64.is_got_load(kind) or kind in (
            elf.R_X86_64_GOT32,
            elf.R_X86_64_GOT64,
            elf.R_X86_64_GOTPCREL64,
        ):
            self.want_got(key)
        elif kind in (elf.R_X86_64_GOTPC32, elf.R_X86_64_GOTPC64, elf.R_X86_64_GOTOFF64):
            self.needs_base = True
        elif kind == elf.R_X86_64_TPOFF32 or kind in (elf.R_X86_64_DTPOFF32, elf.R_X86_64_DTPOFF64):
            pass
        elif dynamic:
            assert isinstance(key, Entry)
            self._refer(section, relocation, key)
        elif self.context.is_pic:
            return self._local_in_pic(section, relocation, key)
        elif kind not in (1, 2, 4, 10, 11, 12, 13, 14, 15, 24):
            return _rewrite64(self, section, relocation, key)
        return relocation, False

    def _rewrite_tls(
        self, section: InputSection, relocation: Relocation, key: Key, dynamic: bool
    ) -> tuple[Relocation, bool]:
        from toolkit.asm.link.special import _rewrite64

        kind = relocation.type
        if not self.context.is_shared and not dynamic:
            return _rewrite64(self, section, relocation, key)
        if kind == elf.R_X86_64_TLSGD and not self.context.is_shared:
            at = relax64.general_to_initial(section, relocation.offset)
            if at is not None:
                self.want_got(key, TP_OFFSET)
                return Relocation(at, elf.R_X86_64_GOTTPOFF, relocation.symbol, -4), True
        self.want_got(key, TP_OFFSET if kind == elf.R_X86_64_GOTTPOFF else MODULE)
        return relocation, False

    def _refer(self, section: InputSection, relocation: Relocation, key: Entry) -> None:
        """A direct reference to a symbol of another module."""
        kind = relocation.type
        if is_weak_undefined(key) and kind != elf.R_X86_64_PLT32:
            self.plainly.add(key)
        is_function = key.type in (elf.STT_FUNC, elf.STT_GNU_IFUNC) or kind == elf.R_X86_64_PLT32
        if kind == elf.R_X86_64_PLT32 or (
            kind == elf.R_X86_64_PC32 and not self.context.is_shared and is_function
        ):
            self.calls.setdefault(key, 0)
            return
        if is_weak_undefined(key) and not self.context.is_pic:
            return
        if (
            kind == elf.R_X86_64_64
            and (self.context.is_pic or section.flags & elf.SHF_WRITE)
            and (self.context.is_pic or not is_function)
        ):
            self.relocated.append((section, relocation, key))
            return
        if not self.context.is_shared and key.dynamic_definition is not None:
            if is_function:
                self.calls.setdefault(key, 0)
                self.addressed.add(key)
            else:
                self.copies.setdefault(key, 0)
            return
        if key.is_defined or self.context.is_shared:
            self._refuse(section, relocation, f"symbol `{key.name}'")

    def _local_in_pic(
        self, section: InputSection, relocation: Relocation, key: Key
    ) -> tuple[Relocation, bool]:
        from toolkit.asm.link.special import _is_absolute

        kind = relocation.type
        if kind == elf.R_X86_64_64 and not _is_absolute(key) and not is_weak_undefined(key):
            self.relocated.append((section, relocation, key))
        elif kind in _SMALL and not _is_absolute(key) and not is_weak_undefined(key):
            self._refuse(section, relocation, f"`{self._label(key)}'")
        return relocation, False

    def _label(self, key: Key) -> str:
        if isinstance(key, Entry):
            return key.name
        file, number = key
        symbol = file.symbols[number]
        target = file.sections[symbol.section] if symbol.section < len(file.sections) else None
        return symbol.name or (target.name if target is not None else "*ABS*")

    def _refuse(self, section: InputSection, relocation: Relocation, what: str) -> None:
        context = self.context
        name = elf.RELOCATION_NAMES[context.machine].get(relocation.type, "?")
        output, flag = ("a shared object", "-fPIC") if context.is_shared else ("a PIE object", "-fPIE")
        place, line = context.where(section, relocation.offset)
        context.say(
            "error",
            f"relocation {name} against {what} can not be used when making {output}",
            place,
            line=line,
            help="the address is known only when the program starts: use `[rel name]' for your own data, "
            "`[rel name wrt ..got]' for another module's, and `call name wrt ..plt'",
            ld_message=f"{section.file.name}: relocation {name} against {what} can not be used when making {output}; "
            f"recompile with {flag}",
        )

    # ---- sections -------------------------------------------------------------------------------------------

    def allocate(self) -> None:
        context = self.context
        entries = context.names.in_hash_order()
        self._find_zeros()
        self.relocated = [r for r in self.relocated if r[2] not in self.copies and r[2] not in self.zeros]
        needed = {key for key, _ in self.got if isinstance(key, Entry)} | set(self.calls) | set(self.copies)
        needed |= {key for _, _, key in self.relocated if isinstance(key, Entry) and self.is_preemptible(key)}
        self.exported = [entry for entry in entries if self._is_exported(entry, entry in needed)]
        self._add_strings()
        for text in (context.options.soname, context.options.runpath):
            self.strings.add(text.encode())
        self._find_versions(entries)
        for entry in self.exported:
            self.strings.add(_name(entry))
        through_got = [e for e in entries if e in self.calls and self._is_called_through_got(e)]
        self.got_calls = {entry: i for i, entry in enumerate(through_got)}
        lazy = [e for e in entries if e in self.calls and e not in self.got_calls]
        self.calls = {entry: i for i, entry in enumerate(lazy)}
        self._order_symbols()
        super().allocate()
        self._make_sections()

    def _find_zeros(self) -> None:
        """In a program an undefined weak name is looked up at run time only when nothing but the GOT refers to it."""
        if self.context.is_shared:
            return
        has_got = {key for key, _ in self.got}
        mentioned = {*self.calls, *self.plainly, *(key for key in has_got if isinstance(key, Entry))}
        for entry in mentioned:
            if is_weak_undefined(entry) and (entry not in has_got or entry in self.plainly):
                self.zeros.add(entry)
                self.calls.pop(entry, None)

    def _add_strings(self) -> None:
        """Names enter .dynstr when a second module is seen to share them, in the order of the inputs."""
        wanted = {entry.name: entry for entry in self.exported}
        objects: set[str] = set()
        libraries: set[str] = set()
        for file in self.context.inputs:
            seen, others = (libraries, objects) if file.dynamic else (objects, libraries)
            for symbol in file.symbols[file.first_global :]:
                name = symbol.name
                if (
                    name in wanted
                    and (name in others or self.context.is_shared)
                    and not self._is_late(wanted[name])
                ):
                    self.strings.add(_name(wanted[name]))
                seen.add(name)
            if file.dynamic:
                self.strings.add(file.soname.encode())
        for entry in self.exported:
            if not self._is_late(entry):
                self.strings.add(_name(entry))

    def _is_late(self, entry: Entry) -> bool:
        """An undefined weak name of a program becomes dynamic only when its GOT entry is made."""
        return is_weak_undefined(entry) and not self.context.is_shared

    def _is_called_through_got(self, entry: Entry) -> bool:
        """A function that has a GOT entry anyway is called through that, not lazily."""
        return (entry, ADDRESS) in self.got and entry not in self.addressed

    def _is_exported(self, entry: Entry, needed: bool) -> bool:
        if entry.local or entry.visibility in (1, 2) or entry.name in ("_GLOBAL_OFFSET_TABLE_", "_DYNAMIC"):
            return False
        if entry.dynamic_definition is not None:
            return entry.referenced and (needed or not self.context.is_shared)
        if entry.is_defined:
            return self.context.is_shared or entry.dynamic_reference or self.context.options.export_dynamic
        return entry.referenced and (self.context.is_shared or needed)

    def _find_versions(self, entries: list[Entry]) -> None:
        """Which versions of which libraries are needed: the latest found first, numbered from 2 as found."""
        exported = set(self.exported)
        for entry in entries:
            if entry in exported and entry.version and entry.dynamic_definition is not None and entry.file:
                library = self.versions.setdefault(entry.file, {})
                if entry.version not in library:
                    library[entry.version] = 2 + sum(len(names) for names in self.versions.values())
        for file in reversed(self.versions):
            self.strings.add(file.soname.rpartition("/")[2].encode())
            for version in reversed(self.versions[file]):
                self.strings.add(version.encode())

    def _version_table(self) -> bytes:
        """.gnu.version: one half-word for each dynamic symbol."""
        numbers = [0]
        for entry in self.exported:
            versions = self.versions.get(entry.file, {}) if entry.file and entry.dynamic_definition else {}
            numbers.append(versions.get(entry.version, 1))
        return struct.pack(f"<{len(numbers)}H", *numbers)

    def _needed_versions(self) -> bytes:
        """.gnu.version_r: Verneed records with their Vernaux chains (gABI extension, LSB 5.0 core 10.7)."""
        body = b""
        files = list(reversed(self.versions))
        for file in files:
            versions = list(reversed(self.versions[file].items()))
            size = 16 + 16 * len(versions)
            name = self.strings.offsets[file.soname.rpartition("/")[2].encode()]
            body += struct.pack("<HHIII", 1, len(versions), name, 16, 0 if file is files[-1] else size)
            for index, (version, number) in enumerate(versions):
                text = version.encode()
                step = 16 if index + 1 < len(versions) else 0
                body += struct.pack("<IHHII", sysv_hash(text), 0, number, self.strings.offsets[text], step)
        return body

    def _order_symbols(self) -> None:
        """Names that are not defined here come first, the others by their .gnu.hash bucket."""
        plain = [e for e in self.exported if not self._is_hashed(e)]
        hashed = [e for e in self.exported if self._is_hashed(e)]
        buckets = _bucket_count(len(hashed), True)
        hashed.sort(key=lambda e: gnu_hash(_name(e)) % buckets)
        self.exported = plain + hashed
        self.numbers = {entry: number for number, entry in enumerate(self.exported, 1)}
        for entry, number in self.numbers.items():
            entry.dynamic = number

    def _is_hashed(self, entry: Entry) -> bool:
        if entry in self.copies or (entry in self.got_calls and not self.context.is_shared):  # as ld does
            return entry.is_defined
        return entry.is_defined and entry.dynamic_definition is None

    def _add(
        self, name: str, kind: int, flags: int, alignment: int, size: int, entry: int = 0
    ) -> InputSection:
        section = created_section(self.context, name, kind, flags, alignment, entry)
        section.size = size
        section.data = bytes(size)
        self.sections[name] = section
        return section

    def _make_sections(self) -> None:
        context = self.context
        style = context.options.hash_style
        if not context.is_shared:
            text = (context.options.dynamic_linker or INTERPRETER).encode() + b"\0"
            self._add(".interp", elf.SHT_PROGBITS, 2, 1, len(text)).data = text
        count = len(self.exported)
        if style in ("sysv", "both"):
            self._add(".hash", elf.SHT_HASH, 2, 8, 4 * (2 + _bucket_count(count, False) + count + 1), 4)
        if style in ("gnu", "both"):
            table = self._gnu_hash_table()
            self._add(".gnu.hash", elf.SHT_GNU_HASH, 2, 8, len(table)).data = table
        self._add(".dynsym", elf.SHT_DYNSYM, 2, 8, 24 * (count + 1), 24)
        strings = self.strings.finish()
        self._add(".dynstr", elf.SHT_STRTAB, 2, 1, len(strings)).data = strings
        if self.versions:
            table = self._version_table()
            self._add(".gnu.version", elf.SHT_GNU_VERSYM, 2, 2, len(table), 2).data = table
            needed = self._needed_versions()
            self._add(".gnu.version_r", elf.SHT_GNU_VERNEED, 2, 8, len(needed)).data = needed
        dynamic_got = sum(self._got_relocations(g.key, g.kind) for g in self.got.values())
        relocations = len(self.relocated) + dynamic_got + len(self.copies)
        if relocations:
            self._add(".rela.dyn", elf.SHT_RELA, 2, 8, 24 * relocations, 24)
        if self.calls:
            self._add(".rela.plt", elf.SHT_RELA, 2, 8, 24 * len(self.calls), 24)
            self._add(".plt", elf.SHT_PROGBITS, 6, 16, 16 * (len(self.calls) + 1), 16)
        if self.got_calls:
            self._add(".plt.got", elf.SHT_PROGBITS, 6, 8, 8 * len(self.got_calls), 8)
        self._make_frames()
        if self.got_plt is None and self.calls:
            self.got_plt = created_section(context, ".got.plt", 1, 3, 8, 8)
            self.got_plt.size = 24
        if self.got_plt is not None:
            self.got_plt.size += 8 * len(self.calls)
        if self.got_section is not None:
            self.got_section.entry_size = 8
        if self.copies:
            self._allocate_copies()
        self._list_tags(bool(relocations))
        self._add(".dynamic", elf.SHT_DYNAMIC, 3, 8, 16 * (len(self.tags) + _SPARE_TAGS), 16)
        self._define("_DYNAMIC", self.sections[".dynamic"])

    def _make_frames(self) -> None:
        """Unwind information of .plt and .plt.got, where the program has some of its own."""
        present = any(
            s.size for f in self.context.files for s in f.content() if s.kept and s.name == ".eh_frame"
        )
        for name, fde in ((".plt", _PLT_FDE), (".plt.got", _PLT_GOT_FDE)):
            body = _PLT_CIE + fde if present and name in self.sections else b""
            if body or name == ".plt":
                section = self._add(".eh_frame", elf.SHT_PROGBITS, 2, 8, len(body))
                section.data = body
                self.frames[name] = section

    def _fill_frames(self, image: bytearray) -> None:
        for name, frames in self.frames.items():
            if frames.size and frames.output is not None and frames.moved is not None:
                place = frames.moved.place(len(_PLT_CIE) + 8)
                at = frames.output.file_offset + place
                target = self.sections[name]
                field = struct.pack("<iI", target.address - frames.output.address - place, target.size)
                image[at : at + 8] = field

    def _define(self, name: str, section: InputSection) -> None:
        entry = self.context.names.entry(name)
        entry.state, entry.section, entry.value = DEFINED, section, 0
        entry.type, entry.local, entry.dynamic_definition = elf.STT_OBJECT, True, None

    def _allocate_copies(self) -> None:
        """Room in .bss for the variables of libraries the program addresses directly."""
        section = created_section(self.context, ".dynbss", elf.SHT_NOBITS, 3, 1)
        for entry in self.copies:
            symbol = entry.dynamic_definition
            assert symbol is not None
            alignment = min(symbol.value & -symbol.value or 32, 32)
            section.alignment = max(section.alignment, alignment)
            section.size = -(-section.size // alignment) * alignment
            self.copies[entry] = section.size
            entry.section, entry.value = section, section.size
            section.size += entry.size

    def _got_relocations(self, key: Key, kind: int) -> int:
        if kind == MODULE:
            return 2 if self.is_preemptible(key) else 1
        if self.is_preemptible(key):
            return 1
        if kind == TP_OFFSET:
            return int(self.context.is_shared)
        return int(self.context.is_pic and not is_weak_undefined(key))

    def _list_tags(self, relocations: bool) -> None:
        context, options, tags = self.context, self.context.options, self.tags
        tags += [(elf.DT_NEEDED, library.soname) for library in context.libraries]
        if options.soname:
            tags.append((elf.DT_SONAME, options.soname))
        if options.runpath:
            tags.append((elf.DT_RUNPATH, options.runpath))
        for tag, name in ((elf.DT_INIT, "_init"), (elf.DT_FINI, "_fini")):
            entry = context.names.get(name)
            if entry is not None and entry.is_defined and entry.dynamic_definition is None:
                tags.append((tag, "@" + name))
        for name, tag, length in (
            (".preinit_array", elf.DT_PREINIT_ARRAY, elf.DT_PREINIT_ARRAYSZ),
            (".init_array", elf.DT_INIT_ARRAY, elf.DT_INIT_ARRAYSZ),
            (".fini_array", elf.DT_FINI_ARRAY, elf.DT_FINI_ARRAYSZ),
        ):
            if any(s.size for f in context.files for s in f.content() if s.kept and s.name.startswith(name)):
                tags += [(tag, "." + name), (length, "#" + name)]
        for name, tag in ((".hash", elf.DT_HASH), (".gnu.hash", elf.DT_GNU_HASH)):
            if name in self.sections:
                tags.append((tag, self.sections[name]))
        tags += [(elf.DT_STRTAB, self.sections[".dynstr"]), (elf.DT_SYMTAB, self.sections[".dynsym"])]
        tags += [(elf.DT_STRSZ, self.sections[".dynstr"].size), (elf.DT_SYMENT, 24)]
        if not context.is_shared:
            tags.append((elf.DT_DEBUG, 0))
        if self.calls and self.got_plt is not None:
            plt = self.sections[".rela.plt"]
            tags += [(elf.DT_PLTGOT, self.got_plt), (elf.DT_PLTRELSZ, plt.size), (elf.DT_PLTREL, elf.DT_RELA)]
            tags.append((elf.DT_JMPREL, plt))
        if relocations:
            section = self.sections[".rela.dyn"]
            tags += [(elf.DT_RELA, section), (elf.DT_RELASZ, section.size), (elf.DT_RELAENT, 24)]
        if options.bind_now:
            tags.append((elf.DT_FLAGS, 8))
        flags = (1 if options.bind_now else 0) | (elf.DF_1_PIE if options.kind == "pie" else 0)
        if flags:
            tags.append((elf.DT_FLAGS_1, flags))
        if self.versions:
            tags += [
                (elf.DT_VERNEED, self.sections[".gnu.version_r"]),
                (elf.DT_VERNEEDNUM, len(self.versions)),
            ]
            tags.append((elf.DT_VERSYM, self.sections[".gnu.version"]))

    # ---- contents -------------------------------------------------------------------------------------------

    def finish_headers(self) -> None:
        """sh_link and sh_info of the dynamic tables."""
        number = {name: s.output.number for name, s in self.sections.items() if s.output is not None}
        links = {".hash": ".dynsym", ".gnu.hash": ".dynsym", ".dynsym": ".dynstr", ".rela.dyn": ".dynsym"}
        links |= {
            ".gnu.version": ".dynsym",
            ".gnu.version_r": ".dynstr",
            ".rela.plt": ".dynsym",
            ".dynamic": ".dynstr",
        }
        for name, target in links.items():
            section = self.sections.get(name)
            if section is not None and section.output is not None:
                section.output.link = number[target]
        symbols = self.sections[".dynsym"].output
        assert symbols is not None
        symbols.info = 1
        versions = self.sections.get(".gnu.version_r")
        if versions is not None and versions.output is not None:
            versions.output.info = len(self.versions)
        plt = self.sections.get(".rela.plt")
        if plt is not None and plt.output is not None and self.got_plt is not None and self.got_plt.output:
            plt.output.flags |= elf.SHF_INFO_LINK
            plt.output.info = self.got_plt.output.number

    def address(self, key: Key) -> int:
        if isinstance(key, Entry) and key in self.got_calls:
            return self.sections[".plt.got"].address + 8 * self.got_calls[key]
        if isinstance(key, Entry) and key in self.calls and self.is_preemptible(key):
            return self.sections[".plt"].address + 16 * (self.calls[key] + 1)
        return super().address(key)

    def target(self, key: Key, found: int | None) -> int | None:
        if isinstance(key, Entry) and (key in self.calls or key in self.got_calls):
            return self.address(key)
        if isinstance(key, Entry) and self.is_preemptible(key) and key not in self.copies:
            return 0
        return super().target(key, found)

    def fill(self, image: bytearray) -> None:
        super().fill(image)
        self._fill_frames(image)
        self._fill_got_calls(image)
        self._fill_calls(image)
        self._fill_relocations(image)
        self._put(image, ".dynsym", self._symbol_table())
        if ".hash" in self.sections:
            self._put(image, ".hash", self._sysv_hash_table())
        self._put(image, ".dynamic", self._tag_table())

    def _put(self, image: bytearray, name: str, body: bytes) -> None:
        section = self.sections[name]
        if section.output is not None:
            at = section.output.file_offset + section.offset
            image[at : at + len(body)] = body

    def _symbol_table(self) -> bytes:
        from toolkit.asm.link.output import _global_row

        rows = [bytes(24)]
        for entry in self.exported:
            row = _global_row(self.context, entry)
            offset = self.strings.offsets[_name(entry)]
            if row is None:
                rows.append(elf.SYM64.pack(offset, elf.STB_GLOBAL << 4 | entry.type, 0, 0, 0, 0))
                continue
            size = 0 if entry.dynamic_definition is not None and entry not in self.copies else row.size
            rows.append(elf.SYM64.pack(offset, row.info, row.other, row.section, row.value & _MASK, size))
        return b"".join(rows)

    def _sysv_hash_table(self) -> bytes:
        count = _bucket_count(len(self.exported), False)
        buckets = [0] * count
        chains = [0] * (len(self.exported) + 1)
        for entry in self.context.names.in_hash_order():
            number = self.numbers.get(entry)
            if number is not None:
                slot = sysv_hash(_name(entry)) % count
                chains[number], buckets[slot] = buckets[slot], number
        return struct.pack(f"<II{count}I{len(chains)}I", count, len(chains), *buckets, *chains)

    def _gnu_hash_table(self) -> bytes:
        hashed = [entry for entry in self.exported if self._is_hashed(entry)]
        if not hashed:
            return struct.pack("<IIIIQI", 1, 1, 1, 0, 0, 0)
        count = len(hashed)
        buckets = _bucket_count(count, True)
        bits = count.bit_length()
        if bits < 3:
            bits = 5
        elif 1 << (bits - 2) & count:
            bits += 3
        else:
            bits += 2
        bits = max(bits, 6)
        words = 1 << (bits - 6)
        bloom = [0] * words
        starts = [0] * buckets
        chain = []
        first = self.numbers[hashed[0]]
        values = [gnu_hash(_name(entry)) for entry in hashed]
        for index, value in enumerate(values):
            bloom[value >> 6 & (words - 1)] |= 1 << (value & 63) | 1 << (value >> bits & 63)
            slot = value % buckets
            starts[slot] = starts[slot] or first + index
            is_last = index + 1 == count or values[index + 1] % buckets != slot
            chain.append(value & ~1 | int(is_last))
        return struct.pack(
            f"<IIII{words}Q{buckets}I{count}I", buckets, first, words, bits, *bloom, *starts, *chain
        )

    def _tag_table(self) -> bytes:
        rows: list[tuple[int, int]] = []
        for tag, value in self.tags:
            if isinstance(value, InputSection):
                rows.append((tag, value.address))
            elif isinstance(value, str):
                rows.append((tag, self._tag_value(value)))
            else:
                rows.append((tag, value))
        if self.relative_count:
            rows.append((elf.DT_RELACOUNT, self.relative_count))
        return b"".join(elf.DYN64.pack(tag, value) for tag, value in rows)

    def _tag_value(self, text: str) -> int:
        """A tag's value: ``@symbol``, ``..section``, ``#.section`` (its size) or an offset in .dynstr."""
        if text[:1] == "@":
            entry = self.context.names.get(text[1:])
            return entry.address if entry is not None else 0
        output = self.context.by_name.get(text[1:]) if text[:1] in ".#" else None
        if output is not None:
            return output.address if text[:1] == "." else output.size
        return self.strings.offsets[text.encode()]

    def _fill_got_calls(self, image: bytearray) -> None:
        if not self.got_calls or self.got_section is None:
            return
        start, table = self.sections[".plt.got"].address, self.got_section.address
        stubs = []
        for entry, index in self.got_calls.items():
            slot = table + self.got[entry, ADDRESS].offset
            stubs.append(b"\xff\x25" + struct.pack("<i", slot - start - 8 * index - 6) + b"\x66\x90")
        self._put(image, ".plt.got", b"".join(stubs))

    def _fill_calls(self, image: bytearray) -> None:
        if self.got_plt is None:
            return
        base = self.got_plt.address
        header = self.sections[".dynamic"].address.to_bytes(8, "little") + bytes(16)
        rows, stubs = [], []
        if self.calls:
            plt = self.sections[".plt"].address
            stubs.append(
                b"\xff\x35"
                + struct.pack("<i", base + 8 - plt - 6)
                + b"\xff\x25"
                + struct.pack("<i", base + 16 - plt - 12)
                + b"\x0f\x1f\x40\0"
            )
            for entry, index in self.calls.items():
                stub, slot = plt + 16 * (index + 1), base + 24 + 8 * index
                stubs.append(
                    b"\xff\x25"
                    + struct.pack("<i", slot - stub - 6)
                    + b"\x68"
                    + struct.pack("<I", index)
                    + b"\xe9"
                    + struct.pack("<i", plt - stub - 16)
                )
                header += (stub + 6).to_bytes(8, "little")
                rows.append(elf.RELA64.pack(slot, self.numbers[entry] << 32 | elf.R_X86_64_JUMP_SLOT, 0))
            self._put(image, ".plt", b"".join(stubs))
            self._put(image, ".rela.plt", b"".join(rows))
        if self.got_plt.output is not None:
            at = self.got_plt.output.file_offset + self.got_plt.offset
            image[at : at + len(header)] = header

    def _fill_relocations(self, image: bytearray) -> None:
        """.rela.dyn, sorted as ld -z combreloc: relative ones by address, then symbol by symbol."""
        if ".rela.dyn" not in self.sections:
            return
        rows: list[tuple[int, int, int, int]] = []  # offset, type, symbol, addend
        for section, relocation, key in self.relocated:
            if section.output is None:
                continue
            place = section.address + relocation.offset
            addend = relocation.addend or 0
            if isinstance(key, Entry) and self.is_preemptible(key):
                rows.append((place, elf.R_X86_64_64, self.numbers[key], addend))
            else:
                rows.append((place, elf.R_X86_64_RELATIVE, 0, self._local_target(key, addend)))
        for got in self.got.values():
            rows += self._got_rows(image, got.key, got.kind, got.offset)
        for entry in self.copies:
            rows.append((entry.address, elf.R_X86_64_COPY, self.numbers[entry], 0))
        lowest: dict[int, int] = {}
        for offset, _, symbol, _ in rows:
            lowest[symbol] = min(lowest.get(symbol, offset), offset)
        rows.sort(
            key=lambda r: (r[1] != elf.R_X86_64_RELATIVE, r[1] == elf.R_X86_64_COPY, lowest[r[2]], r[0])
        )
        self.relative_count = sum(row[1] == elf.R_X86_64_RELATIVE for row in rows)
        body = [_rela(offset, symbol << 32 | kind, addend) for offset, kind, symbol, addend in rows]
        self._put(image, ".rela.dyn", b"".join(body))

    def _local_target(self, key: Key, addend: int) -> int:
        if not isinstance(key, Entry):
            file, number = key
            symbol = file.symbols[number]
            target = file.sections[symbol.section] if symbol.section < len(file.sections) else None
            if symbol.type == elf.STT_SECTION and target is not None and target.moved is not None:
                assert target.output is not None
                return target.output.address + target.moved.place(symbol.value + addend)
        return self.own_address(key) + addend

    def _got_rows(
        self, image: bytearray, key: Key, kind: int, offset: int
    ) -> Sequence[tuple[int, int, int, int]]:
        assert self.got_section is not None
        assert self.got_section.output is not None
        place = self.got_section.address + offset
        at = self.got_section.output.file_offset + self.got_section.offset + offset
        dynamic = isinstance(key, Entry) and self.is_preemptible(key)
        number = self.numbers[key] if isinstance(key, Entry) and dynamic else 0
        start = self.context.tls.address if self.context.tls is not None else 0
        if kind == ADDRESS:
            if dynamic:
                image[at : at + 8] = bytes(8)
                return [(place, elf.R_X86_64_GLOB_DAT, number, 0)]
            if self.context.is_pic and not is_weak_undefined(key):
                return [(place, elf.R_X86_64_RELATIVE, 0, self.own_address(key))]
            return []
        if kind == TP_OFFSET:
            if dynamic or self.context.is_shared:
                image[at : at + 8] = bytes(8)
                addend = 0 if dynamic else self.own_address(key) - start
                return [(place, elf.R_X86_64_TPOFF64, number, addend)]
            return []
        image[at : at + 8] = bytes(8)
        module = (place, elf.R_X86_64_DTPMOD64, number, 0)
        if dynamic:
            image[at + 8 : at + 16] = bytes(8)
            return [module, (place + 8, elf.R_X86_64_DTPOFF64, number, 0)]
        return [module]

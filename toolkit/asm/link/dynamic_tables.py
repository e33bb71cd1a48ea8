"""The sections of a dynamic link: which names are in .dynsym and in what order, versions, hash tables, tags, sizes."""

from __future__ import annotations

import struct

from toolkit.abi import elf
from toolkit.asm.link.assign import created_section
from toolkit.asm.link.dynamic_needs import DynamicNeeds
from toolkit.asm.link.dynhash import bucket_count, gnu_hash, sysv_hash
from toolkit.asm.link.model import DEFINED, Entry, InputSection
from toolkit.asm.link.special import ADDRESS, MODULE, TP_OFFSET, Key, is_weak_undefined

INTERPRETER = "/lib/ld64.so.1"  # ld's default; gcc passes /lib64/ld-linux-x86-64.so.2
SPARE_TAGS = 6
PLT_CIE = bytes.fromhex("14000000 00000000 01 7a5200 01 78 10 01 1b 0c0708 9001 0000")
PLT_FDE = bytes.fromhex(
    "24000000 1c000000 00000000 00000000 00 0e10 46 0e18 4a 0f 0b 7708 8000 3f1a3b2a332422 00000000"
)
PLT_GOT_FDE = bytes.fromhex("14000000 1c000000 00000000 00000000 00 00000000000000")


def entry_name(entry: Entry) -> bytes:
    return entry.name.encode("utf-8", "surrogateescape")


class DynamicTables(DynamicNeeds):
    """``DynamicNeeds`` with the sections made from what was found."""

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
            self.strings.add(entry_name(entry))
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
                    self.strings.add(entry_name(wanted[name]))
                seen.add(name)
            if file.dynamic:
                self.strings.add(file.soname.encode())
        for entry in self.exported:
            if not self._is_late(entry):
                self.strings.add(entry_name(entry))

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
        buckets = bucket_count(len(hashed), True)
        hashed.sort(key=lambda e: gnu_hash(entry_name(e)) % buckets)
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
            self._add(".hash", elf.SHT_HASH, 2, 8, 4 * (2 + bucket_count(count, False) + count + 1), 4)
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
        self._add(".dynamic", elf.SHT_DYNAMIC, 3, 8, 16 * (len(self.tags) + SPARE_TAGS), 16)
        self._define("_DYNAMIC", self.sections[".dynamic"])

    def _make_frames(self) -> None:
        """Unwind information of .plt and .plt.got, where the program has some of its own."""
        present = any(
            s.size for f in self.context.files for s in f.content() if s.kept and s.name == ".eh_frame"
        )
        for name, fde in ((".plt", PLT_FDE), (".plt.got", PLT_GOT_FDE)):
            body = PLT_CIE + fde if present and name in self.sections else b""
            if body or name == ".plt":
                section = self._add(".eh_frame", elf.SHT_PROGBITS, 2, 8, len(body))
                section.data = body
                self.frames[name] = section

    def _fill_frames(self, image: bytearray) -> None:
        for name, frames in self.frames.items():
            if frames.size and frames.output is not None and frames.moved is not None:
                place = frames.moved.place(len(PLT_CIE) + 8)
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

    def _gnu_hash_table(self) -> bytes:
        hashed = [entry for entry in self.exported if self._is_hashed(entry)]
        if not hashed:
            return struct.pack("<IIIIQI", 1, 1, 1, 0, 0, 0)
        count = len(hashed)
        buckets = bucket_count(count, True)
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
        values = [gnu_hash(entry_name(entry)) for entry in hashed]
        for index, value in enumerate(values):
            bloom[value >> 6 & (words - 1)] |= 1 << (value & 63) | 1 << (value >> bits & 63)
            slot = value % buckets
            starts[slot] = starts[slot] or first + index
            is_last = index + 1 == count or values[index + 1] % buckets != slot
            chain.append(value & ~1 | int(is_last))
        return struct.pack(
            f"<IIII{words}Q{buckets}I{count}I", buckets, first, words, bits, *bloom, *starts, *chain
        )

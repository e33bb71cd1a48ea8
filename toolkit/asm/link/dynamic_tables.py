"""The sections of a dynamic link: .dynsym and its order, hash tables, versions, PLT and GOT, the tags of .dynamic."""

from __future__ import annotations

import struct

from toolkit.abi import elf
from toolkit.asm.link.assign import created_section
from toolkit.asm.link.context import Context
from toolkit.asm.link.dynhash import best_bucket_count, bucket_count, gnu_hash, gnu_table, sysv_hash
from toolkit.asm.link.model import DEFINED, Entry, InputSection
from toolkit.asm.link.plt import CIE_SIZE
from toolkit.asm.link.special import PROVIDED, SHOWN
from toolkit.asm.link.threads import Threads
from toolkit.asm.link.versions import NeededVersions

SPARE_TAGS = 6
# a number, a section's address, a string in .dynstr, or ("symbol" | "start" | "size", name) of a symbol or an output section
TagValue = int | InputSection | str | tuple[str, str]
ALWAYS = ("_edata", "__bss_start", "_end")  # what ld defines in every program, in the script's order
_NOW, _TEXT, _SYMBOLIC, _STATIC = 8, elf.DF_TEXTREL, 2, elf.DF_STATIC_TLS


def entry_name(entry: Entry) -> bytes:
    return entry.name.encode("utf-8", "surrogateescape")


class DynamicTables(Threads):
    """``Threads`` with the sections made from what was decided."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.exported: list[Entry] = []  # .dynsym without its null row
        self.numbers: dict[Entry, int] = {}
        self.versions = NeededVersions(())
        self.frames: dict[str, InputSection] = {}  # unwind information by PLT section
        self.tags: list[tuple[int, TagValue]] = []
        self.sections: dict[str, InputSection] = {}
        self.relative_count = 0
        self.bucket_count = 1  # of .hash
        self.gnu_bucket_count = 1

    def allocate(self) -> None:
        context, options = self.context, self.context.options
        if options.export_dynamic and not context.is_shared:
            for name in ALWAYS:
                context.names.entry(name)
        entries = context.names.in_hash_order()
        self._export(entries)
        self.strings.add(options.soname.encode("utf-8", "surrogateescape"))
        for entry in entries:
            if entry in self.asked and (entry.dynamic_definition is not None or entry.dynamic_reference):
                self.record(entry)
        self.strings.add(options.runpath.encode("utf-8", "surrogateescape"))
        self.adjust(entries)
        self.versions = NeededVersions(e for e in entries if e in self.recorded)
        self.versions.add_names(self.strings)
        for entry in [e for e in self.recorded if self.is_zero(e)]:
            del self.recorded[entry]
            self.strings.discard(entry_name(entry))
        self.allocate_entries(entries)
        for entry in self.recorded:
            self.strings.add(entry_name(entry))
        self._order_symbols(entries)
        self._make_sections()

    def _export(self, entries: list[Entry]) -> None:
        """What the script defines where a library mentions it; with --export-dynamic all that the program defines."""
        for name in SHOWN:
            entry = self.context.names.get(name)
            if entry is None or not (self.is_linkers(entry) or (self.context.is_shared and name in PROVIDED)):
                continue
            known = entry.referenced or entry.dynamic_definition is not None or name in ALWAYS
            if known and (entry.dynamic_reference or entry.dynamic_definition is not None):
                entry.referenced = entry.referenced or self.context.is_shared
                self.record(entry)
        if not self.context.options.export_dynamic or self.context.is_shared:
            return
        for entry in entries:
            if self.is_linkers(entry):
                wanted = entry.name in ALWAYS or (entry.referenced and entry.name in SHOWN)
            else:
                wanted = entry.referenced and entry not in self.only_asked
            if wanted:
                self.record(entry)

    def _order_symbols(self, entries: list[Entry]) -> None:
        """Names that are not defined here come first, the others by their .gnu.hash bucket."""
        recorded = [entry for entry in entries if entry in self.recorded]
        # local rows are of hidden names that were met again and again before they were defined
        exported = [e for e in recorded if e.local] + [e for e in recorded if not e.local]
        hashed = [entry for entry in exported if self._is_hashed(entry)]
        self._count_buckets(exported, hashed)
        if self.context.options.hash_style == "sysv":
            self.exported = exported
        else:
            plain = [entry for entry in exported if not self._is_hashed(entry)]
            hashed.sort(key=lambda e: gnu_hash(entry_name(e)) % self.gnu_bucket_count)
            self.exported = plain + hashed
        self.numbers = {entry: number for number, entry in enumerate(self.exported, 1)}
        for entry, number in self.numbers.items():
            entry.dynamic = number

    def _count_buckets(self, exported: list[Entry], hashed: list[Entry]) -> None:
        if not self.context.options.optimised:
            self.bucket_count = bucket_count(len(exported), False)
            self.gnu_bucket_count = bucket_count(len(hashed), True)
            return
        rows = len(exported) + 1
        self.bucket_count = best_bucket_count([sysv_hash(entry_name(e)) for e in exported], False, rows)
        self.gnu_bucket_count = best_bucket_count([gnu_hash(entry_name(e)) for e in hashed], True, rows)

    def _is_hashed(self, entry: Entry) -> bool:
        """``_bfd_x86_elf_hash_symbol``: defined in the output, by whatever means."""
        if self.is_linkers(entry):
            return True
        if entry.local:
            return False
        if self.context.is_shared and entry.name in PROVIDED:
            return True
        if not entry.is_defined:
            return False
        need = self.needs.get(entry)
        if entry.dynamic_definition is None:
            return True
        if need is None:
            return entry.section is not None
        if need.plt >= 0 and not need.address_matters:
            return False
        return entry.section is not None or self._stands_for_function(entry)

    def _stands_for_function(self, entry: Entry) -> bool:
        """Whether a library function's PLT entry is its address in this program."""
        need = self.needs.get(entry)
        if need is None or (need.plt < 0 and need.plt_got < 0) or entry.dynamic_definition is None:
            return False
        return not self.context.is_shared if self.context.is64 else not self.context.is_pic

    def add(
        self, name: str, kind: int, flags: int, alignment: int, size: int, entry: int = 0
    ) -> InputSection:
        section = created_section(self.context, name, kind, flags, alignment, entry)
        section.size = size
        section.data = bytes(size)
        self.sections[name] = section
        return section

    def _make_sections(self) -> None:
        context, codes, word = self.context, self.codes, self.context.word
        if self.has_interpreter:
            text = (context.options.dynamic_linker or codes.interpreter).encode() + b"\0"
            self.add(".interp", elf.SHT_PROGBITS, 2, 1, len(text)).data = text
        self._make_symbols()
        row = codes.row.size
        kind = elf.SHT_RELA if codes.has_addend else elf.SHT_REL
        relocations = len(self.relocated) + self.got_relocations + len(self.copies)
        relocations += len(self.pointers) + len(self.chosen_slots) + len(self.unused)
        if relocations:
            self.add(codes.table + ".dyn", kind, 2, word, row * relocations, row)
        if self.jumps:
            self.add(codes.table + ".plt", kind, 2, word, row * self.jumps, row)
        if self.plts or self.plt_gots:  # the header is there even if nothing uses it
            count = len(self.plts)
            self.add(".plt", elf.SHT_PROGBITS, 6, 16, 16 * (count + 1), self.layout.entry_size)
            if self.layout.has_second and self.plts:
                size = self.layout.direct_size
                self.add(".plt.sec", elf.SHT_PROGBITS, 6, 16, size * count, size)
        if self.plt_gots:
            size = self.layout.direct_size
            self.add(".plt.got", elf.SHT_PROGBITS, 6, size, size * len(self.plt_gots), size)
        self._make_frames()
        self._make_got()
        self._list_tags(bool(relocations))
        size = elf.DYN64.size if context.is64 else elf.DYN32.size
        self.add(".dynamic", elf.SHT_DYNAMIC, 3, word, size * (len(self.tags) + SPARE_TAGS), size)
        self._define("_DYNAMIC", self.sections[".dynamic"])

    def _make_symbols(self) -> None:
        context, word = self.context, self.context.word
        style = context.options.hash_style
        count = len(self.exported)
        if style in ("sysv", "both"):
            self.add(".hash", elf.SHT_HASH, 2, word, 4 * (2 + self.bucket_count + count + 1), 4)
        if style in ("gnu", "both"):
            hashed = [entry for entry in self.exported if self._is_hashed(entry)]
            names = [entry_name(entry) for entry in hashed]
            first = self.numbers[hashed[0]] if hashed else 1
            table = gnu_table(names, first, context.is64, self.gnu_bucket_count)
            self.add(
                ".gnu.hash", elf.SHT_GNU_HASH, 2, word, len(table), 0 if context.is64 else 4
            ).data = table
        row = elf.SYM64.size if context.is64 else elf.SYM32.size
        self.add(".dynsym", elf.SHT_DYNSYM, 2, word, row * (count + 1), row)
        strings = self.strings.finish()
        self.add(".dynstr", elf.SHT_STRTAB, 2, 1, len(strings)).data = strings
        if len(self.versions):
            table = self.versions.symbol_table(self.exported)
            self.add(".gnu.version", elf.SHT_GNU_VERSYM, 2, 2, len(table), 2).data = table
            needed = self.versions.needed_table(self.strings)
            self.add(".gnu.version_r", elf.SHT_GNU_VERNEED, 2, word, len(needed)).data = needed

    def _make_got(self) -> None:
        context, word = self.context, self.context.word
        if self.got_size:
            self.got_section = created_section(context, ".got", 1, 3, word, word)
            self.got_section.size = self.got_size
        if self.got_size or self.plts or self.plt_gots or self.needs_base:
            self.got_plt = created_section(context, ".got.plt", 1, 3, word, word)
            self.got_plt.size = word * (3 + len(self.plts))
        elif self.uses_table:
            self.got_plt = created_section(context, ".got.plt", 1, 3, word, word)

    def _make_frames(self) -> None:
        """Unwind information of the PLT sections, where the program has an entry of its own; else ld leaves an empty section."""
        if not self.context.options.unwind_tables:
            return
        alignment = self.context.word
        present = any(
            s.size > 8 for f in self.context.files for s in f.content() if s.kept and s.name == ".eh_frame"
        )
        if not present:
            self.add(".eh_frame", elf.SHT_PROGBITS, 2, alignment, 0)
            return
        for name in (".plt", ".plt.got", ".plt.sec"):
            if name in self.sections:
                frame = self.layout.frame if name == ".plt" else self.layout.direct_frame
                self.frames[name] = self.add(".eh_frame", elf.SHT_PROGBITS, 2, alignment, len(frame))
                self.frames[name].data = frame

    def _fill_frames(self, image: bytearray) -> None:
        for name, frames in self.frames.items():
            if frames.size and frames.output is not None and frames.moved is not None:
                place = frames.moved.place(CIE_SIZE + 8)
                at = frames.output.file_offset + place
                target = self.sections[name]
                distance = (target.address - frames.output.address - place) & 0xFFFFFFFF
                image[at : at + 8] = struct.pack("<II", distance, target.size)

    def _define(self, name: str, section: InputSection) -> None:
        entry = self.context.names.entry(name)
        entry.state, entry.section, entry.value = DEFINED, section, 0
        entry.type, entry.local, entry.dynamic_definition = elf.STT_OBJECT, True, None

    # ---- .dynamic ------------------------------------------------------------------------------------------------

    def _list_tags(self, relocations: bool) -> None:
        context, options, tags = self.context, self.context.options, self.tags
        tags += [(elf.DT_NEEDED, library.soname) for library in context.libraries]
        if options.soname:
            tags.append((elf.DT_SONAME, options.soname))
        if self.context.is_symbolic:
            tags.append((elf.DT_SYMBOLIC, 0))
        if options.runpath:
            tags.append((elf.DT_RUNPATH if options.new_tags else elf.DT_RPATH, options.runpath))
        self._list_starts()
        for name, tag in ((".hash", elf.DT_HASH), (".gnu.hash", elf.DT_GNU_HASH)):
            if name in self.sections:
                tags.append((tag, self.sections[name]))
        tags += [(elf.DT_STRTAB, self.sections[".dynstr"]), (elf.DT_SYMTAB, self.sections[".dynsym"])]
        size = self.sections[".dynsym"].entry_size
        tags += [(elf.DT_STRSZ, self.sections[".dynstr"].size), (elf.DT_SYMENT, size)]
        if not context.is_shared:
            tags.append((elf.DT_DEBUG, 0))
        self._list_relocations(relocations)
        self._list_flags(relocations)
        if len(self.versions):
            tags += [
                (elf.DT_VERNEED, self.sections[".gnu.version_r"]),
                (elf.DT_VERNEEDNUM, len(self.versions)),
                (elf.DT_VERSYM, self.sections[".gnu.version"]),
            ]

    def _list_starts(self) -> None:
        """What runs before and after the program."""
        context, tags = self.context, self.tags
        if context.is_shared and self.has_contents(".preinit_array"):
            self._refuse_early_start()
        for tag, name in ((elf.DT_INIT, "_init"), (elf.DT_FINI, "_fini")):
            entry = context.names.get(name)
            if entry is not None and self.is_defined_here(entry):
                tags.append((tag, ("symbol", name)))
        for name, tag, length in (
            (".preinit_array", elf.DT_PREINIT_ARRAY, elf.DT_PREINIT_ARRAYSZ),
            (".init_array", elf.DT_INIT_ARRAY, elf.DT_INIT_ARRAYSZ),
            (".fini_array", elf.DT_FINI_ARRAY, elf.DT_FINI_ARRAYSZ),
        ):
            if self.has_contents(name):
                tags += [(tag, ("start", name)), (length, ("size", name))]

    def _refuse_early_start(self) -> None:
        for file in self.context.files:
            if any(s.type == elf.SHT_PREINIT_ARRAY and s.kept for s in file.content()):
                text = ".preinit_array section is not allowed in DSO"
                self.context.say(
                    "error",
                    text,
                    file.name,
                    help="only a program has code that runs before its libraries start: use .init_array",
                    ld_message=f"{file.name}: {text}",
                )

    def has_contents(self, name: str) -> bool:
        """Whether an output section of that name will not be empty."""
        from toolkit.asm.link.script import place_of

        return any(
            s.size and (place := place_of(s.name)) is not None and place.name == name
            for f in self.context.files
            for s in f.content()
            if s.kept and s.name.startswith((name, ".ctors", ".dtors"))
        )

    def _list_relocations(self, relocations: bool) -> None:
        codes, tags = self.codes, self.tags
        rela = codes.has_addend
        if ".plt" in self.sections and self.got_plt is not None:
            tags.append((elf.DT_PLTGOT, self.got_plt))
        plt = self.sections.get(codes.table + ".plt")
        if plt is not None:
            tags += [(elf.DT_PLTRELSZ, plt.size), (elf.DT_PLTREL, elf.DT_RELA if rela else elf.DT_REL)]
            tags.append((elf.DT_JMPREL, plt))
        if relocations:
            section = self.sections[codes.table + ".dyn"]
            first = elf.DT_RELA if rela else elf.DT_REL
            tags += [(first, section), (first + 1, section.size), (first + 2, codes.row.size)]

    def _list_flags(self, relocations: bool) -> None:
        options, tags = self.context.options, self.tags
        in_text = self.text_relocation() is not None
        if in_text:
            tags.append((elf.DT_TEXTREL, 0))
        flags = (_NOW if options.bind_now else 0) | (_TEXT if in_text else 0)
        flags |= (_SYMBOLIC if self.context.is_symbolic else 0) | (_STATIC if self.static_threads else 0)
        if flags and (options.new_tags or flags & _STATIC):
            tags.append((elf.DT_FLAGS, flags))
        elif options.bind_now:
            tags.append((elf.DT_BIND_NOW, 0))
        flags = (1 if options.bind_now else 0) | (elf.DF_1_PIE if options.kind == "pie" else 0)
        if flags:
            tags.append((elf.DT_FLAGS_1, flags))

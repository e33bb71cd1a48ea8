"""Dynamic linking: what a shared object, a PIE or a program that uses libraries has beside its contents.

The dynamic section and the tables it points to (System V ABI, chapter 5), PLT and GOT (x86-64 and i386 psABI, 5.2), in the
layout and order GNU ld 2.40 gives them; hash tables in both styles, as Debian's ld makes them.
"""

from __future__ import annotations

import struct

from toolkit.abi import elf
from toolkit.asm.link.calls import Calls
from toolkit.asm.link.dynamic_tables import TagValue, entry_name
from toolkit.asm.link.dynhash import sysv_hash
from toolkit.asm.link.indirect import forget_pointer
from toolkit.asm.link.model import Entry, InputSection
from toolkit.asm.link.needs import Pending
from toolkit.asm.link.special import ADDRESS, MODULE, TP_NEGATED, GotEntry, Key, is_absolute

_Row = tuple[int, int, int, int]  # offset, type, symbol, addend


class Dynamic(Calls):
    """The whole dynamic side of a link: ``scan`` finds the needs, ``allocate`` makes the sections, ``fill`` writes them."""

    def allocate(self) -> None:
        super().allocate()
        self.context.value_of_undefined = self.symbol_value
        self.context.stand_in = self.stand_in
        self.warn_about_text()
        self.rewrite_threads()
        for pending in self.pointers:
            forget_pointer(pending)
        for pending in self.relocated:
            if self._is_symbolic(pending):  # the field stays as it is
                section = pending.section
                section.relocations[pending.number] = pending.relocation._replace(type=0)

    def finish_headers(self) -> None:
        """sh_link and sh_info of the dynamic tables."""
        number = {name: s.output.number for name, s in self.sections.items() if s.output is not None}
        table = self.codes.table
        for name, target in (
            (".hash", ".dynsym"),
            (".gnu.hash", ".dynsym"),
            (".dynsym", ".dynstr"),
            (table + ".dyn", ".dynsym"),
            (table + ".plt", ".dynsym"),
            (".gnu.version", ".dynsym"),
            (".gnu.version_r", ".dynstr"),
            (".dynamic", ".dynstr"),
        ):
            section = self.sections.get(name)
            if section is not None and section.output is not None:
                section.output.link = number[target]
        self._finish_info(table)

    def _finish_info(self, table: str) -> None:
        symbols = self.sections[".dynsym"].output
        assert symbols is not None
        symbols.info = 1 + sum(entry.local for entry in self.exported)
        versions = self.sections.get(".gnu.version_r")
        if versions is not None and versions.output is not None:
            versions.output.info = len(self.versions)
        plt = self.sections.get(table + ".plt")
        if plt is not None and plt.output is not None and self.got_plt is not None and self.got_plt.output:
            plt.output.flags |= elf.SHF_INFO_LINK
            plt.output.info = self.got_plt.output.number

    # ---- addresses ----------------------------------------------------------------------------------------------

    def symbol_number(self, entry: Entry) -> int:
        return self.numbers[entry]

    def address(self, key: Key) -> int:
        called = self.call_address(key)
        return super().address(key) if called is None else called

    def target(self, key: Key, found: int | None) -> int | None:
        if self.is_indirect(key):
            stub = self.call_address(key)
            return found if stub is None else stub
        if isinstance(key, Entry):
            if self._stands_for_function(key):
                return self.call_address(key)
            if key.dynamic_definition is not None and key.section is None:
                return 0
            if found is None and self.is_preemptible(key) and not self._is_missing(key):
                return 0
        return super().target(key, found)

    # ---- contents -----------------------------------------------------------------------------------------------

    def fill(self, image: bytearray) -> None:
        self.fill_indirect_slots(image)
        self._fill_frames(image)
        self.fill_calls(image)
        self._fill_relocations(image)
        self.put(image, self.sections[".dynsym"], self._symbol_table())
        if ".hash" in self.sections:
            self.put(image, self.sections[".hash"], self._sysv_hash_table())
        self.put(image, self.sections[".dynamic"], self._tag_table())

    def _symbol_table(self) -> bytes:
        from toolkit.asm.link.output import pack_symbol

        is64 = self.context.is64
        rows = [bytes(elf.SYM64.size if is64 else elf.SYM32.size)]
        for entry in self.exported:
            offset = self.strings.offsets[entry_name(entry)]
            rows.append(pack_symbol(is64, offset, *self._symbol_fields(entry)))
        return b"".join(rows)

    def _symbol_fields(self, entry: Entry) -> tuple[int, int, int, int, int]:
        """(info, other, section number, value, size) in .dynsym."""
        from toolkit.asm.link.output import global_row

        row = global_row(self.context, entry, local=entry.local)
        if row is None:
            return elf.STB_GLOBAL << 4 | entry.type, 0, 0, 0, 0
        need = self.needs.get(entry)
        value = row.value
        if self._stands_for_function(entry) and need is not None:
            value = (self.call_address(entry) or 0) if need.address_matters else 0
        size = 0 if entry.dynamic_definition is not None and entry.section is None else row.size
        return row.info, row.other, row.section, value, size

    def symbol_value(self, entry: Entry) -> int:
        """The value of an undefined name in .symtab: not 0 where its PLT entry is its address."""
        need = self.needs.get(entry)
        if need is not None and need.address_matters and self._stands_for_function(entry):
            return self.call_address(entry) or 0
        return 0

    def _sysv_hash_table(self) -> bytes:
        count = self.bucket_count
        buckets = [0] * count
        chains = [0] * (len(self.exported) + 1)
        for entry in self.context.names.in_hash_order():
            number = self.numbers.get(entry)
            if number is not None:
                slot = sysv_hash(entry_name(entry)) % count
                chains[number], buckets[slot] = buckets[slot], number
        return struct.pack(f"<II{count}I{len(chains)}I", count, len(chains), *buckets, *chains)

    def _tag_table(self) -> bytes:
        pack = (elf.DYN64 if self.context.is64 else elf.DYN32).pack
        rows = [(tag, self._tag_value(value)) for tag, value in self.tags]
        if self.relative_count:
            rows.append((elf.DT_RELACOUNT if self.codes.has_addend else elf.DT_RELCOUNT, self.relative_count))
        return b"".join(pack(tag, value) for tag, value in rows)

    def _tag_value(self, value: TagValue) -> int:
        if isinstance(value, int):
            return value
        if isinstance(value, InputSection):
            return value.address
        if isinstance(value, str):
            return self.strings.offsets[value.encode("utf-8", "surrogateescape")]
        what, name = value
        if what == "symbol":
            entry = self.context.names.get(name)
            return entry.address if entry is not None else 0
        output = self.context.by_name.get(name)
        if output is None:
            return 0
        return output.address if what == "start" else output.size

    # ---- relocations --------------------------------------------------------------------------------------------

    def _fill_relocations(self, image: bytearray) -> None:
        """.rela.dyn, sorted as ld -z combreloc: relative ones by address, then symbol by symbol."""
        section = self.sections.get(self.codes.table + ".dyn")
        rows = [self._row_of(p) for p in self.relocated if p.section.output is not None]
        rows += [*self.pointer_rows(image), *self.slot_rows(image)]
        for got in self.got.values():
            if not self.is_indirect(got.key):
                rows += self._got_rows(image, got)
        if self.module_slot >= 0 and self.got_section is not None:
            rows.append((self.got_section.address + self.module_slot, self.codes.module, 0, 0))
        rows += [(0, 0, 0, 0)] * len(self.unused)
        rows += [(entry.address, self.codes.copy, self.numbers[entry], 0) for entry in self.copies]
        relative = self.codes.relative
        lowest: dict[int, int] = {}
        for offset, kind, symbol, _ in rows:
            if kind != relative:
                lowest[symbol] = min(lowest.get(symbol, offset), offset)
        rows.sort(key=lambda r: (self._class_of(r), lowest[r[2]] if r[1] != relative else 0, r[0]))
        self.relative_count = sum(row[1] == relative for row in rows)
        self.put(image, section, b"".join(self.pack_row(row) for row in rows))

    def _class_of(self, row: _Row) -> int:
        """What the dynamic linker is to apply first: distances, names, copies, functions chosen at start."""
        _, kind, number, _ = row
        if kind == self.codes.relative:
            return 0
        exported = self.exported[number - 1] if number else None
        chosen = exported is not None and exported.type == elf.STT_GNU_IFUNC and not self.stand_in(exported)
        if kind == self.codes.indirect or chosen:
            return 3
        return 2 if kind == self.codes.copy else 1

    def _is_symbolic(self, pending: Pending) -> bool:
        """Whether the dynamic linker looks the symbol up (``COPY_INPUT_RELOC_P``), rather than adding the load address."""
        key, kind = pending.key, pending.relocation.type
        if not isinstance(key, Entry) or key not in self.recorded:
            return False
        if not self.context.is64 and kind in (elf.R_386_TLS_LE, elf.R_386_TLS_LE_32):
            return True
        if not self.context.is64 and kind == elf.R_386_TLS_IE:
            return False
        bound = not self.context.is_shared or self.context.is_symbolic
        bound = bound or key in self.context.boundaries
        here = self.is_defined_here(key) or self.is_linkers(key)
        return self.is_relative(kind) or not bound or not here

    def _row_of(self, pending: Pending) -> _Row:
        place, kind, key = self.place_of(pending), pending.relocation.type, pending.key
        addend = pending.relocation.addend or 0
        thread = {elf.R_386_TLS_LE: elf.R_386_TLS_TPOFF, elf.R_386_TLS_LE_32: elf.R_386_TLS_TPOFF32}
        if self._is_symbolic(pending):
            assert isinstance(key, Entry)
            return place, kind if self.context.is64 else thread.get(kind, kind), self.numbers[key], addend
        if not self.context.is64 and kind in thread:
            return place, thread[kind], 0, 0
        return place, self.codes.relative, 0, self._local_target(key, addend)

    def _local_target(self, key: Key, addend: int) -> int:
        if not isinstance(key, Entry):
            file, number = key
            symbol = file.symbols[number]
            target = file.sections[symbol.section] if symbol.section < len(file.sections) else None
            if symbol.type == elf.STT_SECTION and target is not None and target.moved is not None:
                assert target.output is not None
                return target.output.address + target.moved.place(symbol.value + addend)
        return self.own_address(key) + addend

    def _got_rows(self, image: bytearray, got: GotEntry) -> list[_Row]:
        """The relocations of a GOT entry; sets its contents where they are not simply the address."""
        assert self.got_section is not None
        key, codes, word = got.key, self.codes, self.context.word
        place = self.got_section.address + got.offset
        number = self.numbers.get(key, 0) if isinstance(key, Entry) else 0
        if got.kind == ADDRESS:
            return self._address_rows(image, got, place, number)
        start = self.context.tls.address if self.context.tls is not None else 0
        within = 0 if number else self.own_address(key) - start
        if got.kind == MODULE:
            self._put_words(image, got.offset, 0, within)
            rows = [(place, codes.module, number, 0)]
            return [*rows, (place + word, codes.module_offset, number, 0)] if number else rows
        if codes.has_addend:
            self._put_words(image, got.offset, 0)
            return [(place, codes.thread_offset, number, within)]
        negated = got.kind == TP_NEGATED
        self._put_words(image, got.offset, -within if negated else within)
        return [(place, elf.R_386_TLS_TPOFF32 if negated else codes.thread_offset, number, 0)]

    def _address_rows(self, image: bytearray, got: GotEntry, place: int, number: int) -> list[_Row]:
        key = got.key
        if isinstance(key, Entry):
            zero = self.is_zero(key) or (key.state != 0 and self._is_hidden_zero(key))
            if zero:
                self._put_words(image, got.offset, 0)
                return []
            if number and not (self.context.is_pic and self.is_bound(key)):
                self._put_words(image, got.offset, 0)
                return [(place, self.codes.global_data, number, 0)]
        self._put_words(image, got.offset, self.own_address(key))
        if self.context.is_pic and not is_absolute(key):
            return [(place, self.codes.relative, 0, self.own_address(key))]
        if self.context.is_pic and number:
            return [(place, self.codes.relative, 0, self.own_address(key))]
        return []

    def _is_hidden_zero(self, entry: Entry) -> bool:
        from toolkit.asm.link.special import is_weak_undefined

        return is_weak_undefined(entry) and entry.visibility != 0

    def _put_words(self, image: bytearray, offset: int, *values: int) -> None:
        word = self.context.word
        mask = (1 << 8 * word) - 1
        body = b"".join((value & mask).to_bytes(word, "little") for value in values)
        self.put(image, self.got_section, body, offset)

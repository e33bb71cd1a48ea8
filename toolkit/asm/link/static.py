"""A static link that is not plain: GOT entries, thread-local storage, indirect functions."""

from __future__ import annotations

from toolkit.abi import elf
from toolkit.asm.link.assign import created_section
from toolkit.asm.link.context import Context
from toolkit.asm.link.indirect import forget_pointer
from toolkit.asm.link.model import Entry, InputSection
from toolkit.asm.link.output import files_in_output_order
from toolkit.asm.link.plt import Plt
from toolkit.asm.link.special import ADDRESS, TP_NEGATED, TP_OFFSET, Key
from toolkit.asm.link.threads import Threads


class Static(Threads):
    """Everything is known but which function an indirect one chooses."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.plt: InputSection | None = None
        self.indirect_got: InputSection | None = None
        self.table: InputSection | None = None  # of IRELATIVE relocations

    def allocate(self) -> None:
        entries = self.context.names.in_hash_order()
        self.adjust(entries)
        self.allocate_entries(entries)
        self.relocated = []
        self.rewrite_threads()
        for pending in self.pointers:
            forget_pointer(pending)
        self._make_sections()

    def _make_sections(self) -> None:
        context, word, codes = self.context, self.context.word, self.codes
        if self.got_size:
            entry = word if context.options.bind_now else 0  # .got.plt is a part of it then
            self.got_section = created_section(context, ".got", 1, 3, word, entry)
            self.got_section.size = self.got_size
        has_header = self.got_size or self.indirect or self.needs_base
        if has_header or self.uses_table:
            self.got_plt = created_section(context, ".got.plt", 1, 3, word, word)
            self.got_plt.size = 3 * word if has_header else 0
        if self.indirect:
            count, size = len(self.indirect), self.layout.direct_size
            self.plt = created_section(context, ".iplt", 1, 6, size)
            self.plt.size = size * count
            self.indirect_got = created_section(context, ".igot.plt", 1, 3, word, word)
            self.indirect_got.size = word * count
        rows = len(self.indirect) + len(self.pointers) + len(self.chosen_slots)
        if rows:
            kind = elf.SHT_RELA if codes.has_addend else elf.SHT_REL
            row = codes.row.size
            name = ".rela.iplt" if codes.has_addend else ".rel.iplt"
            self.table = created_section(context, name, kind, 2, word, row)
            self.table.size = row * rows

    def finish_headers(self) -> None:
        """.rela.plt of a static program names .symtab, if there is one, and the slots' section."""
        section = self.table
        if section is None or section.output is None:
            return
        stripped = self.context.options.strip == "all"
        section.output.link = 0 if stripped else len(self.context.outputs) + 1
        slots = self.context.by_name.get(".got" if self.context.options.bind_now else ".got.plt")
        section.output.flags |= elf.SHF_INFO_LINK
        section.output.info = slots.number if slots is not None else 0  # 0 of a section that was dropped

    def stub_address(self, key: Key) -> int | None:
        need = self.needs.get(key)
        if need is None or need.plt < 0 or self.plt is None:
            return None
        return self.plt.address + need.plt * self.layout.direct_size

    def chosen_slot(self, key: Key) -> int | None:
        need = self.needs.get(key)
        if need is None or need.plt < 0 or self.indirect_got is None:
            return None
        return self.indirect_got.address + need.plt * self.context.word

    def address(self, key: Key) -> int:
        stub = self.stub_address(key)
        return super().address(key) if stub is None else stub

    def target(self, key: Key, found: int | None) -> int | None:
        stub = self.stub_address(key)
        return found if stub is None else stub

    def fill(self, image: bytearray) -> None:
        word, codes = self.context.word, self.codes
        mask = (1 << 8 * word) - 1
        for got in self.got.values():
            if codes.has_addend and got.kind == ADDRESS and got.key in self.chosen_slots:
                continue  # the relocation's addend is the address
            if got.kind == ADDRESS:
                value = self.own_address(got.key)
            else:
                value = self.tp_offset(got.key) * (-1 if got.kind == TP_NEGATED else 1)
            self.put(image, self.got_section, (value & mask).to_bytes(word, "little"), got.offset)
            assert got.kind in (ADDRESS, TP_OFFSET, TP_NEGATED)
        self.fill_indirect_slots(image)
        self._order_rows()
        rows = [*self.pointer_rows(image), *self.slot_rows(image)]
        chosen = list(zip(self.indirect, self._fill_stubs(image), strict=True))
        chosen.sort(key=lambda pair: isinstance(pair[0], Entry) and not pair[0].local)
        rows += [row for _, row in reversed(chosen)]  # from the end, names local to the program first
        self.put(image, self.table, b"".join(self.pack_row(row) for row in rows))

    def _order_rows(self) -> None:
        """ld writes the rows of pointers as it relocates file by file, those of GOT entries with the symbols."""
        files = {file: number for number, file in enumerate(files_in_output_order(self.context))}
        self.pointers = [p for p in self.pointers if p.section.file in files]
        self.pointers.sort(key=lambda p: (files[p.section.file], p.section.number, p.number))
        self.chosen_slots.sort(key=lambda key: isinstance(key, Entry) and not key.local)

    def _fill_stubs(self, image: bytearray) -> list[tuple[int, int, int, int]]:
        rows = []
        word, size = self.context.word, self.layout.direct_size
        plt = Plt(self.layout, self.context.is64)
        for index, key in enumerate(self.indirect):
            assert self.plt is not None
            assert self.indirect_got is not None
            slot, stub = self.indirect_got.address + index * word, self.plt.address + index * size
            target = self.own_address(key)
            self.put(image, self.plt, plt.code(self.layout.direct, stub, {"G": slot}), index * size)
            first = stub + self.layout.resume if self.context.is64 else target
            self.put(image, self.indirect_got, first.to_bytes(word, "little"), index * word)
            rows.append((slot, self.codes.indirect, 0, target))
        return rows

"""Functions that choose themselves when the program starts (STT_GNU_IFUNC): PLT and GOT entries with IRELATIVE relocations.

Which of these a function gets follows elf-ifunc.c (``_bfd_elf_allocate_ifunc_dyn_relocs``).
"""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.abi import elf
from toolkit.asm.link import relax64, relax386
from toolkit.asm.link.allocate import Allocation
from toolkit.asm.link.model import Entry, InputSection, Relocation
from toolkit.asm.link.needs import Pending
from toolkit.asm.link.relocate import runs_backwards
from toolkit.asm.link.special import ADDRESS, GotEntry, Key

_Row = tuple[int, int, int, int]  # offset, type, symbol, addend


class Indirect(Allocation):
    """``Allocation`` with entries for indirect functions: in .plt where there is one, else in .iplt."""

    def allocate_indirect(self, key: Key, pending: Sequence[Pending]) -> None:
        need, has_plt = self.need(key), self.context.is_dynamic
        pic = self.context.is_pic
        if need.from_base:
            need.called = True
        calls = any(self.is_relative(p.relocation.type) for p in pending)
        use_plt = need.called
        stays = not use_plt or pic
        if stays and pending:
            need.direct = True
            if calls:
                use_plt, stays = True, pic
        elif not need.called and not need.got:
            return
        if use_plt:
            need.plt = len(self.plts) if has_plt else len(self.indirect)
            (self.plts if has_plt else self.indirect).append(key)
            self.jumps += has_plt
        if stays and not isinstance(key, Entry):
            self.unused += [p for p in pending if self.is_relative(p.relocation.type)]
        if stays and need.direct:
            self.pointers += [p for p in pending if not self.is_relative(p.relocation.type)]
        hidden = not isinstance(key, Entry) or key.local or not self.is_dynamic(key)
        pie = self.context.options.kind == "pie"
        if use_plt and (not need.got or pie or (hidden if pic else not need.address_matters)):
            return
        if need.got:
            self.got[key, ADDRESS] = GotEntry(key, ADDRESS, self._room(1))
            if stays:
                self.chosen_slots.append(key)

    def _is_exported(self, key: Key) -> bool:
        return isinstance(key, Entry) and key in self.recorded and self.context.is_shared and not key.local

    def has_named_call(self, key: Key) -> bool:
        """Whether the dynamic linker looks up the function that is called (not ``PLT_LOCAL_IFUNC_P``)."""
        return self._is_exported(key) and isinstance(key, Entry) and key.visibility == elf.STV_DEFAULT

    def _has_named_slot(self, key: Key) -> bool:
        """The same of its GOT entry: with a PLT entry beside it always, else unless references stay in this module."""
        return isinstance(key, Entry) and (self.need(key).plt >= 0 or not self.is_called_here(key))

    def stub_address(self, key: Key) -> int | None:
        """Of an indirect function's PLT entry; None: it has none."""
        raise NotImplementedError

    def chosen_slot(self, key: Key) -> int | None:
        """The address of the slot its PLT entry jumps through."""
        raise NotImplementedError

    def value_of(
        self, relocation: Relocation, key: Key, section: InputSection, place: int
    ) -> tuple[int, int] | None:
        found = super().value_of(relocation, key, section, place)
        if found is not None or not self.is_indirect(key):
            return found
        offset, kind, _, addend = relocation
        slot = self.chosen_slot(key)
        if slot is None:
            return None
        if self.context.is64:
            return (slot + (addend or 0) - place, 4) if relax64.is_got_load(kind) else None
        if kind not in (elf.R_386_GOT32, elf.R_386_GOT32X):
            return None
        base = 0 if relax386.is_baseless(section, offset, kind) else self.base()
        return slot - base + (addend or 0), 4

    # ---- contents -----------------------------------------------------------------------------------------------

    def pointer_rows(self, image: bytearray) -> list[_Row]:
        """The relocations of pointers to indirect functions in data, whose fields get the chooser's address."""
        rows: list[_Row] = []
        for pending in self.pointers:
            if pending.section.output is None:
                continue
            rows.append(
                self._row(
                    image,
                    pending.key,
                    self.place_of(pending),
                    pending.section.output.file_offset - pending.section.output.address,
                    self.codes.pointer if self._is_exported(pending.key) else 0,
                )
            )
        return rows

    def slot_rows(self, image: bytearray) -> list[_Row]:
        """The relocations of their GOT entries."""
        section = self.got_section
        if section is None or section.output is None:
            return []
        shift = section.output.file_offset - section.output.address
        return [
            self._row(
                image,
                key,
                section.address + self.got[key, ADDRESS].offset,
                shift,
                self.codes.global_data if self._has_named_slot(key) else 0,
            )
            for key in self.chosen_slots
        ]

    def _row(self, image: bytearray, key: Key, place: int, shift: int, kind: int) -> _Row:
        """``kind``: of a relocation by name; 0: the function is this module's."""
        if kind:
            assert isinstance(key, Entry)
            return place, kind, self.symbol_number(key), 0
        target = self.own_address(key)
        if not self.codes.has_addend:
            word = self.context.word
            image[place + shift : place + shift + word] = target.to_bytes(word, "little")
        return place, self.codes.indirect, 0, target

    def symbol_number(self, entry: Entry) -> int:
        return 0

    def place_of(self, pending: Pending) -> int:
        """The address of the field."""
        section, offset = pending.section, pending.relocation.offset
        assert section.output is not None
        if section.moved is not None:
            return section.output.address + section.moved.place(offset)
        if runs_backwards(section):
            offset = section.size - self.context.word - offset
        return section.address + offset

    def pack_row(self, row: _Row) -> bytes:
        offset, kind, symbol, addend = row
        info = symbol << self.codes.symbol_shift | kind
        if self.codes.has_addend:
            signed = (addend + (1 << 63)) % (1 << 64) - (1 << 63)
            return self.codes.row.pack(offset & ((1 << 64) - 1), info, signed)
        return self.codes.row.pack(offset & 0xFFFFFFFF, info)

    def put(self, image: bytearray, section: InputSection | None, body: bytes, offset: int = 0) -> None:
        """Write into a section's contents."""
        if section is not None and section.output is not None:
            at = section.output.file_offset + section.offset + offset
            image[at : at + len(body)] = body

    def fill_indirect_slots(self, image: bytearray) -> None:
        """GOT entries that hold the PLT entry's address, which stands for the function in a program at a fixed address."""
        for key, kind in self.got:
            if kind == ADDRESS and self.is_indirect(key) and key not in self.chosen_slots:
                stub = self.stub_address(key) or 0
                body = stub.to_bytes(self.context.word, "little")
                self.put(image, self.got_section, body, self.got[key, kind].offset)


def forget_pointer(pending: Pending) -> None:
    """The dynamic linker fills the field alone."""
    pending.section.relocations[pending.number] = pending.relocation._replace(type=elf.R_X86_64_NONE)

"""The contents of .plt, .plt.sec, .plt.got and .got.plt, and the relocations of .rela.plt."""

from __future__ import annotations

from toolkit.asm.link.dynamic_tables import DynamicTables
from toolkit.asm.link.model import Entry, InputSection
from toolkit.asm.link.plt import Plt
from toolkit.asm.link.special import ADDRESS, Key

_Row = tuple[int, int, int, int]  # offset, type, symbol, addend


class Calls(DynamicTables):
    """``DynamicTables`` with what functions of other modules are called through."""

    def call_address(self, key: Key) -> int | None:
        """Of the PLT entry through which a function is called; None: it has none."""
        need = self.needs.get(key)
        if need is None or (need.plt < 0 and need.plt_got < 0):
            return None
        if need.plt_got >= 0:
            return self.sections[".plt.got"].address + self.layout.direct_size * need.plt_got
        if self.layout.has_second:
            return self.sections[".plt.sec"].address + self.layout.direct_size * need.plt
        return self.sections[".plt"].address + 16 * (need.plt + 1)

    def stand_in(self, entry: Entry) -> tuple[InputSection, int] | None:
        """In a program at a fixed address, other modules take an indirect function's PLT entry for the function itself."""
        need = self.needs.get(entry)
        if self.context.is_pic or need is None or need.plt < 0:
            return None
        if not self.is_indirect(entry) or entry not in self.recorded or entry.local:
            return None
        section = self.sections[".plt.sec" if self.layout.has_second else ".plt"]
        return section, self.call_address(entry) or 0

    def stub_address(self, key: Key) -> int | None:
        return self.call_address(key)

    def chosen_slot(self, key: Key) -> int | None:
        need = self.needs.get(key)
        if need is None or need.plt < 0 or self.got_plt is None:
            return None
        return self.got_plt.address + (3 + need.plt) * self.context.word

    def fill_calls(self, image: bytearray) -> None:
        if self.got_plt is None or not self.got_plt.size:
            return
        word = self.context.word
        base = self.got_plt.address
        plt = Plt(self.layout, self.context.is64, base if self.context.is_pic else 0)
        slots = [self.sections[".dynamic"].address, 0, 0]
        if ".plt" in self.sections:
            slots += self._fill_lazy(image, plt, base)
        self.put(image, self.got_plt, b"".join(value.to_bytes(word, "little") for value in slots))
        if self.plt_gots and self.got_section is not None:
            stubs, start = self.sections[".plt.got"], self.got_section.address
            for index, entry in enumerate(self.plt_gots):
                offset = index * self.layout.direct_size
                slot = start + self.got[entry, ADDRESS].offset
                slot += self.is_zero(entry)  # ld's mark "filled in already", which it forgets to take away
                code = plt.code(self.layout.direct, stubs.address + offset, {"G": slot})
                self.put(image, stubs, code, offset)

    def _fill_lazy(self, image: bytearray, plt: Plt, base: int) -> list[int]:
        """.plt, .plt.sec and .rela.plt; what the slots hold at first."""
        word = self.context.word
        start = self.sections[".plt"].address
        header = plt.code(self.layout.header, start, {"1": base + word, "2": base + 2 * word})
        self.put(image, self.sections[".plt"], header)
        slots, rows, chosen = [], list[_Row](), dict[int, _Row]()
        places = self._chosen_places()
        for index, key in enumerate(self.plts):
            slot = base + (3 + index) * word
            if self.is_zero(key):
                self._fill_entry(image, plt, index, slot, None)
                slots.append(0)
            elif key in places:
                resume = self._fill_entry(image, plt, index, slot, places[key])
                target = self.own_address(key)
                chosen[places[key]] = (slot, self.codes.indirect, 0, target)
                slots.append(resume if self.codes.has_addend else target)
            elif isinstance(key, Entry) and key in self.numbers:
                slots.append(self._fill_entry(image, plt, index, slot, len(rows)))
                rows.append((slot, self.codes.jump_slot, self.numbers[key], 0))
            else:  # ld leaves the entry of a call that was rewritten empty
                slots.append(0)
        rows += [(0, 0, 0, 0)] * (self.jumps - len(rows) - len(chosen))
        table = self.sections.get(self.codes.table + ".plt")
        self.put(
            image,
            table,
            b"".join(self.pack_row(row) for row in [*rows, *(chosen[n] for n in sorted(chosen))]),
        )
        return slots

    def _chosen_places(self) -> dict[Key, int]:
        """Numbers in .rela.plt of functions chosen at start: from the end, those that became local first."""
        own = [key for key in self.plts if self.is_indirect(key) and not self.has_named_call(key)]
        own.sort(key=lambda key: isinstance(key, Entry) and not key.local)
        return {key: self.jumps - 1 - number for number, key in enumerate(own)}

    def _fill_entry(self, image: bytearray, plt: Plt, index: int, slot: int, number: int | None) -> int:
        """One entry; where its slot points first. ``number``: in .rela.plt, None for a function known to be absent."""
        layout, section, second = self.layout, self.sections[".plt"], self.sections.get(".plt.sec")
        stub = section.address + 16 * (index + 1)
        values = {"G": slot, "I": (number or 0) * layout.scale, "P": section.address}
        code = plt.code(layout.entry, stub, values)
        if number is None:  # its jump to the table's start is not filled in
            at = code.index(b"\xe9", code.index(b"\x68") + 5) + 1
            code = code[:at] + bytes(4) + code[at + 4 :]
        self.put(image, section, code, 16 * (index + 1))
        if second is not None:
            offset = index * layout.direct_size
            self.put(image, second, plt.code(layout.direct, second.address + offset, values), offset)
        return stub + layout.resume

"""Dynamic linking for x86-64: what a shared object, a PIE or a program that uses libraries has beside its contents.

The dynamic section and the tables it points to (System V ABI, chapter 5), PLT and GOT (x86-64 psABI, 5.2), in the layout and
order GNU ld 2.40 gives them; hash tables in both styles, as Debian's ld makes them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from toolkit.abi import elf
from toolkit.asm.link.dynamic_tables import DynamicTables, entry_name
from toolkit.asm.link.dynhash import bucket_count, sysv_hash
from toolkit.asm.link.model import Entry, InputSection
from toolkit.asm.link.special import ADDRESS, TP_OFFSET, Key, is_weak_undefined

_MASK = (1 << 64) - 1


def _rela(offset: int, info: int, addend: int) -> bytes:
    """A RELA entry; values wrap at 64 bits."""
    return struct.pack("<QQQ", offset & _MASK, info, addend & _MASK)


class Dynamic(DynamicTables):
    """The whole dynamic side of a link: ``scan`` finds the needs, ``allocate`` makes the sections, ``fill`` writes them."""

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
            offset = self.strings.offsets[entry_name(entry)]
            if row is None:
                rows.append(elf.SYM64.pack(offset, elf.STB_GLOBAL << 4 | entry.type, 0, 0, 0, 0))
                continue
            size = 0 if entry.dynamic_definition is not None and entry not in self.copies else row.size
            rows.append(elf.SYM64.pack(offset, row.info, row.other, row.section, row.value & _MASK, size))
        return b"".join(rows)

    def _sysv_hash_table(self) -> bytes:
        count = bucket_count(len(self.exported), False)
        buckets = [0] * count
        chains = [0] * (len(self.exported) + 1)
        for entry in self.context.names.in_hash_order():
            number = self.numbers.get(entry)
            if number is not None:
                slot = sysv_hash(entry_name(entry)) % count
                chains[number], buckets[slot] = buckets[slot], number
        return struct.pack(f"<II{count}I{len(chains)}I", count, len(chains), *buckets, *chains)

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

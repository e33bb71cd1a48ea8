"""Thread-local accesses of a dynamic link: rewritten to the cheapest model that is known to hold (Drepper, "ELF Handling For TLS")."""

from __future__ import annotations

from toolkit.abi import elf
from toolkit.asm.link import relax64, relax386
from toolkit.asm.link.indirect import Indirect
from toolkit.asm.link.model import Entry, InputSection, Relocation
from toolkit.asm.link.needs import BOTH, INITIAL, POSITIVE, Pending
from toolkit.asm.link.special import MODULE, TP_NEGATED, TP_OFFSET, GotEntry, Key


class Threads(Indirect):
    """The rewriting of code, and the fields of what stays."""

    def rewrite_threads(self) -> None:
        for access in self.threads:
            (self._rewrite_64 if self.context.is64 else self._rewrite_32)(access)

    def _model(self, key: Key) -> str:
        """``local``: the offset is known now; ``initial``: from the start of the program on; else it is asked for."""
        is_function = isinstance(key, Entry) and key.type in (elf.STT_FUNC, elf.STT_GNU_IFUNC)
        if not self.context.is_shared and not is_function:
            return "initial" if self.is_dynamic(key) else "local"
        need = self.needs.get(key)
        return "initial" if need is not None and need.got & INITIAL else "general"

    def _become(self, access: Pending, changed: Relocation | None, with_call: bool = False) -> None:
        relocations = access.section.relocations
        if changed is None:
            self._failed(access)
            return
        relocations[access.number] = changed
        if with_call and access.number + 1 < len(relocations):
            relocations[access.number + 1] = relocations[access.number + 1]._replace(type=0)

    def _failed(self, access: Pending) -> None:
        section, relocation = access.section, access.relocation
        name = elf.RELOCATION_NAMES[self.context.machine].get(relocation.type, "?")
        place, line = self.context.where(section, relocation.offset)
        text = f"TLS transition from {name} against `{self.label(access.key)}' at {relocation.offset:#x} in section `{section.name}' failed"
        self.context.say("error", text, place, line=line, ld_message=f"{section.file.name}: {text}")

    def _rewrite_64(self, access: Pending) -> None:
        section, relocation = access.section, access.relocation
        offset, kind, symbol, _ = relocation
        model = self._model(access.key)
        if kind == elf.R_X86_64_TLSLD:
            if not self.context.is_shared:
                done = relax64.local_dynamic_to_local(section, offset)
                self._become(access, relocation._replace(type=0) if done else None, with_call=True)
        elif kind == elf.R_X86_64_TLSGD and model == "local":
            at = relax64.general_to_local(section, offset)
            self._become(access, _at(at, elf.R_X86_64_TPOFF32, symbol, 0), with_call=True)
        elif kind == elf.R_X86_64_TLSGD and model == "initial":
            at = relax64.general_to_initial(section, offset)
            self._become(access, _at(at, elf.R_X86_64_GOTTPOFF, symbol, -4), with_call=True)
        elif kind == elf.R_X86_64_GOTTPOFF and model == "local":
            done = relax64.initial_to_local(section, offset)
            self._become(access, Relocation(offset, elf.R_X86_64_TPOFF32, symbol, 0) if done else None)
        elif kind in (elf.R_X86_64_GOTPC32_TLSDESC, elf.R_X86_64_TLSDESC_CALL):
            self._rewrite_descriptor(access, model)

    def _rewrite_descriptor(self, access: Pending, model: str) -> None:
        section, relocation = access.section, access.relocation
        offset, kind, symbol, _ = relocation
        if model == "general":
            self._failed(access)
        elif kind == elf.R_X86_64_TLSDESC_CALL:
            relax64.writable(section)[offset : offset + 2] = b"\x66\x90"
            self._become(access, relocation._replace(type=0))
        elif model == "local":
            done = relax64.descriptor_to_local(section, offset)
            self._become(access, Relocation(offset, elf.R_X86_64_TPOFF32, symbol, 0) if done else None)
        else:
            done = relax64.descriptor_to_initial(section, offset)
            self._become(access, Relocation(offset, elf.R_X86_64_GOTTPOFF, symbol, -4) if done else None)

    def _rewrite_32(self, access: Pending) -> None:
        section, relocation = access.section, access.relocation
        offset, kind, symbol, _ = relocation
        model = self._model(access.key)
        if kind == elf.R_386_TLS_LDM:
            if not self.context.is_shared:
                done = relax386.local_dynamic_to_local(section, offset)
                self._become(access, relocation._replace(type=0) if done else None, with_call=True)
        elif kind == elf.R_386_TLS_GD and model == "local":
            at = relax386.general_to_local(section, offset)
            self._become(access, _at(at, elf.R_386_TLS_LE_32, symbol, 0), with_call=True)
        elif kind == elf.R_386_TLS_GD and model == "initial":
            positive = self.need(access.key).got == POSITIVE
            at = relax386.general_to_initial(section, offset, positive)
            made = elf.R_386_TLS_GOTIE if positive else elf.R_386_TLS_IE_32
            self._become(access, _at(at, made, symbol, 0), with_call=True)
        elif kind in (elf.R_386_TLS_IE, elf.R_386_TLS_GOTIE, elf.R_386_TLS_IE_32) and model == "local":
            done = relax386.initial_to_local(section, offset, kind)
            made = elf.R_386_TLS_LE_32 if kind == elf.R_386_TLS_IE_32 else elf.R_386_TLS_LE
            self._become(access, Relocation(offset, made, symbol, 0) if done else None)
        elif kind in (elf.R_386_TLS_GOTDESC, elf.R_386_TLS_DESC_CALL):
            self._failed(access)

    def thread_value(self, relocation: Relocation, key: Key, place: int) -> tuple[int, int] | None:
        """(value, size) of a field that holds the place of a thread-local GOT entry; None: it is no such field."""
        _, kind, _, addend = relocation
        a = addend or 0
        if self.context.is64:
            offset = self._slot_64(kind, key)
            return None if offset is None else (self.slot_distance(offset) + self.base() + a - place, 4)
        offset = self._slot_32(kind, key)
        if offset is None:
            return self._thread_offset(kind, key, a)
        distance = self.slot_distance(offset) + (self.base() if kind == elf.R_386_TLS_IE else 0)
        return distance + a, 4

    def slot_distance(self, offset: int) -> int:
        """From the GOT's base to an entry."""
        assert self.got_section is not None
        return self.got_section.address + offset - self.base()

    def value_of(
        self, relocation: Relocation, key: Key, section: InputSection, place: int
    ) -> tuple[int, int] | None:
        found = self.thread_value(relocation, key, place)
        return super().value_of(relocation, key, section, place) if found is None else found

    def _slot_64(self, kind: int, key: Key) -> int | None:
        if kind == elf.R_X86_64_TLSLD and self.module_slot >= 0:
            return self.module_slot
        wanted = {elf.R_X86_64_TLSGD: MODULE, elf.R_X86_64_GOTTPOFF: TP_OFFSET}.get(kind)
        found = self.got.get((key, wanted)) if wanted is not None else None
        return None if found is None else found.offset

    def _slot_32(self, kind: int, key: Key) -> int | None:
        if kind == elf.R_386_TLS_LDM and self.module_slot >= 0:
            return self.module_slot
        if kind == elf.R_386_TLS_GD:
            found = self.got.get((key, MODULE))
        elif kind in (elf.R_386_TLS_IE, elf.R_386_TLS_GOTIE, elf.R_386_TLS_IE_32):
            both = self.need(key).got == BOTH
            second = both and kind != elf.R_386_TLS_IE_32
            found = self.got.get((key, TP_OFFSET)) if second else self._only_slot(key)
        else:
            return None
        return None if found is None else found.offset

    def _only_slot(self, key: Key) -> GotEntry | None:
        return self.got.get((key, TP_NEGATED)) or self.got.get((key, TP_OFFSET))

    def _thread_offset(self, kind: int, key: Key, addend: int) -> tuple[int, int] | None:
        """Local-exec code in an i386 shared object: the offset within the block, to which the dynamic linker adds."""
        if not self.context.is_shared or kind not in (elf.R_386_TLS_LE, elf.R_386_TLS_LE_32):
            return None
        start = self.context.tls.address if self.context.tls is not None else 0
        within = self.own_address(key) - start
        return (-within if kind == elf.R_386_TLS_LE_32 else within) + addend, 4


def _at(offset: int | None, kind: int, symbol: int, addend: int) -> Relocation | None:
    return None if offset is None else Relocation(offset, kind, symbol, addend)

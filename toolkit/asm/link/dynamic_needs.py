"""What the relocations of a dynamic link need: PLT and GOT entries, copies, relocations left to the dynamic linker."""

from __future__ import annotations

from toolkit.abi import elf
from toolkit.asm.link import relax64
from toolkit.asm.link.context import Context
from toolkit.asm.link.model import Entry, InputFile, InputSection, Relocation, StringTable
from toolkit.asm.link.special import MODULE, TP_OFFSET, Key, Special, is_weak_undefined

_SMALL = (elf.R_X86_64_32, elf.R_X86_64_32S, elf.R_X86_64_16, elf.R_X86_64_8)


class DynamicNeeds(Special):
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

"""What a dynamic link knows of each symbol: who may define it at run time, and what the relocations ask of it.

The predicates are BFD's (elflink.c ``_bfd_elf_symbol_refs_local_p``, elfxx-x86.h) over the same facts; their names here say what
they mean for the program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from toolkit.abi import elf
from toolkit.asm.link.context import Context
from toolkit.asm.link.model import (
    UNDEFINED,
    UNDEFINED_WEAK,
    Entry,
    InputFile,
    InputSection,
    InputSymbol,
    Relocation,
    StringTable,
)
from toolkit.asm.link.plt import I386, X86_64, layout
from toolkit.asm.link.script import place_of
from toolkit.asm.link.special import BY_LINKER, PROVIDED, SHOWN, Key, Special

# what kind of GOT entry: bits, as several kinds of access to one thread-local variable are combined
NORMAL, GENERAL, INITIAL, POSITIVE, NEGATED, DESCRIPTOR = 1, 2, 4, 5, 6, 8
BOTH = POSITIVE | NEGATED

_NEVER = ("_GLOBAL_OFFSET_TABLE_", "_DYNAMIC", "__ehdr_start")
_IN_LIBRARIES = frozenset(("__ehdr_start", "_GLOBAL_OFFSET_TABLE_"))


@dataclass(eq=False, slots=True)
class Need:
    """What the relocations ask of one symbol."""

    got: int = 0  # the kinds of GOT entry wanted
    called: bool = False  # something is content with a PLT entry
    needs_plt: bool = False  # by a PLT relocation
    address_matters: bool = False  # its PLT entry may stand for its address
    direct: bool = False  # referred to neither through the GOT nor the PLT
    from_base: bool = False  # by its distance from the GOT
    zero: int = 1  # bit 0: nothing through GOT or PLT; bit 1: something direct in code
    copied: bool = False
    plt: int = -1  # index of its lazy entry
    plt_got: int = -1  # index in .plt.got


class Pending(NamedTuple):
    """A relocation that the dynamic linker may have to apply. ``number`` is its place in the section's list."""

    section: InputSection
    number: int
    relocation: Relocation
    key: Key


class Needs(Special):
    """``Special`` with symbols that are found only when the program starts."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.codes = X86_64 if context.is64 else I386
        self.needs: dict[Key, Need] = {}
        self.recorded: dict[Entry, None] = {}  # the names of .dynsym, in the order in which they became known
        self.asked: set[Entry] = set()  # names that the command line refers to
        self.only_asked: set[Entry] = set()  # and no object
        self.strings = StringTable()
        self.pending: list[Pending] = []
        self.distances: list[Pending] = []  # of x86-64 code from global names
        self.threads: list[
            Pending
        ] = []  # thread-local accesses, to be rewritten when it is known who defines what
        self.aliases: dict[Entry, Entry] = {}  # a library's weak variable → the strong name of the same
        self.local_module = False  # some access is by the module's own block
        self.static_threads = False  # the code relies on being loaded at program start
        tracking = context.options.tracking or bool(context.features & elf.GNU_PROPERTY_X86_FEATURE_1_IBT)
        self.written = _written_outputs(context)
        self.layout = layout(context.is64, context.is_pic, tracking)

    def need(self, key: Key) -> Need:
        found = self.needs.get(key)
        if found is None:
            found = self.needs[key] = Need()
        return found

    def is_read_only(self, section: InputSection) -> bool:
        """Whether the program may not write where it ends up: one writable part makes an output section writable."""
        return _output_name(section) not in self.written

    # ---- who defines it ----------------------------------------------------------------------------------------

    def is_defined_here(self, entry: Entry) -> bool:
        """By an object of this link or by the script (``def_regular``)."""
        if entry.is_defined and entry.dynamic_definition is None:
            return True
        return self.context.is_shared and entry.name in PROVIDED and not is_hidden(entry)

    def refers_here(self, entry: Entry, protected: bool = False) -> bool:
        """Whether a reference can only mean this module's definition. ``protected``: count protected functions too."""
        if entry.visibility in (elf.STV_INTERNAL, elf.STV_HIDDEN) or entry.local or self.is_linkers(entry):
            return True
        if not self.is_defined_here(entry):
            return False
        if entry not in self.recorded or not self.context.is_shared or self.context.is_symbolic:
            return True
        if entry.visibility != elf.STV_PROTECTED:
            return False
        return protected or entry.type not in (elf.STT_FUNC, elf.STT_GNU_IFUNC)

    def is_bound(self, entry: Entry) -> bool:
        """``refers_here``, for the linker's own names and for undefined weak ones that nobody will look up."""
        if self.refers_here(entry, protected=True):
            return True
        nobody = not self.context.is_shared and not self.has_interpreter
        return entry.state == UNDEFINED_WEAK and (entry.visibility != 0 or nobody)

    @property
    def has_interpreter(self) -> bool:
        context = self.context
        return context.is_dynamic and not context.is_shared and context.options.dynamic_linker is not None

    def is_linkers(self, entry: Entry) -> bool:
        """Whether the linker will define it at the end (``linker_def``)."""
        if self.is_defined_here(entry):
            return False
        if entry.name == "_DYNAMIC":
            return self.context.is_dynamic
        if self.context.is_shared and entry.name in PROVIDED:
            return is_hidden(entry)
        names = _IN_LIBRARIES if self.context.is_shared else BY_LINKER
        irelative = self.context.is_pic and entry.name.startswith(("__rela_iplt", "__rel_iplt"))
        return entry.name in names and not irelative

    def is_zero(self, key: Key) -> bool:
        """Whether it is an undefined weak name that is 0 without asking anyone."""
        if not isinstance(key, Entry) or key.state != UNDEFINED_WEAK:
            return False
        if self.is_linkers(key) or self.is_defined_here(key):
            return False
        return self.is_bound(key) or (not self.context.is_shared and self.need(key).zero > 0)

    def is_preemptible(self, key: Key | None) -> bool:
        """Whether the dynamic linker decides what it is."""
        if not isinstance(key, Entry) or self.is_linkers(key):
            return False
        if key.state == UNDEFINED and key.dynamic_definition is None and not self.is_defined_here(key):
            return self.context.is_shared and key.visibility == 0 and not self.context.options.no_undefined
        return not self.refers_here(key) and not self.is_zero(key)

    def is_dynamic(self, key: Key) -> bool:
        """Whether it has a row in .dynsym."""
        return isinstance(key, Entry) and key in self.recorded

    def is_called_here(self, key: Key) -> bool:
        """``SYMBOL_CALLS_LOCAL``."""
        return not isinstance(key, Entry) or self.refers_here(key, protected=True)

    # ---- which names are dynamic -------------------------------------------------------------------------------

    def record_names(self) -> None:
        """Every name that a second module shares, in the order of the inputs (elf_link_add_object_symbols)."""
        by_objects: set[Entry] = set()
        by_libraries: set[Entry] = set()
        for file in self.context.inputs:
            for entry, symbol in self._entries(file):
                if file.dynamic and symbol.section and entry.visibility and entry in by_objects:
                    if entry.visibility == elf.STV_PROTECTED:
                        self.record(entry)
                    by_libraries.add(entry)
                    continue
                (by_libraries if file.dynamic else by_objects).add(entry)
                shared = self.context.is_shared and not file.dynamic
                if entry in self.recorded and is_hidden(entry):
                    self.make_local(entry)  # nobody has defined it so far
                elif shared or entry in (by_objects if file.dynamic else by_libraries):
                    if entry in self.context.boundaries:
                        self._add(entry)
                    else:
                        self.record(entry)
            if file.dynamic:
                self._find_aliases(file)
        for library in self.context.libraries:
            self.strings.add(library.soname.encode("utf-8", "surrogateescape"))
        for entry in self.context.boundaries:
            if entry.was_dynamic and entry not in self.recorded:  # it is defined by now, and so hidden or not
                entry.local = is_hidden(entry)
                self.record(entry)
        for name, _ in self.context.options.defined:
            entry = self.context.names.entry(name)
            if self.context.is_shared or entry.dynamic_reference:
                self.record(entry)
        self.asked = {self.context.names.entry(name) for name in self.context.options.asked}
        for entry in self.asked:
            entry.strongly = True
        self.only_asked = self.asked - by_objects

    def record(self, entry: Entry) -> None:
        """Give a name a row in .dynsym; a hidden one becomes local instead."""
        passed_over = (entry.local or not entry.referenced) and not self.is_linkers(entry)
        if passed_over or entry in self.recorded or entry.name in _NEVER:
            return
        is_open = entry.state in (UNDEFINED, UNDEFINED_WEAK) and not self.is_linkers(entry)
        hidden_later = self.is_linkers(entry) and entry.name not in SHOWN
        if hidden_later or (is_hidden(entry) and not is_open):
            entry.local = True
            return
        self._add(entry)

    def _add(self, entry: Entry) -> None:
        self.strings.add(entry.name.encode("utf-8", "surrogateescape"))
        self.recorded.setdefault(entry)

    def make_local(self, entry: Entry) -> None:
        """Take a name out of .dynsym."""
        entry.local = True
        if self.recorded.pop(entry, 0) is None:
            self.strings.discard(entry.name.encode("utf-8", "surrogateescape"))

    def _entries(self, file: InputFile) -> list[tuple[Entry, InputSymbol]]:
        """The global names of a file with what it says of them; not those of old versions."""
        names = self.context.names
        if not file.dynamic:
            pairs = zip(file.entries, file.symbols[file.first_global :], strict=False)
            return [(entry, symbol) for entry, symbol in pairs if entry is not None]
        found = []
        for symbol, (version, default) in zip(file.symbols, file.versions, strict=True):
            entry = names.get(symbol.name) if default or not version else None
            if entry is not None:
                found.append((entry, symbol))
        return found

    def _find_aliases(self, file: InputFile) -> None:
        """A library's weak variable that is a strong one by another name: both move together (``is_weakalias``)."""
        strong: dict[tuple[int, int], Entry] = {}
        names = self.context.names
        for symbol in file.symbols:
            entry = names.get(symbol.name)
            if entry is None or entry.dynamic_definition is not symbol or symbol.binding == elf.STB_WEAK:
                continue
            if symbol.section and symbol.type in (elf.STT_OBJECT, elf.STT_NOTYPE, elf.STT_TLS):
                strong.setdefault((symbol.section, symbol.value), entry)
        for symbol in reversed(file.symbols):
            entry = names.get(symbol.name) if symbol.binding == elf.STB_WEAK else None
            if entry is None or entry.dynamic_definition is not symbol or symbol.type == elf.STT_FUNC:
                continue
            real = strong.get((symbol.section, symbol.value))
            if real is not None:
                self.aliases[entry] = real
                for one, other in ((entry, real), (real, entry)):
                    if one in self.recorded and other not in self.recorded:
                        self.recorded.setdefault(other)
                        self.strings.add(other.name.encode("utf-8", "surrogateescape"))

    def record_late(self, entry: Entry) -> None:
        """An undefined weak name becomes dynamic when an entry is made for it."""
        if not (entry in self.recorded or entry.local or self.is_zero(entry) or self.is_linkers(entry)):
            self.recorded[entry] = None

    # ---- complaints --------------------------------------------------------------------------------------------

    def label(self, key: Key) -> str:
        if isinstance(key, Entry):
            return key.name
        file, number = key
        symbol = file.symbols[number]
        target = file.sections[symbol.section] if symbol.section < len(file.sections) else None
        return symbol.name or (target.name if target is not None else "*ABS*")

    def described(self, key: Key) -> str:
        """The symbol as ``elf_x86_64_need_pic`` names it."""
        if not isinstance(key, Entry):
            return f"`{self.label(key)}'"
        kind = {1: "internal symbol ", 2: "hidden symbol ", 3: "protected symbol "}.get(
            key.visibility, "symbol "
        )
        undefined = "" if self.is_defined_here(key) or key.dynamic_definition is not None else "undefined "
        return f"{undefined}{kind}`{key.name}'"

    def refuse(self, section: InputSection, relocation: Relocation, key: Key) -> None:
        """A relocation that can't be left to the dynamic linker."""
        context = self.context
        name = elf.RELOCATION_NAMES[context.machine].get(relocation.type, "?")
        output, flag = ("a shared object", "-fPIC") if context.is_shared else ("a PIE object", "-fPIE")
        if not context.is_pic:
            output = "a PDE object"
        place, line = context.where(section, relocation.offset)
        what = self.described(key)
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


def is_hidden(entry: Entry) -> bool:
    return entry.visibility in (elf.STV_INTERNAL, elf.STV_HIDDEN)


def _output_name(section: InputSection) -> str:
    place = place_of(section.name)
    return section.name if place is None else place.name


def _written_outputs(context: Context) -> set[str]:
    """The output sections with a writable part; ld keeps .text read-only all the same."""
    written = {
        _output_name(section)
        for file in context.files
        for section in file.content()
        if section.kept and section.flags & elf.SHF_WRITE
    }
    return written - {".text"}

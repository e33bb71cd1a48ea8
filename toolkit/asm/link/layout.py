"""Addresses: the walk through ld's default script that gives every output section its place in memory.

``place_sections`` follows ld's ``lang_size_sections`` (ldlang.c, ldexp.c): the location counter runs through the statements, and
the data segment is moved when that saves a page or makes the RELRO region end on one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from toolkit.abi import elf
from toolkit.asm.link import script
from toolkit.asm.link.context import Context
from toolkit.asm.link.model import DEFINED, NEW, UNDEFINED, UNDEFINED_WEAK, Entry, OutputSection

PAGE = 0x1000
_BASES = {elf.EM_X86_64: 0x400000, elf.EM_386: 0x8048000}
_NONE, _ADJUST, _RELRO_ADJUST = range(3)


@dataclass(slots=True)
class _Segment:
    """ld's ``seg_align_type`` for the data segment: addresses."""

    phase: int = _NONE
    base: int = 0
    relro_end: int = 0
    relro_offset: int = 0
    end: int = 0


_Action = Callable[[Context, _Segment, int, bool], int]
_Step = Callable[[Context, OutputSection, "_Counter"], None]


def place_inputs(context: Context) -> None:
    """Offsets of inputs within outputs (relative to an aligned start) and output sizes; drops empty outputs."""
    kept = []
    context.all_outputs = context.outputs
    for output in context.outputs:
        place_in(output)
        if output.size or _stays_empty(context, output):
            kept.append(output)
        else:
            output.removed = True
    context.outputs = kept
    threads = [output for output in kept if output.flags & elf.SHF_TLS]
    if threads:  # the TLS segment starts with the first and has the alignment of all
        threads[0].alignment = max(output.alignment for output in threads)


def place_in(output: OutputSection) -> None:
    """The offsets of its inputs within one output, and its size."""
    offset = 0
    for section in output.inputs:
        alignment = section.alignment
        if alignment > 1:
            offset = (offset + alignment - 1) & -alignment
        section.offset = offset
        offset += section.size
    output.size = output.contents_size = offset


# made for distances from where it would be, or for copies of variables that have no size
_DROPPED_EMPTY = (".got.plt", ".dynbss", ".data.rel.ro")


def _stays_empty(context: Context, output: OutputSection) -> bool:
    """Whether a section stays though nothing is in it: ld looks before it edits .eh_frame, and keeps its own in dynamic links."""
    if output.name == ".eh_frame" and context.had_frames:
        return True
    if not context.is_dynamic:
        return False
    return any(section.created and section.name not in _DROPPED_EMPTY for section in output.inputs)


def place_sections(context: Context, header_size: int) -> None:
    """Give every output section its address."""
    segment = _Segment()
    _walk(context, header_size, segment)
    relro = context.options.relro and has_relro(context)
    if relro and segment.relro_end:
        initial = segment.base
        expected = _start_of_relro(context, segment)
        _walk(context, header_size, segment)
        if segment.relro_end > expected:
            segment.base = initial
            _walk(context, header_size, segment)
        context.relro_start, context.relro_end = segment.base, segment.relro_end
    elif _saves_a_page(segment, context.is64):
        segment.phase = _ADJUST
        _walk(context, header_size, segment)
    if any(output.removed and output.name in context.options.addresses for output in context.all_outputs):
        _walk(context, header_size, segment, _pass)  # once more for the symbols (``lang_do_assignments``)


def has_relro(context: Context) -> bool:
    """Whether some input that takes room matches a description between the script's data segment start and RELRO end.

    ld asks before it edits .eh_frame, which has a description there as well.
    """
    return any(
        (output.size or (output.name == ".eh_frame" and context.had_frames))
        and output.name in script.RELRO_NAMES
        and output.position[1] == 0
        and not (output.flags & elf.SHF_TLS and output.type == elf.SHT_NOBITS)
        for output in context.outputs
    )


def _saves_a_page(segment: _Segment, is64: bool) -> bool:
    first = -segment.base & (PAGE - 1)
    last = segment.end & (PAGE - 1)
    # In the 64-bit script the statements of .lrodata and .ldata, though dropped later, put the end on another page.
    apart = is64 or segment.base & -PAGE != segment.end & -PAGE
    return bool(first and last and apart and first + last <= PAGE)


def _start_of_relro(context: Context, segment: _Segment) -> int:
    """Move the start of the relro region up so that it ends on a page; the end that is to come out."""
    relro_end = (segment.relro_end + PAGE - 1) & -PAGE
    desired = relro_end - segment.relro_offset
    limit = segment.relro_end - segment.relro_offset
    for output in reversed(context.outputs):
        if output.flags & elf.SHF_ALLOC and segment.base <= output.address < limit:
            is_tbss = output.type == elf.SHT_NOBITS and output.flags & elf.SHF_TLS
            end = output.address + (0 if is_tbss else output.size)
            desired = (output.address + desired - end) & -output.alignment
    segment.phase = _RELRO_ADJUST
    segment.base = desired
    return relro_end


@dataclass(slots=True)
class _Counter:
    """The location counter, and where the next section without an address of its own goes.

    They differ behind a section that has an address and was dropped, until the script assigns the next symbol.
    """

    dot: int
    free: int

    def set(self, address: int) -> None:
        self.dot = self.free = address


def _walk(context: Context, header_size: int, segment: _Segment, step: _Step | None = None) -> None:
    """One run of the location counter through the script. ``step``: past an output section; it is placed unless told otherwise."""
    options = context.options
    base = _BASES[context.machine] if options.kind == "static" else 0
    if options.text_segment is not None:
        base = options.text_segment
    counter = _Counter(base + header_size, base + header_size)
    reached = 0
    relro = options.relro and has_relro(context)
    step = step or _place
    for output in [*context.all_outputs, None]:
        while reached < len(_EVENTS) and (output is None or _EVENTS[reached][0] <= output.position[0]):
            _, action = _EVENTS[reached]
            if isinstance(action, int):
                context.dots[action] = counter.dot
            else:
                counter.set(action(context, segment, counter.dot, relro))
            reached += 1
        if output is not None:
            step(context, output, counter)


def _place(context: Context, output: OutputSection, counter: _Counter) -> None:
    """Give an output section its address, and move behind it (``lang_size_sections``)."""
    fixed = context.options.addresses.get(output.name)
    if fixed is not None:
        counter.dot = fixed
    if not output.flags & elf.SHF_ALLOC:
        output.address = 0
        return
    start = counter.free if fixed is None else fixed
    statement = output.position[0]
    if fixed is None and statement in (script.LRODATA, script.LDATA) and not output.position[1]:
        start = ((start + PAGE - 1) & -PAGE) + (start & (PAGE - 1))
    output.address = (start + output.alignment - 1) & -output.alignment
    if output.removed:
        return
    if output.flags & elf.SHF_TLS and output.type == elf.SHT_NOBITS:
        counter.set(output.address)  # its start is aligned; in memory it takes no room
        return
    end = output.address + output.contents_size
    if statement in (script.BSS, script.LDATA) and not output.position[1]:
        end = (end + context.word - 1) & -context.word
        output.size = end - output.address
    counter.set(end)


def _pass(context: Context, output: OutputSection, counter: _Counter) -> None:
    """Move behind a placed section as symbols see it: one that was dropped, even with an address, has no effect."""
    if not output.removed and output.flags & elf.SHF_ALLOC:
        is_tbss = output.flags & elf.SHF_TLS and output.type == elf.SHT_NOBITS
        counter.set(output.address + (0 if is_tbss else output.size))


def _align_page(context: Context, segment: _Segment, dot: int, relro: bool) -> int:
    return (dot + PAGE - 1) & -PAGE


def _data_start(context: Context, segment: _Segment, dot: int, relro: bool) -> int:
    aligned = (dot + PAGE - 1) & -PAGE
    if segment.phase == _RELRO_ADJUST:
        return segment.base
    if segment.phase == _ADJUST:
        return aligned
    segment.base = aligned if relro else aligned + (dot & (PAGE - 1))
    return segment.base


def _relro_end(context: Context, segment: _Segment, dot: int, relro: bool) -> int:
    got = context.by_name.get(".got.plt")
    header = 3 * context.word
    offset = header if got is not None and not got.removed and got.size >= header else 0
    segment.relro_offset = offset
    segment.relro_end = dot + offset
    if segment.phase == _RELRO_ADJUST and segment.relro_end & (PAGE - 1):
        segment.relro_end = (segment.relro_end + PAGE - 1) & -PAGE
        return segment.relro_end - offset
    return dot


def _align_word(context: Context, segment: _Segment, dot: int, relro: bool) -> int:
    return (dot + context.word - 1) & -context.word


def _end(context: Context, segment: _Segment, dot: int, relro: bool) -> int:
    segment.end = context.dots[script.AFTER_ALL] = (dot + context.word - 1) & -context.word
    return segment.end


def _assign(statement: int) -> tuple[int, _Action]:
    """A symbol is assigned before a statement: ``_edata``, ``__bss_start``."""

    def note(context: Context, segment: _Segment, dot: int, relro: bool) -> int:
        context.dots[statement] = dot
        return dot

    return statement, note


# what happens before a statement: an assignment, or only a note of where the counter stands
_EVENTS: tuple[tuple[int, _Action | int], ...] = (
    (script.NUMBER[".rela.plt"], script.NUMBER[".rela.plt"]),
    (script.INIT, _align_page),
    (script.RODATA, script.RODATA),
    (script.RODATA, _align_page),
    (script.DATA_START, _data_start),
    *(
        (script.NUMBER[name], script.NUMBER[name])
        for name in (".tdata", ".preinit_array", ".init_array", ".fini_array")
    ),
    (script.RELRO_END, _relro_end),
    _assign(script.EDATA),
    _assign(script.BSS),
    (script.LRODATA, _align_word),
    (script.AFTER_ALL, _end),
)


def nearby(context: Context, position: tuple[int, ...], flags: int, address: int) -> OutputSection | None:
    """Which output stands in for one that the script has no inputs for: the neighbour likeliest in its segment."""
    before = after = None
    for output in context.outputs:
        if output.position > position:
            after = output
            break
        before = output
    return _likelier(before, after, flags, address)


def beside(context: Context, dropped: OutputSection, address: int) -> OutputSection | None:
    """The same for one that was dropped, among the section headers (BFD's ``_bfd_nearby_section``)."""
    index = context.made.index(dropped)
    before = next((o for o in reversed(context.made[:index]) if not o.removed), None)
    after = next((o for o in context.made[index:] if not o.removed), None)
    return _likelier(before, after, dropped.flags, address)


def _likelier(
    before: OutputSection | None, after: OutputSection | None, flags: int, address: int
) -> OutputSection | None:
    if before is None or after is None:
        return before or after
    kind = elf.SHF_ALLOC | elf.SHF_TLS
    before_loaded, after_loaded = before.type != elf.SHT_NOBITS, after.type != elf.SHT_NOBITS
    if (before.flags ^ after.flags) & kind or before_loaded != after_loaded:
        return before if (after.flags ^ flags) & kind or (before_loaded and not after_loaded) else after
    for mask in (elf.SHF_WRITE, elf.SHF_EXECINSTR):
        if (before.flags ^ after.flags) & mask:
            return before if (after.flags ^ flags) & mask else after
    return before if address < after.address else after


class ScriptSymbols:
    """Defines what the script defines, once addresses are known."""

    def __init__(self, context: Context, header_size: int) -> None:
        self.context, self.header_size = context, header_size
        self.outputs = context.outputs

    def define_all(self) -> None:
        """``_edata``, ``__bss_start`` and ``_end`` always, the PROVIDEd ones where something refers to them."""
        context = self.context
        always = not context.is_shared
        dots = context.dots
        edata = self._assigned_after(script.RELRO_END, script.EDATA)
        bss_start = self._next(script.BSS)
        end = self._before(script.AFTER_ALL)
        data_end = dots[script.EDATA]
        for name, section, address, force in (
            ("_edata", edata, data_end, always),
            ("edata", edata, data_end, False),
            ("__bss_start", bss_start, dots[script.BSS], always),
            ("_end", end, dots[script.AFTER_ALL], always),
            ("end", end, dots[script.AFTER_ALL], False),
        ):
            self.define(name, section, address, force=force)
        for name in ("__etext", "_etext", "etext"):
            if self._is_wanted(name):
                self.define(name, self._before(script.RODATA), dots[script.RODATA])
        if not context.is_shared:
            self._arrays()
        if context.options.kind == "static":
            self._relocation_bounds()
        if self._is_wanted("__executable_start") and not context.is_shared:
            base = _BASES[context.machine] if context.options.kind == "static" else 0
            self.define("__executable_start", self.outputs[0] if self.outputs else None, base)
        if self._is_wanted("__ehdr_start"):
            base = min((o.address & -PAGE for o in self.outputs if o.flags & elf.SHF_ALLOC), default=0)
            first = min((o for o in self.outputs if o.flags & elf.SHF_ALLOC), key=lambda o: o.address)
            header = (
                (first.address - self.header_size) & -PAGE
                if not first.flags & elf.SHF_EXECINSTR
                else base - PAGE
            )
            self.define("__ehdr_start", first, header, hidden=True)

    def _arrays(self) -> None:
        for name in ("preinit_array", "init_array", "fini_array"):
            self._bounds("." + name, f"__{name}_start", f"__{name}_end")
        self._bounds(".tdata", "__tdata_start", "")

    def _bounds(self, name: str, start: str, end: str) -> None:
        """Hidden symbols at the start and the end of an output section, or where it would be."""
        if not self._is_wanted(start) and not self._is_wanted(end):
            return
        output = self._existing(name)
        statement = script.NUMBER[name]
        address = output.address if output else self.context.dots.get(statement, 0)
        section = output or nearby(self.context, (statement, 0), elf.SHF_WRITE, address)
        self.define(start, section, address, hidden=True)
        self.define(end, section, address + (output.size if output else 0), hidden=True)

    def _relocation_bounds(self) -> None:
        """__rela_iplt_start and _end around the IRELATIVE relocations of a static program."""
        prefix = "__rela_iplt" if self.context.is64 else "__rel_iplt"
        output = self._existing(".rela.plt" if self.context.is64 else ".rel.plt")
        section, address, size = output, 0, 0
        if output is not None:
            address, size = output.address, output.size
        elif self.outputs:
            statement = script.NUMBER[".rela.plt"]
            address = self.context.dots.get(statement, 0)
            section = nearby(self.context, (statement, 0), 0, address)
        self.define(prefix + "_start", section, address, hidden=True)
        self.define(prefix + "_end", section, address + size, hidden=True)

    def _existing(self, name: str) -> OutputSection | None:
        output = self.context.by_name.get(name)
        return output if output is not None and not output.removed else None

    def _is_wanted(self, name: str) -> bool:
        entry = self.context.names.get(name)
        return entry is not None and (
            entry.state in (NEW, UNDEFINED, UNDEFINED_WEAK) or entry.dynamic_definition is not None
        )

    def _before(self, statement: int) -> OutputSection | None:
        """The last loaded output before a statement, or where that can't hold symbols the nearest one whose header is before its own."""
        before = [o for o in self.outputs if o.position[0] < statement and o.flags & elf.SHF_ALLOC]
        headers = self.context.headers
        nearest = reversed(headers[: headers.index(before[-1]) + 1]) if before else headers
        return next((o for o in nearest if _can_hold_symbol(o)), None)

    def _next(self, statement: int) -> OutputSection | None:
        """The next output from a statement on, or if it can't hold symbols the last one before that can."""
        for output in self.outputs:
            if statement <= output.position[0] < script.AFTER_ALL and _can_hold_symbol(output):
                return output
        return self._before(statement)

    def _assigned_after(self, dot_at: int, statement: int) -> OutputSection | None:
        """Section of a symbol whose last assignment to dot stands at ``dot_at``: the previous one, if any came since."""
        for output in reversed(self.outputs):
            if dot_at <= output.position[0] < statement and output.flags & elf.SHF_ALLOC:
                return output if _can_hold_symbol(output) else self._before(statement)
        return self._next(statement)

    def define(
        self,
        name: str,
        section: OutputSection | None,
        address: int,
        *,
        force: bool = False,
        hidden: bool = False,
    ) -> Entry | None:
        """Define ``name`` at an address, if it is wanted or ``force`` is set."""
        if not force and not self._is_wanted(name):
            return None
        entry = self.context.names.entry(name)
        if entry.state == NEW or not entry.is_defined:
            entry.type = entry.type if entry.referenced else 0
        entry.state = DEFINED
        entry.section = section
        entry.value = address - section.address if section is not None else address
        entry.dynamic_definition = None
        if force:
            entry.size = entry.size
        if hidden:
            entry.local = True
            entry.visibility = elf.STV_HIDDEN
        return entry


def _can_hold_symbol(output: OutputSection) -> bool:
    return bool(output.flags & elf.SHF_ALLOC) and not output.flags & elf.SHF_TLS

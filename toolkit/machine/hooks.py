"""What the engine calls while a program runs. A hook only notes what happened and stops the engine.

The callbacks hold the notes, not the machine, so that a machine without references is freed at once.
"""

from __future__ import annotations

import ctypes
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from toolkit.machine import decode, paging
from toolkit.machine.counting import BLOCK_HOOK, EXCEPTIONAL, RING, UNLIMITED, Block, Meter
from toolkit.machine.decode import Special
from toolkit.machine.physical import PAGE_SIZE
from toolkit.machine.registers import RCX, RFLAGS
from toolkit.machine.segments import USER_CS
from toolkit.machine.simd import SimdFlags, unmasked

INTERRUPT_HOOK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p)
INSTRUCTION_HOOK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
INVALID_HOOK = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_void_p)
MEMORY_HOOK = ctypes.CFUNCTYPE(
    ctypes.c_bool,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_uint64,
    ctypes.c_int,
    ctypes.c_int64,
    ctypes.c_void_p,
)
CODE_HOOK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)

MXCSR_MASK = 0x2FFFF  # AMD's: bit 17 is "misaligned exception mask"
MXCSR_MISALIGNED = 1 << 17
ALIGNMENT_CHECK = 0x40000  # RFLAGS.AC
TRAP_FLAG = 0x100  # RFLAGS.TF
LOOP_ON_ITSELF = b"\xe2\xfe"
JUMPS_TO_THEMSELVES = (b"\xeb\xfe", b"\xe9\xfb\xff\xff\xff")
REMEMBERED_PAGES = 4096
BEFORE_BLOCKS = frozenset(("limit", "decode", "full", "rewritten"))
CHECKED = frozenset(("aligned", "load-mxcsr", "save-mxcsr", "touch", "access"))


class TranslatedBlock(ctypes.Structure):
    """uc_tb: a block of code the engine translated."""

    _fields_ = (("pc", ctypes.c_uint64), ("icount", ctypes.c_uint16), ("size", ctypes.c_uint16))


EDGE_HOOK = ctypes.CFUNCTYPE(
    None,
    ctypes.c_void_p,
    ctypes.POINTER(TranslatedBlock),
    ctypes.POINTER(TranslatedBlock),
    ctypes.c_void_p,
)


@dataclass(slots=True)
class Notes:
    """What the hooks noted in the run that just ended, and what they need to know for it."""

    memory: memoryview
    words: memoryview
    values: Any
    stop: Callable[[], None]
    load_registers: Callable[[], None]
    store_counter: Callable[[int], None]
    mode: Callable[[], tuple[int, int]]
    segment_base: Callable[[str], int]
    meter: Meter
    asked_for: Callable[[int], int] = lambda _: 0
    look: Callable[[], None] = lambda: None
    simd: SimdFlags | None = None
    unmasked: bool = False
    event: str = ""
    value: int = 0
    address: int = 0
    root: int = 0
    error: BaseException | None = None
    block: tuple[int, int] = (0, 0)
    stops: frozenset[int] = frozenset()
    translated: set[int] = field(default_factory=set)
    rotates: bool = False
    code_frames: set[int] = field(default_factory=set)
    code_pages: dict[int, int] = field(default_factory=dict)
    scanned: dict[int, set[int]] = field(default_factory=dict)
    scanned_pages: set[int] = field(default_factory=set)
    exits: set[int] = field(default_factory=set)
    watched: dict[int, tuple[Special, ...]] = field(default_factory=dict)
    page_keys: dict[int, int] = field(default_factory=dict)
    page_specials: dict[int, dict[int, Special]] = field(default_factory=dict)
    new_exits: set[int] = field(default_factory=set)
    new_watches: set[int] = field(default_factory=set)
    observer: Callable[[int], bool] | None = None
    passed: frozenset[int] = frozenset()
    passed_in_order: tuple[int, ...] = ()
    hooked: set[int] = field(default_factory=set)
    new_hooked: set[int] = field(default_factory=set)

    def bits(self) -> int:
        """64, or 32 in compatibility mode."""
        return 64 if self.mode()[0] == USER_CS else 32

    def code(self, address: int, size: int = 15) -> bytes:
        """The program's code at a virtual address; fewer bytes where no page is present."""
        return paging.read_code(self.memory, self.words, self.root, address, size)

    def word(self, address: int) -> int | None:
        """The 64-bit word at a virtual address, if its pages are present."""
        image = self.code(address, 8) if decode.is_canonical(address) else b""
        return int.from_bytes(image, "little") if len(image) == 8 else None

    def forget_code(self) -> None:
        """Nothing is translated any more."""
        self.translated.clear()
        self.code_frames.clear()
        self.code_pages.clear()

    def use_root(self, root: int) -> None:
        """Another page table is current: what was seen of its pages is known again."""
        self.root = root
        self.code_pages.clear()
        self.scanned_pages = self.scanned.setdefault(root, set())

    def forget_program(self) -> None:
        """Another program comes: nothing is known of its code."""
        self.scanned.clear()
        self.use_root(self.root)
        self.page_keys.clear()
        if len(self.page_specials) > REMEMBERED_PAGES:
            self.page_specials.clear()
        self.exits.clear()
        self.watched.clear()
        self.rotates = False


def guarded(notes: Notes, action: Callable[..., None]) -> Callable[..., None]:
    """`action`, whose exceptions stop the engine and are raised by `run` instead of being printed and lost."""

    def call(*arguments: Any) -> None:
        try:
            action(*arguments)
        except BaseException as error:
            notes.error = error
            notes.stop()

    return call


def interrupt_callback(notes: Notes) -> Any:
    """An exception or a software interrupt."""

    def interrupt(_engine: int, vector: int, _data: int) -> None:
        notes.event, notes.value = "exception", vector
        notes.look()
        notes.stop()

    return INTERRUPT_HOOK(guarded(notes, interrupt))


def syscall_callback(notes: Notes, kind: str) -> Any:
    """`syscall` or `sysenter`: the registers are read at once, before the engine goes on to its next check."""
    stop = notes.stop

    def syscall(_engine: int, _data: int) -> None:
        notes.event = kind
        stop()

    return INSTRUCTION_HOOK(syscall)


def invalid_callback(notes: Notes) -> Any:
    """#UD, which this engine does not report as an interrupt."""

    def invalid(_engine: int, _data: int) -> bool:
        notes.event = "invalid"
        return False

    return INVALID_HOOK(invalid)


def beyond_callback(notes: Notes) -> Any:
    """A page-table entry led out of physical memory."""

    def beyond(_engine: int, _kind: int, address: int, _size: int, _value: int, _data: int) -> bool:
        notes.event, notes.value = "beyond", address
        return False

    return MEMORY_HOOK(beyond)


def translation_callback(notes: Notes) -> Any:
    """Each newly translated block, before it runs: count its instructions, note those that need care, and stop for them."""
    admit, maybe_rotation = notes.meter.admit, decode.MAYBE_ROTATION.search

    def translated(_engine: int, current: Any, _previous: Any, _data: int) -> None:
        found = current.contents
        address, size, count = found.pc, found.size, found.icount
        code = block_code(notes, address, size)
        if not notes.rotates:
            notes.rotates = maybe_rotation(code) is not None
        selector, flags = notes.mode()
        bits = 64 if selector == USER_CS else 32
        if address + size in notes.stops:  # the engine may count its own stopping there as an instruction
            count = decode.instructions_in(code, bits)
        special_cost = 0
        if count == 1 or address in notes.translated:
            forgotten = not notes.stops.isdisjoint((address, address + size))  # by the engine, after each run
            special_cost = exceptional(notes, address, count, code, flags, forgotten)
        else:
            notes.translated.add(address)
        room = admit(address, size, count, special_cost)
        for special in decode.specials(code, bits):
            note_special(notes, address + special.offset, special)
        if flags & ALIGNMENT_CHECK:
            for access in decode.accesses(code, bits):
                note_special(notes, address + access.offset, access)
        if notes.passed:
            note_passed(notes, address, size)
        if (notes.new_exits or notes.new_watches or notes.new_hooked) and not notes.event:
            notes.event, notes.block = "decode", (address, size)
            notes.stop()
        elif not room and not notes.event:
            notes.event = "full"
            notes.stop()

    return EDGE_HOOK(guarded(notes, translated))


def note_passed(notes: Notes, address: int, size: int) -> None:
    """Which instructions of a block are looked at in passing: the engine goes through all its hooks for each of them, so it gets no others."""
    places = notes.passed_in_order
    for place in places[bisect_left(places, address) : bisect_left(places, address + size)]:
        if place not in notes.hooked:
            notes.new_hooked.add(place)


def exceptional(notes: Notes, address: int, count: int, code: bytes, flags: int, forgotten: bool) -> int:
    """What the meter must know of a block that `limit_callback` has to look at each time, else 0.

    Such are a jump to itself, of which all turns can be counted at once, and a block that the engine was asked to end
    after one instruction: it asks itself for that when a block is about to overwrite its own code.
    """
    asked = notes.asked_for(address)
    if asked:
        return EXCEPTIONAL if asked == count == 1 else 0
    if address in notes.translated and not forgotten:
        note_rewrite(notes)
    notes.translated.add(address)
    countable = not flags & TRAP_FLAG and address not in notes.passed
    return EXCEPTIONAL + 1 if code in JUMPS_TO_THEMSELVES and countable else 0


def note_rewrite(notes: Notes) -> None:
    """The program changed code that was translated."""
    if notes.meter.rewritten() and not notes.event:
        notes.event = "rewritten"
        notes.stop()


def limit_callback(notes: Notes) -> Any:
    """A block that is longer than what is left of an instalment, or that is exceptional: see `Meter`."""
    meter, words = notes.meter, notes.meter.words

    def limit(_engine: int, _address: int, _size: int, record: int) -> None:
        cost = words[(record - meter.address) // 8]
        block = meter.block(record)
        remaining = meter.refund(cost)
        if cost == EXCEPTIONAL:
            if meter.stepping:
                meter.stepping = False
            else:
                remaining = meter.refund(left_early(notes, block.address))
        if remaining < block.instructions or notes.event:
            notes.event = notes.event or "limit"
            notes.stop()
            return
        if block.size == len(LOOP_ON_ITSELF) and block.instructions == 1:
            skipped = skip_turns(notes, block, record, remaining)
            meter.charge(skipped)
            remaining -= skipped
        meter.push(record)
        meter.charge(remaining if cost > EXCEPTIONAL and remaining < UNLIMITED // 2 else block.instructions)

    return BLOCK_HOOK(guarded(notes, limit))


def skip_turns(notes: Notes, block: Block, record: int, remaining: int) -> int:
    """Carry out all turns but the last of a `loop` on itself, as far as the run reaches: how many these were.

    The engine leaves its translated code after each `loop`, at 10 ns a turn; of this one, each turn only takes 1 from RCX.
    """
    if notes.code(block.address, block.size) != LOOP_ON_ITSELF or notes.bits() != 64:
        return 0
    notes.load_registers()
    counter = notes.values[RCX]
    skipped = min(counter or 1 << 64, remaining) - 1
    if block.address in notes.stops or block.address in notes.passed or skipped > UNLIMITED // 4:
        return 0
    notes.store_counter(counter - skipped & (1 << 64) - 1)
    for _ in range(min(skipped, RING)):
        notes.meter.push(record)
    return skipped


def left_early(notes: Notes, address: int) -> int:
    """The last block overwrites itself with the instruction at `address`, which is to run alone: what it was overcharged."""
    meter = notes.meter
    note_rewrite(notes)
    block = meter.begun()
    if block is None or not block.address <= address < block.address + block.size:
        return 0
    size = address - block.address
    return meter.cut_short(size, decode.instructions_in(notes.code(block.address, size), notes.bits()))


def note_special(notes: Notes, address: int, special: Special) -> None:
    """Two programs may have different code at one address: all that was seen there is watched for."""
    if special.kind == "aligned" and is_aligned_constant(special, address):
        return
    seen = notes.watched.get(address)
    if seen is None:
        notes.new_watches.add(address)
        notes.watched[address] = (special,)
        key = notes.page_keys.get(address & -PAGE_SIZE)
        if key is not None and special.kind != "access":
            notes.page_specials.setdefault(key, {})[address & PAGE_SIZE - 1] = special
    elif special not in seen:
        notes.watched[address] = (*seen, special)


def is_aligned_constant(special: Special, address: int) -> bool:
    """Whether the operand's address is known from the code alone, and aligned."""
    operand = special.operand
    if operand is None or operand.base >= 0 or operand.index >= 0 or operand.segment:
        return False
    return decode.effective_address(operand, (), address + special.length, 0) % 16 == 0


def block_code(notes: Notes, address: int, size: int) -> bytes:
    """The bytes of a block; new pages among its own are noted."""
    page, offset = address & -PAGE_SIZE, address & PAGE_SIZE - 1
    base = notes.code_pages.get(page)
    if base is None:
        base = note_page(notes, page)
    if offset + size <= PAGE_SIZE:
        return bytes(notes.memory[base + offset : base + offset + size])
    if page + PAGE_SIZE not in notes.code_pages:
        note_page(notes, page + PAGE_SIZE)
    return notes.code(address, size)


def note_page(notes: Notes, page: int) -> int:
    """Remember which frame code is translated from, and look a new page through for fatal instructions."""
    base = paging.walk(notes.words, notes.root, page)[1] & paging.FRAME_MASK
    notes.code_pages[page] = base
    notes.code_frames.add(base // PAGE_SIZE)
    if page not in notes.scanned_pages:
        notes.new_exits.update(fatal_places(notes, page))
    return base


def fatal_places(notes: Notes, page: int) -> set[int]:
    """Where in a page an instruction may lie that the engine must never translate."""
    notes.scanned_pages.add(page)
    code = notes.code(page, PAGE_SIZE + 15)
    recall_specials(notes, page, hash(code[:PAGE_SIZE]))
    return {page + offset for offset in fatal_offsets(code)} - notes.exits


@lru_cache(maxsize=8)
def fatal_offsets(code: bytes) -> tuple[int, ...]:
    """Where they may begin in a page, which is given with the beginning of the next one."""
    return tuple(match.start() for match in decode.FATAL.finditer(code) if match.start() < PAGE_SIZE)


def recall_specials(notes: Notes, page: int, key: int) -> None:
    """Watch at once for what was found in a page of the same content before: it saves a stop for each block.

    A mistaken key does no harm: a watch makes sure of the instruction before it stops the program.
    """
    notes.page_keys[page] = key
    for offset, special in notes.page_specials.get(key, {}).items():
        note_special(notes, page + offset, special)


def watch_callback(notes: Notes) -> Any:
    """Before an instruction that needs care: those that CHECKED names only when their operand is at fault."""

    def watch(_engine: int, address: int, _size: int, _data: int) -> None:
        notes.load_registers()
        for special in notes.watched.get(address, ()):
            if special.kind not in CHECKED:
                place, event = 0, "special"
            else:
                place = operand_address(notes, special, address)
                event = checked(notes, special, place)
            if event and not notes.event and is_still_there(notes, special, address):
                notes.event, notes.address, notes.value = event, address, place
                notes.stop()

    return CODE_HOOK(guarded(notes, watch))


def passing_callback(notes: Notes) -> Any:
    """Before an instruction that an observer looks at: the program goes on unless it says no.

    An instruction that another hook stops, because its operand is at fault, was told of all the same.
    """

    def passing(_engine: int, address: int, _size: int, _data: int) -> None:
        if notes.observer is None or notes.event in BEFORE_BLOCKS:
            return
        notes.load_registers()
        if not notes.observer(address):
            notes.event, notes.address = "held", address
            notes.stop()

    return CODE_HOOK(guarded(notes, passing))


def operand_address(notes: Notes, special: Special, address: int) -> int:
    """The linear address of the operand of a special instruction that lies at `address`."""
    operand = special.operand
    if operand is None:
        return 0
    base = notes.segment_base(operand.segment) if operand.segment else 0
    return decode.effective_address(operand, notes.values, address + special.length, base)


def is_still_there(notes: Notes, special: Special, address: int) -> bool:
    """Whether the code at `address` is the instruction that was seen there, and not another program's."""
    code, bits = notes.code(address), notes.bits()
    now = decode.first(code, bits)
    if special.kind in CHECKED:
        return special == now or special in decode.accesses(code[: special.length], bits)
    return now is not None and now.kind not in CHECKED


def checked(notes: Notes, special: Special, place: int) -> str:
    """The event that an operand at virtual address `place` causes, or ''."""
    match special.kind:
        case "touch":
            return touched(notes, place)
        case "access":
            wrong = notes.values[RFLAGS] & ALIGNMENT_CHECK and place % special.size
            return "alignment" if wrong and decode.is_canonical(place) else ""
        case "load-mxcsr":
            return loaded_mxcsr(notes, special, place)
        case "save-mxcsr" if notes.simd:
            notes.simd.update()
    if special.name != "stmxcsr" and place & 15 and not tolerates_misalignment(notes, special):
        return "protection"
    return ""


def touched(notes: Notes, place: int) -> str:
    """A cache-line instruction: it needs its page to be readable, and marks it as accessed."""
    at, entry = paging.walk(notes.words, notes.root, place)
    if entry & paging.USER:
        notes.words[at] = entry | paging.ACCESSED
        return ""
    return "touch" if decode.is_canonical(place) else "protection"


def tolerates_misalignment(notes: Notes, special: Special) -> bool:
    """AMD's misaligned mode covers loads by arithmetic, not the moves that are aligned by name."""
    if special.name.startswith(("mov", "fx")) or notes.simd is None:
        return False
    return bool(notes.simd.mxcsr() & MXCSR_MISALIGNED)


def loaded_mxcsr(notes: Notes, special: Special, place: int) -> str:
    """MXCSR gets a new value: reserved bits fault, and exceptions may become unmasked."""
    alone = special.name == "ldmxcsr"
    if not alone and place & 15:
        return "protection"
    image = notes.code(place + (0 if alone else 24), 4)
    if len(image) < 4:
        return ""
    value = int.from_bytes(image, "little")
    if value & ~MXCSR_MASK:
        return "protection"
    if unmasked(value) and not notes.unmasked:
        return "unmask"
    notes.unmasked = bool(unmasked(value))
    if notes.simd:
        notes.simd.clear()
    return ""

"""Passes over a ``Model``: each brings every label to where nasm's pass of the same number has it, so that the end is nasm's too.

A pass looks at chunks of the model (``layout_chunks``): where all moves alike at once, and elsewhere item by item, so that a
wave of jumps that grow one after the other costs little more than its lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from toolkit.asm.expr import StatementError
from toolkit.asm.layout import Layout, Pass
from toolkit.asm.layout_chunks import STILL, Chunk, Lanes
from toolkit.asm.layout_model import Evaluated, Model
from toolkit.asm.layout_place import Place, PlaceError
from toolkit.asm.layout_symbols import Label, LabelError
from toolkit.asm.statement import Fixup, Value

MAX_VISITS = 40_000_000  # items and chunks looked at over all passes
_EVALUATED = 20  # what evaluating a statement costs, in jumps


def settle(model: Model, layout: Layout, hopeless: Callable[[], bool]) -> bool:
    """Pass after pass until no label moves; ``hopeless`` is asked behind each in which one did. False: there is no hope."""
    labels = layout.labels
    scope = labels.scope
    settler = _Settler(model, layout)
    while settler.visits < MAX_VISITS:
        labels.begin_pass()
        settler.once()
        labels.scope = scope
        if not labels.changed:
            settler.place_labels()
            return True
        layout.passes += 1
        if hopeless():
            return False
    return False


class _Settler:
    """``new`` and ``old``: by how much each lane moves in this pass and in the last one, None where its parts differ.

    ``exits``: by how much the last part of each section moved that this pass has come to. ``biggest`` of these in this pass, and
    their sum over the passes, limit what jumps to far away may miss.
    """

    def __init__(self, model: Model, layout: Layout) -> None:
        self.model = model
        self.labels = layout.labels
        self.counts = [len(labels) for labels in model.labels]
        self.run = _SizesOnly(layout, lambda *_, **__: None, {})
        self.lanes = Lanes(model, layout.labels)
        self.old: list[int | None] = [None] * len(self.lanes.chain)
        self.new: list[int | None] = [0] * len(self.lanes.chain)
        self.old[STILL] = 0
        self.exits: list[int] = []
        self.spent = self.biggest = self.visits = 0

    def once(self) -> None:
        """One pass: every chunk in the order of the program."""
        self.exits = [0] * (max(self.lanes.chain) + 1)
        self.biggest = 0
        chunks = self.lanes.chunks
        self.visits += len(chunks)
        for number, chunk in enumerate(chunks):
            if self._rests(chunk):
                self._move(chunk)
            else:
                self._visit(chunk)
                self.visits += len(chunk.items)
                if 2 * (self.spent + self.biggest) > chunk.limit:
                    self.lanes.survey(number, 2 * self.spent)
        self.spent += self.biggest
        self.old, self.new = self.new, self.old

    def _rests(self, chunk: Chunk) -> bool:
        """Whether all that the chunk's sizes depend on moves alike. What was not yet come to moves as in the last pass."""
        old, new, exits, chain = self.old, self.new, self.exits, self.lanes.chain
        if 2 * (self.spent + self.biggest) > chunk.limit:
            return False
        for lane in chunk.lanes:
            if old[lane] != exits[chain[lane]]:
                return False
        for lane, other in chunk.after:
            if old[other] != old[lane]:
                return False
        for lane, other in chunk.before:
            if new[other] != old[lane]:
                return False
        for lane in chunk.still_after:
            if old[lane] != 0:
                return False
        for lane in chunk.still_before:
            if new[lane] != 0:
                return False
        return not any(old[lane] for lane in chunk.pinned)

    def _move(self, chunk: Chunk) -> None:
        lanes, new = self.lanes, self.new
        new[chunk.equ] = 0
        for lane in chunk.lanes:
            shift = new[lane] = self.exits[lanes.chain[lane]]
            if shift:
                lanes.shift[lane] += shift
                self.labels.changed += lanes.counts[lane]

    def _visit(self, chunk: Chunk) -> None:
        """Go over the items in the order of the program."""
        places, counts, of, shift = self.model.places, self.counts, self.lanes.of, self.lanes.shift
        moves: dict[int, list[int]] = {lane: [] for lane in chunk.lanes}
        moved = 0
        self.new[chunk.equ] = 0
        for stretch, distance, behind, target, reach, short, near, evaluated in chunk.items:
            start = places[stretch] + shift[of[stretch]]
            if evaluated is None:
                size = short if -128 <= places[target] + shift[of[target]] - start + reach <= 127 else near
                place = start + distance + size
            else:
                place = self._behind(evaluated, start + distance, chunk)
            lane = of[behind]
            move = place - places[behind] - shift[lane]
            moves[lane].append(move)
            if move:
                places[behind] += move
                moved += counts[behind]
        self.labels.changed += moved
        for lane, all_moves in moves.items():
            last = self.exits[self.lanes.chain[lane]] = all_moves[-1]
            least, most = min(all_moves), max(all_moves)
            self.new[lane] = last if least == most else None
            self.biggest = max(self.biggest, most, -least)

    def _behind(self, evaluated: Evaluated, place: int, chunk: Chunk) -> int:
        for label, stretch, distance in evaluated.placed:
            _place(label, self.lanes.place(stretch) + distance)
        state = evaluated.seen(place)
        if state != evaluated.state:
            evaluated.state = state
            self.labels.scope = evaluated.scope
            changed = self.labels.changed
            evaluated.size = self.run.size_of(evaluated, place)
            self.visits += _EVALUATED
            if chunk.equ and self.labels.changed != changed:
                self.new[chunk.equ] = None
        return place + evaluated.size

    def place_labels(self) -> None:
        """Give every label its last place: until now those had theirs that some statement looked at."""
        for stretch, labels in enumerate(self.model.labels):
            for label, distance in labels:
                _place(label, self.lanes.place(stretch) + distance)


def _place(label: Label, offset: int) -> None:
    if offset != label.offset:
        label.offset = offset
        label.value = offset if label.base is None else Value(offset, ((label.base, 1),))


class _Counter(Place):
    """A place that takes bytes and keeps their number alone."""

    count = 0

    @property
    def offset(self) -> int:
        return self.count

    def at(self, evaluated: Evaluated, offset: int) -> None:
        self.section, self.absolute_base, self.count = evaluated.section, evaluated.base, offset

    def write(self, data: bytes, fixups: Sequence[Fixup] = ()) -> str:
        self.count += len(data)
        return ""

    def reserve(self, size: int) -> bool:
        self.count += size
        return False


class _SizesOnly(Pass):
    """Statements one by one, wherever a settler says they are; what they say is for the last pass to repeat."""

    def size_of(self, evaluated: Evaluated, offset: int) -> int:
        """The bytes that the statement takes at ``offset``; an EQU takes none and gives its label a new value."""
        place = self.place = self._counter
        place.at(evaluated, offset)
        self.line = evaluated.line
        self.context = evaluated.context
        with suppress(StatementError, PlaceError, LabelError):
            self.lay_out_body(evaluated.statement)
        return place.count - offset

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._counter = _Counter(self.layout.text)

    def note(self, start: int, length: int, times: int, kind: int) -> None:
        """Nothing of this pass is listed."""

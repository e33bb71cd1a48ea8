"""Passes over a ``Model``: each brings every label to where nasm's pass of the same number has it, so that the end is nasm's too.

A jump costs a fraction of a microsecond in a pass, anything else in the program nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from toolkit.asm.expr import StatementError
from toolkit.asm.layout import Layout, Pass
from toolkit.asm.layout_model import Evaluated, Model, Placed
from toolkit.asm.layout_place import Place, PlaceError
from toolkit.asm.layout_symbols import LabelError
from toolkit.asm.statement import Fixup, Value

MAX_VISITS = 40_000_000  # items looked at over all passes
_EVALUATED = 20  # what evaluating a statement costs, in jumps


def settle(model: Model, layout: Layout, hopeless: Callable[[], bool]) -> bool:
    """Pass after pass until no label moves; ``hopeless`` is asked behind each in which one did. False: there is no hope."""
    settler = _Settler(model, layout)
    labels = layout.labels
    cost = len(model.items) + _EVALUATED * model.evaluated
    for _ in range(MAX_VISITS // max(cost, 1)):
        labels.begin_pass()
        settler.once()
        if not labels.changed:
            settler.place_labels()
            return True
        layout.passes += 1
        if hopeless():
            return False
    return False


class _Settler:
    def __init__(self, model: Model, layout: Layout) -> None:
        self.model = model
        self.labels = layout.labels
        self.counts = [len(labels) for labels in model.labels]
        self.run = _SizesOnly(layout, lambda *_, **__: None, {})

    def once(self) -> None:
        """One pass: every item in the order of the program."""
        places, counts, watched = self.model.places, self.counts, self.model.watched
        moved = 0
        for stretch, distance, behind, target, reach, short, near, evaluated in self.model.items:
            start = places[stretch]
            if evaluated is None:
                size = short if -128 <= places[target] - start + reach <= 127 else near
                place = start + distance + size
            else:
                place = self._behind(evaluated, start + distance)
            if place != places[behind]:
                places[behind] = place
                moved += counts[behind]
                if watched[behind]:
                    _move(watched[behind], place)
        self.labels.changed += moved

    def place_labels(self) -> None:
        """Give every label its last place: until now those had theirs that some statement looks at."""
        for labels, place in zip(self.model.labels, self.model.places, strict=True):
            _move(labels, place)

    def _behind(self, evaluated: Evaluated, place: int) -> int:
        state = evaluated.seen(place)
        if state != evaluated.state:
            evaluated.state = state
            self.labels.scope = evaluated.scope
            evaluated.size = self.run.size_of(evaluated, place)
        return place + evaluated.size


def _move(labels: list[Placed], place: int) -> None:
    for label, distance in labels:
        offset = label.offset = place + distance
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

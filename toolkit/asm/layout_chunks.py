"""A model cut into chunks, so that a pass need not look at those in which nothing can change its size.

The part of a chunk that lies in one section is a *lane*. In a quiet pass all of a lane moves by the same distance, and so do the
places that its statements look at: then no size in it can change, and the lane is moved as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.asm.layout_model import Evaluated, Jump, Model
from toolkit.asm.layout_symbols import Label, Labels
from toolkit.asm.parser_statement import EQU

CHUNK = 64  # items
NEAR = 2048  # bytes between a jump's reach and its target, below which a chunk asks about the target in each pass
STILL = 0  # the lane of what never moves: where the program enters a section first


class Chunk:
    """``before`` and ``after``: (lane, lane looked at, in this pass or in the last one) that must move alike for the chunk to rest.

    ``still_before`` and ``still_after``: lanes that must not move. ``pinned``: lanes of its own that must not. ``limit``: how far
    places may move from each other in all until a jump to somewhere far away could change.
    """

    __slots__ = (
        "after",
        "before",
        "equ",
        "items",
        "lanes",
        "limit",
        "pinned",
        "still_after",
        "still_before",
    )

    def __init__(self, items: Sequence[Jump]) -> None:
        self.items = items
        self.lanes: list[int] = []
        self.equ = STILL
        self.limit = -1
        self.forget()

    def forget(self) -> None:
        """Look at nothing outside."""
        self.before: list[tuple[int, int]] = []
        self.after: list[tuple[int, int]] = []
        self.still_before: list[int] = []
        self.still_after: list[int] = []
        self.pinned: list[int] = []


class Lanes:
    """All lanes of a model. ``shift``: how far each moved as a whole, which ``model.places`` has not followed."""

    def __init__(self, model: Model, labels: Labels) -> None:
        self.model = model
        self.of = [STILL] * len(model.places)  # by stretch
        self.chain = [0]  # by lane: the number of its section, or of one piece of absolute space
        self.chunk = [-1]  # by lane
        self.counts = [0]  # by lane: labels
        self.equs: dict[Label, int] = {}  # the lane that says whether some EQU of a chunk has another value
        self.chunks = [Chunk(model.items[at : at + CHUNK]) for at in range(0, len(model.items), CHUNK)]
        self._cut(labels)
        self.shift = [0] * len(self.chain)

    def _cut(self, labels: Labels) -> None:
        chains = [0] * len(self.model.places)
        known = 0
        counts = [len(placed) for placed in self.model.labels]
        for number, chunk in enumerate(self.chunks):
            lanes: dict[int, int] = {}
            for item in chunk.items:
                if not chains[item.stretch]:
                    known = chains[item.stretch] = known + 1
                chain = chains[item.behind] = chains[item.stretch]
                lane = lanes.get(chain)
                if lane is None:
                    lane = lanes[chain] = self._lane(chain, number)
                self.of[item.behind] = lane
                self.counts[lane] += counts[item.behind]
                if item.evaluated is not None and item.evaluated.statement.kind == EQU:
                    self._add_equ(item.evaluated, chunk, number, labels)
            chunk.lanes = list(lanes.values())

    def _lane(self, chain: int, number: int) -> int:
        self.chain.append(chain)
        self.chunk.append(number)
        self.counts.append(0)
        return len(self.chain) - 1

    def _add_equ(self, evaluated: Evaluated, chunk: Chunk, number: int, labels: Labels) -> None:
        labels.scope = evaluated.scope
        label = labels.find(evaluated.statement.label or "")
        if label is not None:
            chunk.equ = chunk.equ or self._lane(0, number)
            self.equs[label] = chunk.equ

    def place(self, stretch: int) -> int:
        return self.model.places[stretch] + self.shift[self.of[stretch]]

    def survey(self, number: int, spent: int) -> None:
        """Find out anew what a chunk looks at, and how far that is; ``spent``: what ``limit`` counts from."""
        chunk = self.chunks[number]
        chunk.forget()
        slack = 1 << 62
        near: set[tuple[int, int]] = set()
        still: set[int] = set()
        pinned: set[int] = set()
        for item in chunk.items:
            lane = self.of[item.behind]
            if item.evaluated is not None:
                self._survey_evaluated(item.evaluated, lane, near, still, pinned)
            elif item.near != item.short:
                room = _slack(self.place(item.target) - self.place(item.stretch) + item.reach)
                if room < NEAR:
                    near.add((lane, self.of[item.target]))
                else:
                    slack = min(slack, room)
        chunk.limit = slack + spent
        chunk.pinned = sorted(pinned)
        for pair in sorted(near):
            (chunk.before if self.chunk[pair[1]] < number else chunk.after).append(pair)
        for lane in sorted(still):
            (chunk.still_before if self.chunk[lane] < number else chunk.still_after).append(lane)

    def _survey_evaluated(
        self, evaluated: Evaluated, lane: int, near: set[tuple[int, int]], still: set[int], pinned: set[int]
    ) -> None:
        looked_at = {self.of[stretch] for _, stretch, _ in evaluated.placed}
        still.update(self.equs[label] for label in evaluated.depends if label in self.equs)
        if evaluated.anchor is None:
            pinned.add(lane)
            still |= looked_at
        elif {self.chain[other] for other in looked_at} <= {self.chain[lane]}:
            near.update((lane, other) for other in looked_at)
        else:
            still |= looked_at


def _slack(distance: int) -> int:
    """How much a distance may change without a jump over it changing its size."""
    if -128 <= distance <= 127:
        return min(distance + 128, 127 - distance)
    return distance - 128 if distance > 0 else -129 - distance

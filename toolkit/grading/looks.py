"""What checks looked at in a program's memory, so that the next grading's runs record it at once and need not be made again.

A check says what it wants to see when the run is over; what was not recorded is found by another run, that is the same to the
last instruction. Only what the grader's own text names, a symbol, is remembered: nothing of a submission reaches the next.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace

from toolkit.grading.evidence import BuildRequest, Peek, RunRequest

RUNS_KEPT = 500
PEEKS_KEPT = 16  # of a run
LONGEST = 64 << 10  # bytes
FREE_MOMENTS = ("start", "exit")  # to note the process there changes nothing that a run counts
_ANY_PROGRAM = BuildRequest("")


@dataclass(slots=True)
class _Known:
    """What was asked of one run: whether it is noted at its start, and memory."""

    start: bool = False
    peeks: OrderedDict[Peek, None] = field(default_factory=OrderedDict)


class Looks:
    """Of one exercise's graders: what they asked for, by the run they asked it of."""

    def __init__(self) -> None:
        self._runs: OrderedDict[RunRequest, _Known] = OrderedDict()

    def with_known(self, request: RunRequest) -> RunRequest:
        """The run, with all that was asked of it before and is asked now."""
        if "start" in request.moments:
            self._known(request).start = True
        known = self._runs.get(without_looks(request).of(_ANY_PROGRAM))
        if known is None:
            return request
        moments = dict.fromkeys((*request.moments, *(("start",) if known.start else ())))
        return replace(request, peeks=tuple(known.peeks), moments=tuple(moments))

    def note(self, request: RunRequest, peek: Peek) -> None:
        """A check wanted to see this of the run."""
        named = not peek.where[:1].isdecimal()
        if not named or peek.length > LONGEST or peek.moment not in FREE_MOMENTS:
            return
        known = self._known(request)
        known.start |= peek.moment == "start"
        known.peeks[peek] = None
        if len(known.peeks) > PEEKS_KEPT:
            known.peeks.popitem(last=False)

    def note_moment(self, request: RunRequest, moment: str) -> None:
        """A check wanted to see the process at this moment of the run."""
        if moment == "start":
            self._known(request).start = True

    def _known(self, request: RunRequest) -> _Known:
        known = self._runs.setdefault(without_looks(request).of(_ANY_PROGRAM), _Known())
        if len(self._runs) > RUNS_KEPT:
            self._runs.popitem(last=False)
        return known


def without_looks(request: RunRequest) -> RunRequest:
    """The run, with nothing noted of the process that is noted for nothing."""
    moments = tuple(each for each in request.moments if each not in FREE_MOMENTS)
    return replace(request, peeks=(), moments=moments)

"""What checks looked at in a program's memory, so that the next grading's runs record it at once and need not be made again.

A check says what it wants to see when the run is over; what was not recorded is found by another run, that is the same to the
last instruction. Only what the grader's own text names, a symbol, is remembered: nothing of a submission reaches the next.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from toolkit.grading.evidence import BuildRequest, Peek, RunRequest

RUNS_KEPT = 500
PEEKS_KEPT = 16  # of a run
LONGEST = 64 << 10  # bytes
FREE_MOMENTS = ("start", "exit")  # to note the process there changes nothing that a run counts
_ANY_PROGRAM = BuildRequest("")


class Looks:
    """Of one exercise's graders: which memory they asked for, by the run they asked it of."""

    def __init__(self) -> None:
        self._peeks: OrderedDict[RunRequest, OrderedDict[Peek, None]] = OrderedDict()

    def with_known(self, request: RunRequest) -> RunRequest:
        """The run, with all that was asked of it before."""
        known = self._peeks.get(without_looks(request).of(_ANY_PROGRAM))
        if known is None:
            return request
        moments = dict.fromkeys((*request.moments, *(peek.moment for peek in known)))
        return replace(request, peeks=tuple(known), moments=tuple(moments))

    def note(self, request: RunRequest, peek: Peek) -> None:
        """A check wanted to see this of the run."""
        named = not peek.where[:1].isdecimal()
        if not named or peek.length > LONGEST or peek.moment not in FREE_MOMENTS:
            return
        peeks = self._peeks.setdefault(without_looks(request).of(_ANY_PROGRAM), OrderedDict())
        peeks[peek] = None
        for kept, most in ((peeks, PEEKS_KEPT), (self._peeks, RUNS_KEPT)):
            if len(kept) > most:
                kept.popitem(last=False)


def without_looks(request: RunRequest) -> RunRequest:
    """The run, with nothing noted of the process that is noted for nothing."""
    moments = tuple(each for each in request.moments if each not in FREE_MOMENTS)
    return replace(request, peeks=(), moments=moments)

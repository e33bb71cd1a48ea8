"""Runs that are begun before they are asked for: a grading after a save mostly asks what the one before asked.

What came after a run the last time is sent to the workers together with it. While the checks look at the evidence of one run, the
next ones are made. A guess that was wrong costs the time of that run, and nothing else.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from toolkit.grading.evidence import Broken, BuildEvidence, BuildRequest, Evidence, RunRequest
from toolkit.grading.sandbox import WorkerSandbox

AHEAD = 4  # runs each worker is sent beyond the one that is waited for
REMEMBERED = 20_000  # runs whose followers are known


@dataclass(eq=False, slots=True)
class _Step:
    """A build or a run of any program of that name, and the run that came after it the last time."""

    asked: BuildRequest | RunRequest
    following: _Step | None = None


class Foresight:
    """A ``Sandbox`` for one grading after another, of programs whose sources change in between.

    Of the runs that are foreseen the workers make one each, in turn; what was not foreseen the first one makes.
    """

    def __init__(self, *workers: WorkerSandbox) -> None:
        self._workers = workers
        self._steps: dict[BuildRequest | RunRequest, _Step] = {}
        self._last: _Step | None = None
        self._foreseen: deque[tuple[_Step, RunRequest]] = (
            deque()
        )  # of the program at hand, the next one first
        self._programs = (BuildRequest(""), BuildRequest(""))  # the one at hand, and without its sources
        self._farthest = _Step(self._programs[1])  # the last foreseen

    def build(self, request: BuildRequest) -> BuildEvidence | Broken:
        """Assemble and link, and begin with the runs that came first the last time."""
        self._foreseen.clear()
        self._last = self._step(self._without_sources(request))
        self._look_ahead(self._last)
        self._forget_guesses()
        return self._workers[0].build(request, self._share_out(0))

    def run(self, request: RunRequest) -> Evidence | Broken:
        """Run the program, and begin with what followed this run the last time."""
        self._foresee(request)
        numbers = range(len(self._workers))
        first = next((number for number in numbers if self._workers[number].begins_with(request)), None)
        if first is None:
            self._forget_guesses()
        return self._workers[first or 0].run(request, self._share_out(first or 0))

    def _forget_guesses(self) -> None:
        """All the workers are on the wrong way."""
        for worker in self._workers:
            worker.forget_guesses()

    def _share_out(self, first: int) -> list[RunRequest]:
        """Send the other workers their turns of what is foreseen; returned are the turns of the ``first``, which is about to be asked."""
        guesses, count, rounds = [run for _, run in self._foreseen], len(self._workers), AHEAD
        for turn in range(1, count):
            rounds = min(rounds, self._workers[(first + turn) % count].prepare(guesses[turn - 1 :: count]))
        # What the others could not be sent comes before the guesses that would follow.
        return guesses[count - 1 :: count][:rounds]

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers:
            worker.close()

    def _foresee(self, request: RunRequest) -> None:
        """Note what is asked for, and look further ahead by as much as was foreseen of it."""
        if self._foreseen and self._foreseen[0][1] == request:
            step, _ = self._foreseen.popleft()
        else:
            self._foreseen.clear()
            step = self._step(request.of(self._without_sources(request.build)))
        if self._last is not None:
            self._last.following = step
        self._last = step
        self._look_ahead(step)

    def _look_ahead(self, now: _Step) -> None:
        """Add what follows the last run foreseen, or else ``now``."""
        if not self._foreseen:
            self._farthest = now
        while len(self._foreseen) < AHEAD * len(self._workers) and self._farthest.following is not None:
            self._farthest = self._farthest.following
            run = self._farthest.asked
            assert isinstance(run, RunRequest)
            self._foreseen.append((self._farthest, run.of(self._with_sources(run.build))))

    def _step(self, asked: BuildRequest | RunRequest) -> _Step:
        step = self._steps.get(asked)
        if step is None:
            if len(self._steps) >= REMEMBERED:
                self._steps.clear()
            step = self._steps[asked] = _Step(asked)
        return step

    def _without_sources(self, build: BuildRequest) -> BuildRequest:
        """What any program of that name is asked for as."""
        if build is not self._programs[0]:
            self._programs = build, replace(build, sources=(), support=())
        return self._programs[1]

    def _with_sources(self, build: BuildRequest) -> BuildRequest:
        """The program at hand, asked for as ``build`` is."""
        program, bare = self._programs
        return program if build == bare else replace(build, sources=program.sources, support=program.support)

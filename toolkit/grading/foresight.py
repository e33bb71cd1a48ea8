"""Runs that are begun before they are asked for: a grading after a save mostly asks what the one before asked.

What came after a run the last time is sent to the workers together with it. While the checks look at the evidence of one run, the
next ones are made. A guess that was wrong costs the time of that run, and nothing else.
"""

from __future__ import annotations

from dataclasses import replace

from toolkit.grading.evidence import Broken, BuildEvidence, BuildRequest, Evidence, RunRequest
from toolkit.grading.sandbox import WorkerSandbox

AHEAD = 2  # runs each worker is sent beyond the one that is waited for
REMEMBERED = 20_000  # runs whose followers are known


class Foresight:
    """A ``Sandbox`` for one grading after another, of programs whose sources change in between.

    Of the runs that are foreseen the workers make one each, in turn; what was not foreseen the first one makes.
    """

    def __init__(self, *workers: WorkerSandbox) -> None:
        self._workers = workers
        self._followers: dict[RunRequest, RunRequest] = {}
        self._last: RunRequest | None = None

    def build(self, request: BuildRequest) -> BuildEvidence | Broken:
        """Assemble and link."""
        self._last = None
        return self._workers[0].build(request)

    def run(self, request: RunRequest) -> Evidence | Broken:
        """Run the program, and begin with what followed this run the last time."""
        run = without_sources(request)
        guesses = self._guesses(run, request.build)
        self._learn(run)
        count = len(self._workers)
        first = next((index for index in range(count) if self._workers[index].begins_with(request)), None)
        if first is None:
            first = 0
            for worker in self._workers:  # all of them are on the wrong way
                worker.forget_guesses()
        for turn in range(1, count):
            self._workers[(first + turn) % count].prepare(guesses[turn - 1 :: count])
        return self._workers[first].run(request, guesses[count - 1 :: count])

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers:
            worker.close()

    def _guesses(self, run: RunRequest, build: BuildRequest) -> list[RunRequest]:
        found: list[RunRequest] = []
        following = self._followers.get(run)
        while following is not None and len(found) < AHEAD * len(self._workers):
            found.append(with_sources(following, build))
            following = self._followers.get(following)
        return found

    def _learn(self, run: RunRequest) -> None:
        if self._last is not None:
            if len(self._followers) >= REMEMBERED:
                self._followers.clear()
            self._followers[self._last] = run
        self._last = run


def without_sources(request: RunRequest) -> RunRequest:
    """The run of any program of that name."""
    return replace(request, build=replace(request.build, sources=(), support=()))


def with_sources(request: RunRequest, build: BuildRequest) -> RunRequest:
    """The run of the program that has the sources of ``build``."""
    return replace(request, build=replace(request.build, sources=build.sources, support=build.support))

"""Runs that are begun before they are asked for: a grading after a save mostly asks what the one before asked.

What came after a run the last time is sent to the worker together with it. While the checks look at the evidence of one run, the
worker makes the next. A guess that was wrong costs the time of that run, and nothing else.
"""

from __future__ import annotations

from dataclasses import replace

from toolkit.grading.evidence import Broken, BuildEvidence, BuildRequest, Evidence, RunRequest
from toolkit.grading.sandbox import WorkerSandbox

AHEAD = 2  # runs the worker is sent beyond the one that is waited for
REMEMBERED = 20_000  # runs whose followers are known


class Foresight:
    """A ``Sandbox`` for one grading after another, of programs whose sources change in between."""

    def __init__(self, sandbox: WorkerSandbox) -> None:
        self._sandbox = sandbox
        self._followers: dict[RunRequest, RunRequest] = {}
        self._last: RunRequest | None = None

    def build(self, request: BuildRequest) -> BuildEvidence | Broken:
        """Assemble and link."""
        self._last = None
        return self._sandbox.build(request)

    def run(self, request: RunRequest) -> Evidence | Broken:
        """Run the program, and begin with what followed this run the last time."""
        run = without_sources(request)
        guesses: list[RunRequest] = []
        following = self._followers.get(run)
        while following is not None and len(guesses) < AHEAD:
            guesses.append(with_sources(following, request.build))
            following = self._followers.get(following)
        if self._last is not None:
            if len(self._followers) >= REMEMBERED:
                self._followers.clear()
            self._followers[self._last] = run
        self._last = run
        return self._sandbox.run(request, guesses)

    def close(self) -> None:
        """End the worker."""
        self._sandbox.close()


def without_sources(request: RunRequest) -> RunRequest:
    """The run of any program of that name."""
    return replace(request, build=replace(request.build, sources=(), support=()))


def with_sources(request: RunRequest, build: BuildRequest) -> RunRequest:
    """The run of the program that has the sources of ``build``."""
    return replace(request, build=replace(request.build, sources=build.sources, support=build.support))

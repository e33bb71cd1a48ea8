"""What ``toolkit verify`` finds out about exercises, several at a time, and how it says so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.grading.exercise import Exercise
    from toolkit.grading.mutation import Mutation
    from toolkit.grading.sandbox import WorkerSandbox
    from toolkit.grading.scoring import MutationScore
    from toolkit.grading.verify import Proof


@dataclass(frozen=True)
class Verification:
    """One exercise's proofs, and its mutation score where that was asked for (``problem``: why there is none)."""

    exercise: str
    proofs: Sequence[Proof]
    score: MutationScore | None = None
    problem: str = ""

    @property
    def failed(self) -> list[Proof]:
        return [proof for proof in self.proofs if not proof.holds]

    def lines(self, *, verbose: bool) -> Iterator[str]:
        """What is printed of it; ``verbose``: also what holds."""
        held = len(self.proofs) - len(self.failed)
        yield f"{'NOT' if self.failed else 'ok '} {self.exercise}: {held} of {len(self.proofs)}"
        for proof in self.proofs if verbose else self.failed:
            word = "ok" if proof.holds else "broken" if proof.broken else "not so"
            yield f"    {word}: {proof.statement}" + (f": {proof.reason}" if proof.reason else "")
        if self.problem:
            yield f"    no mutants: {self.problem}"
        if self.score is not None:
            yield from _score_lines(self.score)
            if verbose:
                for mutant in self.score.equivalent:
                    yield from _mutant_lines(
                        "did the same as the reference in every run of the checks", mutant
                    )


@dataclass
class Tally:
    """What was found over all exercises."""

    holding: int = 0
    missing: int = 0
    broken: int = 0
    scores: list[MutationScore] = field(default_factory=list)

    def add(self, found: Verification) -> None:
        self.holding += len(found.proofs) - len(found.failed)
        self.missing += sum(not proof.broken for proof in found.failed) + bool(found.problem)
        self.broken += sum(proof.broken for proof in found.failed)
        if found.score is not None:
            self.scores.append(found.score)
            self.missing += len(found.score.survivors) + len(found.score.broken) + len(found.score.stale)

    @property
    def exit_status(self) -> int:
        return 3 if self.broken else 1 if self.missing else 0

    def lines(self) -> Iterator[str]:
        if self.scores:
            counted = sum(each.counted for each in self.scores)
            killed = sum(each.killed for each in self.scores)
            share = killed / counted if counted else 1.0
            alike = sum(len(each.equivalent) for each in self.scores)
            reasons = sum(len(each.justified) for each in self.scores)
            yield (
                f"{share:.1%} of {counted:,} mutants rejected;"
                f" {alike:,} more did the same as the reference; survivors with a reason: {reasons}"
            )
        yield f"{self.holding:,} statements proven, {self.missing} do not hold, {self.broken} broken"


def _score_lines(score: MutationScore) -> Iterator[str]:
    others = f"{len(score.equivalent)} did the same as the reference, {len(score.justified)} justified"
    yield f"    {score.share:.0%} of {score.counted} mutants rejected ({others})"
    for mutant in score.survivors:
        yield from _mutant_lines("survived", mutant)
        before, after = mutant.change
        yield "      no check rejects it: make one stricter, or give a reason in survivors.md:"
        yield f"      - `{before}` → `{after}`: why nobody needs to notice"
    for mutant in score.broken:
        yield from _mutant_lines("could not be judged", mutant)
    for before, after in score.stale:
        yield "    a reason in survivors.md is stale, for no such mutant survives; delete its line:"
        yield f"      - `{before}` → `{after}`"


def _mutant_lines(word: str, mutant: Mutation) -> Iterator[str]:
    yield f"    {word}:"
    yield from (f"      {line}" for line in mutant.diff().splitlines())


def verify_all(exercises: Sequence[Exercise], *, mutate: bool, jobs: int) -> Iterator[Verification]:
    """Verify each exercise, ``jobs`` of them at the same time, in their order."""
    from toolkit.grading.sandbox import WorkerSandbox

    workers = [WorkerSandbox() for _ in range(max(1, min(jobs, len(exercises))))]
    free: SimpleQueue[WorkerSandbox] = SimpleQueue()
    for worker in workers:
        free.put(worker)

    def one(exercise: Exercise) -> Verification:
        sandbox = free.get()
        try:
            return _verify_one(exercise, sandbox, mutate)
        finally:
            free.put(sandbox)

    try:
        with ThreadPoolExecutor(len(workers)) as pool:
            yield from pool.map(one, exercises)
    finally:
        for worker in workers:
            worker.close()


def _verify_one(exercise: Exercise, sandbox: WorkerSandbox, mutate: bool) -> Verification:
    from toolkit.grading.checks import BrokenCheck
    from toolkit.grading.exercise import SubmissionError
    from toolkit.grading.scoring import score
    from toolkit.grading.verify import verify

    proofs = list(verify(exercise, sandbox))
    if not mutate:
        return Verification(exercise.identity, proofs)
    try:
        return Verification(exercise.identity, proofs, score(exercise, sandbox))
    except (BrokenCheck, SubmissionError) as error:
        return Verification(exercise.identity, proofs, problem=str(error))

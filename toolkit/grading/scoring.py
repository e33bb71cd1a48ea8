"""The mutation score of an exercise: which share of machine-made mistakes its checks notice.

A mutant that does not assemble, or gives the reference's own bytes, is none. One that passes every check is dropped as
equivalent when its traces are the reference's on all the checks' inputs (``trace.py`` beside this file). What then still
passes is a survivor: the checks do not look where it differs. A survivor may be justified in ``survivors.md`` beside the
exercise, one line each: ``- `before` → `after`: reason`` (an empty ``after``: left out). A line justifies one survivor; one
that justifies none is stale.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from toolkit.grading.checks import BrokenCheck
from toolkit.grading.evidence import FileData
from toolkit.grading.exercise import Exercise, Submission
from toolkit.grading.mutation import Mutation, full_register, mutations
from toolkit.grading.program import Program
from toolkit.grading.report import Status
from toolkit.grading.runner import grade_program
from toolkit.grading.sandbox import Sandbox
from toolkit.grading.trace import Detail, same_traces
from toolkit.grading.verify import mutant_budget

REASONS = "survivors.md"
_JUSTIFIED = re.compile(r"^\s*[-*]\s*`([^`]*)`\s*(?:→|->)\s*`([^`]*)`\s*:\s*\S")


Change = tuple[str, str]  # a line before and after, without indentation and comment


@dataclass
class MutationScore:
    """``equivalent`` mutants are not counted, nor are ``broken`` ones, which could not be judged.

    A mutant that asks for a system call which the emulated kernel lacks is noticed: no reference makes one.
    ``stale``: (before, after) of the reasons in ``survivors.md`` that no survivor has.
    """

    exercise: str
    killed: int = 0
    broken: list[Mutation] = field(default_factory=list)
    equivalent: list[Mutation] = field(default_factory=list)
    survivors: list[Mutation] = field(default_factory=list)
    justified: list[Mutation] = field(default_factory=list)
    stale: list[Change] = field(default_factory=list)

    @property
    def counted(self) -> int:
        return self.killed + len(self.survivors) + len(self.justified)

    @property
    def share(self) -> float:
        """Noticed ones of all that count, 0 to 1."""
        return self.killed / self.counted if self.counted else 1.0


def score(exercise: Exercise, sandbox: Sandbox) -> MutationScore:
    """Make and grade every mutant of the reference. Raises BrokenCheck when the reference does not pass, SubmissionError."""
    reference = exercise.reference()
    original = Program(exercise.build_request(reference), exercise.options, sandbox)
    if grade_program(exercise, original).status is not Status.PASSED:
        raise BrokenCheck("the reference does not pass")
    result = MutationScore(exercise.identity)
    reasons = justified(exercise)
    options = replace(exercise.options, budget=mutant_budget(original))
    for mutation, submission in _mutants(exercise, reference):
        mutant = Program(exercise.build_request(submission), options, sandbox)
        _judge(result, mutation, exercise, original, mutant, reasons)
    result.stale = list(reasons.elements())
    return result


def _mutants(exercise: Exercise, reference: Submission) -> Iterator[tuple[Mutation, Submission]]:
    """Each change of each source that the student writes, and the program that it makes of the reference."""
    given = {source.name: source.data.decode("latin-1") for source in exercise.own_submission().sources}
    for place, source in enumerate(reference.sources):
        text = source.data.decode("latin-1")
        starter = "" if exercise.is_worked_example else given[source.name]
        for mutation in mutations(text, starter):
            changed = FileData(source.name, mutation.apply(text).encode("latin-1"))
            sources = (*reference.sources[:place], changed, *reference.sources[place + 1 :])
            yield mutation, Submission(sources, reference.support)


def _judge(
    result: MutationScore,
    mutation: Mutation,
    exercise: Exercise,
    original: Program,
    mutant: Program,
    reasons: Counter[Change],
) -> None:
    if not mutant.elf or mutant.elf == original.elf:
        return
    status = grade_program(exercise, mutant, fail_fast=True).status
    if status is Status.FAILED or mutant.unsupported:
        result.killed += 1
    elif status is Status.BROKEN:
        result.broken.append(mutation)
    elif same_traces(original, mutant, _detail(exercise, mutation)):
        result.equivalent.append(mutation)
    elif reasons[mutation.change]:
        reasons[mutation.change] -= 1
        result.justified.append(mutation)
    else:
        result.survivors.append(mutation)


def _detail(exercise: Exercise, mutation: Mutation) -> Detail:
    """Without an instruction a run is shorter; registers are an outcome of a program only where a check reads them."""
    grader = (exercise.folder / "grader.py").read_text(encoding="utf-8")
    reads = "register(" in grader or ".registers" in grader
    names = frozenset(full_register(word) for word in re.findall(r"\w+", grader)) if reads else frozenset()
    return Detail(count=mutation.kind != "instruction dropped", registers=names)


def justified(exercise: Exercise) -> Counter[Change]:
    """The changes that ``survivors.md`` gives a reason for, and how many reasons each."""
    try:
        text = (exercise.folder / REASONS).read_text(encoding="utf-8")
    except OSError:
        return Counter()
    return Counter((found[1], found[2]) for line in text.splitlines() if (found := _JUSTIFIED.match(line)))

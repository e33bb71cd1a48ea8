"""The mutation score of an exercise: which share of machine-made mistakes its checks notice.

A mutant that does not assemble, or gives the reference's own bytes, is none. One that passes every check is dropped as equivalent
when its traces are the reference's on all the checks' inputs: as many instructions, the same system calls with the same
arguments and results, the same output, registers and writable memory at the end (addresses of code aside, which move
with the length of what is before them). What then still passes is a survivor: the checks do not look where it differs. A survivor may be justified in ``survivors.md`` beside the exercise, one line each:
``- `before` → `after`: reason`` (an empty ``after``: left out).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from toolkit.grading.checks import BrokenCheck
from toolkit.grading.evidence import Evidence, FileData, Peek, RunRequest
from toolkit.grading.exercise import Exercise, Submission
from toolkit.grading.mutation import Mutation, mutations
from toolkit.grading.program import Program, peek_key
from toolkit.grading.report import Status
from toolkit.grading.runner import grade_program
from toolkit.grading.sandbox import Sandbox

LARGEST_AREA = 1 << 20  # bytes of one writable area whose contents are compared
SLOWER = 20  # times the reference's instructions that a mutant may execute in one run
LEAST_BUDGET = 200_000
_JUSTIFIED = re.compile(r"^\s*[-*]\s*`([^`]*)`\s*(?:→|->)\s*`([^`]*)`\s*:\s*\S")


@dataclass
class MutationScore:
    """``equivalent`` mutants are not counted; ``broken`` ones could not be judged."""

    exercise: str
    killed: int = 0
    broken: int = 0
    equivalent: list[Mutation] = field(default_factory=list)
    survivors: list[Mutation] = field(default_factory=list)
    justified: list[Mutation] = field(default_factory=list)

    @property
    def counted(self) -> int:
        return self.killed + len(self.survivors) + len(self.justified)

    @property
    def share(self) -> float:
        """Noticed ones of all that count, 0 to 1."""
        return self.killed / self.counted if self.counted else 1.0


def score(exercise: Exercise, sandbox: Sandbox) -> MutationScore:
    """Make and grade every mutant of the main source. Raises BrokenCheck when the reference does not pass, SubmissionError."""
    reference = exercise.reference()
    original = Program(exercise.build_request(reference), exercise.options, sandbox)
    if grade_program(exercise, original).status is not Status.PASSED:
        raise BrokenCheck("the reference does not pass")
    result = MutationScore(exercise.identity)
    reasons = justified(exercise)
    options = replace(exercise.options, budget=_budget(original))
    main, *rest = reference.sources
    text = main.data.decode("latin-1")
    starter = exercise.own_submission().sources[0].data.decode("latin-1")
    for mutation in mutations(text, "" if exercise.is_worked_example else starter):
        changed = FileData(main.name, mutation.apply(text).encode("latin-1"))
        request = exercise.build_request(Submission((changed, *rest), reference.support))
        _judge(result, mutation, exercise, original, Program(request, options, sandbox), reasons)
    return result


def _budget(original: Program) -> int:
    longest = max((original.evidence(request).instructions for request in original.requests), default=0)
    return max(LEAST_BUDGET, SLOWER * longest)


def _judge(
    result: MutationScore,
    mutation: Mutation,
    exercise: Exercise,
    original: Program,
    mutant: Program,
    reasons: set[tuple[str, str]],
) -> None:
    if not mutant.elf or mutant.elf == original.elf:
        return
    status = grade_program(exercise, mutant, fail_fast=True).status
    if status is Status.FAILED:
        result.killed += 1
    elif status is Status.BROKEN:
        result.broken += 1
    elif same_traces(original, mutant):
        result.equivalent.append(mutation)
    elif (mutation.before.strip(), mutation.after.strip()) in reasons:
        result.justified.append(mutation)
    else:
        result.survivors.append(mutation)


def same_traces(original: Program, mutant: Program) -> bool:
    """Whether every run that the checks made of the mutant went as the reference's did."""
    expected = {_inputs(request): request for request in original.requests}
    for request in mutant.requests:
        other = expected.get(_inputs(request))
        if other is None or _trace(original, other) != _trace(mutant, request):
            return False
    return True


def _inputs(request: RunRequest) -> RunRequest:
    return replace(request, build=replace(request.build, sources=()), budget=None)


def _trace(program: Program, request: RunRequest) -> tuple[object, ...]:
    evidence = program.evidence(request)
    end = evidence.moments.get("exit")
    registers = (
        {name: value for name, value in end.registers.items() if name not in ("rip", "rflags")} if end else {}
    )
    code = _code_range(program)
    registers = {name: 0 if value in code else value for name, value in registers.items()}
    calls = tuple((call.name, call.arguments, call.result) for call in evidence.syscalls)
    ending = (evidence.exit_code, evidence.signal, evidence.cut_short, evidence.stdout, evidence.stderr)
    return (
        *ending,
        evidence.instructions,
        calls,
        registers,
        evidence.files,
        _memory(program, request, evidence),
    )


def _memory(program: Program, request: RunRequest, evidence: Evidence) -> tuple[object, ...]:
    """What the writable areas hold at the end."""
    end = evidence.moments.get("exit")
    if end is None:
        return ()
    areas = [
        area for area in end.maps.areas if "w" in area.permissions and area.end - area.start <= LARGEST_AREA
    ]
    peeks = tuple(Peek("exit", f"{area.start:#x}", area.end - area.start) for area in areas)
    looked = program.evidence(replace(request, peeks=peeks)).moments.get("exit")
    if looked is None:
        return ()
    code = _code_range(program)
    return tuple(_without_code_addresses(looked.memory.get(peek_key(peek)), code) for peek in peeks)


def _code_range(program: Program) -> range:
    executable = [section for section in program.build.sections if "X" in section.flags]
    if not executable:
        return range(0)
    return range(
        min(each.address for each in executable), max(each.address + each.size for each in executable) + 1
    )


def _without_code_addresses(data: bytes | None, code: range) -> Sequence[int] | bytes | None:
    """As quadwords, return addresses replaced by 0."""
    if data is None or len(data) % 8:
        return data
    return [0 if word in code else word for word in memoryview(data).cast("Q")]


def justified(exercise: Exercise) -> set[tuple[str, str]]:
    """(before, after) of the survivors that ``survivors.md`` gives a reason for."""
    try:
        text = (exercise.folder / "survivors.md").read_text(encoding="utf-8")
    except OSError:
        return set()
    return {(found[1], found[2]) for line in text.splitlines() if (found := _JUSTIFIED.match(line))}

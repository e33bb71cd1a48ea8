"""Builds and runs what a request asks for, in this process. One machine serves every run; builds are kept by content."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from toolkit.grading import building
from toolkit.grading.building import Built
from toolkit.grading.calling import MOST_FOLLOWED
from toolkit.grading.computers import PRINTED_CALLS, Computers
from toolkit.grading.evidence import (
    Broken,
    BuildEvidence,
    BuildRequest,
    Evidence,
    FaultRecord,
    FileData,
    Location,
    PastRecord,
    RunRequest,
    SyscallRecord,
)

if TYPE_CHECKING:
    from toolkit.grading.recording import Recorder
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.outcome import FaultDetail, Outcome, PastInstruction

KEPT_BUILDS = 64

_WARM_UP = (
    b"global _start\nsection .data\nx: dq 1\nsection .text\n_start: mov eax, 60\nxor edi, edi\nsyscall\n"
)


class Engine:
    """Runs requests one after another. A ``Sandbox`` for trusted use; a worker process holds one for the rest."""

    def __init__(self) -> None:
        self._builds: OrderedDict[BuildRequest, Built] = OrderedDict()
        self._last: tuple[BuildRequest, Built] | None = None
        self._computers = Computers()

    def warm_up(self) -> None:
        """Import and set up everything that the first request would else wait for."""
        self.run(RunRequest(BuildRequest("warm_up", (FileData("warm_up.asm", _WARM_UP),))))

    def close(self) -> None:
        """Nothing is held that needs closing."""

    def build(self, request: BuildRequest) -> BuildEvidence:
        """Assemble and link."""
        return building.as_evidence(self.built(request), disassembled=request.disassemble)

    def built(self, request: BuildRequest) -> Built:
        """A build, made now or kept from before."""
        if (
            self._last is not None and self._last[0] is request
        ):  # as for run after run of one program: to hash it takes longer than to look at it
            return self._last[1]
        built = self._builds.get(request)
        if built is None:
            built = self._builds[request] = building.build(request)
            if len(self._builds) > KEPT_BUILDS:
                self._builds.popitem(last=False)
        else:
            self._builds.move_to_end(request)
        self._last = request, built
        return built

    def run(self, request: RunRequest) -> Evidence | Broken:
        """Run a program to its end, recording what was asked for."""
        evidence = self._run_once(request)
        if not isinstance(evidence, Evidence) or request.call is None or evidence.call is None:
            return evidence
        if not evidence.call.deep_write or evidence.instructions > MOST_FOLLOWED:
            return evidence
        followed = self._run_once(
            replace(request, call=replace(request.call, follow_stack=evidence.instructions))
        )
        if not isinstance(followed, Evidence) or followed.call is None:
            return evidence
        return replace(evidence, call=replace(evidence.call, violations=followed.call.violations))

    def _run_once(self, request: RunRequest) -> Evidence | Broken:
        from toolkit.grading.recording import Recorder
        from toolkit.kernel.errors import SyscallError

        built = self.built(request.build)
        if built.elf is None:
            return Broken("a program that does not assemble and link can't be run")
        try:
            kernel = self._computers.ready(request, built.elf)
        except SyscallError as error:
            return Broken(f"the program can't be executed: {error.errno.name}")
        try:
            recorder = Recorder(built, request)
            recorder.attach(kernel)
            outcome = kernel.run(budget=request.budget)
            evidence = evidence_of(kernel, built, request, recorder, outcome)
        except BaseException:
            self._computers.shut_down()
            raise
        self._computers.done()
        return evidence


def evidence_of(
    kernel: Kernel, built: Built, request: RunRequest, recorder: Recorder, outcome: Outcome
) -> Evidence:
    """Everything a check may look at, out of a run that is over."""
    call = recorder.call_evidence(outcome)
    returned = call is not None and call.returned
    rip = outcome.registers["rip"]
    return Evidence(
        exit_code=outcome.exit_code,
        signal=None if returned else outcome.signal_name,
        cut_short=_CUT_SHORT.get(outcome.ending.value, ""),
        waiting=outcome.waiting,
        core_dumped=outcome.core_dumped,
        stdout=outcome.stdout,
        stderr=outcome.stderr,
        files=kernel.files_under(without=request.build.name),
        moments=recorder.records,
        syscalls=tuple(_syscalls(outcome.trace, built)),
        fault=None if returned or outcome.fault is None else _fault(outcome.fault, built, recorder),
        call=call,
        last_location=built.location(rip - 1 if _in_syscall(outcome) else rip),
        instructions=outcome.instructions,
        unsupported=tuple(
            f"the system call {each.name} ({each.number})" for each in outcome.unknown_syscalls
        ),
        most_events=request.events,
    )


def _in_syscall(outcome: Outcome) -> bool:
    """Whether the program ended, or waits, in a system call: rip is then behind the instruction."""
    return outcome.exit_code is not None or outcome.ending.value == "deadlock"


def _fault(detail: FaultDetail, built: Built, recorder: Recorder) -> FaultRecord:
    from toolkit.abi.signals import signal_name

    trapped = signal_name(detail.signal) == "SIGTRAP"
    location = built.location(detail.rip - 1 if trapped else detail.rip)  # rip is behind int3
    is_64 = built.elf is not None and built.elf[4:5] == b"\2"
    return FaultRecord(
        signal=signal_name(detail.signal),
        code=detail.code,
        address=detail.address,
        access=None if detail.access == "none" else detail.access,
        registers={**dict(detail.registers), "rip": detail.rip},
        instruction=recorder.instruction_bytes,
        bits=64 if is_64 else 32,
        location=location,
        source_line=built.source_line(location),
        reason=detail.reason,
        came_from=None if detail.came_from is None else _past(detail.came_from, built),
        setters={register: _past(setter, built) for register, setter in detail.setters.items()},
        since_start=detail.since_start,
        undelivered=detail.undelivered,
    )


def _past(found: PastInstruction, built: Built) -> PastRecord:
    location = built.location(found.address)
    return PastRecord(found.step, found.address, found.code, location, built.source_line(location))


_CUT_SHORT = {"budget": "budget", "events": "events", "output limit": "output", "deadlock": "deadlock"}


def _syscalls(trace: Iterable[object], built: Built) -> Iterator[SyscallRecord]:
    """The calls of a trace; those of a loop are mostly alike and then one record."""
    from toolkit.abi.errno import find_errno
    from toolkit.kernel.outcome import SyscallRecord as KernelRecord
    from toolkit.views.activity import syscall_line

    places: dict[int, Location | None] = {}
    made: dict[tuple[object, ...], SyscallRecord] = {}
    for index, each in enumerate(trace):
        if not isinstance(each, KernelRecord):
            continue
        told = (each.arguments, each.result_text, each.note) if index < PRINTED_CALLS else None
        key = (each.number, each.abi, each.values, each.result, each.address, told)
        record = made.get(key)
        if record is None:
            if each.address not in places:
                places[each.address] = built.location(each.address)
            error = find_errno(-each.result) if each.result is not None and each.result < 0 else None
            record = made[key] = SyscallRecord(
                each.name,
                each.number,
                each.values,
                each.result,
                error.name if error is not None else None,
                syscall_line(each) if told is not None else "",
                places[each.address],
            )
        yield record

"""Whether two programs did the same in every run that the checks made of them.

A trace is how a run ended, what it printed and left in files, its system calls (the arguments that each call takes) with
their results, the writable memory at the end, and the registers at the end, or for a called function what its caller may
rely on. Left out is what no program can rely on: addresses of code (they move with the length of what is before them),
what `syscall` leaves in rcx and r11, and the stack below rsp.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from toolkit.grading.evidence import Evidence, MomentRecord, Peek, RunRequest
from toolkit.grading.program import Program, peek_key

LARGEST_AREA = 1 << 20  # bytes of one writable area whose contents are compared


def same_traces(original: Program, mutant: Program, *, count: bool = True) -> bool:
    """Whether every run that the checks made of the mutant went as the reference's did; ``count``: in as many instructions.

    Programs that the checks never ran show nothing, and are not the same.
    """
    expected = {_inputs(request): request for request in original.requests}
    for request in mutant.requests:
        other = expected.get(_inputs(request))
        if other is None or trace(original, other, count) != trace(mutant, request, count):
            return False
    return bool(mutant.requests)


def _inputs(request: RunRequest) -> RunRequest:
    return replace(request, build=replace(request.build, sources=()), budget=None)


def trace(program: Program, request: RunRequest, count: bool = True) -> tuple[object, ...]:
    """What one run did, to be compared with another's."""
    evidence = program.evidence(request)
    code = code_range(program)
    return (
        (evidence.exit_code, evidence.signal, evidence.cut_short, evidence.stdout, evidence.stderr),
        evidence.instructions if count else None,
        _calls(evidence, request.build.format),
        _left_in_registers(evidence, code),
        evidence.files,
        _left_in_memory(program, request, evidence, code),
    )


def _calls(evidence: Evidence, output_format: str) -> tuple[object, ...]:
    return tuple(
        (call.name, call.arguments[: arity(output_format, call.number)], call.result)
        for call in evidence.syscalls
    )


@cache
def arity(output_format: str, number: int) -> int:
    """How many arguments a system call takes; 6 for one that this kernel lacks."""
    from toolkit.kernel.syscalls import table
    from toolkit.personality import linux_i386, linux_x86_64

    personality = linux_i386 if output_format == "elf32" else linux_x86_64
    declaration = table(personality.PERSONALITY).entry(number).declaration
    return 6 if declaration is None else len(declaration.arguments)


def _left_in_registers(evidence: Evidence, code: range) -> object:
    call = evidence.call
    if call is not None:
        return call.returned, call.rax, call.rdx, call.buffers, call.violations, call.label_count
    end = evidence.moments.get("exit")
    if end is None:
        return None
    lost = {"rip", "rflags"} | ({"rcx", "r11"} if evidence.exit_code is not None else set())
    return {name: 0 if value in code else value for name, value in end.registers.items() if name not in lost}


def _left_in_memory(
    program: Program, request: RunRequest, evidence: Evidence, code: range
) -> tuple[object, ...]:
    end = evidence.moments.get("exit")
    if end is None:
        return ()
    peeks = tuple(Peek("exit", f"{start:#x}", stop - start) for start, stop in _live_memory(end))
    looked = program.evidence(replace(request, peeks=peeks)).moments.get("exit")
    if looked is None:
        return ()
    return tuple(_without_code_addresses(looked.memory.get(peek_key(peek)), code) for peek in peeks)


def _live_memory(end: MomentRecord) -> list[tuple[int, int]]:
    """Start and end of each writable area, of the stack from rsp on."""
    stack = end.registers.get("rsp", end.registers.get("esp", 0)) & -8
    areas = [
        (max(area.start, stack) if area.start <= stack < area.end else area.start, area.end)
        for area in end.maps.areas
        if "w" in area.permissions
    ]
    return [(start, stop) for start, stop in areas if stop - start <= LARGEST_AREA]


def code_range(program: Program) -> range:
    """From the first to behind the last byte of the executable sections."""
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

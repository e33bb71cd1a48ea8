"""Whether two programs did the same in every run that the checks made of them.

A trace is how a run ended, what it printed and left in files, its system calls (of the arguments what the kernel looks at)
with their results, the writable memory at the end, for a called function what its caller may rely on, and the registers
at the end that a check reads. Left out is what no program can rely on: addresses of code (they move with the length of what is before them),
what `syscall` leaves in rcx and r11, the stack below rsp, and what the file happens to have beside .data in its page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from toolkit.abi.files import O_CREAT, O_TMPFILE
from toolkit.abi.memory import MAP_ANONYMOUS, MREMAP_FIXED
from toolkit.grading.evidence import CallEvidence, Evidence, MomentRecord, Peek, RunRequest
from toolkit.grading.program import Program, peek_key

LARGEST_AREA = 1 << 20  # bytes of one writable area whose contents are compared


@dataclass(frozen=True)
class Detail:
    """What beside the outcome is compared: ``count`` of instructions, these ``registers`` at the end of a whole program."""

    count: bool = True
    registers: frozenset[str] = frozenset()


def same_traces(original: Program, mutant: Program, detail: Detail) -> bool:
    """Whether every run that the checks made of the mutant went as the reference's did.

    Programs that the checks never ran show nothing, and are not the same.
    """
    expected = {_inputs(request): request for request in original.requests}
    for request in mutant.requests:
        other = expected.get(_inputs(request))
        if other is None or trace(original, other, detail) != trace(mutant, request, detail):
            return False
    return bool(mutant.requests)


def _inputs(request: RunRequest) -> RunRequest:
    return replace(request, build=replace(request.build, sources=()), budget=None)


def trace(program: Program, request: RunRequest, detail: Detail) -> tuple[object, ...]:
    """What one run did, to be compared with another's."""
    request = replace(request, moments=tuple(dict.fromkeys((*request.moments, "exit"))))
    evidence = program.evidence(request)
    code = code_range(program)
    return (
        (evidence.exit_code, evidence.signal, evidence.cut_short, evidence.stdout, evidence.stderr),
        evidence.instructions if detail.count else None,
        _calls(evidence, request.build.format),
        _left_by_call(evidence.call),
        _left_in_registers(evidence, detail.registers, code) if evidence.call is None else None,
        evidence.files,
        _left_in_memory(program, request, evidence, code),
    )


def _calls(evidence: Evidence, output_format: str) -> tuple[object, ...]:
    return tuple(
        (call.name, seen_arguments(output_format, call.name, call.number, call.arguments), call.result)
        for call in evidence.syscalls
    )


def seen_arguments(output_format: str, name: str, number: int, values: Sequence[int]) -> tuple[int, ...]:
    """What the kernel looks at: as many arguments as the call takes, of an int its low half, of a status its low byte.

    Left out, for they are not looked at: an anonymous mapping's descriptor and offset (mmap(2)), the new address of a mremap
    without MREMAP_FIXED (mremap(2)), and the mode of an open that creates nothing (open(2)).
    """
    if name in ("exit", "exit_group"):
        return (values[0] & 0xFF,)
    seen = tuple(value & mask for value, mask in zip(values, masks(output_format, number), strict=False))
    anonymous = name in ("mmap", "mmap2") and len(seen) == 6 and seen[3] & MAP_ANONYMOUS
    opens = name == "open" and len(seen) == 3 and not seen[1] & (O_CREAT | O_TMPFILE)
    moves = name == "mremap" and not seen[3] & MREMAP_FIXED
    return seen[:4] if anonymous or moves else seen[:2] if opens else seen


@cache
def masks(output_format: str, number: int) -> tuple[int, ...]:
    """The bits of each argument that a system call takes; six whole words for one that this kernel lacks."""
    from toolkit.kernel.syscalls import table
    from toolkit.kernel.syscalls.arguments import INT, WORD32
    from toolkit.personality import linux_i386, linux_x86_64

    personality = linux_i386 if output_format == "elf32" else linux_x86_64
    declaration = table(personality.PERSONALITY).entry(number).declaration
    if declaration is None:
        return (0xFFFFFFFFFFFFFFFF,) * 6
    return tuple(
        0xFFFFFFFF if argument.decode in (INT, WORD32) else 0xFFFFFFFFFFFFFFFF
        for _, argument in declaration.arguments
    )


def _left_by_call(call: CallEvidence | None) -> object:
    if call is None:
        return None
    return call.returned, call.rax, call.rdx, call.buffers, call.violations, call.label_count


def _left_in_registers(evidence: Evidence, names: frozenset[str], code: range) -> object:
    end = evidence.moments.get("exit")
    if end is None:
        return None
    lost = {"rip", "rflags"} | ({"rcx", "r11"} if evidence.exit_code is not None else set())
    return {
        name: 0 if end.registers[name] in code else end.registers[name]
        for name in names - lost
        if name in end.registers
    }


def _left_in_memory(
    program: Program, request: RunRequest, evidence: Evidence, code: range
) -> tuple[object, ...]:
    end = evidence.moments.get("exit")
    if end is None:
        return ()
    peeks = tuple(Peek("exit", f"{start:#x}", stop - start) for start, stop in _live_memory(program, end))
    looked = program.evidence(replace(request, peeks=peeks)).moments.get("exit")
    if looked is None:
        return ()
    return tuple(_without_code_addresses(looked.memory.get(peek_key(peek)), code) for peek in peeks)


def _live_memory(program: Program, end: MomentRecord) -> list[tuple[int, int]]:
    """Start and end of the writable sections, and of each other writable area; of the stack from rsp on."""
    stack = end.registers.get("rsp", end.registers.get("esp", 0)) & -8
    sections = [
        (each.address, each.address + each.size) for each in program.sections.values() if "W" in each.flags
    ]
    areas = [
        (max(area.start, stack) if area.start <= stack < area.end else area.start, area.end)
        for area in end.maps.areas
        if "w" in area.permissions
        and not any(area.start < stop and start < area.end for start, stop in sections)
    ]
    return [(start, stop) for start, stop in (*sections, *areas) if stop - start <= LARGEST_AREA]


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

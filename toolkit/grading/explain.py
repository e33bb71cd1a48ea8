"""Why a program was killed, in words a student can act on (CONTRACT: "The fate of a program").

A pure function of the evidence: the instruction, the address it touched and how that was formed, what lies there,
and the rule that was broken. Addresses are read from the decoded operand (Intel SDM vol. 1, 3.7.5).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolkit.abi.signals import BUS_ADRERR, FPE_INTDIV, SEGV_ACCERR, SEGV_MAPERR, SI_KERNEL
from toolkit.grading.areas import map_line
from toolkit.grading.evidence import Evidence, FaultRecord, PastRecord, SyscallRecord
from toolkit.grading.registers import PARTS, read_register

if TYPE_CHECKING:
    from toolkit.kernel.mm.snapshot import AreaRow

MASK = (1 << 64) - 1
NULL_AREA = 0x10000  # bytes from 0 on that are never mapped (vm.mmap_min_addr)
_DOING = {"read": "reading from", "write": "writing to", "execute": "executing at"}
_FAILED_CALLS = 3  # told of one run
_OUT_OF_MEMORY = (
    "no page of memory is left for it: the kernel's out-of-memory killer chose this process",
    "rule: mmap and brk only promise memory; each page must be found when it is first touched",
)


@dataclass(frozen=True)
class Operand:
    """A memory operand: its text, the address it gives, and the sum that formed it."""

    text: str
    address: int
    formula: str
    uses_stack_pointer: bool = False
    registers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decoded:
    """The faulting instruction, decoded. ``divisor``: its register and value."""

    mnemonic: str
    text: str
    operands: tuple[Operand, ...] = ()
    divisor: str | None = None
    divisor_register: str = ""


def explain_fate(evidence: Evidence) -> tuple[str, ...]:
    """Lines that explain the fault that killed a program; empty when it died of no fault."""
    fault = evidence.fault
    if fault is None:
        return ()
    record = evidence.moments.get("exit")
    areas: Sequence[AreaRow] = record.maps.areas if record is not None else ()
    decoded = decode(fault)
    lines = [_place(fault, decoded)]
    if fault.undelivered and fault.code == SI_KERNEL:  # no exception was behind it
        return (f"interrupted {lines[0]}", fault.undelivered, _undelivered_rule(fault))
    if fault.signal == "SIGKILL":
        lines += _OUT_OF_MEMORY
    elif fault.access is not None:
        lines += _explain_access(fault, decoded, areas)
    else:
        lines += _explain_exception(fault, decoded)
    if fault.reason:
        lines.append(fault.reason)
    if fault.undelivered:
        lines += (fault.undelivered, _undelivered_rule(fault))
    return tuple(lines)


def _undelivered_rule(fault: FaultRecord) -> str:
    if "SA_RESTORER" in fault.undelivered:
        return "rule: an action needs this flag and, at offset 16, the address of code that calls rt_sigreturn; else the signal kills with SIGSEGV"
    if "alternate stack" in fault.undelivered:
        return "rule: the kernel saves the registers there before it calls the handler; sigaltstack wants the lowest address of memory that may be written"
    return "rule: the kernel saves the registers on the stack before it calls a handler; sigaltstack and the flag SA_ONSTACK give handlers a stack of their own"


def failed_calls(evidence: Evidence) -> tuple[str, ...]:
    """A line for each system call that failed; of many only the first ones."""
    lines = dict.fromkeys(
        f"this system call failed{'' if call.location is None else f' at {call.location}'}: {call_text(call)}"
        for call in evidence.syscalls
        if call.error is not None
    )
    return tuple(lines)[:_FAILED_CALLS]


def call_text(call: SyscallRecord) -> str:
    """A system call as strace prints it, without the blanks that put results below each other."""
    return re.sub(r" {2,}= ", " = ", call.text) or f"{call.name}(…) = {call.error}"


def _place(fault: FaultRecord, decoded: Decoded | None) -> str:
    where = f"at {fault.location}: " if fault.location is not None else ""
    source = fault.source_line.strip()
    text = source or (decoded.text if decoded else "no instruction could be read there")
    line = f"{where}{text}"
    rip = fault.registers["rip"]
    if fault.signal == "SIGTRAP":  # rip is behind int3 then
        return f"{where}{source or 'int3'}  (rip = {rip:#x}, just behind it)"
    return f"{line}  (rip = {rip:#x}" + (f": {decoded.text})" if source and decoded else ")")


# -- memory ----------------------------------------------------------------------------------------------------


def _explain_access(fault: FaultRecord, decoded: Decoded | None, areas: Sequence[AreaRow]) -> list[str]:
    address, access = fault.address, fault.access
    assert access is not None
    if address is None:
        return _explain_non_canonical(fault, decoded)
    lines = [f"{_DOING[access]} address {address:#x}{_formed(address, decoded, access)}"]
    if access == "execute":
        lines += _came_from(fault)
    elif not ran_past_the_end(fault):
        lines += _set_by(fault, _forming(address, decoded))
    area = next((each for each in areas if each.start <= address < each.end), None)
    lines.append(_what_lies_there(address, area, areas))
    lines.append(_rule(fault, decoded, area, areas))
    return lines


def _formed(address: int, decoded: Decoded | None, access: str) -> str:
    if decoded is None or access == "execute":
        return ""
    for operand in decoded.operands:
        if 0 <= address - operand.address < 64:
            beyond = address - operand.address
            if operand.formula == f"{address:#x}":
                return ""
            return f" = {operand.formula}" + (f", byte {beyond} of it" if beyond else "")
    return ""


def _forming(address: int, decoded: Decoded | None) -> tuple[str, ...]:
    """The registers that formed the address."""
    operands = () if decoded is None else decoded.operands
    return next((each.registers for each in operands if 0 <= address - each.address < 64), ())


def _set_by(fault: FaultRecord, registers: Sequence[str]) -> list[str]:
    """Where each of the registers got its value, as far as is known."""
    lines: dict[str, None] = {}
    for name in registers:
        wide = PARTS[name][0] if name in PARTS else name
        setter = fault.setters.get(wide)
        if setter is not None:
            lines[f"{name} was last set {_at(setter)}"] = None
        elif fault.since_start and wide in fault.registers and wide not in ("rsp", "rip"):
            lines[f"{name} was never set: it has the value from the beginning"] = None
    return list(lines)


def _at(past: PastRecord) -> str:
    """``at crash.asm:8: mov ecx, 600  (step 2)``."""
    place = f"{past.address:#x}" if past.location is None else f"{past.location}"
    text = past.source_line.strip() or _disassembled(past)
    return f"at {place}: {text}  (step {past.step:,})"


def _came_from(fault: FaultRecord) -> list[str]:
    """The jump that led to where nothing can run, and the register it went through."""
    last = fault.came_from
    if last is None:
        return []
    decoded = decode_at(last.instruction, last.address, fault)
    if decoded is None or not decoded.mnemonic.startswith(("j", "call", "ret", "loop")):
        return []
    lines = [f"the program came here {_at(last)}"]
    if decoded.mnemonic in ("jmp", "call"):
        through = decoded.text.split()[-1]
        lines += _set_by(fault, [through] if through in PARTS else [])
    return lines


def _what_lies_there(address: int, area: AreaRow | None, areas: Sequence[AreaRow]) -> str:
    if area is not None:
        return f"there lies: {map_line(area)}"
    below = max((each for each in areas if each.end <= address), key=lambda each: each.end, default=None)
    above = min((each for each in areas if each.start > address), key=lambda each: each.start, default=None)
    if below is None and above is None:
        return "nothing is mapped there"
    if below is None and above is not None:
        return f"nothing is mapped there: it is {above.start - address:#x} bytes below the lowest area, {map_line(above)}"
    if above is None and below is not None:
        return f"nothing is mapped there: it is above the highest area, {map_line(below)}"
    assert below is not None
    assert above is not None
    distance = f"{address - below.end:#x} bytes" if address > below.end else "right"
    return (
        f"nothing is mapped there: it lies {distance} after the end of {map_line(below)}"
        f" and {above.start - address:#x} bytes before {map_line(above)}"
    )


def _rule(fault: FaultRecord, decoded: Decoded | None, area: AreaRow | None, areas: Sequence[AreaRow]) -> str:
    address = fault.address or 0
    if fault.signal == "SIGBUS":
        return "rule: a page of a mapping that lies wholly beyond the end of its file can't be touched"
    if fault.code == SEGV_MAPERR and area is not None:
        return "rule: madvise(MADV_GUARD_INSTALL) made this page a guard; every access to it is refused, whatever the area's rights are"
    if fault.access == "execute":
        return _execute_rule(address, area, areas)
    if fault.code == SEGV_ACCERR and area is not None:
        right = {"read": "r", "write": "w"}[fault.access or "read"]
        return f"rule: the area's rights are {area.permissions}; to {fault.access} it must have {right}"
    if ran_past_the_end(fault):
        return "the bytes 00 00 are no code of yours: the program ran past its last instruction; end it with the exit system call"
    if address < NULL_AREA:
        return "rule: the lowest pages are never mapped, so a small address is mostly a null pointer, an index without its base, or a value used for an address"
    if address > MASK - 4095:
        return _error_number_rule(address)
    stack = next((each for each in areas if each.name == "[stack]"), None)
    if stack is not None and 0 <= address - stack.end < 0x10000:
        return "rule: the stack ends here, above argv and the environment. Was more popped than pushed, or rsp moved too far up?"
    if stack is not None and decoded is not None and stack.start - (64 << 20) <= address < stack.start:
        return "rule: the stack grows down to its limit (8 MiB); below that nothing is mapped. Endless recursion, or pushes without pops?"
    if fault.code == SEGV_MAPERR:
        return "rule: only addresses inside an area of the process's map may be touched"
    return "rule: the processor refuses what the page's rights don't allow"


def _error_number_rule(address: int) -> str:
    from toolkit.abi.errno import find_errno

    number = (1 << 64) - address
    error = find_errno(number)
    name = f" (-{error.name})" if error is not None else ""
    return f"rule: that is -{number}{name}. A system call that failed returns a negative error number: test its result before you use it"


def _execute_rule(address: int, area: AreaRow | None, areas: Sequence[AreaRow]) -> str:
    ends_below = any(each.end == address and "x" in each.permissions for each in areas)
    past = "the program ran past its last instruction; end it with the exit system call"
    if ends_below and area is None:
        return f"rule: the code ends just below: {past}"
    if ends_below and area is not None:
        return f"rule: code runs only from areas with x; this one is {area.permissions}. It begins where the code ends: {past}. Or was data jumped to?"
    if area is not None:
        return f"rule: code runs only from areas with x; this one is {area.permissions} (data, reached by a wrong jump or return address?)"
    if address < 4096:
        return (
            "rule: nothing can run there. A ret in _start takes argc for a return address (end with the exit system call);"
            " a call or jmp through a register or variable that is still 0 comes here too"
        )
    return "rule: nothing can run there. Was the return address on the stack overwritten, or popped too much or too little? Or does what call or jmp went to hold no address of code?"


def last_was_return(fault: FaultRecord) -> bool:
    """Whether a ``ret`` faulted, or went to where nothing can run."""
    last = fault.came_from
    if fault.access == "execute" and last is not None:
        decoded = decode_at(last.instruction, last.address, fault)
    else:
        decoded = decode(fault)
    return decoded is not None and decoded.mnemonic.startswith("ret")


def ran_past_the_end(fault: FaultRecord) -> bool:
    """Whether zero padding behind the code was executed: ``00 00`` decodes as ``add [rax], al``."""
    return fault.instruction[:2] == b"\0\0" and fault.location is None


def _explain_non_canonical(fault: FaultRecord, decoded: Decoded | None) -> list[str]:
    lines = []
    for operand in decoded.operands if decoded is not None else ():
        high = operand.address >> 47
        if high not in (0, (1 << 17) - 1):
            lines.append(f"touching address {operand.address:#x} = {operand.formula}")
            lines += _set_by(fault, operand.registers)
    if not lines and decoded is not None and decoded.mnemonic in ("jmp", "call"):
        lines += _set_by(fault, [each for each in (decoded.text.split()[-1],) if each in PARTS])
    if not lines and decoded is not None and decoded.mnemonic in ("jmp", "call") and decoded.operands:
        operand = decoded.operands[0]
        lines.append(
            f"it took the address to go to from memory at {operand.address:#x} = {operand.formula}, as the brackets say"
        )
    rule = "rule: bits 47 to 63 of an address must all be equal (it must be canonical)"
    if decoded is not None and decoded.mnemonic.startswith("ret"):
        rule += "; ret took this one from the stack. Was something pushed and not popped, or the return address overwritten?"
    return [*lines, rule]


# -- other exceptions ------------------------------------------------------------------------------------------

_PRIVILEGED = frozenset(
    """hlt cli sti lgdt lidt lldt ltr lmsw clts invd wbinvd invlpg rdmsr wrmsr in insb insd insw out outsb
    outsd outsw swapgs sysret sysexit iretq xsetbv rdpmc""".split()  # noqa: SIM905 - a list of words reads better
)


def _explain_exception(fault: FaultRecord, decoded: Decoded | None) -> list[str]:
    mnemonic = decoded.mnemonic if decoded is not None else ""
    if fault.signal == "SIGFPE":
        return _explain_division(fault, decoded)
    if fault.signal == "SIGTRAP":
        return ["rule: int3 is a breakpoint; without a debugger the kernel answers with SIGTRAP"]
    if fault.signal == "SIGILL":
        if mnemonic.startswith("ud"):
            return ["rule: ud2 is the instruction that is defined to be undefined"]
        if mnemonic == "mov" and decoded is not None and decoded.text.startswith("mov cs,"):
            return [
                "rule: cs can't be loaded with mov; it changes with a far jump, call or return, and with the ring"
            ]
        if decoded is None and fault.reason:
            return []
        if decoded is None:
            bytes_text = fault.instruction[:15].hex(" ")
            return [f"rule: the bytes {bytes_text} are no instruction. Was data executed?"]
        return ["rule: this processor does not have the instruction"]
    if fault.signal == "SIGBUS":
        words = "beyond the end of the file" if fault.code == BUS_ADRERR else "not aligned as it must be"
        return [f"rule: the address is {words}"]
    if decoded is not None and mnemonic == "mov" and _names_system_register(decoded.text):
        return ["rule: only the kernel (ring 0) may read or write a control or debug register"]
    if mnemonic in _PRIVILEGED:
        return [f"rule: {mnemonic} is a privileged instruction; only the kernel (ring 0) may execute it"]
    if (
        decoded is not None
        and any(operand.address % 16 for operand in decoded.operands)
        and "xmm" in decoded.text
    ):
        operand = decoded.operands[0]
        return [
            f"touching address {operand.address:#x}{_formed(operand.address, decoded, '')}",
            *_set_by(fault, operand.registers),
            "rule: the memory operand of this SSE instruction must be aligned to 16 bytes",
        ]
    if mnemonic == "int":
        return ["rule: a program may call only int 0x80 and int3; other interrupt gates belong to the kernel"]
    return _explain_non_canonical(fault, decoded)


def _names_system_register(text: str) -> bool:
    return any(f"{name}{digit}" in text for name in ("cr", "dr") for digit in "0123456789")


def _explain_division(fault: FaultRecord, decoded: Decoded | None) -> list[str]:
    if fault.code != FPE_INTDIV:
        return [
            "rule: a floating-point exception that is unmasked in MXCSR or the x87 control word kills the program"
        ]
    rule = "rule: div and idiv fault when the divisor is 0, or when the quotient doesn't fit its register"
    registers = fault.registers
    dividend = f"rdx:rax = {registers['rdx']:#x}:{registers['rax']:#x}"
    if decoded is not None and decoded.divisor is None and decoded.operands:
        return [f"the divisor is in memory at {decoded.operands[0].address:#x}; {dividend}", rule]
    if decoded is None or decoded.divisor is None:
        return [rule]
    value = decoded.divisor
    if value.endswith("= 0"):
        return [f"the divisor is {value}; {dividend}", *_set_by(fault, [decoded.divisor_register]), rule]
    return [
        f"the divisor is {value}; {dividend}: the quotient is too large (was rdx cleared, or rax sign-extended with cqo, before?)",
        *_set_by(fault, ["rdx"]),
        rule,
    ]


# -- decoding --------------------------------------------------------------------------------------------------


def decode(fault: FaultRecord) -> Decoded | None:
    """The faulting instruction with its memory operands worked out, ``None`` when the bytes are none."""
    return decode_at(fault.instruction, fault.registers["rip"], fault)


def decode_at(code: bytes, address: int, fault: FaultRecord) -> Decoded | None:
    """The instruction that ``code`` begins with, with the registers of the fault."""
    import capstone

    engine = capstone.Cs(
        capstone.CS_ARCH_X86, capstone.CS_MODE_64 if fault.bits == 64 else capstone.CS_MODE_32
    )
    engine.detail = True
    instruction = next(engine.disasm(code, address, 1), None)
    if instruction is None:
        return None
    operands = [
        _operand(instruction, each, fault)
        for each in instruction.operands
        if each.type == capstone.x86.X86_OP_MEM
    ]
    operands += _implicit_operands(instruction.mnemonic, fault)
    divisor = _divisor(instruction, fault) if instruction.mnemonic in ("div", "idiv") else None
    mnemonic = instruction.mnemonic.split()[-1]
    text = f"{instruction.mnemonic} {instruction.op_str}".strip()
    return Decoded(mnemonic, text, tuple(operands), divisor, divisor.split()[0] if divisor else "")


def _disassembled(past: PastRecord) -> str:
    import capstone

    for mode in (capstone.CS_MODE_64, capstone.CS_MODE_32):
        for _, _, mnemonic, operands in capstone.Cs(capstone.CS_ARCH_X86, mode).disasm_lite(
            past.instruction, past.address, 1
        ):
            return f"{mnemonic} {operands}".strip()
    return past.instruction.hex(" ")


def _operand(instruction: Any, operand: Any, fault: FaultRecord) -> Operand:
    memory = operand.mem
    terms: list[str] = []
    address = memory.disp
    base = instruction.reg_name(memory.base) if memory.base else None
    index = instruction.reg_name(memory.index) if memory.index else None
    if base is not None:
        value = _register_value(base, instruction, fault)
        address += value
        terms.append(f"{base} ({value:#x})")
    if index is not None and index not in ("riz", "eiz"):
        value = _register_value(index, instruction, fault)
        address += value * memory.scale
        terms.append(f"{index} ({value:#x})" + (f" * {memory.scale}" if memory.scale > 1 else ""))
    if memory.disp or not terms:
        terms.append(f"{memory.disp:#x}")
    segment = instruction.reg_name(memory.segment) if memory.segment else None
    if segment in ("fs", "gs"):
        segment_base = fault.registers.get(f"{segment}_base", 0)
        address += segment_base
        terms.insert(0, f"{segment} base ({segment_base:#x})")
    address &= MASK if instruction.addr_size == 8 else (1 << instruction.addr_size * 8) - 1
    formula = " + ".join(terms).replace("+ -", "- ")
    registers = tuple(each for each in (base, index) if each is not None and each in PARTS)
    return Operand(instruction.op_str, address, formula, base in ("rsp", "rbp", "esp", "ebp"), registers)


def _register_value(name: str, instruction: Any, fault: FaultRecord) -> int:
    if name in ("rip", "eip"):
        return int(fault.registers["rip"]) + int(instruction.size)
    return read_register(fault.registers, name)[0] if name in PARTS else 0


def _implicit_operands(mnemonic: str, fault: FaultRecord) -> list[Operand]:
    """Memory that an instruction touches without naming it: the stack."""
    rsp = fault.registers["rsp"]
    if mnemonic.startswith(("push", "call", "enter")):
        return [Operand("", (rsp - 8) & MASK, f"rsp ({rsp:#x}) - 0x8", True, ("rsp",))]
    if mnemonic.startswith(("pop", "ret", "leave")):
        return [Operand("", rsp, f"rsp ({rsp:#x})", True, ("rsp",))]
    return []


def _divisor(instruction: Any, fault: FaultRecord) -> str | None:
    import capstone

    operand = instruction.operands[0]
    if operand.type != capstone.x86.X86_OP_REG:
        return None
    name = instruction.reg_name(operand.reg)
    if name not in PARTS:
        return None
    value, bits = read_register(fault.registers, name)
    if instruction.mnemonic == "idiv" and value >> (bits - 1):
        value -= 1 << bits
    return f"{name} = {value}"

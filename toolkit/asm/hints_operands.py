"""Why an instruction does not take the operands it was given: one function for each reason, the most particular first."""

from __future__ import annotations

import re
from collections.abc import Callable

from toolkit.asm.hints_words import (
    SIZE_NAMES,
    Context,
    Explanation,
    Operand,
    Written,
    free_register,
    resized,
)

_NO_DESTINATION = frozenset(
    [
        "mov",
        "add",
        "sub",
        "and",
        "or",
        "xor",
        "adc",
        "sbb",
        "xchg",
        "lea",
        "movzx",
        "movsx",
        "movsxd",
        "imul",
        "cmp",
        "test",
    ]
)
_SHIFTS = frozenset(["shl", "shr", "sal", "sar", "rol", "ror", "rcl", "rcr"])
_ONE_OPERAND_ARITHMETIC = {
    "mul": "times rax",
    "div": "rdx:rax divided",
    "idiv": "rdx:rax divided",
    "imul": "times rax",
}
_WHOLE_REGISTERS = {"push": "pushes", "pop": "pops", "call": "calls through", "jmp": "jumps through"}
_ARITIES = {
    0: [
        "ret",
        "syscall",
        "nop",
        "cqo",
        "cdq",
        "leave",
        "hlt",
        "cld",
        "std",
        "cpuid",
        "rdtsc",
        "pushfq",
        "popfq",
        "movsb",
        "stosb",
        "lodsb",
    ],
    1: ["inc", "dec", "neg", "not", "mul", "div", "push", "pop", "call", "jmp", "int"],
    2: [
        "mov",
        "add",
        "sub",
        "and",
        "or",
        "xor",
        "cmp",
        "test",
        "lea",
        "movzx",
        "movsx",
        "xchg",
        "adc",
        "sbb",
    ],
}


def explain_operands(written: Written, context: Context) -> Explanation:
    """The explanation of nasm's "invalid combination of opcode and operands"."""
    for reason in _REASONS:
        found = reason(written, context)
        if found is not None:
            return found
    kinds = ", ".join(o.described for o in written.operands) or "no operand"
    legal = "\n".join(f"  {form}" for form in context.forms[:6])
    help = (
        f"`{written.mnemonic}' can be written as:\n{legal}"
        if legal
        else "look the instruction up for the forms it has"
    )
    return f"`{written.mnemonic}' has no form that takes {kinds}", help


def explain_missing_size(written: Written) -> Explanation:
    """Memory on one side, and nothing that tells how many bytes."""
    memory = next((o for o in written.operands if o.kind == "memory"), None)
    place = memory.text if memory else "the operand"
    mnemonic = written.mnemonic
    if mnemonic.lower() in ("movzx", "movsx") and memory:
        target = written.operands[0].text
        return (
            f"`{mnemonic}' widens a value, but {place} doesn't say how wide the value in memory is",
            f"write: {mnemonic} {target}, byte {place}\nor:    {mnemonic} {target}, word {place}",
        )
    other = next((o for o in written.operands if o.kind != "memory"), None)
    why = f" and neither does {other.text}" if other else ""
    size = _size_of_characters(other)
    shown = [f"{size} {o.text}" if o is memory else o.text for o in written.operands]
    return (
        f"`{mnemonic}' needs to know how many bytes of memory it works on: {place} doesn't say{why}",
        f"put byte, word, dword or qword (1, 2, 4, 8 bytes) before the bracket,\nfor example: {mnemonic} {', '.join(shown)}",
    )


def _size_of_characters(operand: Operand | None) -> str:
    """The size word that fits a character constant such as ``'9'``; qword for all else."""
    found = re.fullmatch(r"(['\"`])(.{1,8}?)\1", operand.text) if operand is not None else None
    return SIZE_NAMES.get(len(found.group(2)), "qword") if found else "qword"


def _count(written: Written, context: Context) -> Explanation | None:
    mnemonic, count = written.mnemonic.lower(), len(written.operands)
    if mnemonic == "int" and not count:
        return (
            "`int' needs the number of the interrupt",
            "write: int 0x80 (a 32-bit system call), or use syscall",
        )
    if mnemonic in ("ret", "retn") and count:
        name = written.operands[0].text
        step = "" if name.lower() == "rax" else f"`mov rax, {name}' and then "
        return (
            f"`ret' can't return {name}: it only takes the return address from the stack",
            f"a function leaves its result in rax; write {step}`ret' alone",
        )
    wanted = next((n for n, names in _ARITIES.items() if mnemonic in names), None)
    if wanted is None or count == wanted:
        return None
    if count > wanted:
        extra = ", ".join(o.text for o in written.operands[wanted:])
        takes = ("no operand", "one operand", "two operands")[wanted]
        example = f"{written.mnemonic} " + ", ".join(o.text for o in written.operands[:wanted])
        return (
            f"`{written.mnemonic}' takes {takes}, but {count} are given: `{extra}' is too much",
            f"write: {example.strip()}",
        )
    if not count:
        sample = "rax" if wanted == 1 else "rax, rbx"
        return (
            f"`{written.mnemonic}' is missing its operand{'s' if wanted > 1 else ''}",
            f"write for example: {mnemonic} {sample}",
        )
    given = written.operands[0].text
    return (
        f"`{written.mnemonic}' needs two operands, a destination and a source; only {given} is given",
        f"write for example: {mnemonic} {given}, rbx",
    )


def _memory_to_memory(written: Written, context: Context) -> Explanation | None:
    if [o.kind for o in written.operands[:2]] != ["memory", "memory"]:
        return None
    left, right = written.operands[:2]
    scratch = free_register(written.text)
    return (
        f"`{written.mnemonic}' can't have memory on both sides: one instruction can address memory only once",
        f"go through a register:\nmov {scratch}, {right.text}\n{written.mnemonic} {left.text}, {scratch}",
    )


def _number_as_destination(written: Written, context: Context) -> Explanation | None:
    if len(written.operands) < 2 or written.operands[0].kind not in ("number", "string"):
        return None
    mnemonic = written.mnemonic.lower()
    if mnemonic not in _NO_DESTINATION:
        return None
    number, other = written.operands[0].text, written.operands[1].text
    if mnemonic in ("cmp", "test"):
        return (
            f"the first operand of `{mnemonic}' can't be a number: {number}",
            f"write: {mnemonic} {other}, {number}\nand then ask the jump the other way round (jl for jg, ja for jb)",
        )
    return (
        f"{number} is a number and can't be changed: the first operand is the destination",
        f"the destination comes first, the source second. Write: {mnemonic} {other}, {number}",
    )


def _label_as_destination(written: Written, context: Context) -> Explanation | None:
    if len(written.operands) != 2 or written.mnemonic.lower() not in _NO_DESTINATION:
        return None
    left, right = written.operands
    if left.kind != "name" or right.kind not in ("number", "string", "register", "name"):
        return None
    size = "" if right.kind == "register" else f"{_size_of_characters(right)} "
    return (
        f"`{left.text}' stands for a number (a label for its address), which can't be changed",
        f"brackets mean the memory at that address: {written.mnemonic} {size}[{left.text}], {right.text}",
    )


def _lea_without_address(written: Written, context: Context) -> Explanation | None:
    if (
        written.mnemonic.lower() != "lea"
        or len(written.operands) != 2
        or written.operands[1].kind == "memory"
    ):
        return None
    target, source = written.operands[0].text, written.operands[1]
    inside = f"rel {source.text}" if source.kind == "name" else source.text
    help = f"write: lea {target}, [{inside}]"
    if source.kind == "register":
        help += f"\nor, to copy the register: mov {target}, {source.text}"
    return "`lea' computes an address, so its second operand must stand in brackets", help


def _shift_count(written: Written, context: Context) -> Explanation | None:
    if written.mnemonic.lower() not in _SHIFTS or len(written.operands) != 2:
        return None
    target, count = written.operands
    if count.kind != "register" or count.text.lower() == "cl":
        return None
    move = f"mov cl, {count.text}" if count.size == 1 else f"mov ecx, {resized(count.text, 4)}"
    return (
        f"a shift takes its count from a number or from cl, not from {count.text}",
        f"write: {move}\n       {written.mnemonic} {target.text}, cl",
    )


def _arithmetic_with_number(written: Written, context: Context) -> Explanation | None:
    mnemonic = written.mnemonic.lower()
    if mnemonic not in _ONE_OPERAND_ARITHMETIC or len(written.operands) != 1:
        return None
    given = written.operands[0]
    if given.kind not in ("number", "string", "name"):
        return None
    help = f"put it into a register first:\nmov rcx, {given.text}\n{mnemonic} rcx"
    if mnemonic in ("mul", "imul"):
        help += f"\nor, without touching rdx: imul rax, rax, {given.text}"
    else:
        help += f"\n(set up rdx before it: {'cqo' if mnemonic == 'idiv' else 'xor edx, edx'})"
    what = "a number" if given.kind == "number" else "an address"
    return f"`{mnemonic}' works on a register or memory, not on {what}: {given.text}", help


def _segment(written: Written, context: Context) -> Explanation | None:
    if not any(o.kind == "segment" for o in written.operands) or len(written.operands) != 2:
        return None
    left, right = written.operands
    segment, other = (left, right) if left.kind == "segment" else (right, left)
    if other.kind == "number":
        return (
            f"a number can't be put into the segment register {segment.text} directly",
            f"go through a register: mov eax, {other.text}\n                       mov {segment.text}, eax",
        )
    if other.kind == "segment":
        return (
            "there is no move from one segment register to another",
            f"go through a register: mov eax, {right.text}\n                       mov {left.text}, eax",
        )
    return None


def _vector(written: Written, context: Context) -> Explanation | None:
    if len(written.operands) != 2 or not any(o.kind == "vector" for o in written.operands):
        return None
    left, right = written.operands
    general = next((o for o in (left, right) if o.kind == "register"), None)
    mnemonic = written.mnemonic.lower()
    if mnemonic == "mov":
        fixed = "movq" if general is None or general.size == 8 else "movd"
        if general is None:
            fixed = "movaps" if right.kind == "vector" and left.kind == "vector" else "movups"
        vector = left if left.kind == "vector" else right
        return (
            f"`mov' does not know vector registers such as {vector.text}",
            f"write: {fixed} {left.text}, {right.text}",
        )
    return None


def _register_sizes(written: Written, context: Context) -> Explanation | None:
    registers = [o for o in written.operands[:2] if o.kind == "register"]
    if len(registers) != 2 or registers[0].size == registers[1].size or written.mnemonic.lower() in _SHIFTS:
        return None
    left, right = registers
    mnemonic = written.mnemonic.lower()
    message = f"{left.text} has {left.size * 8} bits and {right.text} has {right.size * 8}: both must be the same size"
    same = f"write: {mnemonic} {left.text}, {resized(right.text, left.size)}\n   or: {mnemonic} {resized(left.text, right.size)}, {right.text}"
    if mnemonic != "mov" or left.size < right.size:
        return message, same
    if right.size == 4:
        return (
            message,
            f"write: mov {resized(left.text, 4)}, {right.text} (this clears the upper half of {left.text})\n"
            f"   or: movsxd {left.text}, {right.text} for a number with sign",
        )
    return (
        message,
        f"to widen write: movzx {resized(left.text, 4) if left.size == 8 else left.text}, {right.text}\n"
        f"for a number with sign: movsx {left.text}, {right.text}",
    )


def _memory_size(written: Written, context: Context) -> Explanation | None:
    register = next((o for o in written.operands if o.kind == "register"), None)
    memory = next((o for o in written.operands if o.kind == "memory" and o.size), None)
    if register is None or memory is None or register.size == memory.size:
        return None
    bare = re.sub(r"^\w+\s*", "", memory.text)
    return (
        f"{register.text} has {register.size} bytes, but `{memory.text}' is {memory.size}: both must be the same size",
        f"write {SIZE_NAMES.get(register.size, '')} {bare}, or use {resized(register.text, memory.size)}",
    )


def _string_operand(written: Written, context: Context) -> Explanation | None:
    text = next((o for o in written.operands if o.kind == "string"), None)
    if text is None:
        return None
    return (
        f"an instruction can't hold a whole string: {text.text}",
        f"put it into the data section, msg db {text.text}, and use its address: lea rsi, [rel msg]",
    )


def _push_pop(written: Written, context: Context) -> Explanation | None:
    if written.mnemonic.lower() == "pop" and written.operands and written.operands[0].kind == "number":
        return "`pop' needs a place to put the value, and a number is none", "write for example: pop rax"
    if written.mnemonic.lower() in ("inc", "dec", "neg", "not") and written.operands[0].kind == "number":
        return (
            f"{written.operands[0].text} is a number and can't be changed",
            f"write for example: {written.mnemonic} rax",
        )
    return None


_REASONS: tuple[Callable[[Written, Context], Explanation | None], ...] = (
    _count,
    _memory_to_memory,
    _number_as_destination,
    _label_as_destination,
    _lea_without_address,
    _shift_count,
    _arithmetic_with_number,
    _segment,
    _vector,
    _register_sizes,
    _memory_size,
    _string_operand,
    _push_pop,
)


def explain_mode(written: Written, bits: int) -> Explanation:
    """ "instruction not supported in N-bit mode"."""
    mnemonic = written.mnemonic
    first: Operand | None = written.operands[0] if written.operands else None
    if bits == 64 and mnemonic.lower() in ("pusha", "pushad", "popa", "popad"):
        single = "push" if mnemonic.lower().startswith("push") else "pop"
        order = "rax, rcx, rdx, rbx" if single == "push" else "rbx, rdx, rcx, rax"
        return (
            f"`{mnemonic}' does not exist in 64-bit code",
            f"{single} the registers you need one by one, for example: {order}",
        )
    verb = _WHOLE_REGISTERS.get(mnemonic.lower())
    system = any(re.fullmatch(r"[cd]r\d+", o.text.lower()) for o in written.operands)
    narrow = next((o for o in written.operands if o.kind == "register" and o.size in (1, 4)), None)
    if bits == 64 and system and narrow is not None:
        shown = [resized(o.text, 8) if o is narrow else o.text for o in written.operands]
        return (
            f"in 64-bit code control and debug registers have 64 bits; {narrow.text} has {narrow.size * 8}",
            f"write: {mnemonic} {', '.join(shown)}",
        )
    if bits == 64 and verb and first is not None and first is narrow:
        return (
            f"in 64-bit code `{mnemonic}' {verb} whole 64-bit registers; {first.text} has {first.size * 8} bits",
            f"write: {mnemonic} {resized(first.text, 8)}",
        )
    wide = next((o for o in written.operands if o.kind == "register" and o.size == 8), None)
    if bits != 64 and wide is not None:
        shown = [resized(o.text, 4) if o.size == 8 else o.text for o in written.operands]
        numbered = any(re.match(r"r\d", each.lower()) for each in shown)
        return (
            f"{bits}-bit code has no 64-bit registers such as {wide.text}",
            "there are eax, ebx, ecx, edx, esi, edi, ebp and esp"
            if numbered
            else f"write: {mnemonic} {', '.join(shown)}",
        )
    return (
        f"`{mnemonic}' can't be used like this in {bits}-bit code",
        "64-bit code dropped the decimal-adjust, segment-push and far-pointer instructions of the 8086"
        if bits == 64
        else "",
    )

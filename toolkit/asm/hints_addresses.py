"""Addresses that the machine can't form."""

from __future__ import annotations

import re

from toolkit.asm.hints_words import (
    SEGMENT_REGISTERS,
    VECTOR_REGISTERS,
    Context,
    Explanation,
    Written,
    free_register,
    is_register,
    register_size,
)


def bad_address(match: re.Match[str], written: Written, context: Context) -> Explanation:
    inside = next((m.group(1) for m in re.finditer(r"\[([^\]]*)\]", written.text)), "")
    scale = re.search(r"\b(\w+)\s*\*\s*(\d+)|(\d+)\s*\*\s*([a-z]\w*)", inside)
    if scale:
        register = scale.group(1) or scale.group(4)
        factor = scale.group(2) or scale.group(3)
        if register.lower() in ("rsp", "esp", "rip"):
            free = free_register(written.text)
            return (
                f"{register} can't be multiplied in an address: the machine has no encoding for it as index",
                f"copy it to another register first:\nmov {free}, {register}\n"
                + re.sub(
                    rf"\b{register}\s*\*", f"{free}*", re.sub(rf"\*\s*{register}\b", f"*{free}", written.text)
                ),
            )
        if factor not in ("1", "2", "4", "8"):
            return (
                f"an index can be multiplied by 1, 2, 4 or 8 only, not by {factor}",
                f"multiply first (it changes {register}):\nimul {register}, {register}, {factor}\n"
                + written.text.replace(scale.group(), register),
            )
    registers = [w for w in re.findall(r"[A-Za-z]\w*", inside) if is_register(w)]
    sizes = {register_size(w) for w in registers} - {0}
    if len(sizes) > 1:
        return (
            f"the registers of one address must have the same size: {', '.join(registers)}",
            "use 64-bit registers (rax, rbx …) inside the brackets",
        )
    if any(w.lower() in SEGMENT_REGISTERS or w.lower() in VECTOR_REGISTERS for w in registers):
        return (
            f"[{inside}] uses a register that can't hold an address",
            "use 64-bit general registers inside the brackets",
        )
    if registers and all(len(w) == 2 and w[-1].lower() in "lh" for w in registers):
        return (
            f"[{inside}] uses an 8-bit register, which can't hold an address",
            "use 64-bit registers inside the brackets",
        )
    if re.search(r"-\s*[a-z]", inside):
        return (
            f"[{inside}] subtracts a register; the machine can only add registers",
            "negate it first (neg), or subtract before the access",
        )
    return (
        f"the machine can't form the address [{inside}]",
        "an address is at most: one register + one register times 1, 2, 4 or 8 + a number or label",
    )


def three_registers(match: re.Match[str], written: Written, context: Context) -> Explanation:
    inside = next((m.group(1) for m in re.finditer(r"\[([^\]]*)\]", written.text)), "")
    registers = [w for w in re.findall(r"[A-Za-z]\w*", inside) if is_register(w)]
    first = registers[0] if registers else "rax"
    rest = "+".join(registers[1:]) or "…"
    return (
        f"[{inside}] adds {len(registers) or 'too many'} registers; the machine can add two",
        f"add before the access: lea {first}, [{first}+{registers[1] if len(registers) > 1 else 'rbx'}] and then use [{first}+{rest.partition('+')[2] or rest}]",
    )

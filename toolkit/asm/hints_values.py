"""Numbers, distances and registers that are beyond what an encoding holds."""

from __future__ import annotations

import re

from toolkit.asm.hints_words import Context, Explanation, Written, resized

_RANGES = {1: (-128, 255), 2: (-32768, 65535), 4: (-(2**31), 2**32 - 1)}


def out_of_range(match: re.Match[str], written: Written, context: Context) -> Explanation:
    size = {"byte": 1, "word": 2, "dword": 4, "qword": 8}.get(match.group("size"), 4)
    signed = "signed" in match.group(0)
    numbers = [o.text for o in written.operands if o.kind == "number"]
    what = numbers[-1] if numbers else "the value"
    if written.mnemonic.lower() in ("jmp", "loop") or written.mnemonic.lower().startswith("j"):
        return "the jump is too far for its short form", "leave out `short'"
    if signed and size == 4:
        return (
            f"{what} doesn't fit: instructions other than mov hold at most a signed 32-bit number, widened to 64 bits",
            f"load it first:\nmov rcx, {what}\n{written.mnemonic} {written.operands[0].text if written.operands else 'rax'}, rcx",
        )
    low, high = _RANGES.get(size, (-(2**63), 2**64 - 1))
    return (
        f"{what} doesn't fit into {size} byte{'' if size == 1 else 's'} ({low} to {high}); only its low bits are kept",
        _wider(written, size) or "use a larger register or data size, or a smaller number",
    )


def _wider(written: Written, size: int) -> str:
    """The line with the next size of register or data: "" when there is none."""
    data = {"db": "dw", "dw": "dd", "dd": "dq"}.get(written.mnemonic.lower())
    if data:
        label = f"{written.label} " if written.label else ""
        return f"write a smaller number, or: {label}{data} {written.rest}"
    first = written.operands[0] if written.operands else None
    if first is None or first.kind != "register" or first.size != size or size > 2:
        return ""
    wide = resized(first.text, 4)
    rest = ", ".join(operand.text for operand in written.operands[1:])
    return f"write a smaller number, or use a larger register: {written.mnemonic} {wide}, {rest}"


def negative_times(match: re.Match[str], written: Written, context: Context) -> Explanation:
    return (
        f"`times' can't repeat something {match.group('count')} times",
        "the count is often SIZE-($-$$): then what comes before is already longer than SIZE",
    )


def high_byte(match: re.Match[str], written: Written, context: Context) -> Explanation:
    high = next((o.text for o in written.operands if o.text.lower() in ("ah", "bh", "ch", "dh")), "ah")
    return (
        f"{high} can't be used together with r8 to r15, sil, dil, spl, bpl or a 64-bit operand: "
        "their REX prefix gives its code another meaning",
        f"use {high[0]}l instead of {high}, or go through a register such as al, bl, cl or dl",
    )


def in_bss(match: re.Match[str], written: Written, context: Context) -> Explanation:
    sizes = {"db": "resb", "dw": "resw", "dd": "resd", "dq": "resq"}
    reserve = sizes.get(written.mnemonic.lower(), "resb")
    label = f"{written.label} " if written.label else ""
    return (
        f"`{written.mnemonic}' gives a value, but {match.group('name')} holds no values: it is only filled with zeros at the start",
        f"reserve space with: {label}{reserve} 1\nor move the line to section .data",
    )


def short_jump(match: re.Match[str], written: Written, context: Context) -> Explanation:
    target = written.rest.replace("short", "").strip()
    return (
        f"`{written.mnemonic} short' reaches at most 127 bytes ahead and 128 back; {target or 'the target'} is further away",
        f"write: {written.mnemonic} {target}"
        if not written.mnemonic.lower().startswith("loop")
        else "use dec rcx and jnz instead",
    )


def other_section(match: re.Match[str], written: Written, context: Context) -> Explanation | None:
    """`NAME equ $-LABEL` behind a change of section."""
    label = re.search(r"\$\s*-\s*([A-Za-z_.]\w*)", written.rest)
    if written.mnemonic.lower() != "equ" or label is None:
        return None
    return (
        f"`$' is a place in this section, but `{label.group(1)}' is in another: the linker alone knows how far apart they are",
        f"write this line right behind the data of `{label.group(1)}', before the next section",
    )

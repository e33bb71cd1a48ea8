"""Compare ``encode`` with nasm over many instructions and count how they agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.asm.nasm_oracle import Verdict, ask_nasm, print_instruction
from toolkit.asm.encode import EncodeError, encode
from toolkit.asm.statement import EncodingContext, Instruction


class Section:
    """Stands for the section the lines are in; nasm's name for its start."""

    def __str__(self) -> str:
        return "$$"


SECTION = Section()


@dataclass
class Comparison:
    """``counts``: equal, refused (both, same words), message (both, other words), warnings (same bytes), differ,
    accepted (by us alone), rejected (by us alone), crash (of nasm: it panics, we refuse)."""

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    residue: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Nothing but equal lines, equal refusals, and refusals of what nasm panics on."""
        return not set(self.counts) - {"equal", "refused", "crash"}

    def __str__(self) -> str:
        rows = "\n".join(self.residue[:40])
        return f"{self.name}: {sum(self.counts.values())} lines, {dict(self.counts)}\n{rows}"


def compare(
    name: str,
    instructions: Iterable[Instruction],
    bits: int,
    header: str = "",
    options: Sequence[str] = (),
    **context: object,
) -> Comparison:
    """Put distinct lines to nasm in one batch and to ``encode`` one by one; ``context`` as EncodingContext takes it."""
    lines: dict[str, Instruction] = {}
    for instruction in instructions:
        lines.setdefault(print_instruction(instruction), instruction)
    verdicts = ask_nasm(list(lines), bits, header, options)
    result, offset = Comparison(f"{name}, {bits} bits {header} {' '.join(options)}"), 0
    for (line, instruction), verdict in zip(lines.items(), verdicts, strict=True):
        at = EncodingContext(bits=bits, section=SECTION, offset=offset, **context)  # type: ignore[arg-type]
        ours = _ours(instruction, at)
        offset += len(verdict.data or b"")
        kind = _judge(ours, verdict)
        result.counts[kind] += 1
        if kind not in ("equal", "refused", "crash"):
            result.residue.append(f"{kind}: {line} | nasm {verdict} | ours {ours}")
    print(str(result).splitlines()[0])
    return result


def _ours(instruction: Instruction, context: EncodingContext) -> Verdict:
    """With fixups filled as nasm's listing shows them: by the constant alone."""
    try:
        encoding = encode(instruction, context)
    except EncodeError as error:
        return Verdict(None, error.nasm_message)
    data = bytearray(encoding.data)
    for fixup in encoding.fixups:
        number = fixup.value.constant & (1 << 8 * fixup.size) - 1
        data[fixup.offset : fixup.offset + fixup.size] = number.to_bytes(fixup.size, "little")
    return Verdict(bytes(data), None, encoding.warnings)


def _judge(ours: Verdict, nasm: Verdict) -> str:
    if nasm.error is not None and nasm.error.startswith("panic"):
        return "crash" if ours.data is None else "accepted"
    if ours.data is None:
        if nasm.data is not None:
            return "rejected"
        return "refused" if ours.error == nasm.error else "message"
    if nasm.data is None:
        return "accepted"
    if ours.data != nasm.data:
        return "differ"
    # nasm says some warnings twice, once for each time it looks at an operand
    return "equal" if set(ours.warnings) == set(nasm.warnings) else "warnings"

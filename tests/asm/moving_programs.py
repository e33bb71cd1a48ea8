"""Programs whose statements change in size from pass to pass, made by chance or by malice."""

from __future__ import annotations

from random import Random

JUMPS = ("jmp", "jz", "jnz", "jl", "ja", "call")
NEAR_A_BYTE = (1, 3, 20, 60, 100, 118, 120, 122, 124, 126, 127)


def wave(steps: int, tail: int = 30) -> str:
    """Each jump reaches over the next one: the last becomes long in the second pass, and one more in each that follows."""
    lines = []
    for number in range(steps):
        lines += [f" jz l{number}", f"l{number - 1}:" if number else " nop", " db '" + "." * 123 + "'"]
    return "\n".join([*lines, f" times {tail} nop", f"l{steps - 1}: ret", ""])


def falling_waves(steps: int, group: int = 900) -> str:
    """A wave that may go on for more than nasm's thousand passes: every ``group`` steps, fewer labels move than before.

    What a jump grows by, the alignment behind it takes back.
    """
    lines = ["bits 64"]
    for number in range(steps):
        names = [f"m{number}_{extra}:" for extra in range(number // group)]
        lines += [f" jz l{number}", " db '1234567'", f"l{number - 1}:" if number else " ", *names]
        lines += [f" db '{'.' * 107}'", "align 8"]
    return "\n".join([*lines, " times 30 nop", f"l{steps - 1}: ret", ""])


def dense_jumps(chance: Random, count: int = 0) -> str:
    """Jumps over each other, most of them near the end of a short one's reach; ``count`` of them, or some."""
    count = count or chance.randrange(10, 400)
    lines = []
    for number in range(count):
        target = min(max(number + chance.choice((-1, 1)) * chance.randint(8, 30), 0), count - 1)
        lines += [f"l{number}:", f" {chance.choice(JUMPS)} l{target}"]
        if chance.random() < 0.5:
            lines.append(f" times {chance.randint(1, 9)} nop")
        if chance.random() < 0.02:
            unusual = ("align 16", "mov eax, [rbx+l0-$]", f"e{number} equ $-l{number // 2}", "section .data")
            lines += [" " + chance.choice(unusual), chance.choice((" nop", "section .text"))]
    return "\n".join(lines) + "\n"


class Interleaved:
    """Sections, absolute space, EQU, alignment and jumps, all of whose sizes count by labels not far away."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.count = chance.randrange(15, 60)
        self.bits = chance.choice((64, 64, 64, 32, 16))
        self.several = chance.random() < 0.5  # sections

    def program(self) -> str:
        lines = [f"bits {self.bits}"] if self.bits != 64 or self.chance.random() < 0.5 else []
        lines += ["default rel"] if self.chance.random() < 0.3 else []
        for number in range(self.count):
            lines += [f"l{number}:", self.statement(number)]
        return "\n".join(lines) + "\n"

    def label(self, number: int) -> str:
        """One not far from label ``number``."""
        nearest, farthest = max(0, number - 29), min(self.count - 1, number + 29)
        return f"l{self.chance.randint(nearest, farthest)}"

    def difference(self, number: int) -> str:
        return f"{self.label(number)}-{self.label(number)}"

    def statement(self, number: int) -> str:
        kinds = (self.jump, self.jump, self.jump, self.space, self.space, self.constant, self.unusual)
        return self.chance.choice(kinds)(number)

    def jump(self, number: int) -> str:
        if self.chance.random() < 0.8:
            return f" {self.chance.choice(JUMPS)} {self.label(number)}"
        there, back = self.chance.choice(JUMPS), self.chance.choice(JUMPS)
        return f".a: {there} .b\n times {self.chance.randrange(140)} nop\n.b: {back} .a"

    def space(self, number: int) -> str:
        above = f"l{self.chance.randrange(number + 1)}"
        return self.chance.choice(
            (
                f" times {self.chance.choice(NEAR_A_BYTE)} nop",
                f" times {self.chance.choice(NEAR_A_BYTE)} nop",
                f" align {self.chance.choice((2, 4, 8, 16, 32))}",
                f" times ($-{above}) & {self.chance.choice((7, 15, 63))} db {number}",
                " times ($-$$) & 31 nop",
                f" db (($-{above})&15) dup (1,2)",
                f" resb ($-{above})&7",
                " alignb 8",
            )
        )

    def constant(self, number: int) -> str:
        base = "rbx" if self.bits == 64 else "ebx"
        difference = self.difference(number)
        value = self.chance.choice(("$-l0", "$", difference, "($-$$)*2", "$-$$", f"({difference})>>1"))
        return self.chance.choice(
            (
                f" add eax, {difference}",
                f" mov eax, [{base}+{difference}]",
                f" push {difference}",
                f" imul eax, ebx, {difference}",
                f" vaddps zmm0, zmm1, [{base}+{difference}]",
                f" dd {self.label(number)}-$, {difference}",
                f"e{number} equ {value}\n add eax, e{number}",
                f"e{number} equ {value}\n jmp e{number}",
                f"e{number} equ {value}\n dd e{number}",
            )
        )

    def unusual(self, number: int) -> str:
        label, chance = self.label(number), self.chance
        jump = chance.choice(("jmp near", "jz near", "jmp short", "bnd jmp", "jmp strict", "o16 jmp", "loop"))
        return chance.choice(
            (
                f" {jump} {label}",
                f" jz l{number}+{chance.choice((-128, 100, 120, 125, 126, 127, 128, 130))}",
                f" jmp $+{chance.choice((-126, -125, 5, 127, 128, 129, 130))}",
                f" lea eax, [{label}]\n mov ecx, {label}",
                f"section {chance.choice(('.text', '.data', '.foo'))}" if self.several else " nop",
                f"absolute {chance.choice(('0', '100', '$', 'l0'))}\nresb 4\na{number}: resb ($-$$)&3\nsection .text",
            )
        )


def interleaved_program(chance: Random) -> str:
    return Interleaved(chance).program()

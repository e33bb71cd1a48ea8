"""Random instructions: nothing but EncodeError comes out of ``encode``, the back ends agree, and Keystone survives."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.asm.encode import (
    EncodeError,
    KeystoneBackend,
    KeystoneUnavailableError,
    TableBackend,
    encode,
    use,
)
from toolkit.asm.encoder_keystone import whitelist
from toolkit.asm.instructions import PREFIXES, REGISTERS, forms, mnemonics
from toolkit.asm.statement import (
    EncodingContext,
    ImmediateOperand,
    Instruction,
    MemoryOperand,
    Operand,
    RegisterOperand,
    Value,
)

ROOT = Path(__file__).resolve().parents[2]
SIZES = (0, 0, 0, 0, 1, 2, 4, 8, 10, 16, 32, 64)
NAMES = tuple(REGISTERS)
GENERAL = tuple(name for name in NAMES if name[0] in "er" and REGISTERS[name].size in (4, 8))
ROUNDINGS = ("{sae}", "{rn-sae}", "{rd-sae}", "{ru-sae}", "{rz-sae}")


class Section:
    """Where a value may be relative to."""


SECTIONS = (Section(), Section())


class Generator:
    """Instructions of all kinds: a third close to a form of the table, the others anything."""

    def __init__(self, seed: int, names: tuple[str, ...]) -> None:
        self.chance = random.Random(seed)
        self.names = names

    def constant(self) -> int:
        bits = self.chance.choice((0, 1, 3, 7, 8, 15, 16, 31, 32, 63))
        number = self.chance.choice((-1, 1)) * ((1 << bits) - self.chance.randint(0, 2))
        return (number + (1 << 63)) % (1 << 64) - (1 << 63)

    def value(self, registers: bool) -> Value:
        chance = self.chance
        terms: list[tuple[object, int]] = []
        if registers:
            pool = GENERAL if chance.random() < 0.8 else NAMES
            for name in chance.sample(pool, chance.choice((0, 1, 1, 2, 2, 3))):
                terms.append((name, chance.choice((1, 1, 1, 2, 4, 8, 3, 5, 9, -1, 7, 1 << 40))))
        if chance.random() < 0.2:
            terms.append((chance.choice(SECTIONS), chance.choice((1, 1, 1, -1, 2))))
        wrt = SECTIONS[0] if chance.random() < 0.03 else None
        unknown = chance.random() < 0.1
        return Value(self.constant(), tuple(terms), wrt, unknown, unknown)  # type: ignore[arg-type]

    def operand(self) -> Operand:
        return self.chance.choice((self.register, self.register, self.immediate, self.memory))()

    def register(self) -> RegisterOperand:
        chance = self.chance
        mask = chance.choice((None,) * 12 + ("k0", "k5"))
        return RegisterOperand(
            chance.choice(NAMES), mask, chance.random() < 0.05, chance.choice(SIZES) if chance.random() < 0.1 else 0,
            set_size=chance.choice((0,) * 20 + (2, 4, 8, 3, 64)), to=chance.random() < 0.02,
        )  # fmt: skip

    def immediate(self) -> ImmediateOperand:
        chance = self.chance
        segment = self.value(False) if chance.random() < 0.05 else None
        return ImmediateOperand(
            self.value(False), chance.choice(SIZES), chance.random() < 0.1,
            chance.choice((None,) * 8 + ("short", "near", "far")), segment, chance.random() < 0.02,
            segment_size=chance.choice(SIZES),
        )  # fmt: skip

    def memory(self) -> MemoryOperand:
        chance = self.chance
        value = self.value(True)
        names = [str(term[0]) for term in value.terms if isinstance(term[0], str)]
        hint = chance.choice(names) if names else None
        split = self.value(True) if chance.random() < 0.05 else None
        return MemoryOperand(
            value, chance.choice(SIZES), chance.choice((None,) * 9 + ("fs", "ds")), chance.choice((None, None, True, False)),
            chance.choice((0,) * 9 + (1, 2, 4, 8)), chance.random() < 0.1, chance.choice((0,) * 9 + (16, 32, 64)),
            hint if chance.random() < 0.7 else None, hint if chance.random() < 0.2 else None, split,
            chance.choice((None,) * 9 + ("near", "far", "short")), chance.random() < 0.05,
            chance.choice((0,) * 15 + (2, 8, 16)), chance.choice((None,) * 12 + ("k3",)), chance.random() < 0.05,
            summed=chance.random() < 0.1,
        )  # fmt: skip

    def instructions(self, count: int) -> Iterator[tuple[Instruction, EncodingContext]]:
        chance = self.chance
        slots = tuple(PREFIXES)
        for _ in range(count):
            name = chance.choice(self.names)
            arity = len(chance.choice(forms(name)).classes) if chance.random() < 0.9 else chance.randint(0, 5)
            operands = tuple(self.operand() for _ in range(arity))
            prefixes = tuple(chance.choices(slots, k=chance.choice((0, 0, 0, 0, 1, 2))))
            decorators = (chance.choice(ROUNDINGS),) if chance.random() < 0.03 else ()
            yield Instruction(name, operands, prefixes, decorators), self.context()

    def context(self) -> EncodingContext:
        chance = self.chance
        return EncodingContext(
            chance.choice((64, 64, 32, 16)), SECTIONS[0], chance.randint(0, 1000), chance.random() < 0.3,  # type: ignore[arg-type]
            chance.random() < 0.1, 0, chance.choice((-1, -1, 0, 1, 2)), chance.random() < 0.2,
        )  # fmt: skip


def outcomes(seed: int, count: int, names: tuple[str, ...]) -> list[object]:
    found: list[object] = []
    for instruction, context in Generator(seed, names).instructions(count):
        outcome = one_outcome(instruction, context)
        found.append(str(outcome) if isinstance(outcome, EncodeError) else outcome)
        if isinstance(outcome, EncodeError) and len(found) % 50 == 0:
            assert isinstance(outcome.explanation.legal, tuple)
    return found


def one_outcome(instruction: Instruction, context: EncodingContext) -> EncodeError | tuple[object, ...]:
    try:
        encoding = encode(instruction, context)
    except EncodeError as error:
        return error
    assert 0 < len(encoding.data) <= 24
    for fixup in encoding.fixups:
        assert 0 <= fixup.offset < fixup.offset + fixup.size <= len(encoding.data)
    return encoding.data, encoding.fixups, encoding.warnings


def check(seed: int, count: int) -> None:
    """Both back ends on the same instructions, once of all mnemonics and once of those Keystone is asked about."""
    asked = tuple(name for name in mnemonics() if name in whitelist())
    for names in (mnemonics(), asked):
        use(TableBackend())
        expected = outcomes(seed, count, names)
        try:
            backend = use(KeystoneBackend())
        except KeystoneUnavailableError:
            return
        assert outcomes(seed, count, names) == expected
        assert isinstance(backend, KeystoneBackend)
        legal = sum(not isinstance(one, str) for one in expected)
        print(f"seed {seed}: {count} instructions, {legal} legal, {backend.tally}")
    use(TableBackend())


def run_in_child(seed: int, count: int) -> None:
    """In a process of its own, so that its death is a failure with a name."""
    code = f"from tests.asm.test_encode_fuzz import check; check({seed}, {count})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stderr[-3000:]


def test_random_instructions() -> None:
    run_in_child(1, 3000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12 if os.environ.get("TOOLKIT_SWEEP") == "full" else 4))
def test_many_random_instructions(seed: int) -> None:
    run_in_child(seed, 10_000)

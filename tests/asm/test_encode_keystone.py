"""The back ends: the switch between them, life without Keystone, and that Keystone sees canonical text only."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.asm.instruction_cases import table_cases
from toolkit.asm import encode as encode_module
from toolkit.asm import encoder_keystone
from toolkit.asm.encode import (
    AutomaticBackend,
    EncodeError,
    KeystoneBackend,
    KeystoneUnavailableError,
    TableBackend,
    choose_encoder,
    encode,
    encoder_name,
    use,
)
from toolkit.asm.parser import parse_line
from toolkit.asm.statement import EncodingContext, Instruction

SAMPLE = ("mov", "add", "lea", "imul", "movzx", "fadd", "paddb", "addsd", "vaddps", "shl", "xchg")
# What a question may be made of: a mnemonic, registers, sizes, brackets and hexadecimal numbers.
CANONICAL = re.compile(
    r"[a-z][a-z0-9_]*( (st\(\d\)|[a-z]\w*|0x[0-9a-f]+|(\w+ ptr )?\[[a-z0-9 +*]*\])(, |$))?"
    r"((st\(\d\)|[a-z]\w*|0x[0-9a-f]+|(\w+ ptr )?\[[a-z0-9 +*]*\])(, |$))*"
)


@pytest.fixture(autouse=True)
def restore() -> Iterator[None]:
    yield
    use(TableBackend())


@pytest.fixture
def keystone() -> KeystoneBackend:
    try:
        backend = KeystoneBackend()
    except KeystoneUnavailableError as error:
        pytest.skip(str(error))
    use(backend)
    return backend


def line(text: str) -> Instruction:
    found = parse_line(text).instruction
    assert found is not None
    return found


def results(bits: int) -> list[bytes | str]:
    found: list[bytes | str] = []
    for instruction in table_cases(bits, SAMPLE):
        try:
            found.append(encode(instruction, EncodingContext(bits=bits)).data)
        except EncodeError as error:
            found.append(error.nasm_message)
    return found


@pytest.mark.parametrize("bits", [64, 32, 16])
def test_both_back_ends_agree(keystone: KeystoneBackend, bits: int) -> None:
    with_keystone = results(bits)
    assert keystone.tally.agreed > 0.8 * keystone.tally.asked > 0
    use(TableBackend())
    assert results(bits) == with_keystone


def test_questions_are_canonical(keystone: KeystoneBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    ask = KeystoneBackend._ask

    def listen(self: KeystoneBackend, text: str, bits: int) -> bytes:
        asked.append(text)
        return ask(self, text, bits)

    monkeypatch.setattr(KeystoneBackend, "_ask", listen)
    results(64)
    assert len(asked) > 500
    assert not [text for text in asked if not CANONICAL.fullmatch(text)]
    assert {text.split()[0] for text in asked} <= encoder_keystone.whitelist()


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("mov rax, 60", "mov eax, 0x11223344"),
        ("add qword [rbx+rcx*4+16], 5", "add qword ptr [rbx + rcx*0x4 + 0x11], 0x11"),
        ("lock add dword [rbx], eax", "add dword ptr [rbx], eax"),
        ("mov ecx, [0x1234]", "mov ecx, dword ptr [riz*0x1 + 0x11223344]"),
        ("fadd st3", "fadd st(3)"),
        ("jmp 5", None),
        ("vaddpd zmm1, zmm2, zmm3", None),
    ],
)
def test_a_question(
    keystone: KeystoneBackend, monkeypatch: pytest.MonkeyPatch, text: str, question: str | None
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(keystone, "_ask", lambda text, bits: asked.append(text) or b"")
    encode(line(text), EncodingContext(bits=64))
    assert asked == ([question] if question else [])


def test_a_template_is_asked_about_once(keystone: KeystoneBackend) -> None:
    for number in range(50, 100):
        encode(line(f"mov qword [rbx+{number}], {number * 3}"), EncodingContext(bits=64))
    assert keystone.tally.asked == 1


def test_each_thread_has_its_own_engine(keystone: KeystoneBackend) -> None:
    found: list[list[bytes | str]] = []
    threads = [threading.Thread(target=lambda: found.append(results(64))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(one == found[0] for one in found)


def test_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOLKIT_ENCODER", "table")
    assert choose_encoder("auto").name == "table"
    assert encoder_name() == "table"
    assert choose_encoder("auto") is choose_encoder("table")
    with pytest.raises(ValueError, match="unknown encoder 'gas'"):
        choose_encoder("gas")


def test_without_keystone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keystone", None)
    monkeypatch.delenv("TOOLKIT_ENCODER", raising=False)
    monkeypatch.setattr(encode_module._state, "chosen", {})
    with pytest.raises(KeystoneUnavailableError):
        choose_encoder("keystone")
    assert choose_encoder("auto").name == "table"
    assert encode(line("mov eax, ebx"), EncodingContext(bits=64)).data.hex() == "89d8"


def test_heavy_libraries_are_imported_when_needed() -> None:
    code = (
        "import sys; from toolkit.asm.encode import encode;"
        "print([name for name in ('keystone', 'capstone') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert encode_module.__doc__ is not None


def test_a_first_program_needs_neither_library() -> None:
    code = (
        "import sys, toolkit.asm\n"
        "built = toolkit.asm.build('global _start\\n_start: mov eax, 60\\nlea rsi, [rel _start]\\nsyscall\\n')\n"
        "assert built.elf\n"
        "print(sorted({'keystone', 'capstone', 'hashlib', 'difflib'} & sys.modules.keys()))\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TOOLKIT_ENCODER"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout == "[]\n"


def test_what_was_not_compared_in_advance_is_asked_about(
    keystone: KeystoneBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = AutomaticBackend()
    backend._keystone = keystone
    use(backend)
    encode(line("mov eax, ebx"), EncodingContext(bits=64))
    assert keystone.tally.asked == 0
    monkeypatch.setattr(encode_module, "_compared", lambda: frozenset(("add",)))
    use(backend)
    encode(line("mov eax, ebx"), EncodingContext(bits=64))
    encode(line("add eax, ebx"), EncodingContext(bits=64))
    encode(line("vaddpd zmm1, zmm2, zmm3"), EncodingContext(bits=64))
    assert (keystone.tally.asked, keystone.tally.agreed, keystone.tally.misread) == (1, 1, 0)


@pytest.mark.slow
@pytest.mark.parametrize("bits", [64, 32, 16])
def test_nothing_compared_in_advance_is_misread(keystone: KeystoneBackend, bits: int) -> None:
    assert encode_module._compared() <= encoder_keystone.whitelist()
    names = sorted(encode_module._compared())
    full = os.environ.get("TOOLKIT_SWEEP") == "full"
    for instruction in table_cases(bits, names if full else names[::9]):
        with suppress(EncodeError):
            encode(instruction, EncodingContext(bits=bits))
    assert keystone.tally.misread == 0
    assert keystone.tally.agreed > 500

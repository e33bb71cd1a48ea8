"""``encode``: what goes in and comes out, on instructions whose bytes nasm 2.16.01 was asked for once."""

from __future__ import annotations

import pytest

from toolkit.asm.encode import EncodeError, TableBackend, encode, use
from toolkit.asm.parser import parse_line
from toolkit.asm.statement import (
    Encoding,
    EncodingContext,
    Fixup,
    ImmediateOperand,
    Instruction,
    MemoryOperand,
    RegisterOperand,
    Value,
)


class Section:
    """Where the instruction is."""


class Symbol:
    """Something defined elsewhere."""


SECTION, EXTERNAL = Section(), Symbol()


@pytest.fixture(autouse=True)
def table_backend() -> None:
    use(TableBackend())


def instruction(text: str) -> Instruction:
    found = parse_line(text).instruction
    assert found is not None, text
    return found


def assemble(text: str, bits: int = 64, **context: object) -> Encoding:
    return encode(instruction(text), EncodingContext(bits=bits, section=SECTION, **context))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bits", "text", "data"),
    [
        (64, "mov rax, 60", "b83c000000"),
        (64, "mov rax, -1", "48c7c0ffffffff"),
        (64, "mov rax, 0x123456789a", "48b89a78563412000000"),
        (64, "mov eax, [0x402747]", "8b042547274000"),
        (64, "mov [rbx+rcx*4+16], dl", "88548b10"),
        (64, "mov rax, [rsp+rbx]", "488b041c"),
        (64, "mov eax, [rcx*2]", "8b0409"),
        (64, "mov eax, [nosplit rcx*2]", "8b044d00000000"),
        (64, "mov eax, [rbp]", "8b4500"),
        (64, "mov eax, [dword rbx+1]", "8b8301000000"),
        (64, "add eax, 0xffffffff", "83c0ff"),
        (64, "add eax, strict dword 5", "0505000000"),
        (64, "push 5", "6a05"),
        (64, "push word 5", "666a05"),
        (64, "shl eax, 1", "d1e0"),
        (64, "xchg rax, r8", "4990"),
        (64, "imul eax, 5", "6bc005"),
        (64, "lock add dword [rax], 1", "f0830001"),
        (64, "rep movsb", "f3a4"),
        (64, "fadd to st3", "dcc3"),
        (64, "cvtsi2sd xmm1, rax", "f2480f2ac8"),
        (64, "vaddps ymm1, ymm2, [rax]", "c5ec5808"),
        (64, "vaddpd zmm1{k2}{z}, zmm3, [rax+64]{1to8}", "62f1e5da584808"),
        (64, "vgatherdps xmm1, [rax+xmm2*4], xmm3", "c4e261920c90"),
        (32, "mov eax, [ebx]", "8b03"),
        (32, "mov al, [0x1234]", "a034120000"),
        (32, "jmp 0x10:0x20", "ea200000001000"),
        (32, "inc eax", "40"),
        (16, "mov ax, [bx+si+5]", "8b4005"),
        (16, "mov eax, [ebx]", "66678b03"),
        (16, "push 5", "6a05"),
        (16, "jmp dword 0x10:0x20", "66ea200000001000"),
    ],
)
def test_bytes(bits: int, text: str, data: str) -> None:
    encoding = assemble(text, bits)
    assert encoding.data.hex() == data
    assert (encoding.fixups, encoding.warnings) == ((), ())


@pytest.mark.parametrize(
    ("bits", "text", "code", "message"),
    [
        (64, "mov [rax], 5", "size-missing", "operation size not specified"),
        (64, "mov [rax], [rbx]", "invalid-operands", "invalid combination of opcode and operands"),
        (64, "mov 5, rax", "invalid-operands", "invalid combination of opcode and operands"),
        (64, "mov rax, dword [rbx]", "size-mismatch", "mismatch in operand sizes"),
        (64, "push eax", "mode", "instruction not supported in 64-bit mode"),
        (32, "mov rax, rbx", "mode", "instruction not supported in 32-bit mode"),
        (64, "mov ah, r8b", "high-byte-register", "cannot use high byte register in rex instruction"),
        (64, "mov eax, [rsp*2]", "bad-address", "invalid 64-bit effective address"),
        (64, "mov eax, [rax+ebx]", "address-sizes", "impossible combination of address sizes"),
        (64, "mov eax, [rax+rbx+rcx]", "bad-address", "invalid effective address: too many registers"),
        (
            64,
            "vaddps zmm0, zmm1, [rax]{1to8}",
            "broadcast-count",
            "mismatch in the number of broadcasting elements",
        ),
        (64, "addps xmm0{k1}, xmm1", "mask-not-here", "mask not permitted on this operand"),
        (64, "{evex} addps xmm0, xmm1", "encoding-prefix", "instruction not encodable with {evex} prefix"),
        (64, "bnd mov eax, 5", "bnd-prefix", "bnd prefix is not allowed"),
    ],
)
def test_refusals(bits: int, text: str, code: str, message: str) -> None:
    with pytest.raises(EncodeError) as caught:
        assemble(text, bits)
    assert (caught.value.code, caught.value.nasm_message) == (code, message)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("mov al, 300", "byte data exceeds bounds [-w+number-overflow]"),
        ("add rax, 0xffffffff", "signed dword value exceeds bounds [-w+number-overflow]"),
        ("lock mov [rax], eax", "instruction is not lockable [-w+prefix-lock]"),
        ("mov eax, word ebx", "invalid register size specification ignored [-w+regsize]"),
        (
            "mov eax, [ds:rbx]",
            "ds segment base generated, but will be ignored in 64-bit mode [-w+prefix-seg]",
        ),
    ],
)
def test_warnings(text: str, warning: str) -> None:
    assert assemble(text).warnings == (warning,)


def at(constant: int, base: object, **more: bool) -> Value:
    return Value(constant, ((base, 1),), **more)  # type: ignore[arg-type]


def branch(mnemonic: str, value: Value, offset: int = 0, **context: object) -> Encoding:
    where = EncodingContext(bits=64, section=SECTION, offset=offset, **context)  # type: ignore[arg-type]
    return encode(Instruction(mnemonic, (ImmediateOperand(value),)), where)


@pytest.mark.parametrize(
    ("mnemonic", "offset", "target", "data"),
    [
        ("jmp", 0, 129, "eb7f"),
        ("jmp", 0, 130, "e97d000000"),
        ("jmp", 126, 0, "eb80"),
        ("jmp", 127, 0, "e97cffffff"),
        ("jne", 0, 129, "757f"),
        ("jne", 0, 130, "0f857c000000"),
        ("call", 0, 5, "e800000000"),
        ("loop", 0, 2, "e200"),
    ],
)
def test_branches_within_the_section(mnemonic: str, offset: int, target: int, data: str) -> None:
    encoding = branch(mnemonic, at(target, SECTION), offset)
    assert (encoding.data.hex(), encoding.fixups) == (data, ())


def test_an_unknown_target_is_taken_for_near() -> None:
    assert len(branch("jmp", at(0, SECTION, unknown=True), first_pass=True).data) == 2


def test_a_branch_elsewhere_awaits_its_target() -> None:
    encoding = branch("call", at(8, EXTERNAL))
    assert encoding.data == bytes.fromhex("e800000000")
    assert encoding.fixups == (Fixup(1, 4, at(8, EXTERNAL), relative=True, end=4, signed=True),)


def test_a_short_branch_out_of_reach() -> None:
    with pytest.raises(EncodeError, match="short jump is out of range"):
        branch("loop", at(1000, SECTION))


def operand_encoding(mnemonic: str, *operands: object, **context: object) -> Encoding:
    where = EncodingContext(bits=64, section=SECTION, offset=0x100, **context)  # type: ignore[arg-type]
    return encode(Instruction(mnemonic, operands), where)  # type: ignore[arg-type]


def test_the_field_of_an_address_relative_to_rip_ends_before_an_immediate() -> None:
    address = MemoryOperand(at(4, EXTERNAL), 4, relative=True)
    encoding = operand_encoding("mov", address, ImmediateOperand(Value(7)))
    assert encoding.data.hex() == "c7050000000007000000"
    assert encoding.fixups == (Fixup(2, 4, at(4, EXTERNAL), relative=True, end=8, signed=True),)


def test_addresses_in_the_own_section_are_folded_when_relative() -> None:
    address = MemoryOperand(at(0x200, SECTION), relative=True)
    encoding = operand_encoding("mov", RegisterOperand("ecx"), address)
    assert (encoding.data.hex(), encoding.fixups) == ("8b0dfa000000", ())


def test_an_absolute_address_is_signed_in_64_bits() -> None:
    encoding = operand_encoding("mov", RegisterOperand("ecx"), MemoryOperand(at(4, EXTERNAL)))
    assert encoding.fixups == (Fixup(3, 4, at(4, EXTERNAL), signed=True),)


def test_a_displacement_keeps_only_the_symbol() -> None:
    value = Value(4, (("rbx", 1), (EXTERNAL, 1)))  # type: ignore[arg-type]
    encoding = operand_encoding("mov", RegisterOperand("ecx"), MemoryOperand(value, hint_base="rbx"))
    assert encoding.data.hex() == "8b8b00000000"
    assert encoding.fixups == (Fixup(2, 4, at(4, EXTERNAL), signed=True),)


def test_symbol_minus_here_counts_from_the_field() -> None:
    value = Value(4, ((EXTERNAL, 1), (SECTION, -1)))  # type: ignore[arg-type]
    encoding = operand_encoding("mov", RegisterOperand("ecx"), ImmediateOperand(value))
    assert encoding.fixups == (Fixup(1, 4, at(4, EXTERNAL), relative=True, end=-0x101),)


def test_a_first_pass_takes_unknown_immediates_for_small() -> None:
    unknown = ImmediateOperand(Value(0, unknown=True))
    assert operand_encoding("add", RegisterOperand("rcx"), unknown).data.hex() == "4883c100"
    assert len(operand_encoding("mov", RegisterOperand("rcx"), unknown).data) == 5


def test_a_first_pass_takes_unknown_displacements_for_large() -> None:
    value = Value(0, (("rbx", 1),), unknown=True)
    address = MemoryOperand(value, hint_base="rbx")
    assert len(operand_encoding("mov", RegisterOperand("ecx"), address).data) == 6


def test_prefixes_alone_are_their_bytes() -> None:
    encoding = encode(Instruction("", (), ("rep", "o16")), EncodingContext(bits=64))
    assert encoding.data.hex() == "f366"


def test_values_of_one_shape_do_not_leak_into_each_other() -> None:
    first, second = (
        assemble("mov dword [rbx+0x1000], 0x11111111"),
        assemble("mov dword [rbx+0x2000], 0x22222222"),
    )
    assert first.data.hex() == "c7830010000011111111"
    assert second.data.hex() == "c7830020000022222222"

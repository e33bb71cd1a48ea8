"""The linker without ld at hand: layout, resolution, messages, bad input. Equality with ld is in tests/differential."""

from __future__ import annotations

import random
import time

import pytest
from link_objects import EXIT, ObjectMaker, archive, program

from toolkit.abi import elf
from toolkit.asm.link import Linked, LinkInput, link
from toolkit.asm.link.model import NameTable, StringTable, bfd_hash
from toolkit.asm.link.script import place_of


def errors(linked: Linked) -> list[str]:
    return [d.message for d in linked.diagnostics if d.is_error]


def segments(data: bytes) -> list[tuple[int, ...]]:
    header = elf.EHDR64.unpack_from(data)
    count = header[10]
    return [elf.PHDR64.unpack_from(data, header[5] + 56 * i) for i in range(count)]


# ---- layout -----------------------------------------------------------------------------------------------------


def test_a_program_is_laid_out_as_ld_does() -> None:
    maker = program()
    maker.section(".rodata", b"read only")
    maker.section(".data", b"abc")
    maker.section(".bss", size=100)
    linked = link([maker.made()])
    assert linked.elf is not None
    rows = [
        (flags, offset, address, in_file, in_memory)
        for _, flags, offset, address, _, in_file, in_memory, _ in segments(linked.elf)
    ]
    assert rows == [
        (4, 0, 0x400000, 0x120, 0x120),
        (5, 0x1000, 0x401000, 9, 9),
        (4, 0x2000, 0x402000, 9, 9),
        (6, 0x200C, 0x40300C, 3, 0x6C),
    ]
    assert elf.EHDR64.unpack_from(linked.elf)[4] == 0x401000
    assert linked.symbols == {
        "_start": 0x401000,
        "_edata": 0x40300F,
        "__bss_start": 0x40300F,
        "_end": 0x403078,
    }


def test_lines_follow_the_sections() -> None:
    first, second = program(), ObjectMaker("b.o")
    text = second.section(".text", b"\x90")
    second.label("far", text, 1)
    second.call(text, second.extern("_start"), line=7)
    linked = link([first.made(), second.made()])
    row = linked.lines.find(linked.symbols["far"] + 2)
    assert row is not None
    assert (row.file, row.line, row.address) == ("b.asm", 7, linked.symbols["far"])


def test_a_call_reaches_the_other_file() -> None:
    first, second = ObjectMaker(), ObjectMaker("b.o")
    text = first.section(".text")
    first.label("_start", text)
    first.call(text, first.extern("far"))
    second.label("far", second.section(".text", EXIT))
    linked = link([first.made(), second.made()])
    assert linked.elf is not None
    assert linked.elf[0x1000:0x1005] == b"\xe8" + (linked.symbols["far"] - 0x401005).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("name", "output"),
    [
        (".text.hot.f", ".text"),
        (".rodata.str1.1", ".rodata"),
        (".data.rel.ro.local.x", ".data.rel.ro"),
        (".init_array.00010", ".init_array"),
        (".ctors", ".init_array"),
        (".bss.counter", ".bss"),
        (".gnu.linkonce.t.f", ".text"),
        (".textual", None),
        ("mine", None),
    ],
)
def test_section_names_find_their_place_in_the_script(name: str, output: str | None) -> None:
    place = place_of(name)
    assert (place.name if place else None) == output


# ---- resolution -------------------------------------------------------------------------------------------------


def test_a_strong_definition_wins_over_a_weak_one() -> None:
    first, second = program(), ObjectMaker("b.o")
    first.label("hook", first.module.sections[0], 2, "weak")
    second.label("hook", second.section(".text", b"\x90" * 4), 3)
    assert link([first.made(), second.made()]).symbols["hook"] == 0x401000 + 16 + 3


def test_an_archive_gives_only_the_members_that_are_asked_for() -> None:
    caller, wanted, other = ObjectMaker(), ObjectMaker("w.o"), ObjectMaker("o.o")
    text = caller.section(".text")
    caller.label("_start", text)
    caller.call(text, caller.extern("wanted"))
    wanted.label("wanted", wanted.section(".text", EXIT))
    other.label("other", other.section(".text", EXIT))
    library = archive({"o.o": (other.data(), ["other"]), "w.o": (wanted.data(), ["wanted"])})
    symbols = link([caller.made(), LinkInput("lib.a", library)]).symbols
    assert "wanted" in symbols
    assert "other" not in symbols


def test_commons_share_the_largest_size() -> None:
    makers = [program(), ObjectMaker("b.o")]
    for maker, size in zip(makers, (4, 64), strict=True):
        symbol = maker.label("table", None, 16, "common")
        symbol.size, symbol.defined = size, False
    symbols = link([maker.made() for maker in makers]).symbols
    assert symbols["table"] % 16 == 0
    assert symbols["_end"] - symbols["table"] == 64


# ---- messages ---------------------------------------------------------------------------------------------------


def test_undefined_reference_names_the_line_and_the_nearest_name() -> None:
    maker = program()
    text = maker.module.sections[0]
    maker.label("print_line", text)
    maker.call(text, maker.extern("print_lin"), line=12)
    linked = link([maker.made()])
    assert linked.elf is None
    (said,) = linked.diagnostics
    assert said.message == "undefined reference to `print_lin'"
    assert (said.span.file, said.span.line) == ("a.asm", 12)
    assert "print_line" in said.help
    assert said.nasm_message == "a.o:(.text+0xa): undefined reference to `print_lin'"


def test_a_label_that_is_not_global_is_pointed_out() -> None:
    first, second = program(), ObjectMaker("b.o")
    text = first.module.sections[0]
    first.call(text, first.extern("helper"))
    second.label("helper", second.section(".text", EXIT), binding="local")
    (said,) = link([first.made(), second.made()]).diagnostics
    assert "global helper" in said.help


def test_missing_start_is_an_error_or_as_for_ld_a_warning() -> None:
    maker = ObjectMaker()
    maker.label("start", maker.section(".text", EXIT))
    refused = link([maker.made()])
    assert refused.elf is None
    assert "_start" in refused.diagnostics[0].message
    assert "did you mean `start'" in refused.diagnostics[0].help
    warned = link([maker.made()], missing_entry="warning")
    assert warned.elf is not None
    assert warned.diagnostics[0].nasm_message == (
        "warning: cannot find entry symbol _start; defaulting to 0000000000401000"
    )


def test_two_definitions_are_both_named() -> None:
    linked = link([program().made(), program("b.o").made()])
    (said,) = linked.diagnostics
    assert said.message == "multiple definition of `_start'"
    assert said.span.file == "b.o"
    assert said.related[0][1].file == "a.o"


def test_an_address_that_does_not_fit() -> None:
    maker = program()
    data = maker.section(".data")
    maker.address(data, maker.module.sections[0], size=2, constant=0x5000)
    assert errors(link([maker.made()])) == ["relocation truncated to fit: R_X86_64_16 against `.text'"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "file format not recognized"),
        (b"section .text\n", "file format not recognized"),
        (b"\x7fELF", "file format not recognized"),
        (b"\x7fELF\x02\x01\x01" + bytes(57), "not a relocatable object"),
        (b"!<arch>\nnonsense" + b" " * 60, "malformed archive"),
        (b"!<thin>\n", "thin archive"),
    ],
)
def test_files_that_are_no_objects(data: bytes, words: str) -> None:
    (said,) = link([LinkInput("x.o", data)]).diagnostics
    assert words in said.message


def test_a_linker_script_is_refused() -> None:
    assert "linker scripts (-T) are not supported" in errors(link([program().made()], script="link.ld"))[0]


def test_machines_do_not_mix() -> None:
    other = ObjectMaker("b.o", "elf32")
    other.section(".text", b"\x90")
    assert (
        "i386 architecture of input file `b.o' is incompatible"
        in errors(link([program().made(), other.made()]))[0]
    )


def test_absolute_addresses_are_refused_in_position_independent_code() -> None:
    maker = program()
    maker.address(maker.module.sections[0], maker.section(".data", b"x"), size=4)
    (message,) = errors(link([maker.made()], kind="pie"))
    assert message == "relocation R_X86_64_32 against `.data' can not be used when making a PIE object"


# ---- tables -----------------------------------------------------------------------------------------------------


def test_strings_share_their_tails() -> None:
    table = StringTable()
    for text in (b"start", b"_start", b"art", b"other"):
        table.add(text)
    assert table.finish() == b"\0_start\0other\0"
    assert table.offsets[b"art"] == table.offsets[b"_start"] + 3


def test_names_come_in_the_order_of_bfds_hash_table() -> None:
    names = NameTable()
    for name in ("_end", "_edata", "__bss_start", "_start"):
        names.entry(name)
    assert [e.name for e in names.in_hash_order()] == ["_start", "__bss_start", "_edata", "_end"]
    assert bfd_hash("") == 0


# ---- bad input --------------------------------------------------------------------------------------------------


def damaged(data: bytes, source: random.Random) -> bytes:
    body = bytearray(data)
    for _ in range(source.choice((1, 2, 8))):
        at = source.randrange(len(body))
        body[at : at + 4] = source.choice(
            (b"\xff\xff\xff\xff", b"\0\0\0\0", source.randbytes(4), b"\xff\xff\xff\x7f")
        )
    return bytes(body[: source.randrange(1, len(body))] if source.random() < 0.1 else body)


@pytest.mark.parametrize("kind", ["object", "archive", "shared", "library"])
def test_damaged_files_only_give_diagnostics(kind: str) -> None:
    """Thousands of mutations: no exception, and none takes long."""
    source = random.Random(f"damaged {kind}")
    maker = program()
    text = maker.module.sections[0]
    maker.call(text, maker.extern("elsewhere"))
    maker.address(maker.section(".data", b"12345678"), text)
    maker.section(".bss", size=64)
    data = maker.data()
    other = ObjectMaker("b.o")
    other.label("elsewhere", other.section(".text", EXIT))
    if kind == "archive":
        data = archive({"a.o": (data, ["_start"])})
    if kind == "library":
        made = link([other.made()], kind="shared").elf
        assert made is not None
        data = made
    begin = time.monotonic()
    for _ in range(600):
        files = [LinkInput("bad", damaged(data, source)), other.made()]
        source.shuffle(files)
        linked = link(files, kind="shared" if kind == "shared" else "static", undefined=("_start",))
        assert linked.elf is not None or linked.diagnostics
    assert time.monotonic() - begin < 20


def test_a_program_that_would_be_too_large() -> None:
    maker = program()
    huge = maker.section("huge", b"x")
    huge.alignment = 1 << 31
    maker.section("next", b"y").alignment = 1 << 31
    linked = link([maker.made()])
    assert linked.elf is None
    assert "bytes long" in errors(linked)[0]


def test_a_program_that_does_not_fit_the_address_space() -> None:
    maker = ObjectMaker("a.o", "elf32")
    maker.label("_start", maker.section(".text", EXIT))
    maker.section(".bss", size=0xFFFFFF00)
    (message,) = errors(link([maker.made()]))
    assert "beyond the address space" in message

"""Where ld puts sections: those its script does not name, beside sections with addresses from the command line; ``__start_`` of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.differential.test_link_rows import NOTE, PIE, START, links_equally

pytestmark = pytest.mark.differential

LABELS = ".data\nd: .text\nt: \n.bss\nb: .text\n"
ORPHANS = {
    "note": NOTE.format("x"),
    "notes": NOTE.format("x") + NOTE.format("y").replace("p2align 2", "p2align 3"),
    "constants": '.section odd,"a"\n.long 1\n',
    "code": '.section cc,"ax"\nnop\n',
    "data": '.section dw,"aw"\n.long 1\n',
    "no contents": '.section nb,"aw",@nobits\n.zero 3\n',
    "thread-local": '.section tl,"awT"\n.long 3\n',
    "not loaded": '.section na,""\n.long 1\n.section .debug_info,""\n.long 2\n.section .comment,"MS",@progbits,1\n.asciz "x"\n',
}
ORPHANS["all"] = "".join(text for name, text in ORPHANS.items() if name != "notes")
KINDS = ("", "-shared", PIE, "-m elf_i386", "-shared --build-id=sha1")
ADDRESSES = (
    "-Ttext=0x500000",
    "-Tdata=0x900000",
    "-Tbss=0xa00000",
    "-Tdata=0x900000 -Ttext=0x500000",
    "-Tbss=0xa00000 -Ttext=0x500000",
    "--section-start=odd=0x700000",
    "--section-start=.rodata=0x700000",
    "--section-start=new=0x700000 --section-start=dw=0x800000",
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("addresses", ADDRESSES)
def test_all_orphans(addresses: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = ORPHANS["all"]
    sources = [START + text + LABELS + ".data\n.long 1\n", "l1: nop\n" + text + ".bss\n.long 0\n"]
    assert links_equally(f"{kind} {addresses}", sources)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("addresses", ["", *ADDRESSES])
@pytest.mark.parametrize("orphans", ORPHANS)
def test_each_orphan(
    orphans: str, addresses: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address counts for what follows even where its section is dropped; symbols do not see it."""
    monkeypatch.chdir(tmp_path)
    text = ORPHANS[orphans]
    assert links_equally(
        f"{kind} {addresses}", [START + text + LABELS + ".data\n.long 1\n", "l1: nop\n" + text]
    )
    sources = [
        START + text + LABELS.replace(".text", "") + '.section .rodata,"a"\nk: .long 4\n',
        "l1: nop\n" + text,
    ]
    assert links_equally(f"{kind} {addresses}", sources)


PART = '.section part,"a"\n.long 1\n'
VISIBILITIES = ("", ".weak __start_part\n", ".protected __start_part\n", ".hidden __start_part\n")
LIBRARIES = ("", ".data\n.long __start_part-.\n", PART)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("visibility", VISIBILITIES)
def test_boundaries(visibility: str, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``__start_`` and ``__stop_`` bind within the module; a library that wants them finds them, hidden or not."""
    monkeypatch.chdir(tmp_path)
    source = START + PART + visibility + ".data\n.globl keep\nkeep: .quad __start_part, __stop_part\n"
    for kind in ("-shared --gc-sections", "-shared", f"{PIE} --gc-sections", "-E"):
        assert links_equally(kind, [source, PART], library), kind


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["elf_x86_64", "elf_i386"])
@pytest.mark.parametrize("kind", ["-shared", PIE, "", "-shared -Bsymbolic", "-E"])
@pytest.mark.parametrize("asked", ["--gc-sections -u keep", "--gc-sections", ""])
def test_boundaries_in_every_kind_of_link(
    asked: str, kind: str, machine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wide = "quad" if machine == "elf_x86_64" else "long"
    for visibility in VISIBILITIES:
        for library in LIBRARIES if kind else ("",):
            for names in ("__start_part", "__start_part, __stop_part"):
                source = START + PART + visibility + f".data\n.globl keep\nkeep: .{wide} {names}\n"
                arguments = f"-m {machine} {kind} {asked}"
                assert links_equally(arguments, [source, PART], library), (visibility, library, names)


@pytest.mark.parametrize("name", ["__start_part", "w"])
@pytest.mark.parametrize("kind", ["-shared", PIE])
@pytest.mark.parametrize("library", ["", ".data\n.long {}-.\n", ".weak {0}\n.data\n.long {0}-.\n"])
def test_hidden_names_met_again(
    library: str, kind: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is hidden and open is dynamic when it is met first, local when it is met again, and so on."""
    monkeypatch.chdir(tmp_path)
    for hidden in ("", f".hidden {name}\n"):
        first = f".weak {name}\n{hidden}.data\n.quad {name}\n"
        other = f".weak {name}\n.hidden {name}\n.data\n.quad {name}\n"
        for count in range(4):
            sources = [START + PART + first, *[other] * count]
            assert links_equally(kind, sources, library.format(name)), (hidden, count)


@pytest.mark.parametrize("visibility", ["hidden", "protected"])
@pytest.mark.parametrize("use", [".data\n.quad w\n", "call w@PLT\n"])
def test_what_only_a_shared_object_could_define(
    use: str, visibility: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = f"{START}.{visibility} w\n{use}"
    assert links_equally("-shared", [source])
    assert links_equally("-shared", [".weak w\n" + source], ".data\n.long w-.\n")

"""Names that ld defines itself, met by objects and libraries, and what else random links of rare things showed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.differential.test_link_rows import NOTE, PIE, START, links_equally

pytestmark = pytest.mark.differential

NAMES = (
    "_edata", "_end", "__bss_start", "etext", "_DYNAMIC", "__ehdr_start", "__init_array_start", "_GLOBAL_OFFSET_TABLE_", "__executable_start",
)  # fmt: skip
KINDS = (
    "",
    PIE,
    f"{PIE} -E",
    "-shared",
    "-shared -Bsymbolic",
    "-E -dynamic-linker /lib/ld.so",
    f"{PIE} --no-dynamic-linker",
)
DECLARED = ("", ".weak {}\n", ".weak {0}\n.hidden {0}\n")
LIBRARIES = ("", ".globl q\nq: ret\n", ".globl q\nq: ret\n.data\n.{} _edata, _end, etext\n")


def is_known_to_differ(name: str, kind: str, declared: str) -> bool:
    """A hidden etext in a shared object: ld leaves a local row of it in .dynsym."""
    return name == "etext" and "-shared" in kind and "hidden" in declared


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("declared", DECLARED)
def test_all_names(declared: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = [name for name in NAMES if not is_known_to_differ(name, kind, declared)]
    source = (
        START + "".join(declared.format(name) for name in names) + ".data\n.quad " + ", ".join(names) + "\n"
    )
    for library in LIBRARIES:
        assert links_equally(kind, [source], library.format("quad")), library


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("machine", ["elf_x86_64", "elf_i386"])
@pytest.mark.parametrize("name", NAMES)
def test_each_name(
    name: str, machine: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wide = "quad" if machine == "elf_x86_64" else "long"
    for declared in DECLARED:
        if not is_known_to_differ(name, kind, declared):
            source = f"{START}{declared.format(name)}.data\n.{wide} {name}\n"
            for library in LIBRARIES:
                assert links_equally(f"-m {machine} {kind}", [source], library.format(wide)), (
                    declared,
                    library,
                )


WRITABLE_NOTE = NOTE.format("w").replace('"a"', '"aw"')
THREADS = '.section .tbss,"awT",@nobits\n.zero 16\n.section more,"awT",@nobits\n.zero 4\n'
BACKWARDS = '.section {},"aw"\n.quad _start, other\n.text\nother: nop\n'
ROWS: dict[str, tuple[str, list[str], str]] = {
    "a writable note among others": ("", [START + NOTE.format("x") + WRITABLE_NOTE], ""),
    "thread-local storage behind the headers": ("--section-start=.rodata=0x300000", [START + THREADS + '.section .init_array,"aw"\n.quad 0\n'], ""),
    "two sections of thread-local storage without contents": ("", [START + THREADS], ""),
    "constructors among the functions to start with": ("", [START + BACKWARDS.format(".ctors") + BACKWARDS.format(".dtors").replace("other", "another")], ""),
    "constructors of a PIE": (PIE, [START + BACKWARDS.format(".ctors.00100")], ""),
    "a PIE at an address": (f"{PIE} -Ttext-segment=0x10000000", [START], ""),
    "headers below the lowest section": ("--section-start=.rodata=0x300000", [START + '.data\n.quad __ehdr_start\n.section .rodata,"a"\n.long 1\n'], ""),
    "a stack size and no notes": ("-z stack-size=65536", [START], ""),
    "a stack size and no notes, with -r": ("-r -z stack-size=65536", [START], ""),
    "the same with -E": (f"{PIE} -E --gc-sections", [START + '.section .unused,"aw"\n.quad etext\n'], ""),
    "names of the script and -z defs": ("-shared -z defs", [START + ".data\n.quad _edata, _end\n"], ""),
    "notes behind .data1": ("-shared", [START + '.section .data1,"aw"\n.long 1\n' + WRITABLE_NOTE + NOTE.format("x") + ".data\n.quad _edata\n"], ""),
    "names to be found without a dynamic linker": ("-E --no-dynamic-linker", [START + ".globl f\nf: ret\ncall f@PLT\n"], ""),
    "old tags and -z now": (f"{PIE} -z now --disable-new-dtags", [START], ""),
    "old tags and static thread-local storage": ("-shared -z now --disable-new-dtags", [START + "mov v@GOTTPOFF(%rip), %rax\n"], ""),
    "a library that wants the linker's hidden names": ("-dynamic-linker /lib/ld.so", [START], ".data\n.quad __init_array_start\n"),
    "names of the script and --gc-sections": ("-shared --gc-sections", [START + '.section .unused,"aw"\n.quad _edata\n'], ""),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_same_as_ld(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert links_equally(*ROWS[name])

"""``ld -r``: objects combined into one by GNU ld and by us, to the byte."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.asm.link_programs import Case, wide_case
from tests.differential.test_link_random import is_linked_equally
from tests.differential.test_link_rows import FRAMED, GROUP, NOTE, START, links_equally
from toolkit.asm.link.arguments import link_files

BATCH = 25
COUNT = 4000 if os.environ.get("TOOLKIT_SWEEP") == "full" else 50
_OTHERS = ("-shared", "-pie", "--gc-sections", "--no-gc-sections", "-s")

pytestmark = pytest.mark.differential


def relocatable(made: Case) -> Case:
    """A random link as one with -r, without the options that don't go with it."""
    words = iter(made.arguments)
    arguments = ["-r"]
    for word in words:
        if word == "-dynamic-linker":
            next(words)
        elif word not in _OTHERS and not word.startswith(("-T", "--defsym", "--build-id")):
            arguments.append(word)
    return replace(made, library={}, arguments=arguments)


@pytest.mark.parametrize("start", range(0, COUNT, BATCH))
def test_random_objects(start: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("as") is None or shutil.which("ar") is None:
        pytest.skip("the GNU assembler is not installed")
    monkeypatch.chdir(tmp_path)
    results = {seed: is_linked_equally(relocatable(wide_case(seed))) for seed in range(start, start + BATCH)}
    different = [seed for seed, equal in results.items() if equal is False]
    assert not different, f"seeds {different}: print tests.asm.link_programs.wide_case(seed)"
    assert sum(equal is not None for equal in results.values()) > BATCH // 2


LARGE_GROUP = (
    '.section .text.g,"axG",@progbits,g,comdat\n.weak g\ng: .cfi_startproc\ncall g\n.L1: ret\n.cfi_endproc\n'
    '.section .rodata.g,"aG",@progbits,g,comdat\nr: .long g-., .L1-.\n'
    '.section .data.g,"awG",@progbits,g,comdat\n.long r-.\n'
)
DEBUG = '.section .debug_info,"",@progbits\n.long .text.g, .text, g\n'
NAMED = '.section .text.k,"axG",@progbits,key,comdat\n.globl k{0}\nk{0}: ret\n'
ROWS: dict[str, tuple[str, list[str]]] = {
    "groups of several sections": ("", [START + LARGE_GROUP, LARGE_GROUP, "nop\n" + LARGE_GROUP]),
    "debugging information of dropped groups": ("", [START + LARGE_GROUP + DEBUG, LARGE_GROUP + DEBUG]),
    "the same without a twin": ("", [START + LARGE_GROUP + DEBUG, GROUP + "nop\n" + DEBUG]),
    "code that refers to a dropped group": ("", [START + LARGE_GROUP, LARGE_GROUP + ".text\n.long .text.g-.\n"]),
    "a group named by a local symbol": ("-x", [START + NAMED.format(1), NAMED.format(2)]),
    "names of a dropped group": ("", [START + NAMED.format(1), NAMED.format(2), ".globl k2\n"]),
    "names of a dropped group that are called": ("", [START + NAMED.format(1), NAMED.format(2), "call k2\n"]),
    "local symbols that relocations want": ("-x", [START + "local: nop\nother: nop\n.data\n.long local-.\n", "l: nop\n.data\n.long l-.\n"]),
    "temporary symbols": ("-X", [START + '.section .rodata.s,"aMS",@progbits,1\n.L1: .asciz "a"\nt: .asciz "b"\n']),
    "no debugging information": ("-S", [START + LARGE_GROUP + DEBUG, LARGE_GROUP + DEBUG]),
    "frames of dropped functions": ("", [START + FRAMED + LARGE_GROUP, FRAMED + LARGE_GROUP + FRAMED]),
    "an entry": ("-e other", [START, "other: nop\n.globl other\n.text\nnop\n"]),
    "the default entry": ("", [START, "nop\n.globl start\nstart: nop\n"]),
    "an entry that is missing": ("-e missing", [START]),
    "a number as the entry": ("-e 0x1234", [START]),
    "names that are asked for": ("-u wanted --require-defined=_start", [START]),
    "a stack that is not executable": ("-z noexecstack", [START, "nop\n"]),
    "an executable stack": ("-z execstack", [START, "nop\n"]),
    "an executable stack by a missing note": ("", [START, 'nop\n.section .note.GNU-stack,"",@progbits\n']),
    "thread-local alignment": ("", [START + '.section .tdata,"awT"\n.long 1\n.section .tbss,"awT",@nobits\n.p2align 5\n.zero 4\n']),
    "commons": ("", [START + ".comm c,4,4\n.comm d,8,32\n", ".comm c,16,8\n.weak e\n.hidden e\n.long e-.\n"]),
    "notes and orphans": ("", [START + NOTE.format("x") + '.section odd,"aw"\n.long 1\n', '.section odd,"a"\n.long 2\n' + NOTE.format("x")]),
    "what stays apart": ("", [START + '.section odd,"aR"\n.long 1\n', '.section odd,"a"\n.long 2\n.section .text.f,"ax"\nnop\n']),
    "functions chosen at start": ("", [START + ".type h, @gnu_indirect_function\nh: ret\n.type u, @gnu_unique_object\n.globl u\n.data\nu: .long 1\n"]),
    "another way to write it": ("--relocatable -i", [START, "nop\n"]),
    "a shared object": ("-shared", [START]),
    "a PIE": ("-pie", [START]),
}  # fmt: skip


@pytest.mark.parametrize("machine", ["elf_x86_64", "elf_i386"])
@pytest.mark.parametrize("name", ROWS)
def test_same_as_ld(name: str, machine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, sources = ROWS[name]
    assert links_equally(f"-m {machine} -r {arguments}", sources)


@pytest.mark.parametrize("words", ["-r {}", "{} -r", "-Bstatic {}"])
def test_no_shared_library(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shared library is no part of an object, nor of a static link."""
    monkeypatch.chdir(tmp_path)
    assert links_equally("-shared", [".globl f\nf: ret\n"])
    Path("reference").rename("lib.so")
    command = words.format("lib.so").split()
    assert subprocess.run(["ld", "o0.o", *command], capture_output=True, check=False).returncode
    linked, _ = link_files(["o0.o", *command])
    assert linked.elf is None


C = """
#include <stdio.h>
static int table[10]; int global = 3; extern int other(int); __thread int own = 4; const char *names[] = {"a", "bb"};
int %s(int count, char **words) {
    for (int i = 0; i < count; i++) printf("%%s %%d\\n", words[i], other(i) + own);
    switch (count) { case 1: puts("x"); break; case 2: puts("yy"); break; case 3: puts("z"); break; case 4: return table[3]; }
    return global;
}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", ["-O0", "-O2 -g", "-O2 -g3 -ffunction-sections", "-Os -fPIC -fcf-protection", "-m32 -O2 -g"]
)
def test_what_gcc_makes(options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    monkeypatch.chdir(tmp_path)
    for name in ("first", "second"):
        text = (
            C % name
            if name == "first"
            else (C % name).replace("int global = 3", "extern int global").replace("own = 4", "own2")
        )
        Path(f"{name}.c").write_text(text.replace("+ own)", "+ own2)") if name == "second" else text)
    names = "const char *names[]"
    second = Path("second.c")
    second.write_text(second.read_text().replace(names, f"static {names}"))
    subprocess.run(["gcc", *options.split(), "-c", "first.c", "second.c"], check=True, capture_output=True)
    command = ["-m", "elf_i386" if "-m32" in options else "elf_x86_64", "-r", "first.o", "second.o"]
    subprocess.run(["ld", *command, "-o", "reference"], check=True)
    linked, _ = link_files(command)
    assert linked.elf == Path("reference").read_bytes()

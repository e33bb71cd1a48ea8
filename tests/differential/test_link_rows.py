"""Small links in the assembler's language, each for one rule of GNU ld that random links met: the same bytes, or refused by both."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.asm.link_programs import Case
from tests.differential.test_link_random import is_linked_equally

pytestmark = pytest.mark.differential

START = ".globl _start\n_start: nop\n"
FRAMED = '.section .text.f,"ax"\n.cfi_startproc\nnop\n.cfi_endproc\n'
GROUP = '.section .text.g,"axG",@progbits,g,comdat\n.weak g\ng: '
GENERAL = ".byte 0x66; lea v@TLSGD(%rip), %rdi\n.value 0x6666; rex64\ncall __tls_get_addr@PLT\n"
THREAD = '.section .tdata,"awT"\n.globl v\nv: .long 1\n'
PLACES = ".data\n.quad __start_part, __stop_part\n"
PART = '.section part,"a"\n.long 1\n'
ALPHA = '.globl alpha\n.section {},"aw"\nalpha: .long 1\n.size alpha, 4\n'
CHOSEN = ".type g, @gnu_indirect_function\ng: ret\n"
MANY = "".join(f".globl f{number}\nf{number}: ret\n" for number in range(60))
NOTE = '.section .note.{},"a",@note\n.p2align 2\n.long 4, 4, 1\n.asciz "abc"\n.long 0\n'
PIE = "-pie -dynamic-linker /lib/ld.so"

# name → (arguments, objects, the shared library "lib.so" if there is one)
ROWS: dict[str, tuple[str, list[str], str]] = {
    "a protected name, hidden elsewhere, in a PIE's code": (
        f"-m elf_i386 {PIE}",
        [START + "mov $v, %eax\n.weak v\n.hidden v\n", ".globl v\n.protected v\n.data\nv: .long 1\n"],
        "",
    ),
    "a hidden name, protected elsewhere, in a PIE's code": (
        f"-m elf_i386 {PIE}",
        [
            START + "mov $v, %eax\n.globl v\n.hidden v\n.data\nv: .long 1\n",
            ".weak v\n.protected v\n.data\nv: .long 1\n",
        ],
        "",
    ),
    "a common name, weak and protected elsewhere": (
        f"-m elf_i386 {PIE}",
        [START + ".comm v,4,4\n", "mov $v, %eax\n.weak v\n.protected v\n.data\nv: .long 1\n"],
        "",
    ),
    "a common name that a library has placed": (
        "-dynamic-linker /lib/ld.so",
        [START + ".comm c,4,4\n"],
        ".comm c,8,8\n.comm wide,64,32\n",
    ),
    "a library's protected variable": (
        f"-m elf_i386 {PIE}",
        [START + "mov $alpha, %eax\n"],
        ".protected alpha\n" + ALPHA.format(".data"),
    ),
    "the distance to a copied variable": (
        f"-m elf_i386 {PIE}",
        [START + "call alpha\n"],
        ALPHA.format(".data"),
    ),
    "the distance to a copied variable in data": (
        f"-m elf_i386 {PIE}",
        [START + "mov $alpha, %eax\n.data\n.long alpha-.\n"],
        ALPHA.format(".data"),
    ),
    "the distance to a variable without a copy": (
        f"-m elf_i386 {PIE}",
        [START + ".data\n.long alpha-.\n"],
        ALPHA.format(".data"),
    ),
    "a writable part of .text": (
        f"-m elf_i386 {PIE}",
        [START + '.section .text.x,"awx"\nmov $alpha, %eax\n'],
        ".globl alpha\n.data\nalpha: .long 1\n",
    ),
    "an orphan of several kinds": (
        "",
        [START, '.section odd,"a"\n.long 1\n', '.section odd,"ax"\n.long 2\n'],
        "",
    ),
    "an orphan that becomes writable": (
        "",
        [START, '.section odd,"aR"\n.long 1\n.section odd,"aw"\n.long 2\n'],
        "",
    ),
    "__start_ of a part that is not loaded": (
        "",
        [START + PLACES, '.section part,""\n.long 1\n', PART],
        "",
    ),
    "__start_ of a part that is": ("", [START + PLACES, PART, '.section part,""\n.long 1\n'], ""),
    "a name added again to .dynstr": (
        f"-m elf_i386 {PIE}",
        [START + ".weak maybe\ncall maybe\n.data\n.long alpha\n"],
        ALPHA.format(".data") + ".weak maybe\n.long maybe\n",
    ),
    "a soname, the entry of a library and a path": (
        f"-soname so.1 -rpath /opt -e alpha {PIE}",
        [START],
        ALPHA.format(".data") + ".type alpha, @function\n",
    ),
    "a hidden name of the command line": (
        "-dynamic-linker /lib/ld.so -u g",
        [START + ".weak g\n.hidden g\ng: nop\n"],
        ".globl g\n.type g, @function\ng: nop\n",
    ),
    "a name only in a dropped group": ("", [START + GROUP + "ret\n", GROUP + "call foo\n"], ""),
    "a name that nothing refers to": ("", [START + ".globl foo\n"], ""),
    "a name that nothing refers to, in a PIE": (PIE, [START + ".globl foo\n"], ""),
    "a name that only the command line refers to": ("-u foo", [START + ".globl foo\n"], ""),
    "a missing entry": ("", [".globl _start, foo\nnop\n"], ""),
    "__tls_get_addr only in a dropped group": (
        "",
        [START + GROUP + "ret\n", GROUP + GENERAL + THREAD],
        "",
    ),
    "__tls_get_addr rewritten": ("", [START + GENERAL + THREAD], ""),
    "the first local names after a build ID": (
        "--build-id=sha1",
        [START + "one: nop\n", '.section .text.hot,"ax"\ntwo: nop\n'],
        "",
    ),
    "only thread-local storage behind code": (
        "",
        [START + '.section .tbss,"awT",@nobits\n.p2align 4\n.zero 8\n'],
        "",
    ),
    "relocation read-only memory without frames": (
        "-m elf_i386 --gc-sections",
        [START + "lea _GLOBAL_OFFSET_TABLE_, %eax\nmov v, %eax\n.data\nv: .long 1\n", FRAMED],
        "",
    ),
    "the last string is a part of another": (
        "",
        [
            START + '.section .rodata.str1.8,"aMS",@progbits,1\n.p2align 3\n.asciz "trombone"\n.p2align 3\n',
            '.section .rodata.str1.8,"aMS",@progbits,1\n.p2align 3\n.asciz ""\n.p2align 3\n'
            '.section .rodata.str2.2,"aMS",@progbits,2\n.p2align 1\n.string16 "a"\n',
        ],
        "",
    ),
    "boundaries in a shared object": ("-shared", [START + PART + PLACES], ""),
    "boundaries in a collected shared object": ("-shared --gc-sections", [START + PART + PLACES], ""),
    "boundaries that a library has too": ("-dynamic-linker /lib/ld.so", [START + PART], PART + PLACES),
    "boundaries that a library has too, of code": (PIE, [START + PART + PLACES], PART + PLACES),
    "boundaries called in i386": (
        "-m elf_i386 -shared",
        [
            START
            + PART
            + "call __start_part@PLT\nmov __stop_part@GOT(%ebx), %eax\n.data\n.long __start_part\n"
        ],
        "",
    ),
    "two notes, then constants": (
        "-shared",
        [START + NOTE.format("x") + NOTE.format("y"), '.section one,"a"\n.long 1\n'],
        "",
    ),
    "a note, constants, a note, code and constants": (
        "-shared",
        [
            START + NOTE.format("x"),
            '.section one,"a"\n.long 1\n',
            NOTE.format("y") + '.section code,"ax"\n.long 1\n',
            '.section two,"a"\n.long 1\n',
        ],
        "",
    ),
    "notes by alignment": ("-shared", [START + NOTE.format("x") + NOTE.format("y") + ".p2align 3\n"], ""),
    "code before constructors in a library": (
        "-shared",
        [START + '.section .preinit_array,"aw",@preinit_array\n.quad _start\n'],
        "",
    ),
    "a local chosen function in a library": ("-shared", [START + CHOSEN + "call g\n"], ""),
    "chosen functions, local and global": (
        "",
        [
            START + CHOSEN + "call g\n",
            ".globl h\n" + ".type h, @gnu_indirect_function\nh: ret\n" + "call h\n",
        ],
        "",
    ),
    "i386 loads with --no-relax": (
        "-m elf_i386 --no-relax",
        [START + "mov v@GOT(%ebx), %eax\n.data\n.globl v\nv: .long 1\n"],
        "",
    ),
    "chosen functions among other names": (
        "-shared",
        [
            START
            + ".globl g\n"
            + CHOSEN
            + ".data\n.globl v, w\nv: .quad g\n.quad v\n.quad _start\n.quad w\nw: .long 1\n"
        ],
        "",
    ),
    "a local chosen function that is dropped": (
        "--gc-sections",
        [START, '.section .text.g,"ax"\n' + CHOSEN],
        "",
    ),
    "a local chosen function, stripped": ("-s", [START + CHOSEN + "call g\n"], ""),
    "a local chosen function without local names": ("-shared -x", [START + CHOSEN], ""),
    "an i386 call of a chosen function": ("-m elf_i386 -shared", [START + CHOSEN + "call g\n"], ""),
    "an i386 distance to a chosen function": (
        "-m elf_i386 -pie",
        [START + CHOSEN + ".data\n.long g-.\n"],
        "",
    ),
    "an i386 offset of a chosen function": (
        "-m elf_i386 -pie",
        [START + CHOSEN + "lea g@GOTOFF(%ebx), %eax\n"],
        "",
    ),
    "a wide distance to a chosen function": ("-pie", [START + CHOSEN + ".data\n.quad g-.\n"], ""),
    "text below the rest": ("-m elf_i386 -Ttext=0x500000", [START + '.section .init,"ax"\nnop\n'], ""),
    "text placed, and a note": ("-Ttext=0x500000", [START + NOTE.format("x")], ""),
    "data placed, and more behind it": (
        "-Tdata=0x900000",
        [START + '.data\n.long 1\n.section part,"aw"\n.long 1\n.section code,"ax"\nnop\n'],
        "",
    ),
    "a copy without a size, and data placed": (
        "-dynamic-linker /lib/ld.so -E -Tdata=0x900000",
        [START + "mov $v, %eax\n.data\n.long 1\n"],
        ".globl v\n.type v, @object\n.data\nv: .long 1\n",
    ),
    "a comment beside frames only": (
        "--gc-sections",
        [START, FRAMED + '.section .comment_1,""\n.long 1\n'],
        "",
    ),
    "a comment beside a note only": (
        "--gc-sections",
        [
            START,
            '.section .note.x,"a",@note\n.long 4, 4, 1, 0, 0\n.section .comment_1,""\n.long 1\n',
        ],
        "",
    ),
    "loads kept by --no-relax": (
        "--no-relax",
        [START + "mov v@GOTPCREL(%rip), %rax\n.data\nv: .long 1\n"],
        "",
    ),
    "hash tables by -O1": ("-shared -O1", [MANY], ""),
    "hash tables by -O0": ("-shared -O0", [MANY], ""),
    "a required name": ("--require-defined=_start", [START], ""),
    "a required name that is missing": ("--require-defined=other", [START], ""),
    "a library that lacks a name": ("-dynamic-linker /lib/ld.so", [START], ".data\n.quad other\n"),
    "a library that may lack a name": (
        "-dynamic-linker /lib/ld.so --allow-shlib-undefined",
        [START],
        ".data\n.quad other\n",
    ),
    "a frame header without entries": ("--gc-sections --eh-frame-hdr", [START, FRAMED], ""),
    "a frame header for a terminator": ("--eh-frame-hdr", [START, '.section .eh_frame,"a"\n.long 0\n'], ""),
}


def links_equally(arguments: str, sources: list[str], library: str = "") -> bool | None:
    """Whether ld and the toolkit make the same of sources, linked in their order, in the current folder."""
    if shutil.which("as") is None:
        pytest.skip("the GNU assembler is not installed")
    bits = 32 if "elf_i386" in arguments else 64
    objects = {f"o{number}": text for number, text in enumerate(sources)}
    emulation = [] if bits == 32 else ["-m", "elf_x86_64"]
    made = Case(bits, "", objects, {"lib": library} if library else {}, [*emulation, *arguments.split()])
    return is_linked_equally(made)


@pytest.mark.parametrize("name", ROWS)
def test_same_as_ld(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert links_equally(*ROWS[name])

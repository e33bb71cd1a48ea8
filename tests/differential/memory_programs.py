"""Small assembly programs about memory, generated from scripts in a language of one call a line.

    a = mmap 0 8192 rw private|anonymous -1 0     make the call, keep the result in a, print it
    mprotect a+4096 4096 r                        make the call, print the result
    store a+5 7                                   a byte written by an instruction
    faults … faults, counted                      the faults between, minor and major, as getrusage counts them
    load a                                        a byte read by an instruction, and printed
    child … end                                   a forked child does the lines between and exits; the parent waits for it

At the end a program prints ``#`` and blocks in read(0), where its map is looked at, then it exits with 7.
"""

from __future__ import annotations

import re
from itertools import product

NUMBERS = {
    "read": 0, "write": 1, "open": 2, "close": 3, "lseek": 8, "mmap": 9, "mprotect": 10, "getrusage": 98, "munmap": 11, "brk": 12,
    "pread": 17, "pwrite": 18, "mremap": 25, "msync": 26, "mincore": 27, "madvise": 28, "ftruncate": 77,
    "mlock": 149, "munlock": 150, "mlockall": 151, "munlockall": 152, "prlimit": 302, "memfd": 319, "mlock2": 325,
}  # fmt: skip
CONSTANTS = {
    "none": 0, "r": 1, "w": 2, "rw": 3, "x": 4, "rx": 5, "rwx": 7,
    "shared": 1, "private": 2, "fixed": 0x10, "anonymous": 0x20, "low": 0x40, "growsdown": 0x100, "locked": 0x2000,
    "noreserve": 0x4000, "populate": 0x8000, "stack": 0x20000, "noreplace": 0x100000, "validate": 3,
    "maymove": 1, "remapfixed": 2, "dontunmap": 4,
    "normal": 0, "random": 1, "sequential": 2, "willneed": 3, "dontneed": 4, "free": 8, "remove": 9, "dontfork": 10,
    "dofork": 11, "dontdump": 16, "wipeonfork": 18, "keeponfork": 19, "populate_read": 22, "populate_write": 23,
    "guard_install": 102, "guard_remove": 103,
    "async": 1, "invalidate": 2, "sync": 4, "current": 1, "future": 2, "onfault": 4,
    "huge": 0xFFFFFFFFFFFFF000, "arena": 0x1000000000, "data": "path_data", "zero": "path_zero",
}  # fmt: skip
REGISTERS = ("r12", "r13", "r14", "r15", "rbx", "rbp")
ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")

EPILOGUE = """
    mov eax, 1
    mov edi, 1
    lea rsi, [rel hash]
    mov edx, 2
    syscall
    xor eax, eax
    xor edi, edi
    lea rsi, [rsp - 64]
    mov edx, 1
    syscall
    mov eax, 60
    mov edi, 7
    syscall

print:                      ; rax as 16 hexadecimal digits
    lea rsi, [rsp - 96]
    mov byte [rsi + 16], 10
    mov ecx, 16
.digit:
    mov edx, eax
    and edx, 15
    add edx, '0'
    cmp edx, '9'
    jbe .put
    add edx, 39
.put:
    mov [rsi + rcx - 1], dl
    shr rax, 4
    dec ecx
    jnz .digit
    mov eax, 1
    mov edi, 1
    mov edx, 17
    syscall
    ret

section .rodata
hash: db "#", 10
path_data: db "data", 0
path_zero: db "/dev/zero", 0
"""


def assembly(script: str) -> str:
    """The NASM source of a script."""
    lines = ["global _start", "section .text", "_start:"]
    variables: dict[str, str] = {}
    blocks, counting = 0, False
    for statement in (line.strip() for line in script.strip().splitlines()):
        words = statement.split()
        if not words:
            continue
        if words[0] == "child":
            blocks += 1
            lines += ["mov eax, 57", "syscall", "test eax, eax", f"jnz parent{blocks}"]
        elif words[0] == "end":
            lines += ["mov eax, 60", "xor edi, edi", "syscall", f"parent{blocks}:"]
            lines += [
                "mov edi, eax",
                "xor esi, esi",
                "xor edx, edx",
                "xor r10d, r10d",
                "mov eax, 61",
                "syscall",
            ]
        elif words[0] == "store":
            lines += [*_load("rax", words[1], variables), f"mov byte [rax], {words[2]}"]
        elif words[0] == "load":
            lines += [*_load("rax", words[1], variables), "movzx eax, byte [rax]", "call print"]
        elif words[0] == "faults":
            buffer = "[rsp - 512]" if counting else "[rsp - 1024]"
            counting = not counting
            lines += ["mov eax, 98", "xor edi, edi", f"lea rsi, {buffer}", "syscall"]
        elif words[0] == "counted":
            for offset in (64, 72):
                lines += [
                    f"mov rax, [rsp - 512 + {offset}]",
                    f"sub rax, [rsp - 1024 + {offset}]",
                    "call print",
                ]
        elif words[0] == "execute":
            lines += [*_load("rax", words[1], variables), "call rax"]
        elif words[0] == "push":
            lines += [f"sub rsp, {words[1]}", "mov byte [rsp], 1", f"add rsp, {words[1]}"]
        else:
            lines += _call(words, variables)
    return "\n".join(lines) + EPILOGUE


def _call(words: list[str], variables: dict[str, str]) -> list[str]:
    keep = words[1:2] == ["="]
    name, arguments = (words[2], words[3:]) if keep else (words[0], words[1:])
    lines: list[str] = []
    for register, argument in zip(ARGUMENTS, arguments, strict=False):
        lines += _load(register, argument, variables)
    lines += [f"mov eax, {NUMBERS[name]}", "syscall"]
    if keep:
        register = variables.setdefault(words[0], REGISTERS[len(variables)])
        lines.append(f"mov {register}, rax")
    return [*lines, "call print"]


def _load(register: str, text: str, variables: dict[str, str]) -> list[str]:
    """Put the value of an expression, terms joined by + - or |, into a register."""
    lines, number = [f"xor {register}, {register}"], 0
    for sign, term in re.findall(r"([+|-]?)([A-Za-z_0-9]+)", text):
        if term in variables:
            lines.append(f"add {register}, {variables[term]}")
            continue
        value = CONSTANTS.get(term)
        if isinstance(value, str):
            return [f"lea {register}, [rel {value}]"]
        value = int(term, 0) if value is None else value
        number += -value if sign == "-" else value
    if not variables.keys() & set(re.findall(r"\w+", text)):
        return [f"mov {register}, {number}"]
    return [*lines, f"add {register}, {number}"] if number else lines


ANONYMOUS = "rw private|anonymous -1 0"


def _scripts() -> dict[str, str]:
    scripts = dict(_HAND_WRITTEN)
    for prot, kind in product(("none", "r", "w", "rw", "rx", "rwx"), ("private", "shared")):
        scripts[f"anonymous {prot} {kind}"] = f"a = mmap 0 12288 {prot} {kind}|anonymous -1 0"
    for touch, kind in product(("load", "store"), ("private", "shared")):
        value = " 9" if touch == "store" else ""
        scripts[f"{touch} anonymous {kind}"] = (
            f"a = mmap 0 20480 rw {kind}|anonymous -1 0\n{touch} a{value}\n{touch} a+8192{value}"
        )
        scripts[f"{touch} file {kind}"] = (
            f"f = open data 2 0\na = mmap 0 24576 rw {kind} f 0\n{touch} a+4097{value}\nclose f"
        )
    for first, last, prot in product((0, 1, 2), (3, 4, 5), ("none", "r")):
        scripts[f"protect {first} to {last} {prot}"] = (
            f"a = mmap arena 20480 {ANONYMOUS}\nstore a+8192 1\nmprotect a+{first * 4096} {(last - first) * 4096} {prot}"
        )
    for first, last in product((0, 1, 2), (3, 4, 5)):
        scripts[f"unmap {first} to {last}"] = (
            f"a = mmap arena 20480 {ANONYMOUS}\nstore a+4096 1\nmunmap a+{first * 4096} {(last - first) * 4096}"
        )
    for old, new in product((4096, 12288, 20480), repeat=2):
        for flags in ("0", "maymove"):
            scripts[f"mremap {old} to {new} {flags}"] = (
                f"a = mmap arena 20480 {ANONYMOUS}\nb = mmap arena+20480 4096 r private|anonymous -1 0\n"
                f"store a 1\nstore a+16384 2\nc = mremap a {old} {new} {flags}"
            )
    for advice in ("normal", "random", "sequential", "willneed", "dontneed", "free", "remove", "dontfork", "dontdump",
                   "wipeonfork", "populate_read", "populate_write", "guard_install", "guard_remove"):  # fmt: skip
        for kind in ("private|anonymous -1", "shared|anonymous -1", "private f", "shared f"):
            scripts[f"madvise {advice} {kind}"] = (
                f"f = open data 2 0\na = mmap 0 16384 rw {kind} 0\nstore a+4096 1\nmadvise a 8192 {advice}\nload a+4096"
            )
    for name, (before, work) in _COUNTED.items():
        scripts[f"faults of {name}"] = f"{before}\nfaults\n{work}\nfaults\ncounted"
    for name, call in _REFUSED.items():
        scripts[f"refused {name}"] = (
            f"f = open data 0 0\ng = open data 1 0\na = mmap 0 8192 {ANONYMOUS}\n{call}"
        )
    return scripts


_MAP = f"a = mmap 0 32768 {ANONYMOUS}"
_OPEN = "f = open data 2 0"
_COUNTED = {
    "nothing": ("", ""),
    "two stores": (_MAP, "store a 1\nstore a+4096 1\nstore a+8 1"),
    "a load, then a store": (_MAP, "load a\nstore a 1"),
    "populated memory": (_MAP + "\nmadvise a 32768 populate_write", "store a 1\nstore a+4096 1"),
    "a file page, loaded": (_OPEN + "\na = mmap 0 24576 r private f 0", "load a\nload a+4096\nload a+20480"),
    "a file page, stored privately": (
        _OPEN + "\na = mmap 0 24576 rw private f 0",
        "load a\nstore a 1\nstore a+4096 1",
    ),
    "a file page, stored shared": (
        _OPEN + "\na = mmap 0 24576 rw shared f 0",
        "load a\nstore a 1\nstore a+4096 1",
    ),
    "shared memory": ("a = mmap 0 8192 rw shared|anonymous -1 0", "load a\nstore a 1\nload a+4096"),
    "the kernel's own stores": (_MAP + "\n" + _OPEN, "pread f a+4090 100 0"),
    "rights taken and given back": (_MAP + "\nstore a 1", "mprotect a 4096 r\nmprotect a 4096 rw\nstore a 2"),
    "dontneed": (_MAP + "\nstore a 1", "madvise a 4096 dontneed\nstore a 1"),
    "heap": ("a = brk 0\nbrk a+8192", "store a 1\nstore a+4096 1"),
    "the parent after a fork": (_MAP + "\nstore a 1\nstore a+4096 1\nchild\nend", "store a 1\nload a+4096"),
    "a moved page": (_MAP + "\nstore a 1", "b = mremap a 4096 4096 maymove|remapfixed arena\nstore b 1"),
}

_REFUSED = {
    "zero length": "mmap 0 0 rw private|anonymous -1 0",
    "huge length": "mmap 0 huge rw private|anonymous -1 0",
    "wrapping length": "mmap 0 -1 rw private|anonymous -1 0",
    "no type": "mmap 0 4096 rw anonymous -1 0",
    "bad descriptor": "mmap 0 4096 rw private 99 0",
    "odd offset": "mmap 0 4096 r private f 100",
    "odd offset and bad descriptor": "mmap 0 4096 r private 99 100",
    "offset overflow": "mmap 0 8192 r private f 0xfffffffffffff000",
    "offset beyond": "mmap 0 8192 r private f 0x7ffffffffffff000",
    "write to a read-only file": "mmap 0 4096 rw shared f 0",
    "map a write-only file": "mmap 0 4096 r private g 0",
    "write-only file, private": "mmap 0 4096 w private g 0",
    "directory": "d = open zero 0x10000 0\nmmap 0 4096 r private d 0",
    "noreplace over a mapping": "mmap a 4096 rw private|anonymous|noreplace -1 0",
    "fixed and odd": "mmap a+1 4096 rw private|anonymous|fixed -1 0",
    "fixed above the end": "mmap 0x800000000000 4096 rw private|anonymous|fixed -1 0",
    "fixed across the end": "mmap 0x7fffffffe000 8192 rw private|anonymous|fixed -1 0",
    "growsdown shared": "mmap 0 4096 rw shared|anonymous|growsdown -1 0",
    "growsdown file": "mmap 0 4096 r private|growsdown f 0",
    "validate anonymous": "mmap 0 4096 rw validate|anonymous -1 0",
    "validate unknown flag": "mmap 0 4096 r validate|0x8000000 f 0",
    "huge pages": "mmap 0 4096 rw private|anonymous|0x40000 -1 0",
    "huge pages of a strange size": "mmap 0 4096 rw private|anonymous|0x40000|0x34000000 -1 0",
    "munmap odd": "munmap a+1 4096",
    "munmap nothing": "munmap a 0",
    "munmap beyond": "munmap a huge",
    "munmap of a hole": "munmap arena 4096",
    "mprotect odd": "mprotect a+1 4096 r",
    "mprotect nothing": "mprotect a 0 r",
    "mprotect unknown bits": "mprotect a 4096 0x10",
    "mprotect grows both ways": "mprotect a 4096 0x3000001",
    "mprotect grows down": "mprotect a 4096 0x1000001",
    "mprotect a hole": "mprotect arena 4096 r",
    "mprotect beyond the area": "mprotect a 40960 r",
    "mprotect wrapping": "mprotect a huge r",
    "mprotect a read-only file": "b = mmap 0 4096 r shared f 0\nmprotect b 4096 rw",
    "mremap odd": "mremap a+1 4096 8192 maymove",
    "mremap to nothing": "mremap a 4096 0 maymove",
    "mremap fixed without move": "mremap a 4096 4096 remapfixed arena",
    "mremap onto itself": "mremap a 8192 4096 remapfixed|maymove a+4096",
    "mremap unknown flag": "mremap a 4096 4096 8",
    "mremap a hole": "mremap arena 4096 8192 maymove",
    "mremap from zero, private": "mremap a 0 4096 maymove",
    "mremap too long": "mremap a 4096 huge maymove",
    "madvise unknown": "madvise a 4096 99",
    "madvise odd": "madvise a+1 4096 normal",
    "madvise a hole": "madvise arena 4096 normal",
    "madvise wrapping": "madvise a -1 normal",
    "msync both": "msync a 4096 sync|async",
    "msync odd": "msync a+1 4096 sync",
    "msync a hole": "msync arena 4096 sync",
    "msync locked": "mlock a 4096\nmsync a 4096 invalidate",
    "mincore odd": "mincore a+1 4096 a",
    "mincore a hole": "mincore arena 4096 a",
    "mincore to nowhere": "mincore a 4096 1",
    "mincore to the kernel": "mincore a 4096 0xffff800000000000",
    "mlock a hole": "mlock arena 4096",
    "mlock wrapping": "mlock a huge",
    "mlock2 unknown": "mlock2 a 4096 2",
    "mlockall nothing": "mlockall 0",
    "mlockall onfault alone": "mlockall onfault",
    "read to a hole": "pread f arena 4 0",
    "write from a hole": "write 1 arena 4",
    "read to read-only": "b = mmap 0 4096 r private|anonymous -1 0\npread f b 4 0",
    "read across a hole": "pread f a+8190 8 0",
    "read into the kernel": "pread f 0xffff800000000000 4 0",
}

_HAND_WRITTEN = {
    "hint below the minimum": f"a = mmap 1 4096 {ANONYMOUS}",
    "hint taken": f"a = mmap arena 4096 {ANONYMOUS}\nb = mmap arena 4096 {ANONYMOUS}\nc = mmap arena+4096 4096 {ANONYMOUS}",
    "low 2 GiB": "a = mmap 0 8192 rw private|anonymous|low -1 0\nb = mmap 0 4096 r private|anonymous|low -1 0",
    "2 MiB multiples are aligned": f"a = mmap 0 2097152 {ANONYMOUS}\nb = mmap 0 4194304 {ANONYMOUS}\nc = mmap 0 3145728 {ANONYMOUS}",
    "the gap that fits": (
        f"a = mmap 0 40960 {ANONYMOUS}\nmunmap a+8192 4096\nmunmap a+20480 8192\nb = mmap 0 8192 {ANONYMOUS}\n"
        f"c = mmap 0 4096 {ANONYMOUS}\nd = mmap 0 12288 {ANONYMOUS}"
    ),
    "stack flag keeps apart": f"a = mmap 0 4096 rw private|anonymous|stack -1 0\nb = mmap 0 4096 {ANONYMOUS}",
    "neighbours both touched": (
        f"a = mmap arena 4096 {ANONYMOUS}\nb = mmap arena+8192 4096 {ANONYMOUS}\nstore a 1\nstore b 1\n"
        f"c = mmap arena+4096 4096 {ANONYMOUS}"
    ),
    "a touched, its neighbour follows": (
        f"a = mmap arena 4096 {ANONYMOUS}\nstore a 1\nb = mmap arena+4096 4096 r private|anonymous -1 0\n"
        "mprotect b 4096 rw\nstore b 1\nmprotect b 4096 r\nmprotect b 4096 rw"
    ),
    "fixed over a part": f"a = mmap 0 20480 {ANONYMOUS}\nstore a+4096 1\nb = mmap a+4096 8192 r private|anonymous|fixed -1 0",
    "partial mprotect": f"a = mmap arena 8192 {ANONYMOUS}\nb = mmap arena+12288 4096 {ANONYMOUS}\nmprotect a 16384 r",
    "zero page, then own": f"a = mmap 0 8192 {ANONYMOUS}\nload a\nload a+4096\nstore a+4096 1",
    "populate": "a = mmap 0 12288 rw private|anonymous|populate -1 0\nb = mmap 0 12288 r private|anonymous|populate -1 0",
    "populate a file": "f = open data 2 0\na = mmap 0 16384 r private|populate f 0\nb = mmap 0 16384 rw shared|populate f 0",
    "shared write is seen by read": (
        f"f = open data 2 0\na = mmap 0 4096 rw shared f 0\nstore a+3 77\nb = mmap 0 4096 {ANONYMOUS}\npread f b 8 0\nload b+3"
    ),
    "write is seen by a mapping": (
        f"f = open data 2 0\na = mmap 0 4096 r shared f 0\nb = mmap 0 4096 {ANONYMOUS}\nload a+1\nstore b 88\n"
        "pwrite f b 1 1\nload a+1"
    ),
    "private write is not": "f = open data 2 0\na = mmap 0 4096 rw private f 0\nb = mmap 0 4096 r shared f 0\nstore a 5\nload b",
    "zeros after the end": "f = open data 2 0\na = mmap 0 24576 r private f 0\nload a+24000\nload a+23575\nload a+23576",
    "beyond the end": "f = open data 2 0\na = mmap 0 32768 r private f 0\nload a+24576",
    "beyond the end, written": "f = open data 2 0\na = mmap 0 32768 rw shared f 0\nstore a+28672 1",
    "truncate under a mapping": (
        "f = open data 2 0\na = mmap 0 16384 rw shared f 0\nb = mmap 0 16384 rw private f 0\nload a+8192\nstore b+8192 3\n"
        "ftruncate f 5000\nload a+5500\nload a"
    ),
    "truncated page": "f = open data 2 0\na = mmap 0 16384 rw shared f 0\nload a+8192\nftruncate f 5000\nload a+8192",
    "two openings do not merge": (
        "f = open data 0 0\ng = open data 0 0\na = mmap arena 4096 r private f 0\nb = mmap arena+4096 4096 r private g 4096\n"
        "c = mmap arena+8192 4096 r private g 8192"
    ),
    "offsets that do not continue": (
        "f = open data 0 0\na = mmap arena 4096 r private f 0\nb = mmap arena+4096 4096 r private f 8192"
    ),
    "shared, opened for reading": "f = open data 0 0\na = mmap 0 4096 r shared f 0\nload a",
    "dev zero private": "f = open zero 2 0\na = mmap 0 8192 rw private f 0\nload a\nstore a 1",
    "dev zero shared": "f = open zero 2 0\na = mmap 0 8192 rw shared f 0\nload a\nstore a 1",
    "msync": "f = open data 2 0\na = mmap 0 8192 rw shared f 0\nstore a 9\nstore a+4096 8\nmsync a 4096 sync\nstore a+1 1",
    "mincore": f"a = mmap 0 12288 {ANONYMOUS}\nstore a 1\nmincore a 12288 a+8192\nload a+8192\nload a+8193\nload a+8194",
    "brk": "a = brk 0\nb = brk a+5000\nstore a+4096 1\nc = brk a+4096\nd = brk a+100000",
    "brk back": "a = brk 0\nbrk a+40960\nbrk a\nbrk a-1",
    "brk meets a mapping": f"a = brk 0\nb = mmap a+8192 4096 {ANONYMOUS}\nbrk a+4096\nbrk a+12288",
    "brk too far": "a = brk 0\nbrk 0x7fffffffffff\nbrk huge",
    "heap protected": "a = brk 0\nbrk a+16384\nmprotect a+4096 4096 r\nbrk a+20480",
    "stack grows": "push 200000\npush 1000000",
    "stack overflow": "push 9000000",
    "growsdown grows": f"a = mmap arena 8192 rw private|anonymous|growsdown -1 0\nstore a-4096 1\nb = mmap 0 4096 {ANONYMOUS}",
    "growsdown meets its guard": (
        f"a = mmap arena+0x200000 8192 rw private|anonymous|growsdown -1 0\nb = mmap arena+0x100000 4096 {ANONYMOUS}\n"
        "store a-4096 1"
    ),
    "write to read-only": "a = mmap 0 4096 r private|anonymous -1 0\nload a\nstore a 1",
    "read of none": "a = mmap 0 4096 none private|anonymous -1 0\nload a",
    "execute data": f"a = mmap 0 4096 {ANONYMOUS}\nstore a 195\nexecute a",
    "execute code": "a = mmap 0 4096 rwx private|anonymous -1 0\nstore a 195\nexecute a\nmprotect a 4096 rx\nexecute a",
    "execute only": "a = mmap 0 4096 rwx private|anonymous -1 0\nstore a 195\nmprotect a 4096 x\nexecute a\nexecute a",
    "execute only, read": "a = mmap 0 4096 rwx private|anonymous -1 0\nstore a 195\nmprotect a 4096 x\nexecute a\nload a",
    "execute only, read by the kernel": (
        "a = mmap 0 4096 rwx private|anonymous -1 0\nstore a 195\nmprotect a 4096 x\nwrite 1 a 1\nexecute a\nwrite 1 a 1"
    ),
    "write only can be read": "a = mmap 0 4096 w private|anonymous -1 0\nstore a 4\nload a",
    "null": "load 0",
    "just below the image": "load 0x3fffff",
    "kernel address": "load 0xffff800000000000",
    "non-canonical": "load 0x1000000000000000",
    "lock": f"a = mmap 0 12288 {ANONYMOUS}\nmlock a+4096 4096\nmlock2 a+8192 4096 1\nmunlock a 12288\nmlock a 5000",
    "lock what comes": f"mlockall future\na = mmap 0 8192 {ANONYMOUS}\nmunlockall\nb = mmap 0 8192 {ANONYMOUS}",
    "lock later": f"mlockall future|onfault\na = mmap 0 8192 {ANONYMOUS}\nstore a 1",
    "locked flag": "a = mmap 0 8192 rw private|anonymous|locked -1 0\nb = mmap 0 8192 none private|anonymous|locked -1 0",
    "fork copies on write": f"a = mmap 0 8192 {ANONYMOUS}\nstore a 1\nstore a+4096 1\nchild\nstore a 2\nload a\nend\nload a",
    "fork shares": "a = mmap 0 8192 rw shared|anonymous -1 0\nstore a 1\nchild\nstore a 2\nend\nload a",
    "fork, dontfork": f"a = mmap 0 4096 {ANONYMOUS}\nstore a 1\nmadvise a 4096 dontfork\nchild\nload a\nend\nload a",
    "huge pages wanted below 2 MiB": "a = mmap 65536 8192 rw private|anonymous|fixed -1 0\nmadvise a 8192 14\nstore a 1",
    "fork, wipeonfork": f"a = mmap 0 8192 {ANONYMOUS}\nstore a 5\nmadvise a 4096 wipeonfork\nchild\nload a\nend\nload a",
    "parent writes after fork": f"a = mmap 0 8192 {ANONYMOUS}\nstore a 1\nchild\nload a\nend\nstore a 3\nb = mmap 0 4096 {ANONYMOUS}",
    "move shared by zero length": "a = mmap 0 8192 rw shared|anonymous -1 0\nstore a 6\nb = mremap a 0 8192 maymove\nload b",
    "move and leave": f"a = mmap 0 8192 {ANONYMOUS}\nstore a 6\nb = mremap a 8192 8192 maymove|dontunmap 0\nload b\nload a",
    "move to a fixed place": (
        f"a = mmap 0 16384 {ANONYMOUS}\nstore a+4096 6\nb = mremap a+4096 8192 8192 maymove|remapfixed arena\nload b"
    ),
    "move several areas": (
        f"a = mmap arena 8192 {ANONYMOUS}\nstore a 3\nb = mmap arena+12288 4096 r private|anonymous -1 0\n"
        "c = mremap a 16384 16384 maymove|remapfixed arena+0x100000\nload c"
    ),
    "untouched areas merge after a move": (
        f"a = mmap arena 4096 {ANONYMOUS}\nb = mmap arena+0x100000 4096 {ANONYMOUS}\n"
        "mremap b 4096 4096 maymove|remapfixed a+4096"
    ),
    "touched areas keep apart after a move": (
        f"a = mmap arena 4096 {ANONYMOUS}\nb = mmap arena+0x100000 4096 {ANONYMOUS}\nstore b 1\n"
        "mremap b 4096 4096 maymove|remapfixed a+4096"
    ),
    "64 GiB without reserve": "a = mmap 0 0x1000000000 rw private|anonymous|noreserve -1 0\nstore a 1\nstore a+0x800000000 1",
    "memfd": "f = memfd path_name 0\nftruncate f 8192\na = mmap 0 8192 rw shared f 0\nstore a 1\nload a+4096",
    "read into untouched": "f = open data 0 0\na = mmap 0 16384 rw private|anonymous -1 0\npread f a+4090 100 0\nload a+4090",
    "read into shared": "f = open data 0 0\na = mmap 0 16384 rw shared|anonymous -1 0\npread f a+4090 100 0\nload a+4090",
}  # fmt: skip

CONSTANTS["path_name"] = "path_data"
SCRIPTS = _scripts()

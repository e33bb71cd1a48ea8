"""Programs that mean ill, each a kind of its own: source text, and what the verdict on it must say."""

from __future__ import annotations

import random
from dataclasses import dataclass

HEAD = "global _start\nsection .text\n"
EXIT = "\n mov eax, 60\n xor edi, edi\n syscall\n"


@dataclass(frozen=True)
class Hostile:
    """``verdict``: a regular expression that the failed check's message, or the first diagnostic, must match."""

    source: bytes
    verdict: str


def call(number: int, *arguments: object) -> str:
    """A system call; an argument is an immediate or a symbol."""
    registers = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
    moves = [f" mov {register}, {value}\n" for register, value in zip(registers, arguments, strict=False)]
    return "".join(moves) + f" mov eax, {number}\n syscall\n"


def forever(body: str, data: str = "") -> bytes:
    return f"{HEAD}_start:\n{body} jmp _start\n{data}".encode()


def once(body: str, data: str = "") -> bytes:
    return f"{HEAD}_start:\n{body}{EXIT}{data}".encode()


BUFFER = "section .bss\nbuffer: resb 65536\n"
YEAR = "section .data\nyear: dq 31536000, 0\nbuffer: dq 0, 0\n"
HANDLER = """section .data
act: dq handler, 0x44000000, restorer, 0
section .text
restorer: mov eax, 15
 syscall
handler: ret
"""
SIGACTION = call(13, 11, "act", 0, 8)
MAP = call(9, 0, "0x40000000", 3, "0x4022", -1, 0)  # a gigabyte, private, anonymous, not reserved

BUDGET = "still running after 100,000,000 instructions"
EVENTS = "still running after 10,000 system calls"
WAITS = "waiting for ever"

LOOPS = {
    "loop on itself": Hostile(forever(""), BUDGET),
    "counting loop": Hostile(forever(" inc rax\n"), BUDGET),
    "loop instruction": Hostile(once(" mov rcx, -1\n.again: loop .again\n"), BUDGET),
    "string instruction without end": Hostile(once(f"{MAP} mov rdi, rax\n mov rcx, -1\n rep lodsb\n"), "SIGSEGV"),
    "calls that return": Hostile(forever(" call f\n", "f: ret\n"), BUDGET),
    "recursion without end": Hostile(forever(" call _start\n"), "SIGSEGV"),
    "writing two bytes for ever": Hostile(forever(call(1, 1, "buffer", 2), BUFFER), EVENTS),
    "reading at the end for ever": Hostile(forever(call(0, 0, "buffer", 1), BUFFER), EVENTS),
    "reading zeros for ever": Hostile(
        once(call(2, "zero", 0) + " mov ebx, eax\n.again: mov edi, ebx\n mov rsi, buffer\n mov edx, 4096\n"
             " xor eax, eax\n syscall\n jmp .again\n", 'section .data\nzero: db "/dev/zero", 0\n' + BUFFER), EVENTS),
    "handler that repairs nothing": Hostile(once(SIGACTION + " mov rax, [0]\n", HANDLER), EVENTS),
    "sending itself signals": Hostile(
        once(call(13, 10, "act", 0, 8) + ".again:" + call(39) + " mov edi, eax\n mov esi, 10\n mov eax, 62\n syscall\n"
             " jmp .again\n", HANDLER), EVENTS),
    "asking for the time": Hostile(forever(" rdtsc\n"), EVENTS),
    "yielding for ever": Hostile(forever(call(24)), EVENTS),
    "executing itself for ever": Hostile(
        once(" mov rdi, name\n xor esi, esi\n xor edx, edx\n mov eax, 59\n syscall\n",
             'section .data\nname: db "/proc/self/exe", 0\n'), EVENTS),
}  # fmt: skip

WAITING = {
    "sleeping for a year": Hostile(forever(call(35, "year", 0), YEAR), EVENTS),
    "sleeping for a year once": Hostile(once(call(35, "year", 0), YEAR), "nothing|output|ends"),
    "pausing": Hostile(once(call(34)), WAITS),
    "waiting on a futex": Hostile(once(call(202, "buffer", 0, 0, 0), BUFFER), WAITS),
    "reading from its own pipe": Hostile(
        once(call(22, "buffer") + " mov edi, [buffer]\n mov rsi, buffer\n mov edx, 1\n xor eax, eax\n syscall\n", BUFFER),
        WAITS),
    "polling nothing": Hostile(once(call(7, 0, 0, -1)), WAITS),
    "stopping itself": Hostile(once(call(39) + " mov edi, eax\n mov esi, 19\n mov eax, 62\n syscall\n"), WAITS),
}  # fmt: skip

OUTPUT = {
    "output bomb": Hostile(forever(call(1, 1, "buffer", 65536), BUFFER), "still printing after"),
    "output bomb on stderr": Hostile(forever(call(1, 2, "buffer", 65536), BUFFER), "still printing after"),
    "terminal escapes": Hostile(
        once(call(1, 1, "text", 24), "section .data\ntext: db 27, '[2J', 27, ']0;owned', 7, 27, '[31mPASSED'\n"), "output"),
    "a line of a million characters": Hostile(once(".next: mov rbx, 16\n.again:" + call(1, 1, "buffer", 65536)
        + " dec rbx\n jnz .again\n", "section .data\nbuffer: times 65536 db 'A'\n"), "output"),
    "imitates the report": Hostile(
        once(call(1, 1, "text", 43), "section .data\ntext: db 10, '</pre><script>alert(1)</script>', 10, 'ok 1 - pass'\n"),
        "output"),
    "not UTF-8": Hostile(once(call(1, 1, "text", 4), "section .data\ntext: db 0xff, 0xfe, 0, 0x80\n"), "output"),
}  # fmt: skip

PROCESSES = {
    "fork bomb": Hostile(forever(call(57)), EVENTS),
    "vfork bomb": Hostile(forever(call(58)), EVENTS),
    "thread bomb": Hostile(forever(call(56, "0x50f00", 0, 0, 0, 0)), f"{EVENTS}|killed by|exit"),
    "kills everybody": Hostile(once(call(62, -1, 9)), "output|SIGKILL"),
}

MEMORY = {
    "touching a gigabyte": Hostile(
        once(f"{MAP} mov rcx, 262144\n.again: mov [rax], al\n add rax, 4096\n loop .again\n"), "SIGKILL"),
    "populating gigabytes": Hostile(forever(call(9, 0, "0x40000000", 3, "0x8022", -1, 0)), "SIGKILL"),
    "mapping and unmapping": Hostile(
        forever(call(9, 0, "0x4000000", 3, "0x8022", -1, 0) + " mov rdi, rax\n mov rsi, 0x4000000\n mov eax, 11\n syscall\n"),
        EVENTS),
    "moving the break": Hostile(
        once(call(12, 0) + ".again: lea rdi, [rax + 0x100000]\n mov eax, 12\n syscall\n mov [rax - 1], al\n jmp .again\n"),
        f"{EVENTS}|SIGKILL|SIGSEGV"),
    "a mapping for every page": Hostile(forever(call(9, 0, 4096, 3, "0x22", -1, 0) + call(9, 0, 4096, 1, "0x22", -1, 0)),
                                         f"{EVENTS}|SIG"),
    "a file without end": Hostile(
        once(call(2, "name", "0o102", "0o600") + " mov ebx, eax\n.again: mov edi, ebx\n mov rsi, buffer\n mov edx, 65536\n"
             " mov eax, 1\n syscall\n jmp .again\n", "section .data\nname: db 'big', 0\n" + BUFFER), EVENTS),
    "a sparse file of exabytes": Hostile(
        once(call(2, "name", "0o102", "0o600") + " mov edi, eax\n mov rsi, 0x7fffffffffffefff\n mov eax, 77\n syscall\n",
             "section .data\nname: db 'big', 0\n"), "output"),
    "descriptors without end": Hostile(forever(call(2, "name", 0), "section .data\nname: db '/dev/null', 0\n"), EVENTS),
    "files without end": Hostile(
        forever(" inc qword [name]\n" + call(2, "name", "0o102", "0o600") + " mov edi, eax\n mov eax, 3\n syscall\n",
                "section .data\nname: dq 0x3030303030303030\n db 0\n"), f"{EVENTS}|budget"),
    "folders within folders": Hostile(
        forever(call(83, "name", "0o700") + call(80, "name"), "section .data\nname: db 'd', 0\n"), EVENTS),
    "file names with newlines": Hostile(
        once(call(2, "name", "0o102", "0o600"), "section .data\nname: db 'a', 10, 'ok 1', 27, '[0m', 0xff, 0\n"), "output"),
}  # fmt: skip

CODE = {
    "self-modifying code": Hostile(
        once(call(10, "0x401000", 4096, 7) + " mov rcx, 3000\n.again: inc byte [.patch + 1]\n.patch: mov al, 0\n loop .again\n"),
        "output"),
    "self-modifying code without end": Hostile(
        once(call(10, "0x401000", 4096, 7) + ".again: inc byte [.patch + 1]\n.patch: mov al, 0\n jmp .again\n"), EVENTS),
    "code written anew without end": Hostile(
        once(call(9, 0, 4096, 7, "0x22", -1, 0) + " mov rbx, rax\n.again: inc qword [rbx + 8]\n mov byte [rbx], 0xc3\n call rbx\n"
             " jmp .again\n"), EVENTS),
    "code in two views of a page": Hostile(
        once(call(319, "name", 0) + " mov r12d, eax\n mov edi, eax\n mov esi, 4096\n mov eax, 77\n syscall\n"
             " xor edi, edi\n mov esi, 4096\n mov edx, 3\n mov r10d, 1\n mov r8d, r12d\n xor r9d, r9d\n mov eax, 9\n syscall\n mov rbx, rax\n"
             " xor edi, edi\n mov esi, 4096\n mov edx, 5\n mov r10d, 1\n mov r8d, r12d\n xor r9d, r9d\n mov eax, 9\n syscall\n mov rbp, rax\n"
             ".again: inc dword [rbx + 1]\n mov byte [rbx], 0xb8\n mov byte [rbx + 5], 0xc3\n call rbp\n jmp .again\n",
             "section .data\nname: db 'x', 0\n"), f"{EVENTS}|{BUDGET}"),
    "a jump into data": Hostile(once(" jmp data\n", "section .data\ndata: nop\n"), "SIGSEGV"),
    "a jump to nothing": Hostile(once(" xor eax, eax\n jmp rax\n"), "SIGSEGV"),
    "a jump beyond the address space": Hostile(once(" mov rax, 0x8000000000000000\n jmp rax\n"), "SIGSEGV"),
    "a jump into the kernel": Hostile(once(" mov rax, 0xffffffff80000000\n jmp rax\n"), "SIGSEGV"),
    "writing into the kernel": Hostile(once(" mov rax, 0xffff888000000000\n mov [rax], rax\n"), "SIGSEGV"),
    "reading nothing": Hostile(once(" mov rax, [0]\n"), "SIGSEGV"),
    "writing into code": Hostile(once(" mov byte [_start], 0\n"), "SIGSEGV"),
    "division by zero": Hostile(once(" xor ecx, ecx\n div ecx\n"), "SIGFPE"),
    "an invalid instruction": Hostile(once(" ud2\n"), "SIGILL"),
    "a breakpoint": Hostile(once(" int3\n"), "SIGTRAP"),
    "a stack that is nowhere": Hostile(once(" mov rsp, 8\n push rax\n"), "SIGSEGV"),
    "misaligned vector": Hostile(once(" movaps xmm0, [rsp + 1]\n"), "SIGSEGV"),
    "alignment check": Hostile(once(" pushf\n or dword [rsp], 0x40000\n popf\n mov rax, [rsp + 1]\n"), "SIGBUS"),
    "single steps": Hostile(once(" pushf\n or dword [rsp], 0x100\n popf\n nop\n"), "SIGTRAP"),
    **{f"privileged: {text}": Hostile(once(f" {text}\n"), "SIGSEGV") for text in (
        "hlt", "cli", "in al, dx", "out dx, al", "mov cr3, rax", "mov rax, cr0", "wrmsr", "rdmsr", "lgdt [rsp]", "invlpg [rsp]",
        "mov ss, [rsp]", "iretq", "int 0x81", "clts", "wbinvd", "ltr ax", "swapgs")},
    "an emulator's abort: lock btc": Hostile(once(" db 0xf0, 0x48, 0x0f, 0xbb, 0xc8\n"), "SIGILL"),
    "an emulator's abort: lock bts": Hostile(once(" db 0xf0, 0x0f, 0xab, 0xc8\n"), "SIGILL"),
    "instruction of sixteen bytes": Hostile(once(" times 20 db 0x66\n nop\n"), "SIGSEGV"),
    "code at the end of a page": Hostile(
        once(" jmp last\n", "align 4096, db 0x90\ntimes 4095 db 0x90\nlast: db 0x48\n"), "SIG"),
    "another instruction set": Hostile(once(" db 0x62, 0xf1, 0x7c, 0x48, 0x28, 0xc1\n"), "SIGILL|broken|lacks"),
}  # fmt: skip

RANDOM = random.Random(7)


def random_code(seed: int, size: int = 64) -> bytes:
    """Random bytes as a program."""
    values = ", ".join(str(byte) for byte in random.Random(seed).randbytes(size))
    return f"{HEAD}_start: db {values}\n".encode()


ASSEMBLING = {
    "incbin of a host's file": Hostile(once(' incbin "/etc/passwd"\n'), "passwd"),
    "incbin of a device": Hostile(once(' incbin "/dev/zero"\n'), "zero"),
    "incbin above": Hostile(once(' incbin "../../../../../../../etc/passwd"\n'), "passwd"),
    "include of a host's file": Hostile(b'%include "/etc/passwd"\n', "passwd"),
    "include of the grader": Hostile(b'%include "grader.py"\n' + once(""), "grader"),
    "incbin of the grader": Hostile(once(' incbin "grader.py"\n'), "grader"),
    "include of the grader above": Hostile(b'%include "../prog/grader.py"\n' + once(""), "grader"),
    "include of the reference": Hostile(b'%include "reference/prog.asm"\n', "reference"),
    "includes itself": Hostile(b'%include "prog.asm"\n', ""),
    "another assembler's directives": Hostile(once(' .incbin "/etc/passwd"\n'), ""),
    "environment": Hostile(b"db %!HOME\n" + once(""), ""),
    "macro bomb": Hostile(b"%macro m 0\n m\n m\n%endmacro\n" + once(" m\n"), ""),
    "doubling macros": Hostile(
        b"%define a0 nop\n" + b"".join(b"%%macro a%d 0\n a%d\n a%d\n%%endmacro\n" % (n, n - 1, n - 1) for n in range(1, 40))
        + once(" a39\n"), ""),
    "doubling definitions": Hostile(
        b"%define d0 1\n" + b"".join(b"%%define d%d d%d+d%d\n" % (n, n - 1, n - 1) for n in range(1, 60))
        + once(" mov rax, d59\n"), ""),
    "%rep bomb": Hostile(b"%rep 1000000000\n nop\n%endrep\n" + once(""), ""),
    "nested %rep bomb": Hostile(b"%rep 100000\n" * 4 + b" nop\n" + b"%endrep\n" * 4 + once(""), ""),
    "%rep without end": Hostile(b"%assign n 1\n%rep -1\n%assign n n+1\n%endrep\n" + once(""), ""),
    "%while without end": Hostile(b"%assign n 1\n%rep 1 << 62\n%if n\n%endif\n%endrep\n" + once(""), ""),
    "times bomb": Hostile(once("") + b"section .data\ntimes 1 << 40 db 0\n", ""),
    "times of times": Hostile(once("") + b"section .data\ntimes 100000 times 100000 db 0\n", ""),
    "reserving exabytes": Hostile(once("", "section .bss\nx: resb 1 << 60\n"), ""),
    "aligning to gigabytes": Hostile(once("", "section .data align=1073741824\nx: db 1\nsection .d2 align=1073741824\ny: db 1\n"), ""),
    "an address beyond": Hostile(once("") + b"section .data\norg 1 << 62\ndb 1\n", ""),
    "deep parentheses": Hostile(once(" mov rax, " + "(" * 200_000 + "1" + ")" * 200_000 + "\n"), ""),
    "deep brackets of %if": Hostile(b"%if 1\n" * 100_000 + once(""), ""),
    "a million errors": Hostile(b"movv rax\n" * 1_000_000, ""),
    "an error in every line": Hostile(b"x=\n" * 19_000, "is not an assembly statement"),
    "%rep of errors": Hostile(b"%rep 1000000\n movv rax\n%endrep\n" + once(""), "there is no instruction"),
    "an undefined symbol in every line": Hostile(b"".join(b"dq u%d\n" % n for n in range(19_000)) + once(""), "not defined"),
    "a label in every line": Hostile(b"".join(b"l%d:\n" % n for n in range(19_000)) + b"x: y\n", ""),
    "a line too many": Hostile(b"x=\n" * 20_001, "has 20,001 lines; the limit is 20,000"),
    "a long source": Hostile(b"; " + b"x" * 300_000, "has 300,002 bytes, too many for one source file"),
    "a million labels": Hostile(b"".join(b"l%d:\n" % n for n in range(300_000)) + b"x: y\n", ""),
    "not text": Hostile(bytes(RANDOM.randbytes(100_000)), ""),
    "NUL bytes": Hostile(b"\0" * 1_000_000, ""),
    "the grader itself": Hostile(b"from toolkit.grading import check\n@check('x', points=100)\ndef x(p):\n    pass\n", ""),
    "an ELF file": Hostile(b"\x7fELF\2\1\1" + bytes(5000), ""),
    "nothing": Hostile(b"", ""),
    "terminal escapes in an error": Hostile(b"\x1b[2J\x1b[31mPASSED\x1b[0m\n", ""),
    "preprocessor error as a report": Hostile(b"%error </pre><script>alert(1)</script>\n", ""),
}  # fmt: skip

HUGE_LINE = Hostile(b"db " + b"1," * 50_000_000 + b"1\n", "")

CORPUS: dict[str, Hostile] = {**LOOPS, **WAITING, **OUTPUT, **PROCESSES, **MEMORY, **CODE, **ASSEMBLING}

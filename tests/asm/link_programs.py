"""Random sets of objects to link: sections, symbols, relocations, groups, merges, thread-local storage, in the assembler's language.

``case(seed)`` is a function of its seed: sources for ``as``, and a command line for ld.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

KINDS = ("static", "pie", "shared", "dynamic")
FUNCTIONS = ("alpha", "beta", "gamma", "delta")
VARIABLES = ("red", "green", "blue", "white")
THREADS = ("east", "west")
STRINGS = ("one", "none", "bone", "a", "", "trombone", "two", "wo", "longer text")
OPTIONS = (
    "--gc-sections", "-z now", "--hash-style=gnu", "--hash-style=sysv", "-Bsymbolic", "-E", "-s", "-S", "-x", "-X",
    "--build-id=sha1", "--eh-frame-hdr", "-z norelro", "-e alpha", "--defsym=given=0x1234", "-z noexecstack",
    "-u beta", "--no-ld-generated-unwind-info", "-soname lib.so.1", "-rpath /opt", "--wrap=beta", "--as-needed",
)  # fmt: skip


@dataclass
class Case:
    """``sources`` by object name; ``library``: sources of the shared library, if there is one."""

    bits: int
    kind: str
    sources: dict[str, str] = field(default_factory=dict)
    library: dict[str, str] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)
    archived: list[str] = field(default_factory=list)  # objects that are linked out of libmore.a


# what gcc and nasm make beside that which ``case`` draws: for both machines, then for one
_MORE = (
    '.section .bss,"aw",@nobits\n.globl wide_{n}\n.protected wide_{n}\n.type wide_{n}, @object\nwide_{n}: .zero 4\n.size wide_{n}, 4\n',
    ".comm common_{m},8,8\n.data\n.long common_{m}-.\n",
    ".local static_{n}\n.comm static_{n},4,4\n.data\n.long static_{n}-.\n",
    '.section .init_array.{m},"aw",@init_array\n.p2align 3\n.{wide} _start\n',
    '.section .preinit_array,"aw",@preinit_array\n.p2align 3\n.{wide} _start\n',
    '.section .init,"ax"\nnop\n.section .fini,"ax"\nnop\n',
    '.section part_{m},"a"\n.long {n}\n.data\n.{wide} __start_part_{m}, __stop_part_{m}\n',
    '.section part_{m},"aw"\n.long {n}\n',
    '.section .rodata.str1.1,"aMS",@progbits,1\n.globl text_{n}\ntext_{n}: .asciz "one bone {m}"\n.asciz "bone {m}"\n.asciz ""\n',
    '.section .data.once,"awG",@progbits,once_{m},comdat\n.weak once_{m}\nonce_{m}: .long {n}\n.data\n.long once_{m}-.\n',
    '.text\n.type chosen_{n}, @gnu_indirect_function\n.globl chosen_{n}\nchosen_{n}: ret\n.data\n.{wide} chosen_{n}\n.text\ncall chosen_{n}@PLT\n',
    '.text\n.type local_{n}, @gnu_indirect_function\nlocal_{n}: ret\ncall local_{n}\n',
    '.section .tbss,"awT",@nobits\n.p2align 4\n.globl own_{n}\n.type own_{n}, @tls_object\nown_{n}: .zero 16\n',
    '.section .rodata,"a"\n.globl table_{n}\n.type table_{n}, @object\ntable_{n}: .long 1, 2\n.size table_{n}, 8\n',
    '.globl absolute_{n}\nabsolute_{n} = 0x{n}\n',
    '.section .text.{n},"ax"\n.globl unused_{n}\n.type unused_{n}, @function\nunused_{n}: .cfi_startproc\nret\n.cfi_endproc\n',
    '.section .text.kept_{n},"axR"\nret\n',
    '.section .debug_info,"",@progbits\n.long .text\n.section .debug_str,"MS",@progbits,1\n.asciz "main"\n',
    '.section .comment,"MS",@progbits,1\n.asciz "GCC {m}"\n',
    ".globl lacking_{n}\n",
    ".weak perhaps_{m}\n.data\n.{wide} perhaps_{m}\n",
    ".hidden perhaps_{m}\n.weak perhaps_{m}\n.text\ncall perhaps_{m}\n",
)  # fmt: skip
_MORE_OPTIONS = (
    "-O1", "--no-relax", "--require-defined=_start", "-z now", "--gc-sections", "-u unused_1", "-E", "-Ttext=0x500000", "-Tdata=0x900000",
    "--build-id=md5", "-s", "--hash-style=gnu", "-z norelro", "--no-gc-sections", "-Bsymbolic", "--defsym=more=_start+4", "-e 0x1234",
)  # fmt: skip


# and what is rare: sections that the script does not name, by any flags; names that the linker defines; further options
_RARE = (
    '.section .gnu.linkonce.t.f{m},"ax"\n.weak linked_once_{m}\nlinked_once_{m}: ret\n',
    '.section .note.{m},"a",@note\n.p2align 3\n.long 4,4,1\n.asciz "abc"\n.long {n}\n',
    '.section .note.w{m},"aw",@note\n.p2align 2\n.long 4,4,1\n.asciz "abc"\n.long {n}\n',
    '.section orphan_{m},"ax"\nnop\n', '.section orphan_{m},"aw",@nobits\n.zero 5\n', '.section orphan_{m},"a"\n.byte 1\n',
    '.section thread_{m},"awT"\n.long 1\n', '.section threads_{m},"awT",@nobits\n.zero 4\n',
    '.section .rodata1,"a"\n.long 1\n', '.section .data1,"aw"\n.long 1\n', '.section .gcc_except_table,"a"\n.long 1\n',
    '.section .jcr,"aw"\n.{wide} 0\n', '.section .ctors,"aw"\n.{wide} _start\n',
    '.globl __start_orphan_{m}\n.data\n.{wide} __start_orphan_{m}\n', '.hidden __stop_orphan_{m}\n.data\n.{wide} __stop_orphan_{m}\n',
    '.data\n.{wide} _edata, __bss_start, _end\n', '.weak etext\n.data\n.{wide} etext\n',
    '.hidden _DYNAMIC\n.weak _DYNAMIC\n.data\n.{wide} _DYNAMIC\n', '.weak __ehdr_start\n.hidden __ehdr_start\n.data\n.{wide} __ehdr_start\n',
    '.globl single_{m}\n.type single_{m}, @gnu_unique_object\n.data\nsingle_{m}: .long 1\n.size single_{m}, 4\n',
    '.data\n.{wide} chosen_x{n}\n.text\n.type chosen_x{n}, @gnu_indirect_function\nchosen_x{n}: ret\n',
    '.text\n.globl weak_{m}\n.weak weak_{m}\n.type weak_{m}, @gnu_indirect_function\nweak_{m}: ret\n.data\n.{wide} weak_{m}\n',
    '.section .init_array,"aw",@init_array\n.{wide} __init_array_start\n',
    '.section .text.g_{m},"axG",@progbits,g_{m},comdat\n.weak g_{m}\ng_{m}: .cfi_startproc\nret\n.cfi_endproc\n'
    '.section .data.rel.ro.g_{m},"awG",@progbits,g_{m},comdat\n.{wide} g_{m}\n',
)  # fmt: skip
_RARE_OPTIONS = (
    "--section-start=custom_0=0x700000", "-Tbss=0xa00000", "-Ttext=0x600000", "-Tdata=0x800000", "-z ibtplt", "-Bsymbolic",
    "-z execstack", "--no-dynamic-linker", "-z text", "-z notext", "-z defs", "--allow-multiple-definition", "--build-id=0xabcdef",
    "--discard-none", "-z lazy", "--disable-new-dtags -rpath /a", "-u green", "-u maybe", "-e beta", "-z stack-size=65536",
    "--wrap=alpha", "--section-start=.rodata=0x300000", "-Ttext-segment=0x10000000", "--allow-shlib-undefined", "-z muldefs",
)  # fmt: skip


def rare_case(seed: int) -> Case:
    """``wide_case`` with what few programs have."""
    made, source = wide_case(seed), random.Random(f"rare {seed}")
    wide = "quad" if made.bits == 64 else "long"
    for sources in (made.sources, made.library):
        for name in sources:
            for _ in range(source.randint(0, 3)):
                unique, shared = source.randint(0, 1 << 16), source.randint(0, 1)
                sources[name] += source.choice(_RARE).format(n=unique, m=shared, wide=wide)
    for option in source.sample(_RARE_OPTIONS, source.choice((0, 1, 1, 2, 3))):
        made.arguments += option.split()
    return made


def wide_case(seed: int) -> Case:
    """``case`` with more of what compilers make, and objects in an archive."""
    made, source = case(seed), random.Random(f"more {seed}")
    for sources in (made.sources, made.library):
        for name in sources:
            for _ in range(source.randint(0, 4)):
                unique = f"{source.randint(0, 1 << 16)}"
                shared = source.randint(0, 2)
                wide = "quad" if made.bits == 64 else "long"
                sources[name] += source.choice(_MORE).format(n=unique, m=shared, wide=wide)
    for option in source.sample(_MORE_OPTIONS, source.choice((0, 1, 1, 2))):
        made.arguments += option.split()
    if len(made.sources) > 1 and source.random() < 0.4:
        made.archived = [name for name in made.sources if name != "o0"]
    return made


def case(seed: int) -> Case:
    source = random.Random(f"link {seed}")
    made = Case(source.choice((64, 64, 32)), source.choice(KINDS))
    names = [*FUNCTIONS, *VARIABLES, *THREADS]
    objects = [f"o{number}" for number in range(source.randint(1, 3))]
    owners = {name: source.choice([*objects, *objects, "library", None]) for name in names}
    if made.kind in ("static", "shared") and source.random() < 0.6:
        owners = {name: owner if owner != "library" else objects[0] for name, owner in owners.items()}
    library = any(owner == "library" for owner in owners.values()) and made.kind != "static"
    for name in objects:
        made.sources[name] = _Object(source, made, name, owners, start=name == objects[0]).text()
    if library:
        made.library["lib"] = _Object(source, made, "library", owners, start=False).text()
    made.arguments = _arguments(source, made)
    return made


def _arguments(source: random.Random, made: Case) -> list[str]:
    words = ["-m", "elf_x86_64" if made.bits == 64 else "elf_i386"]
    words += {"pie": ["-pie"], "shared": ["-shared"]}.get(made.kind, [])
    if made.kind in ("pie", "dynamic"):
        words += ["-dynamic-linker", "/lib/ld.so"]
    for option in source.sample(OPTIONS, source.choice((0, 0, 1, 2, 3))):
        words += option.split()
    return words


class _Object:
    """One source file."""

    def __init__(
        self, source: random.Random, made: Case, name: str, owners: dict[str, str | None], start: bool
    ) -> None:
        self.source, self.made, self.name, self.owners, self.start = source, made, name, owners, start
        self.lines: list[str] = []
        self.fixed = made.kind in ("static", "dynamic") and name != "library"
        self.labels = 0

    def text(self) -> str:
        if self.start:
            self.lines += [".text", ".globl _start", "_start:", "nop"]
            self._code(self.source.randint(1, 4))
        for name in FUNCTIONS:
            self._function(name)
        for name in VARIABLES:
            self._variable(name)
        for name in THREADS:
            self._thread(name)
        for _ in range(self.source.randint(0, 3)):
            self.source.choice(
                (self._strings, self._constants, self._array, self._group, self._odd, self._note)
            )()
        if self.source.random() < 0.8:
            flags = ',"x"' if self.source.random() < 0.05 else ',""'
            self.lines.append(f".section .note.GNU-stack{flags},@progbits")
        return "\n".join(self.lines) + "\n"

    def _define(self, name: str, kind: str) -> bool:
        """Open a definition, of a binding and visibility drawn; False: this file has none."""
        owner = self.owners[name]
        if owner == self.name:
            binding = self.source.choice((".globl", ".globl", ".globl", ".weak"))
        elif owner is not None and self.name != "library" and self.source.random() < 0.1:
            binding = ".weak"
        else:
            return False
        visibility = self.source.choice(("", "", "", "", ".hidden", ".protected", ".internal"))
        self.lines.append(f"{binding} {name}")
        if visibility and self.name != "library":
            self.lines.append(f"{visibility} {name}")
        if self.source.random() < 0.8:
            self.lines.append(f".type {name}, @{kind}")
        return True

    def _function(self, name: str) -> None:
        if not self._define(name, "function"):
            return
        section = self.source.choice((".text", ".text", f".text.{name}", ".text.hot", ".text.unlikely"))
        framed = self.source.random() < 0.5
        self.lines += [
            f'.section {section},"ax",@progbits',
            f".p2align {self.source.randint(0, 4)}",
            f"{name}:",
        ]
        self.lines += [".cfi_startproc"] if framed else []
        self._code(self.source.randint(0, 3))
        self.lines += ["ret"] + ([".cfi_endproc"] if framed else [])
        if self.source.random() < 0.7:
            self.lines.append(f".size {name}, .-{name}")

    def _variable(self, name: str) -> None:
        if self.owners[name] == self.name and self.source.random() < 0.15:
            self.lines.append(
                f".comm {name},{self.source.choice((1, 4, 8, 24))},{self.source.choice((1, 4, 8, 32))}"
            )
            return
        if not self._define(name, "object"):
            return
        section = self.source.choice(
            (
                '.data,"aw"',
                '.data,"aw"',
                '.bss,"aw",@nobits',
                '.rodata,"a"',
                '.data.rel.ro,"aw"',
                f'.data.{name},"aw"',
            )
        )
        self.lines += [f".section {section}", f".p2align {self.source.randint(0, 5)}", f"{name}:"]
        if "nobits" in section:
            self.lines.append(f".zero {self.source.choice((1, 4, 40))}")
        else:
            self._data(self.source.randint(1, 3), writable='"aw"' in section)
        if self.source.random() < 0.8:
            self.lines.append(f".size {name}, .-{name}")

    def _thread(self, name: str) -> None:
        if self._define(name, "tls_object"):
            section = self.source.choice(('.tdata,"awT",@progbits', '.tbss,"awT",@nobits'))
            content = ".zero 8" if "tbss" in section else ".long 5, 6"
            self.lines += [
                f".section {section}",
                f".p2align {self.source.randint(0, 4)}",
                f"{name}:",
                content,
            ]
            self.lines += [f".type {name}, @tls_object", f".size {name}, 8"]

    # ---- data ---------------------------------------------------------------------------------------------------

    def _data(self, count: int, writable: bool) -> None:
        wide = ".quad" if self.made.bits == 64 else ".long"
        for _ in range(count):
            name = self._any(*FUNCTIONS, *VARIABLES)
            free = writable or self.fixed
            forms = [f".long {self.source.randint(0, 99)}", f".byte {self.source.randint(0, 9)}"]
            if free:
                forms += [f"{wide} {name}", f"{wide} {name}+{self.source.choice((0, 4, -8))}"] * 2
            if free and self.made.bits == 64 and self.fixed:
                forms.append(f".long {name}")
            if writable:
                forms.append(f".long {name}-.")
            self.lines.append(self.source.choice(forms))

    def _any(self, *names: str) -> str:
        name = self.source.choice(names)
        if self.source.random() < 0.1:
            name = self.source.choice(("maybe", "perhaps"))
            self.lines.append(f".weak {name}")
            if self.source.random() < 0.2:
                self.lines.append(f".hidden {name}")
        elif self.owners.get(name, "") is None:
            name = next((n for n in names if self.owners.get(n) is not None), "_start")
        return name

    def _strings(self) -> None:
        width, alignment = self.source.choice(((1, 0), (1, 0), (1, 3), (2, 1), (4, 2)))
        self.lines += [
            f'.section .rodata.str{width}.{1 << alignment},"aMS",@progbits,{width}',
            f".p2align {alignment}",
        ]
        directive = {1: ".string8", 2: ".string16", 4: ".string32"}[width]
        for _ in range(self.source.randint(1, 4)):
            self.labels += 1
            label = self.source.choice((f".L{self.labels}", f"text{self.labels}"))
            self.lines += [f"{label}:", f'{directive} "{self.source.choice(STRINGS)}"']
            if alignment == 3:
                self.lines.append(".p2align 3")
            self.lines += [
                ".pushsection .data",
                f".long {label}-." if self.source.random() < 0.5 else ".long 0",
            ]
            self.lines.append(".popsection")

    def _constants(self) -> None:
        size = self.source.choice((4, 8, 16))
        self.lines += [
            f'.section .rodata.cst{size},"aM",@progbits,{size}',
            f".p2align {size.bit_length() - 1}",
        ]
        for _ in range(self.source.randint(1, 3)):
            self.lines.append(".long " + ", ".join([str(self.source.randint(0, 2))] * (size // 4)))

    def _array(self) -> None:
        wide = ".quad" if self.made.bits == 64 else ".long"
        name = self.source.choice(
            (".init_array", ".init_array.00100", ".init_array.5", ".fini_array", ".ctors", ".dtors.65000")
        )
        kind = name.split(".")[1] if "array" in name else "progbits"
        target = next((n for n in FUNCTIONS if self.owners[n] not in (None, "library")), "_start")
        self.lines += [
            f'.section {name},"aw",@{kind}',
            ".p2align 3" if self.made.bits == 64 else ".p2align 2",
            f"{wide} {target}",
        ]

    def _group(self) -> None:
        name = self.source.choice(("shared_one", "shared_two"))
        self.lines += [
            f'.section .text.{name},"axG",@progbits,{name},comdat',
            f".weak {name}",
            f".type {name}, @function",
            f"{name}:",
        ]
        self.lines += [".cfi_startproc", "nop"]
        self._code(1)
        self.lines += ["ret", ".cfi_endproc", f".size {name}, .-{name}", ".text", f"call {name}"]

    def _odd(self) -> None:
        flags = self.source.choice(('"a"', '"aw"', '"ax"', '""', '"aw",@nobits', '"awx"', '"aR"'))
        name = self.source.choice(
            ("custom", "another", ".odd", ".text.startup", ".comment", ".debug_line", ".data1", ".lrodata")
        )
        self.lines.append(f".section {name}_{self.source.randint(0, 1)},{flags}")
        self.lines.append(f".p2align {self.source.randint(0, 4)}")
        self.lines.append(".zero 5" if "nobits" in flags else ".long 1, 2")
        if name in ("custom", "another") and flags[1:2] == "a":
            number = self.lines[-3].split("_")[1][0]
            self.lines += [
                ".pushsection .data",
                f".long __start_{name}_{number}-.",
                f".long __stop_{name}_{number}-.",
                ".popsection",
            ]

    def _note(self) -> None:
        self.lines += [
            f'.section .note.{self.source.choice("xy")},"a",@note',
            ".p2align 2",
            ".long 4, 4, 1",
            '.asciz "abc"',
            ".long 0",
        ]

    # ---- code ---------------------------------------------------------------------------------------------------

    def _code(self, count: int) -> None:
        for _ in range(count):
            self.lines += (self._code_64 if self.made.bits == 64 else self._code_32)()

    def _code_64(self) -> list[str]:
        function, variable, thread = self._any(*FUNCTIONS), self._any(*VARIABLES), self._any(*THREADS)
        forms = [
            [f"call {function}@PLT"], [f"call {function}@PLT"], [f"mov {variable}@GOTPCREL(%rip), %rax"],
            [f"mov {function}@GOTPCREL(%rip), %r9"], [f"call *{function}@GOTPCREL(%rip)"], [f"jmp *{function}@GOTPCREL(%rip)"],
            [f"cmp {variable}@GOTPCREL(%rip), %rcx"], [f"test %rdx, {variable}@GOTPCREL(%rip)"],
            ["lea _GLOBAL_OFFSET_TABLE_(%rip), %rbx"], [f"movabs ${variable}@GOT, %rax"],
        ]  # fmt: skip
        if self.fixed:
            forms += [[f"call {function}"], [f"mov ${variable}, %eax"], [f"mov {variable}(%rip), %ecx"], [f"mov {variable}, %eax"],
                      [f"mov ${function}, %rdi"], [f"lea {function}(%rip), %rsi"], [f"movabs ${variable}, %rbx"]]  # fmt: skip
        elif self.made.kind == "pie" and self.name != "library":
            forms += [[f"mov {variable}(%rip), %ecx"], [f"lea {variable}(%rip), %rsi"], [f"call {function}"]]
        if thread in THREADS:
            forms += [[f"mov {thread}@GOTTPOFF(%rip), %rax"], [f"add {thread}@GOTTPOFF(%rip), %r12"],
                      [f".byte 0x66; lea {thread}@TLSGD(%rip), %rdi", ".value 0x6666; rex64", "call __tls_get_addr@PLT"]]  # fmt: skip
            if self.owners[thread] == self.name:
                forms.append(
                    [
                        f"lea {thread}@TLSLD(%rip), %rdi",
                        "call __tls_get_addr@PLT",
                        f"lea {thread}@DTPOFF(%rax), %rcx",
                    ]
                )
            if self.made.kind != "shared" and self.name != "library" and self.owners[thread] != "library":
                forms.append([f"mov %fs:{thread}@TPOFF, %eax"])
        return self.source.choice(forms)

    def _code_32(self) -> list[str]:
        function, variable, thread = self._any(*FUNCTIONS), self._any(*VARIABLES), self._any(*THREADS)
        forms = [
            [f"call {function}@PLT"], [f"call {function}@PLT"], [f"mov {variable}@GOT(%ebx), %eax"], [f"mov {function}@GOT(%ecx), %edx"],
            [f"call *{function}@GOT(%ebx)"], [f"jmp *{function}@GOT(%ebx)"], [f"cmp {variable}@GOT(%ebx), %ecx"],
            ["add $_GLOBAL_OFFSET_TABLE_, %ebx"], [f"call {function}"], [f"mov ${variable}, %eax"], [f"mov {variable}, %ecx"],
        ]  # fmt: skip
        if self.owners.get(variable) == self.name:
            forms.append([f"lea {variable}@GOTOFF(%ebx), %eax"])
        if thread in THREADS:
            forms += [[f"mov {thread}@INDNTPOFF, %eax"], [f"add {thread}@GOTNTPOFF(%ebx), %eax"], [f"sub {thread}@GOTTPOFF(%ebx), %ecx"],
                      [f"leal {thread}@TLSGD(,%ebx,1), %eax", "call ___tls_get_addr@PLT"],
                      [f"leal {thread}@TLSGD(%ebx), %eax", "call ___tls_get_addr@PLT", "nop"]]  # fmt: skip
            if self.owners[thread] == self.name:
                forms.append(
                    [
                        f"leal {thread}@TLSLDM(%ebx), %eax",
                        "call ___tls_get_addr@PLT",
                        f"leal {thread}@DTPOFF(%eax), %edx",
                    ]
                )
            if self.owners[thread] != "library":
                forms.append([f"mov %gs:{thread}@NTPOFF, %eax"])
        return self.source.choice(forms)

"""Functions that choose themselves when the program starts, and loads that need no GOT entry: the same bytes as GNU ld's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.differential.test_link_rows import GROUP, PIE, START, links_equally

pytestmark = pytest.mark.differential

MACHINES = {
    "elf_x86_64": ("quad", "mov {}@GOTPCREL(%rip), %rax"),
    "elf_i386": ("long", "mov {}@GOT(%ebx), %eax"),
}
KINDS = ("", PIE, "-shared", "-shared -Bsymbolic", "-z now", f"{PIE} -z now")
USES = ("p", "c", "s", "pc", "sc", "ps", "psc")  # pointer in data, call, GOT entry


def chosen(binding: str, *names: str) -> str:
    return "".join(f"{binding} {name}\n.type {name}, @gnu_indirect_function\n{name}: nop\n" for name in names)


def used(machine: str, name: str, uses: str) -> str:
    wide, load = MACHINES[machine]
    found = {"p": f".data\n.{wide} {name}\n.text\n", "c": f"call {name}@PLT\n", "s": load.format(name) + "\n"}
    return "".join(found[use] for use in uses)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("visibility", ["", ".protected", ".hidden", ".local"])
def test_each_use(
    visibility: str, machine: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = START
    for uses in USES:
        text += chosen(".local" if visibility == ".local" else ".globl", uses)
        text += f"{visibility} {uses}\n" if visibility else ""
        text += used(machine, uses, uses)
    assert links_equally(f"-m {machine} {kind}", [text])


LOCAL = chosen(".local", "u", "v") + "call u\ncall v\n"
ORDERS = {
    "three files": [START + LOCAL, LOCAL + '.data\n.long 1\n.section .odd,"a"\n.long 1\n', LOCAL],
    "commons": [
        START + ".comm big,8,8\n" + LOCAL,
        ".comm big,16,8\n.comm other,4,4\n" + LOCAL,
        ".comm other,4,4\n" + LOCAL,
    ],
    "groups": [START + LOCAL, GROUP + "ret\n.text\n" + LOCAL, GROUP + "ret\n.text\n" + LOCAL],
    "forty": [
        START + "".join(chosen(".local", f"u{n}") + f"call u{n}\n" for n in range(23)),
        "".join(chosen(".local", f"u{n}") + f"call u{n}\n" for n in range(17)),
    ],
}


@pytest.mark.parametrize(
    "kind", ["", PIE, "-shared", "-shared --hash-style=gnu", f"{PIE} --no-dynamic-linker"]
)
@pytest.mark.parametrize("name", ORDERS)
def test_order_of_local_ones(name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ld visits them in the order of a hash table, by numbers that it gives to all sections it has made so far."""
    monkeypatch.chdir(tmp_path)
    assert links_equally(kind, ORDERS[name])


@pytest.mark.parametrize("machine", MACHINES)
def test_local_ones_beside_a_library(machine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert links_equally(
        f"-m {machine} -pie", [START + LOCAL, LOCAL, LOCAL], ".globl more\nmore: ret\n.comm c,4,4\n"
    )


@pytest.mark.parametrize("kind", ["", "-pie", "-shared"])
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("uses", ["p", "s", "c", "ps", "psc"])
def test_order_of_relocations(
    uses: str, machine: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pointers file by file, then local names, then global ones."""
    monkeypatch.chdir(tmp_path)
    sources = []
    for number in range(2):
        names = [f"{letter}{number}" for letter in "uvxypq"]
        text = chosen(".globl", *names[:4]) + chosen(".local", *names[4:])
        text += f".hidden {names[2]}, {names[3]}\n" + "".join(used(machine, name, uses) for name in names)
        sources.append(text)
    sources[0] = START + sources[0] + '.section .aa,"aw"\n' + used(machine, "v0", "p").replace(".data\n", "")
    assert links_equally(f"-m {machine} {kind}", sources)


LOADS = (
    "mov n@GOTPCREL(%rip), %r9", "mov n@GOTPCREL(%rip), %eax", "cmp n@GOTPCREL(%rip), %rcx", "test %rdx, n@GOTPCREL(%rip)",
    "cmp n@GOTPCREL(%rip), %ecx", "call *n@GOTPCREL(%rip)", "jmp *n@GOTPCREL(%rip)", ".reloc .+3, R_X86_64_GOTPCREL, n-4; mov 0(%rip), %rax",
)  # fmt: skip


@pytest.mark.parametrize("name", [".weak n\n", ".weak n\n.hidden n\n", ".globl n\nn: nop\n"])
@pytest.mark.parametrize("kind", ["", PIE, "-shared"])
@pytest.mark.parametrize("option", ["--relax", "--no-relax"])
def test_loads(option: str, kind: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An undefined weak name that is 0 needs no GOT entry, with --no-relax neither."""
    monkeypatch.chdir(tmp_path)
    assert links_equally(f"{kind} {option}", [START + name + "\n".join(LOADS) + "\n"])


@pytest.mark.parametrize("number", [0x1234, 0x87654321, 0x123456789A, 0xFFFFFFFF87654321])
@pytest.mark.parametrize("kind", ["", PIE])
def test_loads_of_numbers(number: int, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number becomes an operand where it fits into one."""
    monkeypatch.chdir(tmp_path)
    loads = "\n".join(load for load in LOADS[:5])
    assert links_equally(kind, [START + loads + "\n", f".globl n\nn = {number}\n"])


@pytest.mark.parametrize("option", ["", "-E -z now", "-E -z ibtplt"])
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("uses", ["c", "s", "p", "sc", "psc"])
def test_stand_ins(
    uses: str, machine: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a program at a fixed address other modules find the PLT entry, as a function."""
    monkeypatch.chdir(tmp_path)
    source = START + chosen(".globl", "h") + ".size h, 1\n" + used(machine, "h", uses)
    arguments = f"-m {machine} {option} -dynamic-linker /lib/ld.so"
    assert links_equally(arguments, [source], ".globl q\nq: call h@PLT\n")

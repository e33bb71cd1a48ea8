"""The linker against GNU ld: the same bytes, over programs in ``link/``.

An input is named ``plain`` (plain.asm for elf64), ``i386_one:32`` (for elf32), ``start.c:O2`` (gcc with that option),
``start.c:O1:32``, ``lib.a=one+two`` (an archive of these) or ``lib.so=one`` (a shared object that ld makes).
"""

from __future__ import annotations

import functools
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.differential.test_assemble_programs import PROGRAMS
from toolkit.asm.link import LinkInput, link
from toolkit.asm.link.arguments import link_files
from toolkit.kernel.kernel import Kernel
from toolkit.machine.cpu import Machine

HERE = Path(__file__).parent / "link"
LOADER = "-dynamic-linker /lib64/ld-linux-x86-64.so.2"
LOADER_32 = "-dynamic-linker /lib/ld-linux.so.2"
LIBRARIES = "/usr/lib/x86_64-linux-gnu"

pytestmark = pytest.mark.differential

CASES = [
    line
    for line in (HERE / "cases.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def read_case(line: str) -> tuple[list[str], list[str]]:
    inputs, _, arguments = line.partition("|")
    loader = LOADER_32 if "elf_i386" in arguments else LOADER
    return inputs.split(), arguments.replace("DYN", loader).split()


def make(name: str, folder: Path) -> str:
    """Build one input in ``folder``, if it is not there; its file name."""
    target, equals, parts = name.partition("=")
    stamp = folder / f"{target}.from"
    if equals and stamp.exists() and stamp.read_text() == name:
        return target if target.endswith(".a") or target.startswith(("text", "needed")) else f"./{target}"
    if equals:
        stamp.write_text(name)
    if equals and target.startswith(("text", "needed")):
        inner = make(parts, folder)
        word = f"AS_NEEDED ( {inner} )" if target.startswith("needed") else inner
        (folder / target).write_text(f"/* a text library */ GROUP ( {word} )\n")
        return target
    if equals and target.endswith(".a"):
        members = [make(part, folder) for part in parts.split("+")]
        (folder / target).unlink(missing_ok=True)
        thin = ["--thin"] if target.startswith("thin") else []
        subprocess.run(["ar", "rcs", *thin, target, *members], cwd=folder, check=True)
        return target
    if equals:
        emulation = "elf_i386" if ":32" in parts else "elf_x86_64"
        command = ["ld", "-m", emulation, "-shared", make(parts, folder), "-o", target]
        subprocess.run(command, cwd=folder, check=True)
        return f"./{target}"
    if name.endswith((".o", ".so.6", ".so.6:32")):
        folder_of = LIBRARIES if not name.endswith(":32") else "/lib32"
        base = name.removesuffix(":32")
        path = Path(folder_of, base) if "/" not in name else gcc_folder() / name.removeprefix("gcc/")
        if not path.exists():
            pytest.skip(f"{path} is not installed")
        return str(path)
    stem, *flags = name.split(":")
    output = name.replace(":", "_") + ".o"
    base = stem.removesuffix("_again").removesuffix("_free").removesuffix("_labels")
    if (folder / output).exists():
        return output
    if base.endswith((".c", ".cc")):
        compile_c(base, flags, folder, output)
        return output
    shutil.copy(HERE / f"{base}.asm", folder)
    source = folder / f"{base}.asm"
    if stem != base:  # the same program without what would be defined twice
        text = source.read_text().replace("global ", "; global ")
        source = folder / f"{stem}.asm"
        source.write_text(text)
    kind = "elf32" if "32" in flags else "elf64"
    subprocess.run(["nasm", "-w-all", "-f", kind, source.name, "-o", output], cwd=folder, check=True)
    return output


@functools.cache
def gcc_folder() -> Path:
    """Where gcc's own objects and archives are."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    found = subprocess.run(
        ["gcc", "-print-libgcc-file-name"], capture_output=True, text=True, check=True
    ).stdout
    return Path(found.strip()).parent


def compile_c(name: str, flags: list[str], folder: Path, output: str) -> None:
    if shutil.which("gcc") is None or (name.endswith("cc") and shutil.which("g++") is None):
        pytest.skip("gcc is not installed")
    shutil.copy(HERE / name, folder)
    command = [
        "g++" if name.endswith("cc") else "gcc",
        "-c",
        "-fno-builtin",
        "-fno-stack-protector",
        "-ffreestanding",
    ]
    command += ["-fno-pic"] if not {"fpic", "fPIC", "fpie", "fno-pic"} & set(flags) else []
    command += ["-m32" if flag == "32" else f"-{flag}" for flag in flags]
    command += ["-ffunction-sections"] if name == "unused.c" else []
    subprocess.run([*command, name, "-o", output], cwd=folder, check=True)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which an input is built once for all cases that name it."""
    return tmp_path_factory.mktemp("workshop")


@pytest.mark.parametrize("case", CASES)
def test_same_bytes_as_ld(case: str, workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, options = read_case(case)
    names = [name if name.startswith("-") else make(name, workshop) for name in inputs]
    monkeypatch.chdir(workshop)
    compare([*options, *names])


def compare(command: list[str]) -> None:
    """ld's file and ours in the current folder, for one command line."""
    done = subprocess.run(["ld", *command, "-o", "reference"], capture_output=True, text=True, check=False)
    linked, _ = link_files(command)
    reference = Path("reference").read_bytes() if done.returncode == 0 else None
    if linked.elf is not None:
        Path("ours").write_bytes(linked.elf)
        Path("ours").chmod(0o755)
    if linked.elf == reference:
        return
    said = "\n".join(d.render() for d in linked.diagnostics)
    if reference is None or linked.elf is None:
        pytest.fail(f"ld: {done.stderr}\nours: {said}", pytrace=False)
    pytest.fail(difference(Path()), pytrace=False)


def difference(folder: Path) -> str:
    """What readelf sees differently in the two files."""
    for name in ("reference", "ours"):
        seen = subprocess.run(["readelf", "-aW", name], cwd=folder, capture_output=True, check=False)
        (folder / f"{name}.txt").write_bytes(seen.stdout)
    diff = subprocess.run(["diff", "reference.txt", "ours.txt"], cwd=folder, capture_output=True, check=False)
    bytes_differing = subprocess.run(
        ["cmp", "-l", "reference", "ours"], cwd=folder, capture_output=True, check=False
    )
    return "\n".join((diff.stdout or bytes_differing.stdout).decode("utf-8", "replace").splitlines()[:40])


PROGRAM = """#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
static __thread int n = 4; extern char **environ;
__attribute__((constructor(200))) static void before(void) { n++; }
static int compare(const void *a, const void *b) { return *(int *)a - *(int *)b; }
int main(void) {
  int v[3] = {3, 1, 2}; qsort(v, 3, sizeof *v, compare);
  printf("%d %.2f %d %d %d\\n", n, 1.5, v[0], errno, environ != 0); return 3; }
"""
DRIVERS = [
    f"{driver} {bits} {options}".replace("  ", " ")
    for driver, bits in (("gcc", ""), ("gcc", "-m32"), ("musl-gcc", ""))
    for options in ("-O2 -pie -fPIE", "-O0 -no-pie -fno-pie", "-O2 -static -fno-pie", "-O2 -static-pie -fPIE",
                    "-O2 -shared -fPIC", "-O2 -no-pie -fno-pie -Wl,-z,now -rdynamic",
                    "-Os -ffunction-sections -fdata-sections -Wl,--gc-sections -pie -fPIE")
]  # fmt: skip


def _is_long(command: str) -> bool:
    """Whole C libraries are linked in; one such link stays in every run."""
    return command.startswith("gcc") and "-static" in command and command != "gcc -O2 -static -fno-pie"


@pytest.mark.parametrize(
    "command", [pytest.param(c, marks=pytest.mark.slow) if _is_long(c) else c for c in DRIVERS]
)
def test_what_compilers_ask_of_ld(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler's own command line for ld, with the C library: the same bytes, and the program runs."""
    monkeypatch.chdir(tmp_path)
    Path("a.c").write_text(PROGRAM)
    driver, *options = command.split()
    if shutil.which(driver) is None:
        pytest.skip(f"{driver} is not installed")
    compiled = subprocess.run([driver, *options, "-c", "a.c"], capture_output=True, text=True, check=False)
    if compiled.returncode:
        pytest.skip(f"{command} does not compile here: {compiled.stderr}")
    shown = subprocess.run(
        [driver, *options, "a.o", "-###"], capture_output=True, text=True, check=True
    ).stderr
    words = iter(
        shlex.split([line for line in shown.splitlines() if "collect2" in line or "/ld" in line][-1])[1:]
    )
    line = []
    for word in words:
        if word in ("-plugin", "-o"):
            next(words)
        elif not word.startswith("-plugin-opt"):
            line.append(word)
    compare(line)
    if "-shared" not in command:
        run = subprocess.run(["./ours"], capture_output=True, check=False)
        assert (run.returncode, run.stdout) == (3, b"5 1.50 1 0 1\n")


@pytest.mark.parametrize("bits", ["", ":32"])
@pytest.mark.parametrize(
    "program", ["main", "pie", "dynamic.c:fno-pic", "dynamic.c:fpie:O2", "threading.c:fpie"]
)
def test_program_with_a_library_runs(
    program: str, bits: str, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our library and our program, under the system's dynamic linker, on Linux and on our own kernel."""
    monkeypatch.chdir(tmp_path)
    in_c = ".c" in program
    emulation, loader = ("elf_i386", LOADER_32) if bits else ("elf_x86_64", LOADER)
    source = "dynamic_library.c:fpic:O2" if in_c else ("library32" if bits else "library")
    build(["-m", emulation, "-shared", make(source + bits, tmp_path)], "lib.so")
    kind = ["-pie"] if "pie" in program and "no-pie" not in program else []
    name = program if in_c or not bits else f"{program}32"
    inputs = [make(name + bits, tmp_path), *([make(f"exits.c:fpic{bits}", tmp_path)] if in_c else [])]
    build(["-m", emulation, *kind, *loader.split(), *inputs, "./lib.so"], "ours")
    run = subprocess.run(["./ours"], check=False)
    outcome = run_in(machine, tmp_path)
    assert run.returncode == outcome
    assert run.returncode == {"main": 6, "pie": 7}.get(program, run.returncode) >= 0


def build(command: list[str], output: str) -> None:
    linked, _ = link_files(command)
    assert linked.elf is not None, "\n".join(d.render() for d in linked.diagnostics)
    Path(output).write_bytes(linked.elf)
    Path(output).chmod(0o755)


def run_in(machine: Machine, folder: Path) -> int:
    """The exit status of ``ours`` on this project's kernel, which sees the host's files."""
    with Kernel(machine, uid=0, gid=0, mounts={"/": "/"}, directory=str(folder)) as kernel:
        kernel.spawn(f"{folder}/ours", ["./ours"], {})
        return kernel.run().status


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(("kind", "emulation"), [("elf64", "elf_x86_64"), ("elf32", "elf_i386")])
@pytest.mark.parametrize("debug", [(), ("-g",)], ids=["plain", "debug"])
def test_every_program_of_the_repository(
    kind: str, emulation: str, debug: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nasm assembles and ld links alone comes out the same here."""
    monkeypatch.chdir(tmp_path)
    compared, different = 0, []
    for source in PROGRAMS:
        command = ["nasm", "-w-all", *debug, "-f", kind, source.name, "-o", str(tmp_path / "a.o")]
        if subprocess.run(command, cwd=source.parent, capture_output=True, check=False).returncode:
            continue
        Path("a").unlink(missing_ok=True)
        made = subprocess.run(["ld", "-m", emulation, "a.o", "-o", "a"], capture_output=True, check=False)
        linked = link([LinkInput("a.o", Path("a.o").read_bytes())], missing_entry="warning")
        compared += 1
        if linked.elf != (Path("a").read_bytes() if made.returncode == 0 else None):
            different.append(str(source))
    assert compared > 50
    assert not different


WARNED = {
    "once": "extern old\nglobal _start\n_start: call old\ncall old\nret\nsection .data\ndq old\n",
    "in data": "extern old\nglobal _start\n_start: ret\nsection .data\ndd 1\ndq old\n",
    "not referred to": "global _start\n_start: ret\n",
}


@pytest.mark.parametrize("case", WARNED)
def test_warnings_of_symbols(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A .gnu.warning.NAME section speaks at the first reference, and the program is the same."""
    monkeypatch.chdir(tmp_path)
    Path("a.asm").write_text(WARNED[case])
    Path("b.asm").write_text('global old\nold: ret\nsection .gnu.warning.old\ndb "old is dangerous"\n')
    for name in "ab":
        subprocess.run(["nasm", "-f", "elf64", f"{name}.asm"], check=True, capture_output=True)
    done = subprocess.run(["ld", "a.o", "b.o", "-o", "a"], capture_output=True, text=True, check=True)
    linked = link([LinkInput(name, Path(name).read_bytes()) for name in ("a.o", "b.o")])
    places = [re.sub(r".*:(\(.*)", r"\1", line) for line in done.stderr.splitlines() if "warning:" in line]
    assert [d.nasm_message.removeprefix("a.o:") for d in linked.diagnostics] == places
    assert linked.elf == Path("a").read_bytes()

"""The linker against GNU ld: the same bytes, over programs in ``link/``.

An input is named ``plain`` (plain.asm for elf64), ``i386_one:32`` (for elf32), ``start.c:O2`` (gcc with that option),
``start.c:O1:32``, ``lib.a=one+two`` (an archive of these) or ``lib.so=one`` (a shared object that ld makes).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from toolkit.asm.link import LinkInput, link

HERE = Path(__file__).parent / "link"
LOADER = "-dynamic-linker /lib64/ld-linux-x86-64.so.2"
LIBRARIES = "/usr/lib/x86_64-linux-gnu"

pytestmark = pytest.mark.differential

# inputs | ld's arguments
CASES = """
plain |
plain | -e b
plain | -s
plain | -Ttext=0x800000
plain | -Ttext=0x500000 -Tdata=0x600000
plain | -Tdata=0x600000
plain | -Tbss=0x700000
plain | -z noexecstack
plain | -z execstack
plain | -z norelro
plain | -e 0x401002
orphan_no_start |
bss_only |
sections |
sections | -z norelro
sections | --gc-sections
uses_bss bss_globals |
bss_globals uses_bss |
uses_bss bss_globals absolute |
absolute bss_globals uses_bss |
absolute |
empty |
empty plain |
plain empty |
rodata_only |
tiny_data |
common_one common_two |
common_two common_one |
common_one common_two defines_common |
defines_common common_two common_one |
weak |
weak strong |
strong weak |
strings_one strings_two |
strings_two strings_one |
strings_one strings_two constants |
constants strings_two strings_one |
set_one |
set_one set_two |
set_two set_one |
set_one set_two | --gc-sections
arrays |
arrays arrays_free |
alignments |
alignments fills |
fills alignments |
fills fills_again alignments |
orphans |
orphans plain_labels |
threads |
threads fills |
fills threads |
stack_note |
stack_note fills |
fills stack_note |
stack_note stack_exec |
sizes |
many_names |
many_names fills |
edge_page |
edge_page fills |
calls_lib lib_one lib_two |
calls_lib lib.a=lib_one+lib_two+lib_three |
calls_lib lib.a=lib_two+lib_three+lib_one |
lib.a=lib_one calls_lib lib_one lib.a=lib_two |
calls_lib lib.a=lib_one lib2.a=lib_two |
calls_lib lib_one lib.a=lib_three+lib_two |
calls_lib lib.a=lib_one+lib_two | -u three
got got_extern |
got_extern got |
got:32 got_extern:32 | -m elf_i386
got_extern:32 got:32 | -m elf_i386
i386_one:32 i386_two:32 | -m elf_i386
i386_two:32 i386_one:32 | -m elf_i386
alignments:32 fills:32 | -m elf_i386
orphans:32 | -m elf_i386
sections:32 | -m elf_i386
common_i386:32 common_two:32 | -m elf_i386
weak_i386:32 common_two:32 | -m elf_i386
start.c:O0 other.c:O0 |
other.c:O0 start.c:O0 |
start.c:O1 other.c:O2 |
start.c:O2 other.c:O2 |
start.c:Os other.c:O3 |
other.c:O2 start.c:O2 fills |
fills other.c:O2 start.c:O2 |
start.c:O2 other.c:fpic |
start.c:fpic other.c:fpic |
start.c:fpie other.c:fpie |
start.c:fpic:O2 other.c:fpic:O2 | --gc-sections
start.c:O2 other.c:O2 templates_one.cc:O2 templates_two.cc:O2 |
start.c:O0 other.c:O0 templates_two.cc:O0 templates_one.cc:O0 |
start.c:O2 lib.a=other.c:O2+templates_one.cc:O2 |
unused.c:O1 other.c:O2 | --gc-sections
unused.c:O1 common_two | --gc-sections
frames.c:O2 frames_more.c:O2 |
frames_more.c:O0 frames.c:O0 |
frames.c:O1 frames_more.c:Os lib_three |
frames.c:O2 frames_more.c:O2 | --gc-sections
thrower.cc:O2 runtime.c:O2 |
thrower.cc:O0 runtime.c:O0 frames_more.c:O2 |
runtime.c:O1 thrower.cc:O2 templates_one.cc:O2 | --gc-sections
frames.c:O2:32 frames_more.c:O2:32 | -m elf_i386
start.c:g:O1 other.c:g:O1 |
library | -shared
library | -shared -soname libx.so.1
library | -shared --hash-style=gnu
library | -shared --hash-style=sysv
library lib_two | -shared
main lib.so=library | DYN
main lib.so=library | DYN -rpath /opt/lib
main lib.so=library | DYN -z now
main lib.so=library lib_two | DYN
pie_alone | -pie
pie_alone | -pie DYN
pie lib.so=library | -pie DYN
writable_text |
data_segment_empty |
data_segment_empty:32 | -m elf_i386
bss_globals |
bss_globals:32 | -m elf_i386
plain notes | --build-id=0x1234
notes plain | --build-id=sha1
plain | --build-id=md5
frames.c:O2 frames_more.c:O2 | --eh-frame-hdr
frames.c:O2 frames_more.c:O2 | --eh-frame-hdr --gc-sections
many_names | -shared
calls_printf libc.so.6 | DYN
calls_printf libc.so.6 | DYN --hash-style=gnu -z now
crt1.o crti.o gcc/crtbegin.o main.c:O2 libc.so.6 gcc/crtend.o crtn.o | DYN
Scrt1.o crti.o gcc/crtbeginS.o main.c:O2:fpie libc.so.6 gcc/crtendS.o crtn.o | -pie DYN --eh-frame-hdr --build-id=sha1
Scrt1.o crti.o gcc/crtbeginS.o main.c:O0:fpie libc.so.6 gcc/crtendS.o crtn.o | -pie DYN -z now --hash-style=gnu
crti.o gcc/crtbeginS.o other.c:fpic:O2 templates_one.cc:fPIC:O2 libc.so.6 gcc/crtendS.o crtn.o | -shared --eh-frame-hdr
copy lib.so=library | DYN
""".strip().splitlines()


def read_case(line: str) -> tuple[list[str], list[str]]:
    inputs, _, arguments = line.partition("|")
    return inputs.split(), arguments.replace("DYN", LOADER).split()


def options_of(arguments: list[str]) -> dict[str, object]:
    """ld's arguments as ``LinkOptions`` fields."""
    found: dict[str, object] = {"missing_entry": "warning"}
    rest = iter(arguments)
    for word in rest:
        if word.startswith("-T"):
            name, _, value = word[2:].partition("=")
            found[f"{name}_address"] = int(value, 16)
        elif word == "-z":
            keyword = next(rest)
            found |= {
                "noexecstack": {"execstack": False},
                "execstack": {"execstack": True},
                "norelro": {"relro": False},
                "now": {"bind_now": True},
            }[keyword]
        elif word.startswith("--hash-style="):
            found["hash_style"] = word.partition("=")[2]
        elif word in ("-shared", "-pie"):
            found["kind"] = word[1:]
        elif word.startswith("--build-id="):
            found["build_id"] = word.partition("=")[2]
        elif word == "--eh-frame-hdr":
            found["eh_frame_hdr"] = True
        elif word == "--gc-sections":
            found["gc_sections"] = True
        elif word == "-s":
            found["strip"] = "all"
        else:
            value = next(rest)
            field = {
                "-e": "entry",
                "-m": "emulation",
                "-soname": "soname",
                "-rpath": "runpath",
                "-u": "undefined",
            }
            name = field.get(word, "dynamic_linker")
            found[name] = (value,) if word == "-u" else value
    return found


def make(name: str, folder: Path) -> str:
    """Build one input in ``folder``; its file name."""
    target, equals, parts = name.partition("=")
    if equals and target.endswith(".a"):
        members = [make(part, folder) for part in parts.split("+")]
        (folder / target).unlink(missing_ok=True)
        subprocess.run(["ar", "rcs", target, *members], cwd=folder, check=True)
        return target
    if equals:
        subprocess.run(["ld", "-shared", make(parts, folder), "-o", target], cwd=folder, check=True)
        return f"./{target}"
    if name.endswith((".o", ".so.6")):
        path = Path(LIBRARIES, name) if "/" not in name else gcc_folder() / name.removeprefix("gcc/")
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
    command += ["-fno-pic"] if not {"fpic", "fPIC", "fpie"} & set(flags) else []
    command += ["-m32" if flag == "32" else f"-{flag}" for flag in flags]
    command += ["-ffunction-sections"] if name == "unused.c" else []
    subprocess.run([*command, name, "-o", output], cwd=folder, check=True)


@pytest.mark.parametrize("case", CASES)
def test_same_bytes_as_ld(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, arguments = read_case(case)
    names = [make(name, tmp_path) for name in inputs]
    subprocess.run(
        ["ld", *arguments, *names, "-o", "reference"], cwd=tmp_path, check=True, capture_output=True
    )
    monkeypatch.chdir(tmp_path)
    linked = link([LinkInput(name, Path(name).read_bytes()) for name in names], **options_of(arguments))
    assert linked.elf is not None, "\n".join(d.render() for d in linked.diagnostics)
    (tmp_path / "ours").write_bytes(linked.elf)
    if linked.elf != (tmp_path / "reference").read_bytes():
        pytest.fail(difference(tmp_path), pytrace=False)


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


def test_static_program_with_the_c_library(tmp_path: Path) -> None:
    """gcc -static's link: glibc's objects, archives searched as a group, indirect functions; byte for byte, and it runs."""
    if not Path(LIBRARIES, "libc.a").exists() or shutil.which("gcc") is None:
        pytest.skip("libc.a or gcc is not installed")
    (tmp_path / "hello.c").write_text(
        '#include <stdio.h>\nstatic __thread int n = 4;\nint main(void) { printf("%d %.2f\\n", n, 1.5); return 3; }\n'
    )
    subprocess.run(["gcc", "-c", "hello.c"], cwd=tmp_path, check=True)
    gcc = gcc_folder()
    crt = [f"{LIBRARIES}/crt1.o", f"{LIBRARIES}/crti.o", f"{gcc}/crtbeginT.o", str(tmp_path / "hello.o")]
    archives = [f"{gcc}/libgcc.a", f"{gcc}/libgcc_eh.a", f"{LIBRARIES}/libc.a"]
    end = [f"{gcc}/crtend.o", f"{LIBRARIES}/crtn.o"]
    grouped = [*crt, "--start-group", *archives, "--end-group", *end]
    subprocess.run(["ld", "-static", *grouped, "-o", str(tmp_path / "reference")], check=True)
    names = [*crt, *archives, *end]
    linked = link([LinkInput(name, Path(name).read_bytes()) for name in names], group=True)
    assert linked.elf == (tmp_path / "reference").read_bytes()
    program = tmp_path / "ours"
    program.write_bytes(linked.elf)
    program.chmod(0o755)
    run = subprocess.run([program], capture_output=True, check=False)
    assert (run.returncode, run.stdout) == (3, b"4 1.50\n")


@pytest.mark.parametrize("arguments", ["DYN", "-pie DYN"])
def test_program_with_a_library_runs(arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our library and our program, under the system's dynamic linker."""
    monkeypatch.chdir(tmp_path)
    library = link([LinkInput("l.o", Path(make("library", tmp_path)).read_bytes())], kind="shared")
    assert library.elf is not None
    Path("lib.so").write_bytes(library.elf)
    program = make("pie" if "pie" in arguments else "main", tmp_path)
    options = options_of(arguments.replace("DYN", LOADER).split())
    inputs = [LinkInput(program, Path(program).read_bytes()), LinkInput("./lib.so", library.elf)]
    linked = link(inputs, **options)
    assert linked.elf is not None
    Path("ours").write_bytes(linked.elf)
    Path("ours").chmod(0o755)
    assert subprocess.run(["./ours"], check=False).returncode == (7 if "pie" in arguments else 6)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "emulation"), [("elf64", "elf_x86_64"), ("elf32", "elf_i386")])
@pytest.mark.parametrize("debug", [(), ("-g",)], ids=["plain", "debug"])
def test_every_program_of_the_repository(
    kind: str, emulation: str, debug: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nasm assembles and ld links alone comes out the same here."""
    monkeypatch.chdir(tmp_path)
    root = Path(__file__).resolve().parents[2]
    compared, different = 0, []
    for source in sorted(root.rglob("*.asm")):
        command = ["nasm", "-w-all", *debug, "-f", kind, source.name, "-o", str(tmp_path / "a.o")]
        if subprocess.run(command, cwd=source.parent, capture_output=True, check=False).returncode:
            continue
        Path("a").unlink(missing_ok=True)
        made = subprocess.run(["ld", "-m", emulation, "a.o", "-o", "a"], capture_output=True, check=False)
        linked = link([LinkInput("a.o", Path("a.o").read_bytes())], missing_entry="warning")
        compared += 1
        if linked.elf != (Path("a").read_bytes() if made.returncode == 0 else None):
            different.append(str(source.relative_to(root)))
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

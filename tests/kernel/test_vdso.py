"""The vDSO image: a valid shared library with Linux's names, whose code is its source."""

from __future__ import annotations

import ctypes
import io
import platform
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerDefSection
from elftools.elf.hash import ELFHashSection, GNUHashSection

from toolkit.kernel import vdso

NATIVE = platform.system() == "Linux" and platform.machine() == "x86_64"


def parse(bits: int) -> ELFFile:
    return ELFFile(io.BytesIO(vdso.image(bits)))


@pytest.mark.parametrize("bits", [64, 32])
def test_image_is_two_pages_with_one_loaded_segment(bits: int) -> None:
    image = vdso.image(bits)
    assert len(image) == 0x2000
    (load,) = [segment for segment in parse(bits).iter_segments() if segment["p_type"] == "PT_LOAD"]
    assert (load["p_offset"], load["p_vaddr"], load["p_flags"]) == (0, 0, 5)


@pytest.mark.parametrize("bits", [64, 32])
def test_every_function_is_found_through_both_hash_tables(bits: int) -> None:
    file = parse(bits)
    tables = [s for s in file.iter_sections() if isinstance(s, ELFHashSection | GNUHashSection)]
    assert len(tables) == 2
    for function in vdso.FUNCTIONS[bits]:
        for name in function.names:
            for table in tables:
                symbol = table.get_symbol(name)
                assert symbol is not None
                code = vdso.image(bits)[symbol["st_value"] :][: symbol["st_size"]]
                assert code == bytes.fromhex(function.code)
    assert all(table.get_symbol("printf") is None for table in tables)


@pytest.mark.parametrize(("bits", "versions"), [(64, ["LINUX_2.6"]), (32, ["LINUX_2.5", "LINUX_2.6"])])
def test_versions(bits: int, versions: list[str]) -> None:
    section = parse(bits).get_section_by_name(".gnu.version_d")
    assert isinstance(section, GNUVerDefSection)
    names = [next(iter(auxiliaries)).name for _, auxiliaries in section.iter_versions()]
    assert names == [vdso.SONAMES[bits], *versions]


@pytest.mark.differential
@pytest.mark.skipif(not shutil.which("nasm"), reason="needs nasm")
@pytest.mark.parametrize("bits", [64, 32])
def test_the_bytes_are_what_nasm_makes_of_the_source(bits: int, tmp_path: Path) -> None:
    for function in vdso.FUNCTIONS[bits]:
        (tmp_path / "f.asm").write_text(f"bits {bits}\n{function.source}\n")
        subprocess.run(["nasm", "-f", "bin", "-o", "f.bin", "f.asm"], cwd=tmp_path, check=True, timeout=30)
        assert (tmp_path / "f.bin").read_bytes().hex() == function.code, function.names


@pytest.mark.differential
@pytest.mark.skipif(not NATIVE, reason="needs x86-64 Linux as the oracle")
def test_the_host_can_load_and_call_it(tmp_path: Path) -> None:
    path = tmp_path / "vdso.so"
    path.write_bytes(vdso.image(64))
    library = ctypes.CDLL(str(path))
    libc = ctypes.CDLL(None)
    libc.dlvsym.restype = ctypes.c_void_p
    libc.dlvsym.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]
    assert libc.dlvsym(library._handle, b"__vdso_clock_gettime", b"LINUX_2.6")
    assert not libc.dlvsym(library._handle, b"__vdso_clock_gettime", b"LINUX_2.5")
    library.time.restype = ctypes.c_int64
    assert abs(library.time(None) - time.time()) < 5
    moment = (ctypes.c_int64 * 2)()
    assert library.__getattr__("__vdso_clock_gettime")(1, moment) == 0
    assert abs(moment[0] - time.clock_gettime(time.CLOCK_MONOTONIC)) < 5


@pytest.mark.differential
@pytest.mark.skipif(not shutil.which("readelf"), reason="needs binutils")
@pytest.mark.parametrize("bits", [64, 32])
def test_binutils_find_nothing_wrong(bits: int, tmp_path: Path) -> None:
    path = tmp_path / "vdso.so"
    path.write_bytes(vdso.image(bits))
    result = subprocess.run(["readelf", "-aW", path], capture_output=True, text=True, check=True, timeout=30)
    assert result.stderr == ""
    assert "Error" not in result.stdout

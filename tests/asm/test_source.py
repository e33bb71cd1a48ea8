"""Files, their lines, and the lines of addresses."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from toolkit.asm.linetable import LineTable, Row
from toolkit.asm.source import SourceError, SourceTree, split_lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("a", [(1, "a")]),
        ("a\n", [(1, "a")]),
        ("a\n\nb", [(1, "a"), (2, ""), (3, "b")]),
        ("a\r\nb\rc\n", [(1, "a"), (2, "b"), (3, "c")]),
        ("a\0b", [(1, "a"), (2, "b")]),
        ("a\x1ab", [(1, "a"), (2, "b")]),
        ("a \\\n b\nc", [(2, "a  b"), (3, "c")]),
        ("a \\\r\n b \\\n c", [(3, "a  b  c")]),
        ("a \\", [(1, "a \\")]),
        ("a \\ \nb", [(1, "a \\ "), (2, "b")]),
    ],
)
def test_lines_are_cut_as_nasm_cuts_them(text: str, lines: list[tuple[int, str]]) -> None:
    assert list(split_lines(text)[0]) == lines


def test_bytes_of_a_file_pass_through() -> None:
    data = bytes(range(256)).replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"").replace(b"\x1a", b"")
    tree = SourceTree.from_memory({"a.asm": data})
    assert tree.read("a.asm").lines[0][1].encode("latin-1") == data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work" / "lib").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "work" / "main.asm").write_bytes(b"nop\n")
    (tmp_path / "work" / "lib" / "io.inc").write_bytes(b"; io\n")
    (tmp_path / "other" / "shared.inc").write_bytes(b"; shared\n")
    (tmp_path / "secret.txt").write_bytes(b"secret\n")
    return tmp_path


def test_files_beside_the_source_and_in_include_folders_are_found(folder: Path) -> None:
    tree, name = SourceTree.from_path(folder / "work" / "main.asm", [folder / "other"])
    assert tree.read(name).lines == ((1, "nop"),)
    assert tree.read("lib/io.inc").lines == ((1, "; io"),)
    assert tree.read("./lib/../lib/io.inc").lines == ((1, "; io"),)
    assert tree.read("shared.inc").lines == ((1, "; shared"),)
    assert tree.read("../other/shared.inc").lines == ((1, "; shared"),)
    assert tree.find("nothing") is None


@pytest.mark.parametrize(
    "name", ["../secret.txt", "lib/../../secret.txt", "/etc/passwd", "link.inc", "linked/secret.txt"]
)
def test_nothing_outside_is_read(folder: Path, name: str) -> None:
    if name.startswith("link"):
        try:
            os.symlink(folder / "secret.txt", folder / "work" / "link.inc")
            os.symlink(folder, folder / "work" / "linked", target_is_directory=True)
        except OSError:
            pytest.skip("this account may not make symbolic links")
    tree, _ = SourceTree.from_path(folder / "work" / "main.asm")
    with pytest.raises(SourceError, match="outside") as caught:
        tree.read(name)
    assert "-I" in caught.value.help
    with pytest.raises(SourceError):
        tree.read_binary(name)
    assert tree.find(name) is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lib", "is a directory"),
        ("nowhere.inc", "there is no file `nowhere.inc'"),
        ("", "empty"),
        ("a\0b", "NUL"),
        ("x" * 5000, "there is no file"),
    ],
)
def test_what_cannot_be_read_is_said(folder: Path, name: str, message: str) -> None:
    tree, _ = SourceTree.from_path(folder / "work" / "main.asm")
    with pytest.raises(SourceError, match=message):
        tree.read(name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "work" / "pipe.inc")
    tree, _ = SourceTree.from_path(folder / "work" / "main.asm")
    with pytest.raises(SourceError, match="not a regular file"):
        tree.read("pipe.inc")


def test_sizes_are_limited(folder: Path) -> None:
    (folder / "work" / "big.bin").write_bytes(bytes(2000))
    tree = SourceTree(folder / "work", max_source_bytes=1000, max_incbin_bytes=1500)
    for read in (tree.read, tree.read_binary):
        with pytest.raises(SourceError, match="too many"):
            read("big.bin")
    assert tree.read("main.asm").lines == ((1, "nop"),)


def test_one_huge_line_is_refused() -> None:
    tree = SourceTree.from_memory({"a.asm": b"x" * (5 << 20)})
    with pytest.raises(SourceError, match=r"line 1 of `a\.asm' is"):
        tree.read("a.asm")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.asm", True),
        ("./a.asm", True),
        ("inc/b.inc", True),
        ("b.inc", True),
        ("../a.asm", True),
        ("/a.asm", False),
        ("inc", False),
    ],
)
def test_a_tree_in_memory(name: str, found: bool) -> None:
    tree = SourceTree.from_memory({"a.asm": b"1", "inc/b.inc": b"2"}, ["inc"])
    if found:
        assert tree.read_binary(name) in (b"1", b"2")
    else:
        with pytest.raises(SourceError):
            tree.read(name)


def test_a_line_table_finds_the_line_of_an_address() -> None:
    table = LineTable.of(
        [
            (".text", 4, 2, "a", 2),
            (".text", 0, 4, "a", 1),
            (".text", 6, 3, "a", 2),
            (".data", 0, 8, "a", 5),
            (".text", 20, 0, "a", 9),
        ]
    )
    assert table.find(0, ".text") == Row(".text", 0, 4, "a", 1)
    assert table.find(8, ".text") == Row(".text", 4, 5, "a", 2)
    assert table.find(9, ".text") is None
    assert table.find(7, ".data") == Row(".data", 0, 8, "a", 5)
    assert table.find(0, ".bss") is None
    assert table.of_line("a", 5) == (Row(".data", 0, 8, "a", 5),)
    assert pickle.loads(pickle.dumps(table)) == table
    assert len(table) == 3

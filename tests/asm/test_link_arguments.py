"""ld's command line: an option has its effect or is refused by name."""

from __future__ import annotations

import pytest

from toolkit.asm.link.arguments import UsageError, gather, parse


@pytest.mark.parametrize(
    "word",
    ["-Map=map.txt", "-M", "-Ur", "--version-script=v", "-N", "-n", "-q", "--warn-common", "--sysroot=/other",
     "--build-id=uuid", "--build-id=tree", "-z nonsense", "--nonsense", "-m elf_arm"],
)  # fmt: skip
def test_what_has_no_effect_here_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match=word.split("=")[0].split()[-1]):
        parse([*word.split(), "a.o"])


@pytest.mark.parametrize("words", ["-Map map.txt", "--Map map.txt"])
def test_a_refusal_says_what_to_do_instead(words: str) -> None:
    with pytest.raises(UsageError, match="nm -n"):
        parse([*words.split(), "a.o"])


def test_a_file_is_no_folder_for_libraries() -> None:
    plan = parse(["-R", "symbols.o", "-R", "/opt"])
    assert plan.options.runpath == "symbols.o:/opt"
    with pytest.raises(UsageError, match=r"symbols\.o"):
        gather(plan, {"symbols.o": b""}.get)


def test_only_the_given_folders() -> None:
    assert parse(["-L/opt", "-nostdlib"]).folders == ["/opt"]
    assert len(parse(["-L/opt"]).folders) > 5


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [("-O1", "optimised", True), ("-O0", "optimised", False), ("--no-relax", "relax", False),
     ("-r", "relocatable", True), ("-i", "relocatable", True), ("--relocatable", "relocatable", True),
     ("--require-defined=a", "required", ("a",)), ("--require-defined a", "undefined", ("a",))],
)  # fmt: skip
def test_options(words: str, field: str, value: object) -> None:
    assert getattr(parse(words.split()).options, field) == value

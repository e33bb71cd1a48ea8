"""Makes a Python for 64-bit ARM that runs here under qemu's user mode, with what the package needs but Keystone.

    export TOOLKIT_ARM_PYTHON=$(python tests/arm_python.py /tmp/arm)

Debian's packages for arm64 are unpacked into the folder, with their own lists, so the machine's package state stays as it is;
the libraries are the registry's wheels for ARM. Needs qemu-user and Debian's apt.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")


def run(*command: object) -> str:
    """Its output. Raises SystemExit with what went wrong."""
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]}: {done.stdout}{done.stderr}")
    return done.stdout


def unpack_python(folder: Path) -> None:
    """Debian's python3 for arm64 and all it depends on, into ``folder``/root."""
    state, cache = folder / "state", folder / "cache"
    for each in (state / "lists/partial", cache / "archives/partial"):
        each.mkdir(parents=True)
    (state / "status").touch()
    places = {
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::Cache": cache,
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "true",
    }
    options = [f"-o{name}={value}" for name, value in places.items()]
    run("apt-get", "-qq", *options, "update")
    run("apt-get", "-qq", "-y", *options, "--download-only", "install", "python3")
    for package in sorted((cache / "archives").glob("*.deb")):
        run("dpkg", "-x", package, folder / "root")
    shutil.rmtree(state)
    shutil.rmtree(cache)


def write_launcher(folder: Path) -> Path:
    """A program that starts the ARM interpreter: what `sys.executable` must be there for workers to start."""
    launcher, root = folder / "python", folder / "root"
    launcher.write_text(f'#!/bin/sh\nexec qemu-aarch64 -L "{root}" "{root}/usr/bin/python3" "$@"\n', "utf-8")
    launcher.chmod(0o755)
    return launcher


def install_libraries(folder: Path, python: Path) -> None:
    """The wheels for ARM of what the package requires there."""
    version = run(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [Requirement(text) for text in project["dependencies"]]
    names = [
        f"{each.name}{each.specifier}"
        for each in wanted
        if each.marker is None or each.marker.evaluate({"platform_machine": "aarch64"})
    ]
    target = folder / "root/usr/lib/python3/dist-packages"
    platforms = [argument for name in PLATFORMS for argument in ("--platform", name)]
    pip = (sys.executable, "-m", "pip", "install", "-q", "--only-binary=:all:", *platforms)
    run(*pip, "--python-version", version, "--target", target, *names)


def make(folder: Path) -> Path:
    """Everything; the launcher's path."""
    if shutil.which("qemu-aarch64") is None:
        raise SystemExit("qemu-aarch64 is missing: apt-get install qemu-user")
    folder.mkdir(parents=True)
    unpack_python(folder)
    python = write_launcher(folder)
    install_libraries(folder, python)
    return python


if __name__ == "__main__":
    print(make(Path(sys.argv[1]).absolute()))

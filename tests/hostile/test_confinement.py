"""What a worker can't do any more, tried from within a confined process: as if the emulator had been taken over."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.grading import seccomp
from toolkit.grading.confine import active_layers, readable_folders
from toolkit.grading.evidence import BuildRequest, Evidence, FileData, RunRequest
from toolkit.grading.sandbox import WorkerSandbox

linux = pytest.mark.skipif(
    seccomp.architecture() is None, reason="seccomp and Landlock are Linux's, on x86-64 and aarch64"
)
SOURCE = b"global _start\n_start: mov eax, 60\nsyscall\n"
ROOT = Path(__file__).resolve().parents[2]

ATTEMPT = """
import sys
sys.path.append(sys.argv[1])
import ctypes, os, socket, subprocess, signal, threading, resource
from toolkit.grading.confine import confine
folder, parent = sys.argv[2], os.getppid()
libc = ctypes.CDLL(None, use_errno=True)
layers = confine()
def refused(code):
    try:
        result = eval(code)
    except (OSError, RuntimeError, ValueError) as error:
        return type(error).__name__
    return "refused" if result == -1 and ctypes.get_errno() in (1, 13, 38) else f"went through: {result!r}"
os.write(1, repr({code: refused(code) for code in sys.argv[3:]}).encode())
"""

REFUSED = {
    "reads a file outside": "open(folder + '/grader.py').read()",
    "reads the password file": "open('/etc/passwd').read()",
    "lists a folder": "os.listdir('/')",
    "lists the home": "os.listdir('/root')",
    "reads another process": "open(f'/proc/{parent}/environ', 'rb').read()",
    "reads its parent's memory": "open(f'/proc/{parent}/mem', 'rb')",
    "reads a course": f"open({str(ROOT / 'exercises/ch04/mmap/grader.py')!r}).read()",
    "writes a file": "open(folder + '/new', 'w')",
    "writes a file in its directory": "open('new', 'w')",
    "appends": "open(folder + '/grader.py', 'a')",
    "opens for reading and writing": "os.open(folder + '/grader.py', os.O_RDWR)",
    "truncates": "os.truncate(folder + '/grader.py', 0)",
    "makes a folder": "os.mkdir(folder + '/d')",
    "removes a file": "os.unlink(folder + '/grader.py')",
    "renames a file": "os.rename(folder + '/grader.py', folder + '/x')",
    "makes a link": "os.symlink('/etc/passwd', folder + '/l')",
    "makes a hard link": "os.link(folder + '/grader.py', folder + '/h')",
    "changes a mode": "os.chmod(folder + '/grader.py', 0o777)",
    "makes a device": "os.mknod(folder + '/fifo', 0o10600)",
    "makes a TCP socket": "socket.socket()",
    "makes a UNIX socket": "socket.socket(socket.AF_UNIX)",
    "makes a netlink socket": "socket.socket(16, 3, 0)",
    "makes a pair of sockets": "socket.socketpair()",
    "forks": "os.fork()",
    "starts a thread": "threading.Thread(target=print).start()",
    "executes a program": "os.execv('/bin/true', ['true'])",
    "starts a program": "subprocess.run(['/bin/true'])",
    "signals its parent": "os.kill(parent, 0)",
    "traces its parent": "libc.ptrace(16, parent, 0, 0)",
    "mounts": "libc.mount(b'none', b'/mnt', b'tmpfs', 0, 0)",
    "changes its root": "os.chroot('/')",
    "makes a file in memory": "os.memfd_create('x')",
    "loads a BPF program": "libc.syscall(321, 0, 0, 0)",
    "makes a user namespace": "libc.unshare(0x10000000)",
    "raises its limits": "resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))",
    "sets up io_uring": "libc.syscall(425, 8, 0)",
    "reads across processes": "libc.syscall(310, parent, 0, 0, 0, 0, 0)",
    "calls as an x32 program": "libc.syscall(0x40000000 | 41, 2, 1, 0)",
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("private")
    (folder / "grader.py").write_text("SECRET")
    command = [sys.executable, "-I", "-B", "-c", ATTEMPT, str(ROOT), str(folder), *REFUSED.values()]
    done = subprocess.run(command, capture_output=True, timeout=60, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert sorted(path.name for path in folder.iterdir()) == ["grader.py"]
    assert (folder / "grader.py").read_text() == "SECRET"
    found = ast.literal_eval(done.stdout.decode())
    assert isinstance(found, dict)
    return found


@linux
@pytest.mark.parametrize("attempt", REFUSED)
def test_a_confined_process(answers: dict[str, str], attempt: str) -> None:
    assert not answers[REFUSED[attempt]].startswith("went through"), answers[REFUSED[attempt]]


@linux
def test_all_layers_are_in_force() -> None:
    layers = active_layers()
    assert layers[0] == "resource limits"
    assert layers[-1] == "seccomp"
    assert any(layer.startswith("Landlock") for layer in layers)


def test_no_readable_folder_holds_the_course() -> None:
    course = (ROOT / "exercises").resolve()
    for folder in readable_folders():
        assert Path(folder).resolve() not in (course, *course.parents), folder


@pytest.mark.parametrize("name", ["x86_64", "aarch64"])
def test_a_filter_ends_in_a_refusal_and_jumps_within_itself(name: str) -> None:
    import struct

    code = list(struct.iter_unpack("=HBBI", seccomp.build_filter(name, 1234)))
    assert code[-1] == (0x06, 0, 0, 0x00050001)
    for at, (operation, if_true, if_false, _) in enumerate(code):
        if operation in (0x15, 0x45):
            assert at + 1 + max(if_true, if_false) < len(code)


@pytest.mark.parametrize(
    ("name", "number", "flags", "verdict"),
    [
        ("x86_64", 0, 0, "allow"),  # read
        ("x86_64", 2, 0, "allow"),  # open, O_RDONLY
        ("x86_64", 2, 0o2000000, "allow"),  # O_CLOEXEC
        ("x86_64", 2, 0o101, "refuse"),  # O_WRONLY | O_CREAT
        ("x86_64", 257, 0o2, "refuse"),  # openat, O_RDWR
        ("x86_64", 257, 0, "allow"),
        ("x86_64", 41, 0, "refuse"),  # socket
        ("x86_64", 59, 0, "refuse"),  # execve
        ("x86_64", 9, 0, "allow"),  # mmap
        ("x86_64", 999, 0, "refuse"),
        ("aarch64", 56, 0, "allow"),  # openat
        ("aarch64", 56, 0o1, "refuse"),
        ("aarch64", 63, 0, "allow"),  # read
        ("aarch64", 198, 0, "refuse"),  # socket
        ("aarch64", 221, 0, "refuse"),  # execve
        ("aarch64", 222, 0, "allow"),  # mmap
    ],
)
def test_what_a_filter_says(name: str, number: int, flags: int, verdict: str) -> None:
    """The filter run by a small interpreter of classic BPF, so that both architectures are tried on any host."""
    import struct

    architecture = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[name]
    data = struct.pack("<iIQ6Q", number, architecture, 0, *([flags] * 6))
    code = list(struct.iter_unpack("=HBBI", seccomp.build_filter(name, 1234)))
    accumulator, at = 0, 0
    while True:
        operation, if_true, if_false, operand = code[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, operand)
        elif operation == 0x15:
            at += if_true if accumulator == operand else if_false
        elif operation == 0x45:
            at += if_true if accumulator & operand else if_false
        else:
            assert operation == 0x06
            assert {0x7FFF0000: "allow", 0x00050001: "refuse"}[operand] == verdict
            return


@linux
def test_a_worker_is_confined_before_its_first_job() -> None:
    with WorkerSandbox() as sandbox:
        assert isinstance(sandbox.run(RunRequest(BuildRequest("p", (FileData("p.asm", SOURCE),)))), Evidence)
        assert sandbox._worker is not None
        process = sandbox._worker._process.pid
        status = dict(
            line.split(":\t", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines()
        )
        descriptors = sorted(int(each.name) for each in Path(f"/proc/{process}/fd").iterdir())
        environment = Path(f"/proc/{process}/environ").read_bytes()
        directory = Path(f"/proc/{process}/cwd")
        assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
        assert environment == b""
        assert list(directory.iterdir()) == []
        # Unlinked: nobody can put anything there, and nothing is left behind.
        assert re.fullmatch(r"toolkit-worker-\w+ \(deleted\)", directory.readlink().name)
        targets = {Path(f"/proc/{process}/fd/{each}").readlink().name for each in descriptors}
        assert {name for name in targets if not name.startswith("pipe:")} <= {"null"}, targets

"""Starts a PostgreSQL server for the tests, in a folder of its own, and prints its URL.

    export TOOLKIT_POSTGRESQL_URL=$(python tests/classroom/postgresql_server.py start /tmp/postgresql)
    python tests/classroom/postgresql_server.py stop /tmp/postgresql

initdb refuses to run as root, so root takes the user ``postgres``, which Debian's package makes.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path


def program(name: str) -> str:
    """A program of the server's, which Debian puts beside no other."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    path = str(found[-1]) if found else shutil.which(name)
    if path is None:
        raise SystemExit(f"{name} is missing: apt-get install postgresql")
    return path


def as_server(*command: str) -> None:
    """Run as a user who may be the server. Raises SystemExit with what went wrong."""
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    done = subprocess.run([*user, *command], capture_output=True, text=True, cwd="/", check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]}: {done.stdout}{done.stderr}")


def start(folder: Path) -> str:
    """A fresh server on loopback alone; its URL."""
    folder.mkdir(mode=0o700, parents=True)
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    data, port = folder / "data", free_port()
    as_server(program("initdb"), "-D", str(data), "-A", "trust", "-U", "toolkit", "--no-sync", "-E", "UTF8")
    options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off"
    as_server(program("pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
    return f"postgresql+psycopg://toolkit@127.0.0.1:{port}/postgres"


def stop(folder: Path) -> None:
    """End the server and remove its folder."""
    as_server(program("pg_ctl"), "-D", str(folder / "data"), "-w", "-m", "immediate", "stop")
    shutil.rmtree(folder)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    action, where = sys.argv[1], Path(sys.argv[2])
    if action == "start":
        print(start(where))
    else:
        stop(where)

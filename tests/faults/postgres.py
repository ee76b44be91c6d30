"""A real PostgreSQL server for the tests: on a free loopback port, run by an unprivileged user, in its own folder."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest


class Server:
    """A server that can be stopped and restarted."""

    def __init__(self, binaries: Path) -> None:
        self.binaries = binaries
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self.user = "postgres" if os.getuid() == 0 else None  # the server refuses to run as root
        if self.user:
            shutil.chown(self.folder, self.user)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.password = "s3cret-of-the-test"
        file = self.folder / "password"
        file.write_text(self.password)
        if self.user:
            shutil.chown(file, self.user)
        self._do("initdb", "-D", str(self.folder / "data"), "-U", "bench", "-A", "scram-sha-256", f"--pwfile={file}")
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql://bench@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._do(
            "pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", str(self.folder / "log"), "-o", options, "start"
        )

    def stop(self) -> None:
        self._do("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", "immediate", "stop")

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def _do(self, program: str, *arguments: str) -> None:
        user = pwd.getpwnam(self.user) if self.user else None
        subprocess.run(
            [self.binaries / program, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
        )


def start_server() -> Server:
    """Start a server and return it. Skips the test where PostgreSQL's server or psycopg is not installed."""
    pytest.importorskip("psycopg", reason="needs the extra 'cluster'")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if not found and not on_path:
        pytest.skip("needs PostgreSQL's server, Debian package postgresql")
    return Server(found[-1].parent if found else Path(str(on_path)).parent)

"""Servers stop with the process that started them, however it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.local import HostingError, LocalServers
from testbed.local.choice import choose
from testbed.processes import packages
from testbed.processes.reaper import folder_reaper
from testbed.servers.dovecot_config import dovecot_config

pytestmark = pytest.mark.containers
PROJECT = Path(__file__).parents[2]


def start_by_hand(folder: Path, mail: str) -> tuple[subprocess.Popen[str], list[int], list[Path]]:
    """Run `python -m testbed up` in a folder; return it, the ports that it announced and the temporary folder."""
    process = subprocess.Popen(
        [sys.executable, "-m", "testbed", "up", "--mail", mail],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "Ctrl-C" in line:
            break
    ports = [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", said)]
    folders = [Path(found) for found in re.findall(r"sent mail +(/\S+)/smtp", said)]
    return process, ports, folders


def listens(port: int) -> bool:
    """Return whether something accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def eventually(condition: Callable[[], bool], seconds: float = 30) -> bool:
    """Wait until the condition holds; False at the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.servers
@pytest.mark.parametrize(
    ("ending", "mail"),
    [
        (signal.SIGINT, "dovecot"),
        (signal.SIGTERM, "dovecot"),
        (signal.SIGKILL, "dovecot"),
        (signal.SIGKILL, "cyrus"),
        (signal.SIGKILL, "courier"),
    ],
)
def test_nothing_is_left_when_the_starter_ends(tmp_path: Path, ending: signal.Signals, mail: str) -> None:
    """After Ctrl-C, kill and kill -9 of the starter no server listens and no file is left."""
    process, ports, folders = start_by_hand(tmp_path, mail)
    assert len(ports) >= 5
    assert folders
    assert all(listens(port) for port in ports)
    assert all(folder.exists() for folder in folders)

    process.send_signal(ending)
    process.wait(60)

    assert eventually(lambda: not any(listens(port) for port in ports))
    assert eventually(lambda: not any(folder.exists() for folder in folders))


def test_a_folder_that_is_made_again_is_deleted_again(tmp_path: Path) -> None:
    """Whatever a server's children still write after their starter was killed: the folder goes each time."""
    folder = tmp_path / "shared"
    folder.mkdir()
    reaper = folder_reaper(folder, pause=0.2)
    pipe = reaper._process.stdin
    assert pipe is not None
    pipe.close()  # as by the kernel, when the starter is killed
    for _ in range(8):
        assert eventually(lambda: not folder.exists())
        (folder / "lock").mkdir(parents=True)
    assert eventually(lambda: not folder.exists())


@pytest.mark.servers
def test_a_failing_block_ends_the_servers() -> None:
    """An exception in the `with` block ends the servers and comes through."""
    ports = []

    def run_and_fail() -> None:
        with LocalServers(parts={"dovecot"}) as servers:
            ports.append(servers.imap.port)
            assert listens(servers.imap.port)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_and_fail()
    assert not listens(ports[0])


@pytest.mark.servers
def test_a_server_that_cannot_start_is_reported_with_its_log() -> None:
    """A part whose port is taken gives an error that quotes the server, and nothing else stays up."""
    with LocalServers(parts={"dovecot"}) as servers:
        servers.stop("dovecot")
        with socket.socket() as squatter:
            squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            squatter.bind(("127.0.0.1", servers.imap.port))
            squatter.listen()
            with pytest.raises(HostingError, match=r"(?i)in use|allocated"):
                servers.start("dovecot")


def test_a_folder_of_a_former_run_is_refused(tmp_path: Path) -> None:
    """A data folder with something in it is refused: its passwords and ports would not be these servers'."""
    (tmp_path / "rabbitmq").mkdir()
    with pytest.raises(HostingError, match="not empty"), LocalServers(tmp_path, parts=()):
        pass


def test_unknown_words_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong LEADMAIL_HOSTING, a part that does not exist and an unknown Dovecot each say what is possible."""
    monkeypatch.setenv("LEADMAIL_HOSTING", "cloud")
    with pytest.raises(HostingError, match="auto, processes or containers"):
        choose(None, set())
    with pytest.raises(ValueError, match="dovecot, mongo, rabbitmq, smtp"):
        LocalServers(parts={"postgres"})
    with pytest.raises(HostingError, match=r"install 2\.3 or 2\.4"):
        dovecot_config("2.2.36", None)  # type: ignore[arg-type]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without root, the error is the command to run."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(HostingError, match="sudo apt-get install --no-install-recommends no-such-package"):
        packages.ensure([packages.Package("no-such-package", "/no/such/program")])

"""The Compose file: the whole system starts, works, scales, survives a crash and is removed without a trace."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.compose import make_secrets
from schemas.routes import routes_to
from testbed.demo.phone import Phone
from testbed.local.images import ensure_mail_built, mail_image, mongo_image, rabbitmq_image
from testbed.processes.ports import free_ports
from testbed.samples.company import CONTACTS, USERS
from tests.deploy.docker import ROOT, docker

pytestmark = [pytest.mark.servers, pytest.mark.containers, pytest.mark.timeout(900)]
FOLDER, DOCUMENT = ROOT / "deploy" / "compose", ROOT / "docs" / "deployment.md"
ANNA, HALVORSEN = USERS[0], CONTACTS[0]
PARSER_QUEUES = {route.queue for route in routes_to("parser")}
KINDS = ("container", "volume", "network")

AFTER_THE_CRASH = f"""From: {HALVORSEN.addresses[0]}
To: {ANNA.addresses[0]}
Date: {{date}}
Subject: after the crash
Message-ID: <after-the-crash@x.example>

It works again.
"""


@dataclass(frozen=True, slots=True)
class Project:
    """A compose project of a test's own."""

    name: str
    environment: dict[str, str]

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run ``docker compose`` in the folder of the file, as an operator does; returns what it printed."""
        done = subprocess.run(
            ["docker", "compose", "--env-file", "demo.env", *arguments],
            cwd=FOLDER,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if done.returncode and check:
            logs = self.compose("logs", "--no-color", "--tail", "15", check=False)
            raise AssertionError(f"docker compose {arguments[0]}: {done.stderr[-2000:]}\n{logs[-6000:]}")
        return done.stdout

    def typed(self, words: str, folder: Path, **known: str) -> str:
        """Type the command of ``docs/deployment.md`` that has some words into a shell, with what stands for a name replaced."""
        commands = re.findall(r"`(docker compose [^`]+)`", DOCUMENT.read_text(encoding="utf-8"))
        (command,) = [one for one in commands if words in one]
        for name, value in known.items():
            command = re.sub(rf"\b{name}\b", value, command)
        files = {"COMPOSE_FILE": str(FOLDER / "compose.yaml"), "COMPOSE_ENV_FILES": str(FOLDER / "demo.env")}
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=folder,
            env={**os.environ, **self.environment, **files},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]} {done.stderr[-2000:]}"
        return done.stdout + done.stderr

    def leadmail(self, *arguments: str) -> Any:
        """Run a ``leadmail`` command in a stage's container and return its JSON; None while the container is not up."""
        said = self.compose("exec", "-T", "matcher", "leadmail", *arguments, "--json", check=False)
        return json.loads(said) if said else None

    def left(self) -> dict[str, list[str]]:
        """Return what there is of the project, by kind."""
        mine = f"label=com.docker.compose.project={self.name}"
        found = {
            kind: docker(kind, "ls", "-q", "--filter", mine, *(("-a",) if kind == "container" else ())).stdout
            for kind in KINDS
        }
        return {kind: ids.split() for kind, ids in found.items() if ids.split()}

    def containers(self, service: str) -> list[dict[str, Any]]:
        """Return what the engine knows of a service's containers."""
        ids = self.compose("ps", "-q", "-a", service).split()
        return json.loads(docker("inspect", *ids).stdout) if ids else []

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 300) -> None:
        """Wait until something holds."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(
                    f"not within {seconds:.0f} s: {what}\n{self.compose('logs', '--no-color', '--tail', '15')[-6000:]}"
                )
            time.sleep(1)  # asking takes a whole Python, which takes time from what is waited for


@pytest.fixture
def project(image: str, demo_image: str, tmp_path: Path) -> Iterator[Project]:
    """The demo under its own name, on its own ports; it is removed at the end, even after a failure."""
    ensure_mail_built("dovecot")
    make_secrets.make(tmp_path / "secrets", make_secrets.DEMO_SMTP)
    pages, imap, console = free_ports(3)
    name = f"leadmail-test-{secrets.token_hex(4)}"
    made = Project(
        name,
        {
            "COMPOSE_PROJECT_NAME": name,
            "LEADMAIL_IMAGE": image,
            "DEMO_IMAGE": demo_image,
            "DOVECOT_IMAGE": mail_image("dovecot"),
            "RABBITMQ_IMAGE": rabbitmq_image(),
            "MONGO_IMAGE": mongo_image(),
            "SECRETS": str(tmp_path / "secrets"),
            "RABBITMQ_PAGES_PORT": str(pages),
            "DEMO_IMAP_PORT": str(imap),
            "CONSOLE_PORT": str(console),
        },
    )
    yield made
    made.compose("down", "--volumes", "--remove-orphans", "--timeout", "1", check=False)


def test_the_whole_system(project: Project, tmp_path: Path) -> None:
    """One command brings it up; mailboxes are synchronised; it scales; a crashed stage comes back; nothing is left of it."""
    # when: it is started
    project.compose("up", "--detach", "--no-build")

    def seeded() -> bool:
        (seed,) = project.containers("demo-seed")
        assert seed["State"]["ExitCode"] == 0, project.compose("logs", "demo-seed")
        return bool(seed["State"]["Status"] == "exited")

    project.until(seeded, "the mailboxes are filled and connected")

    # then: the demo's mailboxes are synchronised, on record pages and confirmed
    def confirmed() -> bool:
        seen = project.leadmail("status")
        accounts = seen["accounts"] if seen else []
        return len(accounts) == len(USERS) and all((each["epoch"] or {}).get("sent_at") for each in accounts)

    project.until(confirmed, "all backfills are confirmed")
    (page,) = project.leadmail("emails", HALVORSEN.addresses[0], "--viewer", ANNA.addresses[0])
    assert page["emails"]

    # when: contacts are imported from a file, and what is stored about an address is exported into one
    (tmp_path / "contacts.csv").write_text("email,First Name\nnew@imported.example,Noa\n", encoding="utf-8")
    said = project.typed("contact import", tmp_path)
    project.typed("privacy export", tmp_path, ADDRESS=HALVORSEN.addresses[0], ADMIN=ANNA.addresses[0])

    # then: they are there, and the file is a whole archive
    assert "added" in said, said
    assert "Noa" in {one["name"] for one in project.leadmail("contact", "list")}
    with zipfile.ZipFile(tmp_path / "export.zip") as archive:
        assert archive.testzip() is None
        assert json.loads(archive.read("about.json"))["emails"]

    # when: there are three parsers
    project.typed("--scale parser=3", tmp_path)

    # then: each takes its share
    def three() -> bool:
        seen = project.leadmail("status")
        return seen is not None and {
            queue["consumers"] for name, queue in (seen["queues"] or {}).items() if name in PARSER_QUEUES
        } == {3}

    project.until(three, "three parsers take messages")

    # when: every process of the poller is killed
    (before,) = project.containers("poller")
    project.compose("exec", "-T", "poller", "python", "-c", "import os; os.kill(-1, 9)", check=False)

    # then: it comes back by itself, and a mail that comes now is on the record page
    project.until(
        lambda: project.containers("poller")[0]["RestartCount"] > before["RestartCount"], "the poller is back"
    )
    password = (Path(project.environment["SECRETS"]) / "demo_password").read_text().strip()
    phone = Phone("127.0.0.1", int(project.environment["DEMO_IMAP_PORT"]), ANNA.addresses[0], password)
    phone.put(AFTER_THE_CRASH.format(date=formatdate()).replace("\n", "\r\n").encode())

    def arrived() -> bool:
        seen = project.leadmail("emails", HALVORSEN.addresses[0], "--viewer", ANNA.addresses[0])
        return bool(seen) and seen[0]["emails"][0]["subject"] == "after the crash"

    project.until(arrived, "the mail that came after the crash is on the record page")
    health = {
        name: project.containers(name)[0]["State"]["Health"]["Status"]
        for name in ("poller", "parser", "matcher", "notifier", "console")
    }
    assert set(health.values()) <= {"healthy", "starting"}, health

    # when: an administrator gets a link to the pages
    said = project.compose("exec", "-T", "matcher", "leadmail", "console", "link", ANNA.addresses[0])

    # then: it leads to a page that says who signs in
    url = said.split()[0]
    assert url.startswith(f"http://127.0.0.1:{project.environment['CONSOLE_PORT']}/sign-in/")
    assert ANNA.addresses[0] in httpx.get(url, timeout=30).text

    # when: it is taken down
    project.compose("down", "--volumes", "--timeout", "3")

    # then: nothing is left
    assert project.left() == {}

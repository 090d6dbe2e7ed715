"""The container image: small, without root or a compiler, and every stage of Leadmail in it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.deploy.docker import PYTHON_IMAGE, ROOT, VERSION, build, docker

pytestmark = [pytest.mark.servers, pytest.mark.containers, pytest.mark.timeout(900)]
STAGES = ("poller", "parser", "matcher", "notifier")
HARDENED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none")
LARGEST = 125 * 1024 * 1024
"""Bytes that the image may add to its base: measured 110 MiB, and 10 more on a base whose library is not compiled."""


def run(image: str, *command: str, entrypoint: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command in a container as locked up as a cluster would lock it up."""
    replaced = ("--entrypoint", entrypoint) if entrypoint else ()
    return docker("run", "--rm", *HARDENED, *replaced, image, *command, check=False)


def inspect(image: str) -> dict[str, object]:
    """Return what the engine knows of an image."""
    (found,) = json.loads(docker("image", "inspect", image).stdout)
    assert isinstance(found, dict)
    return found


def locked_packages() -> set[str]:
    """Return what requirements.lock names, as name==version."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return {line.split()[0].lower().replace("_", "-") for line in lock if "==" in line and line[0] not in " #"}


def test_runs_as_any_user_and_needs_no_writable_file(image: str) -> None:
    """User and group are numbers other than 0, nothing of the root file system can be written, no program sets a user id."""
    looked = run(
        image,
        "-c",
        "id -u; id -g; touch /x 2>&1; find / -xdev -perm /6000 -type f -user leadmail 2>/dev/null; leadmail --version",
        entrypoint="sh",
    )
    assert looked.stdout.splitlines() == [
        "10001",
        "10001",
        "touch: cannot touch '/x': Read-only file system",
        "leadmail 0.1.0",
    ]
    assert inspect(image)["Config"]["User"] == "10001:10001"  # type: ignore[index]


def test_has_no_compiler_and_no_test_tools(image: str) -> None:
    """Neither a compiler nor what builds, checks or tests Leadmail got in; nothing in it is in the way of an update either."""
    found = run(
        image,
        "-c",
        "for p in gcc cc g++ ld make pytest mypy ruff hatchling uv git curl; do command -v $p; done",
        entrypoint="sh",
    )
    assert found.stdout == ""
    modules = run(image, "-c", "import pytest", entrypoint="python")
    assert "No module named 'pytest'" in modules.stderr
    assert "No module named 'deploy'" in run(image, "-c", "import deploy", entrypoint="python").stderr


def test_is_small_and_labelled(image: str) -> None:
    """It adds little to its base, and its labels name the program, its version and its licence."""
    facts, base = inspect(image), inspect(PYTHON_IMAGE)
    assert int(str(facts["Size"])) - int(str(base["Size"])) < LARGEST
    labels = facts["Config"]["Labels"]  # type: ignore[index]
    assert labels["org.opencontainers.image.title"] == "Leadmail"
    assert labels["org.opencontainers.image.version"] == VERSION
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_has_what_the_lock_says(image: str) -> None:
    """The installed packages are those of requirements.lock, nothing beside them but Leadmail."""
    listed = run(
        image,
        "-c",
        "from importlib.metadata import distributions as d; print(*sorted(f'{x.name.lower()}=={x.version}' for x in d()), sep='\\n')",
        entrypoint="/opt/leadmail/bin/python",
    )
    installed = {line.replace("_", "-") for line in listed.stdout.split() if not line.startswith("leadmail==")}
    assert installed
    assert installed <= locked_packages()


@pytest.mark.skipif(not os.environ.get("LEADMAIL_LONG"), reason="takes a minute: LEADMAIL_LONG=1 runs it")
def test_the_list_of_contents_is_complete(image: str, tmp_path: Path) -> None:
    """`make sbom` lists every package of the image with its version, as a CycloneDX document about Leadmail."""
    build("leadmail-test-sbom:latest", "--target", "sbom", "--output", str(tmp_path))
    listed = json.loads((tmp_path / "leadmail.cdx.json").read_text(encoding="utf-8"))
    assert (listed["bomFormat"], listed["metadata"]["component"]["name"]) == ("CycloneDX", "leadmail")
    names = {f"{each['name']}=={each['version']}".lower().replace("_", "-") for each in listed["components"]}
    counted = run(
        image,
        "-c",
        "from importlib.metadata import distributions as d; print(len(list(d())))",
        entrypoint="/opt/leadmail/bin/python",
    )
    assert len(names) == int(counted.stdout) - 1
    assert names <= locked_packages()


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_is_in_it(image: str, stage: str) -> None:
    """Each stage starts in a locked-down container, and exits with one sentence that names the setting that it lacks."""
    ended = run(image, stage)
    assert ended.returncode == 1
    assert ended.stderr.startswith("leadmail: LEADMAIL_RABBITMQ_URL is not set: give the URL of RabbitMQ")
    assert len(ended.stderr.splitlines()) == 1


def test_the_console_is_in_it(image: str) -> None:
    """With its templates and files: it gets as far as asking for its settings."""
    ended = run(image, "console")
    assert (ended.returncode, ended.stderr.partition(":")[2][:29]) == (1, " LEADMAIL_MONGO_URL is not se")
    listed = "from services.console.web.rendering import Templates; print(sorted(Templates().files))"
    assert "console.css" in run(image, "-c", listed, entrypoint="/opt/leadmail/bin/python").stdout


def test_the_command_is_in_it(image: str) -> None:
    """Whatever is no stage is a `leadmail` command, and without any it shows its help."""
    assert "Usage: leadmail [OPTIONS] COMMAND" in run(image).stdout
    refused = run(image, "status")
    assert refused.returncode == 2
    assert refused.stderr.startswith("leadmail: LEADMAIL_MONGO_URL is not set")


def test_all_that_a_command_loads_is_compiled(image: str) -> None:
    """A container writes nothing, so what the image lacks would be compiled at each start: a third of a second for the help."""
    look = """
import os, sys
from services.cli.__main__ import main
try:
    main()
finally:
    files = [each for each in map(lambda one: getattr(one, "__cached__", None), list(sys.modules.values())) if each]
    print(len(files) > 100, [each for each in files if not os.path.exists(each)], file=sys.stderr)
"""
    assert run(image, "-c", look, "status", entrypoint="/opt/leadmail/bin/python").stderr.splitlines()[-1] == "True []"


def test_its_health_check_asks_healthz(image: str) -> None:
    """The check fails while nothing answers, succeeds on 200 and fails on anything else."""
    serve = """
import http.server, sys
class Stage(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/healthz" and sys.argv[1] == "well" else 500)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", 9100), Stage).serve_forever()
"""
    assert inspect(image)["Config"]["Healthcheck"]["Test"] == ["CMD", "leadmail-entrypoint", "healthy"]  # type: ignore[index]
    assert run(image, "healthy").returncode == 1
    for state, code in (("well", 0), ("ill", 1)):
        container = docker(
            "run", "--rm", "-d", *HARDENED, "--entrypoint", "python", image, "-c", serve, state
        ).stdout.strip()
        try:
            end, said = time.monotonic() + 60, docker("exec", container, "leadmail-entrypoint", "healthy", check=False)
            while not said.stdout and time.monotonic() < end:
                said = docker("exec", container, "leadmail-entrypoint", "healthy", check=False)
            assert said.stdout.startswith("HTTP/1.0 200" if state == "well" else "HTTP/1.0 500")
            assert said.returncode == code
        finally:
            docker("rm", "-f", container, check=False)

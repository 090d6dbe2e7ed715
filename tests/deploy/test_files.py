"""Compose's files without an engine: settings that exist, secrets for those who need them, limits, and how secrets are made."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.compose import make_secrets
from schemas.routes import ROUTES
from services.runtime.environment import decode_key, variable
from services.runtime.settings import known_settings
from services.settings import PROCESSES, ParserSettings
from tests.deploy.docker import ROOT

FOLDER = ROOT / "deploy" / "compose"
STAGES = ("poller", "parser", "matcher", "notifier", "console")
OPERATORS = {"LEADMAIL_CONSOLE_URL"}
"""Settings that only the operator can know."""
ONCE = ("setup", "mongodb-init", "demo-files", "demo-seed", "leadmail")
"""Services that end by themselves."""
SETTINGS = {variable(name) for name in known_settings()}
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def values(file: str) -> dict[str, str]:
    """Return the variables of an environment file."""
    lines = (FOLDER / file).read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def seconds(text: str) -> float:
    """Return a duration of the compose file."""
    return float(text.removesuffix("s"))


@pytest.mark.parametrize("file", ["stages.env", "demo.env"])
def test_settings_files_name_settings(file: str) -> None:
    """What the files set exists; the rest is for compose itself."""
    assert values(file).keys() - {"COMPOSE_PROFILES", "SETTINGS"} <= SETTINGS


@pytest.mark.parametrize("name", [*STAGES, "setup", "leadmail", "demo-seed"])
def test_each_service_has_the_secrets_that_it_needs_and_no_other(name: str) -> None:
    """A stage gets every setting that it requires, secrets as files, and no secret that it does not use."""
    service = SERVICES[name]
    given = service["environment"]
    assert {each.removesuffix("_FILE") for each in given} <= SETTINGS
    required = {variable(each) for each in PROCESSES[name if name in STAGES else "cli"].required}
    assert required - OPERATORS <= {each.removesuffix("_FILE") for each in given} | values("stages.env").keys()
    assert values("demo.env").keys() >= OPERATORS
    files = {Path(value).name for value in given.values()}
    assert files == set(service["secrets"]) - {"demo_password"}


@pytest.mark.parametrize("name", list(SERVICES))
def test_every_service_is_bounded(name: str) -> None:
    """Limits of memory and CPU, a restart policy, bounded logs, no new rights, and a health check unless it ends by itself."""
    service = SERVICES[name]
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
    assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    if name not in (*ONCE, "prometheus", "grafana"):
        assert "test" in service["healthcheck"]
    if name not in ("demo-dovecot", "mongodb-init"):
        assert "no-new-privileges:true" in service["security_opt"]
    assert re.fullmatch(r"\$\{[A-Z_]+:-.+\}", service["image"]), "image names are settings with a public default"
    for port in service.get("ports", ()):
        assert port.startswith("127.0.0.1:${"), "open to this machine only, on a port that can be changed"


def test_stages_are_locked_up() -> None:
    """Read-only, without capabilities; those that open mail reach broker and database only."""
    for stage in STAGES:
        service = SERVICES[stage]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["networks"] == (["inner"] if stage in ("parser", "matcher") else ["inner", "outer"])
    assert COMPOSE["networks"]["inner"] == {"internal": "${INTERNAL:-true}"}


def test_stages_may_finish_what_they_are_processing() -> None:
    """The grace period is longer than a stage takes to end, which is longer than the longest handler."""
    shutdown = float(values("stages.env")["LEADMAIL_SHUTDOWN_SECONDS"])
    assert shutdown > ParserSettings.model_fields["parser_timeout_seconds"].default
    assert all(seconds(SERVICES[stage]["stop_grace_period"]) > shutdown + 5 for stage in STAGES)


def test_prometheus_finds_every_stage() -> None:
    """It looks up the addresses of all stages by name, and scrapes each queue of the broker."""
    jobs = {
        job["job_name"]: job
        for job in yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))[
            "scrape_configs"
        ]
    }
    (names,) = jobs["leadmail"]["dns_sd_configs"]
    assert set(names["names"]) == set(STAGES)
    assert jobs["rabbitmq-queues"]["params"]["vhost"] == [make_secrets.VIRTUAL_HOST]


def test_secrets_are_made_once(tmp_path: Path) -> None:
    """A second run changes no secret and adds those that a new version needs; only the owner can enter the folder."""
    folder = tmp_path / "secrets"
    made = make_secrets.make(folder, "smtp://mail.example.com")
    assert {secret["file"].rpartition("/")[2] for secret in COMPOSE["secrets"].values()} <= {
        *made,
        "rabbitmq_definitions.json",
    }
    assert folder.stat().st_mode & 0o077 == 0
    before = {name: (folder / name).read_text() for name in made}
    (folder / "mongo_key").unlink()
    assert make_secrets.make(folder, "smtp://other.example.com") == ["mongo_key"]
    assert {name: (folder / name).read_text() for name in made if name != "mongo_key"} == {
        name: text for name, text in before.items() if name != "mongo_key"
    }
    assert decode_key(before["secret_key"])
    assert before["smtp_url"] == "smtp://mail.example.com\n"


def test_the_broker_gets_users_and_topology(tmp_path: Path) -> None:
    """Its definitions are those of the routes, with two users whose passwords are not in them."""
    make_secrets.make(tmp_path, make_secrets.DEMO_SMTP)
    definitions = json.loads((tmp_path / "rabbitmq_definitions.json").read_text())
    assert {route.queue for route in ROUTES} <= {queue["name"] for queue in definitions["queues"]}
    for user, file in (("leadmail", "rabbitmq_password"), ("admin", "rabbitmq_admin_password")):
        password = (tmp_path / file).read_text().strip()
        (made,) = [each for each in definitions["users"] if each["name"] == user]
        salted = base64.b64decode(made["password_hash"])
        assert salted[4:] == hashlib.sha256(salted[:4] + password.encode()).digest()
        assert password not in json.dumps(definitions)
    assert (tmp_path / "rabbitmq_password").read_text().strip() in (tmp_path / "rabbitmq_url").read_text()


def test_grafana_finds_its_dashboards_and_prometheus_its_rules() -> None:
    """The provisioned paths exist in the containers, and the files exist."""
    mounts = dict(volume.removesuffix(":ro").split(":") for volume in SERVICES["grafana"]["volumes"])
    provider = yaml.safe_load(
        (ROOT / "deploy/grafana/provisioning/dashboards/leadmail.yaml").read_text(encoding="utf-8")
    )
    (folder,) = [local for local, inside in mounts.items() if inside == provider["providers"][0]["options"]["path"]]
    assert len(list((FOLDER / folder).glob("*.json"))) == 3
    source = yaml.safe_load(
        (ROOT / "deploy/grafana/provisioning/datasources/prometheus.yaml").read_text(encoding="utf-8")
    )
    assert source["datasources"][0]["url"] == "http://prometheus:9090"
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    assert [path for pattern in config["rule_files"] for path in (ROOT / "deploy/prometheus").glob(pattern)]
    assert not SERVICES["grafana"]["ports"][0].partition("127.0.0.1:")[0]


def test_demo_image_has_every_module_that_the_demo_imports(tmp_path: Path) -> None:
    """The modules that the Dockerfile copies into the target demo import nothing else of the testbed."""
    for line in re.findall(
        r"^COPY (testbed.*?)$(?<!\\)",
        (ROOT / "deploy" / "docker" / "leadmail" / "Dockerfile").read_text().replace("\\\n", " "),
        re.MULTILINE,
    ):
        *sources, to = line.split()
        target = tmp_path / to.removeprefix("/opt/demo/")
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, target)
            else:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, target)
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    shutil.copytree(ROOT / "services", tmp_path / "services")
    done = subprocess.run(
        [sys.executable, "-c", "import testbed.demo.compose, testbed.servers.smtp_sink as sink; print(sink.__file__)"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        ("poller", "python -m services.poller"),
        ("console", "python -m services.console"),
        ("console link anna@example.com", "leadmail console link anna@example.com"),
        ("status --watch", "leadmail status --watch"),
        ("", "leadmail"),
    ],
)
def test_the_command_of_a_container_picks_what_it_runs(tmp_path: Path, words: str, runs: str) -> None:
    """The name of a stage alone starts the stage. Everything else is a ``leadmail`` command, even if it starts with such a name."""
    for program in ("python", "leadmail"):
        (tmp_path / program).write_text(f'#!/bin/sh\necho {program} "$@"\n')
        (tmp_path / program).chmod(0o755)
    done = subprocess.run(
        ["bash", ROOT / "deploy/docker/leadmail/entrypoint.sh", *words.split()],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == runs


def test_the_guide_connects_mailboxes_where_mail_servers_can_be_reached() -> None:
    """The pod in which docs/deployment.md runs ``account add`` is one that the network policies let out to mail servers."""
    (pod,) = re.findall(
        r"exec -it deploy/(\w+) -- leadmail account add", (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
    )
    assert pod in let_out("mail-servers")


@pytest.mark.parametrize("policy", ["mail-servers", "token-servers"])
def test_who_logs_in_to_mail_servers_gets_there(policy: str) -> None:
    """Pollers and the notifier reach mail servers, and the services whose tokens log in there."""
    assert let_out(policy) == ["poller", "notifier"]


def let_out(policy: str) -> list[str]:
    """Return the components that a network policy lets out."""
    policies = yaml.safe_load_all((ROOT / "deploy/kubernetes/base/network.yaml").read_text(encoding="utf-8"))
    (found,) = [each["spec"] for each in policies if each["metadata"]["name"] == policy]
    (components,) = [
        each["values"]
        for each in found["podSelector"].get("matchExpressions", ())
        if each["key"] == "app.kubernetes.io/component"
    ]
    return list(components)

"""A real Prometheus answers every panel of the dashboards and evaluates every rule over a deployment that works."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from testbed.local import LocalServers
from testbed.processes.packages import program
from testbed.processes.parts import HostingError
from testbed.processes.ports import free_port, free_ports
from testbed.samples.company import USERS
from testbed.servers.mail.unpacked import unpacked
from tests.deploy.docker import ROOT
from tests.e2e.deployment import PEOPLE, STAGES, Deployment, deploy

pytestmark = pytest.mark.timeout(600)
ANNA = USERS[0]
PROMETHEUS = ROOT / "deploy" / "prometheus"


def prometheus_program() -> Path:
    """Return Prometheus: the installed one, or Debian's, unpacked."""
    if installed := program("prometheus"):
        return installed
    try:
        return unpacked("prometheus") / "usr/bin/prometheus"
    except HostingError as error:
        pytest.skip(f"there is no Prometheus: {error}")


@contextmanager
def prometheus(folder: Path, ports: list[int], broker: str) -> Iterator[httpx.Client]:
    """Run Prometheus with our rules and jobs on the addresses of a test; yields a client of its API."""
    config: dict[str, Any] = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(PROMETHEUS / "rules/*.yaml")]
    for job in config["scrape_configs"]:
        job.pop("dns_sd_configs", None)
        job.pop("relabel_configs", None)
        addresses = [f"127.0.0.1:{port}" for port in ports] if job["job_name"] == "leadmail" else [broker]
        job["static_configs"] = [{"targets": addresses}]
        job.get("params", {}).pop("vhost", None)
    config["scrape_configs"] = [job for job in config["scrape_configs"] if job["job_name"] != "prometheus"]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    port = free_port()
    command = [
        str(prometheus_program()),
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=30) as client:
            yield client
    finally:
        process.terminate()
        process.wait(30)


def panels() -> list[tuple[str, str]]:
    """Return the title and the expression of every line of every panel."""
    found = []
    for path in sorted((ROOT / "deploy/grafana/dashboards").glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        for panel in dashboard["panels"]:
            found += [(panel["title"], target["expr"].replace("$__rate_interval", "1m")) for target in panel["targets"]]
    return found


def unanswered(client: httpx.Client) -> list[str]:
    """Return the panels that Prometheus refuses, or that would say "No data"."""
    wrong = []
    for title, expression in panels():
        try:
            answer = client.get("/query", params={"query": expression}).json()
        except (httpx.HTTPError, ValueError):  # it is starting, and may say so in plain text
            return ["no answer"]
        if answer["status"] != "success" or not answer["data"]["result"]:
            wrong.append(f"{title}: {answer.get('error', 'no data')}: {expression}")
    return wrong


async def until_answered(company: Deployment, client: httpx.Client) -> list[str]:
    """Wait until every panel has data; return those that have none in the end."""
    left: list[str] = ["nothing asked"]

    async def answered() -> bool:
        left[:] = await asyncio.to_thread(unanswered, client)
        return not left

    try:
        await company.until(answered, "every panel has data", 60)
    except AssertionError:
        return left
    return []


async def test_every_panel_and_every_rule_is_answered(
    servers: LocalServers, environment: dict[str, str], tmp_path: Path
) -> None:
    """No panel says "No data" of what was not counted yet, no rule has an error, and no alert fires while all is well."""
    async with deploy(servers, environment, tmp_path) as company:
        ports = free_ports(len(STAGES))
        for stage, port in zip(STAGES, ports, strict=True):
            company.environment["LEADMAIL_HTTP_PORT"] = str(port)
            company.start(stage)
        await company.add_records(*PEOPLE[:1])
        await company.add_user(ANNA, [])
        await company.connect(ANNA)
        await company.until(company.confirmed, "the mailbox is synchronised")
        broker = re.sub(r"^http://|/metrics$", "", servers.rabbitmq_metrics_url)
        with prometheus(tmp_path, ports, broker) as client:
            address = company.addresses[ANNA.key]
            head = f"From: {PEOPLE[0].addresses[0]}\r\nTo: {ANNA.addresses[0]}\r\nSubject: now\r\n"
            mail = f"{head}Message-ID: <now@x.example>\r\n\r\nHello\r\n"
            await asyncio.to_thread(servers.deliver, address, mail.encode())
            assert await until_answered(company, client) == []
            rules = client.get("/rules").json()["data"]["groups"]
            every = [rule for group in rules for rule in group["rules"]]
            assert len(every) > 20
            assert [(rule["name"], rule["lastError"]) for rule in every if rule["health"] == "err"] == []
            firing = [rule["name"] for rule in every if rule.get("state") == "firing"]
            assert firing == []

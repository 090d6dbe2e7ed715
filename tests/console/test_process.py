"""The console as a process: start, health, pages, shutdown; its error messages when it cannot start; the link command."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from testbed.local import LocalServers
from testbed.processes.ports import free_port
from tests.console.fixtures import ANN, token_of
from tests.matcher.histories.history import History
from tests.processes import DEADLINE, Spawn, exit_code, spawning


@pytest.fixture
async def spawn(console_environment: dict[str, str]) -> AsyncIterator[Spawn]:
    """A function that starts a module with the settings of this test's console."""
    async with spawning(console_environment) as spawn:
        yield spawn


async def answers(url: str) -> httpx.Response:
    """Wait until a server answers, and return its response."""
    async with asyncio.timeout(DEADLINE), httpx.AsyncClient() as client:
        while True:
            try:
                return await client.get(url)
            except httpx.TransportError:
                await asyncio.sleep(0.1)


async def test_start_sign_in_and_stop(spawn: Spawn, life: History) -> None:
    """It serves pages and health, the operator's link signs in, and SIGTERM makes it exit 0, all without RabbitMQ."""
    pages, health = free_port(), free_port()
    origin = f"http://127.0.0.1:{pages}"
    own = {"LEADMAIL_CONSOLE_URL": origin, "LEADMAIL_ALLOW_PLAINTEXT": "true"}
    console = await spawn(
        "services.console",
        **own,
        LEADMAIL_CONSOLE_PORT=str(pages),
        LEADMAIL_HTTP_PORT=str(health),
        LEADMAIL_RABBITMQ_URL="amqp://nobody:x@127.0.0.1:1/none",
    )
    assert (await answers(f"http://127.0.0.1:{health}/healthz")).text == "ok\n"
    ready = await answers(f"http://127.0.0.1:{health}/readyz")
    assert (ready.status_code, "rabbitmq" in ready.text) == (200, False)

    await life.store.users.set_admin(ANN, admin=True, by="operator")
    command = await spawn("services.cli", "console", "link", ANN, **own)
    said = (await command.communicate())[0].decode()
    link = re.match(rf"{origin}/sign-in/[\w-]+", said)
    assert link
    (entry,) = await life.store.audit.newest(action="console.link")
    assert (entry.by, entry.subject) == ("operator", f"user:{ANN}")

    async with httpx.AsyncClient(base_url=origin, follow_redirects=True) as browser:
        page = await browser.get(link[0])
        entered = await browser.post(link[0], data={"token": token_of(page.text)}, headers={"Origin": origin})
        assert "Connect a mailbox" in entered.text
        overview = await browser.get("/operations")
        assert "RabbitMQ does not answer" in overview.text
        assert "server" not in overview.headers
    metrics = (await answers(f"http://127.0.0.1:{health}/metrics")).text
    assert 'leadmail_console_request_seconds_count{page="/operations",status="200"} 1.0' in metrics

    console.send_signal(signal.SIGTERM)
    assert await exit_code(console) == 0
    assert console.stderr is not None
    log = (await console.stderr.read()).decode()
    assert '"event": "stopped"' in log
    assert ANN not in log


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"LEADMAIL_CONSOLE_URL": ""}, "LEADMAIL_CONSOLE_URL is not set"),
        ({"LEADMAIL_CONSOLE_URL": "http://x.example", "LEADMAIL_ALLOW_PLAINTEXT": ""}, "without TLS anyone"),
        ({"LEADMAIL_CONSOLE_URL": "https://x.example/path"}, "LEADMAIL_CONSOLE_URL is wrong"),
        ({"LEADMAIL_CONSOLE_FRAMES": "crm.example"}, "LEADMAIL_CONSOLE_FRAMES is wrong"),
        ({"LEADMAIL_SMTP_URL": "http://x"}, "LEADMAIL_SMTP_URL must look like"),
        ({"LEADMAIL_MAIL_FROM": "nobody"}, "LEADMAIL_MAIL_FROM is wrong"),
    ],
)
async def test_what_stops_it_is_one_sentence(spawn: Spawn, changes: dict[str, str], sentence: str) -> None:
    """The error names the setting that is missing or wrong, and the process exits 1."""
    console = await spawn("services.console", LEADMAIL_CONSOLE_PORT=str(free_port()), **changes)
    said = (await asyncio.wait_for(console.communicate(), DEADLINE))[1].decode()
    assert console.returncode == 1
    assert sentence in said
    assert "Traceback" not in said


async def test_its_port_is_taken(spawn: Spawn) -> None:
    """The error names the setting."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        console = await spawn("services.console", LEADMAIL_CONSOLE_PORT=str(port))
        said = (await asyncio.wait_for(console.communicate(), DEADLINE))[1].decode()
    assert console.returncode == 1
    assert f"LEADMAIL_CONSOLE_PORT is wrong (127.0.0.1:{port}" in said


async def test_clients_behind_a_proxy(spawn: Spawn, life: History) -> None:
    """Attempts are counted per client that a trusted proxy names; the header of any other sender is ignored."""
    counts = []
    for proxies in ("127.0.0.1/32", ""):
        port = free_port()
        origin = f"http://127.0.0.1:{port}"
        own = {"LEADMAIL_CONSOLE_URL": origin, "LEADMAIL_ALLOW_PLAINTEXT": "true", "LEADMAIL_CONSOLE_PORT": str(port)}
        await spawn("services.console", **own, LEADMAIL_CONSOLE_PROXIES=proxies, LEADMAIL_RABBITMQ_URL="")
        await answers(f"{origin}/sign-in")
        await life.database["attempts"].delete_many({})
        for client in ("203.0.113.1", "203.0.113.2"):
            async with httpx.AsyncClient(base_url=origin, headers={"X-Forwarded-For": client}) as browser:
                page = await browser.get("/sign-in")
                form = {"token": token_of(page.text), "address": "nobody@x.example", "to": "/"}
                assert (await browser.post("/sign-in", data=form)).status_code == 200
        # The mail sender also counts the address, for this client and in all, after the response.
        async with asyncio.timeout(DEADLINE):
            while sum(kept := sorted([one["count"] async for one in life.database["attempts"].find({})])) < 6:  # noqa: ASYNC110 - another process counts
                await asyncio.sleep(0.05)
        counts.append(kept)
    assert [2 in one for one in counts] == [True, True]
    assert counts[0].count(1) == 4
    assert counts[1] == [2, 2, 2]


async def test_without_users_mongodb_or_a_name(spawn: Spawn, servers: LocalServers) -> None:
    """The link command says what is missing."""
    unknown = await spawn("services.cli", "console", "link", "nobody@x.example")
    said = (await unknown.communicate())[1].decode()
    assert (unknown.returncode, "there is no user nobody@x.example" in said) == (1, True)
    nowhere = await spawn("services.cli", "console", "link", ANN, LEADMAIL_CONSOLE_URL="")
    said = (await nowhere.communicate())[1].decode()
    assert (nowhere.returncode, "LEADMAIL_CONSOLE_URL is not set" in said) == (2, True)

"""The metrics of a poller about its mailboxes."""

from __future__ import annotations

import asyncio
import re
import urllib.request

from schemas.accounts import AccountState
from services.mailbox.connection.credentials import password
from testbed.processes.ports import free_ports
from tests.poller.fixtures import CLIENT, Mailbox, PollerEnvironment, mail, until


async def scrape(port: int) -> dict[str, float]:
    """Return the samples by name with labels, as Prometheus would see them."""

    def ask() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
            return str(response.read().decode())

    text = await asyncio.to_thread(ask)
    return {name: float(value) for name, value in re.findall(r"^([a-z_]+(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)}


def total(samples: dict[str, float], name: str, *labels: str) -> float:
    """Return the sum of a metric's samples that have these labels."""
    return sum(
        value
        for sample, value in samples.items()
        if sample.partition("{")[0] == name and all(label in sample for label in labels)
    )


async def test_connections_commands_and_failures_are_counted(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """Connections, commands, octets, logins and their errors are counted, and no label has an address."""
    (port,) = free_ports(1)
    await world.know(CLIENT)
    mailbox.append(mail(CLIENT, body="x" * 20_000))
    account = await world.connect(mailbox.user)
    world.start_poller(http_host="127.0.0.1", http_port=str(port))
    await world.complete(account)
    samples = await scrape(port)
    known = 'provider="'
    assert 1 <= total(samples, "leadmail_imap_connections", known) <= 2
    assert total(samples, "leadmail_imap_logins_total", known) >= 1
    assert total(samples, "leadmail_imap_command_seconds_count", 'command="headers"') >= 1
    assert total(samples, "leadmail_imap_bytes_total", 'direction="received"') > 20_000
    assert 50 < total(samples, "leadmail_imap_bytes_total", 'direction="sent"') < 20_000
    assert total(samples, "leadmail_poller_leases_total", 'event="taken"') == 1
    assert total(samples, "leadmail_imap_login_failures_total") == 0

    wrong = world.box.seal(account.id, password("wrong"))
    await world.store.accounts.save_credentials(account.id, wrong, by="test")

    async def blocked() -> bool:
        return (await world.store.accounts.get(account.id)).state is AccountState.BLOCKED

    await until(blocked, "the account is blocked", world)

    async def dropped() -> bool:
        return total(await scrape(port), "leadmail_poller_accounts") == 0

    await until(dropped, "no poller holds the account", world)
    samples = await scrape(port)
    assert total(samples, "leadmail_imap_login_failures_total", 'reason="wrong-password"') >= 2
    assert total(samples, "leadmail_imap_connections") == 0
    assert total(samples, "leadmail_imap_accounts_failing") == 0
    assert not [sample for sample in samples if "@" in sample or "127.0.0.1" in sample]

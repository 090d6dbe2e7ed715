"""A short scenario with every kind of fault; ``make chaos`` runs long ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from testbed.chaos.scenario import REPLICAS, TOKEN_S, Shape, run
from testbed.chaos.world import faults, owners, token_faults
from testbed.chaos.world.activity import DEEDS
from testbed.chaos.world.faults import KINDS, ONCE, Fault, plan
from testbed.chaos.world.network import Network, network
from testbed.samples.model import rng
from tests.conftest import files_in_memory

SHAPE = Shape(mails=120, colleagues=4, seconds=15, live=0.2, rest=240, sweep=2)
FAULTS = (
    Fault(0.7, faults.KILL, "poller-1", 0.3),
    Fault(1.4, faults.CUT, "matcher-1~mongo", 0.5),
    Fault(2.0, faults.STEP_DOWN, "", 0),
    Fault(2.7, faults.STALL, "poller~imap", 1.5),
    Fault(4.1, faults.KILL, "parser-2", 0.3),
    Fault(4.4, faults.SLOW, "parser-1~broker", 2),
    Fault(4.6, owners.RESYNC, "ada", 0),
    Fault(4.7, faults.THROTTLE, "poller~imap", 1),
    Fault(4.8, owners.PASSWORD, "ben", 2),
    Fault(5.4, faults.PRIMARY_KILL, "", 1),
    Fault(5.6, faults.LIE, "poller~imap", 1.5),
    Fault(6.0, owners.LOCKOUT, "ben", 0),
    Fault(6.2, owners.MEMBERS, "", 0),
    Fault(6.4, token_faults.THROTTLED, "", 2),
    Fault(6.8, faults.BROKER_KILL, "", 0.5),
    Fault(7.5, faults.FREEZE, "poller-2", 4.5),
    Fault(8.0, owners.PAUSE, "ada", 1),
    Fault(8.4, token_faults.OUTAGE, "", 0),
    Fault(8.8, faults.IMAP_KILL, "", 0.5),
    Fault(9.5, faults.KILL, "matcher-2", 0.3),
    Fault(9.8, token_faults.REVOKED, "", 0.5),
    Fault(10.2, faults.SMTP_KILL, "", 1),
    Fault(10.9, faults.SECONDARY_KILL, "", 0.5),
    Fault(11.6, faults.CUT, "notifier~smtp", 0.5),
    Fault(12.2, faults.KILL, "notifier-1", 0.3),
    Fault(12.4, owners.MEMBERS, "", 0),
    Fault(12.9, faults.BROKER_RESTART, "", 0.5),
    Fault(13.4, faults.LIE, "poller~imap", 1),
    Fault(14.3, faults.STALL, "mongo-1", 1),
)


SHORT = {*KINDS, *ONCE} - {token_faults.LOSS}
"""A poller that dies with new tokens keeps others from refreshing for a minute: too long for a short scenario. ``make crash`` has it."""


@pytest.fixture
async def net() -> AsyncIterator[Network]:
    """Separate servers, the database with three members, everything behind proxies."""
    with files_in_memory():
        async with network(REPLICAS) as made:
            yield made


@pytest.mark.servers
@pytest.mark.timeout(600)
async def test_nothing_is_lost_doubled_early_or_unfinished(net: Network, tmp_path: Path) -> None:
    """Four backfills, one of a shared mailbox, and live mail, with every kind of fault, end as the reference demands."""
    said: list[str] = []
    result = await run(
        net, seed=1, number=1, shape=SHAPE, folder=tmp_path / "logs", say=said.append, faults=list(FAULTS)
    )
    assert [f"{each.kind}: {each.what}" for each in result.findings] == [], "\n".join(said)
    happens = SHORT if net.identity is not None else SHORT - {*token_faults.TOKEN_FAULTS}
    assert (result.accounts, set(result.faults)) == (4, happens)
    assert result.messages > SHAPE.mails
    if net.identity is not None:  # two sign-ins, and the tokens in Leadmail's own name, each of which lasts for seconds
        assert net.identity.asked().count("token") > 2 + SHAPE.seconds / TOKEN_S
    assert {*DEEDS, "arrived"} <= (+result.activity).keys()


def test_every_kind_of_fault_is_in_the_short_scenario() -> None:
    """The short scenario covers a new kind of fault, too."""
    assert {fault.kind for fault in FAULTS} == SHORT


def test_a_seed_determines_the_faults() -> None:
    """The same seed gives the same faults, another seed others; each lasts and starts in time."""
    links = ["poller-1~broker", "mongo-1"]

    def planned(seed: int) -> list[Fault]:
        return plan(rng(seed), REPLICAS, links, ["ada", "ben"], seconds=120, gap=1, lease=3, emphasis="processes")

    assert planned(1) == planned(1) != planned(2)
    assert all(0 < fault.at < 120 for fault in planned(1))
    assert {fault.kind for seed in range(9) for fault in planned(seed)} == {*KINDS, *ONCE}
    assert all(fault.seconds > 3 for fault in planned(1) if fault.kind == faults.FREEZE), "past the lease"

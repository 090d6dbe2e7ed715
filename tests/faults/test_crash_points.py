"""Every stage is killed before and after every durable step: the result is that of an undisturbed run."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from schemas.routes import ROUTES, Route
from testbed.local import LocalServers
from tests.faults.catalogue import AT_THE_END, Death, catalogue, passed, runs, writers
from tests.faults.deployment import Nursery, Snapshot, company, nursery

pytestmark = pytest.mark.timeout(900)
COMMANDS = (
    *("address_proofs._take_from_others", "address_proofs._write"),
    *("accounts._change", "accounts.add", "accounts.save_credentials", "audit.add", "blob_refs.drop_copies"),
    *("ledger_matcher._end", "ledger_operator.drop_quarantined", "ledger_operator.requeue_quarantined"),
    *("records.add", "records.import_many", "removal._end", "own_records.delete", "own_records.edit"),
    *(
        "removal.disconnect",
        "removal.purge",
        "sharing.resume",
        "orphaned_emails._unlink",
        "orphaned_emails._tombstone",
    ),
    *("erasing._remove_dead_letters", "erasing._tombstone", "erasing.erase", "erasures.add", "erasures.end"),
    *("user_lifecycle._set_disabled", "handover.hand_over", "user_lifecycle.remove"),
    *("membership.change", "membership.forget", "colleagues.require_active", "address_proofs.login_changes"),
    *("cached_counts._count", "cached_counts.forget"),
    *("blob_refs.drop_heads", "sign_ins._lock_out", "sign_ins.end_all"),
    *(
        "former_accounts.connect_again",
        "former_accounts.prepare",
        "record_addresses._remove",
        "users.add",
        "users.followed",
        "users.save",
        "users.turn_admin",
        "users.set_profile",
        "identities.bind",
        *("groups._save", "scim_tokens.add", "scim_tokens.revoke"),
    ),
    "withdrawals.remove",
    *("deleted_emails.drop_account", "deleted_emails.keep", "deleted_emails.restore"),
    *(
        "key_rotation.extend_emails",
        "key_rotation.remark_addresses",
        "key_rotation.remark_erasures",
        "key_rotation.reseal",
    ),
    *("mark_keys.forget", "mark_keys.note_emails", "mark_keys.retire", "mark_keys.switch"),
)
PAGES = (
    "address_codes.enter",
    "address_codes.offer",
    "scim_tokens.is_valid",
    "sign_ins._start",
    "pending_sign_ins.offer",
    "pending_sign_ins.take",
    "sign_ins.attempt",
    "sign_ins.end",
    "sign_ins.offer",
    "sign_ins.take_back_attempt",
    "sign_ins.use",
)
NO_STAGE = {
    **dict.fromkeys(COMMANDS, "a person's command, which says whether it was done"),
    **dict.fromkeys(PAGES, "a user who is interrupted asks for another link or code"),
    "deleted_emails._remove": "the end of a grace period of days, which the store's tests have",
    "colleagues.hold": "a command that hands mail over or keeps it private, which the store's tests have",
    "attention.postpone": "a mail that is refused, which the notifier's tests have",
    "attention.release": "a mail server that is away, which the notifier's tests have",
    "attention.renew": "a mail server that takes long, which the notifier's tests have",
    "migrations.migrate": "the first start of a new version, which the store's tests have",
    "migrations._keep_own_addresses": "the first start of a new version, which the store's tests have",
    "migrations._leave_out_unsent": "the first start of a new version, which the store's tests have",
    "ledger_poller._switch": "a \\Draft or \\Deleted flag that comes or goes, which the poller's tests have",
    "blob_refs.add_ref": "a dead letter of a large mail, which the matcher's tests have",
    "mark_keys.setup": "the first start of a new version, which the store's tests have",
    "ledger_doubts.note": "a server that does not deliver a mail, which the poller's tests have",
    "ledger_doubts.shortened": "a server that delivers a part of a mail, which the poller's tests have",
    "remarking.save": "a new secret, which the poller's tests have, with a poller that is killed",
    "message_ids._note": "two mails with one Message-ID, which the poller's and the store's tests have",
    **dict.fromkeys(
        (
            "blocked_accounts.note_reason",
            "blocked_accounts.postpone",
            "blocked_accounts.unblock",
        ),
        "a blocked account that is due, which the poller's and the store's tests have",
    ),
    **dict.fromkeys(
        ("budgets.take", "host_connections._write"), "a mail service with limits, which the poller's tests have"
    ),
    "withdrawals.add": "a person's command, or mail of a thread kept private, which the matcher's tests have",
    "account_tokens.release": "a token server that refuses, which the poller's tests have",
    **dict.fromkeys(
        ("relay_refresh.claim", "relay_refresh.release", "relay_refresh.save"),
        "a relay that takes tokens, which tests/mailbox has",
    ),
    "account_troubles.note": "a mail server that refuses, which the poller's tests have",
    "ledger_poller._insert_missing": "two who write one window, which the store's tests have",
}
"""Functions that write and are not reached, and why."""


@dataclass(frozen=True)
class Undisturbed:
    """The result of a run without deaths, and the failpoints that it passed."""

    snapshot: Snapshot
    points: set[tuple[str, str]]
    places: set[str]


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """A folder that is the same in every run of this module."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "run"


@pytest.fixture(scope="module")
def stages() -> Iterator[Nursery]:
    """The process that runs the stages."""
    with nursery() as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(servers: LocalServers, stages: Nursery, scratch: Path) -> Undisturbed:
    """The run that all others are compared with."""
    trace = scratch.with_name("trace")

    async def run() -> Snapshot:
        async with company(servers, stages, scratch, trace=trace) as scene:
            await scene.play()
            found = await scene.rests()
            ended = scene.stop()
            assert ended == {"deaths": {}, "codes": dict.fromkeys(("poller", "parser", "matcher", "notifier"), 0)}
            return found

    found = asyncio.run(run())
    return Undisturbed(found, *passed(trace))


def test_the_scenario_covers_everything(undisturbed: Undisturbed) -> None:
    """The reference run has the intended result: otherwise equality would prove nothing."""
    found = undisturbed.snapshot
    states = {
        name.split(" ", 1)[1]: (row["state"], row["reason"]) for name, row in found["rows"].items() if name[0] == "a"
    }
    assert states == {
        "INBOX 1": ("attached", None),
        "INBOX 2": ("unmatched", None),
        "INBOX 3": ("attached", None),
        "INBOX 4": ("attached", None),
        "INBOX 5": ("attached", None),
        "INBOX 6": ("attached", None),
        "INBOX 7": ("attached", None),
        "INBOX 8": ("quarantined", "parser-died"),
        "INBOX 9": ("attached", None),
        "INBOX 10": ("gone", None),
        "INBOX 11": ("unmatched", None),
        "INBOX 12": ("gone", None),
        "INBOX 13": ("attached", None),
        "Sent 1": ("attached", None),
        "Archive 1": ("attached", None),
    }
    assert len(found["dead letters"]) == 1
    assert len(found["sent"]) == 5, "four confirmations and one mail about a wrong password"
    assert found["debts"] == 0


def test_every_step_has_a_failpoint(undisturbed: Undisturbed) -> None:
    """Everything that a run does to database, broker and mail server happens at a failpoint of the catalogue: a new step fails here."""
    known = {(point.stage, point.name) for point in catalogue()}
    always = {(point.stage, point.name) for point in catalogue() if not point.sometimes}
    missing, stale = undisturbed.points - known, always - undisturbed.points
    assert not missing, f"new steps: add them to failpoints.txt, and run `make crash`: {sorted(missing)}"
    assert not stale, f"steps that no stage takes: remove them from failpoints.txt: {sorted(stale)}"


def test_every_write_is_reached(undisturbed: Undisturbed) -> None:
    """The run reaches every function of the store that writes, unless no stage calls it: no step hides from the test above."""
    unreached = {writer for writer in writers() if writer not in undisturbed.places}
    sometimes = {point.name.partition("/")[0] for point in catalogue() if point.sometimes}
    assert sorted(unreached - sometimes - NO_STAGE.keys()) == [], (
        "let the scene reach it, or say above why no stage does"
    )
    assert NO_STAGE.keys() - set(writers()) == set(), "these do not write any more"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.queue)
def test_every_route_has_failpoints(route: Route) -> None:
    """A message of each route is published, confirmed and acknowledged at a failpoint."""
    names = {(point.stage, point.name) for point in catalogue()}
    assert {
        *((producer, f"{step}.{route.routing_key}") for producer in route.producers for step in ("publish", "confirm")),
        (route.consumer, f"ack.{route.queue}"),
    } <= names


@pytest.mark.parametrize("deaths", runs(), ids=lambda deaths: "+".join(map(str, deaths)) if len(deaths) < 3 else None)
async def test_killed_stages_reach_the_same_state(
    servers: LocalServers, stages: Nursery, scratch: Path, undisturbed: Undisturbed, deaths: list[Death]
) -> None:
    """Killed at these steps and started again, the stages reach the same state and send the same mails."""
    alive = await killed(servers, stages, scratch, undisturbed, deaths)
    # One death may keep another from happening, for a step that was taken is not taken again: then it is tried alone.
    for death in alive if len(deaths) > 1 else ():
        if not death.point.sometimes:
            alive = await killed(servers, stages, scratch, undisturbed, [death])
            assert not alive, f"no stage dies at {death}"
    assert len(deaths) > 1 or deaths[0].point.sometimes or not alive, f"no stage dies at {deaths[0]}"


async def killed(
    servers: LocalServers, stages: Nursery, scratch: Path, undisturbed: Undisturbed, deaths: list[Death]
) -> list[Death]:
    """Run the scenario with these deaths until it has reached its end state. Returns those that did not happen."""
    async with company(servers, stages, scratch, deaths=" ".join(map(str, deaths))) as scene:
        await scene.play()
        await scene.comes_to(undisturbed.snapshot)
        scene.stop()
        if any(death.point.name in AT_THE_END for death in deaths):
            scene.start()
            await scene.comes_to(undisturbed.snapshot)
        marks = {file.name for file in await asyncio.to_thread(lambda: list(scratch.iterdir()))}
        return [death for death in deaths if death.mark not in marks]

"""``leadmail secrets``: what is under which secret, and replacing one. Real database; the mailboxes' side is in the poller's tests."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from services.cli.operations import diagnosis
from services.cli.operations.diagnosis import State
from services.mailbox.connection import SecretBox, password
from services.store import Store
from services.usecases import key_rotation
from services.usecases.key_rotation import KeyUse, RotationStatus
from tests.cli.fixtures import ANNA, KIM, Deployment

OLD, NEW = (base64.b64encode(letter * 32).decode() for letter in (b"k", b"n"))
BOTH = {"LEADMAIL_SECRET_KEY": NEW, "LEADMAIL_SECRET_KEYS_OLD": OLD}
ALONE = {"LEADMAIL_SECRET_KEY": NEW, "LEADMAIL_SECRET_KEYS_OLD": ""}
OLD_ID, NEW_ID = (SecretBox.from_keys(letter * 32).current for letter in (b"k", b"n"))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for writes that began before the change: there are none."""
    monkeypatch.setattr(key_rotation, "SETTLED", timedelta(0))


async def mark_rows(store: Store, _: SecretBox) -> None:
    """Have the rows marked with the secret that is current before the change, as a poller does."""
    await store._collections.ledger.update_many({}, {"$set": {"mark_key": OLD_ID, "marks": [b"m"]}})


def mark_again(deployment: Deployment) -> None:
    """Mark the rows with the new secret, as a poller does."""
    environment = deployment.environment
    with MongoClient[dict[str, Any]](environment["LEADMAIL_MONGO_URL"]) as client:
        ledger = client[environment["LEADMAIL_MONGO_DATABASE"]]["ledger"]
        ledger.update_many({}, {"$set": {"mark_key": NEW_ID}})


def test_a_secret_is_replaced(deployment: Deployment) -> None:
    """Status, dry run, rotation, rows that wait, the end; then the old secret is dropped, and passwords open with the new one."""
    deployment.store(mark_rows)
    assert "Everything is under LEADMAIL_SECRET_KEY." in deployment.ok("secrets", "status")
    before = deployment.run("secrets", "status", "--json", **BOTH).json()
    assert [(key["id"], key["setting"], key["needed"]) for key in before["keys"]] == [
        (NEW_ID, "LEADMAIL_SECRET_KEY", True),
        (OLD_ID, "LEADMAIL_SECRET_KEYS_OLD", True),
    ]
    assert before["keys"][1]["passwords"] == 1
    assert not before["finished"]
    for option in ("--dry-run", "--status"):
        assert deployment.run("secrets", "rotate", option, "--json", **BOTH).json() == before
    done = deployment.run("secrets", "rotate", "--no-wait", **BOTH)
    assert done.code == 0, done.errors
    assert "1 password is sealed with it" in done.out
    assert f"{ANNA} (active): 3 rows under an earlier secret; nothing to do: its poller" in done.out
    assert "is still needed" not in done.out
    during = deployment.run("secrets", "status", "--json", **BOTH).json()
    assert [(key["passwords"], key["rows"], key["needed"]) for key in during["keys"]] == [(1, 0, True), (0, 3, True)]
    mark_again(deployment)
    done = deployment.run("secrets", "rotate", **BOTH)
    assert done.code == 0, done.errors
    assert f"You can remove {OLD_ID} from LEADMAIL_SECRET_KEYS_OLD and restart." in done.out
    after = deployment.run("secrets", "status", "--json", **ALONE).json()
    assert (after["finished"], [key["id"] for key in after["keys"]]) == (True, [NEW_ID])
    actions = [one["action"] for one in deployment.run("audit", "--action", "secrets", "--json", **ALONE).json()]
    assert actions == ["secrets.rotated", "secrets.rotate"]

    async def opened(store: Store, _: SecretBox) -> tuple[bool, bool]:
        (account,) = await store.accounts.get_all()
        box = SecretBox.from_keys(b"n" * 32)
        found = await store.record_addresses.known([KIM])
        return box.open(account.id, account.credentials) == password("secret-of-anna"), KIM in found

    deployment.environment["LEADMAIL_SECRET_KEY"] = NEW
    assert deployment.store(opened) == (True, True)


def test_a_secret_that_is_dropped_too_early_is_named(deployment: Deployment) -> None:
    """The commands say which one is missing; set-up, as every stage, refuses to start; a lost one is given up."""
    deployment.store(mark_rows)
    shown = deployment.run("secrets", "status", **ALONE)
    assert f"Add {OLD_ID} to LEADMAIL_SECRET_KEYS_OLD again: it is still needed." in shown.out
    done = deployment.run("secrets", "rotate", **ALONE)
    assert (done.code, f"use --lost {OLD_ID}" in done.errors) == (1, True)
    started = deployment.run("setup", **ALONE)
    assert started.code == 3
    assert OLD_ID in started.errors
    checks = {one["name"]: one for one in deployment.run("doctor", "--json", **ALONE).json()["checks"]}
    assert checks["secrets"]["state"] == "wrong"
    done = deployment.run("secrets", "rotate", "--lost", OLD_ID, "--no-wait", **ALONE)
    assert done.code == 0, done.errors
    assert deployment.run("setup", **ALONE).code == 0


def test_a_process_that_lacks_the_new_secret_is_named(deployment: Deployment) -> None:
    """It would miss what others mark with the new secret, so nothing is changed before it was restarted."""

    async def announce(store: Store, _: SecretBox) -> None:
        await store.mark_keys.announce("matcher-7")

    deployment.store(announce)
    done = deployment.run("secrets", "rotate", **BOTH)
    assert done.code == 1
    assert "matcher-7 does not have the current LEADMAIL_SECRET_KEY" in done.errors
    assert deployment.run("secrets", "status", "--json", **BOTH).json()["outdated"] == ["matcher-7"]


@pytest.mark.parametrize(
    ("command", "state", "advice"),
    [
        (("account", "pause", ANNA), "paused", f"resume it: `leadmail account resume {ANNA}`"),
        (("account", "remove", ANNA, "--yes"), "disconnected", "no look-up needs them while it is disconnected"),
    ],
)
def test_mailboxes_that_no_poller_reads_are_named(
    deployment: Deployment, command: tuple[str, ...], state: str, advice: str
) -> None:
    """Each with what to do. A disconnected one does not keep the old secret needed."""
    deployment.store(mark_rows)
    deployment.ok(*command)
    done = deployment.run("secrets", "rotate", "--no-wait", **BOTH)
    assert f"{ANNA} ({state}): 3 rows under an earlier secret; " in done.out
    assert advice in done.out
    shown = deployment.run("secrets", "status", "--json", **BOTH).json()
    assert shown["finished"] == (state == "disconnected")


def test_rows_without_a_key_are_no_reason_to_keep_one(deployment: Deployment) -> None:
    """Version 0.1 wrote them, with the only secret there is."""

    async def check(store: Store, _: SecretBox) -> int:
        (account,) = await store.accounts.get_all()
        await store._collections.ledger.update_many({}, {"$unset": {"mark_key": ""}})
        assert len(await store.remarking.rows(account.id, OLD_ID, limit=10)) == 3, "the poller reads them again"
        return (await store.key_rotation.uses()).left

    assert deployment.store(check) == 0
    assert "Everything is under LEADMAIL_SECRET_KEY." in deployment.ok("secrets", "rotate")


@pytest.mark.parametrize(
    ("settings", "needed", "finished", "state"),
    [
        (("LEADMAIL_SECRET_KEY", "LEADMAIL_SECRET_KEYS_OLD"), (True, False), True, State.FINE),
        (("LEADMAIL_SECRET_KEY", "LEADMAIL_SECRET_KEYS_OLD"), (True, True), False, State.WARNING),
        (("LEADMAIL_SECRET_KEY", None), (True, True), False, State.WRONG),
    ],
)
def test_the_doctor_says_which_secret_is_needed(
    settings: tuple[str | None, ...], needed: tuple[bool, ...], finished: bool, state: State
) -> None:
    """One that can go, one that is still needed, one that is missing."""
    keys = [
        KeyUse(id=f"k{number}", setting=setting, needed=need, passwords=0, rows=0, addresses=0)
        for number, (setting, need) in enumerate(zip(settings, needed, strict=True))
    ]
    (found,) = diagnosis.secrets(RotationStatus(finished, keys, [], []))
    assert found.state is state

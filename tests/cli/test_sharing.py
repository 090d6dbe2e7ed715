"""Commands about who sees what: told before it is done, found by words, explained, deleted, aliases confirmed."""

from __future__ import annotations

import json

import pytest

from schemas.identity import copy_id
from schemas.mail import Participant, Role
from services.cli.results import accounts as results
from services.mailbox.connection import SecretBox
from services.store import Store
from tests.cli.fixtures import ANNA, KIM, LUC, OFFER, PLAIN, World, check_result


def test_a_dry_run_tells_and_changes_nothing(world: World) -> None:
    """How many emails become hidden from how many users, with examples; then what was told happens."""
    told = world.ok("account", "sharing", ANNA, "--sharing", "private", "--dry-run")
    assert "2 emails would be hidden from 1 user, on 1 record." in told
    assert told.index("Subject plain") < told.index("Subject offer")
    assert "Nothing was changed" in told
    assert "2 emails" in world.ok("emails", KIM, "--viewer", LUC)
    done = world.run("account", "sharing", ANNA, "--sharing", "private", "--dry-run", "--json")
    check_result(done.out, results.SharingResult)
    found = done.json()
    assert (found["mode"], found["preview"]["hidden"]["emails"], found["preview"]["shown"]["emails"]) == (
        "private",
        2,
        0,
    )
    world.ok("account", "sharing", ANNA, "--sharing", "private")
    assert "0 emails" in world.ok("emails", KIM, "--viewer", LUC)
    back = world.ok("account", "sharing", ANNA, "--sharing", "public", "--dry-run")
    assert "2 emails would be shown to 1 user, on 1 record." in back
    assert world.run("account", "sharing", ANNA, "--dry-run").code == 2


def test_a_dry_run_of_the_companys_policy(world: World) -> None:
    """Anna holds the mail that is concerned, so she is told examples; an administrator who may not see it is told numbers only."""
    change = ("company", "sharing", "--exclude-domain", "customer.example", "--dry-run", "--by")
    told = world.ok(*change, ANNA)
    assert "2 emails would be hidden from 1 user, on 1 record." in told
    assert "Subject offer" in told
    world.ok("user", "add", "root@nw.example", "--admin")
    world.ok("account", "sharing", ANNA, "--sharing", "private")
    hidden = ("company", "sharing", "--allow-mode", "private", "--default-mode", "private", "--dry-run", "--by")
    assert "No one would see more or less than now, of the mail that you can see." in world.ok(
        *hidden, "root@nw.example"
    )
    assert "no excluded domains" in world.ok("company", "sharing")
    check_result(world.run(*change, ANNA, "--json").out, results.CompanySharing)
    assert world.run("company", "sharing", "--dry-run").code == 2


def test_search_and_threads(world: World) -> None:
    """Words in any order and case; what the viewer may not see is not found, by words or by thread."""
    found = world.ok("search", "OFFER subject", "--viewer", LUC)
    assert "Subject offer" in found
    assert "Subject plain" not in found
    assert "Subject offer" in world.ok("search", "offer.pdf", "--viewer", LUC, "--record", KIM)
    assert "2 emails." in world.ok("thread", OFFER.key[:14], "--viewer", LUC)
    world.ok("account", "sharing", ANNA, "--sharing", "private")
    assert (
        world.ok("search", "offer", "--viewer", LUC) == "No email that luc@nw.example can see contains these words.\n"
    )
    refused = world.run("thread", OFFER.key, "--viewer", LUC)
    assert (refused.code, refused.errors) == (1, f"leadmail: there is no email {OFFER.key}.\n")
    assert world.run("search", " ", "--viewer", LUC).code == 2


def test_a_search_that_is_cut_short_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says on standard error how far it got and how to continue. JSON stays JSON."""
    monkeypatch.setattr("services.store.access.email_search.MOST_READ", 1)
    monkeypatch.setattr("services.store.access.email_search._BATCH", 1)
    first = world.run("search", "offer", "--viewer", LUC, "--json")
    assert (first.code, json.loads(first.out)) == (0, [])
    assert "This search read 1 email, back to" in first.errors
    before = first.errors.partition("--before '")[2].partition("'")[0]
    assert "Subject offer" in world.ok("search", "offer", "--viewer", LUC, "--before", before)
    assert world.run("search", "offer", "--viewer", LUC, "--before", "x").code == 2


def test_explained_to_a_user(world: World) -> None:
    """Who may not see an email is told the same as if there were none; administrators are told all."""
    world.ok("account", "sharing", ANNA, "--sharing", "private")
    hidden = world.ok("explain", KIM, OFFER.key, "--viewer", LUC, "--by", LUC)
    absent = world.ok("explain", KIM, "v1-" + "0" * 40, "--viewer", LUC, "--by", LUC)
    assert hidden.replace(OFFER.key[:14], "X") == absent.replace("v1-00000000000", "X")
    assert "private" not in hidden
    assert "the account is private" in world.ok("explain", KIM, OFFER.key[:14], "--viewer", LUC, "--by", ANNA)
    assert world.run("explain", KIM, OFFER.key, "--viewer", ANNA, "--by", LUC).code == 1
    assert "holds it" in world.ok("explain", KIM, OFFER.key[:14], "--viewer", ANNA, "--by", ANNA)


def test_an_email_is_deleted_by_who_may(world: World) -> None:
    """Who only sees it may not; who holds it may; then it is nowhere, and `explain` tells the operator why."""
    refused = world.run("email", "delete", OFFER.key, "--by", LUC, "--yes")
    assert refused.errors == (
        "leadmail: only an administrator, or the holder of its only copies, may delete an email for everyone: "
        "to hide your own copies, keep it private.\n"
    )
    assert world.run("email", "delete", OFFER.key, "--by", ANNA).code == 2
    world.ok("email", "delete", OFFER.key[:14], "--by", ANNA, "--yes")
    assert "1 email that" in world.ok("emails", KIM, "--viewer", ANNA)
    assert world.run("email", "show", OFFER.key, "--viewer", ANNA).code == 1
    assert world.run("email", "delete", PLAIN.key, "--by", "nobody@nw.example", "--yes").code == 1


def test_aliases_are_confirmed_by_the_owner(world: World) -> None:
    """An address that Anna's Sent folder has as the sender is offered; it is hers only after she said so."""

    async def sent(store: Store, box: SecretBox) -> None:
        (account,) = await store.accounts.get_all()
        folders = await store.folders.of(account.id)
        sent = folders[0].model_copy(update={"id": "5" * 12, "name": "Sent", "role": "sent"})
        await store._collections.folders.insert_one(
            {"_id": f"{account.id}.{sent.id}", **sent.model_dump(mode="python")}
        )
        people = (Participant(address="anna.lind@old.example", role=Role.FROM), Participant(address=KIM, role=Role.TO))
        await store._collections.emails.update_one(
            {"_id": PLAIN.key}, {"$set": {"participants": [person.model_dump() for person in people]}}
        )
        row = await store._collections.ledger.find_one({"email": PLAIN.key})
        assert row is not None
        await store._collections.ledger.insert_one(
            {**row, "_id": copy_id(account.id, sent.id, 1, 9), "folder": sent.id, "uid": 9}
        )

    world.store(sent)
    shown = world.ok("account", "aliases", ANNA)
    assert "no other addresses" in shown
    assert "anna.lind@old.example  1" in shown
    add = ("account", "aliases", ANNA, "--add", "Anna.Lind@old.example")
    assert "add --by anna@nw.example" in world.run(*add).errors
    assert world.run(*add, "--by", LUC).code == 2
    assert world.ok(*add, "--by", ANNA) == "anna@nw.example: anna.lind@old.example.\n"
    assert "another user" in world.run("account", "aliases", ANNA, "--add", LUC, "--by", ANNA).errors
    (entry, *_) = world.run("account", "show", ANNA, "--json").json()["aliases"]
    assert entry == "anna.lind@old.example"
    assert "no other addresses" in world.ok(
        "account", "aliases", ANNA, "--remove", "anna.lind@old.example", "--by", ANNA
    )

"""Commands about who sees what: previews, search, explanations, deletion, aliases."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest
from bson import ObjectId

from schemas.identity import copy_id
from schemas.mail import Participant, Role
from services.cli.results import sharing as results
from services.mailbox.connection import SecretBox
from services.store import DeletedEmail, NewRecord, Store, email_ref
from testbed.local import LocalServers
from tests.cli.fixtures import ANNA, KIM, LUC, OFFER, PLAIN, Deployment, check_result, content
from tests.factories import account as account_of
from tests.factories import sent_before


def test_a_dry_run_reports_and_changes_nothing(deployment: Deployment) -> None:
    """It prints how many emails become hidden from how many users, with examples; the real run does the same."""
    told = deployment.ok("account", "sharing", ANNA, "--sharing", "private", "--dry-run")
    assert "2 emails would be hidden from 1 user, on 1 record." in told
    assert told.index("Subject plain") < told.index("Subject offer")
    assert "Nothing was changed" in told
    assert "2 emails" in deployment.ok("emails", KIM, "--viewer", LUC)
    done = deployment.run("account", "sharing", ANNA, "--sharing", "private", "--dry-run", "--json")
    check_result(done.out, results.SharingResult)
    found = done.json()
    assert (found["mode"], found["preview"]["hidden"]["emails"], found["preview"]["shown"]["emails"]) == (
        "private",
        2,
        0,
    )
    deployment.ok("account", "sharing", ANNA, "--sharing", "private")
    assert "0 emails" in deployment.ok("emails", KIM, "--viewer", LUC)
    back = deployment.ok("account", "sharing", ANNA, "--sharing", "public", "--dry-run")
    assert "2 emails would be shown to 1 user, on 1 record." in back
    assert deployment.run("account", "sharing", ANNA, "--dry-run").code == 2


def test_a_dry_run_of_the_companys_policy(deployment: Deployment) -> None:
    """Anna holds the mail, so she gets examples; an administrator who may not see it gets numbers only."""
    change = ("company", "sharing", "--exclude-domain", "customer.example", "--dry-run", "--by")
    told = deployment.ok(*change, ANNA)
    assert "2 emails would be hidden from 1 user, on 1 record." in told
    assert "Subject offer" in told
    deployment.ok("user", "add", "root@nw.example", "--admin")
    deployment.ok("account", "sharing", ANNA, "--sharing", "private")
    hidden = ("company", "sharing", "--allow-mode", "private", "--default-mode", "private", "--dry-run", "--by")
    assert "No one would see more or less than now, of the mail that you can see." in deployment.ok(
        *hidden, "root@nw.example"
    )
    assert "no excluded domains" in deployment.ok("company", "sharing")
    check_result(deployment.run(*change, ANNA, "--json").out, results.CompanySharing)
    assert deployment.run("company", "sharing", "--dry-run").code == 2


@pytest.mark.parametrize(
    "point", ["sharing.resume/accounts:before", "sharing.resume/accounts:after", "users.followed/settings:before"]
)
def test_a_wider_company_policy_takes_effect_although_the_command_died(
    deployment: Deployment, tmp_path: Path, point: str
) -> None:
    """The sweep finds what the command left to do, wherever it was killed after the policy was saved."""
    emails = ("emails", KIM, "--viewer", LUC)
    deployment.ok("company", "sharing", "--by", ANNA, "--exclude-domain", "customer.example")
    assert "0 emails" in deployment.ok(*emails)
    code = (
        "from tests.faults import failpoints; failpoints.install('cli'); from services.cli.__main__ import main; main()"
    )
    faults = {"LEADMAIL_FAILPOINT": f"cli:{point}", "LEADMAIL_FAILPOINT_MARKS": str(tmp_path)}
    widen = ("company", "sharing", "--by", ANNA, "--no-excluded-domains")
    environment = {**os.environ, **deployment.environment, **faults}
    died = subprocess.run([sys.executable, "-c", code, *widen], env=environment, check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert "no excluded domains" in deployment.ok("company", "sharing")
    assert "0 emails" in deployment.ok(*emails)
    deployment.store(lambda store, _: store.sharing.resume())
    assert "2 emails" in deployment.ok(*emails)
    assert deployment.store(lambda store, _: store.sharing.resume()) == 0


def test_search_and_threads(deployment: Deployment) -> None:
    """Words match in any order and case; mail that the viewer may not see is found neither by words nor by thread."""
    found = deployment.ok("search", "OFFER subject", "--viewer", LUC)
    assert "Subject offer" in found
    assert "Subject plain" not in found
    assert "Subject offer" in deployment.ok("search", "offer.pdf", "--viewer", LUC, "--record", KIM)
    assert "2 emails." in deployment.ok("thread", OFFER.key[:14], "--viewer", LUC)
    deployment.ok("account", "sharing", ANNA, "--sharing", "private")
    assert (
        deployment.ok("search", "offer", "--viewer", LUC)
        == "No email that luc@nw.example can see contains these words.\n"
    )
    refused = deployment.run("thread", OFFER.key, "--viewer", LUC)
    assert (refused.code, refused.errors) == (1, f"leadmail: there is no email {OFFER.key}.\n")
    assert deployment.run("search", " ", "--viewer", LUC).code == 2


def test_a_search_that_is_cut_short_says_so(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says on standard error how far it got and how to continue. JSON stays JSON."""
    monkeypatch.setattr("services.store.readers.email_search.MOST_READ", 1)
    monkeypatch.setattr("services.store.readers.email_search._BATCH", 1)
    first = deployment.run("search", "offer", "--viewer", LUC, "--json")
    assert (first.code, json.loads(first.out)) == (0, [])
    assert "This search read 1 email, back to" in first.errors
    before = first.errors.partition("--before '")[2].partition("'")[0]
    assert "Subject offer" in deployment.ok("search", "offer", "--viewer", LUC, "--before", before)
    assert deployment.run("search", "offer", "--viewer", LUC, "--before", "x").code == 2


def test_explained_to_a_user(deployment: Deployment) -> None:
    """Users who may not see an email get the same answer as if it did not exist; administrators get the full one."""
    deployment.ok("account", "sharing", ANNA, "--sharing", "private")
    hidden = deployment.ok("explain", KIM, OFFER.key, "--viewer", LUC, "--by", LUC)
    absent = deployment.ok("explain", KIM, "v1-" + "0" * 40, "--viewer", LUC, "--by", LUC)
    assert hidden.replace(OFFER.key[:14], "X") == absent.replace("v1-00000000000", "X")
    assert "private" not in hidden
    assert "the account is private" in deployment.ok("explain", KIM, OFFER.key[:14], "--viewer", LUC, "--by", ANNA)
    assert deployment.run("explain", KIM, OFFER.key, "--viewer", ANNA, "--by", LUC).code == 1
    assert "holds it" in deployment.ok("explain", KIM, OFFER.key[:14], "--viewer", ANNA, "--by", ANNA)


def test_an_email_is_deleted_by_who_may(deployment: Deployment) -> None:
    """Holders may delete it, other viewers may not; then it is deleted everywhere, and `explain` tells the operator why."""
    refused = deployment.run("email", "delete", OFFER.key, "--by", LUC, "--yes")
    assert refused.errors == (
        "leadmail: only an administrator, or the holder of its only copies, may delete an email for everyone: "
        "to hide your own copies, keep it private.\n"
    )
    assert deployment.run("email", "delete", OFFER.key, "--by", ANNA).code == 2
    deployment.ok("email", "delete", OFFER.key[:14], "--by", ANNA, "--yes")
    assert "1 email that" in deployment.ok("emails", KIM, "--viewer", ANNA)
    assert deployment.run("email", "show", OFFER.key, "--viewer", ANNA).code == 1
    assert deployment.run("email", "delete", PLAIN.key, "--by", "nobody@nw.example", "--yes").code == 1


def test_a_deletion_is_undone(deployment: Deployment) -> None:
    """Who deleted the email lists it with its subject and restores it. A colleague finds nothing to restore."""
    assert "no deleted email" in deployment.ok("email", "deleted", "--by", ANNA)
    told = deployment.ok("email", "delete", OFFER.key, "--by", ANNA, "--yes")
    assert f"Within 14 days, `leadmail email restore {OFFER.key[:14]} --by {ANNA}` undoes it." in told
    assert "Subject offer" in deployment.ok("email", "deleted", "--by", ANNA)
    shown = deployment.ok("email", "deleted", "--by", ANNA, "--json")
    check_result(shown, list[DeletedEmail])
    assert deployment.ok("email", "deleted", "--by", LUC, "--json").strip() == "[]"
    refused = deployment.run("email", "restore", OFFER.key[:14], "--by", LUC)
    assert (refused.code, refused.out) == (1, "")
    assert "there is no deleted email" in refused.errors
    assert "is restored" in deployment.ok("email", "restore", OFFER.key[:14], "--by", ANNA)
    assert deployment.run("email", "restore", OFFER.key, "--by", ANNA).code == 1


def test_a_deletion_without_a_grace_is_permanent(deployment: Deployment) -> None:
    """With LEADMAIL_UNDO_DAYS=0 nothing is kept."""
    told = deployment.run("email", "delete", OFFER.key, "--by", ANNA, "--yes", LEADMAIL_UNDO_DAYS="0").out
    assert told == f"{OFFER.key[:14]} is deleted.\n"
    assert deployment.run("email", "restore", OFFER.key, "--by", ANNA).code == 1


def test_aliases_are_claimed_and_proven(deployment: Deployment) -> None:
    """A sender address in Anna's Sent folder is offered. It is hers once she claims it and it is proven."""

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

    deployment.store(sent)
    shown = deployment.ok("account", "aliases", ANNA)
    assert "no other addresses" in shown
    assert "anna.lind@old.example  1" in shown
    add = ("account", "aliases", ANNA, "--add", "Anna.Lind@old.example")
    assert "add --by anna@nw.example" in deployment.run(*add).errors
    assert deployment.run(*add, "--by", LUC).code == 2
    said = deployment.ok(*add, "--by", ANNA)
    assert "anna.lind@old.example  not proven: has no effect" in said
    assert "leadmail account confirm-address anna@nw.example anna.lind@old.example" in said
    confirm = ("account", "confirm-address", ANNA, "Anna.Lind@old.example", "--by")
    assert "not an administrator" in deployment.run(*confirm, LUC).errors
    assert "counts as an address of anna@nw.example" in deployment.ok(*confirm, ANNA)
    assert "confirmed by an administrator" in deployment.ok("account", "aliases", ANNA)
    assert "account.proof" in deployment.ok("audit", "--action", "account.proof")
    assert "another user" in deployment.run("account", "aliases", ANNA, "--add", LUC, "--by", ANNA).errors
    (entry, *_) = deployment.run("account", "show", ANNA, "--json").json()["aliases"]
    assert entry == "anna.lind@old.example"
    assert "no other addresses" in deployment.ok(
        "account", "aliases", ANNA, "--remove", "anna.lind@old.example", "--by", ANNA
    )


def test_a_claimed_client_stays_a_client(deployment: Deployment, servers: LocalServers) -> None:
    """Luc claims Kim's address by command: Kim's page and what is stored stay. The code goes to Kim; guesses prove nothing."""

    async def connect(store: Store, _: SecretBox) -> None:
        await store.accounts.add(account_of(LUC))

    async def stored(store: Store, _: SecretBox) -> list[int]:
        await store.sharing.recompute([OFFER.key, PLAIN.key])
        stored = store._collections
        everything = (stored.emails, stored.links, stored.blob_files, stored.pending_work)
        return [await one.count_documents({}) for one in everything]

    deployment.store(connect)
    page, before = deployment.ok("emails", KIM, "--viewer", LUC), deployment.store(stored)
    mailed = {"LEADMAIL_MAIL_FROM": "Leadmail <leadmail@nw.example>"}
    said = deployment.run("account", "aliases", LUC, "--add", KIM, "--by", LUC, **mailed)
    assert f"A code was sent to {KIM}" in said.out, said.errors
    guessed = deployment.run("account", "aliases", LUC, "--code", "ABCD-EFGH-JKMN", "--by", LUC)
    assert (guessed.code, "wrong or no longer valid" in guessed.errors) == (1, True)
    assert (deployment.ok("emails", KIM, "--viewer", LUC), deployment.store(stored)) == (page, before)
    assert deployment.run("account", "show", LUC, "--json").json()["unproven"] == [KIM]
    found = {one["name"]: one for one in deployment.run("doctor", "--json").json()["checks"]}
    assert "1 address is claimed but not proven" in found["addresses"]["found"]
    sent = next(one for one in reversed(servers.sink.sent()) if one.recipients == (KIM,))
    code = re.search(rb"[A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]{4}", sent.raw)
    assert code is not None
    enter = ("account", "aliases", LUC, "--code", code[0].decode(), "--by", LUC)
    deployment.store(partial(_through_list, KIM.replace("@", ".")))
    assert f"{KIM} is a mailing list" in deployment.run(*enter).errors
    deployment.store(partial(_through_list, "team.customer.example"))
    proven = deployment.ok(*enter)
    assert f"{KIM}  proven by a code" in proven


async def _through_list(name: str, store: Store, _box: SecretBox) -> None:
    """Let Luc hold a copy of Kim's mail that came through a list."""
    collections, (luc,) = store._collections, [one for one in await store.accounts.get_all() if one.owner == LUC]
    head = f"From: {KIM}\r\nList-Id: Team\r\n <{name}>\r\n\r\n".encode()
    await store.blobs.put_many([(head, email_ref(OFFER.key))])
    copy = await collections.ledger.find_one({"email": OFFER.key, "state": "attached"})
    assert copy is not None
    mine = {
        **copy,
        "_id": copy_id(luc.id, copy["folder"], 1, 1),
        "account": luc.id,
        "head": hashlib.sha256(head).hexdigest(),
    }
    await collections.ledger.replace_one({"_id": mine["_id"]}, mine, upsert=True)
    await collections.emails.update_one({"_id": OFFER.key}, {"$set": {"marks.mailing_list": True}})


def test_suggestions_tell_nothing_of_records_that_the_crm_hides(deployment: Deployment) -> None:
    """An address is suggested to those who may not read its record, as if it had none; in text and JSON, here and as an alias."""
    jo, old = "jo@new.example", "anna.lind@old.example"
    hides = {"LEADMAIL_CRM_READERS_FIELD": "readers"}

    async def by_thread(store: Store, box: SecretBox) -> None:
        """Let Jo answer in Kim's thread, and let Anna have sent a mail from an address that is no one's yet."""
        collections = store._collections
        found = {"matches.0.role": "thread", "vouchers": [{"owner": ANNA, "address": KIM}]}
        await collections.links.update_one({"email": PLAIN.key}, {"$set": found})
        for key, sender in ((PLAIN.key, jo), (OFFER.key, old)):
            await collections.emails.update_one({"_id": key}, {"$set": {"participants.0.address": sender}})
        await collections.folders.update_many({}, {"$set": {"role": "sent"}})
        people = (Participant(address=ANNA, role=Role.FROM), Participant(address=KIM, role=Role.TO))
        await sent_before(store, PLAIN.key, content("sent", participants=people), like=OFFER.key, by=ANNA)

    deployment.store(by_thread)

    def suggested(viewer: str) -> tuple[bool, list[str]]:
        text = deployment.run("emails", KIM, "--viewer", viewer, **hides).out
        (page,) = deployment.run("emails", KIM, "--viewer", viewer, "--json", **hides).json()
        return f"{jo} (" in text and "replies in these threads" in text, [
            one["address"] for one in page["suggested_addresses"]
        ]

    def aliases() -> tuple[bool, bool]:
        found = deployment.run("account", "aliases", ANNA, "--json", **hides).json()["candidates"]
        return old in deployment.run("account", "aliases", ANNA, **hides).out, old in [one["address"] for one in found]

    assert (suggested(LUC), suggested(ANNA), aliases()) == ((True, [jo]), (True, [jo]), (True, True))
    deployment.store(partial(_records, {jo: ANNA, old: LUC}))
    assert (suggested(LUC), suggested(ANNA), aliases()) == ((True, [jo]), (False, []), (True, True))
    hidden, absent = (deployment.run("emails", name, "--viewer", LUC, **hides) for name in (jo, "no@one.example"))
    assert (hidden.code, hidden.errors.replace(jo, "no@one.example"), hidden.out) == (1, absent.errors, absent.out)
    hidden, absent = (
        deployment.run("search", "x", "--viewer", LUC, "--record", name, **hides) for name in (jo, "no@one.example")
    )
    assert (hidden.code, hidden.errors.replace(jo, "no@one.example"), hidden.out) == (1, absent.errors, absent.out)
    deployment.store(partial(_records, {old: ANNA}))
    assert aliases() == (False, False)


async def _records(readers: Mapping[str, str], store: Store, _box: SecretBox) -> None:
    """Add a lead for each address that only one user may read."""
    for address, reader in readers.items():
        record = await store.records.add("lead", NewRecord((address,)))
        lead = {"_id": ObjectId(record.ref.id)}
        await store._collections.records["lead"].update_one(lead, {"$set": {"readers": [reader]}})
        await store.record_addresses.put_many([record])

"""``leadmail lead`` and ``contact``: ``edit`` and ``delete`` change what Leadmail added itself, and nothing of the CRM's."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.records import Record
from services.mailbox.connection import SecretBox
from services.store import AuditEntry, Store
from tests.cli.fixtures import ANNA, KIM, LUC, Deployment

CRM_ID = "crm-7"


def shown(deployment: Deployment, name: str) -> dict[str, Any]:
    """Return the one contact of a name."""
    (found,) = deployment.run("contact", "show", name, "--json").json()
    return dict(found)


def documents(deployment: Deployment) -> list[dict[str, Any]]:
    """Return the CRM's contacts as they are stored."""

    async def read(store: Store, _: SecretBox) -> list[dict[str, Any]]:
        return await store._collections.records["contact"].find({}).to_list()

    return deployment.store(read)


def audited(deployment: Deployment) -> list[AuditEntry]:
    """Return what the audit log says of changes of records."""

    async def read(store: Store, _: SecretBox) -> list[AuditEntry]:
        return await store.audit.newest(action="record")

    return deployment.store(read)


def test_a_record_is_changed(deployment: Deployment) -> None:
    """Only what is given changes. Its earlier address still finds it, and other fields of its document stay."""

    async def summary(store: Store, _: SecretBox) -> None:
        await store._collections.records["contact"].update_one({}, {"$set": {"leadmail": {"emails": 2}, "phone": "1"}})

    async def index(store: Store, _: SecretBox) -> None:
        await store.record_addresses.put_many([Record.model_validate(shown(deployment, "kim@new.example"))])

    deployment.store(summary)
    said = deployment.ok(
        "contact",
        "edit",
        KIM,
        "--email",
        "Kim@New.example",
        "--email",
        "k@new.example",
        "--owner",
        LUC,
        "--company",
        "",
    )
    assert f"addresses: {KIM} -> kim@new.example, k@new.example" in said
    assert f"Mail of {KIM} stays on it" in said
    contact = shown(deployment, "kim@new.example")
    assert contact["addresses"] == ["kim@new.example", "k@new.example"]
    assert (contact["name"], contact["owner"], contact["company"]) == ("Kim Sund", LUC, None)
    (document,) = documents(deployment)
    assert (document["leadmail"], document["phone"]) == ({"emails": 2}, "1")
    assert shown(deployment, KIM)["ref"] == contact["ref"]
    deployment.ok("contact", "edit", "kim@new.example", "--email", "kim@new.example", "--name", "Kim Lund")
    contact = shown(deployment, "kim@new.example")
    assert (contact["addresses"], contact["name"], contact["owner"]) == (["kim@new.example"], "Kim Lund", LUC)
    assert [(one.action, one.details["fields"]) for one in audited(deployment)] == [
        ("record.edit", ["addresses", "name"]),
        ("record.edit", ["addresses", "owner", "company"]),
    ]


def test_a_deletion_says_first_what_disappears(deployment: Deployment) -> None:
    """A dry run and an unconfirmed call delete nothing."""
    assert "has 2 emails. 2 emails of these are on no other record" in deployment.ok(
        "contact", "delete", KIM, "--dry-run"
    )
    assert deployment.run("contact", "delete", KIM, stdin="").code == 2
    assert len(documents(deployment)) == 1
    assert "is deleted" in deployment.ok("contact", "delete", KIM, "--yes")
    assert documents(deployment) == []
    assert [one.action for one in audited(deployment)] == ["record.delete"]


def test_a_dry_run_changes_nothing(deployment: Deployment) -> None:
    """It says what would change."""
    before = documents(deployment)
    assert "name: Kim Sund -> Kim Lund" in deployment.ok("contact", "edit", KIM, "--name", "Kim Lund", "--dry-run")
    assert (documents(deployment), audited(deployment)) == (before, [])


@pytest.mark.parametrize(
    "call", [("edit", CRM_ID, "--name", "Eve"), ("delete", CRM_ID, "--yes")], ids=lambda one: one[0]
)
def test_what_the_crm_made_is_refused(deployment: Deployment, call: tuple[str, ...]) -> None:
    """A document without Leadmail's mark is the CRM's."""

    async def put(store: Store, _: SecretBox) -> None:
        await store._collections.records["contact"].insert_one({"_id": CRM_ID, "email": "eve@x.example", "name": "Ada"})

    deployment.store(put)
    before = documents(deployment)
    done = deployment.run("contact", *call)
    assert (done.code, "change it in the CRM" in done.errors) == (1, True)
    assert (documents(deployment), audited(deployment)) == (before, [])


@pytest.mark.parametrize(
    ("call", "code", "said"),
    [
        (("edit", KIM), 2, "nothing to change"),
        (("edit", KIM, "--email", "nobody"), 2, "nobody"),
        (("edit", KIM, "--owner", "no@x.example"), 1, "there is no user"),
        (("edit", ANNA, "--name", "x"), 1, "there is no lead or contact"),
        (("delete", "0" * 24, "--yes"), 1, "there is no lead or contact"),
    ],
)
def test_what_cannot_be_done_is_refused(deployment: Deployment, call: tuple[str, ...], code: int, said: str) -> None:
    """One sentence, and nothing changes."""
    before = documents(deployment)
    done = deployment.run("contact", *call)
    assert (done.code, said in done.errors) == (code, True), done.errors
    assert documents(deployment) == before

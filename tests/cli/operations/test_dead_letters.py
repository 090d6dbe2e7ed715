"""Dead letters are replayed or dropped together with their copies and blobs."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import aiormq
from pymongo import MongoClient

from schemas.ledger import RowState
from services.store import DeadLetter, Store, copy_ref, dead_ref, email_ref
from services.store.core.documents import now
from tests.cli.fixtures import OFFER, RAW, Deployment

QUEUE = "parser.mail-fetched.backfill"


def the_dead_letter(deployment: Deployment) -> dict[str, Any]:
    """Return the one dead letter."""
    (found,) = deployment.run("dead-letters", "list", "--json").json()
    assert isinstance(found, dict)
    return found


def row_state(deployment: Deployment, row: str) -> tuple[RowState, str | None]:
    """Return a copy's state and reason."""

    async def read(store: Store, _: Any) -> tuple[RowState, str | None]:
        found = await store.ledger.get(row)
        assert found is not None
        return found.state, found.reason

    return deployment.store(read)


def taken(deployment: Deployment, queue: str) -> Any:
    """Take the one message out of a queue."""

    async def take() -> Any:
        connection = await aiormq.connect(deployment.environment["LEADMAIL_RABBITMQ_URL"])
        channel = await connection.channel()
        message = await channel.basic_get(queue, no_ack=True)
        await connection.close()
        return message

    return asyncio.run(take())


def refs(deployment: Deployment, name: str) -> list[str]:
    """Return what holds a blob."""
    with MongoClient[dict[str, Any]](deployment.environment["LEADMAIL_MONGO_URL"]) as client:
        found = client[deployment.environment["LEADMAIL_MONGO_DATABASE"]]["blobs.files"].find_one({"_id": name})
    assert found is not None
    return sorted(found["refs"])


def test_shown(deployment: Deployment) -> None:
    """Why it failed, what it is about, and its body on request."""
    letter = the_dead_letter(deployment)
    shown = deployment.ok("dead-letters", "show", letter["id"])
    for words in (QUEUE, "parser-died", letter["row"], str(len(RAW)), "anna@nw.example, folder INBOX, message "):
        assert words in shown
    assert deployment.ok("dead-letters", "show", letter["id"], "--body").encode() == RAW.replace(
        b"\r\n", b"\n"
    )  # as the runner reads it


def test_replayed(deployment: Deployment) -> None:
    """The message is in its queue as it was, its copy is unfinished, and the dead letter is gone."""
    letter = the_dead_letter(deployment)
    assert deployment.ok("dead-letters", "replay", "all") == f"{letter['id']} was sent to {QUEUE} again.\n"
    assert row_state(deployment, letter["row"]) == (RowState.PUBLISHED, None)
    message = taken(deployment, QUEUE)
    assert message.body == RAW
    assert message.header.properties.headers["ce-id"] == f"{letter['row']}/1"
    assert deployment.ok("dead-letters", "list") == "There are no dead letters.\n"
    assert deployment.ok("dead-letters", "replay", "all") == "There are no dead letters.\n"


def test_a_wrong_id_sends_nothing(deployment: Deployment) -> None:
    """Either all named dead letters are replayed, or none."""
    letter = the_dead_letter(deployment)
    assert deployment.run("dead-letters", "replay", letter["id"], "nonsense").code == 1
    assert the_dead_letter(deployment) == letter
    assert row_state(deployment, letter["row"])[0] is RowState.QUARANTINED


def test_dropped(deployment: Deployment) -> None:
    """Its copy ends as skipped and says who decided; without a terminal the command needs --yes."""
    letter = the_dead_letter(deployment)
    assert deployment.run("dead-letters", "drop", letter["id"]).code == 2
    deployment.ok("dead-letters", "drop", letter["id"], "--yes", "--by", "anna@nw.example")
    assert row_state(deployment, letter["row"]) == (RowState.SKIPPED, "dropped by anna@nw.example")
    assert deployment.ok("dead-letters", "list") == "There are no dead letters.\n"


def audited(deployment: Deployment, letter: str) -> list[tuple[str, str]]:
    """Return what was done to a dead letter, and by whom."""

    async def read(store: Store, _: Any) -> list[tuple[str, str]]:
        return [(entry.action, entry.by) for entry in await store.audit.newest(subject=f"dead-letter:{letter}")]

    return deployment.store(read)


def test_who_decided_is_audited(deployment: Deployment) -> None:
    """Replaying and dropping are in the audit log with the name that was given; a name is one short line."""
    letter = the_dead_letter(deployment)
    deployment.ok("dead-letters", "replay", letter["id"], "--by", "anna@nw.example")
    assert audited(deployment, letter["id"]) == [("dead-letter.replay", "anna@nw.example")]
    hold(deployment, DeadLetter(id="other", queue=QUEUE, reason="x", at=now()))
    assert deployment.run("dead-letters", "drop", "other", "--yes", "--by", " ").code == 2
    assert deployment.run("dead-letters", "drop", "other", "--yes", "--by", "x" * 101).code == 2
    assert audited(deployment, "other") == []
    deployment.ok("dead-letters", "drop", "other", "--yes", "--by", "anna@nw.example")
    assert audited(deployment, "other") == [("dead-letter.drop", "anna@nw.example")]


def test_what_consumers_died_of_is_replayed_alone(deployment: Deployment) -> None:
    """It goes to the isolation queue, where it cannot harm other mail."""
    hold(deployment, DeadLetter(id="killer", queue=QUEUE, reason="delivery-limit", body=b"boom", at=now()))
    deployment.ok("dead-letters", "replay", "killer")
    assert taken(deployment, f"{QUEUE}.isolated").body == b"boom"


def test_what_came_from_nowhere_is_left(deployment: Deployment) -> None:
    """A dead letter without a known queue cannot be replayed; with `all` the others are."""
    known = the_dead_letter(deployment)
    hold(deployment, DeadLetter(id="lost", queue="", reason="unknown", at=now()))
    answer = deployment.ok("dead-letters", "replay", "all")
    assert "lost was skipped" in answer
    assert f"{known['id']} was sent to {QUEUE} again" in answer
    assert the_dead_letter(deployment)["id"] == "lost"


def hold(deployment: Deployment, letter: DeadLetter, *blobs: bytes) -> list[str]:
    """Store a dead letter that holds blobs; return their names."""

    async def store_it(store: Store, _: Any) -> list[str]:
        await store.dead_letters.add(letter)
        return await store.blobs.put_many([(blob, dead_ref(letter.id)) for blob in blobs])

    return deployment.store(store_it)


def large(deployment: Deployment) -> DeadLetter:
    """Return the dead letter of a mail that is too large for a message."""
    row = the_dead_letter(deployment)["row"]
    blob = hashlib.sha256(b"a large mail").hexdigest()
    headers = {"leadmail": json.dumps({"blob": blob, "size": 12}), "content-type": "message/rfc822"}
    return DeadLetter(
        id="large", queue=QUEUE, reason="x", headers=headers, content_type="message/rfc822", row=row, at=now()
    )


def test_a_large_mail_follows_its_dead_letter(deployment: Deployment) -> None:
    """Its body is read from the blob store. After a replay the copy holds it again; after a drop nothing does."""
    letter = large(deployment)
    (blob,) = hold(deployment, letter, b"a large mail")
    assert deployment.ok("dead-letters", "show", "large", "--body") == "a large mail"
    assert deployment.run("dead-letters", "show", "large", "--json").json()["octets"] == 12
    deployment.ok("dead-letters", "replay", "large")
    assert refs(deployment, blob) == [copy_ref(letter.row or "")]
    hold(deployment, letter, b"a large mail")
    deployment.ok("dead-letters", "drop", "large", "--yes")
    assert dead_ref("large") not in refs(deployment, blob)


def test_a_parsed_mail_follows_its_dead_letter(deployment: Deployment) -> None:
    """After a replay its email holds the blobs again, for the matcher to attach or release."""
    body = json.dumps({"content": OFFER.model_dump(mode="json")}).encode()
    letter = DeadLetter(id="parsed", queue="matcher.mail-parsed.live", reason="x", body=body, at=now())
    names = hold(deployment, letter, RAW)
    deployment.ok("dead-letters", "replay", "parsed")
    assert email_ref(OFFER.key) in refs(deployment, names[0])
    assert dead_ref("parsed") not in refs(deployment, names[0])


def test_what_is_no_message_at_all(deployment: Deployment) -> None:
    """A body that no stage can decode is shown and dropped like any other."""
    letter = DeadLetter(
        id="junk", queue=QUEUE, reason="undecodable", headers={"leadmail": "{"}, body=b"\xff[]", at=now()
    )
    hold(deployment, letter)
    assert deployment.run("dead-letters", "show", "junk", "--json").json()["octets"] == 3
    deployment.ok("dead-letters", "replay", "junk")
    assert taken(deployment, QUEUE).body == b"\xff[]"

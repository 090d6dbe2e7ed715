"""Dead letters: sent again, or given up, with their copies and their blobs."""

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
from tests.cli.fixtures import OFFER, RAW, World

QUEUE = "parser.mail-fetched.backfill"


def letter_of(world: World) -> dict[str, Any]:
    """Return the one dead letter."""
    (found,) = world.run("dead-letters", "list", "--json").json()
    assert isinstance(found, dict)
    return found


def row_state(world: World, row: str) -> tuple[RowState, str | None]:
    """Return a copy's state and reason."""

    async def read(store: Store, _: Any) -> tuple[RowState, str | None]:
        found = await store.ledger.get(row)
        assert found is not None
        return found.state, found.reason

    return world.store(read)


def taken(world: World, queue: str) -> Any:
    """Take the one message out of a queue."""

    async def take() -> Any:
        connection = await aiormq.connect(world.environment["LEADMAIL_RABBITMQ_URL"])
        channel = await connection.channel()
        message = await channel.basic_get(queue, no_ack=True)
        await connection.close()
        return message

    return asyncio.run(take())


def refs(world: World, name: str) -> list[str]:
    """Return who needs a blob."""
    with MongoClient[dict[str, Any]](world.environment["LEADMAIL_MONGO_URL"]) as client:
        found = client[world.environment["LEADMAIL_MONGO_DATABASE"]]["blobs.files"].find_one({"_id": name})
    assert found is not None
    return sorted(found["refs"])


def test_shown(world: World) -> None:
    """Why it died, what it is about, and its body on request."""
    letter = letter_of(world)
    shown = world.ok("dead-letters", "show", letter["id"])
    for words in (QUEUE, "parser-died", letter["row"], str(len(RAW)), "anna@nw.example, folder INBOX, message "):
        assert words in shown
    assert world.ok("dead-letters", "show", letter["id"], "--body").encode() == RAW.replace(
        b"\r\n", b"\n"
    )  # as the runner reads it


def test_replayed(world: World) -> None:
    """The message is in its queue again as it was, its copy is unfinished, and the letter is gone."""
    letter = letter_of(world)
    assert world.ok("dead-letters", "replay", "all") == f"{letter['id']} was sent to {QUEUE} again.\n"
    assert row_state(world, letter["row"]) == (RowState.PUBLISHED, None)
    message = taken(world, QUEUE)
    assert message.body == RAW
    assert message.header.properties.headers["ce-id"] == f"{letter['row']}/1"
    assert world.ok("dead-letters", "list") == "There are no dead letters.\n"
    assert world.ok("dead-letters", "replay", "all") == "There are no dead letters.\n"


def test_a_wrong_id_sends_nothing(world: World) -> None:
    """All that were named are replayed, or none."""
    letter = letter_of(world)
    assert world.run("dead-letters", "replay", letter["id"], "nonsense").code == 1
    assert letter_of(world) == letter
    assert row_state(world, letter["row"])[0] is RowState.QUARANTINED


def test_dropped(world: World) -> None:
    """Its copy ends as skipped, and says who decided so; without anybody to ask it takes --yes."""
    letter = letter_of(world)
    assert world.run("dead-letters", "drop", letter["id"]).code == 2
    world.ok("dead-letters", "drop", letter["id"], "--yes", "--by", "anna@nw.example")
    assert row_state(world, letter["row"]) == (RowState.SKIPPED, "dropped by anna@nw.example")
    assert world.ok("dead-letters", "list") == "There are no dead letters.\n"


def audited(world: World, letter: str) -> list[tuple[str, str]]:
    """Return what was done to a dead letter, and by whom."""

    async def read(store: Store, _: Any) -> list[tuple[str, str]]:
        return [(entry.action, entry.by) for entry in await store.audit.newest(subject=f"dead-letter:{letter}")]

    return world.store(read)


def test_who_decided_is_audited(world: World) -> None:
    """Replaying and dropping are in the audit log with the name that was given; a name is one short line."""
    letter = letter_of(world)
    world.ok("dead-letters", "replay", letter["id"], "--by", "anna@nw.example")
    assert audited(world, letter["id"]) == [("dead-letter.replay", "anna@nw.example")]
    hold(world, DeadLetter(id="other", queue=QUEUE, reason="x", at=now()))
    assert world.run("dead-letters", "drop", "other", "--yes", "--by", " ").code == 2
    assert world.run("dead-letters", "drop", "other", "--yes", "--by", "x" * 101).code == 2
    assert audited(world, "other") == []
    world.ok("dead-letters", "drop", "other", "--yes", "--by", "anna@nw.example")
    assert audited(world, "other") == [("dead-letter.drop", "anna@nw.example")]


def test_what_consumers_died_of_is_replayed_alone(world: World) -> None:
    """It goes to the queue of suspects, where it can harm no other mail."""
    hold(world, DeadLetter(id="killer", queue=QUEUE, reason="delivery-limit", body=b"boom", at=now()))
    world.ok("dead-letters", "replay", "killer")
    assert taken(world, f"{QUEUE}.isolated").body == b"boom"


def test_what_came_from_nowhere_is_left(world: World) -> None:
    """A letter of which no queue is known cannot be sent there; the others of `all` go."""
    known = letter_of(world)
    hold(world, DeadLetter(id="lost", queue="", reason="unknown", at=now()))
    answer = world.ok("dead-letters", "replay", "all")
    assert "lost was skipped" in answer
    assert f"{known['id']} was sent to {QUEUE} again" in answer
    assert letter_of(world)["id"] == "lost"


def hold(world: World, letter: DeadLetter, *blobs: bytes) -> list[str]:
    """Store a dead letter that holds blobs; returns their names."""

    async def store_it(store: Store, _: Any) -> list[str]:
        await store.dead_letters.add(letter)
        return await store.blobs.put_many([(blob, dead_ref(letter.id)) for blob in blobs])

    return world.store(store_it)


def large(world: World) -> DeadLetter:
    """Return the dead letter of a mail that is too large for a message."""
    row = letter_of(world)["row"]
    blob = hashlib.sha256(b"a large mail").hexdigest()
    headers = {"leadmail": json.dumps({"blob": blob, "size": 12}), "content-type": "message/rfc822"}
    return DeadLetter(
        id="large", queue=QUEUE, reason="x", headers=headers, content_type="message/rfc822", row=row, at=now()
    )


def test_a_large_mail_follows_its_letter(world: World) -> None:
    """Its body is read from the blob store; replayed, the copy holds it again; dropped, nobody does."""
    letter = large(world)
    (blob,) = hold(world, letter, b"a large mail")
    assert world.ok("dead-letters", "show", "large", "--body") == "a large mail"
    assert world.run("dead-letters", "show", "large", "--json").json()["octets"] == 12
    world.ok("dead-letters", "replay", "large")
    assert refs(world, blob) == [copy_ref(letter.row or "")]
    hold(world, letter, b"a large mail")
    world.ok("dead-letters", "drop", "large", "--yes")
    assert dead_ref("large") not in refs(world, blob)


def test_a_parsed_mail_follows_its_letter(world: World) -> None:
    """Replayed, the blobs of a parsed mail are held by its email again, for the matcher to attach or release."""
    body = json.dumps({"content": OFFER.model_dump(mode="json")}).encode()
    letter = DeadLetter(id="parsed", queue="matcher.mail-parsed.live", reason="x", body=body, at=now())
    names = hold(world, letter, RAW)
    world.ok("dead-letters", "replay", "parsed")
    assert email_ref(OFFER.key) in refs(world, names[0])
    assert dead_ref("parsed") not in refs(world, names[0])


def test_what_is_no_message_at_all(world: World) -> None:
    """A body that no stage could decode is shown and dropped like any other."""
    letter = DeadLetter(
        id="junk", queue=QUEUE, reason="undecodable", headers={"leadmail": "{"}, body=b"\xff[]", at=now()
    )
    hold(world, letter)
    assert world.run("dead-letters", "show", "junk", "--json").json()["octets"] == 3
    world.ok("dead-letters", "replay", "junk")
    assert taken(world, QUEUE).body == b"\xff[]"

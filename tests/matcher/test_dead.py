"""Dead letters are kept whole, their row is quarantined, and their backfill completes (I6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from schemas.ledger import EpochState
from schemas.messages import Lane, MailFetched, MailParsed, RecordChanged
from schemas.routes import routes_to
from services.amqp import DeadLetterDelivery, Delivery, Done
from services.amqp.delivery import codec
from services.matcher import dead_letters, handler
from services.store import copy_ref, dead_ref, email_ref
from services.store.core.documents import now
from tests.amqp.memory import MemoryBus
from tests.matcher.fixtures import World, delivery_of, mail
from tests.matcher.hooks import CrashError, Once, hooked

ANN, CARLA = "ann@firm.example", "carla@client.example"
QUEUE = "matcher.mail-parsed.live"


def letter(
    about: MailParsed | MailFetched | RecordChanged, body: bytes | None = None, **fields: object
) -> DeadLetterDelivery:
    """Return a dead letter as the runtime hands it over."""
    envelope = codec.encode(about, body, source="/leadmail/test")
    headers = {**envelope.headers, "content-type": envelope.content_type}
    values: dict[str, Any] = {
        "queue": QUEUE,
        "reason": "parser-died",
        "error": "ParserDied",
        "attempt": 6,
        "message": about,
    }
    return DeadLetterDelivery(**{**values, "body": envelope.body, "headers": headers, **fields})


async def sealed(world: World, account: str) -> None:
    """Leave a backfill waiting for its last rows."""
    await world.database["epochs"].insert_one(
        {
            "_id": f"{account}.1",
            "account": account,
            "number": 1,
            "state": EpochState.SEALED.value,
            "notification": "none",
        }
    )


async def test_a_dead_letter_ends_its_row_and_its_backfill_once(world: World) -> None:
    """Handled twice, there is still one document, one quarantined row and one completion."""
    ann = await world.account(ANN)
    await sealed(world, ann.id)
    copy = await world.copy(ann, mail("1", CARLA, ANN), epoch=1)
    bus = MemoryBus()
    for _ in range(2):
        await dead_letters.store_dead_letter(letter(copy), store=world.store, bus=bus)
    (stored,) = await world.store.dead_letters.newest()
    row = await world.store.ledger.get(copy.source.id)
    assert row is not None
    assert (row.state, row.reason) == ("quarantined", "parser-died")
    assert (stored.row, stored.account, stored.reason, stored.queue) == (copy.source.id, ann.id, "parser-died", QUEUE)
    assert [message.id for message in bus.published] == [f"{ann.id}.1.completed"]


async def test_what_failed_tries_stored_is_taken_back(world: World) -> None:
    """Email and links of a quarantined copy are removed, unless another user holds the email."""
    ann, bob = await world.account(ANN), await world.account("bob@firm.example")
    await world.record(CARLA)
    alone, shared = mail("1", CARLA, ANN), mail("2", CARLA, ANN)
    await world.match(await world.copy(bob, shared))
    copies = [await world.copy(ann, alone), await world.copy(ann, shared)]

    async def die() -> None:
        raise CrashError

    with pytest.raises(CrashError):
        await handler.handle(
            [delivery_of(copy) for copy in copies],
            store=hooked(world.store, Once("before matcher_ledger.finish", die)),
            summaries=world.summaries,
        )
    assert set((await world.snapshot()).emails) == {alone.key, shared.key}
    for copy in copies:
        await dead_letters.store_dead_letter(letter(copy), store=world.store, bus=MemoryBus())
    snapshot = await world.snapshot()
    assert set(snapshot.emails) == {shared.key}
    assert {key: owners for (_, key), (_, owners, _) in snapshot.links.items()} == {shared.key: (bob.owner,)}


async def test_what_is_kept_is_enough_to_send_it_again(world: World) -> None:
    """Replayed from its stored queue, headers and body, the message equals the one that failed."""
    ann = await world.account(ANN)
    copy = await world.copy(ann, mail("1", CARLA, ANN))
    bus = MemoryBus()
    await dead_letters.store_dead_letter(letter(copy), store=world.store, bus=bus)
    (head,) = await world.store.dead_letters.newest()
    stored = await world.store.dead_letters.get(head.id)
    seen: list[Delivery[MailParsed]] = []

    async def handle(deliveries: Sequence[Delivery[Any]]) -> list[Done]:
        seen.extend(deliveries)
        return [Done()] * len(deliveries)

    route = next(each for each in routes_to("matcher") if each.queue == QUEUE)
    await bus.consume_batches(route, handle, size=10)
    await bus.replay(stored.queue, stored.body, stored.headers)
    await bus.join()
    assert [(delivery.message, delivery.attempt) for delivery in seen] == [(copy, 1)]


@pytest.mark.parametrize("large", [False, True])
async def test_the_raw_mail_of_a_dead_letter_is_kept(world: World, *, large: bool) -> None:
    """It is in the document if the message carried it; otherwise the dead letter now holds its blob."""
    ann = await world.account(ANN)
    parsed = await world.copy(ann, mail("1", CARLA, ANN))
    raw = b"From: x" * 1000
    (name,) = await world.store.blobs.put_many([(raw, copy_ref(parsed.source.id))])
    fetched = MailFetched(
        id=parsed.id,
        source=parsed.source,
        lane=Lane.LIVE,
        internal_date=now(),
        noticed_at=now(),
        size=len(raw),
        blob=name if large else None,
    )
    await dead_letters.store_dead_letter(letter(fetched, b"" if large else raw), store=world.store, bus=MemoryBus())
    (head,) = await world.store.dead_letters.newest()
    stored = await world.store.dead_letters.get(head.id)
    if large:
        file = await world.database["blobs.files"].find_one({"_id": name})
        assert file is not None
        assert file["refs"] == [dead_ref(stored.id)]
        assert "orphaned_at" not in file or file["orphaned_at"] is None
        assert await world.store.blobs.get(name) == raw
    else:
        assert stored.body == raw


async def test_the_blobs_of_a_parsed_mail_outlive_its_failure(world: World) -> None:
    """The dead letter holds them; the email's own reference waits for the sweep."""
    ann = await world.account(ANN)
    parsed = await world.copy(ann, mail("1", CARLA, ANN))
    await dead_letters.store_dead_letter(letter(parsed), store=world.store, bus=MemoryBus())
    (stored,) = await world.store.dead_letters.newest()
    file = await world.database["blobs.files"].find_one({"_id": parsed.content.raw})
    assert file is not None
    assert set(file["refs"]) == {dead_ref(stored.id), email_ref(parsed.content.key)}


async def test_a_message_that_cannot_be_decoded_still_ends_its_row(world: World) -> None:
    """Its id names the copy that it was about."""
    ann = await world.account(ANN)
    copy = await world.copy(ann, mail("1", CARLA, ANN))
    broken = letter(copy, message=None, body=b"{", reason="undecodable")
    await dead_letters.store_dead_letter(broken, store=world.store, bus=MemoryBus())
    row = await world.store.ledger.get(copy.source.id)
    assert row is not None
    assert (row.state, row.reason) == ("quarantined", "undecodable")


async def test_a_row_that_was_finished_otherwise_stays_as_it_is(world: World) -> None:
    """A late dead letter of an earlier attempt takes nothing from an attached copy, and is not kept."""
    ann = await world.account(ANN)
    await world.record(CARLA)
    copy = await world.copy(ann, mail("1", CARLA, ANN))
    await world.match(copy)
    await dead_letters.store_dead_letter(letter(copy), store=world.store, bus=MemoryBus())
    await world.rest()
    assert await world.snapshot() == world.truth()
    assert await world.store.dead_letters.newest() == []


async def test_two_failed_attempts_are_one_dead_letter(world: World) -> None:
    """If the reaper fetches a copy again before its first attempt dies, only the newest dead letter stays, with its blobs (I6)."""
    ann = await world.account(ANN)
    copy = await world.copy(ann, mail("1", CARLA, ANN))
    again = copy.model_copy(update={"id": copy.id + "0"})
    for one in (copy, again, again):
        await dead_letters.store_dead_letter(letter(one), store=world.store, bus=MemoryBus())
    (left,) = await world.store.dead_letters.newest()
    assert left.id == f"{QUEUE}/{again.id}"
    file = await world.database["blobs.files"].find_one({"_id": copy.content.raw})
    assert file is not None
    assert dead_ref(left.id) in file["refs"]
    assert dead_ref(f"{QUEUE}/{copy.id}") not in file["refs"]


@pytest.mark.parametrize("end", ["gone", "purged"])
async def test_a_dead_letter_is_deleted_with_its_copy(world: World, end: str) -> None:
    """If the owner deletes the mail or the account is removed, the dead letter and its content are removed, too."""
    ann = await world.account(ANN)
    copy, other = [await world.copy(ann, mail(each, CARLA, ANN)) for each in ("1", "2")]
    for one in (copy, other):
        await dead_letters.store_dead_letter(letter(one), store=world.store, bus=MemoryBus())
    ledger = world.database["ledger"]
    if end == "gone":
        await ledger.update_one({"_id": copy.source.id}, {"$set": {"state": "gone"}})
    else:
        await ledger.delete_one({"_id": copy.source.id})
    assert await dead_letters.sweep_dead_letters(store=world.store) == 1
    (left,) = await world.store.dead_letters.newest()
    assert left.row == other.source.id


async def test_a_replayed_dead_letter_stays_until_its_outcome_is_known(world: World) -> None:
    """A replayed dead letter stays while its copy is unfinished, as the replay may have crashed; it is removed once attached."""
    ann = await world.account(ANN)
    await world.record(CARLA)
    copy = await world.copy(ann, mail("1", CARLA, ANN))
    await dead_letters.store_dead_letter(letter(copy), store=world.store, bus=MemoryBus())
    await world.store.operator_ledger.requeue_quarantined(copy.source.id)
    assert await dead_letters.sweep_dead_letters(store=world.store) == 0
    await world.match(copy)
    assert await dead_letters.sweep_dead_letters(store=world.store) == 1


async def test_a_message_about_no_copy_is_kept_without_a_row(world: World) -> None:
    """Record events have no row, but can be replayed as well."""
    event = RecordChanged(id="lead:x@1", kind="lead", record="x", at=now())
    await dead_letters.store_dead_letter(letter(event), store=world.store, bus=MemoryBus())
    (stored,) = await world.store.dead_letters.newest()
    assert (stored.row, stored.account) == (None, None)


async def test_a_replay_that_fails_at_once_is_another_dead_letter(world: World) -> None:
    """The replay deletes the dead letter after publishing; if the message is dead again by then, the new dead letter stays."""
    ann = await world.account(ANN)
    copy = await world.copy(ann, mail("1", CARLA, ANN))
    bus = MemoryBus()
    await dead_letters.store_dead_letter(letter(copy), store=world.store, bus=bus)
    (first,) = await world.store.dead_letters.newest()
    again = codec.for_replay(first.queue, first.headers, b"").headers
    await dead_letters.store_dead_letter(letter(copy, headers=again), store=world.store, bus=bus)
    await world.store.dead_letters.remove([first.id])
    (left,) = await world.store.dead_letters.newest()
    assert (left.row, left.reason) == (copy.source.id, "parser-died")

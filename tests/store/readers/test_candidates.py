"""The look-ups that every reader starts with: candidates in order and in parts, and the lines made of them."""

from __future__ import annotations

import pytest

from schemas.emails import Match
from schemas.mail import Content, Role
from schemas.records import RecordRef
from schemas.sharing import Mode
from services.store import Store
from services.store.access.guard import LinkDecision
from services.store.access.teams import ActiveViewer
from services.store.readers import visible_lines
from services.store.readers.candidates import EVERYTHING, Candidates, Position, Scope, on_record
from services.store.readers.visible_lines import VisibleLines
from tests.store.fixtures import World, content

ANN, BOB = "ann@corp.com", "bob@corp.com"


@pytest.fixture
def candidates(store: Store) -> Candidates:
    """The candidates that all readers share."""
    return store.reading._candidates


@pytest.fixture
def lines(store: Store) -> VisibleLines:
    """The lines that all readers share."""
    return store.reading._lines


@pytest.fixture
async def mails(world: World) -> list[Content]:
    """Six mails on two records: Ann's own, which are private, and Bob's, who shares; some of the same moment.

    Their ids begin alike, and those of the later mails come first in order.
    """
    ann, bob = await world.account(ANN, Mode.PRIVATE), await world.account(BOB)
    for address in ("lead@x.com", "kim@y.com"):
        await world.record(address)
    made = []
    for number in range(6):
        owner, user = (ann, ANN) if number < 4 else (bob, BOB)
        mail = content(f"m{number}", "lead@x.com", "kim@y.com", user, minutes=number // 3)
        mail = mail.model_copy(update={"key": f"v1-{'ab' * 19}{(3, 4, 5, 2, 0, 1)[number]:02x}"})
        await world.attach(owner, mail)
        made.append(mail)
    return made


async def _all(candidates: Candidates, viewer: ActiveViewer, scope: Scope, limit: int) -> list[tuple[str, RecordRef]]:
    found: list[tuple[str, RecordRef]] = []
    position: Position | None = None
    while links := await candidates.newest(viewer, scope, position, limit):
        assert len(links) <= limit
        found += [(one.email, one.record) for one in links]
        position = scope.position(links[-1])
    return found


async def test_every_link_comes_once_whatever_the_size_of_a_part(
    store: Store, candidates: Candidates, mails: list[Content]
) -> None:
    """On a record: newest first, those of one moment in a fixed order, own and shared mail together."""
    viewer = await store.teams.viewer(await store.users.get(ANN))
    records = [one.record for one in await candidates.of_emails(viewer, [mails[0].key])]
    for scope in map(on_record, records):
        found = await _all(candidates, viewer, scope, 100)
        assert len(set(found)) == len(found) == 6
        assert [key for key, _ in found] == sorted(
            (key for key, _ in found),
            key=lambda key: next(one.sent_at for one in mails if one.key == key),
            reverse=True,
        )
        for limit in (1, 2, 5):
            assert await _all(candidates, viewer, scope, limit) == found


async def test_emails_are_paged_as_wholes(store: Store, candidates: Candidates, mails: list[Content]) -> None:
    """Over all records the order is by moment and then by email, so that the links of one email stay together."""
    viewer = await store.teams.viewer(await store.users.get(ANN))
    found = [key for key, _ in await _all(candidates, viewer, EVERYTHING, 100)]
    newest_first = sorted(mails, key=lambda one: (one.sent_at, one.key), reverse=True)
    assert found == [one.key for one in newest_first for _ in range(2)]
    for limit in (2, 4):
        assert [key for key, _ in await _all(candidates, viewer, EVERYTHING, limit)] == found
    last = EVERYTHING.position((await candidates.newest(viewer, EVERYTHING, None, 2))[-1])
    assert last == Position(newest_first[0].sent_at, newest_first[0].key)


async def test_the_links_of_emails_come_newest_first(
    store: Store, candidates: Candidates, mails: list[Content]
) -> None:
    """Those of one moment in the order of their ids; no links of other emails."""
    viewer = await store.teams.viewer(await store.users.get(ANN))
    for mail in (mails[0], mails[5]):
        assert [one.email for one in await candidates.of_emails(viewer, [mail.key])] == [mail.key] * 2
    found = await candidates.of_emails(viewer, [one.key for one in mails])
    assert len(found) == 12
    assert found == sorted(sorted(found, key=lambda one: one.id), key=lambda one: one.sent_at, reverse=True)
    assert found[0].sent_at > found[-1].sent_at


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 6, 7, 100])
async def test_no_id_is_left_out_where_a_part_is_cut_off(
    store: Store, candidates: Candidates, mails: list[Content], limit: int
) -> None:
    """Ids come in order and each once, although own and shared mail are found apart and an email has several links."""
    viewer = await store.teams.viewer(await store.users.get(ANN))
    found: list[str] = []
    while part := await candidates.ids(viewer, "v1-abab", found[-1] if found else "", limit):
        assert part == sorted(set(part))
        assert not found or found[-1] < part[0]
        found += part
    assert found == sorted(one.key for one in mails)
    assert await candidates.ids(viewer, "v1-ac", "", limit) == []
    assert await candidates.ids(viewer, mails[2].key, "", limit) == [mails[2].key]


async def test_only_visible_links_become_lines(world: World, store: Store, lines: VisibleLines) -> None:
    """A private mail of another user is left out, and so is an email that is removed between the decision and the line."""
    mine, other = await world.account(ANN), await world.account(BOB, Mode.PRIVATE)
    record = await world.record("lead@x.com")
    hers, his = content("m1", "lead@x.com", ANN), content("m2", "lead@x.com", BOB)
    await world.attach(mine, hers)
    await world.attach(other, his)
    links = [one for several in (await store.links.of_emails([hers.key, his.key])).values() for one in several]
    assert len(links) == 2
    assert [one.line.email for one in await lines.seen(ANN, links)] == [hers.key]
    ann = await store.teams.viewer(await store.users.get(ANN))
    visible = await lines.visible(ann, [hers.key, his.key])
    assert [(one.link.email, one.link.record) for one in visible] == [(hers.key, record)]
    await world.database["emails"].delete_many({})
    assert await lines.lines(ann, visible) == []


async def test_what_a_link_says_of_sharing_is_not_trusted(world: World, store: Store, lines: VisibleLines) -> None:
    """Links that were not computed again since a mailbox became private are candidates, but not visible."""
    mine, other = await world.account(ANN), await world.account(BOB, Mode.PRIVATE)
    record = await world.record("lead@x.com")
    hers, his = content("m1", "lead@x.com", ANN), content("m2", "lead@x.com", BOB)
    await world.attach(mine, hers)
    await world.attach(other, his)
    await world.database["links"].update_many({"owners": BOB}, {"$set": {"shared_by": [other.id]}})
    ann = await store.teams.viewer(await store.users.get(ANN))
    assert [one.link.email for one in await lines.visible(ann, [hers.key, his.key])] == [hers.key]
    for scope in (on_record(record), EVERYTHING):
        assert [one.link.email for one in await lines.in_scope(ann, scope)] == [hers.key]


@pytest.mark.parametrize("batch", [1, 2, 5, 12, 100])
async def test_a_scope_is_whole_whatever_the_size_of_a_batch(
    store: Store, lines: VisibleLines, mails: list[Content], monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """Every visible link once, newest first; each email once, with every record that it is on."""
    monkeypatch.setattr(visible_lines, "_BATCH", batch)
    ann = await store.teams.viewer(await store.users.get(ANN))
    records = {one.link.record for one in await lines.visible(ann, [mails[0].key])}
    record, _ = sorted(records, key=str)
    visible = await lines.in_scope(ann, on_record(record))
    assert len({one.link.id for one in visible}) == len(visible) == 6
    assert [one.link.sent_at for one in visible] == sorted((one.link.sent_at for one in visible), reverse=True)
    visible = await lines.visible(ann, [one.key for one in mails])
    found = await lines.found(ann, visible)
    assert [one.line.email for one in found] == list(dict.fromkeys(one.link.email for one in visible))
    for one in found:
        assert one.records == tuple(link.link.record for link in visible if link.link.email == one.line.email)
        assert len(one.records) == 2


async def test_a_line_says_who_wrote(world: World, store: Store, lines: VisibleLines) -> None:
    """``out`` is what a colleague wrote, also from another mailbox than the holder's; ``in`` what the record wrote."""
    mine = await world.account(ANN)
    await world.user(BOB)
    await world.record("lead@x.com")
    ways: list[tuple[str, str, str]] = [
        ("lead@x.com", ANN, "in"),
        (ANN, "lead@x.com", "out"),
        (BOB, "lead@x.com", "out"),
    ]
    mails = [content(f"m{number}", sender, to) for number, (sender, to, _) in enumerate(ways)]
    for mail in mails:
        await world.attach(mine, mail)
    ann = await store.teams.viewer(await store.users.get(ANN))
    visible = await lines.visible(ann, [mail.key for mail in mails])
    reason = Match(address="lead@x.com", role=Role.THREAD)
    for decisions in (visible, [_by(reason, one) for one in visible]):
        found = {one.email: one.direction for one in await lines.lines(ann, decisions)}
        assert [found[mail.key] for mail in mails] == [way for _, _, way in ways]


def _by(reason: Match, decision: LinkDecision) -> LinkDecision:
    """Return a decision with another reason: by a thread, only who wrote the email tells its direction."""
    return decision._replace(lines=tuple(line.model_copy(update={"match": reason}) for line in decision.lines))


def test_a_scope_names_its_order() -> None:
    """Links of one moment on a record are told apart by the link's id, and emails by their key."""
    assert (on_record(RecordRef(kind="lead", id="1")).tie, EVERYTHING.tie) == ("_id", "email")

"""How users read mail: readers apply the rule to the current state, and leak nothing else."""

from __future__ import annotations

import hashlib

import pytest

from schemas.mail import Attachment, Role
from schemas.records import RecordRef
from schemas.sharing import CompanyPolicy, Mode, Verdict
from services.store import NotAllowedError, NotFoundError, Store, email_ref
from tests.store.fixtures import World, content, key


async def subjects(store: Store, viewer: str, record: RecordRef) -> list[str]:
    """Return the subjects that a viewer sees on a record."""
    return [line.subject for line in (await store.reading.visible_emails(viewer, record)).emails]


async def test_only_known_users_read(world: World, store: Store) -> None:
    """A typed address gives no access."""
    mine = await world.account("a@corp.com")
    record = await world.record("lead@x.com")
    mail = content("m", "lead@x.com", "a@corp.com")
    await world.attach(mine, mail)
    for call in (
        store.reading.visible_emails("lead@x.com", record),
        store.reading.count("lead@x.com", record),
        store.reading.show("lead@x.com", mail.key),
        store.reading.raw("lead@x.com", mail.key),
        store.explaining.explain("lead@x.com", record, mail.key, asked_by="a@corp.com"),
    ):
        with pytest.raises(NotFoundError):
            await call


async def test_private_mail_is_absent_for_others_everywhere(world: World, store: Store) -> None:
    """For page, count, text, HTML, raw and attachments, hidden mail gives the same error as mail that does not exist."""
    mine, _ = await world.account("a@corp.com", Mode.PRIVATE), await world.user("b@corp.com", admin=True)
    record = await world.record("lead@x.com")
    mail = content("m", "lead@x.com", "a@corp.com")
    await world.attach(mine, mail)
    assert await subjects(store, "a@corp.com", record) == ["Subject m"]
    assert await subjects(store, "b@corp.com", record) == []
    assert await store.reading.count("b@corp.com", record) == 0
    errors = set()
    for wanted in (mail.key, key("not there")):
        for call in (
            store.reading.show("b@corp.com", wanted),
            store.reading.html("b@corp.com", wanted),
            store.reading.raw("b@corp.com", wanted),
            store.reading.attachment("b@corp.com", wanted, 1),
        ):
            with pytest.raises(NotFoundError) as raised:
                await call
            errors.add(str(raised.value).replace(wanted, "…"))
    assert len(errors) == 1


async def test_stored_flags_do_not_open_anything(world: World, store: Store) -> None:
    """Links whose owners and sharing have no live copy show nothing."""
    mine, _ = await world.account("a@corp.com", Mode.PRIVATE), await world.user("b@corp.com")
    record = await world.record("lead@x.com")
    mail = content("m", "lead@x.com", "a@corp.com")
    await world.attach(mine, mail)
    forged = {"$set": {"owners": ["a@corp.com", "b@corp.com"], "shared_by": [mine.id]}}
    await world.database["links"].update_many({}, forged)
    assert await subjects(store, "b@corp.com", record) == []
    with pytest.raises(NotFoundError):
        await store.reading.show("b@corp.com", mail.key)


async def test_pages_are_filled_past_what_the_viewer_may_not_see(world: World, store: Store) -> None:
    """Hidden mail leaves no gaps in a page and no trace in the cursor's end."""
    ann, bob = await world.account("ann@corp.com"), await world.account("bob@corp.com", Mode.PRIVATE)
    record = await world.record("lead@x.com")
    for number in range(12):
        holder = ann if number % 4 == 0 else bob
        await world.attach(holder, content(f"m{number}", "lead@x.com", holder.address, minutes=number))
    await world.database["links"].update_many(
        {}, {"$set": {"shared_by": [bob.id]}}
    )  # a prefilter that selects everything
    first = await store.reading.visible_emails("ann@corp.com", record, limit=2)
    assert [line.subject for line in first.emails] == ["Subject m8", "Subject m4"]
    assert first.before is not None
    second = await store.reading.visible_emails("ann@corp.com", record, limit=2, before=first.before)
    assert [line.subject for line in second.emails] == ["Subject m0"]
    assert second.before is None
    exact = await store.reading.visible_emails("ann@corp.com", record, limit=3)
    assert (len(exact.emails), exact.before) == (3, None)
    with pytest.raises(ValueError, match="before"):
        await store.reading.visible_emails("ann@corp.com", record, before="x")


async def test_mail_of_the_same_moment_is_paged_once_each(world: World, store: Store) -> None:
    """The cursor distinguishes mail sent in the same millisecond."""
    mine = await world.account("a@corp.com")
    record = await world.record("lead@x.com")
    for number in range(5):
        await world.attach(mine, content(f"m{number}", "lead@x.com", "a@corp.com"))
    found, before = [], None
    while True:
        page = await store.reading.visible_emails("a@corp.com", record, limit=2, before=before)
        found += [line.email for line in page.emails]
        if (before := page.before) is None:
            break
    assert sorted(found) == sorted(key(f"m{number}") for number in range(5))
    thread = await store.reading.visible_emails("a@corp.com", record, thread="t" * 24)
    assert len(thread.emails) == 5
    assert (await store.reading.visible_emails("a@corp.com", record, thread="other")).emails == []


async def test_flags_folder_and_bcc_belong_to_a_copy(world: World, store: Store) -> None:
    """Each viewer sees the state of their own copy, or otherwise of one that grants. Only its owner sees a Bcc."""
    ann = await world.account("ann@corp.com")
    bob = await world.account("bob@corp.com", Mode.PRIVATE)
    await world.user("eve@corp.com")
    record, secret = await world.record("lead@x.com"), await world.record("secret@y.com", kind="contact")
    mail = content("m", "ann@corp.com", "lead@x.com", "bob@corp.com")
    await world.attach(ann, mail, flags=["\\Answered"], bcc=["secret@y.com"])
    await world.attach(bob, mail, flags=["\\Seen"])
    views = {
        who: (await store.reading.visible_emails(f"{who}@corp.com", record)).emails[0] for who in ("ann", "bob", "eve")
    }
    assert views["ann"].flags == ("\\Answered",)
    assert views["bob"].flags == ("\\Seen",)
    assert views["eve"].flags == ("\\Answered",)
    assert (views["ann"].bcc, views["bob"].bcc, views["eve"].bcc) == (("secret@y.com",), (), ())
    assert views["ann"].holders == views["eve"].holders == ("ann@corp.com",)
    assert views["bob"].holders == ("bob@corp.com", "ann@corp.com")
    assert {one.direction for one in views.values()} == {"out"}
    assert await subjects(store, "ann@corp.com", secret) == ["Subject m"]
    assert await subjects(store, "bob@corp.com", secret) == []
    assert await subjects(store, "eve@corp.com", secret) == []
    assert (await store.reading.show("eve@corp.com", mail.key)).records == (record,)
    assert set((await store.reading.show("ann@corp.com", mail.key)).records) == {record, secret}


async def test_a_copy_in_two_folders_is_one_email(world: World, store: Store) -> None:
    """Copies in two folders of one account are on one line."""
    mine = await world.account("a@corp.com")
    record = await world.record("lead@x.com")
    mail = content("m", "lead@x.com", "a@corp.com")
    await world.attach(mine, mail)
    await world.attach(mine, mail)
    (line,) = (await store.reading.visible_emails("a@corp.com", record)).emails
    assert len(line.copies) == 2
    assert line.holders == ("a@corp.com",)
    assert line.direction == "in"
    assert [(reason.address, reason.role) for reason in line.reasons] == [("lead@x.com", Role.FROM)]


async def test_bodies_come_through_the_guard(world: World, store: Store) -> None:
    """Readers return text, long HTML, raw mail without traces, and attachments as stored."""
    mine = await world.account("a@corp.com")
    await world.record("lead@x.com")
    raw = b"Delivered-To: a@corp.com\r\nSubject: m\r\nBcc: s@y.com\r\n\r\nBcc: is text here\r\n"
    file = b"%PDF" * 100_000
    names = [hashlib.sha256(data).hexdigest() for data in (raw, b"<p>long</p>", file)]
    attachment = Attachment(name="f.pdf", media_type="application/pdf", size=len(file), sha256=names[2])
    mail = content("m", "lead@x.com", "a@corp.com", raw=names[0], html_blob=names[1], attachments=(attachment,))
    assert await store.blobs.put_many([(data, email_ref(mail.key)) for data in (raw, b"<p>long</p>", file)]) == names
    await world.attach(mine, mail)
    assert (await store.reading.show("a@corp.com", mail.key)).content == mail
    assert await store.reading.html("a@corp.com", mail.key) == "<p>long</p>"
    assert await store.reading.raw("a@corp.com", mail.key) == b"Subject: m\r\n\r\nBcc: is text here\r\n"
    described, parts = await store.reading.attachment("a@corp.com", mail.key, 1)
    assert described == attachment
    assert b"".join([part async for part in parts]) == file
    for number in (0, 2):
        with pytest.raises(NotFoundError, match="it has 1"):
            await store.reading.attachment("a@corp.com", mail.key, number)


async def test_explain_names_the_copy_rule_and_domain_that_decided(world: World, store: Store) -> None:
    """An administrator gets a line for every copy, granting or not, without Bcc."""
    ann = await world.account("ann@corp.com", Mode.CUSTOM, excluded=("x.com",))
    bob = await world.account("bob@corp.com", Mode.PRIVATE)
    await world.user("root@corp.com", admin=True)
    await world.user("eve@corp.com")
    record = await world.record("lead@x.com")
    mail = content("m", "lead@x.com", "ann@corp.com", "bob@corp.com")
    await world.attach(ann, mail, bcc=["lead@x.com"])
    await world.attach(bob, mail)
    told = await store.explaining.explain("eve@corp.com", record, mail.key, asked_by="root@corp.com")
    assert not told.visible
    verdicts = {line.copy_of.owner: (line.decision.verdict, line.decision.domain) for line in told.lines}
    assert verdicts == {
        "ann@corp.com": (Verdict.EXCLUDED_BY_OWNER, "x.com"),
        "bob@corp.com": (Verdict.MODE_PRIVATE, None),
    }
    assert {line.match.role for line in told.lines} == {Role.FROM}
    assert all(line.copy_of.bcc == () and line.copy_of.policy.excluded_domains == () for line in told.lines)
    anns = await store.explaining.explain("ann@corp.com", record, mail.key, asked_by="ann@corp.com")
    assert anns.visible
    assert {line.match.role for line in anns.lines if line.copy_of.owner == "ann@corp.com"} == {Role.FROM, Role.BCC}
    assert {line.copy_of.owner for line in anns.lines} == {"ann@corp.com"}
    operator = await store.explaining.explain("ann@corp.com", record, mail.key, asked_by=None)
    assert {line.copy_of.owner for line in operator.lines} == {"ann@corp.com", "bob@corp.com"}
    assert {line.match.role for line in operator.lines} == {Role.FROM}


async def test_explain_reveals_only_what_the_caller_may_know(world: World, store: Store) -> None:
    """A user who may not see an email learns nothing about it. Only administrators may ask about others."""
    mine, _ = await world.account("a@corp.com", Mode.PRIVATE), await world.user("b@corp.com")
    record = await world.record("lead@x.com")
    mail = content("m", "lead@x.com", "a@corp.com")
    await world.attach(mine, mail)
    hidden = await store.explaining.explain("b@corp.com", record, mail.key, asked_by="b@corp.com")
    absent = await store.explaining.explain("b@corp.com", record, key("x"), asked_by="b@corp.com")
    assert (hidden.visible, hidden.lines) == (absent.visible, absent.lines) == (False, ())
    with pytest.raises(NotAllowedError):
        await store.explaining.explain("a@corp.com", record, mail.key, asked_by="b@corp.com")


async def test_excluded_is_per_link(world: World, store: Store) -> None:
    """A mail to a client with a colleague in Cc shows on the client's page, never on the colleague's; internal mail on neither."""
    mine, _ = await world.account("a@corp.com"), await world.user("b@corp.com")
    client, colleague = await world.record("lead@x.com"), await world.record("c@corp.com", kind="contact")
    await store.sharing.set_company(CompanyPolicy(excluded_domains=("corp.com",)), by="root")
    await world.attach(mine, content("both", "a@corp.com", "lead@x.com", "c@corp.com"))
    await world.attach(mine, content("internal", "a@corp.com", "c@corp.com"))
    assert await subjects(store, "b@corp.com", client) == ["Subject both"]
    assert await subjects(store, "b@corp.com", colleague) == []
    assert sorted(await subjects(store, "a@corp.com", colleague)) == ["Subject both", "Subject internal"]


async def test_a_thread_match_is_judged_by_the_threads_address(world: World, store: Store) -> None:
    """A reply from an unknown address is on the record by its thread; the excluded domain of the thread's address counts."""
    mine, _ = await world.account("a@corp.com"), await world.user("b@corp.com")
    record = await world.record("lead@x.com")
    mail = content("reply", "unknown@z.com", "a@corp.com")
    mail, _ = await world.answered(mine, mail, "lead@x.com")
    (line,) = (await store.reading.visible_emails("b@corp.com", record, thread=mail.thread)).emails
    assert (line.direction, line.reasons[0].role) == ("in", Role.THREAD)
    await store.company.save(CompanyPolicy(excluded_domains=("x.com",)))
    assert await subjects(store, "b@corp.com", record) == []


async def test_the_start_of_an_id_names_only_what_the_viewer_may_see(world: World, store: Store) -> None:
    """Ids are completed among the viewer's mail. Other mail has no effect."""
    ann, bob = await world.account("ann@corp.com", Mode.PRIVATE), await world.account("bob@corp.com", Mode.PRIVATE)
    await world.record("lead@x.com")
    mine = content("mine", "lead@x.com", "ann@corp.com")
    await world.attach(ann, mine)
    for number in range(3):
        await world.attach(bob, content(f"m{number}", "lead@x.com", "bob@corp.com"))
    await world.database["links"].update_many(
        {}, {"$set": {"shared_by": [bob.id]}}
    )  # a prefilter that selects everything
    for start in ("v1-", mine.key[:9], mine.key):
        assert await store.reading.full_key("ann@corp.com", start) == mine.key
    with pytest.raises(NotFoundError, match="several emails"):
        await store.reading.full_key("bob@corp.com", "v1-")
    for start in ("", "v2-", key("m0")):
        with pytest.raises(NotFoundError, match="there is no email"):
            await store.reading.full_key("ann@corp.com", start)

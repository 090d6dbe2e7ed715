"""What holders keep private: which of their emails it covers."""

from __future__ import annotations

from schemas.mail import Content
from services.store import Store
from tests.store.fixtures import World, content

ANN, BOB = "ann@corp.com", "bob@corp.com"


async def test_a_withdrawal_is_stored_once_under_a_stable_id(world: World, store: Store) -> None:
    """Adding and removing say whether that changed something; released versions find the documents by their ids."""
    assert await store.withdrawals.add(ANN, "email", "k1")
    assert not await store.withdrawals.add(ANN, "email", "k1")
    (found,) = await world.database["withdrawals"].find().to_list()
    assert found.pop("at")
    assert found == {"_id": f"{ANN}/email/k1", "owner": ANN, "kind": "email", "target": "k1"}
    assert await store.withdrawals.remove(ANN, "email", "k1")
    assert not await store.withdrawals.remove(ANN, "email", "k1")
    assert await world.database["withdrawals"].count_documents({}) == 0


async def test_an_email_is_withdrawn_by_itself_or_with_its_thread(store: Store) -> None:
    """Each owner's withdrawals count for their own emails; a thread's id is no email's key, and the other way round."""
    threads = {"k1": ["t1", "t5"], "k2": ["t0", "t1"], "k3": ["t3"], "t4": ["k4"]}
    await store.withdrawals.add(ANN, "thread", "t1")
    await store.withdrawals.add(ANN, "email", "k3")
    await store.withdrawals.add(BOB, "email", "k1")
    await store.withdrawals.add(BOB, "email", "t3")
    await store.withdrawals.add(BOB, "thread", "t4")
    await store.withdrawals.add("carl@corp.com", "thread", "t1")
    assert await store.withdrawals.of([ANN, BOB], threads) == {(ANN, "k1"), (ANN, "k2"), (ANN, "k3"), (BOB, "k1")}
    assert await store.withdrawals.of([], threads) == frozenset()


async def test_what_is_kept_private_goes_to_the_heir(store: Store) -> None:
    """Emails and threads, each as what it is."""
    await store.withdrawals.add(ANN, "thread", "t1")
    await store.withdrawals.add(ANN, "email", "k2")
    await store.withdrawals.hand_over(ANN, BOB)
    assert await store.withdrawals.of([BOB], {"k1": ["t1"], "k2": ["t2"], "k3": ["t3"]}) == {(BOB, "k1"), (BOB, "k2")}


async def test_a_user_is_told_the_targets_of_their_own_withdrawals(store: Store) -> None:
    """Keys of emails and ids of threads, and nothing that another user keeps private."""
    await store.withdrawals.add(ANN, "email", "k1")
    await store.withdrawals.add(ANN, "thread", "t1")
    await store.withdrawals.add(BOB, "email", "k2")
    assert sorted(await store.withdrawals.targets(ANN)) == ["k1", "t1"]
    assert await store.withdrawals.targets("carl@corp.com") == []


def mail(name: str, answers: str | None = None, *, minutes: int) -> Content:
    """Return a mail that names its parent only, and no root that all mails of its thread share."""
    above = f"{answers}@mail" if answers else None
    return content(name, "lead@x.com", ANN, minutes=minutes, in_reply_to=above, thread=f"thread of {name}")


async def test_a_thread_is_kept_private_as_the_holders_mail_joins_it(world: World, store: Store) -> None:
    """The mails that lead to one another, and later mail that names one of them; not what another user's mail would join."""
    ann, bob = await world.account(ANN), await world.account(BOB)
    await world.record("lead@x.com")
    await world.user("eve@corp.com")
    mails = [mail("root", minutes=1), mail("first", "root", minutes=2), mail("second", "first", minutes=3)]
    other = mail("other", minutes=4)
    for one in (*mails, other):
        await world.attach(ann, one)
    await world.attach(
        bob, joining := mail("joining", "other", minutes=5).model_copy(update={"references": ("root@mail",)})
    )
    assert await store.withdrawing.keep_private(mails[1].key, by=ANN, thread=True) == 3

    async def seen() -> set[str]:
        found = await store.email_search.search("eve@corp.com", "Text")
        return {one.line.subject.removeprefix("Subject ") for one in found}

    assert await seen() == {"other", "joining"}
    await world.attach(ann, late := mail("late", "second", minutes=6))
    assert await seen() == {"other", "joining"}
    for one in (*mails, late):
        assert await store.withdrawals.kinds({ANN}, one.key, one.thread_ids) == {"thread"}
    for one in (other, joining):
        assert await store.withdrawals.kinds({ANN}, one.key, one.thread_ids) == (
            {"thread"} if one is joining else frozenset()
        )
    assert await store.withdrawing.share_again(late.key, by=ANN, thread=True) == 4
    assert await seen() == {"root", "first", "second", "late", "other", "joining"}
    assert await world.database["withdrawals"].count_documents({}) == 0


async def test_what_an_earlier_version_withdrew_stays_private(world: World, store: Store) -> None:
    """It noted the digest of a thread's oldest Message-ID, which is among a mail's ids still."""
    ann = await world.account(ANN)
    await world.record("lead@x.com")
    await world.user("eve@corp.com")
    one = mail("one", minutes=1)
    await world.attach(ann, one)
    await store.withdrawals.add(ANN, "thread", one.thread)
    assert await store.email_search.search("eve@corp.com", "Text") == []
    assert await store.withdrawing.share_again(one.key, by=ANN, thread=True) == 1
    assert len(await store.email_search.search("eve@corp.com", "Text")) == 1


async def test_a_user_is_told_how_an_email_is_kept_private(store: Store) -> None:
    """By itself, by an id of its thread, or by both; and not by what another user keeps private."""
    await store.withdrawals.add(ANN, "email", "k1", "k2")
    await store.withdrawals.add(ANN, "thread", "t1")
    await store.withdrawals.add(BOB, "email", "k3")
    assert await store.withdrawals.kinds({ANN}, "k1", ["t1", "t2"]) == {"email", "thread"}
    assert await store.withdrawals.kinds({ANN}, "k2", ["t2"]) == {"email"}
    assert await store.withdrawals.kinds({ANN}, "k3", ["t2", "t1"]) == {"thread"}
    assert await store.withdrawals.kinds({ANN}, "k3", ["k1"]) == frozenset()

"""A batch of parsed mail becomes emails, links, final states."""

from __future__ import annotations

from matcher_world import World, mail

from schemas.sharing import Mode


async def test_mail_about_a_record_is_attached_and_other_mail_is_not_stored(world: World) -> None:
    """An email on a contact is there with its link and row; private mail leaves nothing but its row."""
    ann = await world.account("ann@firm.example")
    await world.record("c@client.example")
    about = await world.copy(ann, mail("1", "c@client.example", "ann@firm.example"))
    private = await world.copy(ann, mail("2", "mum@home.example", "ann@firm.example"))
    await world.match(about, private)
    await world.rest()
    snapshot = await world.snapshot()
    assert list(snapshot.emails) == [about.content.key]
    assert snapshot.rows[private.source.id] == ("unmatched", None)
    assert snapshot == world.truth()

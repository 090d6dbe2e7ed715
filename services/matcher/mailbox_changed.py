"""Updates the links of emails whose copies are gone from a mailbox, or ceased or started to be live by their flags."""

from __future__ import annotations

from datetime import timedelta

from schemas.messages import MailboxChanged
from services.amqp import Delivery
from services.matcher.linking.changes import Orphans
from services.matcher.linking.relinking import relink
from services.matcher.linking.summaries import SummaryKeeper
from services.store import Store, now

GRACE = timedelta(minutes=15)
"""How long an email without a copy is kept: most copies that disappear were moved, and turn up elsewhere a little later."""
_ROWS_AT_ONCE = 5000


async def handle(delivery: Delivery[MailboxChanged], *, store: Store, summaries: SummaryKeeper) -> tuple[()]:
    """Withdraw or restore what the copies grant. Emails of which a copy is left are finished; the others wait for the grace period."""
    message = delivery.message
    rows = await store.ledger.to_relink(account=message.account, limit=_ROWS_AT_ONCE)
    keys = dict.fromkeys((*message.emails, *(key for key in rows if key)))
    await relink(keys, store=store, summaries=summaries, orphans=Orphans.HIDE)
    held = await store.ledger.with_copy(keys)
    await store.ledger.relink_done(row for key, several in rows.items() if key in held or not key for row in several)
    return ()


async def sweep_gone(*, store: Store, summaries: SummaryKeeper, grace: timedelta = GRACE) -> int:
    """Remove emails whose last copy has been gone for longer than the grace period. Returns how many rows were handled."""
    rows = await store.ledger.to_relink(before=now() - grace, limit=_ROWS_AT_ONCE)
    if rows:
        await relink(filter(None, rows), store=store, summaries=summaries, orphans=Orphans.REMOVE)
        await store.ledger.relink_done(row for several in rows.values() for row in several)
    return len(rows)


async def sweep_unlinked(*, store: Store, summaries: SummaryKeeper, grace: timedelta = GRACE) -> int:
    """Remove the bodies of emails that have been on no record for longer than the grace period. Returns how many were checked."""
    keys = await store.emails.unlinked(now() - grace)
    if keys:
        await relink(keys, store=store, summaries=summaries, expire=True)
    return len(keys)

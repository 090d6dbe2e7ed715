"""Asks whether mail that names no known address is in a thread that the account's owner opened, by the matcher's rule."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.sharing import internal_among
from schemas.threads import ThreadClaims, claims_of_links, thread_links
from services.poller.copies.account_context import AccountContext
from services.poller.copies.headers import HeaderFacts


async def opened(context: AccountContext, facts: Sequence[HeaderFacts]) -> list[bool]:
    """Return for each message whether its thread is about a record in the mailboxes of the account's owner.

    That is so where the owner sent a linked email that the message names, and what it names there is about one external record.
    """
    named = {identifier for fact in facts for identifier in fact.references}
    found = await context.store.emails.ancestors(named) if named else []
    if not found:
        return [False] * len(facts)
    company = await context.store.company.policy()
    links = [link for one in found for link in one.links]
    addresses = {
        reason.address for link in links for reasons in (link.matches, link.attestations) for reason in reasons
    }
    internal = internal_among(addresses, await context.store.colleagues.own_among(addresses), company)
    claims: dict[str, list[ThreadClaims]] = {}
    for ancestor in found:
        claims.setdefault(ancestor.message_id, []).append(claims_of_links(ancestor.links, internal.intersection))
    owner, own = context.account.owner, context.account.own_addresses
    return [
        # The matcher knows every colleague. Here a query would show the addresses of unknown people to the database.
        not fact.participants <= internal_among(fact.participants, own, company)
        and bool(
            thread_links(
                (one for name in fact.references if name != fact.message_id for one in claims.get(name, ())), [owner]
            )
        )
        for fact in facts
    ]

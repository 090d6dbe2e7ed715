"""Words for who sees what: policies, what a change of them would do, and the company's domains."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.sharing import CompanyPolicy, Mode, SharingPolicy
from services.store import PreviewEffect
from services.wording.values import MOST_NAMES, plural, readable

MODES = {
    Mode.PUBLIC: "your colleagues (recommended)",
    Mode.CUSTOM: "your colleagues, except on records of domains that you name",
    Mode.PRIVATE: "only you",
}
"""Who may see the mail of an account on the lead or contact that it is about, in the order in which the choices are offered."""
HIDDEN, SHOWN = "would be hidden from", "would be shown to"
"""The two directions of a preview."""
NO_EFFECT = "No one would see more or less than now, of the mail that you can see."
OPENING_COUNTS = (
    "The numbers count only mail that you can see. The same happens to mail that you cannot see now: whatever mailboxes that "
    "are not private hold for these records."
)


def effect(one: PreviewEffect, what: str) -> str:
    """Say what a change of sharing would hide or show (``HIDDEN``, ``SHOWN``), and to how many users."""
    return f"{plural(one.emails, 'email')} {what} {plural(one.users, 'user')}, on {plural(one.records, 'record')}."


def opening(records: int) -> str:
    """Say which records a change opens."""
    return (
        f"{plural(records, 'record')} that you can read would cease to be internal: "
        "mail would show there to your colleagues as on any other record."
    )


def sharing(policy: SharingPolicy) -> str:
    """Return a policy in a few words."""
    if policy.mode is Mode.CUSTOM:
        return f"custom, without {', '.join(policy.excluded_domains) or 'any excluded domain yet'}"
    return policy.mode.value


def sharing_in_force(policy: SharingPolicy, company: CompanyPolicy) -> list[str]:
    """Return sentences that tell the owner of an account who sees its mail."""
    if policy.mode not in company.allowed_modes:
        line = f"You chose {policy.mode.value}, which your company does not allow at present: your mail is treated as private, "
        return [line + "no one else sees it."]
    if policy.mode is Mode.PRIVATE:
        return ["Private: no one else sees your mail on any record."]
    lines = ["Your colleagues see your mail on the lead or contact that it is about, and nowhere else."]
    if policy.mode is Mode.CUSTOM:
        domains = ", ".join(readable(domain) for domain in policy.excluded_domains)
        lines[0] = f"Public except for excluded domains. {lines[0]}"
        lines.append(
            f"Not shared: mail on records of {domains}." if domains else "You have not excluded any domain yet."
        )
    else:
        lines[0] = f"Public. {lines[0]}"
    if company.excluded_domains:
        domains = ", ".join(readable(domain) for domain in company.excluded_domains)
        lines.append(f"Your company never shares mail on records of {domains}.")
    lines.append("Only you see who is in Bcc.")
    return lines


def internal_record(addresses: Sequence[str]) -> str:
    """Say what the page of a record with internal addresses does not show, why, and what to do."""
    several = len(addresses) > 1
    named = ", ".join(addresses[:MOST_NAMES]) + (
        f" and {len(addresses) - MOST_NAMES:,} more" if len(addresses) > MOST_NAMES else ""
    )
    return (
        f"{named} {'are' if several else 'is'} internal (a user, a connected mailbox, or one of the company's domains): "
        f"for {'these addresses' if several else 'this address'}, the record page shows each viewer only mail that they hold themselves. "
        f"To share it, an administrator can open the domain {addresses[0].rpartition('@')[2]}."
    )


def unconfirmed_domain(domain: str, addresses: int) -> str:
    """Say what is so while one of the company's domains is not confirmed."""
    return (
        f"{domain} looks like the company's own domain ({plural(addresses, 'address', 'addresses')}), but no administrator has "
        f"confirmed it. Until then only addresses of users and connected mailboxes are internal: the page of any other "
        f"colleague at {domain} who is a lead or contact shows internal mail like that of a client."
    )


def proposed_domain(domain: str, addresses: int) -> str:
    """Ask an administrator to confirm one of the company's domains."""
    confirm = f"leadmail company domains --add {domain} --by EMAIL"
    return f"{unconfirmed_domain(domain, addresses)} An administrator confirms it with `{confirm}`."

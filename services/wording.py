"""Words for codes, counts and times in mails, commands and pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import idna
import orjson

from schemas.accounts import ProofKind
from schemas.mail import Classification, Participant, Role
from schemas.sharing import CompanyPolicy, Mode, SharingPolicy, Verdict
from services.store import Obstacle, PreviewEffect, VisibleCopy

SKIPPED = {
    "too-large": "larger than your company's limit",
    "deleted-in-crm": "deleted in the CRM earlier",
    "withheld": "listed by your mail server but not delivered by it",
    "header-unclear": "with a header that is too long or too malformed to tell who takes part",
    "unavailable": "your mail server says that it cannot deliver it at the moment",
    "unreadable": "your mail server fails whenever this mail is asked for",
    "short-body": "your mail server delivers only a part of it",
    "refused": "your mail server refuses to deliver it",
    "missing": "no longer listed by your mail server",
    "draft": "not sent yet",
    "disconnected": "not checked before the mailbox was disconnected",
}
QUARANTINED = "that could not be read safely; your administrator can inspect them (`leadmail dead-letters list`)"
LEFT_OUT = {
    "trash": "holds deleted mail",
    "junk": "holds spam",
    "drafts": "holds unsent mail",
    "templates": "holds templates",
    "outbox": "holds mail that is not sent yet",
    "other-users": "belongs to another user",
    "shared": "is shared or public; connect a shared mailbox by its own sign-in",
    "in-all-mail": "its mail is also in All Mail",
    "virtual": "shows mail from other folders",
    "no-mail": "cannot hold mail",
    "unusable-name": "has an unusable name",
    "unreadable-line": "a line of your mail server's list that cannot be read; there may be a folder behind it",
    "excluded-by-owner": "you left it out",
    "refused": "your mail server refuses access to it",
}
"""Words for the codes that ledger rows and folders carry."""
VERDICTS = {
    Verdict.OWN_COPY: "holds it",
    Verdict.SHARED: "shared",
    Verdict.MODE_PRIVATE: "not shared: the account is private",
    Verdict.MODE_NOT_ALLOWED: "not shared: the company does not allow the account's mode, so it counts as private",
    Verdict.BCC: "not shared: only the owner of the copy may see a Bcc",
    Verdict.EXCLUDED_BY_COMPANY: "not shared: the company excludes this domain",
    Verdict.EXCLUDED_BY_OWNER: "not shared: the account's owner excludes this domain",
    Verdict.WITHDRAWN: "not shared: its owner keeps it private",
    Verdict.INTERNAL: "not shared: the address on this record is one of the company's own",
    Verdict.INTERNAL_ONLY: "not shared: everyone in it is internal or in an excluded domain",
    Verdict.THREAD_NOT_ATTESTED: "not shared: in its owner's mailboxes the thread is not about this record",
}
"""What each clause of the rule says about one copy."""
PROOFS = {
    ProofKind.SIGN_IN: "proven by signing in",
    ProofKind.OAUTH: "proven by signing in",
    ProofKind.CODE: "proven by a code",
    ProofKind.ADMINISTRATOR: "confirmed by an administrator",
    ProofKind.USER: "the user's address in the CRM",
    ProofKind.EARLIER: "counted before addresses were proven",
}
"""How an address became an account's own."""
NOT_PROVEN = "not proven: has no effect"
OBSTACLES = {
    Obstacle.DELETED: "It was deleted in the CRM.",
    Obstacle.NOT_STORED: "There is no such email: it concerns no record, or no one holds it any longer.",
    Obstacle.NOT_ON_RECORD: "It is not on this record: it names none of its addresses, and its thread is not about it.",
    Obstacle.RECORD_NOT_READABLE: "The CRM does not allow the viewer to read this record.",
    Obstacle.NO_COPY: "No one holds a live copy of it at the moment.",
    Obstacle.BCC: "It is on this record only because of a Bcc, which only the owner of the copy may see.",
    Obstacle.HOLDER_NOT_NAMED: "The copies that decide belong to users whom the email does not name.",
}
"""Why the rule is not even applied."""
SHARED_BY_UNNAMED = "It is shared by a colleague whom it does not name."
NOT_EXPLAINED = "There is no such email, it is not on this record, or no one shares it with you. Only an administrator can find out which."
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
PAUSED = {
    "owner-disabled": "paused while its owner is disabled",
    "operator": "paused by your administrator",
}
"""Why a mailbox is paused that its owner did not pause."""
DEFECTS = {
    "address": "an address in the field {} cannot be read, and is missing",
    "address:repaired": "addresses were not written correctly",
    "boundary": "the boundaries between its parts are wrong",
    "charset": "its text is not in the charset that it names ({}): single letters may be wrong",
    "charset:undeclared": "it does not name the charset of its text: single letters may be wrong",
    "date": "its date is not written correctly",
    "date:guessed": "its date can be read in several ways: the one shown is a guess",
    "encoded-word": "the encoding of a name or of the subject is damaged",
    "encoding": "the encoding of a part ({}) is damaged or unknown",
    "header-line": "lines of its header are no fields",
    "html": "its HTML is damaged or very deeply nested: the plain text made from it may be wrong",
    "smime-unverified": "it is signed, and the signature was not checked",
    "tnef": "its winmail.dat cannot be opened",
    "unterminated": "its end is missing",
}
"""What the parser says of a copy, whole or by its kind; the braces stand for the detail."""
TRUNCATED = "This mail is larger than what Leadmail shows of one: something was cut off. The raw mail is complete."
_NAMES = 4


def plural(count: int, singular: str, more: str | None = None) -> str:
    """Return ``1 email``, ``1,234 emails``."""
    return f"{count:,} {singular if count == 1 else more or singular + 's'}"


def span(length: float) -> str:
    """Return a number of seconds in its largest unit."""
    seconds = max(0, int(length))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def age(since: datetime | None) -> str:
    """Return how long ago a moment was, in its largest unit."""
    return "-" if since is None else span((datetime.now(UTC) - since).total_seconds())


def bounce(marks: Classification) -> str:
    """Say what a bounce says."""
    what = {"hard": "cannot be delivered", "soft": "could not be delivered this time", None: "could not be delivered"}
    whom = f" to {', '.join(marks.bounced)}" if marks.bounced else ""
    return f"Bounce: mail{whom} {what[marks.bounce_kind]}" + (
        f" ({marks.bounce_status})" if marks.bounce_status else ""
    )


def defects(copies: Iterable[VisibleCopy]) -> list[str]:
    """Say what was wrong with the viewer's own copies of an email."""
    found = dict.fromkeys(one for copy in copies if copy.own for one in copy.defects)
    return list(dict.fromkeys(map(_defect, found)))


def _defect(defect: str) -> str:
    kind, _, detail = defect.partition(":")
    words = DEFECTS.get(defect) or DEFECTS.get(kind, defect)
    return words.replace("{}", detail or "unnamed")


def people(participants: Sequence[Participant]) -> str:
    """Return the names of the first few participants of an email."""
    named = [one.name or one.address for one in participants if one.role in (Role.FROM, Role.TO, Role.CC)]
    return ", ".join(dict.fromkeys(named[:_NAMES])) + (f" +{len(named) - _NAMES}" if len(named) > _NAMES else "")


def effect(one: PreviewEffect, what: str) -> str:
    """Say what a change of sharing would hide or show (``HIDDEN``, ``SHOWN``), and to how many users."""
    return f"{plural(one.emails, 'email')} {what} {plural(one.users, 'user')}, on {plural(one.records, 'record')}."


def internal_record(addresses: Sequence[str]) -> str:
    """Say what the page of a record with internal addresses does not show, why, and what to do."""
    several = len(addresses) > 1
    named = ", ".join(addresses[:_NAMES]) + (
        f" and {len(addresses) - _NAMES:,} more" if len(addresses) > _NAMES else ""
    )
    return (
        f"{named} {'are' if several else 'is'} internal (a user, a connected mailbox, or one of the company's domains): "
        f"for {'these addresses' if several else 'this address'}, the record page shows each viewer only mail that they hold themselves. "
        f"To share it, an administrator can open the domain {addresses[0].rpartition('@')[2]}."
    )


def opening(records: int) -> str:
    """Say which records a change opens."""
    return (
        f"{plural(records, 'record')} that you can read would cease to be internal: "
        "mail would show there to your colleagues as on any other record."
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


def paused(reason: str | None) -> str:
    """Say who paused a mailbox."""
    return PAUSED.get(reason or "", "paused by you")


def sharing(policy: SharingPolicy) -> str:
    """Return a policy in a few words."""
    if policy.mode is Mode.CUSTOM:
        return f"custom, without {', '.join(policy.excluded_domains) or 'any excluded domain yet'}"
    return policy.mode.value


def day(moment: datetime) -> str:
    """Return a date as ``3 March 2021``, which reads the same on both sides of the Atlantic."""
    return f"{moment.day} {moment:%B %Y}"


def readable(address: str) -> str:
    """Return an address or a domain with the domain as people write it (U-labels, RFC 5890)."""
    local, at, domain = address.rpartition("@")
    try:
        return f"{local}{at}{idna.decode(domain)}"
    except idna.IDNAError:
        return address


def skipped(reason: str) -> str:
    """Say why mail was skipped."""
    return SKIPPED.get(reason, reason.replace("-", " "))


def left_out(reason: str | None) -> str:
    """Say why a folder is not synchronized."""
    return LEFT_OUT.get(reason or "", (reason or "left out").replace("-", " "))


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


def audit_details(details: Mapping[str, Any]) -> str:
    """Return what an entry of the audit log says beside who, what and when."""
    given = ((name, value) for name, value in details.items() if value is not None)
    return ", ".join(
        f"{name} {value if isinstance(value, str | int | bool) else orjson.dumps(value, default=str).decode()}"
        for name, value in given
    )

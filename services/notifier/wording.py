"""Words for codes: reasons, sharing modes, dates and counts, as the mails say them."""

from __future__ import annotations

from datetime import datetime

import idna

from schemas.sharing import CompanyPolicy, Mode, SharingPolicy

SKIPPED = {
    "too-large": "larger than your company's limit",
    "deleted-in-crm": "deleted in the CRM before",
    "withheld": "listed by your mail server, which did not hand them out",
    "disconnected": "not looked at before the mailbox was disconnected",
}
QUARANTINED = "that could not be read safely; your administrator can look at them (`leadmail dead-letters list`)"
LEFT_OUT = {
    "trash": "holds deleted mail",
    "junk": "holds spam",
    "drafts": "holds unsent mail",
    "in-all-mail": "its mail is in All Mail already",
    "virtual": "shows mail of other folders",
    "no-mail": "cannot hold mail",
    "unusable-name": "has a name that cannot be used",
    "excluded-by-owner": "you left it out",
    "refused": "your mail server refuses access to it",
}
"""Words for the codes that ledger rows and folders carry."""


def plural(count: int, singular: str, more: str | None = None) -> str:
    """Return ``1 email``, ``1,234 emails``."""
    return f"{count:,} {singular if count == 1 else more or singular + 's'}"


def day(moment: datetime) -> str:
    """Return a date as ``3 March 2021``: it reads the same on both sides of the Atlantic."""
    return f"{moment.day} {moment:%B %Y}"


def readable(address: str) -> str:
    """Return an address, or a domain, with the domain as people write it (U-labels, RFC 5890)."""
    local, at, domain = address.rpartition("@")
    try:
        return f"{local}{at}{idna.decode(domain)}"
    except idna.IDNAError:
        return address


def skipped(reason: str) -> str:
    """Say why mail was skipped."""
    return SKIPPED.get(reason, reason.replace("-", " "))


def left_out(reason: str | None) -> str:
    """Say why a folder is not synchronised."""
    return LEFT_OUT.get(reason or "", (reason or "left out").replace("-", " "))


def sharing_in_force(policy: SharingPolicy, company: CompanyPolicy) -> list[str]:
    """Say who sees the account's mail: sentences for its owner."""
    if policy.mode not in company.allowed_modes:
        line = f"You chose {policy.mode.value}, which your company does not allow at present: your mail is treated as private, "
        return [line + "nobody else sees it."]
    if policy.mode is Mode.PRIVATE:
        return ["Private: nobody else sees your mail, on no record."]
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
    lines.append("Who is in Bcc is shown to nobody but you.")
    return lines

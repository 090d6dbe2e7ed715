"""The company's own domains for programs."""

from __future__ import annotations

from services.cli.results.base import Result
from services.store import Preview
from services.usecases.company_domains import ProposedDomain


class CompanyDomains(Result):
    """The company's own domains."""

    internal_domains: tuple[str, ...]
    """Confirmed: an address there is internal."""
    opened_domains: tuple[str, ...]
    """Opened: addresses there are not treated as internal."""
    proposed: list[ProposedDomain]
    """Domains of users' and mailboxes' addresses that are not confirmed yet."""
    changed: bool
    """Whether this call changed the domains."""
    preview: Preview | None
    """What a change that opens mail would show of the mail that the administrator sees; null for other changes."""
    opened_records: int = 0
    """How many leads and contacts, as far as the administrator may read them, have an address that would cease to be internal."""

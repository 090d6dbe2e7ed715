"""The mail services that a user chooses from when they connect a mailbox, with marks of our own."""

from __future__ import annotations

from typing import NamedTuple

from services.mailbox.providers import Provider, directory


class PopularService(NamedTuple):
    """A service under the name that its users know. It may have several entries in the directory."""

    key: str
    """The directory's entry for addresses at the service's own domains."""
    name: str
    mark: str
    """One or two letters, for its tile."""
    colour: str
    """The tile's colour, on which white letters can be read."""
    company: str = ""
    """The directory's entry for a company's own domain, if it is another one."""

    @property
    def provider(self) -> Provider:
        """The directory's entry for the service's own domains."""
        return directory().by_key[self.key]

    @property
    def for_company(self) -> Provider:
        """The directory's entry for a company's own domain."""
        return directory().by_key[self.company or self.key]


POPULAR: dict[str, PopularService] = {
    service.key: service
    for service in (
        PopularService("gmail", "Gmail, Google Workspace", "G", "#a8332a", company="google-workspace"),
        PopularService("outlook", "Outlook, Microsoft 365", "O", "#1f5fbf", company="microsoft365"),
        PopularService("yahoo", "Yahoo Mail", "Y", "#6b2fa0"),
        PopularService("icloud", "iCloud Mail", "i", "#4a5568"),
        PopularService("zoho", "Zoho Mail", "Z", "#8a4b08", company="zoho-business"),
        PopularService("fastmail", "Fastmail", "F", "#0b5f8a"),
        PopularService("gmx", "GMX", "GX", "#17406d"),
        PopularService("web-de", "WEB.DE", "W", "#7a5600"),
        PopularService("ionos", "IONOS", "IO", "#0b3d91"),
        PopularService("aol", "AOL Mail", "A", "#33415c"),
        PopularService("mailbox-org", "mailbox.org", "m", "#3f6b12"),
        PopularService("proton-bridge", "Proton Mail (Bridge)", "P", "#5b3cc4"),
    )
}
"""In the order in which they are shown."""

"""Settings of how users come and leave: what the company's identity provider decides."""

from __future__ import annotations

from pydantic import field_validator

from schemas.addresses import InvalidAddressError, normal_address
from services.runtime.settings import ProcessSettings, setting

PAUSE, DISCONNECT = "pause", "disconnect"


class ScimSettings(ProcessSettings):
    """Users and groups that an identity provider manages (SCIM)."""

    scim_admin_group: str = setting(
        "",
        "the name of the identity provider's group whose members are administrators; without it, groups give no rights",
        "Leadmail administrators",
    )
    scim_deleted: str = setting(
        PAUSE,
        "what happens to a user whom the identity provider deletes: `pause` locks them out and pauses their mailboxes; `disconnect` removes"
        " them, and their mail stays on the records; the address of another user removes them and gives that user the mailboxes",
        "disconnect",
    )

    @field_validator("scim_deleted")
    @classmethod
    def _fate(cls, value: str) -> str:
        if value in (PAUSE, DISCONNECT):
            return value
        try:
            return normal_address(value)
        except InvalidAddressError:
            raise ValueError("it is neither a word that is known nor an address") from None

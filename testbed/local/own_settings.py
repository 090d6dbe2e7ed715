"""The settings of a deployment of its own on running servers."""

from __future__ import annotations

import os
import secrets


def own_settings(name: str, sender: str) -> dict[str, str]:
    """Return the environment of a deployment, but for the servers' addresses.

    The settings of the person who runs this are left out: they must not change what is measured or proven.

    Args:
        name: of its database; the CRM's is named after it.
        sender: the address of Leadmail's own mail.
    """
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("LEADMAIL_")},
        "LEADMAIL_MONGO_DATABASE": name,
        "LEADMAIL_CRM_DATABASE": f"{name}-crm",
        "LEADMAIL_SECRET_KEY": secrets.token_hex(32),
        "LEADMAIL_MAIL_FROM": f"Leadmail <{sender}>",
    }

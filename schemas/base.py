"""The frozen model that every contract derives from."""

from __future__ import annotations

import sys
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints

AccountId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$"), AfterValidator(sys.intern)]
"""An account's id: 24 hex digits (an ObjectId's). In memory, what belongs to an account has the same."""

FolderId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
"""A folder's id within its account: 12 hex digits, see ``identity.folder_id``."""

EmailKey = Annotated[str, StringConstraints(pattern=r"^v\d+-[0-9a-f]{40}$")]
"""An email's key: recipe version and digest, see ``identity.email_key``."""

Utc = AwareDatetime
"""A moment; always stored and sent in UTC, with millisecond precision as MongoDB keeps it."""


class Contract(BaseModel):
    """A frozen value. Unknown fields are ignored, so that a newer sender may add some (contracts are additive)."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", ser_json_bytes="base64", val_json_bytes="base64", defer_build=True
    )

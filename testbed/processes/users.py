"""The mail users of the hosted servers, in files that both Dovecot and the SMTP sink read."""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path

# Dovecot looks at a passwd-file's time at most once a second.
_DOVECOT_NOTICES_S = 1.1


class MailUsers:
    """A folder of Dovecot passwd-files, one per user, each with the line `address:{PLAIN.b64}password::::::`.

    One file per user, because Dovecot would notice a user added to a common file up to a second late. Passwords are plain,
    because they are made for this run, and hashing would slow every test login down.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self) -> None:
        """Make the empty folder, readable by the user that Dovecot runs as."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)

    def add(self, address: str, password: str) -> None:
        """Add a user, or change the password of one that exists (which takes a second).

        Raises:
            ValueError: for an address that cannot be a user's.
        """
        if address[:1] in ("", ".") or any(character in address for character in ":/%\r\n\t "):
            raise ValueError(f"{address!r} cannot be a mail user here: no colon, slash, percent sign or white space")
        path = self.folder / address.lower()
        known = path.exists()
        # No address starts with a dot, so no server reads a half-written file.
        new = self.folder / f".{address.lower()}"
        new.write_text(f"{address.lower()}:{{PLAIN.b64}}{base64.b64encode(password.encode()).decode()}::::::\n")
        new.chmod(0o644)
        os.replace(new, path)  # noqa: PTH105 - atomic
        if known:
            time.sleep(_DOVECOT_NOTICES_S)

    def knows(self, address: str) -> bool:
        """Return whether the user exists."""
        return self._password(address) is not None

    def check(self, address: str, password: str) -> bool:
        """Return whether the user exists and has this password."""
        return self._password(address) == password

    def _password(self, address: str) -> str | None:
        path = self.folder / address.lower()
        if "/" in address or address.startswith(".") or not path.is_file():
            return None
        encoded = path.read_text().partition("}")[2].partition(":")[0]
        return base64.b64decode(encoded).decode()

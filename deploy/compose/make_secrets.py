"""Make the secrets of a Compose deployment: ``make secrets``, or ``python3 deploy/compose/make_secrets.py``.

Existing secrets stay: run it again after an upgrade to add new ones. The broker's definitions are always rewritten.
It needs nothing but Python.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DEFINITIONS = HERE.parent / "rabbitmq" / "definitions.json"
VIRTUAL_HOST = USER = "leadmail"
DEMO_SMTP = "smtp://demo-smtp:1025?tls=none"
_SALT_BYTES = 4


def password_hash(password: str) -> str:
    """Return a password as RabbitMQ stores it: salt and SHA-256 of salt and password, in base64."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def definitions(passwords: dict[str, str]) -> dict[str, Any]:
    """Return the broker's definitions with two users: Leadmail's, and one for the management pages."""
    found: dict[str, Any] = json.loads(DEFINITIONS.read_text(encoding="utf-8"))
    tags = {USER: ["monitoring"], "admin": ["administrator"]}
    found["users"] = [
        {
            "name": name,
            "password_hash": password_hash(passwords[name]),
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": tags[name],
        }
        for name in tags
    ]
    found["permissions"] = [
        {"user": name, "vhost": VIRTUAL_HOST, "configure": ".*", "write": ".*", "read": ".*"} for name in tags
    ]
    return found


def make(folder: Path, smtp_url: str) -> list[str]:
    """Write the missing secrets and return their names. Only the owner may enter the folder; containers' users read its files."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    made: list[str] = []

    def keep(name: str, value: Callable[[], str]) -> str:
        path = folder / name
        if not path.exists():
            _write(path, value())
            made.append(name)
        return path.read_text(encoding="utf-8").strip()

    broker = keep("rabbitmq_password", lambda: secrets.token_hex(16))
    admin = keep("rabbitmq_admin_password", lambda: secrets.token_hex(16))
    database = keep("mongo_password", lambda: secrets.token_hex(16))
    keep("mongo_admin_password", lambda: secrets.token_hex(16))
    keep("mongo_key", lambda: base64.b64encode(secrets.token_bytes(96)).decode())
    keep("secret_key", lambda: base64.b64encode(secrets.token_bytes(32)).decode())
    keep("rabbitmq_url", lambda: f"amqp://{USER}:{broker}@rabbitmq:5672/{VIRTUAL_HOST}")
    keep("rabbitmq_management_url", lambda: f"http://{USER}:{broker}@rabbitmq:15672")
    keep("mongo_url", lambda: f"mongodb://leadmail:{database}@mongodb:27017/?replicaSet=rs0&authSource=admin")
    keep("smtp_url", lambda: smtp_url)
    keep("demo_password", lambda: secrets.token_hex(8))
    _write(folder / "rabbitmq_definitions.json", json.dumps(definitions({USER: broker, "admin": admin}), indent=2))
    return made


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text + "\n", encoding="utf-8")
    path.chmod(0o644)


def main() -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="make secrets", description=__doc__)
    parser.add_argument("--folder", type=Path, default=HERE / "secrets", help="the folder to write to")
    parser.add_argument(
        "--smtp-url", default=DEMO_SMTP, help="the server that sends confirmations, by default the demo's"
    )
    arguments = parser.parse_args()
    made = make(arguments.folder, arguments.smtp_url)
    sys.stdout.write(f"{arguments.folder}: made {', '.join(made) or 'nothing, all secrets exist'}\n")
    if "smtp_url" in made and arguments.smtp_url == DEMO_SMTP:
        sys.stdout.write(
            "Confirmations go to the demo's server; to use yours, write its URL into the file smtp_url, "
            "for example smtp://user:password@mail.example.com:587\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

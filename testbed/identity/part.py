"""The identity server as a part of a run, and a user's browser at it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from joserfc.jwk import RSAKey

from testbed.processes import waiting
from testbed.processes.child import Spawner
from testbed.processes.parts import LOOPBACK
from testbed.processes.server import ServerProcess
from testbed.processes.users import MailUsers

CLIENT_ID, CLIENT_SECRET = "leadmail", "a-secret-of-leadmail"
MAIL_SERVER_SECRET = "a-secret-of-the-mail-server"  # noqa: S105 - of a run on loopback
_PROJECT = Path(__file__).parents[2]
_START_S = 30


def introspection_url(port: int) -> str:
    """Return where the mail server asks whose token it was given."""
    return f"http://mail-server:{MAIL_SERVER_SECRET}@{LOOPBACK}:{port}/introspect"


class IdentityServer(ServerProcess):
    """The identity server's process. It keeps its tokens in memory: once it is started again, everybody signs in anew."""

    def __init__(self, port: int, folder: Path, users: MailUsers, spawner: Spawner) -> None:
        super().__init__(spawner)
        self._port = port
        self._folder = folder
        self._users = users

    @property
    def issuer(self) -> str:
        """Its URL."""
        return f"http://{LOOPBACK}:{self._port}"

    def start(self) -> None:
        """Start it; returns when it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "testbed.identity", "--host", LOOPBACK, "--port", str(self._port)]
        command += ["--users", str(self._users.folder)]
        command += ["--clients", f"{CLIENT_ID}:{CLIENT_SECRET}", f"mail-server:{MAIL_SERVER_SECRET}"]
        answers = partial(waiting.greets, self._port, greeting=b"HTTP/1.1 200", say=b"GET /keys HTTP/1.0\r\n\r\n")
        self._run(
            command,
            lambda alive: waiting.until(answers, what="the identity server", seconds=_START_S, part_alive=alive),
            log=self._folder / "identity.log",
            env={**os.environ, "PYTHONPATH": str(_PROJECT)},
            cwd=_PROJECT,
        )

    def set(self, **wanted: Any) -> dict[str, Any]:
        """Change how it behaves: the fields of ``state.State`` that ``app`` lets tests set, and ``faults``.

        ``service_accounts`` are registered with their public keys and delegated scopes. ``revoke`` and ``expire`` list users
        whose tokens end. Returns what was asked, and who is signed in.
        """
        answer: dict[str, Any] = (
            httpx.post(f"{self.issuer}/test", json=wanted, trust_env=False).raise_for_status().json()
        )
        return answer

    def service_account(
        self, name: str = "leadmail@project.example", *, scopes: tuple[str, ...] = ("email",), token_url: str = ""
    ) -> str:
        """Register a service account that may act as any user with some scopes. Returns its key file, as Google gives it.

        The file names ``token_url``, if there is one, instead of the server's own.
        """
        token_url = token_url or f"{self.issuer}/token"
        key = RSAKey.generate_key(2048, parameters={"use": "sig", "alg": "RS256"}, auto_kid=True)
        self.set(service_accounts={name: [key.as_dict(private=False), *scopes]}, audiences=[token_url])
        pem = key.as_pem(private=True).decode()
        return json.dumps(
            {
                "type": "service_account",
                "client_email": name,
                "private_key": pem,
                "private_key_id": key.kid,
                "token_uri": token_url,
            }
        )

    def asked(self) -> list[str]:
        """Return which endpoints were asked so far, in order."""
        return list(self.set()["asked"])

    def refreshed(self) -> int:
        """Return how often tokens were asked for by a refresh token."""
        return self.asked().count("refresh")

    def signed_in(self) -> list[str]:
        """Return the users who have a token that is not revoked."""
        return list(self.set()["signed_in"])

    def codes(self) -> list[str]:
        """Return the device codes that were given out so far."""
        return list(self.set()["codes"])

    @contextmanager
    def fault(self, endpoint: str, **fault: Any) -> Iterator[None]:
        """Let an endpoint misbehave while the block runs (see ``state.EndpointFault``)."""
        self.set(faults={endpoint: fault})
        try:
            yield
        finally:
            self.set(faults={})

    def sign_in(self, url: str, user: str, password: str, *, deny: bool = False) -> str:
        """Act as the browser of a user who signs in at an authorization URL. Returns the URL to which the browser is sent back."""
        query = dict(httpx.QueryParams(urlsplit(url).query))
        form = {**query, "user": user, "password": password, "do": "deny" if deny else "allow"}
        with httpx.Client(trust_env=False) as browser:
            browser.get(url).raise_for_status()
            answer = browser.post(url.partition("?")[0], data=form)
        assert answer.has_redirect_location, answer.text
        return answer.headers["location"]

    def tokens(self, user: str, password: str) -> dict[str, Any]:
        """Sign in as a user whose browser and program are one, and return what the token endpoint answers."""
        verifier, back = secrets.token_urlsafe(48), f"http://{LOOPBACK}:1/"
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": back,
            "scope": "openid email offline_access",
        }
        asked |= {"code_challenge": challenge, "code_challenge_method": "S256"}
        url = self.sign_in(f"{self.issuer}/authorize?{httpx.QueryParams(asked)}", user, password)
        form = {
            "grant_type": "authorization_code",
            "code": httpx.QueryParams(urlsplit(url).query)["code"],
            "redirect_uri": back,
            "code_verifier": verifier,
        }
        login = (CLIENT_ID, CLIENT_SECRET)
        answer = httpx.post(f"{self.issuer}/token", data=form, auth=login, trust_env=False)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def enter_code(self, user_code: str, user: str, password: str, *, deny: bool = False) -> None:
        """Act as the browser of a user who enters a device code."""
        form = {"user_code": user_code, "user": user, "password": password, "do": "deny" if deny else "allow"}
        httpx.post(f"{self.issuer}/device", data=form, trust_env=False).raise_for_status()

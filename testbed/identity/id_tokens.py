"""Who signed in, as id_tokens and the userinfo page say it."""

from __future__ import annotations

import time
from typing import Any

from authlib.oidc.core.grants.code import OpenIDCode, OpenIDToken

from testbed.identity.state import RegisteredApp, State


class _Claims:
    """What an id_token says."""

    def __init__(self, state: State) -> None:
        self._state = state

    def resolve_client_private_key(self, _client: RegisteredApp) -> Any:
        """Return the key that signs."""
        return self._state.key

    def get_encode_header(self, _client: RegisteredApp) -> dict[str, str]:
        """Return the header with the key's id."""
        return {"alg": "RS256", "kid": str(self._state.key.kid)}

    def get_client_claims(self, client: RegisteredApp) -> dict[str, Any]:
        """Return who signs for whom, by a clock that may be wrong."""
        at = int(time.time()) + self._state.skew
        return {"iss": self._state.issuer, "aud": client.client_id, "iat": at, "exp": at + 300, "auth_time": at}

    def generate_user_info(self, user: str, _scope: str) -> dict[str, Any]:
        """Return who signed in."""
        return about(self._state, user)


class IdTokens(_Claims, OpenIDCode):
    """With an authorization code."""

    def __init__(self, state: State) -> None:
        _Claims.__init__(self, state)
        OpenIDCode.__init__(self)

    def exists_nonce(self, nonce: str, _request: Any) -> bool:
        """Whether a nonce was used before."""
        return any(code.nonce == nonce for code in self._state.codes.values())


class DeviceIdTokens(_Claims, OpenIDToken):
    """With a device code."""


def about(state: State, user: str) -> dict[str, Any]:
    """Return the claims about a user."""
    name = user.partition("@")[0]
    known = {"sub": f"sub-{user}", "email": user, "email_verified": True, "preferred_username": user, "name": name}
    return {**known, **state.claims}

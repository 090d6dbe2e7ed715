"""An identity provider that has a token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from services.console.scim.users import identifier_of
from tests.console.fixtures import URL, Office

TOKEN = "leadmail_scim_for-tests"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@dataclass
class IdentityProvider:
    """A client that sends SCIM requests."""

    client: httpx.AsyncClient
    office: Office

    async def send(self, method: str, path: str, body: Any = None, *, status: int = 200, **headers: str) -> Any:
        """Send a request, check the status of the answer, and return its body."""
        more = {"content-type": "application/scim+json", **headers} if body is not None else headers
        answer = await self.client.request(method, f"/scim/v2{path}", json=body, headers=more)
        assert answer.status_code == status, (answer.status_code, answer.text)
        if not answer.content:
            return None
        assert answer.headers["content-type"] == "application/scim+json"
        return answer.json()

    async def patch(self, path: str, *operations: Any, status: int = 200) -> Any:
        """Send a PATCH."""
        return await self.send("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)}, status=status)

    def use(self, **settings: Any) -> None:
        """Change settings of the console."""
        console = self.office.console
        object.__setattr__(console, "settings", console.settings.model_copy(update=settings))


def path_of(email: str) -> str:
    """Return the path of a user."""
    return f"/Users/{identifier_of(email)}"


@pytest.fixture
async def provider(office: Office) -> AsyncIterator[IdentityProvider]:
    """An identity provider with a valid token."""
    await office.console.store.scim_tokens.add(TOKEN, by="operator")
    transport = httpx.ASGITransport(office.app, client=("203.0.113.9", 1))
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(transport=transport, base_url=URL, headers=headers) as client:
        yield IdentityProvider(client, office)

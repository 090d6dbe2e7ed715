"""``leadmail scim``: tokens are shown once, listed without what lets anyone in, and revoked."""

from __future__ import annotations

import re

from services.cli.company.scim import PREFIX
from services.store import ScimToken
from tests.cli.fixtures import Deployment, check_result


def test_tokens(empty: Deployment) -> None:
    """Two tokens are valid beside each other until one is revoked; a fifth is the last."""
    assert "There are no tokens" in empty.ok("scim", "list")
    made = empty.run("scim", "token", LEADMAIL_CONSOLE_URL="https://console.test").out
    token = re.search(rf"^{PREFIX}[\w-]{{43}}$", made, re.MULTILINE)
    assert token
    assert "https://console.test/scim/v2" in made
    empty.ok("scim", "token")
    listed = empty.ok("scim", "list", "--json")
    check_result(listed, list[ScimToken])
    assert token[0] not in listed + empty.ok("scim", "list")

    assert empty.store(lambda store, _: store.scim_tokens.is_valid(token[0]))
    (first, second) = empty.run("scim", "list", "--json").json()
    assert (first["used_at"] is None, second["used_at"]) == (False, None)
    assert empty.run("scim", "revoke", "x").code == 1
    assert empty.run("scim", "revoke").code == 2
    assert empty.run("scim", "revoke", first["id"], "--all").code == 2
    assert f"The token {first['id']} is revoked." in empty.ok("scim", "revoke", first["id"])
    assert not empty.store(lambda store, _: store.scim_tokens.is_valid(token[0]))
    for _ in range(4):
        empty.ok("scim", "token")
    full = empty.run("scim", "token")
    assert (full.code, "leadmail scim revoke ID" in full.errors) == (1, True)
    empty.ok("scim", "revoke", "--all")
    assert empty.run("scim", "list", "--json").json() == []
    assert token[0] not in empty.ok("audit", "--action", "scim")

"""How often what owners do may block an account: once per login that is refused, and again when it is resumed before it is repaired."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from testbed.chaos.world.evidence import Gatherer
from testbed.chaos.world.owners import PASSWORD, PAUSE, Owners


class Server:
    """A mail server whose connections nobody uses."""

    def set(self, _mood: object) -> None:
        """Do nothing."""


class Network:
    """What ``Owners`` uses of a network."""

    imap = Server()


class Company:
    """A company with one account. Its commands end at once."""

    def __init__(self) -> None:
        self.accounts = {"ada": "a"}
        self.network = Network()
        self.while_resuming: Callable[[], None] = lambda: None

    async def connected(self, _key: str) -> bool:
        """Return that it is."""
        return True

    async def command(self, *arguments: str) -> int:
        """Return that the first try worked."""
        if arguments[:2] == ("account", "resume"):
            self.while_resuming()
        return 1

    async def change_password(self, _key: str) -> None:
        """Do nothing."""

    async def repair_password(self, _key: str) -> None:
        """Do nothing."""


@pytest.fixture
def firm() -> Company:
    """Return a company."""
    return Company()


@pytest.fixture
def gatherer(firm: Any) -> Gatherer:
    """Return what looks at it."""
    nobody: Any = None
    return Gatherer(firm, nobody)


@pytest.fixture
def owners(firm: Any, gatherer: Gatherer) -> Owners:
    """Return its users."""
    return Owners(firm, gatherer)


async def test_a_pause_blocks_nothing(owners: Owners, gatherer: Gatherer) -> None:
    """Neither alone nor after a password was changed and repaired."""
    await owners.act(PAUSE, "ada", 0)
    assert gatherer.blocks["a"] == 0
    await owners.act(PASSWORD, "ada", 0)
    await owners.act(PAUSE, "ada", 0)
    assert gatherer.blocks["a"] == 1


async def test_a_resumed_account_whose_permission_is_withdrawn_is_blocked_again(
    owners: Owners, gatherer: Gatherer
) -> None:
    """Resuming ends the block, and the login is refused again: a second incident, of which the owner is told."""
    gatherer.refuse("a")
    await owners.act(PAUSE, "ada", 0)
    gatherer.accept("a")
    await owners.act(PAUSE, "ada", 0)
    assert gatherer.blocks["a"] == 2


async def test_a_permission_may_be_withdrawn_while_an_account_is_being_resumed(
    firm: Company, owners: Owners, gatherer: Gatherer
) -> None:
    """The command may end the block although it began before."""
    firm.while_resuming = lambda: gatherer.refuse("a")
    await owners.act(PAUSE, "ada", 0)
    assert gatherer.blocks["a"] == 2

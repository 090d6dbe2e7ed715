"""The vocabulary in which handlers fail. Anything else that they raise is a bug: logged as an error, retried within the budget."""

from __future__ import annotations


class TransientError(Exception):
    """It may work later: the message is tried again by its route's plan. Give no mail content in the text: it is logged."""


class PermanentError(Exception):
    """It will never work: the message goes to the dead letters at once."""

    def __init__(self, reason: str, detail: str = "") -> None:
        """Take a stable code such as ``parser-died`` and, for the log, a detail without mail content."""
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class UndecodableError(PermanentError):
    """A message is not what its queue promises."""

    def __init__(self, detail: str) -> None:
        super().__init__("undecodable", detail)


class UnroutableError(Exception):
    """No queue takes this message: the broker's topology is not the one of ``schemas.routes``."""


class BusClosedError(Exception):
    """The bus was closed while, or before, this was asked of it; whether a publish in hand arrived is not known."""


class TopologyError(Exception):
    """An exchange or a queue exists with other properties than ours; the text says what to do."""


class LayoutError(Exception):
    """An index of the database exists with other properties than ours; the text says what to do."""


class NotReadyError(Exception):
    """The broker or the database did not answer in time."""

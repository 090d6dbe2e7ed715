"""Bounces that others collected: which are recognised, with the right addresses, as hard or soft."""

from __future__ import annotations

import email
import email.message
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from schemas.addresses import normal_address_or_none
from schemas.mail import Classification
from testbed.parsing.comparison import read
from testbed.parsing.corpus import expectations

_NO_BOUNCES = {"feedback", "vacation"}


class Judged(NamedTuple):
    """A bounce, what another program says of it, and what ours says."""

    path: Path
    bounce: bool
    """Whether it names anyone."""
    addresses: frozenset[str] | None
    """Those that could not be reached for good; None where it does not tell."""
    hard: bool | None
    """None where its recipients failed for different reasons."""
    ours: Classification

    @property
    def results(self) -> dict[str, tuple[bool, object, object] | None]:
        """Return by name whether it is right, and both values; None where it is not compared."""
        ours, kind = frozenset(self.ours.bounced), self.ours.bounce_kind == "hard"
        return {
            "recognised": (self.ours.bounce == self.bounce, self.bounce, self.ours.bounce),
            "addresses": (
                None if self.addresses is None else (self.addresses == ours, sorted(self.addresses), sorted(ours))
            ),
            "kind": None if self.hard is None or not self.ours.bounce else (self.hard == kind, self.hard, kind),
        }


def flufl() -> Iterator[Judged]:
    """Yield flufl.bounce's collection."""
    for path, detected in expectations("flufl.bounce", ".json"):
        lost = [address for each in detected for address in each["addresses"] if not each["temporary"]]
        yield Judged(path, any(each["addresses"] for each in detected), _normal(lost), None, read(path).marks)


def sisimai() -> Iterator[Judged]:
    """Yield what sisimai takes for bounces; the addresses are those of the notification, read by the standard library."""
    for path, detected in expectations("sisimai", ".json"):
        if not detected or {each["reason"] for each in detected} & _NO_BOUNCES:
            continue
        kinds = {each["hardbounce"] == "1" for each in detected}
        yield Judged(path, True, _notified(path), kinds.pop() if len(kinds) == 1 else None, read(path).marks)


def _normal(addresses: Iterable[str]) -> frozenset[str]:
    return frozenset(found for each in addresses if (found := normal_address_or_none(each)))


def _notified(path: Path) -> frozenset[str] | None:
    """Return whom the delivery status notification of a mail calls failed, or None if it has no readable one."""
    named, failed = False, []
    for block in _blocks(email.message_from_bytes(path.read_bytes())):
        spec = str(block.get("Original-Recipient") or block.get("Final-Recipient") or "").rpartition(";")[2]
        address = normal_address_or_none(spec.strip().strip("<>"))
        named = named or address is not None
        if address and str(block.get("Action", "failed")).strip().lower().startswith(("fail", "expired")):
            failed.append(address)
    return frozenset(failed) if named else None


def _blocks(part: email.message.Message) -> Iterator[email.message.Message]:
    """Yield the blocks of the notifications in a mail, but not of those in attached mail."""
    inner = part.get_payload() if part.is_multipart() and part.get_content_maintype() == "multipart" else []
    for each in inner:
        assert isinstance(each, email.message.Message)
        yield from _blocks(each)
    if part.get_content_type().endswith("delivery-status") and part.is_multipart():
        for block in part.get_payload():
            assert isinstance(block, email.message.Message)
            yield block


SETS: dict[str, Callable[[], Iterator[Judged]]] = {"flufl.bounce": flufl, "sisimai": sisimai}


def report() -> Iterator[str]:
    """Yield the share of right answers of each collection."""
    for name, source in SETS.items():
        results = [judged.results for judged in source()]
        for field in ("recognised", "addresses", "kind"):
            right = [result[0] for each in results if (result := each[field]) is not None]
            if right:
                yield f"{name:14}{field:12}{sum(right)} of {len(right)} ({sum(right) / len(right):.1%})"


def differences(field: str) -> Iterator[str]:
    """Yield the bounces of which ours says something else."""
    for source in SETS.values():
        for judged in source():
            result = judged.results[field]
            if result is not None and not result[0]:
                ours = judged.ours
                said = f"{ours.bounce_status} {ours.bounce_reason[:200]}"
                yield f"{judged.path}\n    theirs {result[1]}, ours {result[2]}: {said}"

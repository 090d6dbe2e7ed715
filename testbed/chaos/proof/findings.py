"""The evidence for a verdict, and its findings. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from testbed.chaos.proof.expected import ExpectedState
from testbed.chaos.proof.observer import Observed
from testbed.chaos.proof.reader import Held, ServerCopy
from testbed.chaos.proof.stored import AttentionMail, Confirmation, Stored

LOST, DOUBLED, EARLY, UNFINISHED_WORK = "lost", "doubled", "early", "unfinished"
KINDS = (LOST, DOUBLED, EARLY, UNFINISHED_WORK)


class Finding(NamedTuple):
    """A difference from the required state."""

    kind: str
    what: str


class Seen(NamedTuple):
    """What a viewer sees of an email, read as a user would."""

    emails: Mapping[tuple[str, str], Collection[str]]
    """Keys by (viewer, record); a key that is listed twice is there twice."""
    bcc: Mapping[tuple[str, str], frozenset[str]]
    """By (viewer, key)."""
    holders: Mapping[tuple[str, str], frozenset[str]]
    """Users who are named as having a copy, by (viewer, key)."""


class Asked(NamedTuple):
    """A requested backfill: the mailbox was connected, or its owner asked for a resync."""

    account: str
    last: int
    """The last backfill before."""
    there: frozenset[ServerCopy]
    """What was in the mailbox."""
    times: int = 1
    """The command may have failed after it had asked, and asked again."""


class Evidence(NamedTuple):
    """Everything that a verdict needs."""

    held: Sequence[Held]
    truth: ExpectedState
    stored: Stored
    seen: Seen
    confirmations: Sequence[Confirmation]
    attentions: Sequence[AttentionMail]
    observed: Observed
    asked: Sequence[Asked]
    blocks: Mapping[str, int]
    """How often each account may have been blocked: once per changed password or withdrawn permission, and once more each time
    it was resumed before its owner had repaired that."""
    unnotified: Sequence[str]
    """Blocked accounts whose owner was not notified in time."""
    unshown: Sequence[str]
    """Accounts whose tokens could not be refreshed, which did not show in time."""
    leaked: Sequence[str] = ()
    """What a user still saw as a member of a shared mailbox after they had left it."""


def count(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how many findings there are of each kind."""
    kinds = Counter(finding.kind for finding in findings)
    return {kind: kinds[kind] for kind in KINDS}


def in_words(copy: ServerCopy) -> str:
    """Return a copy in words."""
    return f"{copy.account} {copy.folder.decode(errors='replace')} {copy.uidvalidity}/{copy.uid}"

"""The demo's mailboxes, and the mail that arrives while it runs.

``DemoMail(now=…)`` dates everything relative to ``now``; with the same moment and seed every byte is the same.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from testbed.samples.correspondence import THREADS
from testbed.samples.correspondence.live import SCENES
from testbed.samples.model import SampleMail
from testbed.samples.odd_headers import addressing, duplicates, hostile
from testbed.samples.odd_mail import OddMailWriter
from testbed.samples.odd_parts import forwards, structures
from testbed.samples.weave import weave, weave_live

DEFAULT_NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SEED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoMail:
    """The made-up mail of Northwind Instruments as of ``now`` (aware)."""

    now: datetime = DEFAULT_NOW
    seed: int = SEED

    def mailboxes(self) -> list[SampleMail]:
        """Return every copy that exists when the demo starts, in order of arrival."""
        mails = [mail for thread in THREADS for mail in weave(thread, now=self.now, seed=self.seed)]
        writer = OddMailWriter(now=self.now, seed=self.seed)
        mails += [*structures(writer), *forwards(writer), *addressing(writer), *duplicates(writer), hostile(writer)]
        return sorted(mails, key=lambda mail: (mail.internaldate, mail.truth.email, mail.user))

    def late_contact(self) -> list[SampleMail]:
        """Return the copies, among those of :meth:`mailboxes`, that the late contact's record will bring in."""
        return [mail for mail in self.mailboxes() if mail.truth.late_links and mail.synchronised]

    def scene(self, name: str, *, at: datetime) -> list[SampleMail]:
        """Return the copies of a new mail that arrives at a moment.

        Args:
            name: a key of :data:`testbed.samples.correspondence.live.SCENES`.
            at: when it is sent (aware), after ``now``.

        Raises:
            ValueError: there is no such scene.
        """
        if name not in SCENES:
            raise ValueError(f"no scene {name!r}: use one of {', '.join(SCENES)}")
        return weave_live(SCENES[name], now=self.now, live_at=at, seed=self.seed)

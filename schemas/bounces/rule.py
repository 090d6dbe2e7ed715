"""What makes a mail a bounce, and whom it is about. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from schemas.addresses import normal_address_or_none
from schemas.bounces import prose, status

MOST = 50
"""Addresses that are read of one bounce."""
RETURNED = frozenset(
    {"message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers"}
)
"""Types of the parts that are the mail that bounced, or its header."""
_SUBJECT = re.compile(
    r"undeliver|returned mail|delivery (?:status notification|failure|has failed|problem|error|report|warning)|failure notice|"
    r"failure delivery|mail(?:server)? (?:failed|failure|error)|nondeliver|non[- ]deliver|not (?:be |been |yet been )*delivered|"
    r"mail (?:system )?(?:delivery )?(?:failed|failure|system|error|warning)|rejected mail|unknown user|user unknown|"
    r"delayed \d+ (?:hour|day)|delayed mail|error sending your mail|processing error|unzustellbar|non remis|pas pu être|"
    r"no se pudo entregar|no se ha podido entregar|メールエラー|送信エラー|配信できません|传输失败|退信|"
    r"errors from |delivery to .{1,80} failed|failed mail\b|"
    r"no se puede entregar|non recapitabile|mancato recapito|impossibile (?:recapitare|consegnare)|onbestelbaar|niet bezorgd|"
    r"não (?:é possível entregar|entregue)|nie można dostarczyć|niedostarcz|nieudane dostarczenie|"
    r"не(?:\s?доставлен| удается доставить| удалось доставить)|не вдалося доставити|kan (?:ej|inte|ikke) levere|ej levererbar|ulevert|"
    r"ei (?:voitu|voida) toimittaa|nedoručiteľn|nedoručiteln|nedoručen|kézbesíthetetlen|sikertelen kézbesítés|teslim edilemed|iletilemed|"
    r"nelivrabil|imposibil de livrat|δεν (?:είναι δυνατή η παράδοση|παραδόθηκε)|配信不能|未配達|未送達|無法傳遞|无法送达|无法投递|未送达|"
    r"배달되지|반송",
    re.IGNORECASE,
)
_NO_REPLY = re.compile(r"(?:no|do[-_.]?not)[-_.]?reply(?![a-z])", re.IGNORECASE)
"""An address that takes no answers, by its name."""
_DELAYED = re.compile(
    r"delay|still (?:being )?(?:retr|queued|trying)|not yet been|warning: (?:could|message)|will (?:be |keep )?(?:retr|try)",
    re.IGNORECASE,
)
_READ = 2_000
"""Characters of a bounce's words in which it says that a mail failed."""


def is_title(subject: str) -> bool:
    """Whether a subject says that a mail is a bounce."""
    return _SUBJECT.search(subject) is not None


class BounceHeader(NamedTuple):
    """What the header of a mail says that may be a bounce."""

    people: tuple[str, ...]
    """Normal addresses of who takes part, without Bcc."""
    senders: tuple[str, ...]
    """Normal addresses of From."""
    return_path: str | None
    """Without angle brackets; empty if it names nobody, None if there is none."""
    content_type: str
    """In lower case, without quotes and spaces."""
    report: bool
    """Whether it is a multipart/report."""
    subject: str
    failed: tuple[str, ...]
    """Normal addresses of X-Failed-Recipients."""

    @property
    def daemon(self) -> bool:
        """Whether a mail system wrote it by its name."""
        return any(prose.DAEMON.match(sender) for sender in self.senders)

    @property
    def automatic(self) -> bool:
        """Whether a mail system wrote it: nobody, a daemon, or whoever wants no answer (RFC 3834 section 3.3)."""
        returned = self.return_path
        return not self.senders or returned == "" or self.daemon or prose.DAEMON.match(f"{returned}@") is not None

    @property
    def announced(self) -> bool:
        """Whether the header says that it is a bounce, so that its words count without a notification."""
        return is_title(self.subject) or "report-type=delivery-status" in self.content_type

    @property
    def unattended(self) -> bool:
        """Whether a provider may have written it that names itself only as one who takes no answers."""
        return not self.automatic and any(map(_NO_REPLY.match, self.senders)) and is_title(self.subject)

    def head(self, text: str) -> str:
        """Return the words of a mail that may say of a failure; empty if no words make it a bounce."""
        return prose.head(text) if self.automatic or self.report or self.failed or self.unattended else ""


def names_recipients(header: BounceHeader, *, returns: bool) -> bool:
    """Whether the words of a mail without a notification may make it a bounce; ``returns``: a mail is attached to it."""
    if header.failed or (header.automatic and (header.announced or header.daemon)):
        return True
    return returns and not header.report and (header.automatic or header.unattended)


class BounceRecipients(NamedTuple):
    """What a bounce says of its recipients."""

    recipients: list[status.FailedRecipient]
    """Those of the notification that were not reached, the lost ones first."""
    lost: tuple[str, ...]
    """Normal addresses that were given up, or that the words name."""
    about: frozenset[str]
    """Normal addresses of all who were not reached, also of those that are still tried."""
    delayed: bool
    """Whether the mail system is still trying."""
    others: frozenset[str]
    """Normal addresses of those who were reached, as far as a notification names them."""
    complete: bool
    """Whether ``about`` and ``others`` are all whom it names, as far as anyone can tell."""

    def may_name_bcc(self, to_and_cc: Collection[str]) -> bool:
        """Whether it names, or may name, a recipient whom the mail that bounced does not name in To or Cc.

        Only the holder of a copy may see such a bounce: who was in Bcc is for the sender alone.
        """
        return not (self.complete and self.about and (self.about | self.others).issubset(to_and_cc))


def find_failures(
    header: BounceHeader, above: str, reports: Iterable[bytes], *, returns: bool
) -> BounceRecipients | None:
    """Return who was not reached; None if the mail is no bounce.

    Args:
        header: what its header says.
        above: its words (see ``BounceHeader.head``).
        reports: the contents of its delivery status notifications. They count in a report or an automatic mail only.
        returns: whether a mail, or its header, is attached to it. Then words that only a mail system says are enough.
    """
    read = [status.read_status(one) for one in reports] if header.report or header.automatic else []
    recipients = [one for each in read for one in each.failures]
    actions = frozenset[str]().union(*(each.actions for each in read))
    final = [one for one in recipients if one.final]
    failed = [*(one.address for one in final if one.address), *header.failed]
    if not failed and not (read and not (actions and actions <= status.DELIVERED)):
        if read or not names_recipients(header, returns=returns):
            return None
        if not (header.automatic and header.announced) and not prose.FAILED.search(above[:_READ]):
            return None
    delayed = bool(actions) and not final
    if not failed and not actions:
        failed = prose.lost_addresses(above, header.people)
        delayed = _DELAYED.search(header.subject) is not None or prose.POSTPONED.search(above[:_READ]) is not None
    lost = tuple(dict.fromkeys(_normal(failed)))[:MOST]
    tried = (one.address for one in recipients if not one.final)
    about = frozenset([*lost, *_normal(tried)][: 2 * MOST])
    spelled = {one.address for one in recipients}.union(*(each.reached for each in read))
    reached = frozenset(_normal(frozenset[str]().union(*(each.reached for each in read))))
    readable = all(any(_normal([one])) for one in spelled)
    complete = readable and len(about) < MOST and not any(each.cut for each in read)
    everybody = [*final, *(one for one in recipients if not one.final)]
    return BounceRecipients(everybody, lost, about, delayed, reached, complete)


def _normal(specs: Iterable[str]) -> Iterable[str]:
    found = (normal_address_or_none(one.strip(".'").removeprefix("SMTP=").removeprefix("smtp=")) for one in specs)
    return (address for address in found if address)

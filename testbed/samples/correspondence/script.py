"""The parts of the scripts: conversations, their turns, and how a text travels."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Charset:
    """How a plain text travels: Python codec, charset as declared (None: not at all), transfer encoding."""

    codec: str
    declared: str | None
    encoding: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One mail of a conversation.

    Attributes:
        sender: a person's key, or key/n for the n-th address.
        to: such keys, separated by blanks; also cc, bcc and reply_to.
        text: greeting and message; closing, signature and quotation are added.
        after: hours since the turn before.
        answers: position of the turn that is answered; -1 the one before, None for a new mail.
        files: names of attachments (.pdf, .png, .csv); "name|rfc2231" and "name|encoded-word" choose how the name travels.
        invite: title of an iCalendar invitation, "" for none.
        thread_link: see :class:`testbed.samples.post.ComposedMail`.
        folder: users' folders for this turn where they are not the thread's.
        headers: further headers.
    """

    sender: str
    to: str
    text: str
    cc: str = ""
    bcc: str = ""
    reply_to: str = ""
    after: float = 20
    answers: int | None = -1
    subject: str = ""
    files: tuple[str, ...] = ()
    invite: str = ""
    client: str = ""
    charset: Charset | None = None
    html: str = ""
    thread_link: str = ""
    mark: str | None = None
    quirk: str | None = None
    folder: Mapping[str, str] = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation that began so many days ago.

    ``filed`` says in which folder a user keeps it; the last ``live`` turns are not there yet when the demo starts.
    """

    key: str
    subject: str
    days: float
    turns: tuple[Turn, ...]
    filed: Mapping[str, str] = field(default_factory=dict)
    weekends: bool = False
    live: int = 0

"""Words for emails: who takes part, what is wrong with them, and why a viewer sees them or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas.mail import Classification, Participant, Role
from schemas.sharing import Verdict
from services.store import Obstacle, VisibleCopy
from services.wording.values import MOST_NAMES

VERDICTS = {
    Verdict.OWN_COPY: "holds it",
    Verdict.SHARED: "shared",
    Verdict.MODE_PRIVATE: "not shared: the account is private",
    Verdict.MODE_NOT_ALLOWED: "not shared: the company does not allow the account's mode, so it counts as private",
    Verdict.BCC: "not shared: only the owner of the copy may see a Bcc",
    Verdict.EXCLUDED_BY_COMPANY: "not shared: the company excludes this domain",
    Verdict.EXCLUDED_BY_OWNER: "not shared: the account's owner excludes this domain",
    Verdict.WITHDRAWN: "not shared: its owner keeps it private",
    Verdict.INTERNAL: "not shared: the address on this record is one of the company's own",
    Verdict.INTERNAL_ONLY: "not shared: everyone in it is internal or in an excluded domain",
    Verdict.THREAD_NOT_ATTESTED: "not shared: in its owner's mailboxes the thread is not about this record",
}
"""What each clause of the rule says about one copy."""
OBSTACLES = {
    Obstacle.DELETED: "It was deleted in the CRM.",
    Obstacle.NOT_STORED: "There is no such email: it concerns no record, or no one holds it any longer.",
    Obstacle.NOT_ON_RECORD: "It is not on this record: it names none of its addresses, and its thread is not about it.",
    Obstacle.RECORD_NOT_READABLE: "The CRM does not allow the viewer to read this record.",
    Obstacle.NO_COPY: "No one holds a live copy of it at the moment.",
    Obstacle.BCC: "It is on this record only because of a Bcc, which only the owner of the copy may see.",
    Obstacle.HOLDER_NOT_NAMED: "The copies that decide belong to users whom the email does not name.",
}
"""Why the rule is not even applied."""
SHARED_BY_UNNAMED = "It is shared by a colleague whom it does not name."
NOT_EXPLAINED = "There is no such email, it is not on this record, or no one shares it with you. Only an administrator can find out which."
DEFECTS = {
    "address": "an address in the field {} cannot be read, and is missing",
    "address:repaired": "addresses were not written correctly",
    "boundary": "the boundaries between its parts are wrong",
    "charset": "its text is not in the charset that it names ({}): single letters may be wrong",
    "charset:undeclared": "it does not name the charset of its text: single letters may be wrong",
    "date": "its date is not written correctly",
    "date:guessed": "its date can be read in several ways: the one shown is a guess",
    "encoded-word": "the encoding of a name or of the subject is damaged",
    "encoding": "the encoding of a part ({}) is damaged or unknown",
    "header-line": "lines of its header are no fields",
    "html": "its HTML is damaged or very deeply nested: the plain text made from it may be wrong",
    "smime-unverified": "it is signed, and the signature was not checked",
    "tnef": "its winmail.dat cannot be opened",
    "unterminated": "its end is missing",
}
"""What the parser says of a copy, whole or by its kind; the braces stand for the detail."""
TRUNCATED = "This mail is larger than what Leadmail shows of one: something was cut off. The raw mail is complete."


def bounce(marks: Classification) -> str:
    """Say what a bounce says."""
    what = {"hard": "cannot be delivered", "soft": "could not be delivered this time", None: "could not be delivered"}
    whom = f" to {', '.join(marks.bounced)}" if marks.bounced else ""
    return f"Bounce: mail{whom} {what[marks.bounce_kind]}" + (
        f" ({marks.bounce_status})" if marks.bounce_status else ""
    )


def defects(copies: Iterable[VisibleCopy]) -> list[str]:
    """Say what was wrong with the viewer's own copies of an email."""
    found = dict.fromkeys(one for copy in copies if copy.own for one in copy.defects)
    return list(dict.fromkeys(map(_defect, found)))


def _defect(defect: str) -> str:
    kind, _, detail = defect.partition(":")
    words = DEFECTS.get(defect) or DEFECTS.get(kind, defect)
    return words.replace("{}", detail or "unnamed")


def people(participants: Sequence[Participant]) -> str:
    """Return the names of the first few participants of an email."""
    named = [one.name or one.address for one in participants if one.role in (Role.FROM, Role.TO, Role.CC)]
    return ", ".join(dict.fromkeys(named[:MOST_NAMES])) + (
        f" +{len(named) - MOST_NAMES}" if len(named) > MOST_NAMES else ""
    )

"""Words for codes, counts and times in mails, commands and pages.

- ``mail``: who takes part in an email, what is wrong with it, and why a viewer sees it or not
- ``mailboxes``: what became of a mailbox's mail, folders and addresses
- ``policies``: sharing policies, what a change of them would do, and the company's domains
- ``values``: counts, times, addresses and details

A name below loads its module when it is first used: most commands need the words of few.
"""

from typing import TYPE_CHECKING

from services.front_door import front_door

if TYPE_CHECKING:
    from services.wording.mail import (
        DEFECTS,
        NOT_EXPLAINED,
        OBSTACLES,
        SHARED_BY_UNNAMED,
        TRUNCATED,
        VERDICTS,
        bounce,
        defects,
        people,
    )
    from services.wording.mailboxes import (
        LEFT_OUT,
        NOT_PROVEN,
        PAUSED,
        PROOFS,
        QUARANTINED,
        SKIPPED,
        left_out,
        owner,
        paused,
        skipped,
    )
    from services.wording.policies import (
        HIDDEN,
        MODES,
        NO_EFFECT,
        OPENING_COUNTS,
        SHOWN,
        effect,
        internal_record,
        opening,
        proposed_domain,
        sharing,
        sharing_in_force,
        unconfirmed_domain,
    )
    from services.wording.values import age, audit_details, day, plural, readable, sentence, span

__all__ = [
    "DEFECTS",
    "HIDDEN",
    "LEFT_OUT",
    "MODES",
    "NOT_EXPLAINED",
    "NOT_PROVEN",
    "NO_EFFECT",
    "OBSTACLES",
    "OPENING_COUNTS",
    "PAUSED",
    "PROOFS",
    "QUARANTINED",
    "SHARED_BY_UNNAMED",
    "SHOWN",
    "SKIPPED",
    "TRUNCATED",
    "VERDICTS",
    "age",
    "audit_details",
    "bounce",
    "day",
    "defects",
    "effect",
    "internal_record",
    "left_out",
    "opening",
    "owner",
    "paused",
    "people",
    "plural",
    "proposed_domain",
    "readable",
    "sentence",
    "sharing",
    "sharing_in_force",
    "skipped",
    "span",
    "unconfirmed_domain",
]

_HOMES = {
    "services.wording.mail": (
        "DEFECTS",
        "NOT_EXPLAINED",
        "OBSTACLES",
        "SHARED_BY_UNNAMED",
        "TRUNCATED",
        "VERDICTS",
        "bounce",
        "defects",
        "people",
    ),
    "services.wording.mailboxes": (
        "LEFT_OUT",
        "NOT_PROVEN",
        "PAUSED",
        "PROOFS",
        "QUARANTINED",
        "SKIPPED",
        "left_out",
        "owner",
        "paused",
        "skipped",
    ),
    "services.wording.policies": (
        "HIDDEN",
        "MODES",
        "NO_EFFECT",
        "OPENING_COUNTS",
        "SHOWN",
        "effect",
        "internal_record",
        "opening",
        "proposed_domain",
        "sharing",
        "sharing_in_force",
        "unconfirmed_domain",
    ),
    "services.wording.values": ("age", "audit_details", "day", "plural", "readable", "sentence", "span"),
}

if not TYPE_CHECKING:
    __getattr__ = front_door(__name__, _HOMES)

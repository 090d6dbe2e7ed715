"""Words for codes, counts and times in mails, commands and pages.

- ``mail``: who takes part in an email, what is wrong with it, and why a viewer sees it or not
- ``mailboxes``: what became of a mailbox's mail, folders and addresses
- ``policies``: sharing policies, what a change of them would do, and the company's domains
- ``values``: counts, times, addresses and details
"""

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

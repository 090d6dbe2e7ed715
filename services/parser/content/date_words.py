"""Names of months in the languages of mail programs, and of time zones."""

from __future__ import annotations

import unicodedata

_MONTHS = (
    "jan gen ene sty led янв січ oca tam ian ιαν",
    "feb fev lut uno фев лют sub hel φεβ",
    "mar mrz mrt maa bre мар бер μαρ",
    "apr avr abr kwi dub апр кві nis huh απρ",
    "may mai maj mag mei kve мая май тра tou μαι",
    "jun juin giu cze cerv июн чер haz kes ιουν iun",
    "jul juil lug lip июл лип tem hei ιουλ iul cervenc",
    "aug aou ago sie srp авг сер agu elo αυγ",
    "sep set szep wrz zar сен вер eyl syy σεπ",
    "oct okt out ott paz rij окт жов eki lok οκτ",
    "nov noi lis ноя лис kas marr νοε",
    "dec dez dic des gru pro дек гру ara jou δεκ",
)
"""Beginnings, without accents, from January on; the longest that fits counts."""


def _plain(word: str) -> str:
    folded = unicodedata.normalize("NFKD", word.casefold())
    return "".join(one for one in folded if not unicodedata.combining(one))


_BEGINNINGS = {_plain(name): month for month, names in enumerate(_MONTHS, 1) for name in names.split()}
_LENGTHS = sorted({len(name) for name in _BEGINNINGS}, reverse=True)


def month_of(word: str) -> int | None:
    """Return the number of a month by its name or an abbreviation, or None."""
    word = _plain(word)
    return next((_BEGINNINGS[word[:length]] for length in _LENGTHS if word[:length] in _BEGINNINGS), None)


_HOURS = {
    "UTC GMT UT Z WET": 0,
    "CET MEZ MET BST WEST WAT": 1,
    "CEST MESZ MEST EET SAST CAT": 2,
    "EEST MSK TRT EAT": 3,
    "MSD": 4,
    "PKT": 5,
    "WIB ICT": 7,
    "HKT SGT PHT AWST": 8,
    "JST KST": 9,
    "AEST": 10,
    "AEDT": 11,
    "NZST": 12,
    "NZDT": 13,
    "BRT ART ADT": -3,
    "AST EDT": -4,
    "EST CDT": -5,
    "CST MDT": -6,
    "MST PDT": -7,
    "PST AKDT": -8,
    "AKST": -9,
    "HST": -10,
}
ZONES = {name: hours * 60 for names, hours in _HOURS.items() for name in names.split()}
ZONES |= {"IST": 330, "ACST": 570, "ACDT": 630, "NST": -210, "NDT": -150}
"""Minutes east of Greenwich by name."""
AMBIGUOUS = frozenset(("IST", "BST", "AST", "ADT"))
"""Names that several zones have."""

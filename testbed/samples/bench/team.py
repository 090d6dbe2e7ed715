"""A company whose people share their mail in every possible way, and the people they write to: for tests of the whole system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from testbed.samples.bench.people import Correspondent, people

OWN = "keel-works.example"
LAW, STAFF = "law.example", "staff.example"
CLIENTS = tuple(
    f"{name}.example" for name in ("alder", "birch", "cedar", "douglas", "elm-wood", "fir", "ginkgo", "hazel")
)
KNOWN, LATE, STRANGERS = 26, 8, 60


@dataclass(frozen=True, slots=True)
class Colleague:
    """A user with a mailbox. ``mode`` and ``excluded`` are the sharing policy."""

    key: str
    name: str
    addresses: tuple[str, ...]
    """The first is the account's, the others are aliases."""
    mode: str
    excluded: tuple[str, ...] = ()

    @property
    def correspondent(self) -> Correspondent:
        """Name and first address."""
        return Correspondent(self.name, self.addresses[0])


@dataclass(frozen=True, slots=True)
class TeamRecord:
    """A lead or contact of the CRM."""

    kind: str
    name: str
    addresses: tuple[str, ...]


COLLEAGUES = (
    Colleague("ada", "Ada Lind", (f"ada.lind@{OWN}", f"sales@{OWN}"), "public"),
    Colleague("ben", "Ben Osei", (f"ben.osei@{OWN}",), "private"),
    Colleague("cleo", "Cléo Marchand", (f"cleo.marchand@{OWN}",), "custom", (LAW, "alder.example")),
    Colleague("dora", "Dóra Kiss", (f"dora.kiss@{OWN}",), "public"),
    Colleague("emil", "Emil Brandt", (f"emil.brandt@{OWN}",), "custom", ("birch.example",)),
    Colleague("finn", "Finn Aalto", (f"finn.aalto@{OWN}",), "private"),
)
COMPANY_EXCLUDED = (OWN, STAFF)
"""By the administrator: mail among colleagues, and with the agency that looks after the staff."""


@dataclass(frozen=True, slots=True)
class Team:
    """Everyone.

    Attributes:
        colleagues: who has a mailbox.
        known: records that exist from the start.
        late: records that are created when their mail has been there for long.
        strangers: people who never become a record.
    """

    colleagues: tuple[Colleague, ...]
    known: tuple[TeamRecord, ...]
    late: tuple[TeamRecord, ...]
    strangers: tuple[Correspondent, ...]

    def outside(self, records: Sequence[TeamRecord]) -> list[Correspondent]:
        """Return the people behind records, one per address."""
        return [Correspondent(record.name, address) for record in records for address in record.addresses]


def team(seed: int, colleagues: int = len(COLLEAGUES)) -> Team:
    """Return the team of a seed: the first ``colleagues``, and records with one or two addresses, some of them shared."""
    clients = people(KNOWN - 5, seed, "team known", list(CLIENTS))
    known = [
        TeamRecord("lead" if number % 3 else "contact", person.name, (person.address,))
        for number, person in enumerate(clients)
    ]
    # A second address; and an address that is a lead's and a contact's.
    known[0] = TeamRecord("lead", clients[0].name, (clients[0].address, f"private.{clients[0].address}"))
    known.append(TeamRecord("contact", clients[1].name, (clients[1].address,)))
    known += [TeamRecord("contact", each.name, (each.address,)) for each in people(2, seed, "team law", [LAW])]
    known.append(TeamRecord("contact", "Placement", (f"placement@{STAFF}",)))
    known.append(TeamRecord("contact", "Front desk", (f"desk@{OWN}",)))
    late = people(LATE, seed, "team late", [*CLIENTS, "latecomer.example"])
    return Team(
        colleagues=COLLEAGUES[:colleagues],
        known=tuple(known),
        late=tuple(TeamRecord("contact", person.name, (person.address,)) for person in late),
        strangers=people(STRANGERS, seed, "team strangers", [*CLIENTS, "world.example", "letters.example"]),
    )

"""Who writes to the benchmark's mailbox: 2,000 known contacts and 4,000 unknown people."""

import itertools
from dataclasses import dataclass

from testbed.samples.model import rng

CONTACTS, STRANGERS = 2000, 4000
OWNER_NAME, OWNER_ADDRESS = "Sam Keller", "sam.keller@bench-company.example"

FIRST = (
    "Ada", "Ben", "Carla", "Dimitri", "Edith", "Farid", "Greta", "Hamid", "Irena", "Jonas", "Kirsten", "Lars", "Mei", "Noah",
    "Olga", "Pedro", "Quentin", "Rosa", "Stefan", "Tara", "Ugo", "Vera", "Wim", "Xenia", "Yusuf", "Zita", "Åsa", "Jürgen",
)  # fmt: skip
LAST = (
    "Abel", "Bianchi", "Carter", "Dvorak", "Eriksen", "Fournier", "Garcia", "Hansen", "Ito", "Jansen", "Kowal", "Lindgren",
    "Moretti", "Novak", "Olsen", "Petrenko", "Quinn", "Rossi", "Schneider", "Tanaka", "Ueda", "Vogel", "Weber", "Xu", "Yilmaz",
    "Zimmermann", "Brontë", "Müller",
)  # fmt: skip
FIELDS = (
    "pumps", "valves", "sensors", "logistics", "brewing", "water", "energy", "labs", "foods", "marine", "paper",
    "optics",
)  # fmt: skip
PLACES = (
    "alpine", "baltic", "delta", "harbour", "island", "lake", "moor", "north", "river", "south", "summit", "valley",
    "west",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Correspondent:
    """A name (may be beyond ASCII) and an address."""

    name: str
    address: str


def domains(count: int, tag: str) -> list[str]:
    """Return reserved domains, different for each tag."""
    names = itertools.product(PLACES, FIELDS, range(count))
    return [f"{place}-{field}{number or ''}.{tag}.example" for place, field, number in itertools.islice(
        sorted(names, key=lambda parts: (parts[2], parts[0], parts[1])), count)]  # fmt: skip


def people(count: int, seed: int, tag: str, where: list[str]) -> tuple[Correspondent, ...]:
    """Return different people at the given domains."""
    numbers = rng(seed, "bench people", tag)
    found = []
    for number in range(count):
        first, last = numbers.choice(FIRST), numbers.choice(LAST)
        local = f"{first}.{last}{number}".lower().translate(str.maketrans("åüë", "aue"))
        found.append(Correspondent(f"{first} {last}", f"{local}@{numbers.choice(where)}"))
    return tuple(found)


def contacts(seed: int) -> tuple[Correspondent, ...]:
    """Return the people who are records in the CRM."""
    return people(CONTACTS, seed, "known", domains(500, "clients"))


def strangers(seed: int) -> tuple[Correspondent, ...]:
    """Return the people who are not; some of them work where contacts work."""
    return people(STRANGERS, seed, "unknown", domains(1200, "world") + domains(500, "clients")[:150])

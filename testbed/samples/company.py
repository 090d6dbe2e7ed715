"""The demo's company: Northwind Instruments, its users, its leads and contacts, and the people who are no record.

All domains are reserved ones (.example, .test). Internationalized domains are written as a CRM holds them (U-labels);
:func:`person.normal` gives the form that is compared.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from testbed.samples.person import Person, Record, User, normal

COMPANY = "Northwind Instruments"
DOMAIN = "northwind-instruments.example"
LAW_FIRM_DOMAIN = "kanzlei-hartwig.example"
CSV_COLUMNS = ("email", "other_emails", "name", "company", "owner")


USERS = (
    User(
        key="anna", name="Anna Brandt", addresses=(f"anna.brandt@{DOMAIN}", f"anna@{DOMAIN}"), client="outlook",
        signature=("Key Account Manager", COMPANY, "Hardturmstrasse 161, 8005 Zürich", "+41 44 555 01 61"),
        sharing="public", admin=True,
    ),
    User(
        key="luc", name="Luc Moreau", addresses=(f"luc.moreau@{DOMAIN}",), client="thunderbird",
        signature=("Technical Support", f"{COMPANY} · Lyon", "support hours 8:00-18:00 CET"),
        sharing="custom", excluded_domains=(LAW_FIRM_DOMAIN, DOMAIN),
    ),
    User(
        key="helen", name="Helen Price", addresses=(f"helen.price@{DOMAIN}",), client="apple", offset=0,
        signature=("Managing Director", COMPANY, "Leeds"), sharing="private",
    ),
)  # fmt: skip

CONTACTS = (
    Record(
        kind="contact", key="halvorsen", name="Ingrid Halvorsen", company="Fjordline Marine AS", owner="anna",
        addresses=("ingrid.halvorsen@fjordline-marine.example",), old=("ingrid@halvorsen-shipping.example",),
        client="outlook", signature=("Fleet Procurement", "Fjordline Marine AS, Bergen", "Tel. +47 55 55 01 20"),
    ),
    Record(
        kind="contact", key="okonkwo", name="Chidi Okonkwo", company="Lagos Water Works", owner="luc",
        addresses=("c.okonkwo@lagoswater.example", "chidi.okonkwo+northwind@postbox.example"),
        signature=("Senior Engineer, Distribution", "Lagos Water Works"),
    ),
    Record(
        kind="contact", key="mueller", name="Jörg Müller", company="Müller Prüftechnik GmbH", owner="anna",
        addresses=("joerg@müller-prüftechnik.example", "info@mueller-prueftechnik.example"),
        client="thunderbird", language="de",
        signature=("Geschäftsführer", "Müller Prüftechnik GmbH", "Gewerbestraße 12, 79110 Freiburg"),
    ),
    Record(
        kind="contact", key="tanaka", name="Haruka Tanaka", company="Tanaka Seiki KK", owner="anna",
        addresses=("h.tanaka@tanaka-seiki.example",), client="webmail", offset=9,
        signature=("Tanaka Seiki K.K.", "Overseas Purchasing"),
    ),
    Record(
        kind="contact", key="dubois", name="Camille Dubois", company="Laboratoires Dubois", owner="luc",
        addresses=("camille.dubois@labo-dubois.example",), old=("cdubois@ancien-labo.example",), language="fr",
        signature=("Responsable métrologie", "Laboratoires Dubois, 69007 Lyon"),
    ),
    Record(
        kind="contact", key="hartwig", name="Dr. Friederike Hartwig", company="Kanzlei Hartwig & Partner", owner="luc",
        addresses=(f"f.hartwig@{LAW_FIRM_DOMAIN}",), client="outlook",
        signature=("Rechtsanwältin", "Kanzlei Hartwig & Partner", "privileged and confidential"),
    ),
    Record(
        kind="contact", key="ramirez", name="Sofía Ramírez", company="Andes Brewing Coop", owner="anna",
        addresses=("sofia.ramirez@andesbrewing.example", "compras@andesbrewing.example"), offset=-5,
        signature=("Head of Quality", "Andes Brewing Coop"),
    ),
    Record(
        kind="contact", key="oconnor", name="Liam O'Connor", company="O'Connor Dairy Ltd", owner="helen",
        addresses=("liam.o'connor@oconnor-dairy.example", "liam@oconnor-dairy.example"), client="apple", offset=0,
        signature=("O'Connor Dairy Ltd", "Clonakilty"),
    ),
    Record(
        kind="contact", key="wang", name="王磊 (Wang Lei)", company="Suzhou Precision", owner="luc",
        addresses=("wanglei@suzhou-precision.example",), client="webmail", offset=8,
        signature=("Suzhou Precision Co., Ltd.",),
    ),
    Record(
        kind="contact", key="okafor", name="Ruth Okafor", company="Okafor Calibration", owner="luc",
        addresses=("ruth@okafor-calibration.example", f"ruth.okafor@{DOMAIN}"), client="apple", offset=0,
        signature=("Freelance calibration engineer",),
    ),
)  # fmt: skip

LEADS = (
    Record(
        kind="lead", key="petrov", name="Alexei Petrov", company="Baltika KIP", owner="anna",
        addresses=("a.petrov@baltika-kip.example",), client="webmail", offset=2, signature=("Baltika KIP, Narva",),
    ),
    Record(
        kind="lead", key="schmid", name="Ueli Schmid", company="Käserei Schmid", owner="anna",
        addresses=("ueli@käserei-schmid.example",), client="apple", language="de",
        signature=("Käserei Schmid, 9050 Appenzell",),
    ),
    Record(
        kind="lead", key="nguyen", name="Mai Nguyen", company="Delta Aqua", owner="anna",
        addresses=("mai.nguyen@delta-aqua.example",), client="mobile", offset=7,
    ),
    Record(
        kind="lead", key="becker", name="Tobias Becker", company="Stadtwerke Lindau", owner="anna",
        addresses=("t.becker@stadtwerke-lindau.example",), client="outlook", language="de",
        signature=("Netzbetrieb Wasser", "Stadtwerke Lindau", "Auenstraße 12, 88131 Lindau"),
    ),
    Record(
        kind="lead", key="lefevre", name="Antoine Lefèvre", company="Vignobles Lefèvre", owner="luc",
        addresses=("antoine@vignobles-lefevre.example",), client="apple", language="fr",
        signature=("Vignobles Lefèvre", "Saint-Émilion"),
    ),
    Record(
        kind="lead", key="patel", name="Priya Patel", company="Helix Biolabs", owner="anna",
        addresses=("priya.patel@helixbio.example", "priya+instruments@helixbio.example"), offset=0,
        signature=("Lab Operations Manager", "Helix Biolabs, Cambridge"),
    ),
    Record(
        kind="lead", key="kowalska", name="Magda Kowalska", company="Polmet Sp. z o.o.", owner="helen",
        addresses=("m.kowalska@polmet.example",), client="outlook", signature=("Dział Zakupów", "Polmet Sp. z o.o."),
    ),
    Record(
        kind="lead", key="johansson", name="Erik Johansson", company="Norrsken Energi AB", owner="luc",
        addresses=("erik.johansson@norrsken-energi.example",), old=("erik.j@vindkraft.test",),
        signature=("Norrsken Energi AB, Luleå",),
    ),
    Record(
        kind="lead", key="svoboda", name="Jana Svobodová", company="PivoTech s.r.o.", owner="anna",
        addresses=("svobodova@pivotech.example",), client="thunderbird", signature=("PivoTech s.r.o., Plzeň",),
    ),
    Record(
        kind="lead", key="grant", name="Marcus Grant", company="Grant & Sons HVAC", owner="helen",
        addresses=("marcus@grant-hvac.test",), client="mobile", offset=0,
    ),
)  # fmt: skip

LATE_CONTACT = Record(
    kind="contact", key="demir", name="Elif Demir", company="Bosphorus Automation", owner="anna",
    addresses=("elif.demir@bosphorus-automation.example",), offset=3,
    signature=("Project Engineer", "Bosphorus Automation, Istanbul"),
)  # fmt: skip
"""Has written to Anna and Luc for months and is not in the CRM until the demo adds her."""

OUTSIDERS = (
    Person(key="nygard", name="Per Nygård", addresses=("per.nygard@fjordline-marine.example",), client="mobile"),
    Person(key="schmid-jun", name="Vreni Schmid", addresses=("vreni.schmid@postbox.example",), client="apple",
           language="de"),
    Person(key="freight", name="Rhein Cargo Dispatch", addresses=("dispatch@rheincargo.example",), client="webmail"),
    Person(key="supplier", name="Gábor Kiss", addresses=("gabor.kiss@sensorfoundry.example",), client="outlook"),
    Person(key="recruiter", name="Zoe Whitfield", addresses=("zoe@talentharbour.example",)),
    Person(key="caterer", name="Bistro Löwen", addresses=("reservation@bistro-loewen.example",), client="webmail",
           language="de"),
    Person(key="markus", name="Markus Brandt", addresses=("markus.brandt@postbox.example",), client="apple",
           language="de"),
    Person(key="mum", name="Renate Brandt", addresses=("renate.brandt@oma-mail.example",), client="webmail",
           language="de"),
    Person(key="doctor", name="Praxis Dr. Weiss", addresses=("praxis@dr-weiss.example",), client="outlook",
           language="de"),
    Person(key="bank", name="Limmat Bank", addresses=("service@limmatbank.example",), client="webmail"),
    Person(key="claire", name="Claire Moreau", addresses=("claire.moreau@lyon-mail.example",), client="mobile",
           language="fr"),
    Person(key="school", name="École Jean-Macé", addresses=("secretariat@ecole-jean-mace.example",), client="outlook",
           language="fr"),
    Person(key="climbing", name="Hugo Petit", addresses=("hugo@grimpe-lyon.example",), language="fr"),
    Person(key="gareth", name="Gareth Price", addresses=("gareth.price@dalesmail.example",), client="apple", offset=0),
    Person(key="solicitor", name="Amira Nolan", addresses=("a.nolan@nolan-conveyancing.example",), client="outlook",
           offset=0),
    Person(key="newsletter", name="Sensor Weekly", addresses=("editor@sensorweekly.example",)),
    Person(key="fair", name="Basel Lab Fair", addresses=("exhibitors@lab-fair.example",)),
    Person(key="webform", name="Website enquiry", addresses=("noreply@forms-service.example",), client="webmail"),
    Person(key="parcel", name="ParcelTrack", addresses=("notify@parceltrack.example",)),
    Person(key="rail", name="Rail Tickets", addresses=("tickets@rail.example",), client="outlook"),
    Person(key="list", name="metrology-l", addresses=("metrology-l@lists.metrology.example",)),
    Person(key="professor", name="Prof. Anselm Vogt", addresses=("a.vogt@metrology-institute.example",),
           client="thunderbird"),
    Person(key="lister", name="Dana Whitlock", addresses=("dana@whitlock-labs.example",), client="apple"),
    Person(key="shop", name="Bürobedarf Keller", addresses=("bestellung@buerobedarf-keller.example",),
           client="webmail", language="de"),
    Person(key="choir", name="Leeds Chamber Choir", addresses=("secretary@leedschoir.example",), client="webmail",
           offset=0),
)  # fmt: skip
"""People who are not in the CRM: a colleague, suppliers, and each user's private contacts."""

RECORDS = CONTACTS + LEADS
PEOPLE: Mapping[str, Person] = MappingProxyType(
    {person.key: person for person in (*USERS, *RECORDS, LATE_CONTACT, *OUTSIDERS)}
)


def addresses_of(records: Iterable[Record]) -> dict[str, str]:
    """Map each address as compared, old ones too, to the key of its record."""
    return {normal(address): record.key for record in records for address in record.all_addresses}


def to_csv(records: Iterable[Record]) -> str:
    """Return the records as CSV with a header row (:data:`CSV_COLUMNS`) for ``leadmail lead|contact import``.

    ``other_emails`` holds further and old addresses, separated by ";"; ``owner`` is the user's address.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for record in records:
        first, *rest = record.all_addresses
        writer.writerow((first, ";".join(rest), record.name, record.company, PEOPLE[record.owner].addresses[0]))
    return out.getvalue()


def leads_csv() -> str:
    """Return the leads as CSV."""
    return to_csv(LEADS)


def contacts_csv() -> str:
    """Return the contacts as CSV, without the late one."""
    return to_csv(CONTACTS)

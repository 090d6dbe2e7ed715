"""What programs send: newsletters, a mailing list, notices, web forms, automatic replies."""

from testbed.samples.correspondence.script import Thread, Turn

LIST_HEADERS = (
    ("List-Id", "Metrology discussion <metrology-l.lists.metrology.example>"),
    ("List-Post", "<mailto:metrology-l@lists.metrology.example>"),
    ("List-Unsubscribe", "<mailto:metrology-l-leave@lists.metrology.example>"),
    ("Precedence", "list"),
)
AUTOMATIC = (("Auto-Submitted", "auto-replied"), ("X-Auto-Response-Suppress", "All"))
GENERATED = (("Auto-Submitted", "auto-generated"),)


def newsletter_headers(name: str) -> tuple[tuple[str, str], ...]:
    """Return what a newsletter carries to be unsubscribed from (RFC 2369, RFC 8058)."""
    return (
        ("List-Id", f"<{name}.news.example>"),
        ("List-Unsubscribe", f"<https://{name}.example/leave?u=8821>, <mailto:leave@{name}.example>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("Precedence", "bulk"),
    )


def page(name: str, heading: str, *articles: str) -> str:
    """Return a newsletter's HTML: tables, a remote banner and a tracking pixel."""
    rows = "".join(
        f'<tr><td style="padding:12px 24px;font:15px/1.5 Arial,sans-serif;color:#333">{article}</td></tr>\n'
        for article in articles
    )
    return (
        '<!DOCTYPE html>\n<html><head><meta charset="utf-8"><style>@media (max-width:600px){table{width:100%}}</style>'
        f'</head>\n<body style="margin:0;background:#f2f4f6"><table width="600" align="center" bgcolor="#ffffff">\n'
        f'<tr><td><img src="https://cdn.{name}.example/banner.jpg" width="600" alt="{name}"></td></tr>\n'
        f'<tr><td style="padding:24px"><h1>{heading}</h1></td></tr>\n{rows}'
        f'<tr><td style="font-size:11px;color:#888">You receive this because you registered. '
        f'<a href="https://{name}.example/leave?u=8821">Unsubscribe</a></td></tr></table>\n'
        f'<img src="https://track.{name}.example/o.gif?u=8821" width="1" height="1"></body></html>\n'
    )


NEWS = (
    ("Why your zero is not zero", "Five causes of drift and how to tell them apart without a laboratory.",
     "Reader question: may I glue a strain gauge in the rain? No."),
    ("The pascal at fifty", "Half a century of an honest unit: a short history with pictures of barrels.",
     "New on the market: three flow meters that can talk, one that should not."),
    ("LoRaWAN in wet shafts", "A municipal utility reports from twenty manholes, nineteen of which were under water.",
     "Calendar: spring schools, autumn fairs, and the deadline for papers on humidity."),
    ("Calibrating in the field", "What a portable calibrator can do and what it cannot, measured with gloves on.",
     "Standards: the revision of the pressure equipment guide is open for comments."),
)  # fmt: skip
NEWSLETTERS = tuple(
    Thread(f"newsletter-{number}", f"Sensor Weekly: {heading}", 88 - 21 * number, (
        Turn("newsletter", reader, f"{heading}\n\n{first}\n\n{second}\n\nUnsubscribe: https://sensorweekly.example/leave",
             html=page("sensorweekly", heading, first, second), mark="bulk", headers=newsletter_headers("sensorweekly")),
    ))
    for number, (heading, first, second) in enumerate(NEWS)
    for reader in (("anna luc",) if number % 2 else ("anna",))
)  # fmt: skip

POSTS = Thread("list-humidity", "[metrology-l] Reference humidity above 95 %rh", 39, (
    Turn("professor", "list", """Colleagues,

which generators do you trust above 95 %rh? Our two-pressure generator condenses in the tubing, with results that are more
poetry than physics.""", bcc="luc", mark="list", headers=LIST_HEADERS),
    Turn("lister", "list", """We heat every tube by two kelvin and insulate the rest with whatever the canteen throws away.

Uncertainty is then 0.6 %rh, honestly stated.""", bcc="luc", mark="list", headers=LIST_HEADERS, after=9),
    Turn("luc", "list", """Same here with a heated line of PFA.

The trick is to start hot and to be patient; our log over twelve hours is attached.""", files=("humidity.csv",), after=15),
    Turn("okonkwo", "list", """In Lagos we get 95 %rh for free from April to October.

Visitors with reference hygrometers are welcome.""", bcc="luc", mark="list", headers=LIST_HEADERS, after=6),
    Turn("professor", "list okonkwo", """I accept, which month has the least mosquitoes?

Seriously: thank you all, the heated tube it is.""", bcc="luc", mark="list", headers=LIST_HEADERS, after=18),
), filed={"luc": "Lists"})  # fmt: skip

NOTICES = (
    Thread("parcel", "Your parcel 00340 4381 is on its way", 10.5, (
        Turn("parcel", "anna", """Hello Anna Brandt,

your parcel from Sensor Foundry will arrive tomorrow between 10:15 and 12:15. The driver needs a signature.""",
             mark="bulk", headers=GENERATED),
        Turn("parcel", "anna", """Hello Anna Brandt,

your parcel was handed to: COFFEE MACHINE. If this is not a person, please contact us.""",
             mark="bulk", headers=GENERATED, subject="Delivered: parcel 00340 4381", answers=None, after=26),
    )),
    Thread("rail", "Your booking Leeds - London, 8 seats left on this train", 17, (
        Turn("rail", "helen", """Dear Ms Price,

your ticket is attached. Coach C, seat 41, quiet zone. Please have the code ready at the barrier.""",
             files=("Ticket LDS-KGX.pdf",), headers=GENERATED, mark="bulk"),
    )),
    Thread("fair", "Exhibitor manual and deadlines", 43, (
        Turn("fair", "anna luc", """Dear exhibitors,

the manual is online. Deadlines: electricity by the 1st, stand drawings by the 10th, ice by arrangement (we remember last
year).""", headers=newsletter_headers("lab-fair"), mark="bulk"),
    )),
    Thread("shop", "Ihre Bestellung 88213", 12.5, (
        Turn("shop", "anna", """Guten Tag,

vielen Dank für Ihre Bestellung: 1 Kaffeevollautomat, 2 Entkalker, 1 Messlöffel. Lieferung in drei Werktagen.""",
             mark="bulk", headers=GENERATED),
    )),
    Thread("junk-prize", "Congratulation!! you are selected", 7, (
        Turn("recruiter", "helen", """Dear winner,

your adress was drawn of 2 milions. For transfer of the prize we need only your bank details and date of birth.""",
             folder={"helen": "Junk"}),
    )),
    Thread("junk-invoice", "Overdue payment // final notice", 4, (
        Turn("halvorsen", "anna", """Dear customer,

our bank has changed. Please pay all open invoices to the new account today. The old account is closed.""",
             folder={"anna": "Junk"}, headers=(("X-Spam-Flag", "YES"),)),
    )),
)  # fmt: skip

FORMS = (
    Thread("form-petrov", "Website enquiry: PT-40, quantity 12", 65, (
        Turn("webform", "anna", """New enquiry from the website

- Name: Alexei Petrov
- Company: Baltika KIP
- Product: PT-40, 0 to 16 bar
- Message: We need twelve pieces for a district heating plant, with certificate of origin.""",
             reply_to="petrov", mark="bulk", headers=GENERATED),
        Turn("anna", "petrov", """Dear Mr Petrov,

thank you for your enquiry. Twelve PT-40 are in stock; the certificate of origin takes four days. Offer attached.""",
             files=("Offer 26-0231 Baltika.pdf",), after=5, subject="Your enquiry: PT-40, quantity 12"),
        Turn("petrov", "anna", """Dear Anna,

thank you for quick offer. Our boiler house opens the budget in autumn, I come back to you then.""", after=30),
    )),
    Thread("form-nguyen", "Website enquiry: salinity", 23, (
        Turn("webform", "anna", """New enquiry from the website

- Name: Mai Nguyen
- Product: other
- Message: Do you have logger for salt in shrimp ponds? Please write in simple English.""",
             reply_to="nguyen", mark="bulk", headers=GENERATED),
    )),
    Thread("form-stranger", "Website enquiry: school project", 15, (
        Turn("webform", "luc", """New enquiry from the website

- Name: Noor
- Message: For school I build a weather station. Why is your barometer 400 euro and the one from the shop 4 euro?""",
             reply_to="lister", mark="bulk", headers=GENERATED),
    )),
)  # fmt: skip

REPLIES = (
    Thread("away-becker", "Unterlagen LoRaWAN", 45, (
        Turn("anna", "becker", """Sehr geehrter Herr Becker,

wie versprochen die Unterlagen zur Funkabdeckung. Für Rückfragen bin ich bis Donnerstag im Büro.""",
             files=("Funkplan Lindau.png",)),
        Turn("becker", "anna", """Ich bin bis zum 19. nicht im Haus und lese keine E-Mails.

In dringenden Fällen wenden Sie sich bitte an die Leitwarte, Tel. 08382 555-0.""", subject="Automatische Antwort: Unterlagen LoRaWAN",
             mark="auto-reply", headers=AUTOMATIC, after=0.02, answers=0),
    )),
    Thread("away-lefevre", "Date d'installation", 19, (
        Turn("luc", "lefevre", """Bonjour Antoine,

le 28 vous convient-il pour l'installation ? Ruth ou moi serons là vers 7 h 30."""),
        Turn("lefevre", "luc", """Bonjour, je suis dans les vignes et ne lis mes messages que le soir.

Pour une commande de vin : caveau@vignobles-lefevre.example.""", mark="auto-reply", headers=AUTOMATIC, after=0.03),
        Turn("lefevre", "luc", """Le 28 c'est bon, 7 h 30 aussi, le café sera chaud.

Garez-vous côté chai, la cour est pavée et glisse.""", answers=0, after=11),
    )),
    Thread("reference-visit", "Reference visit at Ikeja", 58, (
        Turn("anna", "svoboda", """Dear Jana,

you asked for a reference with many meters in wet rooms. A water works in West Africa runs six FM-200 in the rain and would
answer your questions; I have asked them and they agree.""", bcc="okonkwo"),
        Turn("svoboda", "anna", """Dear Anna,

thank you, six is many for us. Please give them my address.""", after=22),
    )),
)  # fmt: skip

THREADS = (*NEWSLETTERS, POSTS, *NOTICES, *FORMS, *REPLIES)

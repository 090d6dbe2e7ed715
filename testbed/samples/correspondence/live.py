"""Conversations whose last turn is written after the demo starts, by the name of their scene."""

from collections.abc import Mapping
from types import MappingProxyType

from testbed.samples.correspondence.script import Thread, Turn

SCENES: Mapping[str, Thread] = MappingProxyType({
    "contact-writes": Thread("live-contact", "Three more vessels", 0.1, (
        Turn("halvorsen", "anna", """Dear Anna,

the board has released the budget for the three sister ships, so we need another 42 of the same transmitters. Same price, I
hope, and please the same calm commissioning. The yard starts in nine weeks.""", files=("Schedule sister ships.pdf",)),
    ), live=1),
    "contact-replies": Thread("live-reply", "Spare glands for Ikeja", 1.5, (
        Turn("luc", "okonkwo", """Dear Chidi,

did the two spare glands arrive? Our freight agent shows them as delivered, which in my experience means anything.""",
             cc="anna"),
        Turn("okonkwo", "luc", """Dear Luc,

they arrived this minute, by a man on a motorcycle who wanted a selfie with them. Both glands are fitted, the box is dry.""",
             cc="anna"),
    ), live=1),
    "private-user": Thread("live-private", "Contract 14/P for signature", 0.1, (
        Turn("kowalska", "helen", """Dear Helen,

the contract is ready for signature, two copies, attached for your review. Page 9 has the penalty clause that we discussed;
I got it down to 0.2 percent a week.""", files=("Umowa 14P.pdf",)),
    ), live=1),
    "law-firm": Thread("live-law", "Northwynd: they answered", 0.1, (
        Turn("hartwig", "luc", """Dear Mr Moreau,

Northwynd withdraws the mark for measuring instruments and keeps it for garden gnomes. I recommend to accept before they read
it again."""),
    ), live=1),
    "no-record": Thread("live-family", "Papas Geburtstag", 0.1, (
        Turn("mum", "anna", """Liebe Anna,

zum Siebzigsten wünscht sich Papa, dass alle da sind, und einen neuen Grillrost. Das Erste übernehme ich, das Zweite du?"""),
    ), live=1),
    "late-contact": Thread("live-late", "T-shirt, and the order", 2, (
        Turn("luc", "demir", """Dear Elif,

the T-shirt is in the post. It says: I read the manual.""", cc="anna"),
        Turn("demir", "luc anna", """Dear both,

I wear it right now and my colleagues are jealous. The order for Gebze leaves our house today, FM-205 included.""",
             files=("Order Gebze.pdf",)),
    ), live=1),
})  # fmt: skip
"""contact-writes: to a public user; contact-replies: to a custom and a public one; private-user, law-firm, no-record: what
others must not see; late-contact: the late contact writes again, to two users."""

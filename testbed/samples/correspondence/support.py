"""Support, deliveries and accounts in English."""

from testbed.samples.correspondence.script import Thread, Turn

THREADS = (
    Thread("okonkwo-drift", "Zero drift on FM-200 at Ikeja station", 84, (
        Turn("okonkwo", "luc", """Dear Luc,

two of the six FM-200 at Ikeja show a zero drift since the rainy season started. With closed valves they report
0.4 and 0.7 cubic metres an hour. The other four are quiet. Logs are attached.""",
 files=("ikeja_fm3.csv", "ikeja_fm5.csv")),
        Turn("luc", "okonkwo", """Dear Chidi,

thank you for the logs, they help. Meters 3 and 5 have firmware 2.8, the others 3.1. Version 2.8 did not
compensate for humidity in the terminal box. Could you update these two, and send a photo of the box?""", after=19),
        Turn("okonkwo/1", "luc", """Luc, from my private address because the office line is down again.

Updated. The photo shows condensation, I am afraid the gland was never tightened.""",
 files=("terminal box.png",), after=70),
        Turn("luc", "okonkwo okonkwo/1", """That is an aquarium, not a terminal box.

Please dry it, put in the desiccant bag that came with the meter and tighten the gland to 4 Nm. I send two new
glands to be safe, no charge.""", after=3),
        Turn("okonkwo", "luc", """Dear Luc,

glands fitted, both meters at 0.00 for a week now. My director asks me to thank you in his name as well.""",
 after=190),
    ), filed={"luc": "Clients/Équipement"}),
    Thread("halvorsen-commissioning", "Commissioning MV Solvei, 12 to 14 May", 44, (
        Turn("luc", "halvorsen", """Dear Ingrid,

for the commissioning on the Solvei I need: a pass for the yard, 24 V on the ballast panel from the first
morning, and somebody who knows where the spare cables are.""", cc="anna"),
        Turn("halvorsen", "luc", """Dear Luc,

pass is requested, the 24 V is promised by the yard (I believe it when I see it), and the somebody is Per. He
has the cables in his own locker since the last time.""", cc="anna nygard", after=6),
        Turn("luc", "halvorsen", """Then nothing can go wrong.

I arrive on the 11th in the evening and stay at the harbour. The checklist is attached, Per may want to strike
out what he has done already.""", cc="nygard anna", files=("Checklist Solvei.pdf",), after=24),
        Turn("halvorsen", "luc", """Luc,

the ship is delayed by two days, crane strike. Can you move to the 14th to 16th?""", cc="anna", after=80),
        Turn("luc", "halvorsen", """Moved, the hotel was kind.

I use the two days for the paperwork that you would otherwise have received in July.""", cc="anna", after=2),
        Turn("halvorsen", "luc anna", """All fourteen tanks read correctly and the surveyor signed this morning.

Thank you both, this was the calmest commissioning of the whole refit.""", after=210),
    )),
    Thread("patel-alarm", "Alarm at 3 a.m., nothing was wrong", 12, (
        Turn("patel", "luc", """Hi Luc,

the starter set works, too well: last night it called three of us at 3 a.m. because freezer 2 went to -71 for
four minutes. That is just its defrost cycle. How do we tell it?"""),
        Turn("luc", "patel", """Hello Priya,

sorry for the night. Set a delay of 15 minutes on the alarm, under Channels, Limits, Delay. For freezer 2 I
would also raise the limit to -68.""", cc="anna", after=5),
        Turn("patel", "luc", """Done, and slept.

The auditor liked the log so much that we want the full set, I write to Anna separately.""", cc="anna", after=52),
        Turn("patel", "anna", """Hi Anna,

as announced: twelve loggers and one gateway, starter set credited as you said. Quote number to us, please, and
we order within the week.""", answers=None, subject="Full set of loggers", after=1),
        Turn("anna", "patel", """Hi Priya,

lovely to read that. Quotation 26-0311 is attached, 4,870 pounds with the starter set taken off.""",
 cc="luc helen", files=("Quotation 26-0311 Helix.pdf",), after=3),
    )),
    Thread("ramirez-customs", "Crate stuck in customs, Callao", 17, (
        Turn("ramirez", "anna", """Anna,

the crate has been in customs for six days. They say the calibrator is declared as sold, but it is a loan. They
want a pro forma with the value and the word temporary on it."""),
        Turn("anna", "ramirez freight", """Sofía, dear dispatch,

the corrected pro forma is attached: temporary import, return within 90 days, value for customs only. Rhein
Cargo, please pass it to your agent in Callao today.""", cc="ramirez/1", files=("Pro forma 0204-T.pdf",), after=5),
        Turn("freight", "anna ramirez", """Dear all,

agent has received document, presentation to customs tomorrow 9:00 local time. Storage until now USD 84, who is
bearing?""", after=8),
        Turn("anna", "freight ramirez", """We bear it, it was our mistake.

Please put it on the Northwind account.""", after=2),
        Turn("ramirez", "anna", """The crate is here, everything dry and complete.

The customs officer asked whether the calibrator also measures beer. We invited him to the opening.""",
 cc="ramirez/1", after=54),
    )),
    Thread("tanaka-inspection", "Inspection certificate for lot 2291", 38, (
        Turn("tanaka", "anna", """Dear Ms. Brandt,

we received lot 2291, 20 pieces PT-40, in good condition. The inspection certificate in the box is for lot 2219.
Could you please send the correct certificate by e-mail?"""),
        Turn("anna", "tanaka", """Dear Ms Tanaka,

please excuse the exchange of two digits. The right certificate is attached; the paper original is in the post.""",
 files=("Certificate lot 2291.pdf",), after=8),
        Turn("tanaka", "anna", """Dear Ms. Brandt,

thank you for your quick answer. Our incoming inspection is now closed. We look forward to the next order in
the autumn.""", after=16),
    )),
    Thread("grant-invoice", "invoice 26-1187", 14, (
        Turn("helen", "grant", """Hello Marcus,

a friendly reminder that invoice 26-1187 over 834 pounds was due on the 2nd. If it has crossed with your payment,
please forget this mail.""", files=("Invoice 26-1187.pdf",)),
        Turn("grant", "helen", """Helen sorry, wife does the books and she was in hospital.

All fine now. Paid today.""", after=26),
        Turn("helen", "grant", """Oh Marcus, never mind the invoice then.

Give her our best, and let me know if you need a later date for the next one.""", after=1),
    )),
    Thread("okonkwo-visit", "Visit of our engineers in June", 9, (
        Turn("okonkwo", "luc helen", """Dear Luc, dear Helen,

three of our engineers would like to take the calibration course in June. Could you send invitation letters for
the visa? Names and passport copies follow by courier, not by mail."""),
        Turn("helen", "okonkwo", """Dear Chidi,

with pleasure. The course is from the 15th to the 18th in Lyon. The letters are signed and leave today, a copy
of the text is attached for your file.""", cc="luc", files=("Invitation letter.pdf",), after=20),
        Turn("okonkwo", "helen", """Dear Helen,

received with thanks. One of the three does not eat pork and one eats only pork, he claims. I shall talk to
him.""", cc="luc", after=25),
    )),
    Thread("kowalska-award", "Tender 14/P: award", 6, (
        Turn("kowalska", "helen", """Dear Helen,

I am glad to inform you that positions 1 to 6 and 12 are awarded to Northwind. The formal letter is attached, the
contract follows within ten days.""", cc="anna", files=("Zawiadomienie 14P.pdf",)),
        Turn("helen", "kowalska", """Dear Magda,

that is wonderful news, thank you for the confidence. We start the drawings now and take the risk of the ten
days gladly.""", cc="anna", bcc="luc", after=4),
    )),
    Thread("oconnor-alias", "Course for the new lad", 5, (
        Turn("oconnor", "anna/1", """Anna,

Helen says courses are yours now. I have a new lad, sharp but he calibrates by ear. Is there a place in the autumn
course?"""),
        Turn("anna", "oconnor", """Hello Liam,

there are three places left, October 6 and 7 in Leeds, 320 pounds with lunch. By ear is not on the programme,
but he may demonstrate it in the break.""", cc="helen", after=4),
    )),
)  # fmt: skip

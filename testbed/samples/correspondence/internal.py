"""Mail among colleagues. Ruth Okafor, a freelancer with a company address, is a contact; the three users are not."""

from testbed.samples.correspondence.script import Thread, Turn

THREADS = (
    Thread("internal-forecast", "Forecast Q2, numbers by Friday please", 54, (
        Turn("helen", "anna luc", """Both,

I need your view of the second quarter by Friday noon: orders you would bet lunch on, orders you would bet a coffee on,
and the rest. One page is plenty."""),
        Turn("anna", "helen", """Helen,

lunch: Fjordline, Müller, Lima. Coffee: Lindau, Polmet, the freezers in Cambridge. The rest is weather. Table attached.""",
 cc="luc", files=("Forecast Q2.csv",), after=26),
        Turn("luc", "helen anna", """From support: no lunch, I only spend.

Spare parts run 12 percent above last year because of the rainy season in Lagos.""", answers=0, after=30),
        Turn("helen", "anna luc", """Thank you, that is what I needed.

If Polmet turns from coffee into lunch I pay for both.""", after=20),
    )),
    Thread("internal-ruth", "Autumn course: who teaches what", 47, (
        Turn("okafor/1", "luc anna", """Hi both,

I can take uncertainty and the practical on day two. I would rather not do the history of the pascal again, please."""),
        Turn("luc", "okafor/1 anna", """I take the pascal, I have new slides with an actual barrel.

Anna, could you do the half hour on what customers really ask?""", after=5),
        Turn("anna", "luc okafor/1", """Yes, under the title: is it waterproof.

Lunch is booked, twelve places, two vegetarian.""", after=18),
    )),
    Thread("internal-ruth-fees", "My March hours", 41, (
        Turn("okafor/1", "luc", """Luc,

61 hours in March, 14 of them on the road to Appenzell and Lindau. Sheet attached, the invoice comes from my own company as
always.""", files=("Hours March.csv",)),
        Turn("luc", "okafor/1", """Approved, Helen pays on Thursdays.

Thank you for taking the Lindau day at such short notice.""", after=22),
    )),
    Thread("internal-discount", "How low for Fjordline?", 115, (
        Turn("anna", "helen", """Helen,

Ingrid finds 412 brave. I would go to 389 for all 40 in one delivery. Margin is then 31 percent, and the sister ships come next
year. All right with you?"""),
        Turn("helen", "anna", """All right, but not below.

And get the approval certificates invoiced next time, they cost us real money.""", after=2),
    )),
    Thread("internal-coffee", "The coffee machine in Zürich", 19, (
        Turn("anna", "luc helen", """Dear colleagues,

the machine has passed away after eleven years, displaying error 11, which is apt. I have asked for offers. Until then there is a
filter and a kettle."""),
        Turn("luc", "anna helen", """Lyon sends condolences and a moka pot.

It arrives with the Lindau equipment on Tuesday.""", after=1),
        Turn("helen", "anna luc", """Buy a decent one, it goes under calibration equipment.

Temperature stability matters.""", after=3, client="mobile"),
    )),
    Thread("internal-firmware", "Firmware 4.2: store with one key", 30, (
        Turn("luc", "anna", """Anna,

the glove problem from Plzeň is solved in 4.2: long press on OK stores the reading. Release is on the 18th. Would Jana test a
beta?"""),
        Turn("anna", "luc", """She would, she has offered already.

I ask her on Monday and tell you the serial number.""", after=4),
    )),
    Thread("internal-holidays", "Holiday plan July/August", 11, (
        Turn("helen", "anna luc okafor/1", """All,

please enter your weeks in the sheet by the end of the month. Somebody has to be reachable for Lagos and for Bergen at any time,
that is all I ask.""", files=("Holiday plan.csv",)),
        Turn("luc", "helen", """First three weeks of August as always, Ruth covers.

I keep the phone on for Lagos.""", after=6),
    )),
    Thread("internal-salary", "Confidential: review round", 16, (
        Turn("helen", "luc", """Luc,

your review is due. I would like to talk about the team lead role in Lyon; an hour next week, not in the office. Say when."""),
        Turn("luc", "helen", """Wednesday at noon, the place behind the station.

I bring an appetite and some conditions.""", after=8),
    )),
    Thread("internal-draft", "Notes for the Basel stand", 3, (
        Turn("anna", "luc", """Luc,

for the stand: ice bucket again (Priya remembered it a year later), the barrel, and no leaflets. Still open: who"""
 , folder={"anna": "Drafts"}),
    )),
    Thread("internal-key", "Key to the store room", 2, (
        Turn("luc", "anna", """Have you got the second key? Mine is in the van and the van is in Lindau.

No hurry, tomorrow is fine.""", client="mobile"),
        Turn("anna", "luc", """In the blue tin, as ever.

The tin is locked. The key to the tin is with Helen.""", cc="helen", after=1),
    )),
)  # fmt: skip

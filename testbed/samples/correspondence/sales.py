"""Offers, orders and first enquiries in English."""

from testbed.samples.correspondence.script import Thread, Turn

THREADS = (
    Thread("halvorsen-pressure", "Quote for 40 pressure transmitters", 118, (
        Turn("halvorsen", "anna", """Dear Anna,

We are refitting the ballast system on three of our vessels and need 40 pressure transmitters, 0 to 6 bar,
flange DN25, in 316L. Class approval is a must. Could you send me a price and a realistic delivery date?

The yard slot in Bergen opens in week 14, so anything after that is of no use to us."""),
        Turn("anna", "halvorsen", """Hello Ingrid,

thank you for thinking of us again. Please find our offer for 40 PT-40 in the marine version attached.
The class certificates are included, and I have put the cable glands in as a separate item.

Delivery is six weeks from order, so an order by the end of the month keeps your yard date.""",
 cc="helen", files=("Offer 26-0117 Fjordline.pdf",), after=26),
        Turn("halvorsen", "anna", """Anna,

two things. Our technical people ask whether the housing stands IP68 at 10 metres for 30 days, and finance
finds 412 euro a piece a little brave for 40 units. What can you do?""", cc="nygard", after=51),
        Turn("anna", "halvorsen", """Ingrid,

IP68 at 10 metres for 30 days: yes, test report no. 5512 is attached. On the price I can go to 389 euro
if you take all 40 in one delivery. That is as far as my pencil goes.""",
 cc="nygard helen", bcc="luc", files=("Test report 5512 IP68.pdf",), after=5),
        Turn("nygard", "anna", """Hi, Per from the technical side here.

The test report answers my question, thank you. Please make sure the cables are at least 12 m, the junction
boxes sit on the deck above.""", after=18, thread_link="halvorsen"),
        Turn("halvorsen", "anna", """Dear Anna,

agreed at 389. Purchase order 4500-7731 is attached. Please confirm 12 m cables as Per asked.""",
 cc="nygard", answers=3, files=("PO 4500-7731.pdf",), after=22),
        Turn("anna", "halvorsen nygard", """Hello both,

order received with thanks, 12 m cables confirmed without surcharge. Luc will be your contact for the
commissioning; he has done this on sister ships before.""", cc="luc", after=4),
    ), filed={"anna": "Kunden/Fjordline"}),
    Thread("patel-loggers", "Temperature loggers for cold storage", 61, (
        Turn("patel", "anna", """Hi Anna,

We met briefly at the lab show in Basel, stand 4B, you had the logger in the ice bucket. We run eleven
-80 freezers and our auditor wants continuous records with alarms. Is the TL-8 suitable down there, and
what does a starter set cost?"""),
        Turn("anna", "patel", """Hi Priya,

of course I remember, you asked the only question about probe ageing all day. The TL-8 itself sits outside
the freezer; the probe goes down to -200. For eleven freezers I would suggest twelve loggers and one
gateway, so that you have a spare.

A starter set for two freezers is 690 pounds and is credited against the full order. Shall I send one?""",
 after=21),
        Turn("patel/1", "anna", """Hello again, writing from the address our purchasing tool uses.

Please do send the starter set. Shipping address: Helix Biolabs, Unit 7, Granta Park. And could somebody
talk our IT through the gateway before? They are nervous about anything with an antenna.""", after=30),
        Turn("anna", "patel/1 patel", """Hi Priya,

starter set leaves tomorrow. Luc can take a call with your IT on Thursday at ten; the gateway speaks
outbound HTTPS only, I attach the one-page network sheet that usually calms everybody.""",
 cc="luc", files=("Gateway network sheet.pdf",), after=3),
        Turn("luc", "patel", """Hello Priya,

nice to meet you by mail. Here is the invitation for Thursday, please forward it to your IT colleagues.
Twenty minutes should do.""", cc="anna", client="gmail", invite="Gateway set-up with Helix Biolabs", after=2),
        Turn("patel", "luc", """Thanks Luc, forwarded.

They have one question already: does the gateway need a fixed address or is DHCP fine?""", cc="anna", after=5),
        Turn("luc", "patel", """DHCP is fine, with a reservation if they can.

It announces itself as ni-gateway plus the last four digits of the serial number.""", cc="anna", after=1),
    )),
    Thread("grant-hvac", "your humidity sensors", 33, (
        Turn("grant", "helen", """Hi Helen, got your card from Dave at the trade counter.

Need 6 humidity sensors for a swimming pool plant room, chlorine in the air, last lot rotted in a year. What
have you got?"""),
        Turn("helen", "grant", """Hello Marcus,

Dave speaks highly of you. For pool plant rooms we have the HC-3 with a coated element; we give three years
on it in chlorinated air. 148 pounds each, 139 from six.

If you tell me the pool, I can check whether we have supplied there before.""", after=7),
        Turn("grant", "helen", """Council pool in Otley.

139 works. Can I collect?""", after=20),
        Turn("helen", "grant", """Marcus,

six HC-3 are put aside with your name on at the Leeds counter, open till half past four. Bring a purchase
order or a card, either is fine.""", after=2),
        Turn("grant", "helen", """Picked up, cheers.

Lads fitted two already, readings look sane. Will want 14 more in spring for the leisure centre.""", after=70),
    )),
    Thread("ramirez-brew", "Flow meters for the new bottling line", 92, (
        Turn("ramirez", "anna", """Dear Anna,

Our cooperative is adding a second bottling line in March. We need four hygienic flow meters DN40 with CIP up
to 95 degrees, and if possible a document in Spanish for our inspectors."""),
        Turn("anna", "ramirez", """Dear Sofía,

congratulations on the second line! The FM-200H is made for this, CIP to 130 degrees. I attach the data sheet
in Spanish and our offer. The freight to Lima is by air and included.""",
 files=("Hoja técnica FM-200H.pdf|rfc2231", "Offer 26-0204.pdf"), after=28),
        Turn("ramirez", "anna", """Anna,

thank you, very complete. The board meets on the 12th. One member asks whether the meters can be verified on
site, without sending them to Europe. Our last supplier kept ours for nine weeks.""",
 cc="ramirez/1", after=75),
        Turn("anna", "ramirez", """Sofía,

yes: the CAL-1 portable calibrator does it on site in about twenty minutes a meter. We can lend you one for
the first verification, you only pay the freight back.""", cc="ramirez/1 luc", after=19),
        Turn("ramirez/1", "anna", """Dear Ms Brandt,

the board has approved. Please find our purchase order for four FM-200H and the loan of one calibrator. Kindly
invoice in euro.""", cc="ramirez", files=("Orden de compra 0093.pdf|encoded-word",), after=120),
        Turn("anna", "ramirez/1", """Thank you very much, order confirmed.

The four meters ship on the 3rd with the calibrator in the same crate, so please keep the crate for the
return.""", cc="ramirez", after=9),
    ), filed={"anna": "Kunden/Brauereien"}),
    Thread("kowalska-tender", "Tender 14/P: level and pressure instruments", 70, (
        Turn("kowalska", "helen", """Dear Mrs Price,

Polmet invites you to quote for the instruments in the enclosed list. Closing date is the 28th, noon. Please
quote in euro, delivered Gliwice.""", files=("Lista przyrządów 14P.pdf|rfc2231",)),
        Turn("helen", "kowalska", """Dear Magda,

thank you for the invitation. We will quote for positions 1 to 9 and 12. Positions 10 and 11 are radar level
gauges, which we do not build. May we offer the rest without them?""", after=24),
        Turn("kowalska", "helen", """Dear Helen,

partial offers are accepted. Please state the country of origin for each position, this is new this year.""",
 after=22),
        Turn("helen", "kowalska", """Dear Magda,

enclosed our tender as agreed. Origin is Switzerland for 1 to 6 and the United Kingdom for 7 to 9 and 12.
Anna Brandt will be your contact in my absence.""", cc="anna", files=("Tender 14P Northwind.pdf",), after=90),
        Turn("kowalska", "helen", """Dear Helen,

your tender was opened today and is formally complete. The decision is expected in three weeks. You were not
the cheapest, you were the only one whose drawings were right.""", cc="anna", after=140),
    )),
    Thread("svoboda-trial", "Trial of the portable calibrator", 48, (
        Turn("svoboda", "anna", """Dear Ms Brandt,

we maintain equipment for small breweries in the Plzeň region and are looking for a portable calibrator. Is
there a way to try the CAL-1 for some days before we decide?"""),
        Turn("anna", "svoboda", """Dear Jana,

there is. We have two demonstration units; one is free from the 9th for two weeks. You pay nothing, only
send it back in the same case with the seal unbroken.""", after=25),
        Turn("svoboda", "anna", """Dear Anna,

that is generous. From the 9th is perfect. My colleague and I will use it at three customers and report to you
honestly.""", after=16),
        Turn("svoboda", "anna", """Dear Anna,

our report. Accuracy is excellent. The menu is not: to store a reading takes five steps, in the cold with
gloves this is three too many. My colleague says he would buy it anyway, I would like to see a discount for
the gloves.""", files=("CAL-1 report PivoTech.pdf", "Readings.csv"), after=260),
        Turn("anna", "svoboda", """Dear Jana,

I laughed, then I forwarded it to development. Firmware 4.2 stores with one key; we shall install it before
delivery. For the gloves: 6 percent.""", bcc="helen", after=21),
    )),
    Thread("nguyen-first", "question about salinity logger", 21, (
        Turn("nguyen", "anna", """Hello, I found you through the aquaculture forum.

We have 14 shrimp ponds in the delta and measure salt by hand two times a day. Is there a logger that can
stay in the pond for 3 months?"""),
        Turn("anna", "nguyen", """Hello Mai,

yes, though I want to be honest: in warm brackish water things grow on the sensor, and no logger likes that.
With the copper guard our customers clean it every four weeks. Would that be possible for you?""", after=9),
        Turn("nguyen", "anna", """Every 4 weeks is ok, we drain one pond each week anyway.

Please tell me price for 14 and for 2 to try first.""", after=14),
        Turn("anna", "nguyen", """Hello Mai,

two to try: 540 euro each with guard, freight to Can Tho 95 euro. If you then take twelve more, all fourteen
are 465. Pictures of the mounting are attached.""", files=("Mounting.png",), after=20),
        Turn("nguyen", "anna helen", """Thank you, my father agrees for 2.

How can we pay from Vietnam?""", after=31),
    )),
    Thread("johansson-old", "Vindkraft sensors, spare parts", 210, (
        Turn("johansson/1", "luc", """Hej Luc,

we still run twelve of your old PT-20 in the nacelles here. Are diaphragms available, or is it time for new
ones?"""),
        Turn("luc", "johansson/1", """Hello Erik,

diaphragms for the PT-20 are available until the end of next year, 38 euro each. I would change the seals at
the same time, they are older than some of my colleagues.""", after=30),
        Turn("johansson/1", "luc", """Then 12 diaphragms and 12 seal kits, please.

By the way I change jobs in the summer, you will hear from me from somewhere further north.""", after=44),
        Turn("luc", "johansson/1", """Done, they leave on Friday.

Good luck with the move north, and write when you need something that survives -40.""", after=5),
    )),
    Thread("johansson-new", "New job, same sensors", 40, (
        Turn("johansson", "luc", """Hej Luc,

as promised I write from further north. Norrsken has eight small hydro stations, and the head pressure
transmitters freeze every February. What would you put there?"""),
        Turn("luc", "johansson", """Hello Erik, good to read you!

A PT-40 with remote seal, capillary filled with low temperature oil, rated to -60. Send me the drawings of the
intake and I propose lengths.""", cc="anna", after=12),
        Turn("johansson", "luc", """Drawings will follow.

Meanwhile a log from last winter, you can see exactly when station 3 freezes.""",
 files=("station3 winter.csv",), after=50, cc="anna"),
        Turn("luc", "johansson", """Impressive, it freezes at 04:10 like a clock.

I suggest 4 m capillaries for stations 1 to 6 and 7 m for the rest. Anna makes you an offer.""",
 cc="anna", after=25),
        Turn("anna", "johansson", """Hej Erik,

Luc has told me about the clock. Offer 26-0288 is attached, eight PT-40 with remote seals, valid until the end
of next month.""", cc="luc", files=("Offer 26-0288 Norrsken.pdf",), after=8),
    )),
    Thread("oconnor-dairy", "Replacement probes, tank 2 and 5", 26, (
        Turn("oconnor", "helen", """Helen,

the probes in tank 2 and 5 read two degrees apart from the thermometer on the wall, and the wall is right. Can I
have two new ones before the inspector comes on the 20th?"""),
        Turn("helen", "oconnor", """Liam,

two probes are on the van tomorrow, you should have them on Thursday. No charge if the old ones turn out to be
within warranty; put them in the box and send them back with the driver.""", cc="luc", after=4),
        Turn("luc", "oconnor", """Hello Liam,

when the old probes are here I shall measure them and send you the report, the inspector may like to see it.
Please note which one came from which tank.""", cc="helen", after=3),
        Turn("oconnor/1", "luc", """Luc, the left one is tank 2, it has the scratch.

Writing from the phone in the parlour, excuse the brevity.""", cc="helen", client="mobile", after=47),
        Turn("luc", "oconnor", """Measured: tank 2 is 1.9 degrees low, tank 5 is fine.

So tank 5 has something else, most likely a wet connector. Report attached.""",
 cc="helen", files=("Probe report OConnor.pdf",), after=60),
        Turn("oconnor", "luc", """Wet connector it was, you could have drunk from it.

Inspector came and went, all good. Pint on me when you are in Clonakilty.""", cc="helen", after=90),
    )),
    Thread("two-records", "Introduction: Jana, meet Sofía", 29, (
        Turn("anna", "svoboda ramirez", """Dear both,

Jana services breweries in Bohemia and has an opinion on calibrators and gloves; Sofía has just bought one for
Lima. I think you two should talk."""),
        Turn("ramirez", "anna svoboda", """Thank you Anna. Jana, very pleased.

Do you verify the flow meters warm or cold? We get different results and argue about it every Monday.""", after=7),
        Turn("svoboda", "ramirez anna", """Always warm, at the temperature of the product, after twenty minutes of flow.

Come to Plzeň and I show you. There is beer.""", after=10),
        Turn("supplier", "anna", """Dear Anna,

Jana showed me this conversation at lunch. If they measure cold they should correct with the viscosity, I can
send tables for our sensor element.""", after=26, quirk="unknown-in-thread-of-two"),
    )),
)  # fmt: skip

"""Months of mail with Elif Demir, who has no record until the demo creates one."""

from testbed.samples.correspondence.script import Thread, Turn

THREADS = (
    Thread("demir-retrofit", "Retrofit of the Gebze pumping station", 150, (
        Turn("demir", "anna", """Dear Ms Brandt,

my company modernises pumping stations around the Marmara. For Gebze we plan 16 pressure points and 8 flow meters. May I send
you the P&ID for a budget price?"""),
        Turn("anna", "demir", """Dear Ms Demir,

please do, I am curious. With the P&ID I can give you a budget price within two days, plus or minus ten percent.""", after=20),
        Turn("demir", "anna", """Dear Anna,

the P&ID is attached. Flow meters are FM-201 to FM-208, please ignore the cloud around FM-205, the client cannot decide.""",
 files=("P&ID Gebze rev C.pdf",), after=28),
        Turn("anna", "demir", """Dear Elif,

budget price for 16 PT-40 and 8 FM-200: 31,400 euro, with FM-205 at its largest. List attached.""",
 files=("Budget Gebze.pdf",), after=31),
        Turn("demir", "anna", """Thank you, within our budget, barely.

The decision is with the municipality. In my experience that means spring.""", after=26),
    ), filed={"anna": "Archive"}),
    Thread("demir-technical", "Question about Modbus registers of the FM-200", 95, (
        Turn("demir", "luc", """Dear Mr Moreau,

Anna Brandt gave me your name. In the FM-200 manual, register 40021 is the total in cubic metres, in the example it is litres.
Which is right?"""),
        Turn("luc", "demir", """Dear Ms Demir,

the example is right and the table is wrong, you are the first to notice in four years. It is litres, as a 64-bit value
over four registers.""", after=7),
        Turn("demir", "luc", """Then my totals are right after all.

Four years! Do I get a T-shirt?""", after=16),
    ), filed={"luc": "Archive"}),
    Thread("demir-spring", "Gebze: it is spring", 22, (
        Turn("demir", "anna luc", """Dear Anna, dear Luc,

the municipality has decided, and for once early. FM-205 is DN150. Please send a firm offer, validity 60 days, we order in
June.""", files=("Decision Gebze.pdf",)),
        Turn("anna", "demir", """Dear Elif,

what good news. The firm offer follows this week. Luc is already looking for a T-shirt in your size.""", cc="luc", after=5),
    )),
)  # fmt: skip

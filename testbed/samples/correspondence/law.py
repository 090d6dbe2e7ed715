"""Mail with the law firm, whose domain Luc excludes from sharing."""

from testbed.samples.correspondence.script import Thread, Turn

THREADS = (
    Thread("law-lyon-lease", "Lease of the Lyon premises: draft 3", 66, (
        Turn("hartwig", "luc", """Dear Mr Moreau,

please find the third draft of the lease with our comments. The landlord now accepts a break clause after three years; he
wants six months' notice in return. I would take it.""", cc="helen", files=("Lease Lyon draft 3.pdf",)),
        Turn("luc", "hartwig", """Dear Dr Hartwig,

six months is fine for us. Please look again at section 9: we may not store solvents, but we clean sensors with isopropanol
every day.""", cc="helen", after=26),
        Turn("hartwig", "luc", """Dear Mr Moreau,

well spotted. I have added an exception for up to 20 litres in a safety cabinet. If you agree I ask the other side to sign.""",
 cc="helen", files=("Lease Lyon draft 4.pdf",), after=44),
        Turn("luc", "hartwig", """Agreed, please go ahead.

The cabinet has been ordered.""", cc="helen", after=5),
    )),
    Thread("law-employment", "Privileged: agreement with a former employee", 34, (
        Turn("hartwig", "helen", """Dear Mrs Price,

the other side proposes 2.5 months. In view of the weak warning letter I advise to accept three at most and to settle this
week."""),
        Turn("helen", "hartwig", """Dear Dr Hartwig,

please settle at 2.5 and let us all move on. The reference may be friendly.""", after=3),
    )),
    Thread("law-patent", "Trade mark watch: 'Northwynd'", 23, (
        Turn("hartwig", "luc", """Dear Mr Moreau,

a company in Porto has filed 'Northwynd' for weather stations. The opposition period ends in seven weeks. In my view a polite
letter will do."""),
        Turn("luc", "hartwig", """Dear Dr Hartwig,

a polite letter, please. They make garden thermometers, I looked.""", after=18),
    )),
    Thread("law-client-cc", "Warranty terms for the Norrsken contract", 15, (
        Turn("luc", "johansson", """Hello Erik,

your legal department asked for five years of warranty on the capillaries. Dr Hartwig, in copy, has a wording that gives you
five years on leaks and us a good night's sleep.""", cc="hartwig"),
        Turn("hartwig", "luc johansson", """Dear Mr Johansson, dear Mr Moreau,

the clause is attached in both languages. It covers leakage of the filling oil for 60 months from commissioning, mechanical
damage excepted.""", files=("Warranty clause.pdf",), after=20),
        Turn("johansson", "luc hartwig", """Good for us, our lawyers smiled for the first time.

We sign with this.""", after=48),
    )),
)  # fmt: skip

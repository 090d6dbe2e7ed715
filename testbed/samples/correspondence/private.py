"""Mail that concerns no record: family, doctor, bank, school, clubs, and business that is not in the CRM."""

from testbed.samples.correspondence.script import Thread, Turn

THREADS = (
    Thread("private-dinner", "Samstag bei uns?", 40, (
        Turn("mum", "anna", """Liebe Anna,

kommt ihr am Samstag zum Essen? Papa hat den Grill repariert und möchte es beweisen. Bringt bitte nur gute Laune mit."""),
        Turn("anna", "mum", """Liebe Mama,

wir kommen gern, gegen sechs. Markus bringt seinen Kartoffelsalat, daran führt kein Weg vorbei.""", cc="markus", after=9),
        Turn("markus", "anna mum", """Der Kartoffelsalat steht.

Soll ich den Hund mitbringen oder hat Papa ihm das mit dem Steak noch nicht verziehen?""", after=5),
    ), weekends=True),
    Thread("private-doctor", "Ihr Termin am 14. um 8:20 Uhr", 28, (
        Turn("doctor", "anna", """Sehr geehrte Frau Brandt,

wir bestätigen Ihren Termin zur Vorsorgeuntersuchung. Bitte kommen Sie nüchtern und bringen Sie den Impfausweis mit."""),
        Turn("anna", "doctor", """Guten Tag,

danke, ich komme. Können Sie die Laborwerte vom letzten Jahr bereitlegen? Der Arzt wollte sie vergleichen.""", after=3),
        Turn("doctor", "anna", """Sehr geehrte Frau Brandt,

der Befund liegt bei. Die Werte sind unauffällig, Eisen etwas niedrig.""", files=("Befund.pdf",), after=200),
    )),
    Thread("private-bank", "Your mortgage: fixed rate ends in September", 52, (
        Turn("bank", "anna", """Dear Ms Brandt,

the fixed interest period of your mortgage ends on 30 September. We would be glad to discuss the options with you in person.
Enclosed is an overview.""", files=("Mortgage overview.pdf",)),
        Turn("anna", "bank", """Dear Mr Keller,

thank you. Ten years fixed at 1.9 would suit us; please note that another bank offers 1.85.""", bcc="markus", after=44),
    )),
    Thread("private-flat", "Keys for the holiday flat", 13, (
        Turn("markus", "anna", """Schatz,

die Ferienwohnung hat geschrieben, Schlüssel gibt es beim Bäcker ab 16 Uhr. Ich buche die Fähre, sag nur ob mit oder ohne
Frühstück."""),
        Turn("anna", "markus", """Mit.

Und nimm die große Kühltasche, nicht die, die riecht.""", after=2),
    ), weekends=True),
    Thread("private-choir", "Rehearsal moved to Thursday", 20, (
        Turn("choir", "helen", """Dear singers,

because of the boiler we rehearse on Thursday at seven in the Methodist hall. Please bring the Vaughan Williams and a jumper."""),
        Turn("helen", "choir", """I shall be ten minutes late, altos start without me.

Who has my pencil marks from last year?""", after=4),
    )),
    Thread("private-house", "12 Moor Lane: searches are back", 37, (
        Turn("solicitor", "helen gareth", """Dear Mr and Mrs Price,

the local searches are back and attached. Nothing worrying, but the footpath at the back is a public one. Exchange could be on
the 3rd.""", files=("Searches 12 Moor Lane.pdf",)),
        Turn("gareth", "helen solicitor", """We know about the footpath, we met the sheep.

The 3rd is good. Helen, can you be there at two?""", after=7),
        Turn("helen", "gareth solicitor", """Two is fine.

Do not let him near the sheep.""", after=2),
    )),
    Thread("private-gareth", "Tonight", 5, (
        Turn("gareth", "helen", """Home by six, the boiler man is coming. Shall I take the fish out?

Your sister rang, nothing urgent, call her when you are in the mood."""),
        Turn("helen", "gareth", """Yes to the fish.

I call her from the train.""", after=2, client="mobile"),
    ), weekends=True),
    Thread("private-school", "Réunion parents-professeurs", 18, (
        Turn("school", "luc claire", """Madame, Monsieur,

la réunion parents-professeurs aura lieu mardi à 18 heures, salle 12. Merci de confirmer votre présence avant vendredi."""),
        Turn("claire", "luc", """Tu peux y aller ? J'ai la garde à l'hôpital.

Demande pour les maths, il dit que tout va bien, donc non.""", after=3),
        Turn("luc", "school", """Bonjour Madame,

je serai présent mardi. Serait-il possible de parler aussi des mathématiques ?""", cc="claire", after=2),
    )),
    Thread("private-climbing", "Calanques, week-end du 8", 27, (
        Turn("climbing", "luc", """Salut Luc,

on est cinq pour les Calanques, il reste une place dans la voiture de Nadia. Tu prends la corde de 80 ?"""),
        Turn("luc", "climbing", """Je viens avec la corde de 80 et la tente.

Départ vendredi à 17 heures, pas avant, j'ai un client.""", after=6),
        Turn("climbing", "luc", """Noté, 17 heures.

Nadia apporte le fromage, moi le réchaud, toi le vin comme toujours.""", after=20),
    ), weekends=True),
    Thread("private-claire", "pain", 1.2, (
        Turn("claire", "luc", """Tu prends du pain en rentrant ? Et du lait.

Le petit a perdu sa dent, il veut que tu la voies avant la souris."""),
    ), weekends=True),
    Thread("supplier-elements", "Price increase for ceramic elements", 46, (
        Turn("supplier", "anna", """Dear Anna,

due to the energy costs of sintering we have to raise prices by 4.5 percent from the 1st. The new list is attached. Orders until
the end of this month are at the old price.""", files=("Price list ceramics.pdf",)),
        Turn("anna", "supplier", """Dear Gábor,

understood, not loved. I order 600 elements at the old price today, delivery in three lots as usual.""", cc="helen", after=25),
        Turn("supplier", "anna", """Dear Anna,

confirmed, 600 pieces, lots of 200. The first lot leaves Győr on Monday.""", cc="helen", after=16),
    )),
    Thread("supplier-freight", "Pick-up Zürich 2 crates", 33, (
        Turn("freight", "luc", """Dear customer,

pick-up of 2 crates, 184 kg, is scheduled tomorrow between 9 and 12. Please have the papers ready. Driver speaks Polish and
hands."""),
        Turn("luc", "freight", """The crates are ready at gate 2.

Please ring, the bell works again.""", after=2),
    )),
    Thread("recruiter", "A quick word about your next step", 25, (
        Turn("recruiter", "anna", """Hi Anna,

your profile stood out to me. I am working with a market leader in process instrumentation who needs a Head of Sales, hybrid,
strong package. Open to a chat?"""),
        Turn("recruiter", "anna", """Hi Anna,

just floating this to the top of your inbox. Would ten minutes on Friday work?""", after=96),
        Turn("anna", "recruiter", """Hi Zoe,

thank you, I am happy where I am. The coffee machine will be replaced any day now.""", after=20),
    )),
    Thread("caterer", "Reservation Weihnachtsessen", 190, (
        Turn("anna", "caterer", """Guten Tag,

wir möchten für den 12. einen Tisch für elf Personen reservieren, davon zwei vegetarisch. Geht das Stübli?"""),
        Turn("caterer", "anna", """Grüezi Frau Brandt

das Stübli ist für Sie reserviert, 18.30 Uhr. Die Menükarte liegt bei, bitte um Bescheid eine Woche vorher.""",
 cc="helen", files=("Menükarte Dezember.pdf|rfc2231",), after=20),
    )),
    Thread("trash-offer", "Last chance: office chairs", 30, (
        Turn("recruiter", "luc", """Hello Luc,

are your support people sitting well? We have forty ergonomic chairs from an office clearance, nearly new."""
 , folder={"luc": "Trash"}),
    )),
    Thread("trash-petrov", "wrong recipient", 42, (
        Turn("petrov", "anna", """Dear Anna, the mail from this morning was meant for somebody else.

Please delete it and accept my apologies.""", folder={"anna": "Trash"}),
    )),
)  # fmt: skip

"""Correspondence in German."""

from testbed.samples.correspondence.script import Thread, Turn

THREADS = (
    Thread("mueller-prueflabor", "Angebot Kalibrierstand", 97, (
        Turn("mueller", "anna", """Hallo Frau Brandt,

wir erweitern unser Prüflabor und brauchen einen Kalibrierstand für Druck bis 60 bar, möglichst mit Anbindung an
unsere Datenbank. Können Sie bis Ende des Monats ein Angebot machen?"""),
        Turn("anna", "mueller", """Guten Tag Herr Müller,

sehr gerne. Anbei das Angebot mit zwei Varianten: Variante A mit manueller Pumpe, Variante B automatisch.
Die Schnittstelle zur Datenbank ist in beiden enthalten.""",
 files=("Angebot Prüfstand Müller.pdf|rfc2231",), after=30),
        Turn("mueller", "anna", """Hallo Frau Brandt,

Variante B gefällt uns. Zwei Fragen: Wie laut ist der Kompressor, und passt der Stand durch eine Tür von 90 cm?
Unser letzter Schrank musste durchs Fenster.""", after=49),
        Turn("anna", "mueller", """Guten Tag Herr Müller,

der Stand ist 86 cm breit, es wird also knapp, aber ohne Fenster gehen. Der Kompressor hat 52 dB, das ist leiser
als meine Kaffeemaschine.""", cc="luc", after=17),
        Turn("mueller/1", "anna", """Sehr geehrte Frau Brandt,

anbei unsere Bestellung über Variante B. Liefertermin bitte vor den Sommerferien, danach ist niemand da.""",
 cc="mueller", files=("Bestellung 2291 Größe B.pdf|encoded-word",), after=66),
        Turn("anna", "mueller/1", """Guten Tag Herr Müller,

herzlichen Dank für die Bestellung. Wir liefern in der Woche vor den Ferien, die Inbetriebnahme macht Luc Moreau
am Tag danach.""", cc="mueller luc", after=6),
    ), filed={"anna": "Angebote/Zürich"}),
    Thread("mueller-rechnung", "Rechnung 26-1203: falscher Skontosatz", 31, (
        Turn("mueller", "anna", """Hallo Frau Brandt,

auf der Rechnung 26-1203 stehen 2 % Skonto, vereinbart waren 3 %. Es geht um 41 Euro, aber meine Frau hat es
gefunden, und da muss ich ran."""),
        Turn("anna", "mueller", """Guten Tag Herr Müller,

Ihre Frau hat recht, ein Gruß an sie. Die korrigierte Rechnung ist angehängt, die alte bitte vernichten.""",
 cc="helen", files=("Rechnung 26-1203 korrigiert.pdf",), after=3),
        Turn("mueller", "anna", """Danke, heute überwiesen.

Meine Frau möchte jetzt auch Ihre übrigen Rechnungen prüfen. Ich habe abgeraten.""", after=21),
    )),
    Thread("becker-netz", "Drucküberwachung Trinkwassernetz Lindau", 57, (
        Turn("becker", "anna", """Sehr geehrte Frau Brandt,

die Stadtwerke Lindau planen, an 22 Schächten den Netzdruck zu überwachen. Die Geräte sollen fünf Jahre ohne
Netzanschluss laufen. Bitte um Mitteilung, ob Sie so etwas anbieten und mit welcher Funktechnik."""),
        Turn("anna", "becker", """Sehr geehrter Herr Becker,

ja, mit dem TL-8 und dem PT-40 an einer Batterie, Funk über LoRaWAN. Bei einem Wert alle 15 Minuten rechnen
wir mit sechs Jahren. Ich schlage vor, dass wir in zwei Schächten einen Versuch machen.""",
 files=("Datenblatt TL-8.pdf",), after=23),
        Turn("becker", "anna", """Sehr geehrte Frau Brandt,

ein Versuch ist sinnvoll. Schacht 7 ist trocken, Schacht 19 steht nach jedem Regen unter Wasser. Beide bitte.""",
 after=48),
        Turn("anna", "becker", """Sehr geehrter Herr Becker,

dann nehmen wir für Schacht 19 die Ausführung mit vergossener Antenne. Herr Moreau kommt am Dienstag um neun,
wenn Sie jemanden mit Schlüssel und Gummistiefeln schicken könnten.""", cc="luc", after=20),
        Turn("becker", "anna luc", """Guten Tag zusammen,

Schlüssel habe ich selbst, Gummistiefel auch. Parken bitte hinter dem Wasserwerk, die Straße ist wegen Bauarbeiten
gesperrt.""", after=19),
        Turn("luc", "becker", """Guten Tag Herr Becker,

danke für die Hilfe heute. Beide Geräte senden, auch das unter Wasser. Zugang zu den Daten haben Sie mit der
beiliegenden Anleitung.""", cc="anna", files=("Anleitung LoggerHub.pdf", "Schacht 19.png"), after=50),
        Turn("becker", "luc", """Hallo Herr Moreau,

Schacht 19 hat den Dauerregen vom Wochenende überstanden, die Pumpe daneben nicht. Wir gehen jetzt in die
Ausschreibung für alle 22.""", cc="anna", after=160),
    ), filed={"anna": "Angebote/Zürich"}),
    Thread("schmid-keller", "Feuchte im Käsekeller", 24, (
        Turn("schmid", "anna", """Grüezi Frau Brandt

in unserem Reifekeller soll die Feuchte immer zwischen 92 und 95 Prozent sein. Unser Gerät zeigt seit Wochen 99, der
Käse sagt etwas anderes. Haben Sie etwas, das in so viel Feuchte noch stimmt?"""),
        Turn("anna", "schmid", """Grüezi Herr Schmid

der Käse hat vermutlich recht. Über 95 Prozent sättigen die meisten Fühler; der HC-3 wird darum geheizt und trocknet
sich selbst. Ich bringe gerne einen vorbei, Appenzell ist ja kein Umweg.""", after=22),
        Turn("schmid-jun", "anna", """Grüezi Frau Brandt

mein Vater bittet mich zu antworten, er ist auf der Alp. Donnerstag nach dem Melken passt gut, also gegen halb
zehn.""", after=27, thread_link="schmid"),
        Turn("anna", "schmid", """Grüezi miteinander

vielen Dank für den Käse! Der HC-3 misst jetzt 93,4 Prozent neben Ihrem Gerät mit 99. Lassen Sie ihn vier Wochen
hängen, dann reden wir über den Rest des Kellers.""", cc="schmid-jun", after=75),
        Turn("schmid", "anna", """Grüezi Frau Brandt

nach zwei Wochen bin ich überzeugt, die Rinde auch. Bitte ein Angebot für sechs Stück und Rechnung an die
Käserei.""", after=220),
    )),
    Thread("becker-termin", "Termin Ausschreibung", 4, (
        Turn("becker", "anna", """Sehr geehrte Frau Brandt,

die Ausschreibung für die 22 Schächte ist seit heute öffentlich, Abgabe bis zum 30. um 12 Uhr. Fragen bitte nur
über das Portal."""),
        Turn("anna", "becker", """Sehr geehrter Herr Becker,

vielen Dank für den Hinweis, wir bieten an. Alles Weitere dann über das Portal.""", cc="helen", after=2),
    )),
)  # fmt: skip

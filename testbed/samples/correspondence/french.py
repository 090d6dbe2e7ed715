"""Correspondence in French."""

from testbed.samples.correspondence.script import Thread, Turn

THREADS = (
    Thread("dubois-etalonnage", "Étalonnage annuel : 18 capteurs", 76, (
        Turn("dubois", "luc", """Bonjour Luc,

nos 18 capteurs de pression arrivent en fin de validité le 30. Pouvez-vous les étalonner sur place, comme l'an
dernier ? L'idéal serait un vendredi, la production est arrêtée."""),
        Turn("luc", "dubois", """Bonjour Camille,

c'est possible le vendredi 22, à partir de 8 heures. Il faut compter la journée entière. Je viens avec Ruth, qui
fera les certificats au fur et à mesure.""", cc="okafor/1", after=8),
        Turn("dubois", "luc", """Parfait pour le 22.

Je vous joins la liste des capteurs avec leur emplacement. Le numéro 11 est derrière l'autoclave, prévoyez des
manches longues.""", cc="okafor/1", files=("Liste capteurs été.csv|rfc2231",), after=26),
        Turn("okafor/1", "dubois luc", """Bonjour Camille,

the certificates for 17 of your 18 sensors are attached. Number 11 failed at the upper end, Luc writes to you about
a replacement. Forgive my French, it ends after bonjour.""", files=("Certificats 1-10.pdf", "Certificats 12-18.pdf"),
 after=170),
        Turn("luc", "dubois", """Bonjour Camille,

le capteur 11 dérive de 0,8 % à pleine échelle, je vous conseille de le changer. J'en ai un en stock à Lyon, je peux
passer lundi.""", cc="anna", after=4),
        Turn("dubois", "luc", """Entendu pour lundi, bon de commande ci-joint.

Dites à Ruth que son français est meilleur que mon anglais.""", cc="anna okafor/1",
 files=("Bon de commande 0412.pdf",), after=24),
    ), filed={"luc": "Clients/Équipement"}),
    Thread("dubois-ancien", "Déménagement du laboratoire", 260, (
        Turn("dubois/1", "luc", """Bonjour Luc,

le laboratoire déménage à Gerland au printemps et change de nom. Mon adresse va changer aussi, je vous écrirai. Les
contrats continuent comme avant."""),
        Turn("luc", "dubois/1", """Bonjour Camille,

merci de me prévenir, et bon courage pour les cartons. Si vous voulez, nous vérifions les capteurs après le
transport, une demi-journée suffit.""", cc="helen", after=20),
        Turn("dubois/1", "luc", """Très bonne idée.

Je vous propose la première semaine d'avril, quand la poussière sera retombée.""", cc="helen", after=29),
    )),
    Thread("lefevre-chai", "Suivi de température dans le chai", 36, (
        Turn("lefevre", "luc", """Bonjour Monsieur,

je cherche à suivre la température de 24 cuves pendant la fermentation, avec une alerte sur le téléphone. Un voisin
m'a parlé de vos enregistreurs. Pouvez-vous m'appeler ?"""),
        Turn("luc", "lefevre", """Bonjour Monsieur Lefèvre,

merci de votre message. Je vous appelle jeudi à 14 heures. En attendant, une question : vos cuves sont-elles en inox
ou en béton ? Le montage n'est pas le même.""", after=7),
        Turn("lefevre", "luc", """Seize en inox, huit en béton, celles de mon grand-père.

Jeudi 14 heures, c'est noté.""", after=15),
        Turn("luc", "lefevre", """Bonjour Monsieur Lefèvre,

suite à notre appel, voici une proposition pour 24 voies, avec des sondes de 40 cm pour le béton. L'installation
prend une journée, avant les vendanges si vous décidez ce mois-ci.""", cc="anna",
 files=("Proposition Château Lefèvre.pdf|encoded-word",), after=46),
        Turn("lefevre", "luc", """Bonjour Luc,

c'est dans mes prix, à condition de garder la main sur l'alerte la nuit : ma femme dort. Peut-on la couper entre 23
heures et 5 heures pour les écarts de moins d'un degré ?""", after=68),
        Turn("luc", "lefevre", """Oui, c'est un réglage par voie et par plage horaire.

Je vous le montre le jour de l'installation. Votre épouse choisira la sonnerie.""", cc="anna", after=5),
    )),
    Thread("dubois-facture", "Facture 26-1171 en double", 8, (
        Turn("dubois", "luc", """Bonjour Luc,

la comptabilité a reçu deux fois la facture 26-1171, avec deux dates. Laquelle devons-nous garder ?"""),
        Turn("luc", "dubois", """Bonjour Camille,

gardez celle du 14, l'autre est un brouillon parti trop vite. Un avoir suit, pour la forme.""", cc="helen", after=3),
        Turn("dubois", "luc", """Merci, c'est réglé.

À bientôt, peut-être au salon de Bâle ?""", after=24),
    )),
)  # fmt: skip

"""The same plain business in the encodings that mail really comes in, declared rightly, wrongly, or not at all."""

# ruff: noqa: RUF001 - other scripts and typographic signs are what these samples are about

from testbed.samples.correspondence.script import Charset, Thread, Turn

THREADS = (
    Thread("charset-iso-2022-jp", "圧力センサーの納期について", 50, (
        Turn("tanaka", "anna", """ブラント様

いつもお世話になっております。先日注文した圧力センサー二十台の納期をお知らせください。

よろしくお願いいたします。田中""", charset=Charset("iso2022_jp", "ISO-2022-JP", "7bit"), quirk="iso-2022-jp"),
    )),
    Thread("charset-gb2312", "流量计报价", 46, (
        Turn("wang", "luc", """莫罗先生您好

请报两台流量计的价格，口径五十毫米，联系人李垚，谢谢。

王磊""", charset=Charset("gbk", "gb2312", "8bit"), quirk="gbk-as-gb2312"),
        Turn("luc", "wang", """Dear Mr Wang,

two FM-200 DN50 are 2,180 euro each, delivered Suzhou. Mr Li will receive the drawings from me today.""", cc="anna", after=9),
    )),
    Thread("charset-koi8-r", "Датчики давления", 43, (
        Turn("petrov", "anna", """Здравствуйте, Анна!

Подскажите, пожалуйста, срок поставки двенадцати датчиков давления и условия оплаты.

С уважением, Алексей Петров""", charset=Charset("koi8_r", "koi8-r", "8bit"), quirk="koi8-r"),
    )),
    Thread("charset-cp1251", "Документы на таможню", 32, (
        Turn("petrov", "anna", """Добрый день, Анна!

Таможня просит сертификат происхождения с печатью, копия не подходит.""",
             charset=Charset("cp1251", "windows-1251", "base64"), quirk="windows-1251"),
    )),
    Thread("charset-cp1252-undeclared", "Visite du chai", 30, (
        Turn("lefevre", "luc", """Bonjour Luc,

la visite est prévue le 12 à 9 heures – l’accès se fait par le chai n° 2, prévoyez 80 € pour le déjeuner.""",
             client="webmail", charset=Charset("cp1252", None, "8bit"), quirk="windows-1252-undeclared"),
    )),
    Thread("charset-latin1-smart", "Milk tank “number five”", 22, (
        Turn("oconnor", "helen", """Helen,

the lad says “tank five” is reading high again – it’s two euro a litre we’re pouring away, or €40 a day.""",
             client="webmail", charset=Charset("cp1252", "iso-8859-1", "quoted-printable"), quirk="cp1252-as-latin1"),
    )),
    Thread("charset-utf-7", "Gerätepässe", 36, (
        Turn("mueller/1", "anna", """Sehr geehrte Frau Brandt,

für die Gerätepässe fehlen uns noch zwei Prüfprotokolle, bitte als PDF nachreichen.""",
             client="webmail", charset=Charset("utf_7", "utf-7", "7bit"), quirk="utf-7"),
    )),
    Thread("charset-latin2", "Zamówienie uzupełniające", 18, (
        Turn("kowalska", "helen", """Szanowna Pani,

prosimy o dostawę dwóch dodatkowych przetworników ciśnienia do końca miesiąca.""",
             charset=Charset("iso8859_2", "iso-8859-2", "quoted-printable"), quirk="iso-8859-2"),
    )),
    Thread("charset-utf8-8bit", "Größenänderung Flansch", 28, (
        Turn("mueller", "anna", """Hallo Frau Brandt,

können wir die Flansche auf DN50 ändern? Die Größe 40 passt nicht an unsere Rohre, Entschuldigung für die Mühe.""",
             charset=Charset("utf-8", "utf-8", "8bit"), quirk="utf-8-8bit"),
    )),
    Thread("charset-utf8-undeclared", "kurze Frage zur Montage", 26, (
        Turn("becker", "luc", """Guten Tag Herr Moreau,

dürfen die Fühler auch hängend montiert werden? Der Schacht lässt es nicht anders zu.""",
             charset=Charset("utf-8", None, "8bit"), quirk="utf-8-undeclared"),
    )),
    Thread("charset-shift-jis", "検査成績書の件", 14, (
        Turn("tanaka", "anna", """ブラント様

検査成績書を受け取りました。次回の注文は十月を予定しております。""",
             charset=Charset("cp932", "Shift_JIS", "base64"), quirk="shift-jis"),
    )),
    Thread("charset-unknown", "Delivery note 7712", 13, (
        Turn("svoboda", "anna", """Dear Anna,

the delivery note says Plzen, the boxes say Plzeň, and the driver says he does not care.""",
             charset=Charset("utf-8", "x-unknown", "base64"), quirk="charset-unknown"),
    )),
)  # fmt: skip

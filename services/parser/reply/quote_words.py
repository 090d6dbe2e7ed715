"""What mail programs write above a mail that they quote, in their languages."""

from __future__ import annotations

import re

FROM, DATE, TO, CC, SUBJECT, OTHER = "from", "date", "to", "cc", "subject", "other"

_LABELS = {
    FROM: (
        "from|von|de|da|van|od|fra|från|de la|expéditeur|mittente|remetente|remitente|nadawca|odesílatel|odosielateľ|"
        "avsändare|lähettäjä|от|отправитель|від|відправник|kimden|gönderen|feladó|expeditor|από|šalje|pošiljatelj|"
        "nuo|saatja|từ|dari|จาก|"
        "差出人|送信者|发件人|寄件者|寄件人|發件人|보낸 사람|보낸사람|발신|מאת|من"
    ),
    DATE: (
        "sent|date|gesendet|gesendet am|datum|envoyé|envoyé le|enviado|enviado el|enviado em|enviada em|enviada el|"
        "fecha|data|inviato|verzonden|wysłano|wysłane|odesláno|odoslané|dátum|sendt|dato|skickat|lähetetty|päiväys|"
        "päivämäärä|pvm|отправлено|дата|надіслано|відправлено|gönderildi|gönderme tarihi|gönderilme tarihi|tarih|"
        "elküldve|küldve|trimis|trimis la|dată|εστάλη|στάλθηκε|ημερομηνία|poslano|изпратено|送信日時|送信日|日時|日付|"
        "poslato|išsiųsta|nosūtīts|saadetud|saatmisaeg|enviat|enviat el|đã gửi|ngày|dikirim|tanggal|ส่ง|วันที่|"
        "发送时间|發送時間|日期|时间|寄件日期|傳送時間|보낸 날짜|날짜|보낸날짜|נשלח|תאריך|التاريخ|تاريخ الإرسال"
    ),
    TO: (
        "to|an|à|a|para|aan|do|komu|pro|till|til|destinataire|destinatario|destinatário|empfänger|vastaanottaja|кому|"
        "до|получатель|kime|alıcı|címzett|către|catre|προς|za|prima|kam|adressaat|saaja|per a|tới|đến|kepada|ถึง|"
        "宛先|收件人|收件者|받는 사람|받는사람|수신|אל|إلى"
    ),
    CC: (
        "cc|copie|copie à|copia|kopie|kopia|kopi|dw|cópia|kópia|копия|копія|másolatot kap|bilgi|κοιν|κοινοποίηση|ccn|"
        "抄送|副本|참조|bcc"
    ),
    SUBJECT: (
        "subject|betreff|objet|sujet|asunto|oggetto|onderwerp|temat|předmět|predmet|emne|ämne|aihe|assunto|тема|konu|"
        "tárgy|subiect|θέμα|относно|zadeva|tema|tēma|teema|chủ đề|subjek|perihal|เรื่อง|件名|主题|主旨|主題|제목|נושא|الموضوع"
    ),
    OTHER: (
        "reply-to|organization|organisation|importance|priority|attachments|anlagen|anhang|wichtigkeit|antwort an|"
        "répondre à|pièces jointes|responder a|rispondi a|vedhæftet|vedhæftede filer|importancia|添付ファイル|附件|"
        "x-mailer|message-id|mailed-by|signed-by"
    ),
}
LABELS = {label.casefold(): kind for kind, labels in _LABELS.items() for label in labels.split("|")}
"""The labels of a quoted mail's header, in lower case, each with what it names."""
LONGEST_LABEL = max(map(len, LABELS))

_ORIGINAL = (
    "original message|original email|original mail|original appointment|originalnachricht|original-nachricht|"
    "ursprüngliche nachricht|originaltermin|ursprünglicher termin|message d'origine|message d’origine|message original|"
    "mensaje original|messaggio originale|oorspronkelijk bericht|oorspronkelijke bericht|mensagem original|"
    "oprindelig meddelelse|oprindelig besked|opprinnelig melding|ursprungligt meddelande|originalmeddelande|"
    "alkuperäinen viesti|wiadomość oryginalna|oryginalna wiadomość|původní zpráva|pôvodná správa|исходное сообщение|"
    "оригинальное сообщение|оригінальне повідомлення|вихідне повідомлення|orijinal mesaj|özgün ileti|eredeti üzenet|"
    "mesaj original|mesajul original|αρχικό μήνυμα|izvorna poruka|元のメッセージ|原始邮件|原始郵件|原始消息|"
    "원본 메시지|원본 메일|reply message|"
    "antwort"
)
_FORWARDED = (
    "forwarded message|forwarded mail|weitergeleitete nachricht|weitergeleitete mail|message transféré|"
    "mensaje reenviado|messaggio inoltrato|doorgestuurd bericht|mensagem encaminhada|mensagem reencaminhada|"
    "videresendt meddelelse|videresendt melding|vidarebefordrat meddelande|välitetty viesti|edelleenlähetetty viesti|"
    "przekazana wiadomość|wiadomość przekazana|přeposlaná zpráva|preposlaná správa|пересланное сообщение|"
    "пересылаемое сообщение|переслане повідомлення|iletilen mesaj|iletilmiş mesaj|yönlendirilen ileti|"
    "begin forwarded text|továbbított üzenet|mesaj redirecționat|προωθημένο μήνυμα|転送メッセージ|転送されたメッセージ|转发的邮件|转发邮件|"
    "轉寄郵件|轉寄的郵件|전달된 메시지|전달된 메일|begin forwarded message|anfang der weitergeleiteten nachricht|"
    "début du message réexpédié|début du message transféré|inicio del mensaje reenviado|inizio messaggio inoltrato|"
    "begin doorgestuurd bericht|início da mensagem reencaminhada|start på videresendt besked|vidarebefordrat brev"
)
SEPARATORS = {words.casefold(): False for words in _ORIGINAL.split("|")}
SEPARATORS |= {words.casefold(): True for words in _FORWARDED.split("|")}
"""What stands between dashes, in lower case, and whether the mail below it was forwarded."""

_VERBS = (
    "wrote|writes|schrieb|écrit|escribió|escribio|scritto|schreef|geschreven|escreveu|napisał|napisała|napisało|nadesłał|"
    "pisze|napsal|napsala|napsalo|napísal|napísala|napísalo|skrev|kirjoitti|написал|написала|написали|пишет|написав|"
    "пише|написа|yazdı|írta|scris|έγραψε|escrigué|napisao|napisala|pisao|kirjutas|rakstīja|rašė|viết|menulis|napisana|"
    "كتب|بواسطة"
)
VERB = re.compile(rf"\b(?:{_VERBS})\b|写道|寫道|작성|さん(?:は書きました|のメール)|のメール|เขียนว่า", re.IGNORECASE)
"""That somebody wrote what follows."""
_PLAIN_VERBS = frozenset(filter(str.isascii, _VERBS.replace("ı", "i").split("|")))
_WORD = re.compile(r"\w+")


def has_verb(line: str) -> bool:
    """Whether ``VERB`` is found in a line; in one of ASCII by its words, which is faster."""
    if line.isascii():
        return not _PLAIN_VERBS.isdisjoint(_WORD.findall(line.lower()))
    return VERB.search(line) is not None


_ENDS = (
    "wrote|writes|schrieb|écrit|escribió|scritto|schreef|geschreven|escreveu|napisał|napisała|napsal|napsala|napísal|skrev|"
    "kirjoitti|написал|написала|пишет|написав|пише|yazdı|írta|scris|έγραψε|写道|寫道|작성"
)
ENDS = (":", "\uff1a", *_ENDS.split("|"))
"""How the line ends that says who wrote."""
BEGINS = re.compile(
    r" ?(?:(?:Missatge de|Vào|Pada|Kuupäev|[пП]онедельник|[вВ]торник|[сС]реда|[чЧ]етверг|[пП]ятница|[сС]уббота|[вВ]оскресенье|"
    r"On|Am|Le|El|Il|Op|Em|Den|Dne|Dňa|Dnia|W dniu|På|Pe|În|La|Στις|Στην|V|Ons|Man|Tir|Tor|Fre|Lør|Lör|Søn|Sön|Ma|Ti|Ke|To|Su|"
    r"Wt|Pon|Śr|Czw|Pt|Sob|Niedz|[пП]н|[вВ]т|[сС]р|[чЧ]т|[пП]т|[сС]б|[вВ]с|[нН]д|在|于|בתאריך|في)\b|ในวันที่|\d{1,4}[ ./年년-])"
)
"""How the line begins that says when and who."""
DATED = re.compile(r"\d{1,2}[:.]\d\d|\b(?:19|20)\d\d\b|(?:19|20)\d\d[年년]|\d[./-]\d{1,2}[./-]\d")
"""A time, a year, or a date in figures."""
YEAR = re.compile(r"(?:19|20)\d\d(?!\d)")
SHARED = re.compile(r"(?<=\S)(?:[ \t]{1,4}|-{2,6} ?)(?=On [^\n]{0,20}?\d[^\n]{5,250}\bwrote:$)")
"""Where an introduction begins that is on the same line as the end of the writer's own text."""
BARE = re.compile(r"\d{4}[/.-]\d{1,2}[/.-]\d{1,2} [^\n<>]{1,100}<[^<>\s]{1,64}@[^<>\s]{1,200}>$")
"""An introduction of a date, a name and an address only."""
WRAPPED_LINK = re.compile(r"\(https?://[^\s()]{1,300}\)(?: >)?")
INITIALS = re.compile(r" ?[A-Z][A-Za-z]{0,3}>")
"""How some programs mark a quote: ``KC>``."""
PARTICLES = frozenset(
    (
        "von",
        "van",
        "der",
        "den",
        "de",
        "di",
        "da",
        "la",
        "le",
        "du",
        "dos",
        "zu",
        "bin",
        "al",
        "el",
        "del",
        "a",
        "hat",
        "ha",
    )
)
_PRONOUNS = (
    "i|you|we|he|she|it|they|as|who|ich|du|sie|er|wir|ihr|je|tu|nous|vous|il|elle|yo|ella|usted|io|lui|lei|wie|how|"
    "what|jag|vi|ja|ty"
)
PRONOUNS = frozenset(_PRONOUNS.split("|"))

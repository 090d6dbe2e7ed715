"""How people end a mail, and what phones, programs and lawyers add, in their languages."""

from __future__ import annotations

import re

_CLOSINGS = (
    "best regards|kind regards|kindest regards|warm regards|warmest regards|regards|best|all the best|best wishes|"
    "sincerely|sincerely yours|yours sincerely|yours faithfully|yours truly|cheers|with best regards|with kind regards|"
    "rgds|br|kr|cordially|respectfully|mit freundlichen grüßen|mit freundlichem gruß|freundliche grüße|"
    "freundlichen gruß|mfg|viele grüße|beste grüße|liebe grüße|herzliche grüße|schöne grüße|grüße|gruß|vg|lg|bg|"
    "mit besten grüßen|mit herzlichen grüßen|hochachtungsvoll|mit freundlichen grüßen / best regards|cordialement|"
    "bien cordialement|salutations|sincères salutations|meilleures salutations|bien à vous|bonne journée|"
    "bonne réception|amicalement|cdt|cdlt|saludos|un saludo|saludos cordiales|un cordial saludo|cordialmente|"
    "atentamente|un abrazo|cordiali saluti|distinti saluti|saluti|un saluto|buona giornata|atenciosamente|att|"
    "cumprimentos|melhores cumprimentos|com os melhores cumprimentos|abraços|met vriendelijke groet|"
    "met vriendelijke groeten|vriendelijke groet|vriendelijke groeten|hartelijke groeten|groeten|groet|mvg|"
    "med venlig hilsen|venlig hilsen|hilsen|mvh|de bedste hilsner|bedste hilsner|vennlig hilsen|med vennlig hilsen|"
    "hilsner|med vänliga hälsningar|vänliga hälsningar|hälsningar|bästa hälsningar|ystävällisin terveisin|terveisin|"
    "parhain terveisin|z poważaniem|pozdrawiam|z pozdrowieniami|pozdrowienia|z powazaniem|s pozdravem|s pozdravom|"
    "s úctou|s přáním hezkého dne|üdvözlettel|üdv|tisztelettel|köszönettel|cu stimă|cu respect|toate cele bune|"
    "saygılarımla|iyi çalışmalar|selamlar|iyi günler|sevgiler|с уважением|с наилучшими пожеланиями|з повагою|"
    "з найкращими побажаннями|με εκτίμηση|φιλικά|με φιλικούς χαιρετισμούς|敬具|此致|祝好|顺祝商祺|안녕히 계세요"
)
_THANKS = (
    "thanks|thank you|many thanks|thanks and regards|thanks & regards|thanks in advance|thanks again|thanks a lot|"
    "thank you very much|danke|vielen dank|danke und grüße|merci|merci d'avance|gracias|muchas gracias|grazie|obrigado|"
    "obrigada|bedankt|dank u|tak|på forhånd tak|takk|tack|kiitos|dziękuję|děkuji|děkujeme|mulțumesc|teşekkürler|"
    "спасибо|дякую|ευχαριστώ|谢谢|감사합니다"
)

AROUND = " ,.!:;-–—*_~/，。！"
"""What people put around a sign-off."""


def plain(words: str) -> str:
    """Return words in the form in which they are compared: lower case, without umlauts and marks around them."""
    text = " ".join(words.casefold().split()).strip(AROUND)
    return text if text.isascii() else text.replace("ü", "ue").replace("ö", "oe").replace("ä", "ae")


CLOSINGS = frozenset(map(plain, _CLOSINGS.split("|")))
THANKS = frozenset(map(plain, _THANKS.split("|")))
"""Words that end a mail only where a name follows them."""

_SENT_FROM = (
    "sent from|sent via|sent using|sent with|get outlook for|gesendet von|gesendet mit|gesendet über|gesendet vom|"
    "von meinem|von unterwegs|diese nachricht wurde von meinem|holen sie sich outlook|outlook für|envoyé de mon|"
    "envoyé depuis|envoyé à partir|télécharger outlook|obtenir outlook|obtenez outlook|enviado desde|enviado do|"
    "enviado a partir|enviado pelo|enviado de mi|obtener outlook|obter o outlook|inviato da|inviato dal|"
    "ottieni outlook|scarica outlook|verzonden vanaf|verstuurd vanaf|verzonden met|outlook voor|outlook downloaden|"
    "wysłane z|wysłano z|pobierz aplikację outlook|pobierz outlook|odesláno z|odoslané z|získejte outlook|sendt fra|"
    "hent outlook|skickat från|hämta outlook|lähetetty|hanki outlook|отправлено с|отправлено из|надіслано з|"
    "отримати outlook|trimis de pe|trimis din|obțineți outlook|στάλθηκε από|λήψη του outlook|poslano iz|poslano s|"
    "изпратено от|enviat des|išsiųsta iš|nosūtīts no|saadetud minu|elküldve az|đã gửi từ|được gửi từ|dikirim dari|"
    "ส่งจาก|发自|發自|נשלח מ|أُرسلت من|أرسلت من|مرسل من|outlook for"
)
SENT_FROM = tuple(_SENT_FROM.split("|"))
"""How a line begins that a phone or a program adds, in lower case."""
_SENT_AT_END = (
    "から送信|から送信されました|で送信|'dan gönderildi|'den gönderildi|umdan gönderildi|imden gönderildi|"
    "dan gönderildi|ról küldve|ről küldve|에서 보냄|发送|發送|傳送"
)
SENT_AT_END = tuple(_SENT_AT_END.split("|"))
"""How such a line ends in other languages."""
DEVICE = re.compile(
    r"iphon|ipad|ipod|android|galaxy|samsung|blackberry|huawei|xiaomi|redmi|oneplus|pixel|nokia|lumia|motorola|sony|xperia|htc|outlook|"
    r"yahoo|gmail|gmx|web\.de|t-online|orange|protonmail|proton mail|windows|thunderbird|aquamail|k-9|bluemail|sparrow|mail ?app|mailbox|"
    r"phone|handy|tablet|mobil|móvil|telefon|teléfono|téléphone|telefone|celular|cellulare|portable|puhelime|手机|手機|スマホ|スマートフォン|携帯|"
    r"휴대폰|телефон|смартфон|κινητό|邮箱|郵箱|apple|mac",
    re.IGNORECASE,
)

DISCLAIMER = (
    (
        "mail",
        "message",
        "nachricht",
        "correo",
        "mensaje",
        "messaggio",
        "bericht",
        "courriel",
        "wiadomość",
        "сообщени",
        "mensagem",
        "邮件",
        "メール",
    ),
    (
        *(
            "confidential",
            "privileged",
            "vertraulich",
            "confidentiel",
            "confidencial",
            "riservat",
            "vertrouwelijk",
            "poufn",
            "конфиденц",
        ),
        *("fortrolig", "konfidentiel", "důvěrn", "gizli", "保密", "機密"),
    ),
    (
        *(
            "recipient",
            "addressee",
            "addressed",
            "intended",
            "empfänger",
            "adressat",
            "destinat",
            "geadresseerde",
            "adresat",
            "получател",
        ),
        *("modtager", "mottagare", "příjemc", "alıcı", "收件人", "受信者"),
    ),
)
"""A disclaimer has a word of each of these."""

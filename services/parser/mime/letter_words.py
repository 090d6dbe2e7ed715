"""Letters and words by how frequent they are, to tell charsets and languages apart."""

from __future__ import annotations

from typing import NamedTuple

LETTERS = {
    "cp1251": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъёіїєґ«»„“–—№ПСНВДКОМАИТРГЗБУЕФЛХЭЧШЯЖЦЮЙЩІ",
    "koi8_u": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъёіїєґПСНВДКОМАИТРГЗБУЕФЛХЭЧШЯЖЦЮЙЩІ",
    "cp1253": "αοιετσνηυρπκμλςάίόέύήώγδβθχφξζψΑΕΠΣΤΚΜΟΝΗΓΔΛΡΒΘΧΦ",
    "cp1255": "יוהלאתרבשמנחדקםכפעגטזסןצךףץ",
    "cp1256": "اليمونترعبدهكفسحقجةأشىخصطزضذغثظءئإؤآ،؟",
    "cp874": "านรอก่เงมย้ลวดัทสตะิปบคหแจีพชขใไโผุู็ซณ์ถึืำศธ",
}
"""The letters of other scripts by charset, the most frequent first."""


class Language(NamedTuple):
    """A language of Latin letters."""

    charset: str
    """Of Windows."""
    letters: str
    """That are no ASCII, the most frequent first."""
    words: frozenset[str]
    """Common ones, in lower case."""


def _language(charset: str, letters: str, words: str) -> Language:
    return Language(charset, letters, frozenset(words.split()))


LATIN = (
    # English: hardly any letters, but signs
    _language(
        "cp1252",
        "’“”–…£•—®©‘™é°€¢·×½²",
        "the and to of you your for is in that with this are it on be have from our not will at by or free more",
    ),
    # German
    _language(
        "cp1252",
        "üäößÄÜÖé",
        "für über können möchten grüße größe müssen wäre natürlich nächste ich und der die das nicht mit ein ist von wir sie bitte auf",
    ),
    # French
    _language(
        "cp1252",
        "éèàêçùîôûâëïÉÀœ",
        "à été être très après déjà même où reçu les des une est pour que nous vous dans pas avec sur votre bonjour",
    ),
    # Spanish
    _language(
        "cp1252",
        "óáíéñúü¿¡Ññ",
        "está más también información días qué cómo mañana que los las del una por para con como pero usted gracias señor",
    ),
    # Portuguese
    _language(
        "cp1252",
        "ãçáéíóêõâúàôÉ",
        "não são está você informação até também reunião que uma com para mais como por seu obrigado segue",
    ),
    # Italian
    _language(
        "cp1252",
        "èàùòéìÈ",
        "è perché più città così già sarà può che non per con una sono della anche come gentile grazie",
    ),
    # Swedish
    _language(
        "cp1252",
        "äåöÅÄÖé",
        "för är på från också när måste och att som det inte med till har vi kan tack hälsningar",
    ),
    # Danish and Norwegian
    _language(
        "cp1252",
        "øæåÅØÆé",
        "på også får når være og at det ikke med til har vi kan tak hilsen der jeg som en",
    ),
    # Finnish
    _language(
        "cp1252",
        "äöåÄÖ",
        "että päivää tämä myös työ ja on ei se kun mutta niin jos kiitos hei terveisin",
    ),
    # Icelandic
    _language(
        "cp1252",
        "ðíáóþúæéýöÁÞÍÖ",
        "það við þá því að og er til sem um ekki kveðja góðan daginn",
    ),
    # Polish
    _language(
        "cp1250",
        "łęąóżśćńźŁŚŻĆÓŹ",
        "proszę dzień się że są już będzie dziękuję również nie jest dla oraz przez dobry jak na to za oferty pozdrawiam",
    ),
    # Czech
    _language(
        "cp1250",
        "íáěéřčžýšůúóňťďŠČŽŘÚ",
        "dobrý děkuji děkujeme prosím že můžeme při být ještě je na se za do pro jako ale nebo jsem den nabídky",
    ),
    # Slovak
    _language(
        "cp1250",
        "áíéžýčšúľťňôóďäŕĺĽŠČŽĎÚ",
        "dobrý deň ďakujem ďakujeme prosím že môžeme sú aj je na sa za do pre ako ale alebo som ponuku",
    ),
    # Hungarian
    _language(
        "cp1250",
        "éáöőóüíúűÉÁÖŐÜÓÍŰÚ",
        "köszönöm köszönjük és üdvözlettel őszinte előtt időpont kérem hogy nem egy az tisztelt meg van csak vagy ha",
    ),
    # Romanian
    _language(
        "cp1250",
        "ăţîşâŞŢÎÂ",
        "să vă şi până mulţumesc mulţumim bună ziua nu este pentru din care sau oferta rog cu la pe",
    ),
    # Croatian and Slovenian
    _language(
        "cp1250",
        "čšžćđŠŽČĆĐ",
        "što više srdačan možemo već također hvala je na se za da ne od kako ali pozdrav ponudu lijep molimo",
    ),
    # Turkish
    _language(
        "cp1254",
        "ıüşçğöİÜŞÇÖâî",
        "için teşekkür teşekkürler sayın iyi çok değil olduğu ve bir bu ile da ne dileriz ederiz",
    ),
    # Latvian
    _language(
        "cp1257",
        "āīēšūņļžčģķĀŠĪĒ",
        "lūdzu piedāvājumu mēs šodien ir un par uz no ar labdien paldies kas lai tiek",
    ),
    # Lithuanian
    _language(
        "cp1257",
        "ėšųžįąčūęŠŽĖŲČ",
        "prašome dėkojame ačiū pasiūlymą už iš ir į kad yra su bei diena laba jau tik",
    ),
    # Estonian
    _language(
        "cp1257",
        "äõüöšžÕÄÜÖ",
        "tänan täna või ka ja on ei see et kui aga palun tere",
    ),
)
FURTHER = {"cp1250": "iso8859_2", "cp1252": "cp850"}
"""Another charset in which the languages of one were written."""

CHINESE = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学"
    "如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将"
    "两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及"
    "比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统"
    "区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取望觉术领共确传"
    "师观清今切院让识候带导争运请谢订单附查收您价供货款送邮箱贵商谈协议税号码待复這個們來為國說時會對過發後裡種經麼學現當沒動還進樣開從實"
    "軍無與長機關點業將兩間問並應戰頭體見產話給門東聲論處義幾認條係氣題爾別變總電數報結務場計資許統區隊決馬書則聽達強難權設記類據邊張該規"
    "萬覺術領確傳師觀讓識帶導爭運請謝訂單價貨協議稅號碼復寄"
)
KOREAN = frozenset(
    "이다는에의을가한고하로사지기리도서자스어인시대해정수아나그은보여니를있라일으들제전주부세요안녕계약적견드립내비감합습문오원장관구공상"
    "경까때면게과와만무신모물마금성조소동진치유회생산미연실중용화저않없것우간년월말위선재데단결분님납품격확"
)
JAPANESE = frozenset(
    "日本人大年会社事者時分中国出上行方間月前後今見入生手自合同部内定体場開発業務用高新書様件田山下子学校電話番号名金額円品員長送付積請求"
    "御願致申込確認連絡先世注文納期価格問題必要変更表示情報対応予約担当営"
)
"""Frequent ideographs and syllables."""

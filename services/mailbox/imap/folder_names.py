"""Decode folder names (modified UTF-7, or whatever a server sends) and tell what they mean in the usual languages.

SPECIAL-USE (RFC 6154) takes precedence. The table serves servers without it, and further folders beside the marked one. It has
the names that Thunderbird, Outlook and the usual webmails give their folders in the languages that they ship.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from typing import Literal

FolderRole = Literal["inbox", "sent", "archive", "all", "drafts", "templates", "outbox", "trash", "junk", "user"]

_SHIFTED = re.compile(r"&([A-Za-z0-9+,]*)-")

_NAMES: dict[FolderRole, str] = {
    "trash": """
        trash | deleted | deleted items | deleted messages | deleted mail | bin | wastebasket | recycle bin | trash bin | papierkorb
        gelöscht | gelöschte elemente | gelöschte objekte | gelöschte nachrichten | gelöschte e-mails | mülleimer | corbeille
        éléments supprimés | messages supprimés | poubelle | supprimés | papelera | papelera de reciclaje | elementos eliminados
        eliminados | mensajes eliminados | correo eliminado | borrados | cestino | posta eliminata | eliminati | elementi eliminati
        messaggi eliminati | lixo | lixeira | itens excluídos | itens eliminados | excluídos | mensagens excluídas | reciclagem
        papeleira | paperera | prullenbak | prullenmand | verwijderde items | verwijderde berichten | verwijderd | kosz
        elementy usunięte | usunięte | wiadomości usunięte | корзина | удаленные | удалённые | удаленные элементы | удаленные сообщения
        кошик | видалені | видалені елементи | кошче | papperskorg | papperskorgen | borttaget | borttagna | raderade objekt | slängt
        papirkurv | slettet post | slettede elementer | slettet | søppel | søppelbøtte | slettede meldinger | roskakori | poistetut
        poistetut viestit | koš | odstraněná pošta | odstraněné | kôš | odstránená pošta | smazané položky | çöp | çöp kutusu
        silinmiş öğeler | silinmiş | silinenler | 已删除 | 已删除邮件 | 已刪除的郵件 | 已删除的邮件 | 垃圾桶 | 垃圾箱 | 废件箱 | 回收站
        刪除的郵件 | 已刪除郵件 | ごみ箱 | ゴミ箱 | 削除済みアイテム | 削除済み | 削除済みメール | 휴지통 | 지운 편지함 | 지운 메일함
        지운편지함 | 삭제된 항목 | 삭제된 메일 | kuka | törölt elemek | lomtár | coș de gunoi | elemente șterse | gunoi | κάδος
        κάδος απορριμμάτων | διαγραμμένα | אשפה | פריטים שנמחקו | المهملات | العناصر المحذوفة | ถังขยะ | thùng rác | sampah | kotak sampah
        kosár | otpad | smeće | sletta | rusl | eyddir hlutir | prügikast | kustutatud üksused | papīrgrozs | izdzēstie vienumi
        šiukšlinė | šiukšliadėžė | ištrinti elementai | smeti | izbrisano | izbrisani elementi | izbrisane stavke | смеће
        избрисане ставке | корпа | избришани | изтрити | изтрити елементи | сметніца | выдаленыя | წაშლილი | ნაგავი | աղբարկղ | ջնջված
        زبالهدان | موارد حذف شده | रद्दी | कूड़ेदान | รายการที่ถูกลบ | đã xóa | mục đã xóa | surat terhapus | item dihapus | tong sampah
        item dipadam | elements suprimits | zakarrontzia | elementos borrados | sbwriel | bosca bruscair | an sgudal | sgudal | pod-lastez
        rommel | asblik | geskrapte items | hedhurina | të fshira | қоқыс шелегі | жойылған
    """,
    "junk": """
        junk | spam | junk e-mail | junk email | junk mail | bulk | bulk mail | bulk e-mail | quarantine | spamverdacht | unerwünscht
        unerwünschte werbung | unbekannt spam | werbung spam | junk-e-mail | spam-ordner | courrier indésirable | indésirables | pourriel
        pourriels | correo no deseado | no deseado | correo basura | posta indesiderata | indesiderata | correio eletrônico não solicitado
        lixo eletrônico | lixo eletrónico | correio não solicitado | ongewenst | ongewenste e-mail | ongewenste reclame
        wiadomości-śmieci | wiadomości śmieci | niechciane | спам | нежелательная почта | небажана пошта | рассылки спам | skräppost
        skräp | uønsket e-post | uønsket post | søppelpost | uønsket mail | roskaposti | nevyžádaná pošta | nevyžiadaná pošta | istenmeyen
        önemsiz | önemsiz e-posta | gereksiz | istenmeyen e-posta | 垃圾邮件 | 垃圾郵件 | 广告邮件 | 迷惑メール | スパム | 스팸
        스팸메일함 | 스팸 메일함 | 정크 메일 | 스팸편지함 | levélszemét | ανεπιθύμητα | ανεπιθύμητη αλληλογραφία | דואר זבל
        البريد غير الهام | البريد العشوائي | thư rác | spam-verdacht | ruslpóstur | rämps | rämpspost | mēstules | surogātpasts
        brukalas | šlamštas | neželena sporočila | neželena pošta | vsiljena pošta | bezvrijedna e-pošta | neželjena pošta
        нежељена пошта | отпад | несакана пошта | ѓубре | нежелана поща | непожадана пошта | сметце | სპამი | թափոն | սպամ | זבל
        الرسائل غير المرغوب فيها | غير المرغوب | هرزنامه | بنجل | स्पैम | जंक | จดหมายขยะ | อีเมลขยะ | กล่องจดหมายขยะ | email sampah
        e-mel sarap | correu brossa | zabor-posta | correo lixo | sothach | dramhaíl | truilleis | stroboù | gemorspos | të pavlerë
        kéretlen | basura | lixo electrónico | indezirate | mesaje nedorite
    """,
    "drafts": """
        drafts | draft | draft messages | entwürfe | entwurf | brouillons | brouillon | borradores | borrador | esborranys | bozze | bozza
        rascunhos | rascunho | concepten | concept | kopie robocze | robocze | szkice | wersje robocze | черновики | чернетки | чернови
        utkast | kladder | kladde | luonnokset | luonnos | koncepty | rozepsané | rozpísané | taslaklar | taslak | 草稿 | 草稿箱 | 草稿夹
        下書き | 임시보관함 | 임시 보관함 | 임시보관편지함 | 임시 저장 | piszkozatok | ciorne | schițe | πρόχειρα | טיוטות | مسودات
        المسودات | thư nháp | bản nháp | draf | konsep | kladd | drög | mustandid | melnraksti | uzmetumi | juodraščiai | osnutki | skice
        nacrti | нацрти | непратени | чарнавікі | rascuños | მონახაზები | დროებითი | սևագրեր | پیشنویسها | پیشنویس | ड्राफ़्ट | ड्राफ़ट
        ड्राफ्ट | แบบร่าง | ฉบับร่าง | จดหมายร่าง | กล่องจดหมายร่าง | 草稿匣 | zirriborroak | drafftiau | dréachtaí | dreachdan | brouilhedoù
        konsepte | skica | шимайлар | qaralamalar | unsent | brudnopis | návrhy | piszkozat
    """,
    "templates": """
        templates | template | vorlagen | modèles | plantillas | modelli | modelos | sjablonen | skabeloner | mallar | maler | malar
        mallit | mallipohjat | sniðmát | mallid | veidnes | šablonai | szablony | šablony | šablóny | predloge | predlošci | šabloni
        шаблони | урнеци | șabloane | sablonok | πρότυπα | şablonlar | шаблоны | შაბლონები | ձևանմուշներ | կաղապարներ | תבניות | القوالب
        قوالب | قالبها | टेम्पलेट | टेम्प्लेट | แม่แบบ | เทมเพลต | mẫu thư | biểu mẫu | templat | テンプレート | 서식 | 템플릿 | 模板 | 範本
        plantilles | txantiloiak | templedi | teimpléid | teamplaidean | patromoù | sjablone | gjedhe | үлгілер
    """,
    "outbox": """
        outbox | out box | unsent messages | postausgang | boîte d'envoi | bandeja de salida | posta in uscita | caixa de saída
        postvak uit | udbakke | utkorg | utkorgen | utboks | lähtevät | lähtevä posti | úthólf | väljundkaust | saatmata kirjad | izsūtne
        siunčiamieji | siunčiami laiškai | skrzynka nadawcza | pošta k odeslání | k odeslání | pošta na odoslanie | na odoslanie
        odhodna pošta | izlazna pošta | izlazni spremnik | otpremna pošta | отпремна пошта | за слање | излезна пошта | изходящи
        изходяща кутия | mesaje de trimis | de trimis | postázandó | postázandó üzenetek | kimenő | εξερχόμενα | giden kutusu | исходящие
        вихідні | выходныя | зыходныя | გასაგზავნი | ելքային | דואר יוצא | תיבת דואר יוצא | علبة الصادر | صندوق الصادر | صندوق خروجی
        आउटबॉक्स | กล่องจดหมายออก | hộp thư đi | kotak keluar | peti keluar | 送信トレイ | 보낼 편지함 | 发件箱 | 寄件匣 | safata de sortida
        irteerako ontzia | irteera-ontzia | blwch allan | bosca amach | bogsa a-mach | uitmandjie
    """,
    "sent": """
        sent | sent items | sent messages | sent mail | sent-mail | outbox sent | gesendet | gesendete elemente | gesendete objekte
        gesendete nachrichten | gesendete e-mails | envoyés | éléments envoyés | messages envoyés | courrier envoyé | objets envoyés
        enviados | elementos enviados | mensajes enviados | correo enviado | enviats | inviata | posta inviata | inviati | itens enviados
        mensagens enviadas | verzonden | verzonden items | verzonden berichten | wysłane | elementy wysłane | отправленные
        отправленные элементы | надіслані | изпратени | skickat | skickade objekt | skickade | sendt | sendte elementer | sendt post
        lähetetyt | lähetetyt viestit | odeslané | odeslaná pošta | odoslané | odoslaná pošta | gönderilmiş öğeler | gönderilenler
        gönderilmiş | 已发送 | 已发送邮件 | 已傳送郵件 | 寄件備份 | 送信済み | 送信済みアイテム | 送信済みメール | 보낸편지함
        보낸 편지함 | 보낸메일함 | 보낸 메일함 | elküldött | elküldött elemek | trimise | απεσταλμένα | נשלח | פריטים שנשלחו | المرسلة
        البريد المرسل | thư đã gửi | terkirim | sendur póstur | sendir hlutir | saadetud | saadetud kirjad | saadetud üksused | nosūtītās
        nosūtītie | nosūtītie vienumi | išsiųsta | išsiųsti | išsiųsti laiškai | išsiųsti elementai | poslano | poslana pošta
        poslani elementi | poslane stavke | poslato | послато | послате | послате ставке | пратени | испратени | изпратени елементи
        elemente trimise | küldött | küldöttek | απεσταλμένα στοιχεία | адпраўленыя | дасланыя | გაგზავნილი | ուղարկված | דואר שנשלח
        المرسل | ارسال شده | ارسالشده | भेजा गया | भेजे गए | ส่งแล้ว | จดหมายที่ส่ง | รายการที่ถูกส่ง | đã gửi | item terkirim
        pesan terkirim | hantar | dihantar | item dihantar | elements enviats | bidalitakoak | bidaliak | bidalita | anfonwyd | danfonwyd
        seolta | air a chur | kaset | gestuur | gestuurde items | të dërguar | të dërguara | жіберілген | надіслані елементи | 寄件備份匣
        已发送消息 | 已傳送
    """,
    "archive": """
        archive | archives | archived | archiv | archivierte | archivo | archivados | archivio | arquivo | arquivados | archief | archiwum
        архив | архів | arkiv | arkisto | arşiv | 归档 | 存档 | 封存 | アーカイブ | 보관 | 보관함 | archívum | arhivă | αρχειοθήκη
        arhiiv | arhīvs | arhīvi | archyvas | archyvai | arhiv | arhiva | архива | skjalasafn | архіў | արխիվ | არქივი | ארכיון | الأرشيف
        أرشيف | بایگانی | संग्रह | เก็บถาวร | lưu trữ | arsip | arkib | arxiu | artxiboa | archif | cartlann | tasglann | dielloù | argief
        arkiva | archivy | archívy | archiwa | arkiver | arkivet | архивы
    """,
    "all": """
        all mail | alle nachrichten | tous les messages | todos | todos los mensajes | tutti i messaggi | вся почта | すべてのメール
    """,
}
_PREFIXES = frozenset(("inbox", "[gmail]", "[google mail]", "[imap]", "mail", "folders"))
_BELOW_A_ROOT = 2


_ONE_SPELLING = str.maketrans({"ş": "ș", "ţ": "ț", "\u2019": "'", **dict.fromkeys("\u0307\u200c\u200d\ufffd")})
"""Romanian with cedillas; the dot that case folding leaves of the Turkish capital; joiners of Persian, as they come or replaced."""


def _normal(name: str) -> str:
    folded = unicodedata.normalize("NFC", name.casefold()).translate(_ONE_SPELLING)
    return " ".join(folded.split())


_ROLES: dict[str, FolderRole] = {
    _normal(name): role
    for role, names in _NAMES.items()
    for line in names.splitlines()
    for name in line.split("|")
    if name.strip()
}


def decode_name(raw: bytes) -> str:
    """Return the readable name of a folder, from modified UTF-7 (RFC 3501 section 5.1.3), UTF-8, or as far as it can be decoded."""
    try:
        name = raw.decode("ascii")
    except UnicodeDecodeError:
        return _printable(raw.decode("utf-8", "replace"))
    return _printable(_SHIFTED.sub(_unshift, name))


def _unshift(match: re.Match[str]) -> str:
    code = match[1]
    if not code:
        return "&"
    try:
        data = base64.b64decode(code.replace(",", "/") + "=" * (-len(code) % 4), validate=True)
        return data.decode("utf-16-be")
    except (binascii.Error, UnicodeDecodeError):
        return match[0]


def _printable(name: str) -> str:
    return "".join(char if char.isprintable() else "\ufffd" for char in name)


def role_by_name(name: str, delimiter: str | None) -> FolderRole:
    """Return the role of a folder by its name, for servers without SPECIAL-USE.

    Only top-level names count, and names directly below a root that some servers put everything in (``INBOX.Trash``): a
    user's own ``Clients/Archive`` or ``Projects/Spam`` is an ordinary folder.
    """
    if _normal(name) == "inbox":
        return "inbox"
    path = name.split(delimiter) if delimiter else [name]
    if len(path) == _BELOW_A_ROOT and _normal(path[0]) in _PREFIXES:
        path = path[1:]
    return _ROLES.get(_normal(path[0]), "user") if len(path) == 1 else "user"

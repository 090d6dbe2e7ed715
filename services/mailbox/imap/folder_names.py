"""Decode folder names (modified UTF-7, or whatever a server sends) and tell what they mean in the usual languages.

SPECIAL-USE (RFC 6154) takes precedence. The table serves servers without it, and further folders beside the marked one.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from typing import Literal

Role = Literal["inbox", "sent", "archive", "all", "drafts", "trash", "junk", "user"]

_SHIFTED = re.compile(r"&([A-Za-z0-9+,]*)-")

_NAMES: dict[Role, str] = {
    "trash": """
        trash | deleted | deleted items | deleted messages | deleted mail | bin | wastebasket | recycle bin | trash bin
        papierkorb | gelöscht | gelöschte elemente | gelöschte objekte | gelöschte nachrichten | gelöschte e-mails | mülleimer
        corbeille | éléments supprimés | messages supprimés | poubelle | supprimés
        papelera | papelera de reciclaje | elementos eliminados | eliminados | mensajes eliminados | correo eliminado | borrados
        cestino | posta eliminata | eliminati | elementi eliminati | messaggi eliminati
        lixo | lixeira | itens excluídos | itens eliminados | excluídos | mensagens excluídas | reciclagem | papeleira | paperera
        prullenbak | prullenmand | verwijderde items | verwijderde berichten | verwijderd
        kosz | elementy usunięte | usunięte | wiadomości usunięte
        корзина | удаленные | удалённые | удаленные элементы | удаленные сообщения | кошик | видалені | видалені елементи | кошче
        papperskorg | papperskorgen | borttaget | borttagna | raderade objekt | slängt
        papirkurv | slettet post | slettede elementer | slettet | søppel | søppelbøtte | slettede meldinger
        roskakori | poistetut | poistetut viestit
        koš | odstraněná pošta | odstraněné | kôš | odstránená pošta | smazané položky
        çöp | çöp kutusu | silinmiş öğeler | silinmiş | silinenler
        已删除 | 已删除邮件 | 已刪除的郵件 | 已删除的邮件 | 垃圾桶 | 垃圾箱 | 废件箱 | 回收站 | 刪除的郵件 | 已刪除郵件
        ごみ箱 | ゴミ箱 | 削除済みアイテム | 削除済み | 削除済みメール
        휴지통 | 지운 편지함 | 지운 메일함 | 지운편지함 | 삭제된 항목 | 삭제된 메일
        kuka | törölt elemek | lomtár | coș de gunoi | elemente șterse | gunoi | κάδος | κάδος απορριμμάτων | διαγραμμένα
        אשפה | פריטים שנמחקו | المهملات | العناصر المحذوفة | ถังขยะ | thùng rác | sampah | kotak sampah | kosár | otpad | smeće
    """,
    "junk": """
        junk | spam | junk e-mail | junk email | junk mail | bulk | bulk mail | bulk e-mail | quarantine | spamverdacht
        unerwünscht | unerwünschte werbung | unbekannt spam | werbung spam | junk-e-mail | spam-ordner
        courrier indésirable | indésirables | pourriel | pourriels
        correo no deseado | no deseado | correo basura | posta indesiderata | indesiderata | correio eletrônico não solicitado
        lixo eletrônico | lixo eletrónico | correio não solicitado | ongewenst | ongewenste e-mail | ongewenste reclame
        wiadomości-śmieci | wiadomości śmieci | niechciane | спам | нежелательная почта | небажана пошта | рассылки спам
        skräppost | skräp | uønsket e-post | uønsket post | søppelpost | uønsket mail | roskaposti | nevyžádaná pošta | nevyžiadaná pošta
        istenmeyen | önemsiz | önemsiz e-posta | gereksiz | istenmeyen e-posta
        垃圾邮件 | 垃圾郵件 | 广告邮件 | 迷惑メール | スパム | 스팸 | 스팸메일함 | 스팸 메일함 | 정크 메일 | 스팸편지함
        levélszemét | ανεπιθύμητα | ανεπιθύμητη αλληλογραφία | דואר זבל | البريد غير الهام | البريد العشوائي | thư rác | spam-verdacht
    """,
    "drafts": """
        drafts | draft | draft messages | entwürfe | entwurf | brouillons | brouillon | borradores | borrador | esborranys
        bozze | bozza | rascunhos | rascunho | concepten | concept | kopie robocze | robocze | szkice | wersje robocze
        черновики | чернетки | чернови | utkast | kladder | kladde | luonnokset | luonnos | koncepty | rozepsané | rozpísané
        taslaklar | taslak | 草稿 | 草稿箱 | 草稿夹 | 下書き | 임시보관함 | 임시 보관함 | 임시보관편지함 | 임시 저장
        piszkozatok | ciorne | schițe | πρόχειρα | טיוטות | مسودات | المسودات | thư nháp | bản nháp | draf | konsep
    """,
    "sent": """
        sent | sent items | sent messages | sent mail | sent-mail | outbox sent | gesendet | gesendete elemente | gesendete objekte
        gesendete nachrichten | gesendete e-mails | envoyés | éléments envoyés | messages envoyés | courrier envoyé | objets envoyés
        enviados | elementos enviados | mensajes enviados | correo enviado | enviats | inviata | posta inviata | inviati
        itens enviados | mensagens enviadas | verzonden | verzonden items | verzonden berichten | wysłane | elementy wysłane
        отправленные | отправленные элементы | надіслані | изпратени | skickat | skickade objekt | skickade
        sendt | sendte elementer | sendt post
        lähetetyt | lähetetyt viestit | odeslané | odeslaná pošta | odoslané | odoslaná pošta | gönderilmiş öğeler | gönderilenler
        gönderilmiş | 已发送 | 已发送邮件 | 已傳送郵件 | 寄件備份 | 发件箱 | 送信済み | 送信済みアイテム | 送信済みメール
        보낸편지함 | 보낸 편지함 | 보낸메일함 | 보낸 메일함 | elküldött | elküldött elemek | trimise | απεσταλμένα | נשלח | פריטים שנשלחו
        المرسلة | البريد المرسل | thư đã gửi | terkirim
    """,
    "archive": """
        archive | archives | archived
        archiv | archivierte | archivo | archivados | archivio | arquivo | arquivados | archief
        archiwum | архив | архів | arkiv | arkisto | arşiv | 归档 | 存档 | 封存 | アーカイブ | 보관 | 보관함
        archívum | arhivă | αρχειοθήκη
    """,
    "all": """
        all mail | alle nachrichten | tous les messages | todos | todos los mensajes | tutti i messaggi | вся почта | すべてのメール
    """,
}
_PREFIXES = frozenset(("inbox", "[gmail]", "[google mail]", "[imap]", "mail", "folders"))
_BELOW_A_ROOT = 2


def _normal(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


_ROLES: dict[str, Role] = {
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


def role_by_name(name: str, delimiter: str | None) -> Role:
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

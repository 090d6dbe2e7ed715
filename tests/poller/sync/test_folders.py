"""Which folders are synchronized, and windows over their uids."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any

import pytest

from schemas.accounts import Account, FolderRules
from schemas.ledger import Folder
from services.mailbox.imap import Listed, all_uids, plan_folders, primary
from services.mailbox.imap.answers import in_namespaces, namespaces
from services.mailbox.imap.answers import listed as listed_by
from services.mailbox.imap.answers.numbers import MAX_UIDS
from services.mailbox.imap.folder_names import decode_name, role_by_name
from services.poller.copies.folder_scan import WINDOW, FolderScan
from tests import factories


def account(rules: FolderRules | None = None) -> Account:
    """Return an account."""
    return factories.account("me@x.test", owner="o@x.test", folders=rules or FolderRules())


def listed(name: str | bytes, *attributes: str, delimiter: str = "/") -> Listed:
    """Return a LIST entry."""
    raw = name if isinstance(name, bytes) else name.encode()
    return Listed(raw, delimiter, frozenset(f"\\{attribute}".lower() for attribute in attributes))


def plan(*entries: Listed, rules: FolderRules | None = None, gmail: bool = False) -> dict[str, str | None]:
    """Return by name why a folder is left out; None for synchronized folders."""
    return {folder.name: folder.reason for folder in plan_folders(account(rules), entries, gmail=gmail)}


def test_special_use_decides() -> None:
    """Folders that the server marks as Trash, Junk or Drafts are left out whatever their name; the rest is synchronized."""
    assert plan(
        listed("INBOX"),
        listed("Abfall", "Trash"),
        listed("Werbung", "Junk"),
        listed("Angefangen", "Drafts"),
        listed("Gesendet", "Sent"),
        listed("Ablage", "Archive"),
        listed("Kunden"),
        listed("Kunden/Trash"),
        listed("Abfall2/x", "NoSelect"),
        listed("Weg", "NonExistent"),
    ) == {
        "INBOX": None,
        "Abfall": "trash",
        "Werbung": "junk",
        "Angefangen": "drafts",
        "Gesendet": None,
        "Ablage": None,
        "Kunden": None,
        "Kunden/Trash": None,
        "Abfall2/x": "no-mail",
        "Weg": "no-mail",
    }


@pytest.mark.parametrize(
    ("name", "delimiter", "role"),
    [
        ("INBOX", "/", "inbox"),
        ("Papierkorb", "/", "trash"),
        ("INBOX.Trash", ".", "trash"),
        ("[Gmail]/Corbeille", "/", "trash"),
        ("Éléments supprimés", "/", "trash"),
        ("E\u0301le\u0301ments supprime\u0301s", "/", "trash"),
        ("Корзина", "/", "trash"),
        ("已删除邮件", "/", "trash"),
        ("ごみ箱", "/", "trash"),
        ("지운 편지함", "/", "trash"),
        ("Çöp Kutusu", "/", "trash"),
        ("Courrier indésirable", "/", "junk"),
        ("垃圾邮件", "/", "junk"),
        ("Спам", "/", "junk"),
        ("Entwürfe", "/", "drafts"),
        ("Brouillons", "/", "drafts"),
        ("下書き", "/", "drafts"),
        ("Gesendete Elemente", "/", "sent"),
        ("Verzonden items", "/", "sent"),
        ("Kunden/Spam", "/", "user"),
        ("Trash", None, "trash"),
        ("Projekte", "/", "user"),
    ],
)
def test_roles_by_name(name: str, delimiter: str | None, role: str) -> None:
    """Without SPECIAL-USE the usual names in the usual languages count, at the top level and right below a root."""
    assert role_by_name(name, delimiter) == role


def test_folders_in_the_trash_are_trash() -> None:
    """A folder that was deleted with its mail is in Trash."""
    assert plan(listed("INBOX"), listed("Trash"), listed("Trash/Projects"), listed("INBOX.x", delimiter=".")) == {
        "INBOX": None,
        "Trash": "trash",
        "Trash/Projects": "trash",
        "INBOX.x": None,
    }


def test_a_line_that_cannot_be_read_is_shown() -> None:
    """What may have been a folder is named among those left out; no rule includes it, and it hides no other."""
    lines = [b'() "/" INBOX', b"((((", b"() (\x02", b'() "/" "' + b"x" * 5_000 + b'"', b"", b'() "/" Sent']
    entries = listed_by(lines)
    found = plan(*entries, rules=FolderRules(include=tuple(entry.raw_name.decode() for entry in entries)))
    left_out = {name: reason for name, reason in found.items() if reason}
    assert set(found) - set(left_out) == {"INBOX", "Sent"}
    assert set(left_out.values()) == {"unreadable-line"}
    assert "LIST ((((" in left_out
    assert all(len(name) < 250 for name in left_out)


def test_virtual_folders_are_left_out() -> None:
    """Views of mail in other folders would duplicate it."""
    assert plan(listed("INBOX"), listed("All", "All"), listed("Starred", "Flagged"))["All"] == "virtual"


def test_gmail_reads_all_mail_once() -> None:
    """All Mail holds everything; if the user hides it, the folders are read instead."""
    folders = [listed("INBOX"), listed("[Gmail]/All Mail", "All"), listed("[Gmail]/Trash", "Trash"), listed("Clients")]
    assert plan(*folders, gmail=True) == {
        "INBOX": "in-all-mail",
        "[Gmail]/All Mail": None,
        "[Gmail]/Trash": "trash",
        "Clients": "in-all-mail",
    }
    del folders[1]
    assert plan(*folders, gmail=True) == {"INBOX": None, "[Gmail]/Trash": "trash", "Clients": None}


def test_the_owners_rules_decide_last() -> None:
    """A rule names a folder as people see it, in any case, and covers its subfolders; excluding takes precedence."""
    rules = FolderRules(include=("trash",), exclude=("Privat", "Trash/Old"))
    assert plan(
        listed("Privat"), listed("Privat/Arzt"), listed("Privates"), listed("Trash"), listed("Trash/Old"), rules=rules
    ) == {
        "Privat": "excluded-by-owner",
        "Privat/Arzt": "excluded-by-owner",
        "Privates": None,
        "Trash": None,
        "Trash/Old": "excluded-by-owner",
    }


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"M&APw-ller &- Co", "Müller & Co"),
        (b"&U,BTFw-", "台北"),
        (b"broken &***-", "broken &***-"),
        (b"lone &2D0-", "lone &2D0-"),
        (b"odd &AP-", "odd &AP-"),
        ("Größe".encode(), "Größe"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"a\x07b", "a\ufffdb"),
    ],
)
def test_folder_names_for_people(raw: bytes, name: str) -> None:
    """Modified UTF-7, raw UTF-8 and invalid names: each gives a readable name without control characters."""
    assert decode_name(raw) == name


def test_unusable_names_are_left_out() -> None:
    """A name with a line break cannot be sent without ending the command."""
    assert plan(listed(b"a\r\nb"))["a\ufffd\ufffdb"] == "unusable-name"


def test_the_folder_to_keep_open() -> None:
    """New mail arrives in INBOX, or in Gmail's All Mail."""
    gmail = plan_folders(account(), [listed("INBOX"), listed("[Gmail]/All Mail", "All")], gmail=True)
    assert (chosen := primary(gmail)) is not None
    assert chosen.role == "all"
    other = plan_folders(account(), [listed("A"), listed("INBOX"), listed("Trash")], gmail=False)
    assert (chosen := primary(other)) is not None
    assert chosen.name == "INBOX"
    assert primary([]) is None


UNSENT = {
    "drafts": """
        Drafts | Entwürfe | Brouillons | Borradores | Bozze | Rascunhos | Concepten | Kladder | Utkast | Luonnokset | Drög | Mustandid
        Juodraščiai | Melnraksti | Kopie robocze | Koncepty | Osnutki | Skice | Nacrti | Нацрти | Чернови | Ciorne | Piszkozatok | Πρόχειρα
        Taslaklar | Черновики | Чернетки | Чарнавікі | დროებითი | Սևագրեր | טיוטות | المسودات | پیش\u200cنویس\u200c\u0647\u0627 | ड्राफ़्ट
        แบบร่าง
        Thư nháp | Draf | Konsep | 下書き | 임시 보관함 | 草稿 | 草稿匣 | Esborranys | Zirriborroak | Drafftiau | Dréachtaí | Dreachdan
        Brouilhedoù | Konsepte | Skica | Шимайлар
    """,
    "templates": """
        Templates | Vorlagen | Modèles | Plantillas | Modelli | Modelos | Sjablonen | Skabeloner | Mallar | Maler | Sniðmát | Mallid
        Veidnes | Šablonai | Szablony | Šablony | Šablóny | Predloge | Predlošci | Шаблони | \u015eabloane | Sablonok | Πρότυπα | Şablonlar
        Шаблоны | תבניות | القوالب | テンプレート | 템플릿 | 模板 | 範本 | Plantilles | Txantiloiak
    """,
    "outbox": """
        Outbox | Postausgang | Boîte d\u2019envoi | Bandeja de salida | Posta in uscita | Caixa de saída | Postvak UIT | Udbakke | Utkorgen
        Utboks | Skrzynka nadawcza | Pošta k odeslání | Odhodna pošta | Izlazna pošta | Giden Kutusu | Исходящие | Вихідні | Εξερχόμενα
        送信トレイ | 보낼 편지함 | 发件箱 | 寄件匣
    """,
    "sent": """
        Sent | Gesendet | Envoyés | Enviados | Inviata | Verzonden | Sendt | Skickat | Lähetetyt | Saadetud | Nosūtītās | Išsiųsta | Wysłane
        Odeslané | Odoslané | Poslano | Poslato | Пратени | Изпратени | Trimise | Elküldött | Απεσταλμένα | GÖNDERİLENLER | Отправленные
        Надіслані | Адпраўленыя | გაგზავნილი | Ուղարկված | נשלח | البريد المرسل | ارسال شده | ส่งแล้ว | Đã gửi | Terkirim | 送信済み
        보낸 편지함 | 已发送 | 寄件備份 | Enviats | Bidalitakoak | Anfonwyd | Seolta | Kaset | Gestuur | Të dërguara
    """,
    "junk": "Nevyžiadaná pošta | İstenmeyen | Neželena pošta | Rämpspost | Mēstules | Brukalas",
    "trash": "Prügikast | Smeti | Smeće | Šiukšlinė | Papīrgrozs | Kôš | Сметніца | Zakarrontzia | Sbwriel | Hedhurina",
}


@pytest.mark.parametrize(
    ("name", "role"),
    [
        (name.strip(), role)
        for role, names in UNSENT.items()
        for line in names.splitlines()
        for name in line.split("|")
        if name.strip()
    ],
)
def test_unsent_mail_is_known_in_every_language(name: str, role: str) -> None:
    """A server without SPECIAL-USE names its folders in the user's language."""
    assert role_by_name(name, "/") == role
    assert plan(listed("INBOX"), listed(name.encode("utf-8")))[decode_name(name.encode())] == (
        None if role == "sent" else role
    )


def test_marks_come_before_names() -> None:
    """A folder's special use decides, for its subfolders, too. The owner can include folders that only their name leaves out."""
    assert plan(
        listed("Drafts", "Sent"),
        listed("Begonnen", "Drafts"),
        listed("Begonnen/Alt"),
        listed("Modelos"),
        listed("Modelos/Autos"),
        rules=FolderRules(include=("Begonnen", "Modelos")),
    ) == {"Drafts": None, "Begonnen": "drafts", "Begonnen/Alt": "drafts", "Modelos": None, "Modelos/Autos": None}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            b'(("" "/")) (("Other Users/" "/")) (("Public/" "/")("#news." "."))',
            "Other Users/bob=other-users|Other Users=other-users|Public/Team=shared|#news.comp=shared|Other=|Publication=",
        ),
        (b'(("INBOX." ".")) (("user." ".")) (("" "."))', "INBOX.Trash2=|user.bob=other-users|Team=shared|INBOX="),
        (b'(("" NIL)) NIL NIL', "Team="),
        (b"NIL", "Team="),
        (b"", "Team="),
        (b'(("" "/")) (("~" "/" "X-PARAM" ("FLAG1"))) NIL', "~bob=other-users|bob="),
    ],
)
def test_folders_of_others_are_left_out(answer: bytes, expected: str) -> None:
    """The longest prefix of NAMESPACE says whose a folder is. INBOX is the user's own. The owner cannot include others' folders."""
    wanted = {name: reason or None for name, _, reason in (one.partition("=") for one in expected.split("|"))}
    entries = in_namespaces([listed(name) for name in wanted], namespaces([answer]))
    assert plan(*entries, rules=FolderRules(include=tuple(wanted))) == wanted


class Uids:
    """A folder's uids: the answers to a session's SEARCH."""

    def __init__(self, uids: list[int]) -> None:
        self.all = sorted(uids)
        self.exists = len(uids)
        self.asked = 0

    async def uids(self, first: int, last: int) -> list[int]:
        """Answer a SEARCH."""
        self.asked += 1
        found = self.all[bisect_left(self.all, first) : bisect_right(self.all, last)]
        assert len(found) <= MAX_UIDS  # a longer answer is refused
        return found

    async def uid_of(self, number: int) -> int | None:
        """Answer a SEARCH for a message by its number."""
        self.asked += 1
        return self.all[number - 1] if number <= len(self.all) else None


class WrongNumbers(Uids):
    """A server whose numbers of messages are wrong."""

    async def uid_of(self, number: int) -> int | None:
        """Answer with the uid of a message that is near."""
        return await super().uid_of(max(1, number - 1_000 if number % 2 else number + 1_000))


@pytest.mark.parametrize(
    "uids",
    [
        [],
        [1],
        [4_294_967_294],
        list(range(1, 1201)),
        [1, 2, 70_000, 4_000_000_000, 4_000_000_001],
        list(range(1, 400_000, 37)),
        [*range(1, 1_200_001), 9_000_000, 9_000_001],
        [*range(1, 600_001), *range(4_294_000_000, 4_294_000_100)],
        [*range(1, 101), *range(4_294_000_000, 4_294_600_000)],
        list(range(1, 4_294_967_294, 7_001)),
    ],
    ids=[
        "empty", "one", "highest", "dense", "strewn", "sparse", "dense after a gap", "many below a gap", "many above a gap",
        "many, sparse",
    ],
)  # fmt: skip
@pytest.mark.parametrize("server", [Uids, WrongNumbers])
async def test_windows_cover_every_uid_once(uids: list[int], server: type[Uids]) -> None:
    """Windows go from the anchor down to 1 without gap or overlap, however sparse the uids are, with few queries."""
    session: Any = server(uids)
    anchor = max(uids, default=0) + 1
    scan = FolderScan(
        Folder(account="a" * 24, id="b" * 12, raw_name=b"x", name="x", role="user", selected=True, cursor=anchor)
    )
    found: list[int] = []
    high = anchor - 1
    while not scan.done:
        window = await scan.next(session)
        assert window.high == high
        assert len(window.uids) <= WINDOW
        assert all(window.low <= uid <= window.high for uid in window.uids)
        found += reversed(window.uids)
        high = window.low - 1
    assert found == sorted(uids, reverse=True)
    assert high <= 0
    assert session.asked < 80
    assert await all_uids(session, anchor - 1) == set(uids)


async def test_numbers_reach_over_a_gap_in_a_part_of_a_folder() -> None:
    """A walk that goes on below a million mails takes few queries, too: their numbers only say that they are above."""
    below = [*range(1, 600_001), *range(3_000_000_000, 3_000_000_100)]
    session: Any = Uids([*below, *range(4_000_000_000, 4_001_000_000)])
    assert await all_uids(session, 3_999_999_999) == set(below)
    assert session.asked < 40

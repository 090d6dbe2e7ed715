"""Quotes and signatures in the languages of mail programs."""

from __future__ import annotations

import pytest

from services.parser.reply.text import read_reply

OWN = "Yes, 40 units please.\nShip to Berlin."
INTRODUCTIONS = (
    "On Mon, Mar 3, 2025 at 11:11 AM Kim Lee Longname of the Company\n<kim@client.example> wrote:",
    "Am 03.03.25 um 11:11 schrieb Kim Lee:",
    "Am 03.03.2025 um 11:11 schrieb Kim Lee <kim@client.example>:",
    "Le 3 mars 2025 à 11:11, Kim Lee <kim@client.example> a écrit :",
    "Em seg., 3 de mar. de 2025 às 11:11, Kim Lee <kim@client.example> escreveu:",
    "Op ma 3 mrt 2025 om 11:11 schreef Kim Lee <kim@client.example>:",
    "Den mån 3 mars 2025 kl 11:11 skrev Kim Lee <kim@client.example>:",
    "Den man. 3. mar. 2025 kl. 11.11 skrev Kim Lee <kim@client.example>:",
    "man. 3. mars 2025 kl. 11:11 skrev Kim Lee <kim@client.example>:",
    "ma 3. maalisk. 2025 klo 11.11 Kim Lee (kim@client.example) kirjoitti:",
    "pon., 3 mar 2025 o 11:11 Kim Lee <kim@client.example> napisał(a):",
    "Wiadomość napisana przez Kim Lee <kim@client.example> w dniu 03.03.2025, o godz. 11:11:",
    "po 3. 3. 2025 v 11:11 odesílatel Kim Lee <kim@client.example> napsal:",
    "po 3. 3. 2025 o 11:11 Kim Lee <kim@client.example> napísal(a):",
    "Kim Lee <kim@client.example> ezt írta (időpont: 2025. márc. 3., H, 11:11):",
    "În lun., 3 mar. 2025 la 11:11, Kim Lee <kim@client.example> a scris:",
    "Kim Lee <kim@client.example>, 3 Mar 2025 Pzt, 11:11 tarihinde şunu yazdı:",
    "пн, 3 мар. 2025 г. в 11:11, Kim Lee <kim@client.example>:",
    "Понедельник, 3 марта 2025, 11:11 +03:00 от Kim Lee <kim@client.example>:",
    '03.03.2025, 11:11, "Kim Lee" <kim@client.example>:',
    "пн, 3 бер. 2025 р. о 11:11 Kim Lee <kim@client.example> пише:",
    "Στις Δευ 3 Μαρ 2025 στις 11:11 π.μ., ο/η Kim Lee <kim@client.example> έγραψε:",
    "2025年3月3日(月) 11:11 Kim Lee <kim@client.example>:",
    "2025/03/03 11:11、Kim Lee <kim@client.example>のメール:",
    "Kim Lee <kim@client.example> 于2025年3月3日周一 11:11写道：",
    "Kim Lee <kim@client.example> 於 2025年3月3日 週一 上午11:11寫道：",
    "2025년 3월 3일 (월) 오전 11:11, Kim Lee <kim@client.example>님이 작성:",
    "\u200fבתאריך יום ב׳, 3 במרץ 2025 ב-11:11 מאת \u202aKim Lee\u202c\u200f <\u202akim@client.example\u202c\u200f>:\u202c\u200f",
    "في الاثنين، 3 مارس 2025 في 11:11 ص تمت كتابة ما يلي بواسطة Kim Lee <kim@client.example>:",
    "На пн, 3.03.2025 г. в 11:11 Kim Lee <kim@client.example> написа:",
    "pon, 3. ožu 2025. u 11:11 Kim Lee <kim@client.example> napisao je:",
    "V V pon., 3. mar. 2025 ob 11:11 je oseba Kim Lee <kim@client.example> napisala:",
    "2025-03-03, pr, 11:11 Kim Lee <kim@client.example> rašė:",
    "pirmd., 2025. g. 3. marts, plkst. 11:11 — lietotājs Kim Lee (<kim@client.example>) rakstīja:",
    "Kuupäev E, 3. märts 2025 kell 11:11 kirjutas Kim Lee <kim@client.example>:",
    "Vào Th 2, 3 thg 3, 2025 vào lúc 11:11 Kim Lee <kim@client.example> đã viết:",
    "Pada tanggal Sen, 3 Mar 2025 pukul 11.11 Kim Lee <kim@client.example> menulis:",
    "ในวันที่ จ. 3 มี.ค. 2025 เวลา 11:11 Kim Lee <kim@client.example> เขียนว่า:",
    "Missatge de Kim Lee <kim@client.example> del dia dl., 3 de març 2025 a les 11:11:",
    "On Monday, March 3rd, 2025 at 11:11 AM, Kim Lee <kim@client.example> wrote:",
    "On Monday, March 3, 2025 at 11:11:10 AM GMT+1, Kim Lee <kim@client.example> wrote:",
)
BLOCKS = (
    "Від: Kim\nНадіслано: 3 березня 2025 р. 11:11\nКому: Anna\nТема: Offer",
    "От: Kim\nИзпратено: 3 март 2025 г. 11:11\nДо: Anna\nОтносно: Offer",
    "Από: Kim\nΣτάλθηκε: Δευτέρα\nΠρος: Anna\nΘέμα: Offer",
    "寄件者: Kim\n寄件日期: 2025年3月3日\n收件者: Anna\n主旨: Offer",
    "보낸 사람: Kim\n보낸 날짜: 2025\n받는 사람: Anna\n제목: Offer",
    "Od: Kim\nOdesláno: pondělí\nKomu: Anna\nPředmět: Offer",
    "Od: Kim\nOdoslané: pondelok\nKomu: Anna\nPredmet: Offer",
    "Šalje: Kim\nPoslano: ponedjeljak\nPrima: Anna\nPredmet: Offer",
    "Od: Kim\nPoslano: ponedeljek\nZa: Anna\nZadeva: Offer",
    "Od: Kim\nPoslato: ponedeljak\nZa: Anna\nTema: Offer",
    "Nuo: Kim\nIšsiųsta: pirmadienis\nKam: Anna\nTema: Offer",
    "Saatja: Kim\nSaatmisaeg: esmaspäev\nAdressaat: Anna\nTeema: Offer",
    "מאת: Kim\nנשלח: יום שני\nאל: Anna\nנושא: Offer",
    "من: Kim\nتاريخ الإرسال: الاثنين\nإلى: Anna\nالموضوع: Offer",
    "Từ: Kim\nĐã gửi: Thứ Hai\nTới: Anna\nChủ đề: Offer",
    "Dari: Kim\nDikirim: Senin\nKepada: Anna\nSubjek: Offer",
    "จาก: Kim\nส่ง: วันจันทร์\nถึง: Anna\nเรื่อง: Offer",
    "De: Kim\nEnviat el: dilluns\nPer a: Anna\nTema: Offer",
)
PHONES = (
    "发自我的iPhone",
    "從我的 iPhone 傳送",
    "나의 iPhone에서 보냄",
    "Отправлено с iPhone",
    "Надіслано з iPhone",
    "Wysłane z iPhone'a",
    "Lähetetty iPhonesta",
    "Odesláno z iPhonu",
    "Odoslané z iPhonu",
    "Elküldve az iPhone-omról",
    "Trimis de pe iPhone-ul meu",
    "iPhone'umdan gönderildi",
    "Στάλθηκε από το iPhone μου",
    "נשלח מה-iPhone שלי",
    "أُرسلت من الـ iPhone",
    "Poslano s mog iPhonea",
    "Poslano iz mojega iPhona",
    "ส่งจาก iPhone ของฉัน",
    "Đã gửi từ iPhone của tôi",
    "Dikirim dari iPhone saya",
    "Enviat des del meu iPhone",
    "Изпратено от моя iPhone",
    "Išsiųsta iš mano „iPhone“",
    "Nosūtīts no mana iPhone",
    "Saadetud minu iPhone'ist",
)


@pytest.mark.parametrize("introduction", INTRODUCTIONS)
def test_introduction_is_no_own_text(introduction: str) -> None:
    """Who wrote when is left out with the quote below it, whether that is behind marks or not."""
    for quote in ("> Do you want 40 units?\n> Regards", "Do you want 40 units?\nRegards"):
        assert read_reply(f"{OWN}\n\n{introduction}\n\n{quote}").text == OWN


@pytest.mark.parametrize("block", BLOCKS)
def test_header_of_the_quoted_mail_ends_the_own_text(block: str) -> None:
    """The labels of a sender and of at least two other fields begin a quote in each language."""
    assert read_reply(f"{OWN}\n\n{block}\n\nDo you want 40 units?").text == OWN


@pytest.mark.parametrize("line", PHONES)
def test_what_a_phone_adds_is_no_own_text(line: str) -> None:
    """Phones say in their language that they sent the mail."""
    assert read_reply(f"{OWN}\n\n{line}").text == OWN


@pytest.mark.parametrize(
    "text",
    [
        "No: 40\nDate: Monday\nSubject: caps\nPlease send them.",
        "On 3 March 2025 at 11:11 we sent to Kim Lee:\n\n40 units\n20 caps",
        "Meeting on 3 March 2025 at 11:11 with Kim Lee <kim@client.example>:\n\nwe agreed on 40 units.",
        "Išsiųsta iš Vilniaus 40 vienetų, o kiti rytoj.",
        "Tema: caps\nKepada: Kim\nWe need 40 units.",
    ],
)
def test_own_words_that_look_like_a_quote_stay(text: str) -> None:
    """Notes and lists are own text."""
    assert read_reply(text).text == text

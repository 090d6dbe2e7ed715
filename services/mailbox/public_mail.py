"""Which domains belong to public mail services: anyone can have an address there."""

from __future__ import annotations

from schemas.addresses import registered_domain
from schemas.sharing import covering_domain
from services.mailbox.providers import directory

_FAMILIES = frozenset(
    "gmail googlemail hotmail yahoo ymail rocketmail gmx yandex protonmail tutanota aol icloud".split()  # noqa: SIM905
)
"""Services with a domain in many countries, such as yahoo.com.br."""
_MORE = frozenset(
    "live.com live.nl live.fr live.co.uk live.de live.it live.com.au outlook.com outlook.de outlook.fr outlook.es "  # noqa: SIM905
    "outlook.it outlook.co.uk outlook.com.br msn.com tuta.io tuta.com tutamail.com keemail.me hushmail.com hey.com "
    "fastmail.com fastmail.fm zoho.com mail.com inbox.com inbox.lv mail.ee seznam.cz email.cz centrum.cz post.cz "
    "volny.cz wp.pl o2.pl onet.pl op.pl interia.pl poczta.onet.pl gazeta.pl tlen.pl abv.bg mail.bg freemail.hu "
    "citromail.hu t-online.hu ukr.net i.ua meta.ua virgilio.it tiscali.it alice.it tin.it terra.com.br uol.com.br "
    "bol.com.br ig.com.br naver.com daum.net hanmail.net nate.com rediffmail.com bluewin.ch hispeed.ch telenet.be "
    "skynet.be ziggo.nl kpnmail.nl planet.nl xs4all.nl home.nl hetnet.nl telia.com bredband.net spray.se online.no "
    "comcast.net att.net sbcglobal.net bellsouth.net cox.net charter.net earthlink.net optonline.net btinternet.com "
    "sky.com talktalk.net ntlworld.com virginmedia.com blueyonder.co.uk bigpond.com optusnet.com.au shaw.ca rogers.com".split()
)


def is_public_mail(domain: str) -> bool:
    """Whether a domain (normal form) is a public mail service's, or below one."""
    if registered_domain(domain).partition(".")[0] in _FAMILIES:
        return True
    return covering_domain(f"x@{domain}", _MORE | directory().public_domains) is not None

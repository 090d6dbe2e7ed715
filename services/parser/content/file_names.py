"""Names of attachments that are safe to show and to save under."""

from __future__ import annotations

import re
import unicodedata

from services.parser.mime import limits

_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")
"""Control characters, zero-width characters, and the bidirectional ones that make ``exe.fdp`` look like ``pdf.exe``'s opposite."""
_RESERVED = re.compile(r'[<>:"|?*]+')
_LONGEST_EXTENSION = 16
_EXTENSIONS = {
    "text/plain": "txt",
    "text/html": "html",
    "text/calendar": "ics",
    "text/csv": "csv",
    "text/rtf": "rtf",
    "text/x-vcard": "vcf",
    "text/vcard": "vcf",
    "text/xml": "xml",
    "text/enriched": "txt",
    "text/rfc822-headers": "txt",
    "application/pdf": "pdf",
    "application/zip": "zip",
    "application/xml": "xml",
    "application/json": "json",
    "application/rtf": "rtf",
    "application/ics": "ics",
    "application/msword": "doc",
    "application/pgp-signature": "asc",
    "application/pgp-encrypted": "asc",
    "application/pgp-keys": "asc",
    "application/pkcs7-mime": "p7m",
    "application/x-pkcs7-mime": "p7m",
    "application/pkcs7-signature": "p7s",
    "application/x-pkcs7-signature": "p7s",
    "application/ms-tnef": "dat",
    "application/vnd.ms-tnef": "dat",
    "image/jpeg": "jpg",
    "image/jpg": "jpg",
    "image/pjpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "image/bmp": "bmp",
    "image/tiff": "tif",
    "image/webp": "webp",
    "image/svg+xml": "svg",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "video/mp4": "mp4",
    "video/mpeg": "mpg",
    "message/rfc822": "eml",
    "message/global": "eml",
    "message/partial": "eml",
    "message/external-body": "txt",
    "message/delivery-status": "txt",
    "message/global-delivery-status": "txt",
    "message/disposition-notification": "txt",
}

_STEMS = {
    "text/calendar": "invite",
    "application/ics": "invite",
    "message/partial": "part-of-a-mail",
    "message/external-body": "kept-elsewhere",
}


def safe_name(name: str) -> str:
    """Return a file name without path, control and bidirectional characters, at most 200 characters, or an empty one."""
    name = name[: limits.NAME * 10]
    name = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    name = _RESERVED.sub("_", _INVISIBLE.sub("", " ".join(name.split()))).strip(". ")
    if len(name) <= limits.NAME:
        return name
    stem, dot, extension = name.rpartition(".")
    if dot and 0 < len(extension) <= _LONGEST_EXTENSION:
        return f"{stem[: limits.NAME - len(extension) - 1]}.{extension}"
    return name[: limits.NAME]


def made_up_name(media_type: str, number: int, subject: str = "") -> str:
    """Return a name for a part that has none: ``attachment-2.pdf``; an attached mail is named for its subject.

    ``number`` is its place among the attachments, from 1.
    """
    extension = _EXTENSIONS.get(media_type, "bin")
    stem = safe_name(subject[:100].replace("/", "-")) if subject else ""
    return f"{stem or _STEMS.get(media_type, f'attachment-{number}')}.{extension}"

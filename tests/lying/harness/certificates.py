"""Certificates that are right, and such as no client may take."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOSTS = tuple(f"127.0.0.{number}" for number in range(10, 60))
"""The addresses that the right certificate names."""
_DAY = dt.timedelta(days=1)


class Authority:
    """An authority that clients trust, if they are told to."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder().subject_name(self._name).issuer_name(self._name)
        builder = builder.public_key(self._key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - 9 * _DAY).not_valid_after(now + _DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        key_id = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        self._certificate = builder.add_extension(key_id, critical=False).sign(self._key, hashes.SHA256())
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def context(self, name: str, *hosts: str, expired: bool = False) -> ssl.SSLContext:
        """Return a server's context with a certificate for some addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder().issuer_name(self._name).public_key(key.public_key())
        builder = builder.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - 8 * _DAY)
        builder = builder.not_valid_after(now - 2 * _DAY if expired else now + _DAY)
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host)) for host in hosts])
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        for extension in (names, authority, usage, x509.BasicConstraints(ca=False, path_length=None)):
            builder = builder.add_extension(extension, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        pem, secret = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pem, secret)
        return context


class Contexts:
    """The server contexts of a batch by name."""

    def __init__(self, folder: Path) -> None:
        trusted, other = Authority(folder, "trusted"), Authority(folder, "other")
        self.authority = trusted.file
        self.good = trusted.context("good", *HOSTS)
        self.by_name = {
            "good": self.good,
            "expired": trusted.context("expired", *HOSTS, expired=True),
            "for another name": trusted.context("another", "192.0.2.1"),
            "of an unknown authority": other.context("unknown", *HOSTS),
        }

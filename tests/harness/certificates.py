"""An authority of a test's own, and certificates that nobody else trusts."""

import http.client
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LIFE = timedelta(days=1)
SIGNS = x509.KeyUsage(
    **dict.fromkeys(("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"), False),
    **dict.fromkeys(("key_agreement", "encipher_only", "decipher_only"), False),
    **dict.fromkeys(("key_cert_sign", "crl_sign"), True),
)


@dataclass(frozen=True)
class Certificates:
    """Files in PEM: what a client is to trust, what a server shows, and its key."""

    authority: Path
    certificate: Path
    key: Path


class Secured(http.client.HTTPConnection):
    """A connection by TLS to a name below `localhost`, whatever resolvers say of it, trusting one authority alone."""

    def __init__(self, host: str, port: int, authority: Path) -> None:
        super().__init__(host, port, timeout=10)
        self.trust = ssl.create_default_context(cafile=authority)

    def connect(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        self.sock = self.trust.wrap_socket(plain, server_hostname=self.host)


def certified(folder: Path, *hosts: str) -> Certificates:
    """Make an authority and one certificate of it for these host names, wildcards among them, and addresses."""
    signer, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of a test's own")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
    names = x509.SubjectAlternativeName([_name(host) for host in hosts])
    root = _begun(issuer, issuer, signer.public_key(), x509.BasicConstraints(ca=True, path_length=0))
    root = root.add_extension(SIGNS, critical=True)  # which Python 3.13 asks of an authority
    leaf = _begun(subject, issuer, own.public_key(), x509.BasicConstraints(ca=False, path_length=None))
    made = Certificates(folder / "ca.crt", folder / "tls.crt", folder / "tls.key")
    made.authority.write_bytes(_signed(root, signer))
    made.certificate.write_bytes(_signed(leaf.add_extension(names, critical=False), signer))
    made.key.write_bytes(
        own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, role: x509.BasicConstraints
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    return builder.not_valid_before(now - LIFE).not_valid_after(now + LIFE).add_extension(role, critical=True)


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> bytes:
    known = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    signed = builder.add_extension(known, critical=False).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)

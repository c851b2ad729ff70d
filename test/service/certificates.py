"""Certificates for tests: an authority, and what it signs."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    def __init__(self, folder, called="the tests' authority"):
        self.folder, self.name = folder, name(called)
        self.key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(self.name, self.key.public_key(), days=2, ca=True)
        self.file = folder / f"{called.replace(' ', '-')}.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, subject, public_key, days, ca=False, names=()):
        now = datetime.datetime.utcnow()
        begin = now - datetime.timedelta(days=3)
        built = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public_key)
                 .serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(now + datetime.timedelta(days=days))
                 .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True))
        if names:
            built = built.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return built.sign(self.key, hashes.SHA256())

    def issue(self, file, called="localhost", days=2, kind="ec", passphrase=None):
        """Writes FILE.pem and FILE.key, of a server on this machine, and returns their paths."""
        key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(called), x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.IPAddress(ipaddress.ip_address("::1"))]
        certificate = self._sign(name(called), key.public_key(), days, names=names)
        locked = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        paths = self.folder / f"{file}.pem", self.folder / f"{file}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))
        return [str(each) for each in paths]

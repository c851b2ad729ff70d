"""An authority and its certificates, made for a test."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def alternative(text):
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


class Authority:
    """`file` holds its certificate. Files are made in `folder`."""

    def __init__(self, folder, title="authority"):
        self.folder, self.title = folder, title
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(name(title), self.key, -1, 10, x509.BasicConstraints(ca=True, path_length=None))
        self.file = str(folder / f"{title}.crt")
        (folder / f"{title}.crt").write_bytes(self._pem(self.certificate))

    def issue(self, *names, begins=-1, ends=5, kind="ec", passphrase=None, subject="server"):
        """A file with a key and a certificate for these names, valid from and until a day after today."""
        key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
        locked = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        certificate = self._sign(name(subject), key, begins, ends, x509.SubjectAlternativeName([alternative(each) for each in names]))
        file = self.folder / f"{self.title}-{'-'.join(names)}-{ends}-{kind}{'-locked' if passphrase else ''}.pem".replace(":", "_").replace("*", "_")
        file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
                         + self._pem(certificate))
        return str(file)

    def _sign(self, subject, key, begins, ends, *extensions):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(name(self.title)).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(now + datetime.timedelta(days=begins))
                   .not_valid_after(now + datetime.timedelta(days=ends)))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(self.key, hashes.SHA256())

    @staticmethod
    def _pem(certificate):
        return certificate.public_bytes(serialization.Encoding.PEM)

"""Sign modules as the kernel's own `scripts/sign-file` does, with a key of one's own; by the program openssl."""

from __future__ import annotations

import secrets
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

MARKER = b"~Module signature appended~\n"
PKCS7 = 2

# What sign-file gives to the library, as options of openssl-cms(1).
DETACHED = ("-binary", "-noattr", "-nocerts", "-nosmimecap")


class SigningKey(NamedTuple):
    """A private key and its certificate, both PEM."""

    key: bytes
    certificate: bytes


def new_key(name: str = "foreign key", algorithm: str = "rsa:2048") -> SigningKey:
    """Make a key with a certificate that it signs itself.

    Args:
        name: the common name in the certificate.
        algorithm: as for `openssl req -newkey`: `rsa:2048`, or `ec:P-384` for ECDSA.
    """
    kind, _, size = algorithm.partition(":")
    wanted = ("-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{size}") if kind == "ec" else ("-newkey", algorithm)
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = Path(folder, "key"), Path(folder, "certificate")
        # Always of 19 bytes, so that two messages differ in their bytes and not in where things are.
        serial = f"0x4d{secrets.token_hex(18)}"
        subject = ("-subj", f"/CN={name}", "-addext", "keyUsage=digitalSignature", "-set_serial", serial)
        _openssl(
            "req", "-x509", "-nodes", "-days", "2", *wanted, *subject, "-keyout", str(key), "-out", str(certificate)
        )
        return SigningKey(key.read_bytes(), certificate.read_bytes())


def message(module: bytes, signing: SigningKey, digest: str = "sha256", options: tuple[str, ...] = DETACHED) -> bytes:
    """Return the PKCS#7 message about a module, DER."""
    with tempfile.TemporaryDirectory() as folder:
        files = {"data": module, "key": signing.key, "certificate": signing.certificate}
        for file, content in files.items():
            Path(folder, file).write_bytes(content)
        where = [f"{folder}/{file}" for file in files]
        arguments = ("-in", where[0], "-inkey", where[1], "-signer", where[2], "-md", digest, "-outform", "DER")
        return _openssl("cms", "-sign", *options, *arguments)


def append(module: bytes, signature: bytes) -> bytes:
    """Return a module with a signature, info block and marker behind it."""
    return module + signature + struct.pack(">BBBBB3xI", 0, 0, PKCS7, 0, 0, len(signature)) + MARKER


def sign(module: bytes, signing: SigningKey, digest: str = "sha256") -> bytes:
    """Return a module signed with that key."""
    return append(module, message(module, signing, digest))


def _openssl(*arguments: str) -> bytes:
    return subprocess.run(("openssl", *arguments), capture_output=True, check=True).stdout

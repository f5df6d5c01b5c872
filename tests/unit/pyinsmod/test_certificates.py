"""Certificates, found and read: openssl makes them and says what is in them."""

from __future__ import annotations

import base64
import subprocess

import pytest

from pyinsmod.certificates import certificate, certificates_in
from pyinsmod.der import DerError
from tracer.experiments.signing import SigningKey, new_key


def der(signing: SigningKey) -> bytes:
    """Return the certificate in the form in which it stands in a kernel."""
    lines = signing.certificate.decode().splitlines()
    return base64.b64decode("".join(line for line in lines if not line.startswith("-----")))


def openssl_says(signing: SigningKey, *what: str) -> str:
    command = ("openssl", "x509", "-noout", *what)
    return subprocess.run(command, input=signing.certificate, capture_output=True, check=True).stdout.decode()


@pytest.fixture(scope="module")
def rsa() -> SigningKey:
    return new_key("somebody's key", "rsa:1024")


@pytest.fixture(scope="module")
def ecdsa() -> SigningKey:
    return new_key("somebody's curve", "ec:P-384")


def test_a_certificate_is_read_as_openssl_reads_it(rsa: SigningKey) -> None:
    data = der(rsa)
    key = certificate(data, 0, len(data))
    assert openssl_says(rsa, "-subject").strip() in (f"subject=CN = {key.subject}", f"subject=CN={key.subject}")
    assert openssl_says(rsa, "-serial").strip() == f"serial={key.serial.hex().upper()}"
    assert openssl_says(rsa, "-modulus").strip() == f"Modulus={key.modulus:X}"
    assert key.exponent == 65537
    assert key.key_id.hex(":").upper() in openssl_says(rsa, "-ext", "subjectKeyIdentifier")


def test_a_point_of_a_curve_is_read_as_openssl_reads_it(ecdsa: SigningKey) -> None:
    data = der(ecdsa)
    key = certificate(data, 0, len(data))
    public = openssl_says(ecdsa, "-pubkey").splitlines()[1:-1]
    assert (key.curve, key.modulus) == ("P-384", 0)
    assert base64.b64decode("".join(public)).endswith(b"\x04" + key.point)
    assert len(key.point) == 96


def test_a_key_of_another_kind_is_left_out() -> None:
    data = der(new_key(algorithm="ed25519"))
    key = certificate(data, 0, len(data))
    assert (key.subject, key.modulus, key.curve) == ("foreign key", 0, "")


def test_every_certificate_in_an_image_is_found_once(rsa: SigningKey, ecdsa: SigningKey) -> None:
    first, second = der(rsa), der(ecdsa)
    image = b"\x30\x82" * 99 + first + bytes(7) + first[:-1] + first + second + first[:20]
    assert [key.subject for key in certificates_in(image)] == ["somebody's key", "somebody's curve"]


def test_what_only_begins_like_a_certificate_is_none(rsa: SigningKey) -> None:
    data = der(rsa)
    assert certificates_in(data[:-1]) == ()
    assert certificates_in(data[:14] + b"\x7f" + data[15:]) == ()  # a serial number that reaches into the issuer


@pytest.mark.parametrize("cut", [0, 1, 3, 4, 30, 200, -1])
def test_a_certificate_that_is_cut_off_is_none(rsa: SigningKey, cut: int) -> None:
    data = der(rsa)[:cut]
    with pytest.raises(DerError):
        certificate(data, 0, len(data))

"""RSA and ECDSA: openssl signs, and it is looked at here."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from pathlib import Path

import pytest

from pyinsmod.certificates import certificate
from pyinsmod.kernel_facts.facts import TrustedKey
from pyinsmod.signatures.public_key import verify
from tracer.experiments.signing import new_key

TEXT = b"what is signed"
KINDS = ("rsa:1024", "ec:P-256", "ec:P-384", "ec:P-521")


def signed(folder: Path, algorithm: str, digest: str) -> tuple[TrustedKey, bytes]:
    """Return a new key, and its signature of TEXT."""
    signing = new_key(algorithm=algorithm)
    (folder / "key").write_bytes(signing.key)
    command = ("openssl", "dgst", f"-{digest}", "-sign", folder / "key")
    signature = subprocess.run(command, input=TEXT, capture_output=True, check=True).stdout
    lines = signing.certificate.decode().splitlines()
    data = base64.b64decode("".join(line for line in lines if not line.startswith("-----")))
    return certificate(data, 0, len(data)), signature


@pytest.mark.parametrize("algorithm", KINDS)
@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_the_signature_of_openssl_is_right_for_its_text_only(tmp_path: Path, algorithm: str, digest: str) -> None:
    key, signature = signed(tmp_path, algorithm, digest)
    assert verify(key, signature, hashlib.new(digest, TEXT).digest(), digest) == ""
    assert verify(key, signature, hashlib.new(digest, TEXT + b"!").digest(), digest) == "EKEYREJECTED"


@pytest.mark.parametrize("algorithm", KINDS)
def test_a_signature_that_is_changed_is_wrong(tmp_path: Path, algorithm: str) -> None:
    key, signature = signed(tmp_path, algorithm, "sha256")
    digest = hashlib.sha256(TEXT).digest()
    for at in range(0, len(signature), 19):
        assert verify(key, signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :], digest, "sha256")
    assert verify(key, signature[:-1], digest, "sha256") in ("EINVAL", "EBADMSG")
    assert verify(key, b"", digest, "sha256") in ("EINVAL", "EBADMSG")


@pytest.mark.parametrize(
    ("number", "errno"),
    [
        (1, "EBADMSG"),  # the padding ought to begin with a one
        ((1 << 1024) - 1, "EINVAL"),  # bigger than any modulus
    ],
)
def test_what_rsa_turns_into_no_padding_has_an_errno_of_its_own(tmp_path: Path, number: int, errno: str) -> None:
    key, _ = signed(tmp_path, "rsa:1024", "sha256")
    assert verify(key, number.to_bytes(128, "big"), bytes(32), "sha256") == errno


def test_a_key_of_an_unknown_kind_is_not_judged() -> None:
    assert verify(TrustedKey("nobody"), b"", b"", "sha256") is None

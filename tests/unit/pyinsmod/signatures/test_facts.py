"""The signature as facts: what modinfo says of distribution modules is said here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pyinsmod.errors import MalformedModule
from pyinsmod.signatures.appended import loaded_length
from pyinsmod.signatures.facts import read_signature
from tracer.experiments.kernel_modules import module_files, read_module
from tracer.experiments.signing import DETACHED, MARKER, append, message, new_key, sign

FIELDS = ("sig_id", "signer", "sig_key", "sig_hashalgo", "signature")


def modinfo(path: Path) -> dict[str, str]:
    """Return the fields of modinfo, continued lines joined."""
    found: dict[str, str] = {}
    field = ""
    for line in subprocess.run(["modinfo", path], capture_output=True, text=True, check=True).stdout.splitlines():
        continued = line[:1].isspace()
        field = field if continued else line.partition(":")[0]
        found[field] = found.get(field, "") + (line if continued else line.partition(":")[2]).strip()
    return {name: found[name] for name in FIELDS}


def test_modinfo_reads_the_same(kernel_tree: Path, tmp_path: Path) -> None:
    for path in list(module_files(kernel_tree).values())[::400]:
        copy = tmp_path / "module.ko"
        copy.write_bytes(read_module(path))
        signature = read_signature(copy.read_bytes())
        assert signature
        assert signature.modinfo() == modinfo(copy)


@pytest.mark.parametrize(("algorithm", "digest"), [("rsa:1024", "sha512"), ("ec:P-384", "sha256")])
def test_what_was_signed_with_is_read_again(algorithm: str, digest: str) -> None:
    signature = read_signature(sign(b"module", new_key("somebody", algorithm), digest))
    assert signature
    assert (signature.signer, signature.digest, signature.signed_size) == ("somebody", digest, len(b"module"))
    assert signature.algorithm == ("rsa" if algorithm.startswith("rsa") else "ecdsa")


def test_a_signer_without_a_name_goes_by_the_key() -> None:
    somebody = new_key(algorithm="ec:P-256")
    signature = read_signature(append(b"module", message(b"module", somebody, options=(*DETACHED, "-keyid"))))
    assert signature
    assert signature.signer == f"key {bytes.fromhex(signature.key).hex(':').upper()}"


@pytest.mark.parametrize("data", [b"", b"module", MARKER, b"module" + MARKER + b"\n"])
def test_without_the_marker_at_the_very_end_there_is_no_signature(data: bytes) -> None:
    assert read_signature(data) is None
    assert loaded_length(data, ignored=False) == len(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"short" + MARKER, "does not fit"),
        (append(b"", b"xx"), "does not fit"),
        (append(b"module", b"xx").replace(b"\x02", b"\x01"), "of type 1"),
        (append(b"module", b"xx"), "damaged"),
    ],
)
def test_a_damaged_signature_is_said_to_be_so(data: bytes, words: str) -> None:
    with pytest.raises(MalformedModule, match=words):
        read_signature(data)


def test_the_elf_checks_are_given_what_stands_before_the_signature() -> None:
    signed = append(b"module", b"message")
    assert loaded_length(signed, ignored=False) == len(b"module")
    assert loaded_length(signed, ignored=True) == len(signed)
    # Of another type it counts for nothing, and only the marker has gone.
    assert loaded_length(signed.replace(b"\x02", b"\x01"), ignored=False) == len(signed) - len(MARKER)

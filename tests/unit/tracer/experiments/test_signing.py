"""Signing: openssl itself says that the signature is right."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tracer.experiments.signing import MARKER, new_key, sign


@pytest.mark.parametrize("algorithm", ["rsa:1024", "ec:P-384"])
def test_openssl_accepts_what_was_signed(tmp_path: Path, algorithm: str) -> None:
    signing = new_key("somebody", algorithm)
    signed = sign(b"a module", signing)
    length = int.from_bytes(signed[-len(MARKER) - 4 : -len(MARKER)], "big")
    end = len(signed) - len(MARKER) - 12
    for name, content in {"message": signed[end - length : end], "certificate": signing.certificate}.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "data").write_bytes(b"a module")
    files = ("-in", "message", "-content", "data", "-certfile", "certificate", "-CAfile", "certificate")
    command = ("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-purpose", "any", *files)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert signed.startswith(b"a module")
    assert signed.endswith(MARKER)

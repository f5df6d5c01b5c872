"""`pyinsmod info` and modinfo(8) of kmod say the same of every field both have: in words, order and repetition.

A sample of each kernel's modules; PYINSMOD_ALL_MODULES=1 takes every one, which is some minutes.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyinsmod.cli import main
from pyinsmod.module_image import SUFFIXES, read_image
from pyinsmod.module_info import ModuleInfo, module_info
from vm.kernel_store import fetch

KERNELS = ("5.10", "6.1", "6.12", "7.2")
SAMPLE = 15
# Modules with something the others have not: many aliases, firmware, arrays, long descriptions, namespaces, exports.
ODD = {"bonding", "ipmi_si", "e1000e", "snd-intel-dspcfg", "nvme-core", "kvm", "dummy", "cfg80211", "xfs", "test_bpf"}
SIGNATURE_FIELDS = ("sig_id", "signer", "sig_key", "sig_hashalgo", "signature")

pytestmark = pytest.mark.skipif(
    shutil.which("modinfo") is None and not Path("/usr/sbin/modinfo").exists(), reason="no modinfo: apt install kmod"
)


def modules(kernel: str) -> list[Path]:
    every = sorted(path for path in fetch(kernel).root.rglob("*") if path.name.endswith(SUFFIXES))
    if os.environ.get("PYINSMOD_ALL_MODULES"):
        return every
    odd = [path for path in every if path.name.partition(".")[0] in ODD]
    return odd + random.Random(kernel).sample(every, SAMPLE)


def modinfo(path: Path) -> list[tuple[str, str]]:
    """Return what modinfo prints of the module, in its order; `-0` is the form that can hold any text."""
    program = shutil.which("modinfo") or "/usr/sbin/modinfo"
    printed = subprocess.run([program, "-0", str(path)], capture_output=True, check=True).stdout
    entries = printed.decode("utf-8", "surrogateescape").split("\0")[1:-1]
    fields = (re.match(r"(?s)(parm): {11}(.*)|([^=]*)=(.*)", entry) for entry in entries)
    return [(field[1] or field[3], field[2] or field[4] or "") for field in fields if field]


def as_modinfo(info: ModuleInfo) -> Iterator[tuple[str, str]]:
    yield from (field for field in info.fields if field[0] not in ("parm", "parmtype"))
    if info.signature:
        assert info.signature.damaged is None
        yield "sig_id", "PKCS#7"
        yield "signer", info.signature.signer or ""
        yield "sig_key", info.signature.key.hex(":").upper()
        yield "sig_hashalgo", info.signature.digest or ""
        yield "signature", info.signature.value.hex(":").upper()
    for name, kind, description in info.parameters:
        both = f"{description} ({kind})" if kind is not None and description is not None else description or kind
        yield "parm", f"{name}:{both}"


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_field_is_the_same(kernel: str) -> None:
    paths = modules(kernel)
    assert len(paths) > SAMPLE
    for path in paths:
        content = path.read_bytes()
        ours = list(as_modinfo(module_info(read_image(content), str(path), len(content))))
        theirs = [(key, re.sub(r"\s", "", value) if key == "signature" else value) for key, value in modinfo(path)]
        assert ours == theirs, path.name


@pytest.mark.parametrize("field", ["license", "vermagic", "depends", "alias", "name"])
def test_one_field_alone(field: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = next(path for path in modules("6.1") if path.name.startswith("xfs."))
    program = shutil.which("modinfo") or "/usr/sbin/modinfo"
    theirs = subprocess.run([program, "-F", field, str(path)], capture_output=True, text=True, check=True).stdout
    assert main(["info", "--json", str(path)]) == 0
    info: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [value for key, value in info["fields"] if key == field] == theirs.split("\n")[:-1]

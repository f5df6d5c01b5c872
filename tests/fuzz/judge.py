"""What hostile bytes are thrown at: the whole way from a file's bytes to the answer, on kernels unlike each other.

The rule under test: any bytes give an answer. The only exception that may come out is `MalformedModule`, and
that only from unpacking a compressed file; its text is one line.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from pyinsmod.checks import run_checks
from pyinsmod.errors import MalformedModule
from pyinsmod.kernel_facts import Fact, KernelExport, KernelFacts
from pyinsmod.kernel_facts.features import FEATURES
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import read_image
from pyinsmod.prediction import predict
from pyinsmod.text import printable, shortened

EM_X86_64 = 62
MODERN_OPTIONS = (
    *("MODULE_SIG", "MODVERSIONS", "LIVEPATCH", "STRICT_MODULE_RWX", "CONSTRUCTORS", "SMP", "DEBUG_INFO_BTF_MODULES"),
    *("DEBUG_INFO_BTF", "KALLSYMS", "RETPOLINE", "MITIGATION_RETPOLINE", "MODULE_DECOMPRESS"),
)


@cache
def kernels() -> tuple[KernelFacts, ...]:
    """Return a kernel that tests everything, one that tests nothing it need not, and one of which nothing is known."""
    exports = {
        name: KernelExport("vmlinux", crc=0x1234, gpl=name.startswith("g"), namespace="NS" if name == "gn" else "")
        for name in ("_printk", "printk", "module_layout", "__fentry__", "__x86_return_thunk", "gn", "gfree")
    }
    known: dict[str, Any] = {
        "machine": Fact(EM_X86_64, "fuzz"),
        "vermagic": Fact("6.1.0 SMP preempt mod_unload modversions ", "fuzz"),
        "exports": Fact(exports, "fuzz"),
        "loaded": Fact({}, "fuzz"),
        "sysfs_modules": Fact(frozenset({"printk"}), "fuzz"),
        "modules_disabled": Fact(False, "fuzz"),
        "providers": Fact({"can_send": "can"}, "fuzz"),
        "compression": Fact("xz", "fuzz"),
        "struct_module_size": Fact(1280, "fuzz"),
        "btf": Fact(b"", "fuzz"),
        "sig_enforce": Fact(False, "fuzz"),
        "lockdown": Fact("none", "fuzz"),
        "trusted_keys": Fact((), "fuzz"),
        "blacklist": Fact(frozenset({"nouveau"}), "fuzz"),
        "initcall_blacklist": Fact(frozenset({"bad_init"}), "fuzz"),
        "security_modules": Fact(("lockdown", "capability"), "fuzz"),
    }
    strict = KernelFacts(
        name="strict",
        release="6.1.0",
        config=Fact(dict.fromkeys(MODERN_OPTIONS, "y"), "fuzz"),
        features=Fact(dict.fromkeys(FEATURES, True), "fuzz"),
        **known,
    )
    lenient = KernelFacts(
        name="lenient",
        release="6.1.0",
        config=Fact({"MODULE_FORCE_LOAD": "y", "MODULE_ALLOW_BTF_MISMATCH": "y", "MODVERSIONS": "y"}, "fuzz"),
        features=Fact(dict.fromkeys(FEATURES, False), "fuzz"),
        **known,
    )
    return strict, lenient, KernelFacts(name="unknown", release="unknown")


def judge(content: bytes, parameters: str = "") -> list[str]:
    """Return every line that would be shown for these bytes on each of the kernels."""
    try:
        image = read_image(content)
    except MalformedModule as error:
        return [shown(str(error))]
    lines = []
    for facts in kernels():
        findings = run_checks(image, facts, LoadRequest(parameters))
        prediction = predict(findings)
        lines.append(f"{prediction.outcome} {prediction.errno}")
        for finding in findings:
            told = finding.for_file("x.ko", image.known_name)
            lines += [shown(text) for text in (told.summary, told.module_has, told.kernel_has, told.remedy) if text]
    return lines


def shown(text: str) -> str:
    """Return what a terminal gets; it must be one line without control characters."""
    line = printable(shortened(text))
    assert line.isprintable(), f"not fit for a terminal: {line!r:.200}"
    return line

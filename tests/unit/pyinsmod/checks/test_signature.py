"""Signatures, before anything else of a module is looked at.

Expected answers are those Debian's 5.10, 6.1, 6.12 and 7.2 gave to modules signed, and damaged, in the same way.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable

import pytest

from pyinsmod.certificates import certificate
from pyinsmod.checks.signature import check_signature
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts import Fact, KernelFacts, unknown
from pyinsmod.kernel_facts.facts import TrustedKey
from pyinsmod.kernel_facts.features import FEATURES
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage
from tracer.experiments.signing import DETACHED, MARKER, SigningKey, append, message, new_key, sign

BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]
Kernel = Callable[..., KernelFacts]

KNOWN = dict.fromkeys(FEATURES, True)
# What programs for Windows are signed as.
AUTHENTICODE = ("-binary", "-nocerts", "-nosmimecap", "-keyid", "-econtent_type", "1.3.6.1.4.1.311.2.1.4")


@pytest.fixture(scope="module")
def ours() -> SigningKey:
    return new_key("the kernel's own key", "rsa:1024")


@pytest.fixture(scope="module")
def curve() -> SigningKey:
    return new_key("the kernel's own curve", "ec:P-384")


@pytest.fixture(scope="module")
def foreign() -> SigningKey:
    return new_key("somebody", "rsa:1024")


@pytest.fixture(scope="module")
def plain(build_module: BuildModule) -> bytes:
    return build_module()


def trusted(signing: SigningKey) -> TrustedKey:
    lines = signing.certificate.decode().splitlines()
    data = base64.b64decode("".join(line for line in lines if not line.startswith("-----")))
    return certificate(data, 0, len(data))


@pytest.fixture(scope="module")
def kernel(make_facts: MakeFacts, ours: SigningKey, curve: SigningKey) -> Kernel:
    """A function that returns a kernel with two keys that insists on nothing, with the named facts replaced."""

    def make(**changes: object) -> KernelFacts:
        known: dict[str, object] = {
            "features": Fact(KNOWN, "test"),
            "config": Fact({"MODULE_SIG": "y", "CRYPTO_ECDSA": "y"}, "test"),
            "sig_enforce": Fact(False, "test"),
            "lockdown": Fact("none", "test"),
            "trusted_keys": Fact((trusted(ours), trusted(curve)), "test"),
        }
        return make_facts(**{**known, **changes})

    return make


def found(data: bytes, facts: KernelFacts, request: LoadRequest | None = None) -> list[Finding]:
    return list(check_signature(ModuleImage(data), facts, request or LoadRequest()))


def only(data: bytes, facts: KernelFacts, request: LoadRequest | None = None) -> Finding:
    findings = found(data, facts, request)
    assert len(findings) == 1, findings
    return findings[0]


def flipped(data: bytes, at: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


# --- the four states of a kernel


ENFORCES = {"sig_enforce": Fact(True, "test")}
LOCKED = {"lockdown": Fact("integrity", "test")}
CONFIDENTIAL = {"lockdown": Fact("confidentiality", "test")}


@pytest.mark.parametrize(
    ("state", "severity", "errno", "log"),
    [
        ({}, "taints", None, None),
        (ENFORCES, "refuses", "EKEYREJECTED", "Loading of unsigned module is rejected"),
        (LOCKED, "refuses", "EPERM", "unsigned module loading is restricted; see man kernel_lockdown.7"),
        (CONFIDENTIAL, "refuses", "EPERM", "unsigned module loading is restricted"),
        ({**ENFORCES, **LOCKED}, "refuses", "EKEYREJECTED", "Loading of unsigned module is rejected"),
    ],
)
def test_an_unsigned_module(
    plain: bytes, kernel: Kernel, state: dict[str, object], severity: str, errno: str | None, log: str | None
) -> None:
    finding = only(plain, kernel(**state))
    assert (finding.severity, finding.errno, finding.step) == (severity, errno, 6)
    assert (log or "") in (finding.log or "")


@pytest.mark.parametrize("state", [{}, ENFORCES, LOCKED])
def test_an_intact_module_of_a_key_the_kernel_has_is_nothing_to_speak_of(
    plain: bytes, kernel: Kernel, ours: SigningKey, curve: SigningKey, state: dict[str, object]
) -> None:
    for signing in (ours, curve):
        for digest in ("sha256", "sha512"):
            assert not found(sign(plain, signing, digest), kernel(**state))


@pytest.mark.parametrize("state", [{}, ENFORCES, LOCKED])
def test_a_module_that_was_changed_after_signing_is_refused_silently_by_every_kernel(
    plain: bytes, kernel: Kernel, ours: SigningKey, curve: SigningKey, state: dict[str, object]
) -> None:
    for signing in (ours, curve):
        finding = only(flipped(sign(plain, signing), 9), kernel(**state))
        assert (finding.severity, finding.errno, finding.log) == ("refuses", "EKEYREJECTED", None)


@pytest.mark.parametrize(
    ("state", "severity", "errno"),
    [({}, "taints", None), (ENFORCES, "refuses", "EKEYREJECTED"), (LOCKED, "refuses", "EPERM")],
)
def test_a_key_the_kernel_has_not_is_as_good_as_none(
    plain: bytes, kernel: Kernel, foreign: SigningKey, state: dict[str, object], severity: str, errno: str | None
) -> None:
    finding = only(sign(plain, foreign), kernel(**state))
    assert (finding.severity, finding.errno) == (severity, errno)
    assert "'somebody'" in finding.summary
    if errno == "EKEYREJECTED":
        assert finding.log == "Loading of module with unavailable key is rejected"


# --- damage, which no kernel forgives


@pytest.mark.parametrize(
    ("byte", "severity", "errno", "log"),
    [
        (0, "refuses", "EBADMSG", "module: PKCS#7 signature info has unexpected non-zero params"),
        (1, "refuses", "EBADMSG", "module: PKCS#7 signature info has unexpected non-zero params"),
        (2, "taints", None, None),
        (3, "refuses", "EBADMSG", "module: PKCS#7 signature info has unexpected non-zero params"),
        (4, "refuses", "EBADMSG", "module: PKCS#7 signature info has unexpected non-zero params"),
        (7, "refuses", "EBADMSG", "module: PKCS#7 signature info has unexpected non-zero params"),
        (8, "refuses", "EBADMSG", None),
    ],
)
def test_the_info_block(
    plain: bytes, kernel: Kernel, ours: SigningKey, byte: int, severity: str, errno: str | None, log: str | None
) -> None:
    finding = only(flipped(sign(plain, ours), byte - 12 - len(MARKER)), kernel())
    assert (finding.severity, finding.errno, finding.log) == (severity, errno, log)


def test_another_type_of_signature_counts_as_unsupported(plain: bytes, kernel: Kernel, ours: SigningKey) -> None:
    finding = only(flipped(sign(plain, ours), 2 - 12 - len(MARKER)), kernel(**ENFORCES))
    assert finding.log == "Loading of module with unsupported crypto is rejected"


@pytest.mark.parametrize("room", [0, 5, 11, 12])
def test_a_marker_with_no_room_for_a_signature_before_it(kernel: Kernel, room: int) -> None:
    finding = only(b"\0" * room + MARKER, kernel())
    assert finding.errno == ("EBADMSG" if room else None)


def test_a_length_that_leaves_no_byte_of_module(plain: bytes, kernel: Kernel) -> None:
    info = struct.pack(">BBBBB3xI", 0, 0, 2, 0, 0, len(plain))
    assert only(plain + info + MARKER, kernel()).errno == "EBADMSG"


@pytest.mark.parametrize(
    ("options", "errno", "log"),
    [
        (("-binary", "-nocerts", "-nosmimecap"), "EKEYREJECTED", "PKCS7: Invalid module sig (has authattrs)"),
        (("-binary", "-nocerts"), "EKEYREJECTED", "PKCS7: S/MIME Caps only allowed with Authenticode"),
        ((*DETACHED, "-nodetach"), "EBADMSG", "PKCS#7 signature with non-detached data"),
        (AUTHENTICODE, "EKEYREJECTED", "PKCS7: Invalid module sig (not pkcs7-data)"),
    ],
)
def test_options_of_openssl_that_no_kernel_likes(
    plain: bytes, kernel: Kernel, foreign: SigningKey, options: tuple[str, ...], errno: str, log: str
) -> None:
    finding = only(append(plain, message(plain, foreign, options=options)), kernel())
    assert (finding.severity, finding.errno, finding.log) == ("refuses", errno, log)


# --- certificates that come along


def test_a_certificate_in_the_message_does_not_make_its_key_known(
    plain: bytes, kernel: Kernel, foreign: SigningKey, ours: SigningKey
) -> None:
    with_own = ("-binary", "-noattr")
    data = append(plain, message(plain, foreign, options=with_own))
    assert only(data, kernel()).severity == "taints"
    assert not found(append(plain, message(plain, ours, options=with_own)), kernel())
    assert only(flipped(data, 9), kernel()).errno == "EKEYREJECTED"
    # With a byte of the signature changed, RSA gives no padding at all; one time in 256 what it gives begins like one.
    assert only(flipped(data, -60), kernel()).errno in {"EINVAL", "EBADMSG"}


@pytest.mark.parametrize(("config", "errno"), [({"CRYPTO_ECDSA": "y"}, None), ({}, "ENOENT")])
def test_a_kernel_that_cannot_compute_ecdsa_stumbles_over_such_a_certificate(
    plain: bytes, kernel: Kernel, config: dict[str, str], errno: str | None
) -> None:
    """6.1 has CONFIG_CRYPTO_ECDSA off."""
    data = append(plain, message(plain, new_key("somebody", "ec:P-256"), options=("-binary", "-noattr")))
    facts = kernel(config=Fact({"MODULE_SIG": "y", **config}, "test"), trusted_keys=Fact((), "test"))
    assert only(data, facts).errno == errno


# --- what is not known


def test_an_algorithm_the_kernel_does_not_know_counts_as_unsigned(
    plain: bytes, kernel: Kernel, curve: SigningKey
) -> None:
    """5.10 knows no ECDSA in signatures: `Loading of module with unsupported crypto`."""
    features = Fact({**KNOWN, "signature-ecdsa": False}, "test")
    data = flipped(sign(plain, curve), 9)
    assert only(data, kernel(features=features)).severity == "taints"
    assert only(data, kernel(features=features, **ENFORCES)).log == (
        "Loading of module with unsupported crypto is rejected"
    )


def test_an_algorithm_the_kernel_may_know_leaves_a_bad_signature_undecided(
    plain: bytes, kernel: Kernel, curve: SigningKey
) -> None:
    features = Fact({"module-signatures": True}, "test")
    assert not found(sign(plain, curve), kernel(features=features))
    assert only(flipped(sign(plain, curve), 9), kernel(features=features)).severity == "cannot-tell"


@pytest.mark.parametrize(("state", "severity"), [({}, "warns"), (ENFORCES, "cannot-tell"), (LOCKED, "cannot-tell")])
def test_unknown_keys_matter_to_a_kernel_that_insists(
    plain: bytes, kernel: Kernel, ours: SigningKey, state: dict[str, object], severity: str
) -> None:
    facts = kernel(trusted_keys=unknown("test"), **state)
    assert only(sign(plain, ours), facts).severity == severity
    # Damage is damage, whoever signed.
    assert only(flipped(sign(plain, ours), -12 - len(MARKER)), facts).severity == "refuses"


def test_keys_that_proc_keys_shows_are_known_by_their_identifiers_only(
    plain: bytes, kernel: Kernel, ours: SigningKey, foreign: SigningKey
) -> None:
    """Neither a serial number nor a public key stands there."""
    shown = Fact((TrustedKey("somebody", key_id=trusted(foreign).key_id),), "/proc/keys")
    assert only(sign(plain, foreign), kernel(trusted_keys=shown)).severity == "warns"
    assert only(sign(plain, foreign), kernel(trusted_keys=shown, **ENFORCES)).severity == "cannot-tell"
    by_key_id = (*DETACHED, "-keyid")
    known = append(plain, message(plain, foreign, options=by_key_id))
    assert only(known, kernel(trusted_keys=shown)).severity == "warns"
    other = append(plain, message(plain, ours, options=by_key_id))
    assert only(other, kernel(trusted_keys=shown, **ENFORCES)).errno == "EKEYREJECTED"


def test_force_flags_make_a_signature_count_for_nothing(plain: bytes, kernel: Kernel, ours: SigningKey) -> None:
    forced = LoadRequest(force_vermagic=True)
    assert only(sign(plain, ours), kernel(), forced).severity == "taints"
    assert only(flipped(sign(plain, ours), 9), kernel(), forced).severity == "taints"
    assert only(sign(plain, ours), kernel(**ENFORCES), forced).errno == "EKEYREJECTED"


def test_a_kernel_that_does_not_look_at_signatures_loads_everything(plain: bytes, kernel: Kernel) -> None:
    by_feature = {"features": Fact({**KNOWN, "module-signatures": False}, "test"), "config": unknown("test")}
    by_configuration = {"features": unknown("test"), "config": Fact({"MODULES": "y"}, "test")}
    for facts in (kernel(**by_feature), kernel(**by_configuration)):
        assert not found(plain, facts)
        assert not found(append(plain, b"nonsense"), facts)


def test_nothing_is_said_of_a_kernel_nothing_is_known_of(plain: bytes, kernel: Kernel) -> None:
    names = ("features", "config", "sig_enforce", "lockdown", "trusted_keys")
    assert not found(plain, kernel(**{name: unknown("test") for name in names}))

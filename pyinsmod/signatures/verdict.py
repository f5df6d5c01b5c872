"""What the kernel makes of a signature, up to where `sig_enforce` and lockdown are asked (`mod_verify_sig`)."""

from __future__ import annotations

import hashlib

from pyinsmod.der import DerError, read_element
from pyinsmod.kernel_facts.facts import TrustedKey
from pyinsmod.lean import Callable, Literal, NamedTuple, Sequence
from pyinsmod.signatures.algorithms import DATA, Algorithm
from pyinsmod.signatures.appended import PKCS7, Appended, read_appended
from pyinsmod.signatures.ber import NotDecoded
from pyinsmod.signatures.message import Message, SignerInfo, parse_message
from pyinsmod.signatures.public_key import verify

Outcome = Literal["verified", "unsigned", "unsupported-crypto", "unavailable-key", "fatal", "key-unknown", "unclear"]


class Verdict(NamedTuple):
    """What comes of a module's signature.

    outcome:
        `verified`; `fatal` with the errno the load ends with on every kernel; `unsigned`, `unsupported-crypto`
        (ENOPKG) and `unavailable-key` (ENOKEY), which only kernels that insist on signatures refuse;
        `key-unknown` when its keys are not known, or not well enough; `unclear` for what is beyond this library.
    why: the reason in words, to stand after a colon; for people.
    doubted: an algorithm the kernel may not know; then the outcome is this one or `unsupported-crypto`.
    """

    outcome: Outcome
    why: str = ""
    errno: str | None = None
    log: str | None = None
    signer: SignerInfo | None = None
    doubted: str | None = None


class Keys(NamedTuple):
    """The kernel's side, None where it is unknown.

    `knows` tells whether its parser knows an algorithm, `computes_ecdsa` whether it can do more than that with
    ECDSA, which is a build option of its own (CRYPTO_ECDSA).
    """

    trusted: Sequence[TrustedKey] | None
    knows: Callable[[Algorithm], bool | None]
    computes_ecdsa: bool | None = None


def judge(data: bytes, keys: Keys) -> Verdict:
    """Judge the signature of a whole module file."""
    appended = read_appended(data)
    if appended is None:
        return Verdict("unsigned")
    broken = _broken_info(appended)
    if broken:
        return broken
    assert appended.info  # noqa: S101 - _broken_info has seen to both
    assert appended.signed is not None  # noqa: S101
    raw = data[appended.signed : appended.signed + appended.info.signature_length]
    doubted: list[Algorithm] = []
    try:
        message = parse_message(raw, lambda algorithm: _known(algorithm, keys, doubted))
    except NotDecoded as failure:
        outcome: Outcome = "unsupported-crypto" if failure.errno == "ENOPKG" else "fatal"
        verdict = Verdict(outcome, failure.why, failure.errno, failure.log)
    else:
        verdict = _unfit(message) or _verified(message, data[: appended.signed], keys)
    return verdict._replace(doubted=doubted[0].name if doubted else None)


def _known(algorithm: Algorithm, keys: Keys, doubted: list[Algorithm]) -> bool:
    known = keys.knows(algorithm)
    if known is None:
        doubted.append(algorithm)
    return known is not False


def _broken_info(appended: Appended) -> Verdict | None:
    """`mod_check_sig`, in its order."""
    info = appended.info
    if info is None:
        return Verdict("fatal", "a signature is announced, and there is no room for one", "EBADMSG")
    if appended.signed is None:
        return Verdict("fatal", f"its length is given as {info.signature_length} bytes, and there are less", "EBADMSG")
    if info.id_type != PKCS7:
        return Verdict(
            "unsupported-crypto",
            f"it is of type {info.id_type}, not PKCS#7 ({PKCS7})",
            "ENOPKG",
            "module: not signed with expected PKCS#7 message",
        )
    if not info.clean:
        return Verdict(
            "fatal",
            "bytes of its info block that have to be zero are not",
            "EBADMSG",
            "module: PKCS#7 signature info has unexpected non-zero params",
        )
    return None


def _unfit(message: Message) -> Verdict | None:
    """`verify_pkcs7_message_sig` and `pkcs7_verify`: what a message for a module may not be."""
    if message.has_data:
        log = "PKCS#7 signature with non-detached data"
        return Verdict(
            "fatal", "the message holds the signed data itself (sign with -binary, detached)", "EBADMSG", log
        )
    if message.content_type != DATA:
        log = "PKCS7: Invalid module sig (not pkcs7-data)"
        return Verdict("fatal", "the message is not about plain data", "EKEYREJECTED", log)
    if message.signers[0].attributes:
        log = "PKCS7: Invalid module sig (has authattrs)"
        return Verdict("fatal", "the message has signed attributes (sign with -noattr)", "EKEYREJECTED", log)
    return None


def _verified(message: Message, signed: bytes, keys: Keys) -> Verdict:
    """`pkcs7_verify` and `pkcs7_validate_trust`: every signer is looked at, and the worst answer but one counts."""
    if message.certificates:
        own = _own_certificates(message, signed, keys)
        if own:
            return own
    verdicts = [_signer(signer, message, signed, keys) for signer in message.signers]
    ranks: tuple[Outcome, ...] = ("fatal", "unclear", "key-unknown", "verified", "unsupported-crypto")
    return min(verdicts, key=lambda verdict: ranks.index(verdict.outcome) if verdict.outcome in ranks else len(ranks))


def _signer(signer: SignerInfo, message: Message, signed: bytes, keys: Keys) -> Verdict:
    if not signer.name:  # `asymmetric_key_hex_to_key_id` takes no empty one
        return Verdict("fatal", "its signer is not named", "EINVAL", signer=signer)
    digest = _digest(signer, signed)
    if digest is None:
        return Verdict("unclear", f"this Python has no {signer.digest.name}", signer=signer)
    if keys.trusted is None:
        return Verdict("key-unknown", signer=signer)
    key = key_for(signer, keys.trusted)
    if key is None and any(_chained(found, keys.trusted) for found in message.certificates):
        return Verdict("unclear", "its key may be vouched for by one of the kernel's", signer=signer)
    if key is None and not signer.by_key_id and not all(each.serial for each in keys.trusted):
        # /proc/keys shows the key identifiers of all keys, and this signer is not named by one.
        return Verdict("key-unknown", "some of its keys are not known by serial number", signer=signer)
    if key is None:
        return Verdict("unavailable-key", errno="ENOKEY", signer=signer)
    if not (key.modulus or key.curve):
        return Verdict("key-unknown", "it has that key, which nobody can read", signer=signer)
    wrong = verify(key, signer.signature, digest, signer.digest.name)
    if wrong is None:
        return Verdict("unclear", f"the key of '{key.subject}' is of a kind not known here", signer=signer)
    if not wrong and (signer.algorithm.name == "rsa") == bool(key.modulus):
        return Verdict("verified", signer=signer)
    return Verdict("fatal", f"by '{key.subject}', whose key the kernel has, it is not for this file", "EKEYREJECTED",
                   signer=signer)  # fmt: skip


def _digest(signer: SignerInfo, signed: bytes) -> bytes | None:
    try:
        return hashlib.new(signer.digest.name, signed).digest()
    except ValueError:  # OpenSSL 3 leaves MD4 out
        return None


def key_for(signer: SignerInfo, trusted: Sequence[TrustedKey]) -> TrustedKey | None:
    """Find the key as `find_asymmetric_key` does: by issuer with serial number, or by key identifier."""
    for key in trusted:
        names = (key.serial + name_contents(key.issuer), key.key_id)
        if signer.name in names:
            return key
    return None


def name_contents(name: bytes) -> bytes:
    """Return the DER of a name without its header, which is what the kernel compares; empty if it is none."""
    try:
        return read_element(name, 0, len(name)).contents(name)
    except DerError:
        return b""


def _own_certificates(message: Message, signed: bytes, keys: Keys) -> Verdict | None:
    """The certificates that came along: a signer found among them has to be right (`pkcs7_verify_one`).

    A kernel that knows ECDSA by name only has no errno of its own for that: it says that the algorithm is missing.
    """
    if any(certificate.curve for certificate in message.certificates) and not any(
        key.curve for key in keys.trusted or ()
    ):
        if keys.computes_ecdsa is None:
            return Verdict("unclear", "whether the kernel can compute ECDSA is unknown", signer=message.signers[0])
        if not keys.computes_ecdsa:
            why = "the kernel was built without ECDSA, which a certificate in it needs"
            return Verdict("fatal", why, "ENOENT", signer=message.signers[0])
    for signer in message.signers:
        own = next((key for key in message.certificates if key.serial + name_contents(key.issuer) == signer.name), None)
        digest = _digest(signer, signed)
        errno = verify(own, signer.signature, digest, signer.digest.name) if own and digest is not None else None
        if own and errno:
            why = f"by '{own.subject}', whose certificate is in it, it is not for this file"
            return Verdict("fatal", why, errno, signer=signer)
    return None


def _chained(own: TrustedKey, trusted: Sequence[TrustedKey]) -> bool:
    """Tell whether a certificate that came along may be one of the kernel's, or signed by one of them."""
    return any(own.key_id and own.key_id == key.key_id for key in trusted) or any(
        name_contents(own.issuer) == name_contents(key.issuer) for key in trusted
    )

"""Signatures of a whole tree: signed with one key, they differ in nothing but the last bytes.

What a kernel makes of a signature it cannot or need not verify depends on the message around it only, and is asked for
once. One that it verifies is verified here as well.
"""

from __future__ import annotations

from pyinsmod.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pyinsmod.kernel_facts.facts import TrustedKey
    from pyinsmod.signatures.algorithms import Algorithm
    from pyinsmod.tree.sources import Bytes
    from pyinsmod.tree.sweep import Sound
    from pyinsmod.tree.target import Target

# What the verdict depends on the message alone for, not on the signature in it.
_BY_MESSAGE = ("key-unknown", "unavailable-key", "unsupported-crypto")


class _Known(NamedTuple):
    """What a kernel makes of messages of one kind: a key for all, or with which certificate to verify each."""

    key: tuple[object, ...] | None
    certificate: TrustedKey | None = None
    digest: str = ""


class Signatures:
    """What was found out about signatures so far; one for each process."""

    def __init__(self) -> None:
        self._lengths: dict[int, int] = {}
        self._known: dict[tuple[int, bytes], _Known] = {}
        # Of the module that is looked at: its message, and which certificates it was verified with.
        self._message = b""
        self._verified: dict[TrustedKey, bool] = {}

    def key(self, source: Bytes, sound: Sound, target: Target) -> tuple[object, ...] | None:
        """Return the key of what a kernel says to a module's signature, () for nothing, None if that is not known."""
        if not target.looks_at_signatures:
            return ()
        if sound.signature is None:
            return ("signature", "unsigned")
        length, message = sound.signature
        cut = self._lengths.get(len(message))
        known = None if cut is None else self._known.get((id(target), message[:-cut]))
        if known is None:
            known = self._find_out(source, message, target)
        if known is None or known.certificate is None:
            return None if known is None else known.key
        return () if self._is_verified(source.whole()[:length], message, known.certificate, known.digest) else None

    def _is_verified(self, content: bytes, message: bytes, certificate: TrustedKey, name: str) -> bool:
        """Verify a module once with each certificate, however many kernels have it."""
        from hashlib import new as new_digest

        from pyinsmod.signatures.public_key import verify

        if self._message is not message:
            self._message, self._verified = message, {}
        if certificate not in self._verified:
            digest, cut = new_digest(name, content).digest(), self._lengths[len(message)]
            self._verified[certificate] = verify(certificate, message[-cut:], digest, name) == ""
        return self._verified[certificate]

    def _find_out(self, source: Bytes, message: bytes, target: Target) -> _Known | None:
        from pyinsmod.signatures.ber import NotDecoded
        from pyinsmod.signatures.message import parse_message
        from pyinsmod.signatures.verdict import Keys, judge, key_for

        def knows(algorithm: Algorithm) -> bool | None:
            return True if algorithm.feature is None else target.facts.has(algorithm.feature)

        try:
            parsed = parse_message(message, lambda algorithm: knows(algorithm) is not False)
        except NotDecoded:
            return None
        signer = parsed.signers[0]
        if len(parsed.signers) != 1 or parsed.certificates or not message.endswith(signer.signature):
            return None
        trusted = target.facts.trusted_keys.value
        verdict = judge(source.whole(), Keys(trusted, knows, target.facts.option("CRYPTO_ECDSA")))
        cut = len(signer.signature)
        known = None
        if verdict.outcome in _BY_MESSAGE and not verdict.doubted:
            known = _Known(("signature", message[:-cut]))
        elif verdict.outcome == "verified" and trusted is not None:
            known = _Known(None, key_for(signer, trusted), signer.digest.name)
        if known is not None and cut:
            self._lengths[len(message)] = cut
            self._known[id(target), message[:-cut]] = known
        return known

"""The certificates the running kernel trusts: those of its proven boot image, and what /proc/keys lists beside them."""

from __future__ import annotations

from pyinsmod.elf_format import text
from pyinsmod.kernel_facts.facts import Fact, TrustedKey, unknown
from pyinsmod.kernel_facts.files import read
from pyinsmod.kernel_facts.sources import RunningSources
from pyinsmod.lean import Any, Iterator

Keys = tuple[TrustedKey, ...]

# The type of a key is cut to nine letters in that list (`proc_keys_show`, security/keys/proc.c).
ASYMMETRIC = " asymmetri "


def built_in_keys(sources: RunningSources) -> Fact[tuple[tuple[Any, ...], ...]]:
    """Return the certificates in the proven boot image, as plain values: unpacking it takes a second."""
    image = sources.image
    keys = image.value.trusted_keys if image.value else None
    return Fact(None if keys is None else tuple(map(tuple, keys)), image.source)


def trusted_keys_of_running(sources: RunningSources, in_image: Fact[tuple[tuple[Any, ...], ...]]) -> Fact[Keys]:
    """Return the built-in keys, then every other X.509 key that the kernel holds.

    Which keyring the others are in is told nowhere: the second, the platform's or the machine's count for modules,
    and others do not. They are known by subject and key identifier only, without serial number and public key.
    """
    path = f"{sources.paths.proc}/keys"
    listed = read(path)
    held = tuple(keys_in(text(listed.value or b"")))
    if not held:
        return unknown(listed.source if listed.value is None else f"{path} shows this process no key of the kernel")
    built_in = tuple(TrustedKey(*key) for key in in_image.value or ())
    known = {key.key_id for key in built_in}
    others = tuple(key for key in held if key.key_id not in known)
    source = f"{path} and {in_image.source}" if built_in else f"{path} ({in_image.source})"
    return Fact((*built_in, *others), source)


def keys_in(listing: str) -> Iterator[TrustedKey]:
    """Yield the X.509 keys in the text of /proc/keys: `… asymmetri SUBJECT: KEYID: X509.rsa TAIL []`.

    The identifier is the certificate's subject key identifier (`x509_key_preparse`), its serial number without one.
    """
    for line in listing.splitlines():
        _, found, description = line.partition(ASYMMETRIC)
        words = description.rsplit(": ", 2)
        if found and len(words) == 3 and words[2].startswith("X509."):
            try:
                yield TrustedKey(words[0].strip(), key_id=bytes.fromhex(words[1]))
            except ValueError:
                continue

"""Does a signature belong to this digest and this key: RSA (PKCS#1 v1.5, RFC 8017) and ECDSA (FIPS 186-5).

Verifying holds no secret, so that Python's integers do: a fraction of a millisecond for RSA, some for ECDSA.
"""

from __future__ import annotations

from pyinsmod.der import INTEGER, SEQUENCE
from pyinsmod.kernel_facts.facts import TrustedKey
from pyinsmod.lean import NamedTuple
from pyinsmod.signatures.ber import Decoder, Match, NotDecoded, Value

# The DER of DigestInfo before the digest itself (RFC 8017, 9.2): algorithm, NULL, OCTET STRING.
DIGEST_OIDS = {
    "md4": "2a864886f70d0204",
    "md5": "2a864886f70d0205",
    "sha1": "2b0e03021a",
    "sha224": "608648016503040204",
    "sha256": "608648016503040201",
    "sha384": "608648016503040202",
    "sha512": "608648016503040203",
    "sha3_256": "608648016503040208",
    "sha3_384": "608648016503040209",
    "sha3_512": "60864801650304020a",
}

ECDSA_SIGNATURE = (Match(SEQUENCE, inner=(Match(INTEGER, note="r"), Match(INTEGER, note="s"))),)

Point = tuple[int, int, int]
"""A point of a curve as X, Y, Z, which stands for x = X/Z² and y = Y/Z³: sparing a division for each addition."""

INFINITY: Point = (1, 1, 0)


class Curve(NamedTuple):
    """y² = x³ - 3x + b (mod p), and a point of prime order n on it (FIPS 186-5, SP 800-186)."""

    p: int
    n: int
    generator: tuple[int, int]

    @property
    def size(self) -> int:
        """The length of a coordinate in bytes."""
        return (self.p.bit_length() + 7) // 8


CURVES = {
    "P-256": Curve(
        2**256 - 2**224 + 2**192 + 2**96 - 1,
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        (
            0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
            0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
        ),
    ),
    "P-384": Curve(
        2**384 - 2**128 - 2**96 + 2**32 - 1,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
        (
            0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
            0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F,
        ),
    ),
    "P-521": Curve(
        2**521 - 1,
        2**521 - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7,
        (
            int(
                "c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3"
                "c1856a429bf97e7e31c2e5bd66",
                16,
            ),
            int(
                "11839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7"
                "086a272c24088be94769fd16650",
                16,
            ),
        ),
    ),
}


def verify(key: TrustedKey, signature: bytes, digest: bytes, hash_name: str) -> str | None:
    """Tell whether `signature` is the key's for that digest.

    Returns:
        the empty string if it is, else the errno of the kernel's `public_key_verify_signature`; None when the key
        is of a kind not known here.
    """
    if key.modulus:
        return _rsa(key, signature, digest, hash_name)
    if key.curve in CURVES:
        return _ecdsa(CURVES[key.curve], key.point, signature, digest)
    return None


def _rsa(key: TrustedKey, signature: bytes, digest: bytes, hash_name: str) -> str:
    """As crypto/rsa-pkcs1pad.c: EINVAL for what has no leading zero, EBADMSG for other padding, then the digest."""
    size = (key.modulus.bit_length() + 7) // 8
    number = int.from_bytes(signature, "big")
    if len(signature) != size or number >= key.modulus:
        return "EINVAL"
    found = pow(number, key.exponent, key.modulus).to_bytes(size, "big")
    if found[0]:
        return "EINVAL"
    wanted = _padded(digest, hash_name, size)
    if found[: -len(digest)] != wanted[: -len(digest)]:
        return "EBADMSG"
    return "" if found == wanted else "EKEYREJECTED"


def _padded(digest: bytes, hash_name: str, size: int) -> bytes:
    oid = bytes.fromhex(DIGEST_OIDS[hash_name])
    algorithm = b"\x06" + bytes([len(oid)]) + oid + b"\x05\x00"
    info = b"\x30" + bytes([len(algorithm)]) + algorithm + b"\x04" + bytes([len(digest)]) + digest
    info = b"\x30" + bytes([len(info)]) + info
    return b"\0\x01" + b"\xff" * (size - len(info) - 3) + b"\0" + info


def _ecdsa(curve: Curve, point: bytes, signature: bytes, digest: bytes) -> str:
    """As crypto/ecdsa.c: EBADMSG for what is no signature at all."""
    numbers = _two_integers(signature)
    if numbers is None or not all(0 < number < curve.n for number in numbers):
        return "EBADMSG"
    r, s = numbers
    e = int.from_bytes(digest[: curve.size], "big")  # the order of each curve is as long as its coordinates
    inverse = pow(s, -1, curve.n)
    half = len(point) // 2
    public = int.from_bytes(point[:half], "big"), int.from_bytes(point[half:], "big")
    where = _sum_of_products(curve, (e * inverse % curve.n, curve.generator), (r * inverse % curve.n, public))
    return "" if where is not None and where % curve.n == r else "EKEYREJECTED"


def _two_integers(signature: bytes) -> tuple[int, int] | None:
    """Read r and s with the decoder the kernel reads them with (crypto/ecdsasignature.asn1)."""
    numbers: list[int] = []

    def note(_name: str, value: Value) -> None:
        numbers.append(int.from_bytes(signature[value.start : value.start + value.length], "big"))

    try:
        Decoder(signature, note).decode(ECDSA_SIGNATURE)
    except NotDecoded:
        return None
    return numbers[0], numbers[1]


def _sum_of_products(curve: Curve, one: tuple[int, tuple[int, int]], other: tuple[int, tuple[int, int]]) -> int | None:
    """Return x of the sum of two points, each times a factor; None when it is the point at infinity.

    Bit by bit for both factors at once (Shamir's trick), which takes half the doublings.
    """
    (first, point), (second, another) = one, other
    table = {1: (*point, 1), 2: (*another, 1)}
    table[3] = _add(table[1], table[2], curve.p)
    total = INFINITY
    for bit in range(curve.n.bit_length() - 1, -1, -1):
        total = _double(total, curve.p)
        which = (first >> bit & 1) | (second >> bit & 1) << 1
        if which:
            total = _add(total, table[which], curve.p)
    x, _, z = total
    return x * pow(z, -2, curve.p) % curve.p if z else None


def _double(point: Point, p: int) -> Point:
    """Double a point, by the formulas for curves with a = -3 (`dbl-2001-b`)."""
    x, y, z = point
    delta, gamma = z * z % p, y * y % p
    beta = x * gamma % p
    alpha = 3 * (x - delta) * (x + delta) % p
    new_x = (alpha * alpha - 8 * beta) % p
    new_z = ((y + z) ** 2 - gamma - delta) % p
    return new_x, (alpha * (4 * beta - new_x) - 8 * gamma * gamma) % p, new_z


def _add(one: Point, other: Point, p: int) -> Point:
    """Add two points that may be the same, each other's negative, or at infinity."""
    if not one[2] or not other[2]:
        return other if not one[2] else one
    z1, z2 = one[2] * one[2] % p, other[2] * other[2] % p
    u1, u2 = one[0] * z2 % p, other[0] * z1 % p
    s1, s2 = one[1] * other[2] * z2 % p, other[1] * one[2] * z1 % p
    if u1 == u2:
        return _double(one, p) if s1 == s2 else INFINITY
    h, r = u2 - u1, s2 - s1
    h2 = h * h % p
    h3, v = h * h2 % p, u1 * h2 % p
    x = (r * r - h3 - 2 * v) % p
    return x, (r * (v - x) - s1 * h3) % p, h * one[2] * other[2] % p

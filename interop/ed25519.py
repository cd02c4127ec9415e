"""Ed25519 signing after RFC 8032, section 5.1: slow, small, for test items alone."""

import hashlib

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
BASE_Y = 4 * pow(5, P - 2, P) % P


def _recover_x(y, sign):
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return P - x if x % 2 != sign else x


BASE_X = _recover_x(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def _add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def _multiply(scalar, point):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _compress(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


class Key:
    """A key pair made from a 32-byte seed."""

    def __init__(self, seed):
        self.seed = seed
        digest = hashlib.sha512(seed).digest()
        scalar = bytearray(digest[:32])
        scalar[0] &= 248
        scalar[31] = scalar[31] & 127 | 64
        # libtorrent takes the clamped scalar and the prefix as the secret key.
        self.expanded = bytes(scalar) + digest[32:]
        self.scalar = int.from_bytes(scalar, "little")
        self.prefix = digest[32:]
        self.public = _compress(_multiply(self.scalar, BASE))

    def sign(self, message):
        nonce = hashlib.sha512(self.prefix + message).digest()
        nonce = int.from_bytes(nonce, "little") % ORDER
        commitment = _compress(_multiply(nonce, BASE))
        challenge = hashlib.sha512(commitment + self.public + message).digest()
        challenge = int.from_bytes(challenge, "little") % ORDER
        response = (nonce + challenge * self.scalar) % ORDER
        return commitment + response.to_bytes(32, "little")

"""Whether Discord sent a request: Ed25519 over the timestamp header followed by the body, byte for byte as it came.

Discord sends wrong signatures on purpose and drops an endpoint that takes one, so whatever can't be verified, malformed
headers included, is simply not from Discord.
"""

import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_KEY = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_SIGNATURE = re.compile(r"[0-9a-fA-F]{128}", re.ASCII)
_TIMESTAMP = re.compile(r"[!-~]{1,64}", re.ASCII)


def is_key(text: str) -> bool:
    """Whether this can be a public key: 64 hexadecimal digits."""
    return _KEY.fullmatch(text) is not None


def is_from_discord(*, public_key: str, signature: str, timestamp: str, body: bytes) -> bool:
    """Whether the owner of `public_key` signed this body at this timestamp. Raises nothing, whatever the headers."""
    if not (is_key(public_key) and _SIGNATURE.fullmatch(signature) and _TIMESTAMP.fullmatch(timestamp)):
        return False
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(signature), timestamp.encode() + body)
    except (InvalidSignature, ValueError):
        return False
    return True

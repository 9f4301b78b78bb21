"""API keys as text: `ck_live_` or `ck_test_`, a 12-character prefix to look up by, and 256 secret bits.

Only the prefix, the last four characters and the SHA-256 of the whole key are kept. A digest without salt is right
for secrets of full strength: there is nothing to guess.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

SCOPES = ("submit", "read", "campaigns", "reconcile", "platforms", "alerts")
AFFILIATE_SCOPES = ("submit", "read")
_KEY = re.compile(r"ck_(live|test)_([0-9a-f]{12})[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made. `text` is shown once and kept nowhere."""

    text: str
    prefix: str
    digest: str
    last4: str


def generate(*, livemode: bool) -> NewKey:
    """A fresh random key for the live or the test mode."""
    prefix = secrets.token_hex(6)
    text = f"ck_{'live' if livemode else 'test'}_{prefix}{secrets.token_hex(32)}"
    return NewKey(text=text, prefix=prefix, digest=digest(text), last4=text[-4:])


def digest(secret: str) -> str:
    """The SHA-256 of a secret, as 64 hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def prefix_of(text: str) -> str | None:
    """The look-up prefix of a well-formed key, or None."""
    match = _KEY.fullmatch(text)
    return match[2] if match else None


def matches(text: str, expected_digest: str) -> bool:
    """Whether a key has this digest, compared in constant time."""
    return hmac.compare_digest(digest(text), expected_digest)

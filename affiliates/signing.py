"""Signatures over raw requests: HMAC-SHA256 with a shared secret over a timestamp and exactly what was sent.

The signed text is the timestamp (Unix seconds, as it was written), a dot, the method, a blank, the path with its raw
query, a dot, and the raw body. Nothing is parsed or written anew before it is checked. A signature is good for
TOLERANCE_S seconds before and after its timestamp. Comparing takes the same time whatever was wrong.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import datetime
from functools import partial

TOLERANCE_S = 300

_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNATURE = re.compile(r"[0-9a-f]{64}", re.ASCII)


def signature(secret: str, *, timestamp: str, method: str, target: str, body: bytes = b"") -> str:
    """The signature of a request as 64 hexadecimal digits; `target` is its path with the raw query."""
    signed = f"{timestamp}.{method} {target}.".encode() + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def refusal(
    given: str,
    secrets: Iterable[str],
    *,
    timestamp: str,
    now: datetime,
    method: str,
    target: str,
    body: bytes = b"",
) -> str | None:
    """Why a signature is not good, as a sentence; None where one of the secrets made it, just now."""
    if not timestamp or not given:
        return "The request is not signed: it needs a timestamp and a signature."
    if not _TIMESTAMP.fullmatch(timestamp):
        return "The timestamp is no whole number of Unix seconds."
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_S:
        return f"The timestamp is more than {TOLERANCE_S} seconds away from our clock."
    if not _SIGNATURE.fullmatch(given):
        return "The signature is not 64 hexadecimal digits in lower case."
    sign = partial(signature, timestamp=timestamp, method=method, target=target, body=body)
    matches = [hmac.compare_digest(sign(secret), given) for secret in secrets]
    return None if any(matches) else "The signature matches no live key of this campaign."

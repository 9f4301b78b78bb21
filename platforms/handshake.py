"""Somebody who was sent to a platform to allow something, and comes back: what their session remembers meanwhile.

The way back works once, within ten minutes, for the person who started it and the platform it was started for; `state`
is what tells it from one that somebody else made up (RFC 6749, section 10.12).
"""

import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any

from django.contrib.sessions.models import Session
from django.db import transaction

from affiliates.http import AuthenticatedRequest
from config import clock

KEPT_UNDER = "oauth"
LIFE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Handshake:
    """One that was started. `redirect_uri` is said twice to the platform, and has to be the same both times."""

    platform: str
    state: str
    verifier: str
    at: str
    user: str
    livemode: bool
    redirect_uri: str

    @property
    def is_late(self) -> bool:
        """Whether it is too long ago; one from the future was written before the clock stepped back."""
        return not timedelta() <= clock.now() - datetime.fromisoformat(self.at) <= LIFE


def start(request: AuthenticatedRequest, *, platform: str, livemode: bool, redirect_uri: str) -> Handshake:
    """Remember that this person goes to a platform now; one that was started before is forgotten."""
    started = Handshake(
        platform=platform,
        state=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(64),
        at=clock.now().isoformat(),
        user=str(request.user.pk),
        livemode=livemode,
        redirect_uri=redirect_uri,
    )
    request.session[KEPT_UNDER] = asdict(started)
    return started


def take(request: AuthenticatedRequest, *, platform: str, state: str) -> Handshake | None:
    """What this way back belongs to, which is forgotten by that; None where it belongs to nothing, or was used.

    The session's row is locked, so that of two clicks one has it.
    """
    with transaction.atomic():
        row = Session.objects.select_for_update().filter(session_key=request.session.session_key).first()
        kept = row.get_decoded().get(KEPT_UNDER) if row else None
        if not isinstance(kept, dict) or not _belongs(kept, request, platform, state):
            return None
        request.session.pop(KEPT_UNDER, None)
        request.session.save()
    return Handshake(**kept)


def _belongs(kept: dict[str, Any], request: AuthenticatedRequest, platform: str, state: str) -> bool:
    known = compare_digest(str(kept["state"]).encode(), state.encode())
    return known and kept["platform"] == platform and kept["user"] == str(request.user.pk)

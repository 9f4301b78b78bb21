"""What a connection holds, and for how long: the token to call with, renewed before it ends by one worker at a time."""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from django.db.models import Q

from config import clock, vault
from config.queue import enqueue
from platforms import oauth
from platforms.errors import ErrorKind, PlatformError
from platforms.models import Connection
from platforms.oauth import Client, Grant
from platforms.services.lanes import NotNowError, park_connection
from platforms.transport import shared_http

log = structlog.get_logger(__name__)

RENEWED_AHEAD = timedelta(minutes=5)
LEASE = timedelta(seconds=45)
"""Longer than a renewal's one call may take (10 s)."""
ASK_AGAIN_S = 2
AWAY_S = 30
TIME_BUDGET_S = 12.0
"""A round of renewals by the clock hands on after so long, well before the queue's time-out would kill it."""


class BeingRenewedError(NotNowError):
    """Another worker is renewing this token, and the old one has ended."""

    def __init__(self, connection: Connection) -> None:
        message = f"{connection.platform}: the token is being renewed."
        super().__init__(ErrorKind.UNAVAILABLE, "renewing", message, ASK_AGAIN_S)


def token_of(connection: Connection) -> str | None:
    """The token to call with; None: the application's own credentials, which the settings hold.

    One that ends within minutes is renewed first; should that not be possible just now, the old one does as long as
    it lasts. Raises PlatformError: `auth` where none is held or its renewal is refused, NotNowError while somebody
    else renews it or the platform can't be asked. Makes a call: not for use inside a transaction.
    """
    if connection.affiliate_id is None:
        return None
    token = secrets_of(connection).get("access_token")
    if not token:
        raise PlatformError(ErrorKind.AUTH, "credentials_missing", f"{connection}: no token is stored.")
    now, end = clock.now(), connection.token_expires_at
    if end is None or end > now + RENEWED_AHEAD:
        return token
    if not can_renew(connection):
        if end > now:
            return token
        raise PlatformError(ErrorKind.AUTH, "token_expired", f"{connection}: the token has ended.")
    try:
        return renew(connection)
    except PlatformError as error:
        if error.kind is ErrorKind.AUTH or end <= now:
            raise
        return token


def secrets_of(connection: Connection) -> Mapping[str, str]:
    """What a connection holds, opened. Raises PlatformError (auth) where our keys don't open it."""
    try:
        return connection.secrets
    except vault.VaultError:
        raise PlatformError(ErrorKind.AUTH, "secret_unreadable", f"{connection}: its secret can't be opened.") from None


def locked_secrets(grant: Grant) -> str:
    """A grant as it is stored."""
    secrets = {"access_token": grant.access_token, "issued_at": clock.now().isoformat()}
    return vault.lock(secrets | ({"refresh_token": grant.refresh_token} if grant.refresh_token else {}))


def can_renew(connection: Connection) -> bool:
    """Whether what it holds can be exchanged for something that lasts longer, now."""
    client = _client(connection)
    if client is None or connection.method != Connection.Method.OAUTH:
        return False
    secrets = secrets_of(connection)
    if client.provider.renews_after is None:
        return bool(secrets.get("refresh_token"))
    issued_at = secrets.get("issued_at")
    return bool(issued_at and datetime.fromisoformat(issued_at) <= clock.now() - client.provider.renews_after)


def renew(connection: Connection) -> str:
    """Exchange what a connection holds for something that lasts longer, and return the new token.

    One at a time: a refresh token may work once, so who comes meanwhile gets BeingRenewedError, and who comes late
    finds what the first one stored. What the platform hands out is stored before it is used.
    """
    lease = _take_lease(connection)
    if lease is None:
        raise BeingRenewedError(connection)
    try:
        held = Connection.objects.select_related("platform", "affiliate").get(pk=connection.pk)
        client = _client(held)
        if held.locked != connection.locked or client is None:
            return _token_in(held)
        grant = oauth.renew(shared_http, client, secrets=secrets_of(held))
        return _store(held, lease, grant)
    except PlatformError as error:
        if error.kind is ErrorKind.AUTH or isinstance(error, NotNowError):
            raise
        # The host of tokens is away: that says nothing about the one that the breaker watches.
        raise NotNowError(ErrorKind.UNAVAILABLE, error.code, error.message, error.retry_after_s or AWAY_S) from None
    finally:
        Connection.objects.filter(pk=connection.pk, renewing_until=lease).update(renewing_until=None)


def renew_expiring() -> int:
    """Renew by the clock what would end if nobody called for long; returns how many were. A refusal parks the lane."""
    started = time.monotonic()
    now = clock.now()
    ahead = {slug: each.renews_ahead for slug, each in oauth.PROVIDERS.items() if each.renews_ahead}
    ending = Q(pk__in=[])
    for slug, before in ahead.items():
        ending |= Q(platform__slug=slug, token_expires_at__lte=now + before)
    due = Connection.objects.filter(ending, state=Connection.State.ACTIVE, method=Connection.Method.OAUTH)
    renewed = 0
    for connection in due.select_related("platform", "affiliate").order_by("token_expires_at"):
        if time.monotonic() - started > TIME_BUDGET_S:
            enqueue("platforms.tasks.renew_connections")
            break
        renewed += _renew_by_the_clock(connection)
    return renewed


def _renew_by_the_clock(connection: Connection) -> bool:
    try:
        if not can_renew(connection):
            return False
        renew(connection)
    except PlatformError as error:
        log.warning("renewal_failed", connection=str(connection.pk), kind=error.kind, code=error.code)
        if error.kind is ErrorKind.AUTH:
            park_connection(connection_id=connection.pk, reason=f"{error.kind}: {error.code}", locked=connection.locked)
        return False
    return True


def _client(connection: Connection) -> Client | None:
    return oauth.client_of(connection.platform.slug, livemode=connection.livemode)


def _take_lease(connection: Connection) -> datetime | None:
    """The right to renew, until the moment returned; None where somebody has it."""
    now = clock.now()
    # What lies further ahead than any lease was written before the clock stepped back.
    free = Q(renewing_until=None) | Q(renewing_until__lte=now) | Q(renewing_until__gt=now + LEASE)
    lease = now + LEASE
    taken = Connection.objects.filter(free, pk=connection.pk).update(renewing_until=lease)
    return lease if taken else None


def _store(held: Connection, lease: datetime, grant: Grant) -> str:
    """Keep a renewed grant, unless its owner disconnected or connected anew while it was on its way."""
    kept = Connection.objects.filter(pk=held.pk, renewing_until=lease, locked=held.locked).update(
        locked=locked_secrets(grant),
        token_expires_at=grant.expires_at,
        refresh_expires_at=grant.refresh_expires_at or held.refresh_expires_at,
        renewing_until=None,
    )
    if kept:
        return grant.access_token
    current = Connection.objects.select_related("platform", "affiliate").get(pk=held.pk)
    if current.state == Connection.State.DISCONNECTED:
        give_back(current, {"access_token": grant.access_token, "refresh_token": grant.refresh_token or ""})
    return _token_in(current)


def give_back(connection: Connection, secrets: Mapping[str, str]) -> None:
    """Tell the platform that we hold this no longer; whether it listens is its own business."""
    client = _client(connection)
    if client is None or not secrets.get("access_token"):
        return
    try:
        oauth.revoke(shared_http, client, secrets=secrets)
    except PlatformError as error:
        log.warning("revocation_failed", connection=str(connection.pk), kind=error.kind, code=error.code)


def _token_in(connection: Connection) -> str:
    token = secrets_of(connection).get("access_token")
    if not token:
        raise PlatformError(ErrorKind.AUTH, "credentials_missing", f"{connection}: no token is stored.")
    return token

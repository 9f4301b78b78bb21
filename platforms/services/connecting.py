"""Connecting an affiliate's own account on a platform, by OAuth or with a pasted token, and disconnecting it.

No call is made inside a transaction: what the platform says is fetched first, then written.
"""

from django.db import transaction

from affiliates.models import Affiliate, User
from affiliates.services import audit
from config import clock
from config.queue import enqueue
from platforms import oauth
from platforms.adapters import adapter_for
from platforms.adapters.base import Profile, is_token
from platforms.errors import ErrorKind, PlatformError
from platforms.models import Account, Connection, Platform
from platforms.oauth import Grant
from platforms.refusals import GrantRefusedError, NotConnectableError, PlatformAwayError, TokenRefusedError
from platforms.services.accounts import prove_account
from platforms.services.connections import give_back, locked_secrets, secrets_of
from platforms.transport import shared_http

TAKES_TOKENS = ("instagram", "facebook", "x", "youtube")
"""Where a token may be pasted. TikTok hands tokens to applications only, and for a day."""


def connect_by_oauth(
    *, affiliate: Affiliate, platform: Platform, livemode: bool, code: str, redirect_uri: str, verifier: str, by: User
) -> Connection:
    """Exchange the code that a person came back with, and keep what it gives.

    Raises NotConnectableError, GrantRefusedError, PlatformAwayError, AccountTakenError.
    """
    client = client_for(platform, livemode=livemode)
    try:
        grant = oauth.exchange(shared_http, client, code=code, redirect_uri=redirect_uri, verifier=verifier)
        if grant.lacks(client.provider):
            raise GrantRefusedError(
                f"{platform} was not allowed everything that is needed. Connect again and leave every box ticked.",
                code="scope_missing",
            )
        profile = adapter_for(platform.slug, livemode=livemode).owner(shared_http, grant.access_token)
    except PlatformError as error:
        raise _grant_refusal(error, platform) from None
    return connect(
        affiliate=affiliate,
        platform=platform,
        livemode=livemode,
        grant=grant,
        profile=profile,
        method=Connection.Method.OAUTH,
        by=by,
    )


def connect_with_token(*, affiliate: Affiliate, platform: Platform, livemode: bool, token: str, by: User) -> Connection:
    """Keep a token that its owner pasted, once the platform has said whose it is.

    Raises NotConnectableError, TokenRefusedError, PlatformAwayError, AccountTakenError.
    """
    if platform.slug not in TAKES_TOKENS:
        raise NotConnectableError(f"{platform} takes no pasted tokens.", field="token")
    if not is_token(token) or " " in token:
        raise TokenRefusedError("A token is one word of plain letters, digits and signs.", field="token")
    try:
        profile = adapter_for(platform.slug, livemode=livemode).owner(shared_http, token)
    except PlatformError as error:
        raise _token_refusal(error, platform) from None
    return connect(
        affiliate=affiliate,
        platform=platform,
        livemode=livemode,
        grant=Grant(token),
        profile=profile,
        method=Connection.Method.TOKEN,
        by=by,
    )


@transaction.atomic
def connect(
    *,
    affiliate: Affiliate,
    platform: Platform,
    livemode: bool,
    grant: Grant,
    profile: Profile,
    method: Connection.Method,
    by: User,
) -> Connection:
    """Keep a grant as the affiliate's one connection to a platform, in place of what it held before; its account is
    proven by it, and its posts there are looked at with it. Raises AccountTakenError."""
    made, _ = Connection.objects.get_or_create(
        affiliate=affiliate,
        platform=platform,
        livemode=livemode,
        defaults={"method": method, "state": Connection.State.DISCONNECTED},
    )
    connection: Connection = Connection.objects.select_for_update(of=("self",), no_key=True).get(pk=made.pk)
    account = prove_account(
        affiliate=affiliate, platform=platform, livemode=livemode, profile=profile, connection=connection
    )
    _let_go_of(connection, but=account)
    new = {
        "method": method,
        "state": Connection.State.ACTIVE,
        "parked_at": None,
        "parked_reason": "",
        "locked": locked_secrets(grant),
        "scopes": " ".join(grant.scopes)[:500],
        "connected_at": clock.now(),
        "token_expires_at": grant.expires_at,
        "refresh_expires_at": grant.refresh_expires_at,
        "renewing_until": None,
        "not_before": None,
    }
    for name, value in new.items():
        setattr(connection, name, value)
    connection.save(update_fields=list(new))
    audit(
        actor=by,
        action="connection.connected",
        row=connection,
        changes={"platform": platform.slug, "method": method, "scopes": list(grant.scopes), "account": str(account.pk)},
    )
    look_again(affiliate=affiliate, platform=platform, livemode=livemode)
    return connection


def disconnect(*, connection: Connection, by: User) -> bool:
    """Erase what a connection holds, then tell the platform; returns whether there was anything to erase.

    Its account stays proven: it was theirs. Harmless to repeat.
    """
    with transaction.atomic():
        held = (
            Connection.objects.select_for_update(of=("self",), no_key=True)
            .select_related("platform")
            .get(pk=connection.pk, affiliate__isnull=False)
        )
        if held.state == Connection.State.DISCONNECTED:
            return False
        try:
            secrets = secrets_of(held)
        except PlatformError:
            secrets = {}
        erased = {
            "state": Connection.State.DISCONNECTED,
            "parked_at": None,
            "parked_reason": "",
            "locked": "",
            "scopes": "",
            "token_expires_at": None,
            "refresh_expires_at": None,
            "renewing_until": None,
            "not_before": None,
        }
        Connection.objects.filter(pk=held.pk).update(**erased)
        _let_go_of(held)
        audit(actor=by, action="connection.disconnected", row=held, changes={"platform": held.platform.slug})
        look_again(affiliate=held.affiliate, platform=held.platform, livemode=held.livemode)
    if held.method == Connection.Method.OAUTH:
        give_back(held, secrets)
    return True


def look_again(*, affiliate: Affiliate, platform: Platform, livemode: bool) -> None:
    """What is proven or connected changed: the affiliate's posts on the platform are looked at anew."""
    enqueue("reconciliation.tasks.look_again", str(affiliate.pk), str(platform.pk), "live" if livemode else "test")


def client_for(platform: Platform, *, livemode: bool) -> oauth.Client:
    """Our application at a platform. Raises NotConnectableError where there is none."""
    client = oauth.client_of(platform.slug, livemode=livemode)
    if client is None:
        raise NotConnectableError(f"{platform} can't be connected here.", field="platform")
    return client


def _let_go_of(connection: Connection, but: Account | None = None) -> None:
    """Accounts that a connection speaks for no longer."""
    others = Account.objects.filter(connection=connection)
    (others.exclude(pk=but.pk) if but else others).update(connection=None)


_PAGES = {
    "several_pages": "We look at one page for you. Connect again, and choose exactly one page in Facebook's window.",
    "no_page": "Facebook named no page that you manage. Connect again, and choose your page in Facebook's window.",
}


def _grant_refusal(error: PlatformError, platform: Platform) -> GrantRefusedError | PlatformAwayError:
    if error.code in _PAGES:
        return GrantRefusedError(_PAGES[error.code], code=error.code)
    if error.retryable:
        return _away(platform)
    if error.kind is ErrorKind.AUTH:
        return GrantRefusedError(
            f"{platform} did not accept the way back. That happens when it is used twice, or too late. Connect again."
        )
    return GrantRefusedError(
        f"{platform} tells us nothing about this account: it may be of a kind that it keeps closed."
    )


def _token_refusal(error: PlatformError, platform: Platform) -> TokenRefusedError | PlatformAwayError:
    if error.retryable:
        return _away(platform)
    if error.kind is ErrorKind.PERMISSION:
        return TokenRefusedError(
            f"{platform} knows this token, but it does not cover reading the account.", field="token"
        )
    reason = f"{platform} does not accept this token."
    if platform.slug == "youtube":
        reason += " It has to be an OAuth access token: an API key says nothing about whose channel it is."
    return TokenRefusedError(reason, field="token")


def _away(platform: Platform) -> PlatformAwayError:
    return PlatformAwayError(f"{platform} does not answer just now. Nothing was saved: try again in a few minutes.")

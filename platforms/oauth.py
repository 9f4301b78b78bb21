"""OAuth 2.0 as each platform speaks it: where a person allows us to read their own posts, and how that is kept up.

One `Provider` a platform says what is its own: scopes, proof of possession (PKCE), how the application proves itself,
and how a token is renewed. What differs in steps is a function of its own:

    TikTok, X, YouTube   code → access token and refresh token; TikTok and X hand out a new refresh token each time
    Instagram            code → token of an hour → token of 60 days, which renews itself once it is a day old
    Facebook             code → token of hours → token of 60 days → the page's own token, which has no end

Everything that comes back is a stranger's: a token that could not stand in a header, or a life that is no number, makes
the answer malformed. Raises PlatformError: `auth` where what we were granted is refused, revoked or used up, else
`rate_limit`, `unavailable` or `malformed`, an application that the platform does not know among them: that is no fault
of the person's.
"""

import hashlib
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote, urlencode

from django.conf import settings

from config import clock
from platforms.adapters.base import as_object, as_objects, as_text, error_body, is_token, kind_of
from platforms.errors import ErrorKind, PlatformError, retry_after_s
from platforms.metrics import PLATFORM_NAMES
from platforms.transport import Http, Response

MAX_TOKEN_CHARS = 4_096
MAX_LIFE_S = 10 * 366 * 86_400

_CODE = re.compile(r"(?!None$)[A-Za-z0-9_.-]{1,40}")


@dataclass(frozen=True, slots=True)
class Provider:
    """What is a platform's own.

    `renews_after`: a token that renews itself must be so old; None where a refresh token does it. `renews_ahead`: how
    long before its end a token is renewed by the clock; None: when it is needed. `revokes`: which token takes the grant
    back; None where nothing that we keep can.
    """

    slug: str
    scopes: tuple[str, ...]
    scope_separator: str = " "
    client_field: str = "client_id"
    basic_auth: bool = False
    pkce: bool = False
    asks: Mapping[str, str] = field(default_factory=dict)
    renews_after: timedelta | None = None
    renews_ahead: timedelta | None = None
    revokes: Literal["access_token", "refresh_token"] | None = None


PROVIDERS = {
    each.slug: each
    for each in (
        Provider(
            "tiktok",
            ("user.info.basic", "user.info.profile", "user.info.stats", "video.list"),
            scope_separator=",",
            client_field="client_key",
            revokes="access_token",
        ),
        Provider(
            "instagram",
            ("instagram_business_basic", "instagram_business_manage_insights"),
            scope_separator=",",
            renews_after=timedelta(hours=24),
            renews_ahead=timedelta(days=7),
        ),
        Provider(
            "facebook",
            ("pages_show_list", "pages_read_engagement", "pages_read_user_content", "read_insights"),
            scope_separator=",",
        ),
        Provider(
            "x",
            ("tweet.read", "users.read", "offline.access"),
            basic_auth=True,
            pkce=True,
            revokes="refresh_token",
        ),
        Provider(
            "youtube",
            ("https://www.googleapis.com/auth/youtube.readonly",),
            pkce=True,
            asks={"access_type": "offline", "prompt": "consent"},  # else Google gives a refresh token only once
            revokes="refresh_token",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Client:
    """Our application at a platform: the provider with its addresses and what the application is known by."""

    provider: Provider
    urls: Mapping[str, str]
    client_id: str
    client_secret: str = field(repr=False)

    @property
    def name(self) -> str:
        return PLATFORM_NAMES[self.provider.slug]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person allowed us. `refresh_expires_at` is the moment after which only they can allow it again; None: not
    known, or never. `scopes` is empty where the platform does not say."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    scopes: tuple[str, ...] = ()

    def lacks(self, provider: Provider) -> list[str]:
        """The scopes that were asked for and not given, as far as the platform says."""
        return [each for each in provider.scopes if self.scopes and each not in self.scopes]


def client_of(slug: str, *, livemode: bool) -> Client | None:
    """Our application at a platform; None where there is none to connect by."""
    config = (settings.OAUTH if livemode else settings.OAUTH_TEST).get(slug)
    if slug not in PROVIDERS or not config or not config["client_id"]:
        return None
    return Client(PROVIDERS[slug], config, config["client_id"], config["client_secret"])


# --- What the application does


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def authorize_url(client: Client, *, redirect_uri: str, state: str, verifier: str) -> str:
    """Where the person is sent to allow it."""
    provider = client.provider
    asked = {
        provider.client_field: client.client_id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": provider.scope_separator.join(provider.scopes),
        "state": state,
        **provider.asks,
    }
    if provider.pkce:
        asked |= {"code_challenge": challenge_of(verifier), "code_challenge_method": "S256"}
    return f"{client.urls['authorize_url']}?{urlencode(asked, quote_via=quote)}"


def exchange(http: Http, client: Client, *, code: str, redirect_uri: str, verifier: str) -> Grant:
    """The code that the person came back with, for a grant that lasts."""
    given = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
    match client.provider.slug:
        case "instagram":
            return _exchange_at_instagram(http, client, given)
        case "facebook":
            return _exchange_at_facebook(http, client, given)
    if client.provider.pkce:
        given["code_verifier"] = verifier
    return _ended_by_its_token(_ask_for_tokens(http, client, given))


def renew(http: Http, client: Client, *, secrets: Mapping[str, str]) -> Grant:
    """A new grant for the one that `secrets` holds. What is returned replaces it: a refresh token may work once."""
    if client.provider.renews_after:
        return _long_lived_at_instagram(
            http, client, "refresh_access_token", "ig_refresh_token", secrets["access_token"]
        )
    refresh_token = secrets.get("refresh_token")
    if not refresh_token:
        raise _refused(client, "no_refresh_token")
    grant = _ask_for_tokens(http, client, {"grant_type": "refresh_token", "refresh_token": refresh_token})
    return grant if grant.refresh_token else replace(grant, refresh_token=refresh_token)


def revoke(http: Http, client: Client, *, secrets: Mapping[str, str]) -> None:
    """Tell the platform that we give the grant back, where what we hold can. Raises PlatformError."""
    token = secrets.get(client.provider.revokes or "") or secrets.get("access_token")
    if client.provider.revokes is None or not token:
        return
    form, headers = _proof(client, {"token": token})
    answer = http.request("POST", client.urls["revoke_url"], platform=client.provider.slug, form=form, headers=headers)
    if not answer.ok:
        raise _error_in(client, answer)


# --- The steps of each


def _ask_for_tokens(http: Http, client: Client, given: Mapping[str, str]) -> Grant:
    """RFC 6749, section 4.1.3 and 6."""
    form, headers = _proof(client, given)
    return _grant_in(client, _asked(http, client, "POST", client.urls["token_url"], form=form, headers=headers))


def _proof(client: Client, given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """A form by which the application proves who it is, and the headers beside it."""
    provider = client.provider
    if provider.basic_auth and client.client_secret:
        credentials = f"{quote(client.client_id, safe='')}:{quote(client.client_secret, safe='')}"
        return dict(given), {"Authorization": f"Basic {b64encode(credentials.encode()).decode()}"}
    proof = {provider.client_field: client.client_id, "client_secret": client.client_secret}
    return {**given, **{name: value for name, value in proof.items() if value}}, {}


def _exchange_at_instagram(http: Http, client: Client, given: Mapping[str, str]) -> Grant:
    form, headers = _proof(client, given)
    body = _asked(http, client, "POST", client.urls["token_url"], form=form, headers=headers)
    listed = body.get("data")  # the answer has come in a list and without one
    short = as_objects(listed)[0] if isinstance(listed, list) and listed else body
    grant = _long_lived_at_instagram(http, client, "access_token", "ig_exchange_token", _token(short, "access_token"))
    return replace(grant, scopes=_scopes(short.get("permissions")))


def _long_lived_at_instagram(http: Http, client: Client, path: str, grant_type: str, token: str) -> Grant:
    params = {"grant_type": grant_type, "access_token": token}
    if grant_type == "ig_exchange_token":
        params["client_secret"] = client.client_secret
    return _ended_by_its_token(
        _grant_in(client, _asked(http, client, "GET", f"{client.urls['graph_url']}/{path}", params=params))
    )


def _exchange_at_facebook(http: Http, client: Client, given: Mapping[str, str]) -> Grant:
    """To the page's own token: a person's does not open the insights of a page."""
    url = f"{client.urls['graph_url']}/oauth/access_token"
    proof = {"client_id": client.client_id, "client_secret": client.client_secret}
    code = {name: value for name, value in given.items() if name != "grant_type"}
    short = _token(_asked(http, client, "GET", url, params=proof | code), "access_token")
    long = {"grant_type": "fb_exchange_token", "fb_exchange_token": short}
    token = _token(_asked(http, client, "GET", url, params=proof | long), "access_token")
    pages = _asked(
        http,
        client,
        "GET",
        f"{client.urls['graph_url']}/me/accounts",
        params={"fields": "id,access_token"},
        headers={"Authorization": f"Bearer {token}"},
    )
    found = [page for page in as_objects(pages.get("data")) if page.get("access_token")]
    if len(found) != 1:
        raise PlatformError(
            ErrorKind.PERMISSION, "several_pages" if found else "no_page", f"{client.name}: {len(found)} pages."
        )
    return Grant(_token(found[0], "access_token"))


# --- Answers


def _asked(http: Http, client: Client, method: str, url: str, **sent: Any) -> Mapping[str, Any]:
    """The object in an answer that grants something. TikTok and Meta have been seen to refuse with 200."""
    answer = http.request(method, url, platform=client.provider.slug, **sent)
    if not answer.ok:
        raise _error_in(client, answer)
    body = as_object(answer.json())
    if body.get("error") or body.get("error_type"):
        raise _error_in(client, answer)
    return body


def _grant_in(client: Client, body: Mapping[str, Any]) -> Grant:
    now = clock.now()
    return Grant(
        _token(body, "access_token"),
        _token(body, "refresh_token") if body.get("refresh_token") else None,
        _end(body.get("expires_in"), now),
        _end(body.get("refresh_expires_in", body.get("refresh_token_expires_in")), now),
        _scopes(body.get("scope")),
    )


def _ended_by_its_token(grant: Grant) -> Grant:
    """Without a refresh token, a grant ends with its access token."""
    return grant if grant.refresh_token else replace(grant, refresh_expires_at=grant.expires_at)


def _token(body: Mapping[str, Any], name: str) -> str:
    token = body.get(name)
    if not isinstance(token, str) or not is_token(token) or len(token) > MAX_TOKEN_CHARS:
        raise PlatformError(ErrorKind.MALFORMED, "unexpected_shape", "The answer holds no token that can be used.")
    return token


def _end(life_s: object, now: datetime) -> datetime | None:
    """When something that lives so long ends; None where nobody says. Some send the number as text."""
    if life_s is None:
        return None
    if isinstance(life_s, str) and life_s.isascii() and life_s.isdigit() and len(life_s) < 16:
        life_s = int(life_s)
    if isinstance(life_s, bool) or not isinstance(life_s, int) or life_s < 0:
        raise PlatformError(ErrorKind.MALFORMED, "unexpected_shape", "The answer holds a life that is no number.")
    return now + timedelta(seconds=min(life_s, MAX_LIFE_S)) if life_s else None


def _scopes(given: object) -> tuple[str, ...]:
    """Scopes, which come as text with blanks or commas, or as a list."""
    listed: Sequence[object] = given.replace(",", " ").split() if isinstance(given, str) else []
    if isinstance(given, list):
        listed = given
    names = [as_text(each, 100) for each in listed[:50]]
    return tuple(dict.fromkeys(name for name in names if name and is_token(name) and " " not in name))


# What the platforms say of a grant that is void. X calls a used refresh token an invalid request.
_VOID = {"invalid_grant", "access_denied", "invalid_token", "invalid_request", "bad_verification_code", "token_expired"}
_VOID_AT_META = {10, 100, 102, 190, 400, *range(200, 300)}


def _error_in(client: Client, answer: Response) -> PlatformError:
    """What a refusal amounts to: RFC 6749's and TikTok's say a word, Meta's a number, Instagram's both."""
    body = error_body(answer)
    error = body.get("error")
    given = error if isinstance(error, dict) else body
    number = given.get("code")
    word = error if isinstance(error, str) else None
    is_void = word in _VOID or (word is None and isinstance(number, int) and number in _VOID_AT_META)
    code = word or str(number)
    if not _CODE.fullmatch(code):
        code = f"http_{answer.status}"
    if is_void and answer.status < 500 and given.get("is_transient") is not True:
        return _refused(client, code)
    kind = ErrorKind.RATE_LIMIT if kind_of(answer.status) is ErrorKind.RATE_LIMIT else ErrorKind.UNAVAILABLE
    wait = retry_after_s(answer.headers.get("retry-after"), clock.now())
    return PlatformError(kind, code, f"{client.name} grants nothing just now ({code}).", wait)


def _refused(client: Client, code: str) -> PlatformError:
    return PlatformError(ErrorKind.AUTH, code, f"{client.name} does not accept what we were granted ({code}).")

"""The authorising side of OAuth 2.0, where somebody lets an application read their posts.

`GET` shows a page with a choice of handles; the choice comes back as GET or POST, and `?handle=NAME&decision=allow` in
the address makes it at once. What follows is a redirect with `code` and `state`, or with `error=access_denied`. A code
works once and for ten minutes, with the client, the redirect URI and the PKCE verifier that it was asked for with.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hmac import compare_digest
from urllib.parse import urlencode, urlsplit

from platforms.sandbox import tokens, words
from platforms.sandbox.notes import Grant
from platforms.sandbox.oauth_page import page
from platforms.sandbox.tokens import Kind, Token
from platforms.sandbox.wire import Context, Reply, Request

CODE_LIFETIME = timedelta(minutes=10)


class OAuthError(Exception):
    """Why a code or a token is not exchanged: `what` is the parameter that is wrong."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


@dataclass(frozen=True, slots=True)
class Provider:
    """A platform's way of asking. TikTok calls the client id a key; only X insists on PKCE.

    Some tell in the redirect what was allowed, as `scope_parameter`.
    """

    platform: str
    client_parameter: str = "client_id"
    scope_parameter: str = ""
    needs_pkce: bool = False


def authorize(provider: Provider) -> Callable[[Request, Context], Reply]:
    def answer(request: Request, context: Context) -> Reply:
        params = {**request.query, **(request.form if request.method == "POST" else {})}
        complaint = _complaint(params, provider)
        if complaint:
            return page(provider.platform, request.path, {}, complaint=complaint, status=400)
        match params.get("decision"):
            case "deny":
                denied = {"error": "access_denied", "error_description": "The user denied the request."}
                return _redirect(params, denied)
            case "allow":
                return _allowed(provider, params, request, context)
            case _:
                return page(provider.platform, request.path, params, client=params[provider.client_parameter])

    return answer


def _allowed(provider: Provider, params: Mapping[str, str], request: Request, context: Context) -> Reply:
    handle = params.get("pick") or params.get("handle", "")
    author = context.world.author_of_handle(provider.platform, handle)
    client = params[provider.client_parameter]
    if author is None:
        complaint = f"Nobody goes by “{handle}” here. Choose one of the accounts in the list."
        return page(provider.platform, request.path, params, client=client, complaint=complaint, status=400)
    number = context.notes.next_number()
    code = hashlib.blake2b(f"{context.world.seed}:{number}".encode(), digest_size=24).hexdigest()
    grant = Grant(
        platform=provider.platform,
        author=author,
        client_id=client,
        redirect_uri=params["redirect_uri"],
        scope=params.get("scope", ""),
        challenge=params.get("code_challenge", ""),
        challenge_method=params.get("code_challenge_method", "plain"),
        offline=params.get("access_type") == "offline",
        ends_at=context.now + CODE_LIFETIME,
    )
    context.notes.keep(code, grant)
    allowed = {provider.scope_parameter: grant.scope} if provider.scope_parameter else {}
    return _redirect(params, {"code": code, **allowed})


def _complaint(params: Mapping[str, str], provider: Provider) -> str:
    """What is wrong with the request for authorisation; such a request is not sent back to the application."""
    if not params.get(provider.client_parameter):
        return f"The application did not say who it is: {provider.client_parameter} is missing."
    target = params.get("redirect_uri", "")
    if not (target.isascii() and target.isprintable() and _is_web_address(target)):
        return "The application did not say where to go from here: redirect_uri must be an http or https address."
    if params.get("response_type", "code") != "code":
        return "response_type must be “code”."
    if params.get("code_challenge_method", "S256") not in ("S256", "plain"):
        return "code_challenge_method must be S256."
    if provider.needs_pkce:
        if not (params.get("code_challenge") and params.get("code_challenge_method") == "S256"):
            return "code_challenge with code_challenge_method S256 is required."
        if not params.get("state"):
            return "state is required."
    return ""


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def _redirect(params: Mapping[str, str], answer: Mapping[str, str]) -> Reply:
    target = params["redirect_uri"].partition("#")[0]
    state = {"state": params["state"]} if "state" in params else {}
    query = urlencode({**{name: value for name, value in answer.items() if value}, **state})
    return Reply(302, b"", {"location": f"{target}{'&' if '?' in target else '?'}{query}"})


# --- What the token endpoints share


def redeemed(context: Context, platform: str, client_id: str, params: Mapping[str, str]) -> Grant:
    """The grant behind a code, which is used up even if something else is wrong. Raises OAuthError."""
    grant = context.notes.redeem(params.get("code", ""))
    if grant is None or grant.platform != platform or context.now >= grant.ends_at:
        raise OAuthError("code")
    if grant.client_id != client_id:
        raise OAuthError("client_id")
    if grant.redirect_uri != params.get("redirect_uri", ""):
        raise OAuthError("redirect_uri")
    if grant.challenge and not _proves(params.get("code_verifier", ""), grant):
        raise OAuthError("code_verifier")
    return grant


def _proves(verifier: str, grant: Grant) -> bool:
    if not verifier:
        return False
    digest = hashlib.sha256(verifier.encode()).digest()
    hashed = urlsafe_b64encode(digest).decode().rstrip("=")
    accepted = [verifier if grant.challenge_method == "plain" else hashed]
    if grant.platform == "tiktok":
        # TikTok's own documentation spells the hash in hexadecimal digits.
        accepted.append(digest.hex())
    return any(compare_digest(each.encode(), grant.challenge.rstrip("=").encode()) for each in accepted)


def issued(context: Context, platform: str, author: int, lifetime_s: int, kind: Kind = Kind.ACCESS) -> Token:
    """A new token; a lifetime of 0 never ends."""
    expiry = int(context.now.timestamp()) + lifetime_s if lifetime_s else 0
    return Token(platform, author, context.notes.next_number(), expiry, kind)


def refreshing(context: Context, platform: str, text: str) -> Token:
    """The refresh token that a text is. Raises OAuthError."""
    token = tokens.parse(text)
    if token is None or token.platform != platform or token.kind is not Kind.REFRESH or token.author >= words.AUTHORS:
        raise OAuthError("refresh_token")
    if token.has_expired(context.now) or context.notes.is_revoked(token):
        raise OAuthError("refresh_token")
    return token


def used_up(context: Context, platform: str, text: str) -> Token:
    """As `refreshing`, for a token that works once."""
    token = refreshing(context, platform, text)
    if not context.notes.use_up(token):
        raise OAuthError("refresh_token")
    return token

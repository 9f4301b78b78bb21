"""The token endpoints of TikTok, X and Google.

Lifetimes and habits are theirs: TikTok gives a new refresh token with every renewal and answers errors in another shape
than its API; X's refresh token works once and comes with the scope `offline.access` alone; Google's comes with
`access_type=offline` and stays the same.
"""

from collections.abc import Callable, Mapping

from platforms.sandbox import tokens
from platforms.sandbox.oauth import OAuthError, Provider, authorize, issued, redeemed, refreshing, used_up
from platforms.sandbox.tokens import Kind
from platforms.sandbox.wire import Context, Endpoint, FaultKind, Reply, Request, Route, json_reply

TIKTOK_ACCESS_S, TIKTOK_REFRESH_S = 86_400, 31_536_000
TIKTOK_SCOPE = "user.info.basic,user.info.profile,user.info.stats,video.list"
X_ACCESS_S, X_REFRESH_S = 7_200, 15_552_000
X_SCOPE = "tweet.read users.read offline.access"
GOOGLE_ACCESS_S = 3_600
GOOGLE_SCOPE = "https://www.googleapis.com/auth/youtube.readonly"
NO_STORE = {"cache-control": "no-store"}
Exchange = Callable[[Request, Context, Mapping[str, str]], Reply]


def _error(status: int, error: str, description: str, **more: str) -> Reply:
    return json_reply(status, {"error": error, "error_description": description, **more}, NO_STORE)


# --- TikTok


def tiktok_token(request: Request, context: Context) -> Reply:
    form = request.form
    if not (form.get("client_key") and form.get("client_secret")):
        return _tiktok_error(401, "invalid_client", "Client key or secret is incorrect.")
    try:
        match form.get("grant_type"):
            case "authorization_code":
                grant = redeemed(context, "tiktok", form["client_key"], form)
                author, scope = grant.author, grant.scope
            case "refresh_token":
                author, scope = used_up(context, "tiktok", form.get("refresh_token", "")).author, ""
            case _:
                return _tiktok_error(400, "unsupported_grant_type", "The grant type is not supported.")
    except OAuthError as error:
        return _tiktok_error(400, "invalid_grant", f"The {error.what} is invalid or expired.")
    answer = {
        "access_token": issued(context, "tiktok", author, TIKTOK_ACCESS_S).text,
        "expires_in": TIKTOK_ACCESS_S,
        "open_id": context.world.author_id("tiktok", author),
        "refresh_expires_in": TIKTOK_REFRESH_S,
        "refresh_token": issued(context, "tiktok", author, TIKTOK_REFRESH_S, Kind.REFRESH).text,
        "scope": scope or TIKTOK_SCOPE,
        "token_type": "Bearer",
    }
    return json_reply(200, answer, NO_STORE)


def tiktok_revoke(request: Request, context: Context) -> Reply:
    token = tokens.parse(request.form.get("token", ""))
    if token is None or token.platform != "tiktok":
        return _tiktok_error(400, "invalid_request", "The token is invalid.")
    context.notes.revoke_all("tiktok", token.author)
    return json_reply(200, {})


def _tiktok_error(status: int, error: str, description: str) -> Reply:
    return _error(status, error, description, log_id="202611220000000000000000000000000")


def tiktok_refuse(kind: FaultKind, context: Context, retry_after_s: int) -> Reply:
    return _tiktok_error(401, "invalid_client", "Client key or secret is incorrect.")


# --- X


def x_token(request: Request, context: Context) -> Reply:
    """A confidential client comes with Basic, a public one with its id in the form."""
    form = request.form
    client_id = request.application()[0] or form.get("client_id", "")
    if not client_id:
        return x_refuse(FaultKind.AUTH, context, 0)
    try:
        match form.get("grant_type"):
            case "authorization_code":
                grant = redeemed(context, "x", client_id, form)
                author, scope = grant.author, grant.scope
            case "refresh_token":
                author, scope = used_up(context, "x", form.get("refresh_token", "")).author, X_SCOPE
            case _:
                return _error(400, "unsupported_grant_type", "The grant type is not supported.")
    except OAuthError as error:
        words = {"code": "authorization code", "refresh_token": "token"}
        description = f"Value passed for the {words.get(error.what, error.what)} was invalid."
        return _error(400, "invalid_request", description)
    answer: dict[str, object] = {
        "token_type": "bearer",
        "expires_in": X_ACCESS_S,
        "access_token": issued(context, "x", author, X_ACCESS_S).text,
        "scope": scope,
    }
    if "offline.access" in scope.split():
        answer["refresh_token"] = issued(context, "x", author, X_REFRESH_S, Kind.REFRESH).text
    return json_reply(200, answer, NO_STORE)


def x_revoke(request: Request, context: Context) -> Reply:
    token = tokens.parse(request.form.get("token", ""))
    if token is None or token.platform != "x":
        return _error(400, "invalid_request", "Value passed for the token was invalid.")
    context.notes.revoke(token)
    return json_reply(200, {"revoked": True})


def x_refuse(kind: FaultKind, context: Context, retry_after_s: int) -> Reply:
    return _error(401, "unauthorized_client", "Missing valid authorization header")


# --- Google


def google_token(request: Request, context: Context) -> Reply:
    form = request.form
    if not (form.get("client_id") and form.get("client_secret")):
        return google_refuse(FaultKind.AUTH, context, 0)
    answer: dict[str, object] = {"expires_in": GOOGLE_ACCESS_S - 1, "token_type": "Bearer", "scope": GOOGLE_SCOPE}
    try:
        match form.get("grant_type"):
            case "authorization_code":
                grant = redeemed(context, "youtube", form["client_id"], form)
                author = grant.author
                answer["scope"] = grant.scope or GOOGLE_SCOPE
                if grant.offline:
                    answer["refresh_token"] = issued(context, "youtube", author, 0, Kind.REFRESH).text
            case "refresh_token":
                author = refreshing(context, "youtube", form.get("refresh_token", "")).author
            case _:
                return _error(400, "unsupported_grant_type", "Invalid grant_type: " + form.get("grant_type", ""))
    except OAuthError as error:
        return _google_error(error)
    return json_reply(
        200, {"access_token": issued(context, "youtube", author, GOOGLE_ACCESS_S).text, **answer}, NO_STORE
    )


def _google_error(error: OAuthError) -> Reply:
    match error.what:
        case "redirect_uri":
            return _error(400, "redirect_uri_mismatch", "Bad Request")
        case "client_id":
            return _error(401, "unauthorized_client", "Unauthorized")
        case "code_verifier":
            return _error(400, "invalid_grant", "Invalid code verifier.")
        case "refresh_token":
            return _error(400, "invalid_grant", "Token has been expired or revoked.")
        case _:
            return _error(400, "invalid_grant", "Malformed auth code.")


def google_revoke(request: Request, context: Context) -> Reply:
    """Either token ends both."""
    token = tokens.parse(request.form.get("token") or request.query.get("token", ""))
    if token is None or token.platform != "youtube" or context.notes.is_revoked(token):
        return _error(400, "invalid_token", "Token expired or revoked")
    context.notes.revoke_all("youtube", token.author)
    return json_reply(200, {})


def google_refuse(kind: FaultKind, context: Context, retry_after_s: int) -> Reply:
    return _error(401, "invalid_client", "The OAuth client was not found.")


def pages(path: str, provider: Provider) -> tuple[Route, Route]:
    """The authorising page, which people reach by link and by its own form. No fault reaches it."""
    endpoint = Endpoint(provider.platform, authorize(provider))
    return Route("GET", path, endpoint), Route("POST", path, endpoint)


TIKTOK_ROUTES = (
    *pages("/v2/auth/authorize/", Provider("tiktok", client_parameter="client_key", scope_parameter="scopes")),
    Route("POST", "/v2/oauth/token/", Endpoint("tiktok", tiktok_token, tiktok_refuse)),
    Route("POST", "/v2/oauth/revoke/", Endpoint("tiktok", tiktok_revoke, tiktok_refuse)),
)
X_ROUTES = (
    *pages("/i/oauth2/authorize", Provider("x", needs_pkce=True)),
    Route("POST", "/2/oauth2/token", Endpoint("x", x_token, x_refuse)),
    Route("POST", "/2/oauth2/revoke", Endpoint("x", x_revoke, x_refuse)),
)
GOOGLE_ROUTES = (
    *pages("/o/oauth2/v2/auth", Provider("youtube", scope_parameter="scope")),
    Route("POST", "/token", Endpoint("youtube", google_token, google_refuse)),
    Route("POST", "/revoke", Endpoint("youtube", google_revoke, google_refuse)),
)

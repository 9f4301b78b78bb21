"""The token endpoints of Meta's two: a short-lived token for a code, a long-lived one for that.

Facebook speaks in the Graph API's errors; Instagram's code endpoint has a shape of its own. An Instagram token can be
renewed once it is a day old and until it ends; there are no refresh tokens.
"""

from collections.abc import Mapping
from datetime import timedelta

from platforms.sandbox.graph import GraphError
from platforms.sandbox.oauth import OAuthError, Provider, authorize, issued, redeemed
from platforms.sandbox.tokens import Kind, Token
from platforms.sandbox.wire import Context, Endpoint, FaultKind, Reply, Request, TokenRefusedError, json_reply
from platforms.sandbox.wire_graph import route

SHORT_S, LONG_S = 7_200, 5_184_000
RENEWABLE_AFTER = timedelta(hours=24)
SCOPES = ["instagram_business_basic", "instagram_business_manage_insights"]


def facebook_token(request: Request, context: Context) -> Reply:
    params = {**request.query, **(request.form if request.method == "POST" else {})}
    try:
        return json_reply(200, _facebook_grant(params, context))
    except GraphError as error:
        return json_reply(error.status, error.body)


def _facebook_grant(params: Mapping[str, str], context: Context) -> dict[str, object]:
    if not (params.get("client_id") and params.get("client_secret")):
        raise GraphError(101, "Missing client_id or client_secret parameter.")
    if params.get("grant_type") == "fb_exchange_token":
        token = _own(params.get("fb_exchange_token", ""), "facebook", context)
        return _bearer(issued(context, "facebook", token.author, LONG_S), LONG_S)
    try:
        grant = redeemed(context, "facebook", params["client_id"], params)
    except OAuthError as error:
        raise _facebook_error(error) from error
    return _bearer(issued(context, "facebook", grant.author, SHORT_S, Kind.SHORT), SHORT_S)


def _facebook_error(error: OAuthError) -> GraphError:
    match error.what:
        case "redirect_uri":
            message = (
                "Error validating verification code. Please make sure your redirect_uri is identical to the one you "
                "used in the OAuth dialog request"
            )
            return GraphError(100, message, error_subcode=36008)
        case "client_id":
            return GraphError(101, "Error validating application. Cannot get application info due to a system error.")
        case "code_verifier":
            return GraphError(100, "Invalid code_verifier parameter")
        case _:
            return GraphError(100, "This authorization code has been used.", error_subcode=36009)


def instagram_token(request: Request, context: Context) -> Reply:
    form = request.form
    if not (form.get("client_id") and form.get("client_secret")):
        return _instagram_error("Missing required field client_id or client_secret")
    if form.get("grant_type") != "authorization_code":
        return _instagram_error("Invalid grant_type: " + form.get("grant_type", ""))
    try:
        grant = redeemed(context, "instagram", form["client_id"], form)
    except OAuthError as error:
        messages = {
            "redirect_uri": "Error validating verification code. Please make sure your redirect_uri is identical to "
            "the one you used in the OAuth dialog request",
            "client_id": "Invalid platform app",
            "code_verifier": "Invalid code_verifier parameter",
        }
        return _instagram_error(messages.get(error.what, "Matching code was not found or was already used"))
    answer = {
        "access_token": issued(context, "instagram", grant.author, SHORT_S, Kind.SHORT).text,
        "user_id": context.world.author_id("instagram", grant.author),
        "permissions": grant.scope.replace(",", " ").split() or SCOPES,
    }
    return json_reply(200, answer)


def instagram_exchange(request: Request, context: Context) -> Reply:
    """A long-lived token for a short-lived one."""
    query = request.query
    try:
        if query.get("grant_type") != "ig_exchange_token" or not query.get("client_secret"):
            raise GraphError(100, "Unsupported request: grant_type ig_exchange_token and client_secret are needed.")
        token = _own(query.get("access_token", ""), "instagram", context)
        if token.kind is not Kind.SHORT:
            raise GraphError(452, "Session key invalid. This could be because the session key is long-lived already.")
        return json_reply(200, _bearer(issued(context, "instagram", token.author, LONG_S), LONG_S))
    except GraphError as error:
        return json_reply(error.status, error.body)


def instagram_refresh(request: Request, context: Context) -> Reply:
    query = request.query
    try:
        if query.get("grant_type") != "ig_refresh_token":
            raise GraphError(100, "Unsupported request: grant_type ig_refresh_token is needed.")
        token = _own(query.get("access_token", ""), "instagram", context)
        age_s = context.now.timestamp() - (token.expiry - LONG_S)
        if token.kind is Kind.SHORT or (token.expiry and age_s < RENEWABLE_AFTER.total_seconds()):
            raise GraphError(100, "The access token cannot be refreshed: it must be long-lived and 24 hours old.")
        return json_reply(200, _bearer(issued(context, "instagram", token.author, LONG_S), LONG_S))
    except GraphError as error:
        return json_reply(error.status, error.body)


def withdraw(request: Request, context: Context) -> Reply:
    """Somebody takes back everything that they allowed."""
    try:
        token = _own(request.query.get("access_token") or request.credential("Bearer"), "facebook", context)
    except GraphError as error:
        return json_reply(error.status, error.body)
    context.notes.revoke_all("facebook", token.author)
    return json_reply(200, {"success": True})


def facebook_refuse(kind: FaultKind, context: Context, retry_after_s: int) -> Reply:
    error = GraphError(101, "Error validating application. Application has been deleted.")
    return json_reply(error.status, error.body)


def instagram_refuse(kind: FaultKind, context: Context, retry_after_s: int) -> Reply:
    return _instagram_error("Invalid platform app")


def _own(text: str, platform: str, context: Context) -> Token:
    try:
        token = context.token(text, platform)
    except TokenRefusedError as refused:
        subcode = 463 if refused.expired else 458
        raise GraphError(190, "Error validating access token", error_subcode=subcode) from refused
    if token is None:
        raise GraphError(190, "Invalid OAuth access token - Cannot parse access token")
    return token


def _bearer(token: Token, lifetime_s: int) -> dict[str, object]:
    return {"access_token": token.text, "token_type": "bearer", "expires_in": lifetime_s}


def _instagram_error(message: str) -> Reply:
    return json_reply(400, {"error_type": "OAuthException", "code": 400, "error_message": message})


_FACEBOOK_PAGE = Endpoint("facebook", authorize(Provider("facebook")))
_INSTAGRAM_PAGE = Endpoint("instagram", authorize(Provider("instagram")))
_FACEBOOK_TOKEN = Endpoint("facebook", facebook_token, facebook_refuse)
FACEBOOK_ROUTES = (
    route("facebook", "GET", "/dialog/oauth", _FACEBOOK_PAGE),
    route("facebook", "POST", "/dialog/oauth", _FACEBOOK_PAGE),
    route("facebook", "GET", "/oauth/access_token", _FACEBOOK_TOKEN),
    route("facebook", "POST", "/oauth/access_token", _FACEBOOK_TOKEN),
    route("facebook", "DELETE", "/me/permissions", Endpoint("facebook", withdraw, facebook_refuse)),
)
INSTAGRAM_ROUTES = (
    route("instagram", "GET", "/oauth/authorize", _INSTAGRAM_PAGE),
    route("instagram", "POST", "/oauth/authorize", _INSTAGRAM_PAGE),
    route("instagram", "POST", "/oauth/access_token", Endpoint("instagram", instagram_token, instagram_refuse)),
    route("instagram", "GET", "/access_token", Endpoint("instagram", instagram_exchange, instagram_refuse)),
    route("instagram", "GET", "/refresh_access_token", Endpoint("instagram", instagram_refresh, instagram_refuse)),
)

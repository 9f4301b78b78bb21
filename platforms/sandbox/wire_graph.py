"""What Instagram and Facebook share: Meta's Graph API, its batches, its errors and its usage headers.

`POST /` with `batch` answers an array in the order asked, with status 200 whatever failed inside; each `body` is JSON
in a string. `GET /?ids=` is dead. Whatever is deleted, private or somebody else's is one and the same error.
Percentages of use start anew: a limit is reached only when a fault says so. A fault of kind `quota` is the
application's own limit, which names no time. The credential `sandbox` is an application that sees everything, by the
ids in URLs too.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from platforms.sandbox.graph import Answer, Call, GraphError, Viewer
from platforms.sandbox.wire import Context, Endpoint, FaultKind, Reply, Request, Route, TokenRefusedError, json_reply

VERSION = "v26.0"
BATCH_LIMIT = 50
# Calls until the percentages of use start anew, at 50.
USAGE_CALLS, USAGE_STEP = 1_000, 20


def route(platform: str, method: str, path: str, endpoint: Endpoint, pattern: str = "") -> Route:
    """A route under a platform's prefix, with any version or none."""
    whole = rf"/{platform}(?:/v[0-9]{{1,2}}\.[0-9])?{pattern or re.escape(path)}"
    return Route(method, f"/{platform}/{VERSION}{path}", endpoint, whole)


@dataclass(frozen=True)
class Graph:
    """One of the two platforms. `read` answers one call or raises GraphError.

    `throttled` is its own refusal for too many calls; `use_case` what it calls its limits.
    """

    platform: str
    use_case: str
    throttled: GraphError
    read: Callable[[Call], Answer]
    _version: re.Pattern[str] = field(default=re.compile(r"v[0-9]{1,2}\.[0-9]/?"))

    def single(self, request: Request, context: Context) -> Reply:
        params = {**request.query, **(request.form if request.method == "POST" else {})}
        status, body = self._answered(request.place["node"], params, self._credential(request), request, context)
        return json_reply(status, body, self._headers(context))

    def batch(self, request: Request, context: Context) -> Reply:
        credential = self._credential(request)
        try:
            wanted = _batch(request)
            if credential:
                self._viewer(credential, context)
        except GraphError as error:
            return json_reply(error.status, error.body, self._headers(context))
        answers: list[object] = [self._element(each, credential, request, context) for each in wanted]
        if context.partial:
            answers = [None if at % 2 else each for at, each in enumerate(answers)]
        return json_reply(200, answers, self._headers(context))

    def ids(self, request: Request) -> list[str]:
        if request.method == "GET":
            return self._counted(request.place["node"], request.query)
        try:
            wanted = _batch(request)
        except GraphError:
            return []
        return [node for each in wanted for node in self._counted(*self._split(each.get("relative_url")))]

    def refuse(self, kind: FaultKind, context: Context, retry_after_s: int) -> Reply:
        headers = self._headers(context)
        match kind:
            case FaultKind.RATE_LIMIT:
                error = self.throttled
                headers = self._headers(context, spent=True, wait_minutes=math.ceil(retry_after_s / 60))
            case FaultKind.QUOTA:
                error = GraphError(4, "(#4) Application request limit reached", status=403, is_transient=True)
                headers["x-app-usage"] = json.dumps({"call_count": 100, "total_time": 61, "total_cputime": 58})
            case FaultKind.AUTH:
                message = (
                    "Error validating access token: The session has been invalidated because the user changed their "
                    "password or Facebook has changed the session for security reasons."
                )
                error = GraphError(190, message, error_subcode=460)
            case _:
                error = GraphError(2, "Service temporarily unavailable", status=503, is_transient=True)
        return json_reply(error.status, error.body, headers)

    def routes(self) -> tuple[Route, ...]:
        return (
            route(self.platform, "POST", "/", Endpoint(self.platform, self.batch, self.refuse, self.ids), "/?"),
            route(
                self.platform,
                "GET",
                "/{node}",
                Endpoint(self.platform, self.single, self.refuse, self.ids),
                "(?:/(?P<node>.*))?",
            ),
        )

    def _element(self, each: Mapping[str, object], credential: str, request: Request, context: Context) -> Answer:
        relative_url, method = each.get("relative_url"), each.get("method", "GET")
        if method != "GET" or not isinstance(relative_url, str):
            error = GraphError(100, f"Unsupported {str(method).lower()} request.", type="GraphMethodException")
            status, body = error.status, error.body
        else:
            node, params = self._split(relative_url)
            status, body = self._answered(node, params, params.get("access_token", credential), request, context)
        headers = [{"name": "Content-Type", "value": "text/javascript; charset=UTF-8"}]
        shown = {} if _parameter(request, "include_headers") == "false" else {"headers": headers}
        return {"code": status, **shown, "body": json.dumps(body)}

    def _answered(
        self, node: str, params: Mapping[str, str], credential: str, request: Request, context: Context
    ) -> tuple[int, Answer]:
        try:
            if not node.strip("/"):
                raise _no_node(request, params)
            viewer = self._viewer(credential, context)
            asked = {name: value for name, value in params.items() if name != "access_token"}
            base = f"http://{request.headers.get('host', '')}/{self.platform}/{VERSION}"
            return 200, self.read(Call(tuple(node.strip("/").split("/")), asked, viewer, context, base))
        except GraphError as error:
            return error.status, error.body

    def _viewer(self, credential: str, context: Context) -> Viewer:
        if not credential:
            raise GraphError(104, "An access token is required to request this resource.")
        try:
            return Viewer(credential, context.token(credential, self.platform))
        except TokenRefusedError as refused:
            if refused.expired:
                message = "Error validating access token: Session has expired."
                raise GraphError(190, message, error_subcode=463) from refused
            message = "Error validating access token: The user has not authorized the application."
            raise GraphError(190, message, error_subcode=458) from refused

    def _credential(self, request: Request) -> str:
        return _parameter(request, "access_token") or request.credential("Bearer")

    def _split(self, relative_url: object) -> tuple[str, dict[str, str]]:
        path, _, query = (relative_url if isinstance(relative_url, str) else "").lstrip("/").partition("?")
        params = {name: ",".join(values) for name, values in parse_qs(query, keep_blank_values=True).items()}
        return self._version.sub("", path, count=1) if self._version.match(path) else path, params

    def _counted(self, node: str, params: Mapping[str, str]) -> list[str]:
        """The post that a call asks for by its id; none if it is about an account or a list."""
        first, _, edge = node.strip("/").partition("/")
        about_one = edge in ("", "insights", "video_insights") and "business_discovery" not in params.get("fields", "")
        return [first] if first and first != "me" and about_one else []

    def _headers(self, context: Context, *, spent: bool = False, wait_minutes: int = 0) -> dict[str, str]:
        """Both kinds of usage, in percent; the time to wait is in minutes."""
        percent = 100 if spent else context.data_calls % USAGE_CALLS // USAGE_STEP
        use = {
            "type": self.use_case,
            "call_count": percent,
            "total_cputime": percent // 4,
            "total_time": percent // 3,
            "estimated_time_to_regain_access": wait_minutes,
        }
        app = {"call_count": percent // 2, "total_time": percent // 3, "total_cputime": percent // 4}
        return {
            "facebook-api-version": VERSION,
            "x-app-usage": json.dumps(app, separators=(",", ":")),
            "x-business-use-case-usage": json.dumps({"178414000001": [use]}, separators=(",", ":")),
        }


def _parameter(request: Request, name: str) -> str:
    return request.query.get(name) or (request.form.get(name, "") if request.method == "POST" else "")


def _batch(request: Request) -> list[Mapping[str, object]]:
    try:
        wanted = json.loads(_parameter(request, "batch"))
    except ValueError:
        wanted = None
    if not isinstance(wanted, list) or not all(isinstance(each, dict) for each in wanted):
        raise GraphError(100, "(#100) batch must be a JSON array of requests")
    if len(wanted) > BATCH_LIMIT:
        message = f"Too many requests in batch message. Maximum batch size is {BATCH_LIMIT}"
        raise GraphError(100, message, type="GraphBatchException")
    return wanted


def _no_node(request: Request, params: Mapping[str, str]) -> GraphError:
    if "ids" in params:
        # A caller's mistake that wears the status of a breakdown: no retry helps.
        return GraphError(100, f"(#100) The ids query parameter is deprecated in {VERSION}+", status=500)
    return GraphError(100, f"Unsupported {request.method.lower()} request.", type="GraphMethodException")

"""Meta's Graph API, as far as Instagram and Facebook share it: many questions in one call, and what its codes mean.

A batch is answered with 200 whatever happened inside: each of its elements is an answer of its own, whose body is JSON
in a string, or null where Meta ran out of time. `type` says "OAuthException" of nearly everything, so the numbers
decide: `_kind_of_code` says what they mean.
"""

import json
import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

from platforms.adapters.base import Adapter, Line, api_root, as_object, as_objects, error_body, read_count
from platforms.adapters.graph_usage import USAGE_HEADERS, Usage
from platforms.errors import ErrorKind, PlatformError
from platforms.metrics import Availability, PostReading
from platforms.transport import Response

HOSTS_WITHOUT_BATCH = ("graph.instagram.com",)  # nobody has confirmed a batch there
MAX_PAGES = 20

_CURSOR = re.compile(r"[A-Za-z0-9_=.-]{1,1000}")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why Meta did not answer one question. `missing`: there is no such object, or none that we may know of;
    `no_figures`: there are none for this object, which is nobody's fault."""

    error: PlatformError
    missing: bool = False
    no_figures: bool = False

    @property
    def may_lie_in_the_fields(self) -> bool:
        """Whether less might be answered: one field or metric that is not permitted or known refuses all of them."""
        return not self.missing and self.error.kind in (ErrorKind.PERMISSION, ErrorKind.INVALID)


Told = Mapping[str, Any] | Trouble


class GraphAdapter(Adapter):
    """What a post is asked for is said by `fields_of`, richest first: poorer ones are for posts that refuse those."""

    batch_size = 50
    counts_each_post = True
    resolves_ids = True
    insights: ClassVar[str]
    """The metrics that only a post's insights tell."""
    insights_may_hide_posts: ClassVar[bool] = False
    """A post without insights is said not to exist where they are asked for within its fields."""

    @abstractmethod
    def fields_of(self, post_id: str) -> Sequence[str]: ...

    @abstractmethod
    def has_insights(self, post_id: str) -> bool: ...

    @abstractmethod
    def reading(self, post_id: str, node: Mapping[str, Any], figures: Mapping[str, object]) -> PostReading: ...

    def ask(self, line: Line, ids: Sequence[str]) -> Iterable[PostReading]:
        """Each post in one question, insights within its fields; those that refuse that are asked in parts."""
        nodes = self._tell(line, {each: self._whole(each) for each in ids}, is_first=True)
        insights = {each: self._insights_within(each, node) for each, node in nodes.items()}
        self._ask_in_parts(line, nodes, insights)
        refused = self._ask_for_less(line, nodes)
        for post_id in ids:
            try:
                reading = self._reading(line, post_id, nodes[post_id], insights[post_id], refused.get(post_id))
            except PlatformError as error:
                line.unanswered[post_id] = error
            else:
                yield reading

    # --- The steps of asking

    def _whole(self, post_id: str) -> str:
        within = f",insights.metric({self.insights}){{name,period,values,total_value}}"
        return f"{post_id}?fields={self.fields_of(post_id)[0]}{within if self.has_insights(post_id) else ''}"

    def _insights_within(self, post_id: str, node: Told) -> Told | None:
        """The insights in a post's own answer; None where it has to be asked for them."""
        if not self.has_insights(post_id):
            return {"data": []}
        if isinstance(node, Trouble):
            may_be_there = node.missing and self.insights_may_hide_posts
            return None if node.may_lie_in_the_fields or may_be_there else node
        within = node.get("insights")
        return within if isinstance(within, dict) else None

    def _ask_in_parts(self, line: Line, nodes: dict[str, Told], insights: dict[str, Told | None]) -> None:
        """For posts that refused the whole question, or ignored half of it: both halves by themselves. A post that is
        said not to exist comes first: mostly it doesn't, and has no insights to ask for."""
        parted = [each for each, told in insights.items() if told is None]
        doubtful = [each for each in parted if _is_missing(nodes[each])]
        self._ask_halves(line, nodes, insights, [each for each in parted if each not in doubtful], doubtful)
        found = [each for each in doubtful if not isinstance(nodes[each], Trouble)]
        self._ask_halves(line, nodes, insights, found, [])

    def _ask_halves(
        self,
        line: Line,
        nodes: dict[str, Told],
        insights: dict[str, Told | None],
        both: Sequence[str],
        nodes_only: Sequence[str],
    ) -> None:
        halves: dict[tuple[str, str], str] = {}
        for post_id in (*both, *nodes_only):
            if isinstance(nodes[post_id], Trouble):
                halves["node", post_id] = f"{post_id}?fields={self.fields_of(post_id)[0]}"
            if post_id in both:
                halves["insights", post_id] = f"{post_id}/insights?metric={self.insights}"
        for (half, post_id), told in self._tell(line, halves).items():
            (nodes if half == "node" else insights)[post_id] = told

    def _ask_for_less(self, line: Line, nodes: dict[str, Told]) -> dict[str, Trouble]:
        """For posts that refused their fields: the poorer ones, in turn; returns what the richest met with."""
        refused: dict[str, Trouble] = {}
        for step in range(1, max(len(self.fields_of(each)) for each in nodes)):
            questions = {}
            for post_id, told in nodes.items():
                if isinstance(told, Trouble) and told.may_lie_in_the_fields and step < len(self.fields_of(post_id)):
                    refused.setdefault(post_id, told)
                    questions[post_id] = f"{post_id}?fields={self.fields_of(post_id)[step]}"
            nodes.update(self._tell(line, questions))
        return refused

    def _reading(
        self, line: Line, post_id: str, node: Told, insights: Told | None, refused: Trouble | None
    ) -> PostReading:
        """Raises PlatformError where this post has to be asked for again."""
        if isinstance(node, Trouble):
            if node.missing:
                return PostReading(post_id, Availability.MISSING)
            if node.error.kind is ErrorKind.PERMISSION:
                return PostReading(post_id, Availability.DENIED, error=node.error.code)
            raise node.error
        withheld = refused.error if refused else None
        figures: Mapping[str, object] = {}
        if isinstance(insights, Trouble):
            if not (insights.missing or insights.may_lie_in_the_fields):
                raise insights.error
            if not insights.no_figures:
                unknown = insights.error.kind is ErrorKind.INVALID and not insights.missing
                withheld = withheld or (self.error(ErrorKind.INVALID, "invalid_metric") if unknown else insights.error)
        elif insights is not None and self.has_insights(post_id):
            figures = _figures(insights)
            node = {**node, "insights": insights}
        reading = self.reading(post_id, _without_links(node), figures)
        if withheld is None or reading.error is not None:
            return reading
        line.withheld[post_id] = withheld.kind
        return replace(reading, error=withheld.code)

    # --- Calls

    def _tell(self, line: Line, questions: Mapping[Any, str], *, is_first: bool = False) -> dict[Any, Told]:
        """Questions (paths below the root) and their answers. What Meta had no time for is for another call to ask."""
        told = dict(zip(questions, self._answers(line, list(questions.values()), is_first=is_first), strict=True))
        timeout = Trouble(self.error(ErrorKind.UNAVAILABLE, "timeout"))
        return {key: timeout if answer is None else answer for key, answer in told.items()}

    def _answers(self, line: Line, paths: Sequence[str], *, is_first: bool = False) -> list[Told | None]:
        """Where a later call fails as a whole, what the first one told still stands, and the rest is asked again."""
        ask = self._one_by_one if urlsplit(self._base_url(line)).hostname in HOSTS_WITHOUT_BATCH else self._batch
        answers: list[Told | None] = []
        for start in range(0, len(paths), self.batch_size):
            part = paths[start : start + self.batch_size]
            try:
                answers += ask(line, part)
            except PlatformError as error:
                if is_first:
                    raise
                line.rest(error.retry_after_s)
                answers += [Trouble(error)] * len(part)
        return answers

    def _batch(self, line: Line, paths: Sequence[str]) -> list[Told | None]:
        answer = line.call(
            "POST",
            self._url(line, ""),
            cost=len(paths),
            ids=len(paths),
            form={
                "batch": json.dumps([{"method": "GET", "relative_url": path} for path in paths]),
                "include_headers": "false",
                "access_token": self._token(line),
            },
        )
        body = answer.json() if answer.ok else None
        if not answer.ok or (isinstance(body, dict) and "error" in body):
            raise self._trouble(answer).error
        line.rest(Usage(answer.headers).rest_s)
        if not isinstance(body, list) or len(body) != len(paths):
            raise self.error(ErrorKind.MALFORMED, "unexpected_shape")
        # Whose element is throttled learns from the call's own headers how long to wait.
        usage = {name: value for name, value in answer.headers.items() if name in USAGE_HEADERS}
        return [None if each is None else self._told_in(line, each, usage) for each in body]

    def _told_in(self, line: Line, element: object, headers: Mapping[str, str]) -> Told:
        try:
            return self._told(line, _element(element, headers))
        except PlatformError as error:
            return Trouble(error)

    def _one_by_one(self, line: Line, paths: Sequence[str]) -> list[Told | None]:
        """Once the token is refused or calls are throttled, the rest would fare no better."""
        answers: list[Told | None] = []
        for path in paths:
            try:
                told = self._told(line, self._call(line, path))
            except PlatformError as error:
                told = Trouble(error)
            answers.append(told)
            if isinstance(told, Trouble) and told.error.kind in (ErrorKind.AUTH, ErrorKind.RATE_LIMIT):
                return answers + [told] * (len(paths) - len(answers))
        return answers

    def get(self, line: Line, path: str, **params: str) -> Mapping[str, Any]:
        """One object by a call of its own. Raises PlatformError: `not_found` where there is none."""
        told = self._told(line, self._call(line, path, params))
        if not isinstance(told, Trouble):
            return told
        raise self.error(ErrorKind.NOT_FOUND, told.error.code) if told.missing else told.error

    def pages(self, line: Line, path: str, **params: str) -> Iterator[Mapping[str, Any]]:
        """A list's objects, page after page. Meta's own link to the next page holds the token, and is not followed."""
        for _ in range(MAX_PAGES):
            page = self.get(line, path, **params)
            yield from as_objects(page.get("data"))
            paging = as_object(page.get("paging") or {})
            after = cursor_after(paging)
            if not after or not paging.get("next"):
                return
            params["after"] = after

    def _call(self, line: Line, path: str, params: Mapping[str, str] | None = None) -> Response:
        headers = {"Authorization": f"Bearer {self._token(line)}"}
        return line.call("GET", self._url(line, path), ids=1, params=params or None, headers=headers)

    def _url(self, line: Line, path: str) -> str:
        return f"{api_root(self._base_url(line), self._version)}/{path}"

    def _base_url(self, line: Line) -> str:
        """The host that takes this token: Instagram's own login gives tokens for a host of their own."""
        owners: str = self.config.get("owner_base_url", "") if line.token else ""
        return owners.rstrip("/") or self.base_url

    @property
    def _version(self) -> str:
        return str(self.config.get("version", "v26.0"))

    def _token(self, line: Line) -> str:
        return line.token or self.credential("access_token")

    # --- Answers

    def _told(self, line: Line, answer: Response) -> Told:
        line.rest(Usage(answer.headers).rest_s if answer.ok else None)
        try:
            body = as_object(answer.json())
        except PlatformError as error:
            if answer.ok:
                return Trouble(error)
            body = {}
        return body if answer.ok and "error" not in body else self._trouble(answer)

    def _trouble(self, answer: Response) -> Trouble:
        error = error_body(answer).get("error")
        error = error if isinstance(error, dict) else {}
        code, subcode = read_count(error.get("code")), read_count(error.get("error_subcode"))
        message = str(error.get("message"))
        kind = None if code is None else _kind_of_code(code)
        if kind in (None, ErrorKind.INVALID) and error.get("is_transient") is True:
            kind = ErrorKind.UNAVAILABLE
        if kind is None and answer.ok:
            kind = ErrorKind.MALFORMED  # a good status around an error that nobody knows
        named_s = Usage(answer.headers).named_s if kind is ErrorKind.RATE_LIMIT else None
        refusal = self.refusal(answer, kind, None if code is None else str(code), named_s)
        if refusal.kind is ErrorKind.UNAVAILABLE:
            return Trouble(refusal)
        return Trouble(
            refusal,
            missing=code in _NO_SUCH_OBJECT
            or (code == 100 and (subcode == 33 or _NOT_THERE.search(message) is not None))
            or (code is None and answer.status == 404),
            no_figures=(code == 10 and "viewers" in message) or subcode == _BEFORE_PROFESSIONAL,
        )


_NOT_THERE = re.compile("does not exist|Unsupported get request")  # the subcode is not always sent with it
_NO_SUCH_OBJECT = (24, 110, 803)
_BEFORE_PROFESSIONAL = 2108006  # a post from before its account became a professional one has no insights


def _kind_of_code(code: int) -> ErrorKind | None:
    """What one of Meta's codes means; None for one that we don't know, of which the status must do."""
    match code:
        case 1 | 2:
            return ErrorKind.UNAVAILABLE
        case 4 | 9 | 17 | 32 | 341 | 368 | 613:
            return ErrorKind.RATE_LIMIT
        case 3 | 5 | 10:
            return ErrorKind.PERMISSION
        case 100:
            return ErrorKind.INVALID
        case 101 | 102 | 104 | 190 | 2500:
            return ErrorKind.AUTH
    if 200 <= code <= 299:
        return ErrorKind.PERMISSION
    return ErrorKind.RATE_LIMIT if 80_000 <= code <= 80_014 else None


def _is_missing(told: Told) -> bool:
    return isinstance(told, Trouble) and told.missing


def _element(element: object, outer: Mapping[str, str]) -> Response:
    """An element of a batch as the answer that it is, with those headers of the whole that concern it too."""
    given = as_object(element)
    status, body = read_count(given.get("code")), given.get("body")
    if status is None:
        raise PlatformError(ErrorKind.MALFORMED, "unexpected_shape", "An element of a batch has no status.")
    headers = dict(outer)
    for each in given.get("headers") or []:
        if isinstance(each, dict):
            headers[str(each.get("name")).lower()] = str(each.get("value"))
    text = body if isinstance(body, str) else json.dumps(body)
    return Response(status, headers, text.encode())


def _without_links(node: Mapping[str, Any]) -> dict[str, Any]:
    """A post without the links to further pages of what hangs on it: they hold the token, and a post is stored."""
    return {name: _unlinked(value) for name, value in node.items() if name != "paging"}


def _unlinked(value: object) -> object:
    if isinstance(value, list):
        return [_unlinked(each) for each in value]
    return _without_links(value) if isinstance(value, dict) else value


def cursor_after(paging: Mapping[str, Any]) -> str | None:
    """Where the next page begins; a cursor that could not stand in a URL or in an expression is none."""
    after = as_object(paging.get("cursors") or {}).get("after")
    return after if isinstance(after, str) and _CURSOR.fullmatch(after) else None


def _figures(insights: Mapping[str, Any]) -> dict[str, object]:
    """Insights by name, in both of their shapes. Of one that comes for several periods, the whole life alone counts:
    a day's or a month's figure is no total."""
    figures: dict[str, object] = {}
    for each in as_objects(insights.get("data")):
        if each.get("period") not in (None, "lifetime"):
            continue
        name, values, total = each.get("name"), each.get("values"), each.get("total_value")
        value = as_object(values[0]).get("value") if isinstance(values, list) and values else None
        if value is None and isinstance(total, dict):
            value = total.get("value")
        if isinstance(name, str) and value is not None and (name not in figures or each.get("period") == "lifetime"):
            figures[name] = value
    return figures

"""What the adapters share: one batch in, one reading for each post out, and strict eyes for what platforms send."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

from config import clock
from config.counts import MAX_COUNT
from platforms.errors import ErrorKind, PlatformError, UnansweredError, retry_after_s, wait_s
from platforms.metrics import PLATFORM_NAMES, Availability, PostReading, UnifiedMetrics
from platforms.transport import Http, Response

Spend = Callable[[int], None]
"""Called right before a call for data with what it costs; raises PlatformError where the budget has nothing left."""

MALFORMED_FIGURE = "malformed_figure"
"""The code of a reading with a count that is none."""

MAX_TEXT_CHARS = 5_000
"""How much of a post's own text is read."""

_COUNT = re.compile(r"[0-9]{1,16}")
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_VERSION = re.compile(r"v[0-9]{1,3}(\.[0-9]{1,3})?")

_KINDS = {
    401: ErrorKind.AUTH,
    402: ErrorKind.QUOTA,
    403: ErrorKind.PERMISSION,
    404: ErrorKind.NOT_FOUND,
    408: ErrorKind.UNAVAILABLE,
    429: ErrorKind.RATE_LIMIT,
}
# Where every post of a batch failed, and not all alike: what concerns the whole lane is told before what concerns one.
_FIRST_TOLD = (
    ErrorKind.AUTH,
    ErrorKind.RATE_LIMIT,
    ErrorKind.QUOTA,
    ErrorKind.UNAVAILABLE,
    ErrorKind.MALFORMED,
    ErrorKind.INVALID,
    ErrorKind.PERMISSION,
    ErrorKind.NOT_FOUND,
)
_SENTENCES = {
    ErrorKind.RATE_LIMIT: "asks for fewer calls",
    ErrorKind.QUOTA: "says that the allowance of calls is used up",
    ErrorKind.AUTH: "does not accept the credential",
    ErrorKind.PERMISSION: "does not allow this to the credential",
    ErrorKind.NOT_FOUND: "does not know what was asked for",
    ErrorKind.INVALID: "says that the call is wrong",
    ErrorKind.UNAVAILABLE: "is out of order",
    ErrorKind.MALFORMED: "sent an answer that cannot be read",
}


@dataclass(slots=True)
class Line:
    """The way to a platform for one piece of work: whose token speaks, what pays, and what was noticed meanwhile."""

    http: Http
    platform: str
    token: str | None = None
    spend: Spend | None = None
    data_calls: int = 0
    rest_s: int | None = None
    """The longest rest that the platform asked for in answers that were good otherwise."""
    unanswered: dict[str, PlatformError] = field(default_factory=dict)
    withheld: dict[str, ErrorKind] = field(default_factory=dict)
    """Of readings with an error: of what kind the platform's refusal was."""

    def call(
        self,
        method: str,
        url: str,
        *,
        cost: int = 1,
        ids: int = 0,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: object = None,
    ) -> Response:
        """A call for data: paid for, counted, made. A call for a token goes to `http` itself."""
        if self.spend:
            self.spend(cost)
        self.data_calls += 1
        return self.http.request(
            method, url, platform=self.platform, ids=ids, params=params, headers=headers, form=form, json=json
        )

    def rest(self, seconds: float | None) -> None:
        """Note that the platform wants no further call for so long."""
        asked_s = None if seconds is None else wait_s(seconds)
        if asked_s:
            self.rest_s = max(self.rest_s or 0, asked_s)


@dataclass(frozen=True, slots=True)
class PlatformAPIResponse:
    """A reading for every id that the platform said something about, and how many calls for data it took.

    `rest_s`: the answer was good, and the platform's headers say that nothing is left for so many seconds.
    `unanswered`: ids that this answer says nothing about, each with its reason; they are to be asked again.
    `withheld`: of what kind the refusal was that a reading's `error` is the code of, where it is not `permission`.
    """

    readings: dict[str, PostReading]
    data_calls: int
    rest_s: int | None = None
    unanswered: dict[str, PlatformError] = field(default_factory=dict)
    withheld: dict[str, ErrorKind] = field(default_factory=dict)

    def error_of(self, post_id: str) -> PlatformError | None:
        """What the platform said against one post; None where it said nothing."""
        reading = self.readings.get(post_id)
        if reading is None or reading.error is None:
            return self.unanswered.get(post_id)
        if reading.error == MALFORMED_FIGURE:
            return PlatformError(ErrorKind.MALFORMED, reading.error, "A figure cannot be read.")
        kind = self.withheld.get(post_id, ErrorKind.PERMISSION)
        return PlatformError(kind, reading.error, "The platform keeps this post's figures to itself, or some of them.")


@dataclass(frozen=True, slots=True)
class Profile:
    """Somebody on a platform, as its API shows them."""

    external_id: str
    handle: str | None = None
    bio: str | None = None
    followers: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A post whose API id is sought: the id in its URL, whether that names a "post" or a "video", and whose it is."""

    url_id: str
    kind: str = "post"
    handle: str | None = None


class Adapter(ABC):
    """One platform. `config` is its entry in the settings: base_url, credentials, and what else it needs.

    `id_pattern` is what the platform takes for an id: one that it would choke on is not sent, since it could make the
    call fail for its whole batch. Everywhere, `token` is a connection's own, None stands for the application's
    credential, and `spend` is the call budget.
    """

    slug: ClassVar[str]
    batch_size: ClassVar[int]
    id_pattern: ClassVar[re.Pattern[str]]
    counts_each_post: ClassVar[bool] = False
    """The platform counts a batch as so many calls as it asks for posts."""
    needs_connection: ClassVar[bool] = False
    """No credential of the application's can read posts."""
    resolves_ids: ClassVar[bool] = False
    """The id in a post's URL is not the one its API takes."""
    discovers: ClassVar[bool] = False
    """Posts of people who are not connected can be looked up by their owner's name."""
    reads_profiles: ClassVar[bool] = False
    """Anybody's profile can be read with the application's credential."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.base_url = config["base_url"].rstrip("/")
        self.name = PLATFORM_NAMES[self.slug]

    @property
    def has_credentials(self) -> bool:
        """Whether the application has credentials of its own for this platform."""
        return all(self.config["credentials"].values())

    # --- Posts

    def fetch(
        self, http: Http, ids: Sequence[str], *, token: str | None = None, spend: Spend | None = None
    ) -> PlatformAPIResponse:
        """What the platform says now about the posts `ids`, at most `batch_size` of them, in one call where it can.

        An id that the platform does not answer is a MISSING reading; one that it failed to answer is `unanswered`.
        Raises PlatformError, also when every id that was asked for went unanswered (UnansweredError, unless it is the
        credential or the rate of calls that is refused for each of them).
        """
        if len(ids) > self.batch_size:
            raise ValueError(f"{len(ids)} ids, {self.slug} takes {self.batch_size} a call")
        line = self.line(http, token, spend)
        askable = [each for each in dict.fromkeys(ids) if self.id_pattern.fullmatch(each)]
        answered = {reading.external_id: reading for reading in self.ask(line, askable)} if askable else {}
        if askable and line.unanswered.keys() >= set(askable):
            told = min(line.unanswered.values(), key=lambda error: _FIRST_TOLD.index(error.kind))
            if told.kind in (ErrorKind.AUTH, ErrorKind.RATE_LIMIT):
                raise told
            raise UnansweredError(told.kind, told.code, told.message, told.retry_after_s)
        return PlatformAPIResponse(
            {
                each: answered.get(each) or PostReading(each, Availability.MISSING)
                for each in ids
                if each not in line.unanswered
            },
            line.data_calls,
            line.rest_s,
            line.unanswered,
            line.withheld,
        )

    def api_id(self, given: str) -> str:
        """An id as the API takes it, from one of the ways in which people write it."""
        return given

    @abstractmethod
    def ask(self, line: Line, ids: Sequence[str]) -> Iterable[PostReading]:
        """The readings in the answer to one batch of well-formed, distinct ids."""

    def resolve(
        self,
        http: Http,
        wanted: Sequence[Wanted],
        *,
        token: str | None = None,
        spend: Spend | None = None,
        account_id: str | None = None,
    ) -> dict[str, str]:
        """{id in the URL: id for the API} for those that were found; `account_id` is the owner's. Raises PlatformError.

        Where `resolves_ids` is False, both are the same.
        """
        return {each.url_id: each.url_id for each in wanted}

    def discover(
        self, http: Http, handle: str, url_ids: Sequence[str], *, spend: Spend | None = None
    ) -> dict[str, PostReading]:
        """What anybody may know of the posts `url_ids` of somebody who is not connected; those not found are absent."""
        return {}

    # --- People

    def profile(
        self, http: Http, handle: str, *, token: str | None = None, spend: Spend | None = None
    ) -> Profile | None:
        """Who is called so; None where nobody is. Raises PlatformError, `invalid` where the platform tells nobody."""
        raise PlatformError(ErrorKind.INVALID, "no_profiles", f"{self.name} shows nobody's profile to an application.")

    def owner(self, http: Http, token: str, *, spend: Spend | None = None) -> Profile:
        """Whose token this is. Raises PlatformError."""
        raise PlatformError(ErrorKind.INVALID, "no_owner", f"{self.name} takes no connections.")

    # --- What subclasses are made of

    def line(self, http: Http, token: str | None, spend: Spend | None) -> Line:
        """Raises PlatformError (auth), before any call is made, where a connection is needed or its token is odd."""
        if token is None and self.needs_connection:
            raise PlatformError(
                ErrorKind.AUTH, "connection_required", f"{self.name} shows posts to their connected owners only."
            )
        if token is not None and not is_token(token):
            raise PlatformError(ErrorKind.AUTH, "credentials_malformed", f"{self.name}: the token has odd characters.")
        return Line(http, self.slug, token, spend)

    def credential(self, name: str) -> str:
        """A credential that can stand in a request. Raises PlatformError (auth) before any call is made."""
        value = self.config["credentials"].get(name)
        if not value:
            raise PlatformError(ErrorKind.AUTH, "credentials_missing", f"{self.name}: no {name} is set.")
        if not is_token(value):
            raise PlatformError(ErrorKind.AUTH, "credentials_malformed", f"{self.name}: the {name} has odd characters.")
        return str(value)

    def url(self, root: str, path: str) -> str:
        """`path` below the API's `root`, such as "youtube/v3", which the base URL may or may not hold already."""
        return f"{api_root(self.base_url, root)}/{path}"

    def refusal(
        self, answer: Response, kind: ErrorKind | None = None, code: object = None, wait_s: int | None = None
    ) -> PlatformError:
        """The error an answer amounts to: by its status alone, unless the adapter read more out of it.

        A 5xx is `unavailable` whatever its body says. Where waiting is what is asked for, Retry-After goes before
        `wait_s`, the platform's own clock.
        """
        if answer.status >= 500:
            kind = wait_s = None
        kind = kind or kind_of(answer.status)
        if kind in (ErrorKind.RATE_LIMIT, ErrorKind.UNAVAILABLE):
            asked_s = retry_after_s(answer.headers.get("retry-after"), clock.now())
            wait_s = wait_s if asked_s is None else asked_s
        if not (isinstance(code, str) and _CODE.fullmatch(code)):
            code = f"http_{answer.status}"
        return self.error(kind, code, wait_s)

    def error(self, kind: ErrorKind, code: str, wait_s: int | None = None) -> PlatformError:
        return PlatformError(kind, code, f"{self.name} {_SENTENCES[kind]} ({code}).", wait_s)


def api_root(base_url: str, root: str) -> str:
    """`root` appended to a base URL that does not end with it yet; one that ends with any version is left alone.

    A bare number is a version only where ours is that number: a path may well end with another one.
    """
    last = urlsplit(base_url).path.rpartition("/")[2]
    head, _, tail = root.partition("/")
    if last and (_VERSION.fullmatch(last) or last == (tail or head)):
        return base_url
    return f"{base_url}/{tail if tail and last == head else root}"


def is_token(value: object) -> bool:
    """Whether a value can stand in a header as it is."""
    return isinstance(value, str) and value != "" and value.isascii() and value.isprintable()


def kind_of(status: int) -> ErrorKind:
    """What a status that is no 2xx means where nothing better is known. A redirect leads away from the platform."""
    if status >= 500 or status < 400:
        return ErrorKind.UNAVAILABLE
    return _KINDS.get(status, ErrorKind.INVALID)


def error_body(answer: Response) -> Mapping[str, Any]:
    """The JSON object in an error answer; empty where there is none, as with a proxy's HTML page.

    It is read for its code and not kept, so it may hold what no other answer may: a NaN.
    """
    try:
        return as_object(answer.json(lenient=True))
    except PlatformError:
        return {}


# --- Shapes: what is not as it must be makes the whole answer malformed, so that no post is called missing by mistake.


def _unexpected_shape() -> PlatformError:
    return PlatformError(ErrorKind.MALFORMED, "unexpected_shape", "The platform's answer has an unexpected shape.")


def as_object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _unexpected_shape()
    return value


def as_objects(value: object) -> list[Mapping[str, Any]]:
    if not isinstance(value, list):
        raise _unexpected_shape()
    return [as_object(each) for each in value]


def object_in(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """What `holder` has under a name: empty where that is absent or null, which come to the same."""
    return {} if holder.get(name) is None else as_object(holder[name])


def objects_in(holder: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return [] if holder.get(name) is None else as_objects(holder[name])


def as_id(value: object) -> str:
    """An id is text: as a number it may have lost its last digits."""
    if not isinstance(value, str):
        raise _unexpected_shape()
    return value


# --- Values: one that cannot be read is None, and the rest of the reading stands.


def read_metrics(**given: object) -> tuple[UnifiedMetrics, str | None]:
    """Figures as the platform sent them (None: not sent) → the metrics, and the error code if one was unreadable."""
    read = {name: read_count(value) for name, value in given.items()}
    malformed = any(value is not None and read[name] is None for name, value in given.items())
    return UnifiedMetrics(**read), MALFORMED_FIGURE if malformed else None


def read_count(value: object) -> int | None:
    """A whole number from 0 to 2^53 - 1, as a JSON number (12.0 and 1e3 too) or as its digits; all else is no count."""
    if (isinstance(value, str) and _COUNT.fullmatch(value)) or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT:
        return value
    return None


def as_text(value: object, max_chars: int = 300) -> str | None:
    """Text on one line, without invisible characters (bidi controls among them), cut to `max_chars`."""
    if not isinstance(value, str):
        return None
    words = " ".join(value[: 4 * max_chars].split())
    return "".join(each for each in words if each.isprintable())[:max_chars] or None


def as_flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def as_link(value: object, site: str) -> str | None:
    """An https address; some platforms send it from the site's root only."""
    link = as_text(value, 500)
    if link and link.startswith("/") and not link.startswith("//"):
        link = site + link
    return link if link and link.startswith("https://") else None


def as_moment(value: object) -> datetime | None:
    """An RFC 3339 time or seconds since 1970, in UTC; None for what is neither, or lies outside 2000 to 2100."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
        elif isinstance(value, int | float):
            moment = datetime.fromtimestamp(value, UTC)
        else:
            return None
        if moment.tzinfo is None:
            return None
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if 2000 <= moment.year < 2100 else None

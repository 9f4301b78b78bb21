"""Asking a platform about a batch of posts: by the ids that its API takes, as the lane whose credential it is.

A batch of several calls is paid for in one go. Its first call leaves alone, since it tells whether the platform is
there; then several are under way at once. What ends them (the platform is away, throttles us, refuses the credential)
leaves the rest unasked; a call that failed for itself leaves its own posts unanswered.

The ids of links are the API's own on most platforms. Where they are not, the API's are looked up among the posts of the
account that the lane belongs to, once, and kept on the post.
"""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from threading import Event

import structlog
from django.db import connection as database
from django.db.models import F

from campaigns.models import Post
from config import clock
from config.cluster import is_stopping
from platforms.adapters import NOT_CONNECTED, NOT_LISTED, adapter_of
from platforms.adapters.base import Adapter, PlatformAPIResponse, Wanted
from platforms.errors import ErrorKind, PlatformError, UnansweredError
from platforms.links import PostLink, identify
from platforms.metrics import Availability, PostReading
from platforms.models import Account, Connection
from platforms.services.connections import token_of
from platforms.services.lanes import Calls, NotNowError, hold_connection
from platforms.transport import shared_http
from reconciliation.models import Job
from reconciliation.services.jobs import AskedPost, Batch, LeasedJob
from reconciliation.services.settling import Answer

IDENTIFIED_AT_ONCE = 2_000
"""Posts of a lane whose ids are looked for in one reading of the owner's list."""

CALLS_AT_ONCE = 8
"""Calls of one batch that are under way together: fewer than the connections that are kept."""
CALLS_BEGIN_WITHIN_S = 6.0
"""With a call's own time and the settling it stays below the time-out of the queue's tasks and below the lease."""
DISCOVERY_S = 8.0
"""Looking posts up by their owners takes a call for each; what is not reached in this time waits for the next batch."""

Unanswered = list[tuple[PlatformError, list[LeasedJob]]]


@dataclass(slots=True)
class _Caller:
    """A lane with all that its calls need."""

    lane: Connection
    adapter: Adapter
    token: str | None
    calls: Calls
    request_ids: Mapping[str, set[str]] = field(default_factory=dict)
    """Who asked for the posts, by the API's ids: for the log."""
    _is_over: Event = field(default_factory=Event)
    _begins_until: float = field(default_factory=lambda: time.monotonic() + CALLS_BEGIN_WITHIN_S)

    @property
    def sees_owners_posts_only(self) -> bool:
        """Whether what it is not shown may well be there, shown to its owner."""
        return self.token is None and self.adapter.resolves_ids

    def fetch(self, ids: Sequence[str]) -> tuple[dict[str, PostReading], dict[str, PlatformError]]:
        """What the platform says of these, by the API's own ids, and what it left open. What made an end of it all is
        the `failure` of the calls."""
        size = self.adapter.batch_size
        parts = [ids[start : start + size] for start in range(0, len(ids), size)]
        if not parts:
            return {}, {}
        readings: dict[str, PostReading] = {}
        unanswered: dict[str, PlatformError] = {}
        for part, outcome in zip(parts, self._outcomes(parts), strict=True):
            if isinstance(outcome, PlatformError):
                unanswered |= dict.fromkeys(part, outcome)
                continue
            readings |= outcome.readings
            unanswered |= outcome.unanswered
            if outcome.rest_s:
                hold_connection(connection_id=self.lane.pk, wait_s=outcome.rest_s)
        return readings, unanswered

    def _outcomes(self, parts: Sequence[Sequence[str]]) -> list[PlatformAPIResponse | PlatformError]:
        try:
            paid = self.calls.pay_ahead([len(part) if self.adapter.counts_each_post else 1 for part in parts])
        except NotNowError as error:
            self._end(error)
            return [error] * len(parts)
        outcomes = [self._call(parts[0])]  # however long it took to get here
        if len(parts) > 1:
            with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
                begun = [pool.submit(copy_context().run, self._call_aside, part) for part in parts[1:paid]]
                outcomes += [each.result() for each in begun]
        return outcomes + [_not_reached()] * (len(parts) - len(outcomes))

    def _call_aside(self, ids: Sequence[str]) -> PlatformAPIResponse | PlatformError:
        try:
            has_time = time.monotonic() < self._begins_until and not is_stopping()
            return self._call(ids) if has_time else _not_reached()
        finally:
            database.close()  # this thread's own, should it have paid for a call more than was foreseen

    def _call(self, ids: Sequence[str]) -> PlatformAPIResponse | PlatformError:
        if self._is_over.is_set():
            return _not_reached()
        request_ids = sorted({name for each in ids for name in self.request_ids.get(each, ())})
        try:
            with structlog.contextvars.bound_contextvars(request_ids=request_ids):
                answer = self.adapter.fetch(shared_http, ids, token=self.token, spend=self.calls.pay)
        except UnansweredError as error:
            return error  # it is about these posts, and says nothing of others
        except PlatformError as error:
            self._end(error)
            return error
        if answer.rest_s:
            self._is_over.set()
        return answer

    def _end(self, error: PlatformError) -> None:
        self._is_over.set()
        self.calls.failure = self.calls.failure or error


def _not_reached() -> NotNowError:
    return NotNowError(ErrorKind.UNAVAILABLE, "not_reached", "No call was left for it.", 1)


def ask(batch: Batch) -> tuple[Answer, Unanswered, PlatformError | None]:
    """What the platform says of the batch, in as many calls as it takes, or none where no platform needs to be asked;
    the jobs that were left open, each kind with its error; and the one of these errors that made an end of it all, if
    one did. Raises PlatformError for what comes before the first such call.

    The moment of the fetch is the one before the calls: a claim that comes while an answer is under way is later
    than it, and gets a look of its own. What was asked for in what is now the future was asked for before the clock
    stepped back: the fetch is later all the same.
    """
    fetched_at = max([clock.now(), *(job.created_at for job in batch.jobs)])
    lane = batch.connection
    if lane is None:
        return Answer(fetched_at=fetched_at, readings=None), [], None
    posts = {job.post.external_id: job.post for job in batch.jobs}
    jobs = defaultdict(list)
    for job in batch.jobs:
        jobs[job.post.external_id].append(job)
    with Calls(lane) as calls:
        caller = _Caller(lane, adapter_of(lane), token_of(lane), calls)
        if _has_nothing_to_ask_with(caller):
            return Answer(fetched_at, {each: _denied(each, lane) for each in posts}), [], None
        readings, api_ids, left_open = _read(caller, posts, jobs)
    renamed = {each: reading.api_id for each, reading in readings.items() if reading.api_id}
    kept: dict[str, str | None] = {each: None for each, post in posts.items() if post.api_id == ""}
    kept |= {each: api_id for each, api_id in api_ids.items() if api_id != each} | renamed
    unanswered: dict[PlatformError, list[LeasedJob]] = defaultdict(list)
    for each, error in left_open.items():
        unanswered[error] += jobs[each]
    return Answer(fetched_at, readings, kept), list(unanswered.items()), calls.failure


def shows_as_own(*, lane: Connection, post: AskedPost) -> bool:
    """Whether a post is one of the account that a lane belongs to, by what the platform shows the lane. Raises
    PlatformError."""
    account = Account.objects.filter(connection=lane, proven_at__isnull=False).first()
    with Calls(lane) as calls:
        caller = _Caller(lane, adapter_of(lane), token_of(lane), calls)
        readings, _, _ = _read(caller, {post.external_id: post}, {})
    if calls.failure:
        raise calls.failure
    reading = readings.get(post.external_id)
    if account is None or reading is None or reading.availability != Availability.LIVE:
        return False
    return reading.author_id in (None, account.external_id)


def _has_nothing_to_ask_with(caller: _Caller) -> bool:
    """Where posts are shown to their owners, an application without credentials asks in vain."""
    if caller.token is not None:
        return False
    return caller.adapter.needs_connection or (caller.adapter.resolves_ids and not caller.adapter.has_credentials)


def _read(
    caller: _Caller, posts: Mapping[str, AskedPost], jobs: Mapping[str, Sequence[LeasedJob]]
) -> tuple[dict[str, PostReading], dict[str, str], dict[str, PlatformError]]:
    """Readings, the API's ids, and what stayed open with its reason; each by the ids that the posts' links have."""
    api_ids, readings, left_open = _identified(caller, posts)
    caller.request_ids = {
        api_id: {job.request_id for job in jobs.get(each, ()) if job.request_id} for each, api_id in api_ids.items()
    }
    found, unanswered = caller.fetch(list(dict.fromkeys(api_ids.values())))
    newer, unread = _newer_editions(caller, found)
    found, unanswered = found | newer, unanswered | unread
    for external_id, api_id in api_ids.items():
        if api_id in unanswered:
            left_open[external_id] = unanswered[api_id]
        elif found[api_id].availability == Availability.MISSING and caller.sees_owners_posts_only:
            readings[external_id] = _denied(external_id, caller.lane)
        else:
            readings[external_id] = replace(found[api_id], external_id=external_id)
    return readings, api_ids, left_open


def _identified(
    caller: _Caller, posts: Mapping[str, AskedPost]
) -> tuple[dict[str, str], dict[str, PostReading], dict[str, PlatformError]]:
    """The API's id of each of these posts, the readings that need no further call, and what was not reached.

    What can't be found with this lane's credential is denied, never missing: it may well be there, on another account.
    """
    known = {each: post.api_id for each, post in posts.items() if post.api_id}
    if not caller.adapter.resolves_ids:
        return {each: known.get(each) or each for each in posts}, {}, {}
    sought_in_vain = {each for each, post in posts.items() if post.api_id == ""}
    wanted = {each: _wanted(post) for each, post in posts.items() if post.api_id is None}
    found = _found(caller, wanted)
    readings, not_reached = _discovered(caller, [posts[each] for each in wanted if each not in found])
    for each in sought_in_vain | wanted.keys() - found.keys() - readings.keys() - not_reached.keys():
        readings[each] = _denied(each, caller.lane)
    return known | found, readings, not_reached


def _found(caller: _Caller, wanted: Mapping[str, Wanted]) -> dict[str, str]:
    """The API's ids of these posts. Where they have to be looked up in lists, the lane's other posts are looked for on
    the same way, so that a list is read once and not once for every batch."""
    if not wanted:
        return {}
    account = Account.objects.filter(connection=caller.lane, proven_at__isnull=False).first()
    others = _others_to_identify(caller.lane, wanted) if caller.token else {}
    found = caller.adapter.resolve(
        shared_http,
        [*wanted.values(), *map(_wanted, others.values())],
        token=caller.token,
        spend=caller.calls.pay,
        account_id=account.external_id if account else None,
    )
    Post.objects.write_api_ids({post.pk: found.get(each, "") for each, post in others.items()})
    return {each: found[each] for each in wanted if each in found}


def _others_to_identify(lane: Connection, wanted: Mapping[str, Wanted]) -> dict[str, Post]:
    due = Job.objects.in_lane(lane.pk).due(clock.now()).filter(post__api_id=None).exclude(post__external_id__in=wanted)
    return {job.post.external_id: job.post for job in due.select_related("post")[:IDENTIFIED_AT_ONCE]}


def _discovered(caller: _Caller, posts: Sequence[AskedPost]) -> tuple[dict[str, PostReading], dict[str, PlatformError]]:
    """What the platform tells anybody of posts whose owner is not connected, which is less than it tells the owner;
    and those for which there was no time."""
    if caller.token or not caller.adapter.discovers or not posts:
        return {}, {}
    by_handle = defaultdict(list)
    for post, handle in _handles(posts):
        by_handle[handle].append(post.external_id)
    readings: dict[str, PostReading] = {}
    not_reached: dict[str, PlatformError] = {}
    ends_at = time.monotonic() + DISCOVERY_S
    for handle, url_ids in by_handle.items():
        if time.monotonic() < ends_at:
            readings |= caller.adapter.discover(shared_http, handle, url_ids, spend=caller.calls.pay)
        else:
            not_reached |= dict.fromkeys(url_ids, NotNowError(ErrorKind.UNAVAILABLE, "not_reached", "No time left.", 1))
    return readings, {each: error for each, error in not_reached.items() if each not in readings}


def _handles(posts: Sequence[AskedPost]) -> list[tuple[AskedPost, str]]:
    """Under whose name each post may be found: the account that its claimant has, a proven one first."""
    accounts = Account.objects.filter(
        affiliate__in={post.affiliate_id for post in posts}, platform=posts[0].platform_id
    )
    ordered = accounts.order_by("affiliate", F("proven_at").asc(nulls_last=True)).distinct("affiliate")
    handles = dict(ordered.values_list("affiliate_id", "handle"))
    return [(post, handles[post.affiliate_id]) for post in posts if post.affiliate_id in handles]


def _wanted(post: AskedPost | Post) -> Wanted:
    link = identify(post.url)
    if not isinstance(link, PostLink):  # a row from before the rules of links changed
        return Wanted(post.external_id)
    return Wanted(post.external_id, kind=link.kind, handle=link.owner)


def _newer_editions(
    caller: _Caller, found: Mapping[str, PostReading]
) -> tuple[dict[str, PostReading], dict[str, PlatformError]]:
    """The figures of an edited post stand with its newest edition, which has an id of its own: asked once more. Where
    that one stays open, so does the post: figures of an older edition would speak against an honest claim."""
    newer = {each: reading.api_id for each, reading in found.items() if reading.api_id and reading.api_id != each}
    editions, unanswered = caller.fetch([each for each in dict.fromkeys(newer.values()) if each not in found])
    editions = {**found, **editions}
    read = {
        each: replace(editions[api_id], api_id=api_id)
        for each, api_id in newer.items()
        if api_id in editions and editions[api_id].availability == Availability.LIVE
    }
    return read, {each: unanswered[api_id] for each, api_id in newer.items() if api_id in unanswered}


def _denied(external_id: str, lane: Connection) -> PostReading:
    """Not shown with this lane's credential: the owner's own, or the application's."""
    error = NOT_LISTED if lane.affiliate_id else NOT_CONNECTED
    return PostReading(external_id, Availability.DENIED, error=error)

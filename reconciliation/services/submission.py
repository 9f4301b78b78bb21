"""Submitting: claims for posts, from whichever way in. One transaction, and the queue wakes the workers."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db import IntegrityError, OperationalError, transaction
from django.db import connection as database
from django.db.models import Model
from psycopg import Error as PsycopgError
from psycopg.errors import DeadlockDetected, LockNotAvailable

from affiliates.models import Affiliate
from affiliates.services import audit
from campaigns.models import Campaign, Enrolment, Post, PostText
from config import clock
from config.bulk import insert_rows
from config.errors import ConflictError, DomainError
from config.middleware import current_request_id
from config.queue import enqueue
from platforms.models import Platform
from reconciliation.comparison import Figures
from reconciliation.errors import BusyError, ClaimRefusedError, SecondClaimantError
from reconciliation.models import AffiliateReport, Job, PostState
from reconciliation.services import admission
from reconciliation.services.admission import Admitted, Entry, Outcome, Target, lock_contents
from reconciliation.services.jobs import close_look, request_looks, wake

log = structlog.get_logger(__name__)
Method = AffiliateReport.Method

LOCK_WAIT_S = 2
"""So long a claim waits for another one in its way: Discord waits 3 seconds for all of the answer."""
_SETTINGS = """
    SELECT set_config('lock_timeout', %s, true), set_config('plan_cache_mode', 'force_generic_plan', true)
"""
"""What finds and writes claims by ids goes the same way whatever they are. To plan that takes longer than to do it,
and where they come as an array the database would plan anew each time."""


@contextmanager
def without_long_waits(*, goes_on: bool = True) -> Iterator[None]:
    """A transaction that gives up rather than hold a caller, and the process that serves it, behind a long one, or in a
    circle. `goes_on`: one that it may be part of goes on where it has given up, else that ends with it.

    Raises BusyError.
    """
    try:
        with transaction.atomic(savepoint=goes_on):
            with database.cursor() as cursor:
                cursor.execute(_SETTINGS, [f"{LOCK_WAIT_S}s"])
            yield
    except OperationalError as error:
        if isinstance(error.__cause__, (LockNotAvailable, DeadlockDetected)):
            raise BusyError from error
        raise


@dataclass(frozen=True, slots=True)
class Submission:
    """A post with its current claim, and whether anything was added."""

    post: Post
    claim: AffiliateReport
    outcome: Outcome


def submit(
    *,
    affiliate: Affiliate,
    campaign: Campaign,
    platform: Platform,
    url: str,
    figures: Figures,
    title: str = "",
    description: str = "",
    tracking_link: str = "",
    method: Method = Method.API,
    goes_on: bool = False,
) -> Submission:
    """Take an affiliate's claim for the post behind `url`: a new post, a new claim on theirs, or nothing new.

    Raises ClaimRefusedError, SecondClaimantError where somebody else claims this content (the attempt is on record,
    nothing else is written), and BusyError while a file is imported as a whole; a transaction of the caller's ends with
    that, unless it `goes_on`.
    """
    entry = Entry(affiliate, campaign, platform, url, figures, title, description, tracking_link)
    with without_long_waits(goes_on=goes_on):
        [submitted] = submit_many(entries=[entry], method=method)
    if isinstance(submitted, DomainError):
        raise submitted
    return submitted


@without_long_waits()
def submit_together(*, entries: Sequence[Entry]) -> list[Submission | DomainError]:
    """Take what can be taken of the claims of one request, all in one transaction; the outcomes in the same order.

    Where one trips the database, they are taken one by one, and what does so then is refused as ConflictError. Raises
    BusyError.
    """
    try:
        with transaction.atomic():
            return submit_many(entries=entries, method=Method.API)
    except IntegrityError as error:
        log.warning("taken_one_by_one", claims=len(entries), constraint=_constraint(error))
        _locked_targets(entries)  # what was undone let go of them, and one by one they would be locked in any order
        return [_submit_alone(entry) for entry in entries]


def _submit_alone(entry: Entry) -> Submission | DomainError:
    try:
        with transaction.atomic():
            [submitted] = submit_many(entries=[entry], method=Method.API)
    except IntegrityError as error:
        log.error("claim_conflicts", campaign=str(entry.campaign.pk), constraint=_constraint(error))
        return ConflictError("Something that this claim needs was changed at the same moment: send it again.")
    return submitted


def _constraint(error: IntegrityError) -> str | None:
    """Which one was violated. The message itself would put what people sent into the log."""
    return error.__cause__.diag.constraint_name if isinstance(error.__cause__, PsycopgError) else None


@transaction.atomic(savepoint=False)
def submit_many(*, entries: Sequence[Entry], method: Method) -> list[Submission | DomainError]:
    """Take what can be taken of these claims, by the rules of each alone; the outcomes in the same order.

    A refusal stands in its entry's place and keeps no other out. Some hundreds at a time: all are held in memory.
    """
    targets = _locked_targets(entries)
    outcomes = admission.admit(entries, targets, method=method)
    admitted = [outcome for outcome in outcomes if isinstance(outcome, Admitted)]
    _write(admitted)
    for entry, outcome in zip(entries, outcomes, strict=True):
        if isinstance(outcome, SecondClaimantError):
            _record_refused_attempt(post=outcome.post, affiliate=entry.affiliate)
    return [
        Submission(outcome.post, outcome.claim, outcome.outcome) if isinstance(outcome, Admitted) else outcome
        for outcome in outcomes
    ]


def _locked_targets(entries: Sequence[Entry]) -> list[Target | ClaimRefusedError]:
    """What the entries' links name, and nobody else submits it until the transaction ends."""
    targets = [admission.target_of(entry) for entry in entries]
    lock_contents(
        (entry.platform, target.external_id)
        for entry, target in zip(entries, targets, strict=True)
        if isinstance(target, Target)
    )
    return targets


def preview_many(*, entries: Sequence[Entry]) -> list[Outcome | DomainError]:
    """What `submit_many` would come to at this moment. Nothing is written, and nobody waits."""
    targets = [admission.target_of(entry) for entry in entries]
    outcomes = admission.admit(entries, targets, method=Method.IMPORT)
    return [outcome.outcome if isinstance(outcome, Admitted) else outcome for outcome in outcomes]


@without_long_waits()
def claim_again(*, post: Post, figures: Figures, method: Method = Method.API) -> Submission:
    """Take new figures for a post that is claimed already. Raises ClaimRefusedError and BusyError."""
    lock_contents([(post.platform, post.external_id)])
    post = _still_standing(post)
    admission.check_campaign(post.campaign)
    enrolled = Enrolment.objects.filter(campaign=post.campaign, affiliate=post.affiliate)
    admission.check_enrolment(post.campaign, post.affiliate, enrolled.values_list("status", flat=True).first())
    claim = admission.new_claim(post, figures, method, request_id=current_request_id())
    current = PostState.objects.select_related("current_claim").get(post=post).claim_that_stands
    if current and admission.figures_of(current) == figures:
        return Submission(post, current, Outcome.UNCHANGED)
    _write_claim(claim)
    return Submission(post, claim, Outcome.NEW_CLAIM)


def restate(*, post: Post, claim: AffiliateReport) -> None:
    """Claim for `post` what was claimed for another that turned out to be the same, unless that is its claim anyway."""
    figures = admission.figures_of(claim)
    state = PostState.objects.select_related("current_claim").filter(post=post).first()
    standing = state and state.claim_that_stands
    if standing is None or admission.figures_of(standing) != figures:
        again = Method(claim.submission_method)
        _write_claim(admission.new_claim(post, figures, again, request_id=current_request_id()))


def displace(*, post: Post, by: Affiliate) -> None:
    """Take a post out of the campaign in favour of its proven owner, or, once its claims were withdrawn, of whoever
    claims it next: it stays on record, and nobody looks at it."""
    close_look(post_id=post.pk)
    PostState.objects.take(post)
    Post.objects.filter(pk=post.pk).update(displaced_at=clock.now())
    changes = {"affiliate": str(by.pk)}
    if PostState.objects.get(post=post).claim_that_stands is None:  # then only one claims it
        audit(actor=by.user, action="post.given_up", row=post, changes=changes)
        return
    event = audit(actor=by.user, action="post.displaced", row=post, changes=changes)
    enqueue("alerts.tasks.evaluate_refused_claim", str(event.pk))


def _still_standing(post: Post) -> Post:
    """The post as it is now: it may have been displaced or merged since it was read. Raises SecondClaimantError."""
    current: Post = Post.objects.select_related("campaign__advertiser", "platform", "affiliate", "merged_into").get(
        pk=post.pk
    )
    while current.merged_into:
        current = current.merged_into
    if current.displaced_at:
        raise SecondClaimantError(current)
    return current


def _write(admitted: Sequence[Admitted]) -> None:
    """Save the posts that are new, what they call themselves, whose link they carry, and the claims."""
    for one in admitted:
        for post in one.displaced:
            displace(post=post, by=one.post.affiliate)
    new = [one.post for one in admitted if one.outcome == Outcome.NEW_POST]
    _enrol([one.post for one in admitted if one.joins])
    words: dict[UUID, dict[str, str]] = defaultdict(dict)
    for one in admitted:
        words[one.post.pk].update(one.words)
    texts = [PostText(post_id=pk, **given) for pk, given in words.items() if given]
    claims = [one.claim for one in admitted if one.outcome != Outcome.UNCHANGED]
    ids = {post.pk for post in new}
    insert_rows(new, [text for text in texts if text.post_id in ids], claims, on_conflict=_GIVEN_WORDS)
    _follow(claims, new=ids)
    # What posts have that were there before comes after their jobs, the order in which settling takes them too.
    insert_rows([text for text in texts if text.post_id not in ids], on_conflict=_GIVEN_WORDS)
    bound = {one.post.pk: one.post for one in admitted if one.is_bound and one.post.pk not in ids}
    if bound:
        Post.objects.bulk_update(bound.values(), ["tracking_link"])


_GIVEN_WORDS: dict[type[Model], str] = {
    PostText: """
        ON CONFLICT (post_id) DO UPDATE SET title = COALESCE(NULLIF(EXCLUDED.title, ''), campaigns_posttext.title),
            description = COALESCE(NULLIF(EXCLUDED.description, ''), campaigns_posttext.description)
    """
}
"""What a post is called stays, where a later claim doesn't say."""


def _enrol(posts: Sequence[Post]) -> None:
    """By the first claim, whether the campaign is open to all or the affiliate was invited."""
    joined = {(post.campaign_id, post.affiliate_id) for post in posts}
    Enrolment.objects.bulk_create(
        [Enrolment(campaign_id=campaign, affiliate_id=affiliate) for campaign, affiliate in sorted(joined)],
        ignore_conflicts=True,
    )
    affiliates: dict[UUID, set[UUID]] = defaultdict(set)
    for campaign, affiliate in joined:
        affiliates[campaign].add(affiliate)
    for campaign, invited in affiliates.items():
        Enrolment.objects.filter(campaign=campaign, affiliate__in=invited, status=Enrolment.Status.INVITED).update(
            status=Enrolment.Status.ACTIVE
        )


def _write_claim(claim: AffiliateReport) -> None:
    insert_rows([claim])
    _follow([claim])


def _follow(claims: Sequence[AffiliateReport], *, new: Collection[UUID] = ()) -> None:
    """Make the latest of these claims of each post its current one, and ask for a look at each post. `new`: posts that
    this transaction has made.

    The jobs' rows are locked before the posts' states, the order in which settling takes them too.
    """
    if not claims:
        return
    current = {claim.post_id: claim for claim in claims}
    asks_platform = {claim.post_id for claim in claims if claim.claimed_views is not None}
    looks = request_looks(
        posts={post_id: post_id in asks_platform for post_id, claim in current.items() if not claim.post.displaced_at},
        reason=Job.Reason.SUBMISSION,
        due_at=clock.now(),
        request_id=current_request_id(),
    )
    PostState.objects.write_claims({post_id: claim.pk for post_id, claim in current.items()})
    if known := current.keys() - set(new):  # asked of the rows: they may have been settled since they were read
        Post.objects.filter(pk__in=known, is_reconciled=True).update(is_reconciled=False)
    for claim in claims:
        claim.post.is_reconciled = False
    for lane in {look.lane for look in looks}:
        wake(lane)


def _record_refused_attempt(*, post: Post, affiliate: Affiliate) -> None:
    """Somebody claimed a post that is another's: kept on record, and shown to staff."""
    event = audit(
        actor=affiliate.user, action="claim.refused_second_claimant", row=post, changes={"affiliate": str(affiliate.pk)}
    )
    enqueue("alerts.tasks.evaluate_refused_claim", str(event.pk))

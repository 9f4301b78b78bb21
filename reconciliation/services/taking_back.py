"""Taking claims back: an affiliate withdraws a claim that was a mistake, or puts another in its place.

A claim that nobody has looked at is then as if it had never been made: it gets no verdict, and its post stands by the
claim before it, or by none. What was looked at is judged and counts all the same; that it was withdrawn, and why, is on
record beside its verdict, for whoever decides on it.
"""

from django.db import transaction
from django.db.models import QuerySet

from affiliates.models import User
from affiliates.services import audit
from campaigns.models import Post
from reconciliation.comparison import Figures
from reconciliation.errors import WithdrawalRefusedError
from reconciliation.models import AffiliateReport, ClaimWithdrawal, Dispute, Job, PostState, RunJob
from reconciliation.services.admission import lock_contents
from reconciliation.services.jobs import close_look, lock
from reconciliation.services.plans import replan
from reconciliation.services.submission import Submission, claim_again, without_long_waits

_FOR_CLAIMS = (Job.Reason.SUBMISSION, Job.Reason.SECOND_LOOK)


@without_long_waits()
def withdraw(*, claim: AffiliateReport, reason: ClaimWithdrawal.Reason, by: User) -> ClaimWithdrawal:
    """Take a claim back. Raises WithdrawalRefusedError where that was done before, and BusyError."""
    return _withdraw(claim, reason, by)


@without_long_waits()
def correct(*, claim: AffiliateReport, figures: Figures, reason: ClaimWithdrawal.Reason, by: User) -> Submission:
    """Take a claim back and claim these figures in its place. Raises what either does, and then does neither."""
    _withdraw(claim, reason, by)
    return claim_again(post=claim.post, figures=figures)


@transaction.atomic
def _withdraw(claim: AffiliateReport, reason: ClaimWithdrawal.Reason, by: User) -> ClaimWithdrawal:
    """Claiming, settling and this wait for each other: content, job and state are locked in the order of all."""
    post = claim.post
    lock_contents([(post.platform, post.external_id)])
    pending = lock(Job.objects.pending().filter(post=post))
    PostState.objects.take(post)
    if ClaimWithdrawal.objects.filter(claim=claim).exists():
        raise WithdrawalRefusedError
    is_unseen = not claim.verdicts.exists()
    row: ClaimWithdrawal = ClaimWithdrawal.objects.create(
        claim=claim, is_unseen=is_unseen, reason=reason, withdrawn_by=by
    )
    audit(actor=by, action="claim.withdrawn", row=claim, changes={"reason": reason, "unseen": is_unseen})
    if is_unseen:
        _forget(post, claim, pending=Job.objects.filter(pk__in=pending, reason__in=_FOR_CLAIMS))
    return row


def _forget(post: Post, claim: AffiliateReport, *, pending: "QuerySet[Job]") -> None:
    if PostState.objects.filter(post=post, current_claim=claim).exists():
        PostState.objects.fall_back(post.pk)
    if AffiliateReport.objects.open().filter(post=post).exists():
        return
    Post.objects.filter(pk=post.pk, is_reconciled=False).update(is_reconciled=True)
    # A look that a dispute or a run wants too is theirs, whoever asked last.
    wanted = RunJob.objects.filter(job__in=pending, run__cancelled_at=None).exists()
    wanted = wanted or Dispute.objects.open().filter(verdict__post=post).exists()
    if pending.exists() and not wanted:
        close_look(post_id=post.pk)
        replan([post.pk])

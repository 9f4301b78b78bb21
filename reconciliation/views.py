"""The advertiser's dashboard, and the page of an affiliate who logs in: scope, query, render."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from affiliates.http import AuthenticatedRequest
from campaigns import services as campaign_services
from campaigns.forms import NewCampaignForm
from campaigns.http import exported, figures_of, managed, manages, test_mode
from campaigns.models import Advertiser, Campaign, Post
from config import clock
from config.errors import DomainError
from reconciliation.exports import CAMPAIGNS_WITH_FIGURES, POSTS
from reconciliation.forms import CampaignSetup
from reconciliation.models import (
    AffiliateReport,
    AffiliateRollUp,
    ClaimWithdrawal,
    DayRollUp,
    Dispute,
    Finding,
    Job,
    Override,
    PlatformReport,
    PostState,
    ReconciliationLog,
    Run,
)
from reconciliation.pages import figures, rows
from reconciliation.pages.deciding import DecisionForm, DisputeForm, WithdrawalForm, dispute_panel, withdrawal_panel
from reconciliation.pages.filters import PostFilter, PostList, as_uuid, status_options
from reconciliation.pages.history import history
from reconciliation.pages.notices import notices
from reconciliation.pages.terms import terms
from reconciliation.pages.trust import trust_panel
from reconciliation.services import disputing, rulesets, runs, taking_back, withdrawing
from reconciliation.services.clawbacks import clawbacks
from reconciliation.services.forecasts import forecasts
from reconciliation.services.performance import known_to, reliance
from reconciliation.sums import OVER_CLAIMED

CAMPAIGNS_A_PAGE, AFFILIATES_A_PAGE, POSTS_A_PAGE = 25, 25, 50
HISTORY_LENGTH = 100
OVERDUE_AFTER = timedelta(minutes=10)
MOVES = {
    "activate": (campaign_services.activate, "{} is active."),
    "pause": (campaign_services.pause, "{} is paused and takes no claims until you activate it again."),
    "complete": (campaign_services.complete, "{} is completed."),
}


@login_required
@require_safe
def campaigns(request: AuthenticatedRequest) -> HttpResponseBase:
    """The first page: the campaigns of the user's advertisers; for an affiliate, their own posts."""
    user = request.user
    advertisers = list(Advertiser.objects.visible_to(user))
    if not advertisers and not user.is_staff:
        return _own_posts(request)
    mine = Campaign.objects.for_advertiser_side(user)
    status = request.GET.get("status", "")
    chosen = mine.filter(status=status) if status in Campaign.Status.values else mine
    if file := exported(request, CAMPAIGNS_WITH_FIGURES, chosen.for_list()):
        return file
    page = Paginator(chosen.for_list(), CAMPAIGNS_A_PAGE).get_page(request.GET.get("page"))
    sums = DayRollUp.objects.filter(campaign__in=[each.pk for each in page])
    with figures_of(advertisers) as context:
        context |= {
            "rows": rows.campaign_rows(page, sums),
            "page_obj": page,
            "status": status,
            "status_options": status_options(mine.status_counts()),
            "can_create": Advertiser.objects.managed_by(user).exists(),
        }
        return render(request, "reconciliation/campaigns.html", context)


def _own_posts(request: AuthenticatedRequest) -> HttpResponseBase:
    posts = _posts(request, sort="-claimed_at", affiliate=getattr(request.user, "affiliate", None))
    if file := exported(request, POSTS, posts.states):
        return file
    context = _page_of(request, posts, beside="campaign")
    campaigns = AffiliateRollUp.objects.filter(**posts.kept).values("campaign")
    context |= test_mode(list(Advertiser.objects.filter(campaigns__in=campaigns).distinct()))
    return render(request, "reconciliation/own_posts.html", context)


@login_required
@require_safe
def campaign(request: AuthenticatedRequest, pk: UUID) -> HttpResponseBase:
    """One campaign: totals, the trend, its posts with claim, truth and verdict. Its alerts come from further right."""
    found = _campaign(request, pk)
    posts = _posts(request, sort="-claimed_at", campaign=found.pk)
    if file := exported(request, POSTS, posts.states):
        return file
    sums = DayRollUp.objects.filter(campaign=found)
    totals = sums.totals() | AffiliateRollUp.objects.filter(campaign=found).affiliate_totals()
    with figures_of([found.advertiser]) as context:
        context |= {
            "campaign": found,
            "totals": totals,
            "as_of": PostState.objects.standing().filter(campaign=found).as_of(),
            "cards": figures.total_cards(totals, list(sums.money_at_risk()), found.currency),
            "chart": figures.views_chart(list(sums.totals_by_claim_day(figures.CHART_DAYS))),
            "overdue": Job.objects.filter(post__campaign=found).overdue_by_platform(clock.now() - OVERDUE_AFTER),
            "terms": terms(found, rulesets.matrix_of(rulesets.current())),
            "can_manage": manages(request, found),
            **_page_of(request, posts),
            **_chosen_run(request),
        }
        return render(request, "reconciliation/campaign.html", context)


@login_required
@require_safe
def campaign_forecast(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """What the looks that a campaign plans need of the call budgets: for a panel on its pages, or as one of its own."""
    found = _campaign(request, pk)
    context = {"campaign": found, "forecasts": forecasts(campaign=found)}
    if request.htmx:
        return render(request, "reconciliation/_forecast.html", context)
    with figures_of([found.advertiser]) as of_the_page:
        return render(request, "reconciliation/forecast.html", context | of_the_page)


@login_required
@require_safe
def campaign_clawbacks(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """What affiliates over-claim in a campaign now, and what is suggested about it, the costliest first."""
    found = _campaign(request, pk)
    misclaiming = AffiliateRollUp.objects.filter(campaign=found).misclaiming()
    page = Paginator(misclaiming, AFFILIATES_A_PAGE).get_page(request.GET.get("page"))
    with figures_of([found.advertiser]) as context:
        context |= {
            "campaign": found,
            "page_obj": page,
            "rows": clawbacks([(pk, row["affiliate"]) for row in page]),
        }
        return render(request, "reconciliation/clawbacks.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def campaign_new(request: AuthenticatedRequest) -> HttpResponse:
    """Make a campaign, as a draft."""
    if not Advertiser.objects.managed_by(request.user).exists():
        raise PermissionDenied
    return _set_up(request, None)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def campaign_edit(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """Change a campaign's details, platforms, rates and thresholds."""
    return _set_up(request, managed(request, _campaign(request, pk)))


def _set_up(request: AuthenticatedRequest, existing: Campaign | None) -> HttpResponse:
    data = request.POST if request.method == "POST" else None
    setup = CampaignSetup(user=request.user, campaign=existing, data=data)
    if data is not None and (saved := setup.save()):
        made = f"{saved} is made, as a draft. Activate it when affiliates may claim."
        messages.success(request, f"{saved} is changed." if existing else made)
        return redirect("dashboard:campaign", saved.pk)
    advertisers = [existing.advertiser] if existing else list(Advertiser.objects.managed_by(request.user))
    with figures_of(advertisers) as context:
        context |= {"setup": setup, "campaign": existing}
        return render(request, "reconciliation/campaign_form.html", context, status=422 if setup.has_errors else 200)


@login_required
@require_safe
def system_name(request: AuthenticatedRequest) -> HttpResponse:
    """What the system would call the campaign that is being typed in."""
    if not Advertiser.objects.managed_by(request.user).exists():
        raise PermissionDenied
    form = NewCampaignForm(request.GET, user=request.user)
    return render(request, "reconciliation/_system_name.html", {"form": form})


@login_required
@require_POST
def campaign_move(request: AuthenticatedRequest, pk: UUID, move: str) -> HttpResponse:
    """Activate, pause or complete a campaign."""
    if move not in MOVES:
        raise Http404
    found = managed(request, _campaign(request, pk))
    service, done = MOVES[move]
    try:
        service(campaign=found, by=request.user)
        messages.success(request, done.format(found))
    except DomainError as error:
        messages.error(request, error.message)
    return redirect("dashboard:campaign", pk)


@login_required
@require_POST
def reconcile_campaign(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """Ask for a look at every post of a campaign."""
    found = managed(request, _campaign(request, pk))
    return _look_again(request, runs.Scope(campaign=found.pk), reverse("dashboard:campaign", args=[pk]))


@login_required
@require_POST
def reconcile_post(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """Ask for a look at one post."""
    found = get_object_or_404(Post.objects.visible_to(request.user).select_related("campaign"), pk=pk)
    managed(request, found.campaign)
    return _look_again(request, runs.Scope(posts=(pk,)), reverse("dashboard:post", args=[pk]))


def _look_again(request: AuthenticatedRequest, scope: runs.Scope, page: str) -> HttpResponse:
    try:
        posts = scope.among(Post.objects.visible_to(request.user))
        run = runs.request_run(posts=posts, by=request.user, scope=scope.as_json())
    except DomainError as error:
        messages.error(request, error.message)
        return redirect(page)
    return redirect(f"{page}?run={run.pk}")


@login_required
@require_safe
def run_progress(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """How far a run is, for a page that asks every second."""
    run = get_object_or_404(Run.objects.visible_to(request.user), pk=pk)
    return render(request, "reconciliation/_run.html", {**_how_far(run), "is_polled": True})


@login_required
@require_POST
def run_cancel(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """Take back what a run has not begun."""
    run = get_object_or_404(Run.objects.visible_to(request.user), pk=pk)
    try:
        withdrawing.cancel_run(run=run, by=request.user)
    except DomainError as error:
        messages.error(request, error.message)
    page = {"campaign": run.scope.get("campaign"), "post": next(iter(run.scope.get("posts", ())), None)}
    name = next((name for name, of in page.items() if of), None)
    return redirect(f"{reverse(f'dashboard:{name}', args=[page[name]])}?run={pk}" if name else "dashboard:campaigns")


@login_required
@require_safe
def post(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """One post: the verdict in words, its figures, and everything that happened to it."""
    state = get_object_or_404(PostState.objects.visible_to(request.user).for_page(), pk=pk)
    found: Post = state.post
    is_advertiser_side = Campaign.objects.for_advertiser_side(request.user).filter(pk=found.campaign_id).exists()
    with figures_of([found.campaign.advertiser]) as context:
        context |= {
            "state": state,
            "post": found,
            "row": rows.verdict_row(*PostState.objects.shown([pk])),
            "link": rows.link_to(found),
            "cards": figures.verdict_cards(
                state.current_claim,
                state.current_verdict,
                found.platform.name,
                with_money=is_advertiser_side,
                override=state.override,
            ),
            "basis": figures.basis(state.current_verdict, state.override),
            "notices": notices(found),
            "job": found.jobs.latest_first().select_related("connection").first(),
            "findings": Finding.objects.visible_to(request.user).of_post(found),
            **dispute_panel(state.current_verdict, request.user),
            **withdrawal_panel(state, request.user),
            "is_advertiser_side": is_advertiser_side,
            "advertiser": found.campaign.advertiser if is_advertiser_side else None,
            "can_manage": is_advertiser_side and manages(request, found.campaign),
            **_history(found, with_receipts=is_advertiser_side),
            **_chosen_run(request),
        }
        return render(request, "reconciliation/post.html", context)


@login_required
@require_POST
def claim_withdraw(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """An affiliate takes a claim back."""
    mine = AffiliateReport.objects.filter(post__in=Post.objects.visible_to(request.user).standing())
    mine = mine.filter(post__affiliate__user=request.user)
    found = get_object_or_404(mine.select_related("post__platform"), pk=pk)
    form = WithdrawalForm(request.POST)
    if form.is_valid():
        reason = ClaimWithdrawal.Reason(form.cleaned_data["reason"])
        _say(request, partial(taking_back.withdraw, claim=found, reason=reason, by=request.user), "Withdrawn.")
    else:
        messages.error(request, "Say why you take it back.")
    return redirect("dashboard:post", found.post_id)


@login_required
@require_POST
def dispute_open(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """An affiliate objects to the verdict on a post of theirs."""
    mine = ReconciliationLog.objects.visible_to(request.user).filter(post__affiliate__user=request.user)
    verdict = get_object_or_404(mine.select_related("post__affiliate__user", "affiliate_report"), pk=pk)
    form = DisputeForm(request.POST)
    if form.is_valid():
        act = partial(disputing.dispute, verdict=verdict, affiliate=verdict.post.affiliate)
        _say(request, partial(act, text=form.cleaned_data["text"]), "Disputed. The post is looked at anew.")
    else:
        messages.error(request, "Say why the verdict is wrong, in up to 2,000 characters.")
    return redirect("dashboard:post", verdict.post_id)


@login_required
@require_POST
def dispute_withdraw(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """An affiliate takes a dispute back."""
    mine = Dispute.objects.visible_to(request.user).filter(affiliate__user=request.user)
    found = get_object_or_404(mine.select_related("verdict"), pk=pk)
    _say(request, partial(disputing.withdraw, dispute_id=pk, by=request.user), "Withdrawn. The verdict stands.")
    return redirect("dashboard:post", found.verdict.post_id)


@login_required
@require_POST
def dispute_decide(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """Somebody who may decides on a dispute."""
    found = get_object_or_404(Dispute.objects.visible_to(request.user).select_related("verdict"), pk=pk)
    if not Dispute.objects.decidable_by(request.user).filter(pk=pk).exists():
        raise PermissionDenied
    form = DecisionForm(request.POST)
    if form.is_valid():
        _say(request, partial(disputing.decide, dispute_id=pk, by=request.user, **form.decision), "Decided.")
    else:
        messages.error(request, "Choose what the verdict comes to, a reason, and say why in up to 2,000 characters.")
    return redirect("dashboard:post", found.verdict.post_id)


def _say(request: AuthenticatedRequest, act: Callable[[], object], done: str) -> None:
    """Do it, and say that it is done or why not."""
    try:
        act()
        messages.success(request, done)
    except DomainError as error:
        messages.error(request, error.message)


def _history(found: Post, *, with_receipts: bool) -> dict[str, Any]:
    """Its own rows, and those of posts that turned out to be the same."""
    posts = [found.pk, *found.merged.values_list("pk", flat=True)]
    snapshots = list(PlatformReport.objects.filter(post__in=posts)[:HISTORY_LENGTH])
    events = history(
        affiliate=found.affiliate.name,
        platform=found.platform.name,
        claims=AffiliateReport.objects.filter(post__in=posts)[:HISTORY_LENGTH],
        snapshots=snapshots,
        verdicts=ReconciliationLog.objects.filter(post__in=posts)[:HISTORY_LENGTH],
        overrides=Override.objects.filter(verdict__post__in=posts).select_related("note")[:HISTORY_LENGTH],
        with_receipts=with_receipts,
    )
    return {"events": events, "snapshots": snapshots}


@login_required
@require_safe
def affiliate_trust(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """How far an affiliate can be relied on: for a panel on other pages, or as a page of its own. Advertisers' people
    see the score, and what their own campaigns say."""
    affiliate = get_object_or_404(known_to(request.user), pk=pk)
    found = reliance(affiliate=affiliate, posts=Post.objects.visible_to(request.user).filter(affiliate=affiliate))
    is_own = affiliate.user_id == request.user.pk
    with figures_of(list(Advertiser.objects.visible_to(request.user))) as context:
        context |= {
            "affiliate": affiliate,
            "trust": trust_panel(found),
            "is_own": is_own,
            "is_whole": is_own or request.user.is_staff,
            "overall": found.overall_score,
        }
        return render(request, f"reconciliation/{'_trust' if request.htmx else 'trust'}.html", context)


@login_required
@require_safe
def discrepancies(request: AuthenticatedRequest) -> HttpResponseBase:
    """What is over-claimed now in all of the user's campaigns, the costliest first."""
    mine = Campaign.objects.for_advertiser_side(request.user).values("pk")
    posts = _posts(request, sort="-money", campaign__in=mine, verdict__in=OVER_CLAIMED)
    if file := exported(request, POSTS, posts.states):
        return file
    with figures_of(list(Advertiser.objects.visible_to(request.user))) as context:
        context |= _page_of(request, posts, with_campaign=True)
        return render(request, "reconciliation/discrepancies.html", context)


def _campaign(request: AuthenticatedRequest, pk: UUID) -> Campaign:
    found: Campaign = get_object_or_404(Campaign.objects.for_advertiser_side(request.user).for_list(), pk=pk)
    return found


def _posts(request: AuthenticatedRequest, *, sort: str, **kept: object) -> PostList:
    """The posts that a page is about, narrowed to what its address asks for."""
    return PostList(PostFilter.read(request.GET, sort=sort), kept)


def _page_of(request: AuthenticatedRequest, posts: PostList, **shown: Any) -> dict[str, Any]:
    """A page of posts with its filters, as _posts.html shows it."""
    places: Any = range(posts.count)
    page = Paginator(places, POSTS_A_PAGE).get_page(request.GET.get("page"))
    shown_places = range(max(page.start_index() - 1, 0), page.end_index())
    page.object_list = PostState.objects.shown(posts.states.ids_at(shown_places, posts.count))
    return {
        "wanted": posts.wanted,
        "page_obj": page,
        "rows": [rows.verdict_row(each, **shown) for each in page],
        "columns": rows.post_columns(**shown),
        "verdict_options": posts.verdict_options(),
        "platform_options": posts.platform_options(),
        "affiliate_options": posts.affiliate_options(),
    }


def _chosen_run(request: AuthenticatedRequest) -> dict[str, Any]:
    """The run that the address names, if it is the user's to see."""
    pk = as_uuid(request.GET.get("run", ""))
    run = Run.objects.visible_to(request.user).filter(pk=pk).first() if pk else None
    return _how_far(run) if run else {}


def _how_far(run: Run) -> dict[str, Any]:
    progress = runs.progress([run])[run.pk]
    return {"run": run, "progress": progress, "report": None if progress.pending else runs.report(run)}

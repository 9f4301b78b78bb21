"""Submitting, looking up how it went, asking for looks. Views translate: services act, querysets know who may see."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from django.utils.functional import cached_property
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView, ListAPIView, RetrieveAPIView
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from affiliates.api.idempotency import idempotent
from affiliates.api.permissions import HasScope, IsAffiliate
from affiliates.models import Affiliate, User
from campaigns.api.permissions import ManagesAnAdvertiser
from campaigns.models import Campaign, Post
from campaigns.querysets import PostQuerySet, own_advertisers
from config.api.exports import ExportView
from config.api.fields import NoFields
from config.api.pagination import CursorOrOffsetPage, OffsetPage
from config.api.sheets import SheetList, SheetRow
from config.errors import DomainError, NotAllowedError
from platforms.api.fields import platform_named
from platforms.models import Platform
from reconciliation.api import sheets
from reconciliation.api.requests import (
    CorrectionSerializer,
    FiguresSerializer,
    RunRequestSerializer,
    SubmissionSerializer,
    WithdrawalSerializer,
    figures_of,
)
from reconciliation.api.serializers import (
    AcceptedSerializer,
    ClawbackSerializer,
    EvolutionSerializer,
    FindingSerializer,
    ForecastSerializer,
    HistorySerializer,
    PerformanceSerializer,
    ReceiptSerializer,
    ResultSerializer,
    RunSerializer,
    RunWithReportSerializer,
    StandingSerializer,
)
from reconciliation.errors import ClaimRefusedError, RunRefusedError
from reconciliation.exports import CLAIMS, SNAPSHOTS, VERDICTS
from reconciliation.filters import ClaimFilter, ClawbackFilter, FindingFilter, PostFilter, ResultFilter, SnapshotFilter
from reconciliation.models import (
    AffiliateReport,
    AffiliateRollUp,
    ClaimWithdrawal,
    Finding,
    PlatformReport,
    ReconciliationLog,
    Run,
)
from reconciliation.receipts import canonical, digest
from reconciliation.services import admission, runs, submission, taking_back, withdrawing
from reconciliation.services.clawbacks import clawbacks
from reconciliation.services.forecasts import forecasts
from reconciliation.services.performance import known_to, performance
from reconciliation.services.recorded import Recording

EVOLUTION_LIMIT = 200
"""Claims, and snapshots, that one answer shows of a post."""


class ShowsVerdicts(GenericAPIView[Any]):
    """A view that shows verdicts: with their money and rules to the advertiser's side only."""

    def get_serializer_context(self) -> dict[str, Any]:
        """With the advertisers whose money and rules the caller may see; None: all."""
        return {**super().get_serializer_context(), "own_advertisers": own_advertisers(self.request.user)}


# --- Submissions

_CLAIM = SubmissionSerializer()  # it holds nothing of a request; each new one would copy its fields first


class Submissions(GenericAPIView[Any]):
    """Claims of affiliates."""

    scope = "submit"
    permission_classes = [HasScope, IsAffiliate]
    serializer_class = SubmissionSerializer

    @idempotent
    @extend_schema(
        responses={202: AcceptedSerializer, 200: OpenApiResponse(AcceptedSerializer, "Repeats the latest claim.")}
    )
    def post(self, request: Request) -> Response:
        """Claim figures for a post: a new post, or new figures for one's own. Its verdict follows."""
        fields = _CLAIM.run_validation(request.data)
        user: Any = request.user
        submitted = submission.submit(
            affiliate=user.affiliate,
            campaign=_campaign(user, fields["campaign"]),
            platform=_platform(fields["platform"], ClaimRefusedError),
            url=fields["url"],
            figures=figures_of(fields),
            title=fields.get("title", ""),
            description=fields.get("description", ""),
            tracking_link=fields.get("tracking_link", ""),
        )
        return _accepted(self, submitted)


class SubmissionDetail(ShowsVerdicts, SheetRow):
    """How one post stands: its current claim, the verdict on it, the newest truth, and the next look."""

    scope = "submit"
    serializer_class = StandingSerializer
    sheet = sheets.STANDING
    lookup_url_kwarg = "post_id"

    def get_queryset(self) -> PostQuerySet:
        return Post.objects.visible_to(self.request.user)


class SubmissionMetrics(ShowsVerdicts):
    """How a post's claims went on, and new figures for it."""

    scope = "submit"
    serializer_class = FiguresSerializer

    def get_permissions(self) -> list[BasePermission]:
        return [HasScope(), IsAffiliate()] if self.request.method == "PUT" else [HasScope()]

    @extend_schema(responses=EvolutionSerializer)
    def get(self, request: Request, post_id: UUID) -> Response:
        """All claims for a post with their verdicts, and what its sources of truth said, both newest first."""
        post = get_object_or_404(Post.objects.visible_to(request.user).only("pk"), pk=post_id)
        claims = AffiliateReport.objects.filter(post=post).order_by("-claimed_at", "-id")
        snapshots = PlatformReport.objects.filter(post=post).order_by("-fetched_at", "-id")
        found = [list(rows.values_list("pk", flat=True)[: EVOLUTION_LIMIT + 1]) for rows in (claims, snapshots)]
        latest_claims, latest_snapshots = (keys[:EVOLUTION_LIMIT] for keys in found)
        context = self.get_serializer_context()
        return Response(
            {
                "post": sheets.POSTS.show([post.pk], context)[0],
                "claims": sheets.CLAIMS.show(latest_claims, context),
                "snapshots": sheets.SNAPSHOTS.show(latest_snapshots, context),
                "truncated": any(len(keys) > EVOLUTION_LIMIT for keys in found),
            }
        )

    @extend_schema(
        responses={202: AcceptedSerializer, 200: OpenApiResponse(AcceptedSerializer, "Repeats the latest claim.")}
    )
    def put(self, request: Request, post_id: UUID) -> Response:
        """Claim new figures for one's own post. They replace the claim as a whole; the earlier ones stay on record."""
        mine = Post.objects.visible_to(request.user).standing().filter(affiliate__user_id=request.user.pk)
        post = get_object_or_404(mine.select_related("campaign__advertiser", "platform", "affiliate"), pk=post_id)
        given = FiguresSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        return _accepted(self, submission.claim_again(post=post, figures=given.figures))


class SubmissionWithdraw(ShowsVerdicts):
    """A claim that was a mistake."""

    scope = "submit"
    permission_classes = [HasScope, IsAffiliate]
    serializer_class = WithdrawalSerializer

    @idempotent
    @extend_schema(responses=StandingSerializer)
    def post(self, request: Request, post_id: UUID) -> Response:
        """Take a claim back: without a look it is as if never made, else its verdict stands and counts."""
        given = WithdrawalSerializer(data=request.data)
        post = own_post(request, post_id)
        given.is_valid(raise_exception=True)
        pk = given.validated_data.get("claim") or post.state.current_claim_id
        claim = AffiliateReport.objects.filter(post=post, pk=pk).select_related("post__platform").first()
        if claim is None:
            raise ClaimRefusedError("There is no such claim of this post.", field="claim", code="unknown_claim")
        reason = ClaimWithdrawal.Reason(given.validated_data["reason"])
        user: Any = request.user
        taking_back.withdraw(claim=claim, reason=reason, by=user)
        return Response(sheets.STANDING.show([post.pk], self.get_serializer_context())[0])


class SubmissionCorrect(ShowsVerdicts):
    """A claim that was a mistake, and the one that was meant."""

    scope = "submit"
    permission_classes = [HasScope, IsAffiliate]
    serializer_class = CorrectionSerializer

    @idempotent
    @extend_schema(responses={202: AcceptedSerializer})
    def post(self, request: Request, post_id: UUID) -> Response:
        """Take the current claim back and claim these figures in its place, both or neither."""
        post = own_post(request, post_id)
        given = CorrectionSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        claim = AffiliateReport.objects.select_related(
            "post__platform", "post__campaign__advertiser", "post__affiliate"
        ).get(pk=post.state.current_claim_id)
        reason = ClaimWithdrawal.Reason(given.validated_data["reason"])
        user: Any = request.user
        return _accepted(self, taking_back.correct(claim=claim, figures=given.figures, reason=reason, by=user))


def own_post(request: Request, post_id: UUID) -> Post:
    """The caller's own post, which stands. Raises Http404."""
    mine = Post.objects.visible_to(request.user).standing().filter(affiliate__user_id=request.user.pk)
    found: Post = get_object_or_404(mine.select_related("state"), pk=post_id)
    return found


class SubmissionHistory(ShowsVerdicts, SheetList):
    """Every claim the caller may see, newest first, each with the verdicts on it."""

    scope = "submit"
    serializer_class = HistorySerializer
    sheet = sheets.HISTORY
    filterset_class = ClaimFilter
    pagination_class = CursorOrOffsetPage

    def get_queryset(self) -> Any:
        return AffiliateReport.objects.visible_to(self.request.user)


# --- One affiliate


class OfAffiliate(ShowsVerdicts):
    """What concerns one affiliate: for staff, themselves, and advertisers as far as their own campaigns go."""

    scope = "submit"

    @cached_property
    def affiliate(self) -> Affiliate:
        """Raises Http404 for one the caller has nothing to do with."""
        found: Affiliate = get_object_or_404(known_to(self.request.user), pk=self.kwargs["affiliate_id"])
        return found

    def posts(self) -> PostQuerySet:
        """The affiliate's posts, as far as the caller may see them."""
        return Post.objects.visible_to(self.request.user).filter(affiliate=self.affiliate)


class AffiliateSubmissions(OfAffiliate, SheetList):
    """An affiliate's posts, newest first, each as it stands."""

    serializer_class = StandingSerializer
    sheet = sheets.STANDING
    filterset_class = PostFilter
    pagination_class = CursorOrOffsetPage
    queryset = Post.objects.none()

    def get_queryset(self) -> PostQuerySet:
        return self.posts()


class AffiliatePerformance(OfAffiliate):
    """How far an affiliate's claims can be relied on."""

    serializer_class = PerformanceSerializer

    def get(self, request: Request, affiliate_id: UUID) -> Response:
        """Trust with the counts behind it, overall and by platform, its history and reasons, and claims by verdict."""
        found = performance(affiliate=self.affiliate, posts=self.posts())
        return Response(self.get_serializer(found).data)


# --- Reconciliation


class RunRequest(GenericAPIView[Any]):
    """Looks on demand."""

    scope = "reconcile"
    permission_classes = [HasScope, ManagesAnAdvertiser]
    serializer_class = RunRequestSerializer

    @idempotent
    @extend_schema(responses={202: RunSerializer})
    def post(self, request: Request) -> Response:
        """Look again at the posts that meet all that is named: staff at any, managers at those of their campaigns."""
        given = RunRequestSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        user: Any = request.user
        scope = _scope(user, given.validated_data)
        posts = posts_to_look_at(user, scope)
        return accepted_run(request, runs.request_run(posts=posts, by=user, scope=scope.as_json()))


class Runs(ListAPIView[Run]):
    """The runs that the caller asked for (staff: all), newest first."""

    scope = "reconcile"
    serializer_class = RunSerializer

    def get_queryset(self) -> Any:
        return Run.objects.visible_to(self.request.user).select_related("requested_by")

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Runs, newest first."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(_shown_runs(page or []))


class RunDetail(RetrieveAPIView[Run]):
    """One run: what it was asked for, how many of its looks are done, and what they came to."""

    scope = "reconcile"
    serializer_class = RunWithReportSerializer
    lookup_url_kwarg = "run_id"

    def get_queryset(self) -> Any:
        return Run.objects.visible_to(self.request.user).select_related("requested_by")

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """How far a run is, and what it has found."""
        return _run_with_report(self.get_object())


class RunCancel(GenericAPIView[Run]):
    """A run that somebody thought better of."""

    scope = "reconcile"
    permission_classes = [HasScope, ManagesAnAdvertiser]
    serializer_class = RunWithReportSerializer

    @idempotent
    @extend_schema(request=NoFields, responses=RunWithReportSerializer)
    def post(self, request: Request, run_id: UUID) -> Response:
        """Take back the looks that are not begun and that nothing else wants. 409 where there is nothing left to do."""
        user: Any = request.user
        run = get_object_or_404(Run.objects.visible_to(user).select_related("requested_by"), pk=run_id)
        NoFields(data=request.data).is_valid(raise_exception=True)
        withdrawing.cancel_run(run=run, by=user)
        run.refresh_from_db(fields=["cancelled_at"])
        return _run_with_report(run)


class CampaignForecast(GenericAPIView[Any]):
    """What a campaign plans to look at again."""

    scope = "campaigns"
    serializer_class = ForecastSerializer

    def get(self, request: Request, campaign_id: UUID) -> Response:
        """What the planned looks of the coming week need of the call budgets, by platform."""
        user: Any = request.user
        campaign = get_object_or_404(Campaign.objects.visible_to(user), pk=campaign_id)
        _check_advertiser_side(user, campaign_id)
        planned = {"campaign": campaign.pk, "platforms": forecasts(campaign=campaign)}
        return Response(self.get_serializer(planned).data)


class Results(ShowsVerdicts, SheetList):
    """The verdicts that the caller may see, newest first, each with claim, truth and explanation."""

    scope = "reconcile"
    serializer_class = ResultSerializer
    sheet = sheets.RESULTS
    filterset_class = ResultFilter

    def get_queryset(self) -> Any:
        return ReconciliationLog.objects.visible_to(self.request.user)


class ResultDetail(ShowsVerdicts, SheetRow):
    """One verdict with all that it was drawn from."""

    scope = "reconcile"
    serializer_class = ResultSerializer
    sheet = sheets.RESULTS
    lookup_url_kwarg = "result_id"

    def get_queryset(self) -> Any:
        return ReconciliationLog.objects.visible_to(self.request.user)


class Findings(SheetList):
    """What data-quality rules noticed about claims in the caller's campaigns, newest first."""

    scope = "reconcile"
    serializer_class = FindingSerializer
    sheet = sheets.FINDINGS
    filterset_class = FindingFilter

    def get_queryset(self) -> Any:
        return Finding.objects.visible_to(self.request.user)


class Clawbacks(ListAPIView[Any]):
    """What affiliates over-claim in the caller's campaigns now, with what is suggested about it: the newest campaign
    first, and in it the costliest. It does nothing by itself."""

    scope = "reconcile"
    serializer_class = ClawbackSerializer
    filterset_class = ClawbackFilter
    pagination_class = OffsetPage

    def get_queryset(self) -> Any:
        user: Any = self.request.user
        mine = Campaign.objects.for_advertiser_side(user).order_by().values("pk")
        return AffiliateRollUp.objects.filter(campaign__in=mine).misclaiming()

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        found = clawbacks([(row["campaign"], row["affiliate"]) for row in page])
        return self.get_paginated_response(self.get_serializer(found, many=True).data)


class ResultReceipt(GenericAPIView[Any]):
    """What a verdict was drawn from and by."""

    scope = "reconcile"
    serializer_class = ReceiptSerializer

    def get(self, request: Request, result_id: UUID) -> Response:
        """One verdict's receipt, its canonical text with the SHA-256 of that, and where it is sealed (null: its day is
        not over yet). It has the rates and the rules, and is for staff and the advertiser's people."""
        user: Any = request.user
        verdicts = ReconciliationLog.objects.visible_to(user).select_related("post", "sealed__block")
        verdict = get_object_or_404(verdicts, pk=result_id)
        _check_advertiser_side(user, verdict.post.campaign_id)
        receipt = Recording().receipts([verdict.pk])[verdict.pk]
        sealed = getattr(verdict, "sealed", None)
        shown = {
            "receipt": receipt,
            "canonical": canonical(receipt).decode(),
            "sha256": digest(receipt),
            "block": sealed
            and {"number": sealed.block.number, "sha256": sealed.block.sha256, "position": sealed.position},
        }
        return Response(self.get_serializer(shown).data)


# --- Files


class ClaimsExport(ExportView):
    """Every claim the caller may see, as a file."""

    scope = "submit"
    filterset_class = ClaimFilter
    export = CLAIMS

    def get_queryset(self) -> Any:
        return AffiliateReport.objects.visible_to(self.request.user)


class SnapshotsExport(ExportView):
    """What the sources of truth said of the posts that the caller may see, as a file."""

    scope = "submit"
    filterset_class = SnapshotFilter
    export = SNAPSHOTS

    def get_queryset(self) -> Any:
        return PlatformReport.objects.visible_to(self.request.user)


class VerdictsExport(ExportView, ShowsVerdicts):
    """The verdicts that the caller may see, as a file; money and rules are empty in other advertisers' rows."""

    scope = "reconcile"
    filterset_class = ResultFilter
    export = VERDICTS

    def get_queryset(self) -> Any:
        return ReconciliationLog.objects.visible_to(self.request.user)


def _campaign(user: User, pk: UUID) -> Campaign:
    """The campaign to claim for. Raises ClaimRefusedError, which does not say whether it exists elsewhere."""
    campaign = Campaign.objects.visible_one(user, pk)
    if campaign is None:
        raise no_campaign(ClaimRefusedError)
    return campaign


def _check_advertiser_side(user: User, campaign_id: UUID) -> None:
    """Raises NotAllowedError for who sees a campaign from another side."""
    if not Campaign.objects.for_advertiser_side(user).filter(pk=campaign_id).exists():
        raise NotAllowedError("Only staff and this advertiser's people may see this.")


def no_campaign(refusal: type[DomainError]) -> DomainError:
    """Of a campaign that is not there for the caller."""
    return refusal("There is no such campaign for you.", field="campaign", code="unknown_campaign")


def _platform(name: str, refusal: type[DomainError]) -> Platform:
    """The platform of this slug or alias. Raises `refusal`."""
    platform = platform_named(name)
    if platform is None:
        raise no_platform(refusal)
    return platform


def no_platform(refusal: type[DomainError]) -> DomainError:
    """Of a platform that nobody knows."""
    return refusal("There is no such platform here.", field="platform", code="unknown_platform")


def status_of(submitted: submission.Submission) -> int:
    """202 where a verdict will follow, 200 where nothing was added."""
    return 200 if submitted.outcome == admission.Outcome.UNCHANGED else 202


def _accepted(view: GenericAPIView[Any], submitted: submission.Submission) -> Response:
    """The answer to a claim that was taken."""
    shown = AcceptedSerializer(submitted, context=view.get_serializer_context()).data
    return Response(shown, status=status_of(submitted), headers={"Location": shown["links"]["self"]})


def _scope(user: User, named: dict[str, Any]) -> runs.Scope:
    """What a run is asked for. Managers name at least one thing: everything is for staff to ask for."""
    if not named and not user.is_staff:
        raise RunRefusedError("Name a campaign, or something else that says which posts.", code="scope_required")
    campaign = platform = None
    if "campaign" in named:
        campaign = named["campaign"]
        if not Campaign.objects.managed_by(user).filter(pk=campaign).exists():
            raise no_campaign(RunRefusedError)
    if "platform" in named:
        platform = _platform(named["platform"], RunRefusedError).slug
    return runs.Scope(
        campaign=campaign,
        affiliate=named.get("affiliate"),
        platform=platform,
        created_from=named.get("from"),
        created_to=named.get("to"),
        posts=tuple(named["posts"]) if "posts" in named else None,
    )


def accepted_run(request: Request, run: Run) -> Response:
    """202: its looks follow."""
    where = reverse("api-reconciliation-run", [run.pk], request=request)
    return Response(_shown_runs([run])[0], status=202, headers={"Location": where})


def posts_to_look_at(user: User, scope: runs.Scope) -> PostQuerySet:
    """The posts that a run is asked for, as far as they are the caller's to decide on. Raises RunRefusedError where
    one that is listed is not."""
    managed = Campaign.objects.managed_by(user)
    posts = scope.among(Post.objects.filter(campaign__in=managed.values("pk")))
    if scope.posts is not None and posts.count() < len(set(scope.posts)):
        raise RunRefusedError("Some of these are no posts of yours.", field="posts", code="unknown_post")
    return posts


def _run_with_report(run: Run) -> Response:
    context = {"progress": runs.progress([run]), "report": runs.report(run)}
    return Response(RunWithReportSerializer(run, context=context).data)


def _shown_runs(found: Sequence[Run]) -> list[dict[str, Any]]:
    return list(RunSerializer(found, many=True, context={"progress": runs.progress(found)}).data)

"""The dashboard's pages for alerts, and the parts of other pages that show them: scope, query, render."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from affiliates.http import AuthenticatedRequest
from alerts import pages, services
from alerts.errors import AlertStateError
from alerts.exports import ALERTS
from alerts.forms import ResolveForm
from alerts.models import Alert
from campaigns.http import exported, figures_of
from campaigns.models import Advertiser
from reconciliation.pages.filters import as_uuid
from reconciliation.pages.rows import trust_note

ALERTS_A_PAGE = 50
PANEL_LENGTH = 4


@login_required
@require_safe
def alerts(request: AuthenticatedRequest) -> HttpResponseBase:
    """What a person must look at, the worst first."""
    visible = Alert.objects.visible_to(request.user)
    wanted = pages.AlertFilter.read(request.GET)
    chosen = wanted.narrow(visible).worst_first()
    if file := exported(request, ALERTS, chosen):
        return file
    page = Paginator(chosen.for_list(), ALERTS_A_PAGE).get_page(request.GET.get("page"))
    with figures_of(list(Advertiser.objects.visible_to(request.user))) as context:
        context |= {
            "wanted": wanted,
            "page_obj": page,
            "rows": [pages.alert_row(each) for each in page],
            "columns": pages.COLUMNS,
            "status_options": wanted.status_options(visible),
            "severity_options": wanted.severity_options(visible),
            "campaign_options": wanted.campaign_options(visible),
            "affiliate_options": wanted.affiliate_options(visible),
        }
        return render(request, "alerts/alerts.html", context)


@login_required
@require_safe
def alert(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """One alert: what was found, and what somebody decided or can decide."""
    return _alert_page(request, _visible_alert(request, pk), ResolveForm())


@login_required
@require_POST
def acknowledge(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """Say that somebody is on it."""
    found = _decidable_alert(request, pk)
    try:
        services.acknowledge(alert_id=found.pk, by=request.user)
        messages.success(request, "You are on it. Resolve it with a note when it is settled.")
    except AlertStateError as error:
        messages.warning(request, error.message)
    return redirect("alerts:alert", pk)


@login_required
@require_POST
def resolve(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """Close an alert, with the reason in words."""
    found = _decidable_alert(request, pk)
    form = ResolveForm(request.POST)
    if not form.is_valid():
        return _alert_page(request, found, form, status=422)
    try:
        services.resolve(alert_id=found.pk, by=request.user, note=form.cleaned_data["note"])
        messages.success(request, "The alert is resolved.")
    except AlertStateError as error:
        messages.warning(request, f"{error.message} Your note was not kept.")
    return redirect("alerts:alert", pk)


@login_required
@require_safe
def panel(request: AuthenticatedRequest) -> HttpResponse:
    """What needs a decision in one campaign or on one post, as a part of that page."""
    wanted = pages.AlertFilter.read(request.GET)
    active = wanted.narrow(Alert.objects.visible_to(request.user).active())
    groups = active.grouped()[:PANEL_LENGTH]
    advertisers = Advertiser.objects.filter(campaigns__in=active.values("campaign")).distinct()
    with figures_of(list(advertisers)) as context:
        context |= {
            "count": active.count(),
            "items": [pages.group_item(group, wanted) for group in groups],
            "query": wanted.as_query(),
        }
        return render(request, "alerts/_panel.html", context)


@login_required
@require_safe
def counts(request: AuthenticatedRequest) -> HttpResponse:
    """How many alerts are active: for the menu, and for the campaigns that the address names."""
    by_campaign = Alert.objects.visible_to(request.user).active().count_by_campaign()
    asked = [pk for pk in map(as_uuid, request.GET.getlist("campaign")) if pk]
    context = {"total": sum(by_campaign.values()), "by_campaign": [(pk, by_campaign.get(pk, 0)) for pk in asked]}
    return render(request, "alerts/_counts.html", context)


def _visible_alert(request: AuthenticatedRequest, pk: UUID) -> Alert:
    found: Alert = get_object_or_404(Alert.objects.visible_to(request.user).for_page(), pk=pk)
    return found


def _decidable_alert(request: AuthenticatedRequest, pk: UUID) -> Alert:
    """404 for an alert that the user must not learn of, 403 for one that others decide on."""
    found = _visible_alert(request, pk)
    if not _may_decide(request, found):
        raise PermissionDenied
    return found


def _may_decide(request: AuthenticatedRequest, found: Alert) -> bool:
    return Alert.objects.decidable_by(request.user).filter(pk=found.pk).exists()


def _alert_page(request: AuthenticatedRequest, found: Alert, form: ResolveForm, status: int = 200) -> HttpResponse:
    others = Alert.objects.visible_to(request.user).active().beside(found).worst_first().for_list()
    trust = getattr(found.affiliate, "trust", None)
    with figures_of([found.campaign.advertiser]) as context:
        context |= {
            "alert": found,
            "row": pages.alert_row(found),
            "trust": trust_note(trust.trust_score if trust and trust.total_submissions else None),
            "now": pages.since_then(found),
            "evidence": pages.evidence(found),
            "events": pages.decisions(found),
            "others": [pages.other_item(each) for each in others[:PANEL_LENGTH]],
            "form": form,
            "may_decide": _may_decide(request, found),
        }
        return render(request, "alerts/alert.html", context, status=status)

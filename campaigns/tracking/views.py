"""Pages about tracking: what came through a campaign's links and how its shop reports; an affiliate's own links."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from affiliates.http import AuthenticatedRequest
from campaigns.http import figures_of, managed, manages
from campaigns.models import Campaign, PostbackKey, TrackingLink
from campaigns.tracking import rows
from campaigns.tracking.forms import LinkForm
from campaigns.tracking.keys import MAX_LIVE_KEYS, create_postback_key, revoke_postback_key
from campaigns.tracking.links import make_link
from campaigns.tracking.totals import campaign_totals, nobodys_sales
from config.errors import DomainError

LINKS_A_PAGE = 50


# --- The advertiser's side


@login_required
@require_safe
def campaign_tracking(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """The links of a campaign with what came through them, and how its shop reports."""
    return _tracking_page(request, _campaign(request, pk))


@login_required
@require_safe
def campaign_tracking_panel(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """The figures of a campaign's tracking, as the inside of a panel on another page."""
    found = _campaign(request, pk)
    with figures_of([found.advertiser]) as context:
        context |= {"campaign": found, "can_manage": manages(request, found)}
        if found.landing_url:
            context["cards"] = rows.cards(campaign_totals(found))
        return render(request, "campaigns/_tracking_panel.html", context)


@login_required
@never_cache
@require_POST
def campaign_postback_keys(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """Make a key. The answer is the only page that ever shows its secret, so there is no redirect to another."""
    found = managed(request, _campaign(request, pk))
    try:
        _, secret = create_postback_key(campaign=found, by=request.user)
    except DomainError as error:
        messages.error(request, error.message)
        return redirect("campaign-tracking", pk)
    return _tracking_page(request, found, secret=secret)


@login_required
@require_POST
def campaign_postback_key_revoke(request: AuthenticatedRequest, pk: UUID, key_id: UUID) -> HttpResponse:
    """Nothing that is signed with a key is taken from now on."""
    found = managed(request, _campaign(request, pk))
    key = get_object_or_404(PostbackKey.objects.filter(campaign=found), pk=key_id)
    revoke_postback_key(key=key, by=request.user)
    messages.success(request, f"The key {key} is revoked. What is signed with it is refused from now on.")
    return redirect(f"{reverse('campaign-tracking', args=[pk])}#shop")


def _tracking_page(request: AuthenticatedRequest, found: Campaign, secret: str = "") -> HttpResponse:
    links = TrackingLink.objects.filter(campaign=found).select_related("platform", "affiliate")
    page = Paginator(links, LINKS_A_PAGE).get_page(request.GET.get("page"))
    can_manage = manages(request, found)
    keys = list(found.postback_keys.all()) if can_manage else []
    with figures_of([found.advertiser]) as context:
        context |= {
            "campaign": found,
            "can_manage": can_manage,
            "cards": rows.cards(campaign_totals(found)) if page.paginator.count else [],
            "nobodys": rows.nobodys(nobodys_sales(found)),
            "page_obj": page,
            "rows": rows.link_rows(page),
            "columns": _columns("Affiliate"),
            "link_start": _link_start(request),
            "keys": keys,
            "may_make_a_key": sum(key.revoked_at is None for key in keys) < MAX_LIVE_KEYS,
            "secret": secret,
            "postback_url": request.build_absolute_uri(reverse("postback", args=[found.postback_token])),
        }
        return render(request, "campaigns/tracking.html", context)


def _campaign(request: AuthenticatedRequest, pk: UUID) -> Campaign:
    mine = Campaign.objects.for_advertiser_side(request.user).select_related("advertiser")
    found: Campaign = get_object_or_404(mine, pk=pk)
    return found


# --- The affiliate's side


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def own_links(request: AuthenticatedRequest) -> HttpResponse:
    """An affiliate's links with what came through them; posted, one more."""
    affiliate = getattr(request.user, "affiliate", None)
    if affiliate is None or not affiliate.is_active:
        raise PermissionDenied
    form = LinkForm(request.POST if request.method == "POST" else None, user=request.user)
    if form.is_valid():
        place = form.cleaned_data["place"]
        try:
            link, is_new = make_link(
                affiliate=affiliate,
                campaign=place.campaign,
                platform=place.platform,
                label=form.cleaned_data["label"],
                another=form.cleaned_data["another"],
            )
        except DomainError as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            there = "Here is your link" if is_new else "You have a link there already"
            messages.success(request, f"{there}: {_link_start(request)}{link.code}")
            return redirect("links")
    links = TrackingLink.objects.filter(affiliate=affiliate).select_related("platform", "campaign")
    page = Paginator(links, LINKS_A_PAGE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "form": form,
        "page_obj": page,
        "rows": rows.link_rows(page),
        "columns": _columns("Campaign"),
        "link_start": _link_start(request),
    }
    return render(request, "campaigns/own_links.html", context, status=422 if form.errors else 200)


def _columns(beside: str) -> list[dict[str, str]]:
    """The columns of a table of links, as table_head.html takes them."""
    return [
        {"label": "Link"},
        {"label": beside},
        {"label": "Clicks", "kind": "num"},
        {"label": "Set apart", "kind": "num"},
        {"label": "Sales", "kind": "num"},
        {"label": "Sold for", "kind": "num"},
        {"label": "Last click", "kind": "num"},
    ]


def _link_start(request: AuthenticatedRequest) -> str:
    """What every link begins with, up to its code."""
    return request.build_absolute_uri("/t/")

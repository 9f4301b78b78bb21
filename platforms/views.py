"""The page on which an affiliate connects its accounts and proves them, and the way to a platform and back."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from affiliates.http import AuthenticatedRequest
from affiliates.models import Affiliate
from config import clock
from config.errors import DomainError
from platforms import handshake, oauth
from platforms.forms import AccountForm, CheckForm, TokenForm
from platforms.handshake import Handshake
from platforms.models import Account, Connection, Platform
from platforms.pages import cards_of
from platforms.services import accounts, connecting

MAX_CODE_CHARS = 2_048
JUST_NOW = timedelta(minutes=2)
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")


@login_required
@require_safe
def connections(request: AuthenticatedRequest) -> HttpResponse:
    """What an affiliate has connected and proven."""
    return _page(request)


# --- To the platform and back


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def connect(request: AuthenticatedRequest, slug: str) -> HttpResponse:
    """What connecting means; and, posted, the way to the platform.

    The page that a post gives leads on by itself. A redirect would not do: `form-action 'self'` holds for what a form
    is redirected to as well, and where a platform redirects to in turn is nobody's to list.
    """
    _affiliate(request)
    platform = _connectable(slug)
    livemode = request.GET.get("mode") != "test"
    context: dict[str, Any] = {"platform": platform, "livemode": livemode}
    client = oauth.client_of(slug, livemode=livemode)
    if request.method != "POST" or client is None:
        return render(request, "platforms/connect.html", context | {"is_possible": client is not None})
    redirect_uri = request.build_absolute_uri(reverse("connections:callback", args=[slug]))
    started = handshake.start(request, platform=slug, livemode=livemode, redirect_uri=redirect_uri)
    context["address"] = oauth.authorize_url(
        client, redirect_uri=redirect_uri, state=started.state, verifier=started.verifier
    )
    return render(request, "platforms/leaving.html", context)


@login_required
@never_cache
@require_safe
def callback(request: AuthenticatedRequest, slug: str) -> HttpResponse:
    """Back from the platform, with a code or with a no."""
    affiliate = _affiliate(request)
    platform = _connectable(slug)
    started = handshake.take(request, platform=slug, state=request.GET.get("state", ""))
    try:
        _finish(request, affiliate, platform, started)
    except DomainError as error:
        messages.error(request, error.message)
    return redirect("connections:connections")


def _finish(request: AuthenticatedRequest, affiliate: Affiliate, platform: Platform, started: Handshake | None) -> None:
    code = request.GET.get("code", "")
    if started is None:
        _explain_stray(request, affiliate, platform)
    elif started.is_late:
        messages.error(request, f"Coming back from {platform} took more than ten minutes. Connect again.")
    elif "error" in request.GET:
        messages.warning(request, _refusal(request.GET["error"], platform))
    elif not 0 < len(code) <= MAX_CODE_CHARS:
        messages.error(request, f"{platform} sent you back without saying what you allowed. Connect again.")
    else:
        connection = connecting.connect_by_oauth(
            affiliate=affiliate,
            platform=platform,
            livemode=started.livemode,
            code=code,
            redirect_uri=started.redirect_uri,
            verifier=started.verifier,
            by=request.user,
        )
        _tell_connected(request, connection)


def _explain_stray(request: AuthenticatedRequest, affiliate: Affiliate, platform: Platform) -> None:
    """A way back that belongs to nothing: mostly a second click, or the page loaded again."""
    mine = Connection.objects.filter(affiliate=affiliate, platform=platform, state=Connection.State.ACTIVE)
    if mine.filter(connected_at__gte=clock.now() - JUST_NOW).exists():
        messages.info(request, f"{platform} is connected.")
        return
    messages.error(
        request,
        f"This way back from {platform} was used already, or was not started here, so nothing was changed. If you "
        "meant to connect, start again from this page.",
    )


def _refusal(error: str, platform: Platform) -> str:
    if error in ("access_denied", "user_cancelled_authorize"):
        return f"You did not allow it at {platform}, so nothing is connected."
    named = f" ({error})" if _ERROR_CODE.fullmatch(error) else ""
    return f"{platform} sent you back with an error{named}, so nothing is connected. Try again."


@login_required
@require_POST
@sensitive_post_parameters("token")
def connect_with_token(request: AuthenticatedRequest, slug: str) -> HttpResponse:
    """Connect with a token that its owner pasted."""
    affiliate = _affiliate(request)
    platform = _connectable(slug)
    form = TokenForm(request.POST, auto_id=f"{slug}-%s")
    if form.is_valid():
        try:
            connection = connecting.connect_with_token(
                affiliate=affiliate,
                platform=platform,
                livemode=True,
                token=form.cleaned_data["token"],
                by=request.user,
            )
        except DomainError as error:
            form.add_error("token", error.message)
        else:
            _tell_connected(request, connection)
            return redirect("connections:connections")
    return _page(request, refused=(slug, form), status=422)


@login_required
@require_POST
def disconnect(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """Erase what is stored of a connection."""
    _affiliate(request)
    mine = Connection.objects.visible_to(request.user).select_related("platform")
    found: Connection = get_object_or_404(mine, pk=pk)
    if connecting.disconnect(connection=found, by=request.user):
        messages.success(request, f"{found.platform} is disconnected, and what we stored is erased.")
    return redirect("connections:connections")


# --- Accounts


@login_required
@require_POST
def claim_account(request: AuthenticatedRequest) -> HttpResponse:
    """Say that a handle is one's own."""
    affiliate = _affiliate(request)
    form = AccountForm(request.POST)
    if form.is_valid():
        try:
            accounts.claim_account(
                affiliate=affiliate,
                platform=form.chosen,
                livemode=True,
                handle=form.cleaned_data["handle"],
                by=request.user,
            )
        except DomainError as error:
            form.add_error(error.field if error.field in form.fields else "handle", error.message)
        else:
            return redirect(f"{reverse('connections:connections')}#accounts")
    return _page(request, account_form=form, status=422)


@login_required
@require_safe
def account(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """One account as it stands now, for a page that asks while its code is looked for."""
    return render(request, "platforms/_account.html", {"account": _account(request, pk)})


@login_required
@require_POST
def check_account(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """Have an account's code looked for."""
    found = _account(request, pk)
    form = CheckForm(request.POST)
    try:
        if not form.is_valid():
            raise DomainError(str(form.errors["post_url"][0]))
        accounts.request_check(account=found, post_url=form.cleaned_data["post_url"], by=request.user)
    except DomainError as error:
        messages.error(request, error.message)
    return redirect(f"{reverse('connections:connections')}#account-{pk}")


@login_required
@require_POST
def withdraw_account(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """Take back that an account is one's own."""
    found = _account(request, pk)
    try:
        accounts.withdraw_account(account=found, by=request.user)
        messages.success(request, f"@{found.handle} on {found.platform} is off your list.")
    except DomainError as error:
        messages.error(request, error.message)
    return redirect(f"{reverse('connections:connections')}#accounts")


# --- What they share


def _page(request: AuthenticatedRequest, status: int = 200, **more: Any) -> HttpResponse:
    affiliate = _affiliate(request)
    context = {
        "cards": cards_of(affiliate, refused=more.get("refused")),
        "accounts": Account.objects.visible_to(request.user).for_list(),
        "account_form": more.get("account_form") or AccountForm(),
    }
    return render(request, "platforms/connections.html", context, status=status)


def _affiliate(request: AuthenticatedRequest) -> Affiliate:
    """Raises PermissionDenied for whoever is no active affiliate."""
    affiliate: Affiliate | None = getattr(request.user, "affiliate", None)
    if affiliate is None or not affiliate.is_active:
        raise PermissionDenied
    return affiliate


def _connectable(slug: str) -> Platform:
    if slug not in oauth.PROVIDERS:
        raise Http404
    return get_object_or_404(Platform, slug=slug, is_active=True)


def _account(request: AuthenticatedRequest, pk: UUID) -> Account:
    _affiliate(request)
    found: Account = get_object_or_404(Account.objects.visible_to(request.user).select_related("platform"), pk=pk)
    return found


def _tell_connected(request: AuthenticatedRequest, connection: Connection) -> None:
    test = "" if connection.livemode else " in test mode, where your test keys see it"
    messages.success(
        request,
        f"{connection.platform} is connected as @{connection.handle}{test}. Your claims there are looked at now.",
    )

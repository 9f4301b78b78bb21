"""The panel that links an affiliate with Discord. The page of its connections fetches it by the URL's name."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from affiliates import discord
from affiliates.http import AuthenticatedRequest
from affiliates.models import Affiliate


@login_required
@never_cache
@require_safe
def discord_panel(request: AuthenticatedRequest) -> HttpResponse:
    """Whether somebody on Discord is this affiliate, and how to become so."""
    return _panel(request)


@login_required
@never_cache
@require_POST
def discord_code(request: AuthenticatedRequest) -> HttpResponse:
    """Make a code, and show it this once."""
    code, text = discord.make_code(affiliate=_affiliate(request), by=request.user)
    return _panel(request, code=text, expires_at=code.expires_at)


@login_required
@never_cache
@require_POST
def discord_unlink(request: AuthenticatedRequest) -> HttpResponse:
    """Nobody on Discord is this affiliate any more."""
    discord.unlink(affiliate=_affiliate(request), by=request.user)
    return _panel(request)


def _panel(request: AuthenticatedRequest, **more: Any) -> HttpResponse:
    """The panel alone for htmx, a page around it for everybody else."""
    template = "affiliates/_discord.html" if request.htmx else "affiliates/discord.html"
    return render(request, template, {"affiliate": _affiliate(request), **more})


def _affiliate(request: AuthenticatedRequest) -> Affiliate:
    """Raises PermissionDenied for whoever is no active affiliate."""
    affiliate: Affiliate | None = getattr(request.user, "affiliate", None)
    if affiliate is None or not affiliate.is_active:
        raise PermissionDenied
    return affiliate

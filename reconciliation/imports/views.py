"""Where an advertiser's managers send files of claims, see what each row comes to, and decide."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from affiliates.http import AuthenticatedRequest
from campaigns.http import figures_of
from campaigns.models import Advertiser
from config.errors import DomainError
from reconciliation.imports.kinds import optional
from reconciliation.models import Import, ImportRow
from reconciliation.querysets import ImportQuerySet
from reconciliation.services import importing

IMPORTS_A_PAGE, ROWS_A_PAGE = 25, 50


class ClaimsFileForm(forms.Form):
    """A file of claims. Nothing of it is imported yet."""

    file = forms.FileField(help_text="CSV in UTF-8, or XLSX.", widget=forms.FileInput(attrs={"accept": ".csv,.xlsx"}))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def imports(request: AuthenticatedRequest) -> HttpResponse:
    """Send a file of claims; those that were sent before."""
    mine = _imports(request)
    form = ClaimsFileForm(request.POST, request.FILES) if request.method == "POST" else ClaimsFileForm()
    if form.is_valid():
        upload = form.cleaned_data["file"]
        try:
            taken = importing.take_file(kind=Import.Kind.CLAIMS, file=upload.file, name=upload.name, by=request.user)
            return redirect("dashboard:import", taken.pk)
        except DomainError as refusal:
            form.add_error("file", refusal.message)
    page = Paginator(mine, IMPORTS_A_PAGE).get_page(request.GET.get("page"))
    kind = importing.KINDS[Import.Kind.CLAIMS]
    context = {"form": form, "page_obj": page, "required": kind.required, "others": optional(kind)}
    return _shown(request, "imports", context, status=422 if form.errors else 200)


@login_required
@require_http_methods(["GET", "HEAD"])
def import_(request: AuthenticatedRequest, pk: UUID) -> HttpResponse:
    """One file: how far it is, what its rows come to, and what can be decided. It asks again while it is worked on."""
    found = get_object_or_404(_imports(request), pk=pk)
    outcome = request.GET.get("outcome", "")
    rows = found.rows.order_by("line")
    chosen = rows.filter(outcome=outcome) if outcome in ImportRow.Outcome.values else rows
    counts = [(word, label, found.rows_of(word)) for word, label in ImportRow.Outcome.choices]
    options = [(word, label.capitalize(), number) for word, label, number in counts if number]
    refused = found.rows_of(ImportRow.Outcome.REFUSED)
    good = sum(number for _, _, number in options) - refused
    context = {
        "import": found,
        "page_obj": None if found.is_at_work else Paginator(chosen, ROWS_A_PAGE).get_page(request.GET.get("page")),
        "outcome": outcome,
        "outcome_options": [("", "All", good + refused), *options],
        "refused": refused,
        "good": good,
        "takes_all": not refused and importing.fits_as_a_whole(found),
    }
    return _shown(request, "import", context)


@login_required
@require_POST
def decide(request: AuthenticatedRequest, pk: UUID, decision: str) -> HttpResponse:
    """Import all rows or nothing, import the good rows, or discard the file."""
    found = get_object_or_404(_imports(request), pk=pk)
    try:
        if decision == "discard":
            importing.discard_import(import_id=found.pk, by=request.user)
        elif decision in Import.Take.values:
            importing.apply_import(import_id=found.pk, take=Import.Take(decision), by=request.user)
        else:
            raise Http404
    except DomainError as refusal:
        messages.error(request, refusal.message)
    return redirect("dashboard:import", pk)


def _imports(request: AuthenticatedRequest) -> ImportQuerySet:
    """The files of claims that this user may see; 403 for who manages no advertiser."""
    if not Advertiser.objects.managed_by(request.user).exists():
        raise PermissionDenied
    return Import.objects.visible_to(request.user).filter(kind=Import.Kind.CLAIMS).select_related("created_by")


def _shown(request: AuthenticatedRequest, page: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    with figures_of(list(Advertiser.objects.managed_by(request.user))) as whose:
        return render(request, f"reconciliation/{page}.html", whose | context, status=status)

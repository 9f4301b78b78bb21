"""Rule sets: what each version says, and how the next one is written."""

from collections import deque
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from affiliates.admin import actor
from campaigns.models import Campaign
from config import clock
from config.admin import ClosedAdmin, change_url
from config.errors import DomainError
from reconciliation.admin.rule_form import RuleForm
from reconciliation.models import RuleSet
from reconciliation.quality import RULES
from reconciliation.services import rulesets
from reconciliation.services.rehearsing import Rehearsed, rehearse
from reconciliation.trust import PolicyName

REHEARSED_AT_MOST = 5_000
"""Verdicts that a page waits for; the command takes all of them."""


def _rehearsed(form: RuleForm) -> Rehearsed:
    """What the newest verdicts of the chosen period would have been by what the form says."""
    until = clock.now()
    since = until - timedelta(days=int(form.cleaned_data["days"]))
    pages = rehearse(cells=form.cells, quality=form.quality, since=since, until=until, at_most=REHEARSED_AT_MOST)
    return next(iter(deque(pages, maxlen=1)), Rehearsed())


@admin.register(RuleSet)
class RuleSetAdmin(ClosedAdmin):
    """Each version stays as the verdicts drawn by it found it. A change is a new one."""

    list_display = ("__str__", "created_at", "created_by", "number_of_cells")
    list_select_related = ("created_by",)
    fields = ("version", "table", "rules", "trust_policy", "created_by", "created_at", "id")
    readonly_fields = ("table", "rules", "trust_policy")
    change_list_template = "admin/reconciliation/ruleset/list.html"

    @admin.display(description="cells")
    def number_of_cells(self, ruleset: RuleSet) -> int:
        return len(ruleset.cells)

    @admin.display(description="limits")
    def table(self, ruleset: RuleSet) -> SafeString:
        """The cells with campaigns by name."""
        ids = [cell["key"] for cell in ruleset.cells if cell["scope"] == "campaign"]
        names = {str(pk): name for pk, name in Campaign.objects.filter(pk__in=ids).values_list("pk", "campaign_name")}
        cells = [cell | {"whose": names.get(cell["key"], cell["key"])} for cell in ruleset.cells]
        return render_to_string("admin/reconciliation/ruleset/cells.html", {"cells": cells})

    @admin.display(description="data-quality rules")
    def rules(self, ruleset: RuleSet) -> SafeString:
        """Each rule as this version has it."""
        rules = []
        for rule in RULES.values():
            said = ruleset.quality.get(rule.name, {})
            options = [(option.meaning, said.get(name, option.default)) for name, option in rule.options.items()]
            rules.append({"title": rule.title, "weight": said.get("weight", rule.severity.value), "options": options})
        return render_to_string("admin/reconciliation/ruleset/quality.html", {"rules": rules})

    @admin.display(description="trust")
    def trust_policy(self, ruleset: RuleSet) -> str:
        """How this version has trust counted."""
        policy = rulesets.policy_of(ruleset)
        if policy.name is PolicyName.ACCURACY:
            return "The share of accurate posts."
        deltas = ", ".join(f"{delta:+} {kind.replace('_', ' ').lower()}" for kind, delta in policy.deltas.items())
        return f"From {policy.start}, for each post: {deltas}."

    def get_urls(self) -> list[URLPattern]:
        write = self.admin_site.admin_view(self.write)
        return [path("new/", write, name="reconciliation_ruleset_write"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """With the way to a new version for those who may write one."""
        context = {"may_write": self.has_decide_permission(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def write(self, request: HttpRequest) -> HttpResponse:
        """The page on which a new version is written."""
        if not self.has_decide_permission(request):
            raise PermissionDenied
        form = RuleForm(request.POST or None, ruleset=rulesets.current())
        if request.method == "POST" and form.is_valid():
            if "rehearse" in request.POST:
                return self._page(request, form, _rehearsed(form))
            try:
                saved = rulesets.save_version(
                    cells=form.cells, quality=form.quality, trust=form.trust, by=actor(request)
                )
            except DomainError as refusal:
                form.explain(refusal)
            else:
                is_new = saved.version > form.ruleset.version
                said = f"Version {saved.version} holds from now on." if is_new else "Nothing was changed."
                self.message_user(request, said, messages.SUCCESS if is_new else messages.INFO)
                return HttpResponseRedirect(change_url(saved))
        return self._page(request, form)

    def _page(self, request: HttpRequest, form: RuleForm, rehearsed: Rehearsed | None = None) -> HttpResponse:
        return self.own_page(
            request,
            "admin/reconciliation/ruleset/write.html",
            title=f"Rules, version {form.ruleset.version + 1}",
            form=form,
            campaigns=len({cell["key"] for cell in form.ruleset.cells if cell["scope"] == "campaign"}),
            rehearsed=rehearsed,
            is_cut=rehearsed and rehearsed.verdicts == REHEARSED_AT_MOST,
        )

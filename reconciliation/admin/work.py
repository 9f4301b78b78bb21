"""Jobs and runs: what is to be looked at, and who asked."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from affiliates.admin import actor
from config.admin import ClosedAdmin, ClosedInline
from config.errors import ConflictError
from config.templatetags.look import UNKNOWN, moment
from reconciliation.admin.looking import LookedAtAdmin, linked, post_title
from reconciliation.models import DiscordInteraction, Heartbeat, Job, Run, RunJob
from reconciliation.services import heartbeats, jobs, runs, withdrawing

MOST_AT_ONCE = 200


class ReasonForm(forms.Form):
    """Why a person gives up what was chosen."""

    reason = forms.CharField(
        max_length=withdrawing.MAX_REASON_CHARS,
        widget=forms.Textarea(attrs={"rows": 4, "cols": 80, "autofocus": True}),
        help_text="Why nobody is to look at it any more. It is kept in each job's history.",
    )


@admin.register(Job)
class JobAdmin(LookedAtAdmin):
    list_display = ("due_at", "state", "reason", post_title, "connection", "attempts", "last_error")
    list_select_related = ("post__text", "post__campaign", "connection__platform", "connection__affiliate")
    list_filter = ("state", "reason", "connection__platform")
    search_fields = ("post__url", "post__affiliate__name", "last_error", "=request_id")
    ordering = ("-due_at", "-id")
    actions = ("reconcile_again", "try_again", "discard")
    row_actions = actions

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup == "run_jobs__run__id__exact" or super().lookup_allowed(lookup, value, request)

    def offers(self, action: str, row: Job) -> bool:
        return action == "reconcile_again" or row.state == Job.State.DEAD

    @admin.action(description="Try again", permissions=["decide"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Dead jobs are due again, with fresh attempts."""
        chosen = list(queryset.order_by().values_list("pk", flat=True))
        try:
            retried = jobs.retry_dead(job_ids=chosen, by=actor(request))
        except ConflictError as error:
            self.message_user(request, error.message, messages.ERROR)
            return
        text = f"Due again: {retried} of {len(chosen)}."
        if retried < len(chosen):
            text += " The others are not dead, or their post is looked at anyway."
        self.message_user(request, text, messages.SUCCESS if retried else messages.WARNING)

    @admin.action(description="Discard with a reason", permissions=["decide"])
    def discard(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        """Ask for the reason first, on a page that lists what was chosen; then give the dead ones up."""
        asked = "reason" in request.POST
        ids: Any = request.POST.getlist(ACTION_CHECKBOX_NAME) if asked else queryset.values("pk")[: MOST_AT_ONCE + 1]
        chosen = list(Job.objects.filter(pk__in=ids, state=Job.State.DEAD).select_related(*self.list_select_related))
        if not chosen or len(chosen) > MOST_AT_ONCE:
            text = f"Choose {MOST_AT_ONCE} jobs at most." if chosen else "None of these is dead."
            self.message_user(request, text, messages.WARNING)
            return None
        form = ReasonForm(request.POST if asked else None)
        if form.is_valid():
            discarded = withdrawing.discard_dead(
                job_ids=[job.pk for job in chosen], reason=form.cleaned_data["reason"], by=actor(request)
            )
            self.message_user(request, f"Discarded: {discarded}.", messages.SUCCESS)
            return None
        rows = [(job, post_title(job)) for job in chosen]
        template = "admin/reconciliation/job/discard.html"
        return self.own_page(request, template, title="Discard with a reason", rows=rows, form=form)


class RunJobInline(ClosedInline):
    model = RunJob
    verbose_name_plural = "looks"
    fields = ("look", "post", "state", "last_error", "finished")
    select_related = ("job__post__text", "job__post__campaign")

    def look(self, run_job: RunJob) -> SafeString:
        return linked(str(run_job.job), run_job.job)

    def post(self, run_job: RunJob) -> SafeString:
        return linked(post_title(run_job.job), run_job.job.post)

    def state(self, run_job: RunJob) -> str:
        return run_job.job.get_state_display()

    def last_error(self, run_job: RunJob) -> str:
        return run_job.job.last_error or UNKNOWN

    def finished(self, run_job: RunJob) -> str:
        return moment(run_job.job.finished_at)


class RunList(ChangeList):
    """A page of runs, with their progress read at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        progress = runs.progress(self.result_list)
        for run in self.result_list:
            run.progress = progress[run.pk]


@admin.register(Run)
class RunAdmin(ClosedAdmin):
    list_display = ("created_at", "requested_by", "scope", "progress", "cancelled_at")
    list_select_related = ("requested_by",)
    search_fields = ("requested_by__email", "id")
    readonly_fields = ("progress", "report")
    fields = ("requested_by", "created_at", "scope", "progress", "report", "cancelled_at", "id")
    actions = ("cancel",)
    row_actions = actions
    inlines = (RunJobInline,)
    related_lists = (("All its jobs", "reconciliation_job", "run_jobs__run__id__exact"),)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RunList

    def progress(self, run: Run) -> str:
        found = getattr(run, "progress", None) or runs.progress([run])[run.pk]
        return f"{found.done} of {found.total} done, {found.dead} dead, {found.discarded} discarded"

    def report(self, run: Run) -> str:
        found = runs.report(run)
        verdicts = [f"{number} {status}" for status, number in found.verdicts.items()]
        return f"verdicts: {', '.join(verdicts) or 'none'}; posts with other figures than before: {found.changed}"

    def offers(self, action: str, row: Run) -> bool:
        return row.cancelled_at is None and runs.progress([row])[row.pk].pending > 0

    @admin.action(description="Cancel", permissions=["decide"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        """Looks that are not begun and that nothing else wants are taken back."""
        by = actor(request)
        self.act_on_each(request, queryset, lambda row: withdrawing.cancel_run(run=row, by=by), "cancelled")


@admin.register(Heartbeat)
class HeartbeatAdmin(ClosedAdmin):
    """Who works the queue, with a line that sums it up."""

    list_display = ("host", "cluster", "role", "pid", "doing", "started_at", "beat_at")
    list_filter = ("role",)
    search_fields = ("host", "=cluster")
    fields = ("host", "cluster", "role", "pid", "doing", "started_at", "beat_at")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        found = heartbeats.workers()
        title = f"Workers alive: {found.alive}; last beat: {moment(found.last_beat_at)}"
        return super().changelist_view(request, {"title": title, **(extra_context or {})})


@admin.register(DiscordInteraction)
class DiscordInteractionAdmin(ClosedAdmin):
    """What came from Discord and what it was answered; the token is shown to nobody."""

    list_display = ("received_at", "kind", "affiliate", "post", "told_at", "tell_attempts")
    list_select_related = ("affiliate", "post")
    list_filter = ("kind",)
    search_fields = ("=id", "=message_id", "affiliate__name", "post__url")
    readonly_fields = ()
    fields = (
        "id",
        "received_at",
        "kind",
        "affiliate",
        "message_id",
        "url",
        "post",
        "claim",
        "answer",
        "token_expires_at",
        "verdict",
        "told_at",
        "tell_at",
        "tell_attempts",
    )
    ordering = ("-received_at", "-id")

"""Jobs and runs: what is to be looked at, and who asked."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from affiliates.admin import actor
from config.admin import ClosedAdmin, ClosedInline
from config.errors import ConflictError
from config.templatetags.look import UNKNOWN, moment
from reconciliation.admin.looking import LookedAtAdmin, linked, post_title
from reconciliation.models import DiscordInteraction, Job, Run, RunJob
from reconciliation.services import jobs, runs


@admin.register(Job)
class JobAdmin(LookedAtAdmin):
    list_display = ("due_at", "state", "reason", post_title, "connection", "attempts", "last_error")
    list_select_related = ("post__text", "post__campaign", "connection__platform", "connection__affiliate")
    list_filter = ("state", "reason", "connection__platform")
    search_fields = ("post__url", "post__affiliate__name", "last_error", "=request_id")
    ordering = ("-due_at", "-id")
    actions = ("reconcile_again", "try_again")
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
    list_display = ("created_at", "requested_by", "scope", "progress")
    list_select_related = ("requested_by",)
    search_fields = ("requested_by__email", "id")
    readonly_fields = ("progress",)
    fields = ("requested_by", "created_at", "scope", "progress", "id")
    inlines = (RunJobInline,)
    related_lists = (("All its jobs", "reconciliation_job", "run_jobs__run__id__exact"),)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RunList

    def progress(self, run: Run) -> str:
        found = getattr(run, "progress", None) or runs.progress([run])[run.pk]
        return f"{found.done} of {found.total} done, {found.dead} dead"


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

"""What these pages share: a filter by verdict, the action that looks again, and how a row is named and linked."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from affiliates.admin import actor
from campaigns.models import Post
from config.admin import ClosedAdmin, change_url
from config.errors import DomainError
from reconciliation.pages.rows import title_of
from reconciliation.services import runs

LEVELS = ("high", "medium", "low")
TITLE_CHARS = 60
WORDS = (*LEVELS, "matched", "too_early", "unverifiable", "post_missing", "invalid_claim")


@admin.display(description="post", ordering="post__url")
def post_title(row: Any) -> str:
    """What the post behind a row is called in a list."""
    return title_in_short(row.post)


def title_in_short(post: Post) -> str:
    """What a post calls itself, short enough for a list, and whether it is one of test mode."""
    title = Truncator(title_of(post)).chars(TITLE_CHARS)
    return title if post.campaign.livemode else f"{title} · test mode"


def linked(text: str, row: Model) -> SafeString:
    """A text that leads to a row's page."""
    return format_html('<a href="{}">{}</a>', change_url(row), text)


class VerdictFilter(admin.SimpleListFilter):
    """By what a verdict says, in one word: of a discrepancy that is its level."""

    title = "verdict"
    parameter_name = "verdict"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(word, word.replace("_", " ").capitalize()) for word in WORDS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        word = self.value()
        if word not in WORDS:
            return queryset
        if word in LEVELS:
            return queryset.filter(status="DISCREPANCY", discrepancy_level=word.upper())
        return queryset.filter(status=word.upper())


class LookedAtAdmin(ClosedAdmin):
    """A table of posts, or of rows that each belong to a post, which can be looked at again."""

    actions: Sequence[str] = ("reconcile_again",)
    row_actions: Sequence[str] = ("reconcile_again",)

    def has_reconcile_permission(self, request: HttpRequest) -> bool:
        """Whoever may make a run may ask for one."""
        return request.user.has_perm("reconciliation.add_run")

    @admin.action(description="Reconcile again", permissions=["reconcile"])
    def reconcile_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Ask for a look at the posts behind the chosen rows, now."""
        ids = queryset.order_by().values("pk" if queryset.model is Post else "post")
        scope = {"chosen_in": queryset.model._meta.label_lower}
        try:
            run = runs.request_run(posts=Post.objects.filter(pk__in=ids), by=actor(request), scope=scope)
        except DomainError as refusal:
            self.message_user(request, refusal.message, messages.WARNING)
            return
        looks = runs.progress([run])[run.pk].total
        text = format_html('Looks asked for: {}. <a href="{}">See the run</a>', looks, change_url(run))
        self.message_user(request, text, messages.SUCCESS)

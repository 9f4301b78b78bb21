"""What the pages for staff share: closed tables, buttons on a row's page, and how values are written."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

import django_q.admin
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import flatten_fieldsets, get_fields_from_path, unquote
from django.core.exceptions import FieldDoesNotExist, PermissionDenied
from django.db import models
from django.db.models import Model, QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_q.models import Failure, OrmQ, Schedule, Success

from config.errors import DomainError
from config.tables.exporting import Export
from config.tables.writing import Format
from config.templatetags.look import UNKNOWN, day, figure, moment

if TYPE_CHECKING:
    from django.db.models.options import Options

    _ModelAdmin = admin.ModelAdmin[Any]
    _TabularInline = admin.TabularInline[Any, Any]
    _FormSet = BaseInlineFormSet[Any, Any, Any]
else:
    _ModelAdmin, _TabularInline, _FormSet = admin.ModelAdmin, admin.TabularInline, BaseInlineFormSet

INLINE_ROWS = 20
HISTORY = ("History", "affiliates_auditevent", "object_id")
"""What staff and services did to a row. It stands for the admin's own history, which knows of forms only."""


def badge(status: str | None, level: str | None = None) -> SafeString:
    """A state as the pages show it: a shape and a word."""
    return render_to_string("components/badge.html", {"status": status, "level": level})


def change_url(row: Model) -> str:
    """The address of a row's page."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def list_url(table: str, **filters: object) -> str:
    """The address of the list of a table ("campaigns_post"), filtered."""
    return f"{reverse(f'admin:{table}_changelist')}?{urlencode(filters)}"


def json_text(value: object) -> str:
    """A JSON value that can be read, as text: what strangers sent is never taken for HTML."""
    return format_html('<pre class="json">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False))


def _moment(value: datetime) -> str:
    return moment(value).replace(" ", "\N{NO-BREAK SPACE}")


_WRITERS: "tuple[tuple[type[models.Field[Any, Any]], Callable[[Any], str]], ...]" = (
    (models.DateTimeField, _moment),
    (models.DateField, day),
    (models.IntegerField, figure),
    (models.JSONField, json_text),
)


@cache
def written(table: "Options[Any]", path: str) -> Any:
    """The column of a table, or of one it points at ("post__posted_at"), written as on every page of the product.

    Figures, moments, JSON and what another table says become a display function; any other name is given back for
    Django to write.
    """
    try:
        field = get_fields_from_path(table.model, path)[-1]
    except FieldDoesNotExist:
        return path
    write = next((write for kind, write in _WRITERS if isinstance(field, kind) and not field.choices), str)
    if write is str and "__" not in path:
        return path

    @admin.display(description=field.verbose_name, ordering=path)
    def column(row: Model) -> str:
        value: Any = row
        for name in path.split("__"):
            value = getattr(value, name, None)
        return UNKNOWN if value is None else write(value)

    column.__name__ = path
    return column


_NEVER_NEGATIVE: dict[Any, dict[str, Any]] = {models.DecimalField: {"min_value": 0}}
"""Amounts that people type."""


def in_test_mode(row: Any) -> bool:
    """Whether a row belongs to test mode, as it or what it points at says."""
    while row is not None:
        if hasattr(row, "livemode"):
            return row.livemode is False
        row = next((getattr(row, name) for name in ("campaign", "post", "advertiser") if hasattr(row, name)), None)
    return False


class Closed:
    """Nothing is added, changed or deleted here, whatever a person's permissions say."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class RowAdmin(_ModelAdmin):
    """A table's pages. What cannot be edited on them is written as `written` does.

    `fixed` names what is filled in when a row is made and stays as it is; `row_actions` the actions that are buttons
    on a row's own page too; `related_lists` the lists that page links to, each a text, a table (which may belong to an
    app further right) and the filter that takes the row's id. `import_kind` says which kind of file brings such rows.
    """

    list_per_page = 50
    show_full_result_count = False
    empty_value_display = UNKNOWN
    readonly_fields: ClassVar[tuple[str, ...]] = ("id", "created_at")
    formfield_overrides = _NEVER_NEGATIVE
    change_form_template = "admin/row.html"
    change_list_template = "admin/list.html"
    import_kind = ""
    fixed: Sequence[str] = ()
    row_actions: Sequence[str] = ()
    related_lists: Sequence[tuple[str, str, str]] = ()

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        names = super().get_list_display(request)
        return [written(self.opts, name) if isinstance(name, str) else name for name in names]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        names = [*super().get_readonly_fields(request, obj), *(self.fixed if obj else ())]
        return [*names, *(written(self.opts, name) for name in names if isinstance(name, str))]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        fieldsets = super().get_fieldsets(request, obj)
        closed = obj is not None and not self.has_change_permission(request, obj)
        names = flatten_fieldsets(fieldsets) if closed else self.get_readonly_fields(request, obj)

        def write(field: Any) -> Any:
            if isinstance(field, tuple | list):
                return [write(name) for name in field]
            return written(self.opts, field) if isinstance(field, str) and field in names else field

        return [(title, {**options, "fields": write(options["fields"])}) for title, options in fieldsets]

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whether a person may run this table's actions. Closed forms do not close the actions, and the right to
        look does not open them."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def offers(self, action: str, row: Any) -> bool:
        """Whether one of `row_actions` makes sense for a row as it is."""
        return True

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """When the use case behind a form says no, the form comes back with its sentence."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except DomainError as refusal:
            request.refusal = refusal  # type: ignore[attr-defined]
            return super().changeform_view(request, *args, **kwargs)

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)
        refusal: DomainError | None = getattr(request, "refusal", None)
        if refusal is None:
            return form

        field, message = refusal.field, refusal.message

        class RefusedForm(form):  # type: ignore[misc, valid-type]
            def clean(self) -> Any:
                cleaned = super().clean()
                self.add_error(field if field in self.fields else None, message)
                return cleaned

        return RefusedForm

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST" and request.POST.get("action") in self.row_actions:
            return self._act_on(request, object_id)
        return super().change_view(request, object_id, *args, **kwargs)

    def _act_on(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        action = self.get_actions(request).get(request.POST["action"])
        if action is None or not self.has_view_permission(request, row):
            raise PermissionDenied
        answer: Any = action[0](self, request, self.get_queryset(request).filter(pk=row.pk))
        return answer or HttpResponseRedirect(request.get_full_path())

    def own_page(self, request: HttpRequest, template: str, **shown: Any) -> TemplateResponse:
        """A page of the table's own within the admin: a template that extends admin/own_page.html, and what it shows,
        `title` among it. `checkbox` is the name of the field of the rows' ids."""
        framed = {**self.admin_site.each_context(request), "opts": self.opts, "checkbox": ACTION_CHECKBOX_NAME}
        return TemplateResponse(request, template, framed | shown)

    def act_on_each(self, request: HttpRequest, rows: Iterable[Any], act: Callable[[Any], object], done: str) -> None:
        """Do one thing to each row; say to how many, and of each that was refused why."""
        count = 0
        for row in rows:
            try:
                act(row)
                count += 1
            except DomainError as refusal:
                self.message_user(request, f"{row}: {refusal.message}", messages.WARNING)
        if count:
            noun = self.opts.verbose_name if count == 1 else self.opts.verbose_name_plural
            self.message_user(request, f"{count} {noun} {done}.", messages.SUCCESS)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj:
            context["is_all_test"] = in_test_mode(obj)
            context["test_advertisers"] = ["test"] if context["is_all_test"] else []
            allowed: dict[str, Any] = self.get_actions(request)
            context["row_actions"] = [
                allowed[name][1:] for name in self.row_actions if name in allowed and self.offers(name, obj)
            ]
            context["related_lists"] = [
                (text, list_url(table, **{lookup: obj.pk})) for text, table, lookup in (*self.related_lists, HISTORY)
            ]
        return super().render_change_form(request, context, add, change, form_url, obj)


class ExportedAdmin(RowAdmin):
    """A table whose rows may be taken along as a file by whoever may see them: those chosen, or the whole list."""

    export: Export

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """The table's own, and one for each kind of file."""
        actions: dict[str, Any] = super().get_actions(request)
        if IS_POPUP_VAR in request.GET or not self.has_view_permission(request):
            return actions
        exports = {f"export_{each}": (_export_action(each), f"export_{each}", label) for each, label in _KINDS.items()}
        return actions | exports


_KINDS = {Format.CSV: "Export as CSV", Format.XLSX: "Export as XLSX", Format.JSONL: "Export as JSON Lines"}


def _export_action(format: Format) -> Callable[[ExportedAdmin, HttpRequest, "QuerySet[Any]"], HttpResponseBase]:
    def export_rows(pages: ExportedAdmin, request: HttpRequest, queryset: "QuerySet[Any]") -> HttpResponseBase:
        return pages.export.response(queryset, format, own_advertisers=None)

    return export_rows


class ClosedAdmin(Closed, RowAdmin):
    """A table that only the product writes: its rows can be looked at, with every column, and acted on."""

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields or sorted((f.name for f in self.opts.fields), key=lambda name: name in ("id", "created_at"))


class LatestRows(_FormSet):
    """No more than the first INLINE_ROWS; the whole list has a page of its own."""

    def get_queryset(self) -> Any:
        if not hasattr(self, "_queryset"):
            self._queryset = super().get_queryset()[:INLINE_ROWS]
        return self._queryset


class RowInline(_TabularInline):
    """Rows that are edited on the page of the row they belong to."""

    extra = 0
    formfield_overrides = _NEVER_NEGATIVE


class ClosedInline(Closed, _TabularInline):
    """The newest rows of another table that belong to the row shown, with the columns in `fields`."""

    template = "admin/closed_inline.html"
    formset = LatestRows
    extra = 0
    empty_value_display = UNKNOWN
    fields: ClassVar[tuple[str, ...]]
    select_related: Sequence[str] = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [written(self.opts, name) for name in self.fields]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return self.get_readonly_fields(request, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows.select_related(*self.select_related) if self.select_related else rows


def set_or_not(field: str, title: str, when_set: str, when_not: str) -> type[admin.SimpleListFilter]:
    """A list filter by whether a column has a value, in the words of the page."""

    class SetOrNot(admin.SimpleListFilter):
        parameter_name = field

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            return [("yes", when_set), ("no", when_not)]

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            if self.value() not in ("yes", "no"):
                return queryset
            return queryset.filter(**{f"{field}__isnull": self.value() == "no"})

    SetOrNot.title = title
    return SetOrNot


# The queue's own tables: to be looked at. Our jobs are the record, and the sweep wakes whatever the queue forgot.
admin.site.unregister([Success, Failure, OrmQ, Schedule])


@admin.register(Failure)
class FailureAdmin(Closed, django_q.admin.FailAdmin):
    actions = []


@admin.register(OrmQ)
class QueueAdmin(Closed, django_q.admin.QueueAdmin):
    actions = []


@admin.register(Schedule)
class ScheduleAdmin(Closed, django_q.admin.ScheduleAdmin):
    actions = []

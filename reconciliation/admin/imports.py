"""Imports: sending a file, seeing how far it is and what each row comes to, and deciding."""

from collections.abc import Iterator, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html_join

from affiliates.admin import actor
from config.admin import ClosedAdmin, RowAdmin, change_url, list_url
from config.templatetags.look import UNKNOWN, figure
from reconciliation.imports.kinds import optional
from reconciliation.models import Import, ImportPart, ImportRow
from reconciliation.services import importing

REFRESH_S = 2


class UploadForm(forms.ModelForm):  # type: ignore[type-arg]
    """A file of one kind. Nothing of it is imported yet."""

    file = forms.FileField(help_text="CSV in UTF-8, or XLSX. It is checked first; then you decide.")

    class Meta:
        model = Import
        fields = ("kind",)


def _columns() -> Iterator[tuple[str, str, str]]:
    """What the files of each kind hold: what is needed, and what may be there."""
    for name, kind in importing.KINDS.items():
        yield name.capitalize(), f"{', '.join(kind.required)} are needed", f"{', '.join(optional(kind))} may be there"


@admin.register(Import)
class ImportAdmin(RowAdmin):
    """A file is added; after that only its buttons change what becomes of it."""

    form = UploadForm
    list_display = ("created_at", "file_name", "kind", "state", "take", "rows_total", "created_by")
    list_select_related = ("created_by",)
    list_filter = ("kind", "state")
    search_fields = ("file_name", "=digest", "created_by__email")
    readonly_fields = ("id", "created_at")
    actions: Sequence[str] = ("import_all", "import_good", "discard")
    row_actions = actions
    related_lists = (("All rows", "reconciliation_importrow", "of__id__exact"),)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Beside the form stands what each kind of file holds."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None:
            fieldsets[0][1]["description"] = format_html_join("", "<p><b>{}</b>: {}; {}</p>", _columns())
        return fieldsets

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """One thing to do, and what it is called."""
        words = {"title": "Import a file", "show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, {**words, **(extra_context or {})})

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ("kind", "file")
        shown = ("file_name", "kind", "state", "progress", "comes_to", "error", "take", "created_by", "created_at")
        return (*shown, "finished_at", "digest", "id")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [*super().get_readonly_fields(request, obj), "progress", "comes_to"] if obj else []

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"kind": request.GET.get("kind", Import.Kind.CLAIMS)}

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whoever may send a file may decide on it."""
        return self.has_add_permission(request)

    def offers(self, action: str, row: Any) -> bool:
        if row.state != Import.State.CHECKED:
            return False
        whole = not row.rows_of(ImportRow.Outcome.REFUSED) and importing.fits_as_a_whole(row)
        return whole or action != "import_all"

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Raises DomainError for a file that is no table, which the form shows."""
        upload = form.cleaned_data["file"]
        taken = importing.take_file(
            kind=Import.Kind(form.cleaned_data["kind"]), file=upload.file, name=upload.name, by=actor(request)
        )
        obj.__dict__.update(taken.__dict__)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """While it is being worked on, the page comes anew by itself."""
        response = super().change_view(request, object_id, *args, **kwargs)
        row = self.get_object(request, object_id)
        if row is not None and row.is_at_work and request.method == "GET":
            response["Refresh"] = str(REFRESH_S)
        return response

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """On to the file's own page."""
        return HttpResponseRedirect(change_url(obj))

    def progress(self, row: Import) -> str:
        """How far the work is."""
        if row.rows_total is None:
            return f"{figure(row.rows_done)} rows checked"
        return f"{figure(row.rows_done)} of {figure(row.rows_total)} rows" if row.is_at_work else figure(row.rows_total)

    def comes_to(self, row: Import) -> str:
        """How many rows come to what, each with the way to them."""
        lists = [
            (list_url("reconciliation_importrow", of__id__exact=row.pk, outcome__exact=word), label, figure(number))
            for word, label in ImportRow.Outcome.choices
            if (number := row.rows_of(word))
        ]
        return format_html_join(", ", '<a href="{}">{} {}</a>', lists) or UNKNOWN

    @admin.action(description="Import all rows", permissions=["decide"])
    def import_all(self, request: HttpRequest, queryset: QuerySet[Import]) -> None:
        self._apply(request, queryset, Import.Take.ALL)

    @admin.action(description="Import the good rows", permissions=["decide"])
    def import_good(self, request: HttpRequest, queryset: QuerySet[Import]) -> None:
        self._apply(request, queryset, Import.Take.GOOD)

    @admin.action(description="Discard", permissions=["decide"])
    def discard(self, request: HttpRequest, queryset: QuerySet[Import]) -> None:
        by = actor(request)
        self.act_on_each(request, queryset, lambda row: importing.discard_import(import_id=row.pk, by=by), "discarded")

    def _apply(self, request: HttpRequest, queryset: QuerySet[Import], take: Import.Take) -> None:
        by = actor(request)

        def begin(row: Import) -> None:
            importing.apply_import(import_id=row.pk, take=take, by=by)

        self.act_on_each(request, queryset, begin, "being imported")
        self.message_user(request, "What came of each row is listed on the file's page.", messages.INFO)


@admin.register(ImportRow)
class ImportRowAdmin(ClosedAdmin):
    """The rows of files, in their order."""

    list_display = ("line", "outcome", "field", "reason", "code", "is_done", "of")
    list_select_related = ("of",)
    list_filter = ("outcome", "is_done")
    search_fields = ("=of__digest", "code", "reason")
    ordering = ("of", "line")
    readonly_fields = ()
    fields = ("of", "line", "outcome", "field", "code", "reason", "is_done", "object_id")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup == "of__id__exact" or super().lookup_allowed(lookup, value, request)


@admin.register(ImportPart)
class ImportPartAdmin(ClosedAdmin):
    """Pieces of files that wait."""

    list_display = ("of", "number")
    list_select_related = ("of",)
    readonly_fields = ()
    fields = ("of", "number")

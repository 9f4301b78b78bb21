"""Staff's pages for who comes in, and the record of what staff change through forms anywhere."""

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import admin as auth_admin
from django.contrib.auth import forms as auth_forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import ForeignKey, Model, Q, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html

from affiliates import services
from affiliates.exports import AFFILIATES
from affiliates.keys import AFFILIATE_SCOPES, SCOPES
from affiliates.models import (
    Affiliate,
    ApiKey,
    AuditEvent,
    DiscordCode,
    DiscordGuesses,
    IdempotencyKey,
    Invitation,
    User,
    normalise_email,
)
from config import clock
from config.admin import ClosedAdmin, ExportedAdmin, RowAdmin, set_or_not


class AuditedAdmin(RowAdmin):
    """A table that staff edit: each change through its forms is recorded. Rows are archived, not deleted, unless
    `deletable` says otherwise."""

    deletable = False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.deletable and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        record(request, "updated" if change else "created", obj, form.changed_data)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        record(request, "deleted", obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            for row in queryset:
                self.delete_model(request, row)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        rows = formset.save(commit=False)
        for row in formset.deleted_objects:
            record(request, "deleted", row)
            row.delete()
        for row in rows:
            row.save()
        formset.save_m2m()
        for row in formset.new_objects:
            record(request, "created", row)
        for row, fields in formset.changed_objects:
            record(request, "updated", row, fields)


def record(request: HttpRequest, verb: str, row: Model, fields: Sequence[str] = ()) -> None:
    """Record that staff did this to a row through a form: the names of the fields, not what people wrote in them."""
    noun = str(row._meta.verbose_name).lower().replace(" ", "_")
    changes = {"fields": sorted(fields)} if fields else {}
    services.audit(actor=actor(request), action=f"{noun}.{verb}", row=row, changes=changes)


def actor(request: HttpRequest) -> User:
    """The person behind a request to the admin, who has logged in."""
    return cast(User, request.user)


class _EmailForm(forms.ModelForm):  # type: ignore[type-arg]
    def clean_email(self) -> str:
        return normalise_email(self.cleaned_data["email"])


class NewUserForm(_EmailForm, auth_forms.AdminUserCreationForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ("email", "name")


class UserForm(_EmailForm, auth_forms.UserChangeForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ("email", "name", "password", "is_active", "is_staff", "is_superuser", "groups", "user_permissions")


@admin.register(User)
class UserAdmin(AuditedAdmin, auth_admin.UserAdmin):  # type: ignore[type-arg]
    """People and programs. What gives power over others is in the hands of superusers only."""

    form = UserForm
    add_form = NewUserForm
    list_display = ("email", "name", "is_staff", "is_active", "last_login", "created_at")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    search_fields = ("email", "name")
    ordering = ("email",)
    readonly_fields = ("id", "created_at", "last_login")
    power = ("is_staff", "is_superuser", "groups", "user_permissions")
    fieldsets = (
        (None, {"fields": ("email", "name", "password", "is_active")}),
        ("Staff", {"fields": power}),
        ("Record", {"fields": ("id", "created_at", "last_login")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "name", "usable_password", "password1", "password2")}),)
    related_lists = (
        ("API keys", "affiliates_apikey", "user__id__exact"),
        ("What they did", "affiliates_auditevent", "actor__id__exact"),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        fields = super().get_readonly_fields(request, obj)
        return fields if actor(request).is_superuser else [*fields, *self.power]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        me = actor(request)
        untouchable = obj is not None and obj.is_staff and obj != me and not me.is_superuser
        return not untouchable and super().has_change_permission(request, obj)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        with transaction.atomic():
            response = super().user_change_password(request, id, form_url)
            if request.method == "POST" and response.status_code == 302:
                record(request, "password_changed", User.objects.get(pk=id))
        return response


class NewKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in SCOPES], initial=AFFILIATE_SCOPES, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = ApiKey
        fields = ("user", "name", "scopes", "livemode")


@admin.register(ApiKey)
class ApiKeyAdmin(RowAdmin):
    """Keys are made here and shown once; one that stands can only be revoked."""

    form = NewKeyForm
    list_display = ("__str__", "user", "name", "scopes", "last_used_at", "revoked_at")
    list_select_related = ("user",)
    list_filter = (set_or_not("revoked_at", "state", "Revoked", "In use"), "livemode")
    search_fields = ("prefix", "last4", "name", "user__email")
    autocomplete_fields = ("user",)
    ordering = ("-created_at",)
    actions = ("revoke",)
    row_actions = ("revoke",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        new = ("user", "name", "scopes", "livemode")
        return (*new, "last_used_at", "expires_at", "revoked_at", "id", "created_at") if obj else new

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> "ModelChoiceField[Any] | None":
        """A key acts as its user: only a superuser makes one for another member of staff."""
        if not actor(request).is_superuser:
            kwargs["queryset"] = User.objects.filter(Q(is_staff=False) | Q(pk=actor(request).pk))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        key, text = services.create_key(
            user=obj.user, by=actor(request), name=obj.name, scopes=obj.scopes, livemode=obj.livemode
        )
        obj.pk, obj.prefix, obj.last4 = key.pk, key.prefix, key.last4
        show_once(request, "key", text)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def offers(self, action: str, row: ApiKey) -> bool:
        return row.revoked_at is None

    @admin.action(description="Revoke", permissions=["decide"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        keys = list(queryset.filter(revoked_at=None))
        for key in keys:
            services.revoke_key(key=key, by=actor(request))
        self.message_user(request, f"Keys revoked: {len(keys)}. They open nothing from now on.", messages.SUCCESS)


def show_once(request: HttpRequest, what: str, text: str) -> None:
    """Show a secret that is kept nowhere."""
    messages.warning(request, format_html("The {}, shown this once: <code>{}</code>", what, text))


@admin.register(Invitation)
class InvitationAdmin(RowAdmin):
    """Adding one shows its code, once."""

    list_display = ("created_at", "created_by", "expires_at", "state")
    list_select_related = ("created_by",)
    list_filter = (set_or_not("accepted_at", "state", "Used", "Not used"),)
    search_fields = ("created_by__email",)
    ordering = ("-created_at",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        if obj:
            return [(None, {"fields": ("created_at", "created_by", "expires_at", "accepted_at", "id")})]
        life = f"Its code lets one affiliate sign up within {services.INVITATION_LIFE.days} days. It is shown once."
        return [(None, {"fields": (), "description": life})]

    @admin.display(description="state")
    def state(self, invitation: Invitation) -> str:
        if invitation.accepted_at:
            return "Used"
        return "Open" if invitation.expires_at > clock.now() else "Expired"

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        invitation, code = services.invite(by=actor(request))
        obj.pk, obj.created_at = invitation.pk, invitation.created_at
        show_once(request, "code", code)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(AuditEvent)
class AuditEventAdmin(ClosedAdmin):
    list_display = ("created_at", "action", "actor", "row")
    list_select_related = ("actor",)
    list_filter = ("created_at",)
    search_fields = ("action", "actor__email", "object_id", "=request_id")
    ordering = ("-created_at", "-id")

    def row(self, event: AuditEvent) -> str:
        """The row it happened to, as a link where the row has a page."""
        text = f"{event.object_type} …{str(event.object_id)[-6:]}"
        try:
            url = reverse(f"admin:{event.object_type.replace('.', '_')}_change", args=[event.object_id])
        except NoReverseMatch:
            return text
        return format_html('<a href="{}">{}</a>', url, text)


class NewAffiliateForm(forms.ModelForm):  # type: ignore[type-arg]
    email = forms.EmailField(max_length=254, help_text="They log in with it.")

    class Meta:
        model = Affiliate
        fields = ("name", "discord_user_id")

    def clean_email(self) -> str:
        email = normalise_email(self.cleaned_data["email"])
        if User.objects.filter(email=email).exists():
            raise ValidationError("Somebody comes in with this e-mail already.")
        return email


@admin.register(Affiliate)
class AffiliateAdmin(ExportedAdmin, AuditedAdmin):
    """Adding one makes its user and first key."""

    export = AFFILIATES
    import_kind = "affiliates"
    list_display = ("name", "user", "discord_user_id", "is_active", "created_at")
    list_select_related = ("user",)
    list_filter = ("is_active",)
    search_fields = ("name", "user__email", "discord_user_id")
    ordering = ("name",)
    readonly_fields = ("id", "created_at", "user", "discord_linked_at")
    related_lists = (
        ("Trust", "reconciliation_trustscore", "affiliate__id__exact"),
        ("Posts", "campaigns_post", "affiliate__id__exact"),
        ("Alerts", "alerts_alert", "affiliate__id__exact"),
        ("Campaigns", "campaigns_enrolment", "affiliate__id__exact"),
    )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj:
            return ("name", "discord_user_id", "discord_linked_at", "is_active", "user", "id", "created_at")
        return ("name", "email", "discord_user_id")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = {} if obj else {"form": NewAffiliateForm}
        return super().get_form(request, obj, change, **form, **kwargs)

    def save_model(self, request: HttpRequest, obj: Affiliate, form: Any, change: bool) -> None:
        if change:
            if "discord_user_id" in form.changed_data:
                obj.discord_linked_at = None  # what staff write down nobody has shown yet
            super().save_model(request, obj, form, change)
            return
        affiliate, key = services.sign_up(
            name=obj.name,
            email=form.cleaned_data["email"],
            by=actor(request),
            open_to_all=False,
            discord_user_id=obj.discord_user_id,
        )
        obj.pk = affiliate.pk
        show_once(request, "first key", key)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ClosedAdmin):
    """Which requests were answered under a key of their senders'. What was answered is theirs."""

    list_display = ("created_at", "key", "user", "livemode", "status", "location")
    list_select_related = ("user",)
    search_fields = ("=key", "user__email")
    fields = ("user", "livemode", "key", "digest", "status", "location", "id", "created_at")
    ordering = ("-created_at",)


@admin.register(DiscordCode)
class DiscordCodeAdmin(ClosedAdmin):
    list_display = ("created_at", "affiliate", "expires_at", "used_at")
    list_select_related = ("affiliate",)
    search_fields = ("affiliate__name",)
    fields = ("affiliate", "created_at", "expires_at", "used_at")
    ordering = ("-created_at",)


@admin.register(DiscordGuesses)
class DiscordGuessesAdmin(ClosedAdmin):
    list_display = ("discord_user_id", "wrong", "since")
    readonly_fields = ()
    search_fields = ("discord_user_id",)
    ordering = ("-since",)

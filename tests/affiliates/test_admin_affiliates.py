"""Staff bring people in: users, keys shown once, invitations, affiliates. What they do is recorded."""

import re

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from affiliates import keys
from affiliates.models import Affiliate, ApiKey, AuditEvent, Invitation, User
from affiliates.services import audit, create_key, sign_up
from tests.factories import PASSWORD, AffiliateFactory, MembershipFactory, UserFactory
from tests.staff import client_for, superuser, told, with_permissions

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff():
    return superuser()


@pytest.fixture
def client(staff):
    return client_for(staff)


def page(row) -> str:
    return reverse(f"admin:affiliates_{row._meta.model_name}_change", args=[row.pk])


def add(table: str) -> str:
    return reverse(f"admin:affiliates_{table}_add")


def secret_in(response) -> str:
    """The secret that a page shows, once."""
    found = [match[1] for text in told(response) if (match := re.search("<code>(.+)</code>", text))]
    assert len(found) == 1
    return found[0]


def test_staff_log_in_by_e_mail_in_any_case():
    User.objects.create_superuser("ann@example.com", PASSWORD)
    client = Client()
    form = {"username": "Ann@Example.com", "password": PASSWORD, "next": reverse("admin:index")}
    assert client.post(reverse("admin:login"), form).status_code == 302
    assert client.get(reverse("admin:index")).status_code == 200


def test_a_user_is_added_by_e_mail_and_password(client, staff):
    form = {"email": "Bea@Example.com", "name": "Bea", "usable_password": "true", "password1": PASSWORD}
    client.post(add("user"), form | {"password2": PASSWORD})
    user = User.objects.get(email="bea@example.com")
    assert user.check_password(PASSWORD)
    assert not user.is_staff
    event = AuditEvent.objects.get(action="user.created")
    assert (event.actor, event.object_id) == (staff, user.pk)
    assert PASSWORD not in str(event.changes)
    again = client.post(add("user"), form | {"email": "BEA@example.com", "password2": PASSWORD})
    assert "already exists" in again.content.decode()


def test_a_weak_password_is_refused(client):
    form = {"email": "bea@example.com", "usable_password": "true", "password1": "12345678", "password2": "12345678"}
    assert "too short" in client.post(add("user"), form).content.decode()
    assert not User.objects.filter(email="bea@example.com").exists()


def test_a_password_is_changed_and_the_change_recorded(client, staff):
    user = UserFactory(password=PASSWORD)
    url = reverse("admin:auth_user_password_change", args=[user.pk])
    assert client.get(url).status_code == 200
    fresh = "another good long password"
    wrong = client.post(url, {"usable_password": "true", "password1": fresh, "password2": "x"})
    assert wrong.status_code == 200
    client.post(url, {"usable_password": "true", "password1": fresh, "password2": fresh})
    user.refresh_from_db()
    assert user.check_password(fresh)
    event = AuditEvent.objects.get(action="user.password_changed")
    assert (event.actor, event.object_id, event.changes) == (staff, user.pk, {})


def test_a_users_page_changes_what_it_says(client, staff):
    user, group = UserFactory(), Group.objects.create(name="Readers")
    form = {"email": "New@example.com", "name": "New", "is_staff": "on", "groups": [group.pk]}
    assert client.post(page(user), form).status_code == 302
    user.refresh_from_db()
    assert (user.email, user.is_staff, user.is_active, list(user.groups.all())) == (
        "new@example.com",
        True,
        False,
        [group],
    )
    fields = AuditEvent.objects.get(action="user.updated").changes["fields"]
    assert fields == ["email", "groups", "is_active", "is_staff", "name"]


def test_only_superusers_give_power():
    clerk = with_permissions(*(f"affiliates.{verb}_user" for verb in ("view", "add", "change")))
    client = client_for(clerk)
    boss = superuser()
    form = {"email": clerk.email, "name": "Clerk", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    client.post(page(clerk), form)
    clerk.refresh_from_db()
    assert (clerk.name, clerk.is_superuser) == ("Clerk", False)
    assert client.post(page(boss), form | {"email": boss.email}).status_code == 403
    url = reverse("admin:auth_user_password_change", args=[boss.pk])
    assert client.post(url, {"password1": PASSWORD, "password2": PASSWORD}).status_code == 403


@pytest.mark.parametrize("make", [UserFactory, AffiliateFactory])
def test_people_are_switched_off_not_deleted(client, make):
    row = make()
    url = reverse(f"admin:affiliates_{row._meta.model_name}_delete", args=[row.pk])
    assert client.post(url, {"post": "yes"}).status_code == 403


def test_a_key_is_made_and_shown_once(client, staff):
    user = UserFactory()
    form = {"user": user.pk, "name": "Importer", "scopes": ["read", "submit"], "livemode": "on"}
    response = client.post(add("apikey"), form, follow=True)
    text = secret_in(response)
    key = ApiKey.objects.get()
    assert keys.matches(text, key.digest)
    assert (key.user, key.name, key.scopes, key.livemode) == (user, "Importer", ["read", "submit"], True)
    assert AuditEvent.objects.get(action="api_key.created").actor == staff
    assert text not in client.get(page(key)).content.decode()
    assert key.digest not in client.get(page(key)).content.decode()
    assert client.post(page(key), form).status_code == 403


def test_a_key_needs_known_scopes(client):
    form = {"user": UserFactory().pk, "livemode": "on"}
    for scopes in ([], ["everything"]):
        assert client.post(add("apikey"), form | {"scopes": scopes}).status_code == 200
    assert not ApiKey.objects.exists()


def test_staff_make_no_keys_for_those_with_more_power():
    clerk = with_permissions("affiliates.add_apikey", "affiliates.view_apikey")
    boss = superuser()
    client = client_for(clerk)
    for user, status in ((boss, 200), (clerk, 302), (UserFactory(), 302)):
        assert client.post(add("apikey"), {"user": user.pk, "scopes": ["read"]}).status_code == status
    assert not ApiKey.objects.filter(user=boss).exists()


def test_keys_are_revoked_from_the_list_and_from_their_page(client, staff):
    made = [create_key(user=UserFactory(), by=staff)[0] for _ in range(3)]
    client.post(page(made[0]), {"action": "revoke"})
    assert b'value="revoke"' not in client.get(page(made[0])).content
    chosen = {"action": "revoke", "_selected_action": [str(key.pk) for key in made]}
    response = client.post(reverse("admin:affiliates_apikey_changelist"), chosen, follow=True)
    assert told(response) == ["Keys revoked: 2. They open nothing from now on."]
    assert not ApiKey.objects.filter(revoked_at=None).exists()
    assert AuditEvent.objects.filter(action="api_key.revoked", actor=staff).count() == 3
    listed = client.get(reverse("admin:affiliates_apikey_changelist"), {"revoked_at": "no"})
    assert listed.context["cl"].result_count == 0


def test_who_may_only_look_revokes_nothing(staff):
    key, _ = create_key(user=UserFactory(), by=staff)
    client = client_for(with_permissions("affiliates.view_apikey"))
    assert client.post(page(key), {"action": "revoke"}).status_code == 403
    assert client.get(add("apikey")).status_code == 403
    key.refresh_from_db()
    assert key.revoked_at is None


def test_an_invitation_shows_its_code_once_and_the_code_works(client, staff):
    assert "within 14 days" in client.get(add("invitation")).content.decode()
    code = secret_in(client.post(add("invitation"), {}, follow=True))
    invitation = Invitation.objects.get()
    assert invitation.created_by == staff
    assert code not in client.get(page(invitation)).content.decode()
    sign_up(name="New", email="new@example.com", by=staff, open_to_all=False, invitation=code)
    assert "Used" in client.get(reverse("admin:affiliates_invitation_changelist")).content.decode()
    assert client.post(page(invitation), {}).status_code == 403


def test_an_affiliate_is_added_with_its_user_and_first_key(client, staff):
    form = {"name": "Clara Media", "email": "Clara@Example.com", "discord_user_id": ""}
    text = secret_in(client.post(add("affiliate"), form, follow=True))
    affiliate = Affiliate.objects.get()
    assert (affiliate.name, affiliate.user.email, affiliate.discord_user_id) == (
        "Clara Media",
        "clara@example.com",
        None,
    )
    assert keys.matches(text, affiliate.user.api_keys.get().digest)
    assert AuditEvent.objects.get(action="affiliate.signed_up").actor == staff


def test_a_name_or_e_mail_that_is_taken_is_refused_at_its_field(client):
    taken = AffiliateFactory(name="Clara Media")
    cases = [
        ({"name": "Clara media", "email": "a@example.com"}, None),
        ({"name": "Other", "email": taken.user.email.upper()}, "email"),
    ]
    for form, field in cases:
        response = client.post(add("affiliate"), form)
        errors = response.context["adminform"].form.errors
        assert field in errors if field else errors
    assert Affiliate.objects.count() == 1


def test_a_refusal_by_the_service_comes_back_on_the_form(client, monkeypatch):
    taken = AffiliateFactory(discord_user_id="42")
    monkeypatch.setattr("affiliates.admin.NewAffiliateForm.clean_email", lambda form: form.cleaned_data["email"])
    form = {"name": "Other", "email": taken.user.email}
    response = client.post(add("affiliate"), form)
    assert response.context["adminform"].form.errors == {"email": ["This is taken already."]}


def test_an_affiliate_is_renamed_and_switched_off(client, staff):
    affiliate = AffiliateFactory()
    client.post(page(affiliate), {"name": "Renamed", "user": UserFactory().pk})
    changed = Affiliate.objects.get()
    assert (changed.name, changed.is_active, changed.user) == ("Renamed", False, affiliate.user)
    event = AuditEvent.objects.get(action="affiliate.updated")
    assert (event.actor, event.changes) == (staff, {"fields": ["is_active", "name"]})


def test_the_record_leads_to_the_row_and_the_row_to_its_record(client, staff):
    key, _ = create_key(user=UserFactory(), by=staff)
    audit(actor=staff, action="membership.created", row=MembershipFactory())
    listed = client.get(reverse("admin:affiliates_auditevent_changelist")).content.decode()
    assert f'href="{page(key)}"' in listed
    assert '<td class="field-row">campaigns.membership …' in listed
    history = reverse("admin:affiliates_auditevent_changelist") + f"?object_id={key.pk}"
    assert history in client.get(page(key)).content.decode()
    assert client.get(history).context["cl"].result_count == 1

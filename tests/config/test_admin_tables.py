"""Staff's pages: every table is there, opens, and asks the database a bounded number of questions."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django_q.models import Failure, OrmQ, Schedule, Task

from affiliates.discord import make_code
from affiliates.models import AuditEvent, DiscordGuesses, IdempotencyKey, User
from affiliates.services import create_key, invite
from alerts.models import Alert
from campaigns.models import Post
from campaigns.tracking import clicks
from campaigns.tracking.conversions import Postback, take_postback
from campaigns.tracking.keys import create_postback_key
from config import clock
from config.admin import Closed
from config.admin_site import APP_ORDER, StaffSite
from config.models import AppendOnly
from platforms.models import Account, Platform
from reconciliation.models import (
    DiscordInteraction,
    Finding,
    Heartbeat,
    Import,
    ImportPart,
    ImportRow,
    ReconciliationLog,
    ReportEvidence,
)
from reconciliation.services import disputing, examining, runs, sealing
from tests.factories import TODAY, AffiliateFactory, EnrolmentFactory, MembershipFactory, TrackingLinkFactory
from tests.reconciliation.test_overriding import decide
from tests.staff import client_for, judged_posts, superuser

ROWS = 30
MAX_LIST_QUERIES = 12
MAX_PAGE_QUERIES = 25

tables = pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model._meta.label_lower)


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[User]:
    """Rows in every table, about ROWS in those that grow; made once, and gone after the module."""
    with django_db_blocker.unblock(), clock.at(TODAY), transaction.atomic():
        boss = superuser()
        posts = judged_posts(ROWS)
        examining.examine()
        examining.note(list(ReconciliationLog.objects.values_list("pk", flat=True)))
        platform = Platform.objects.get(slug="youtube")
        for verdict in ReconciliationLog.objects.all():
            found = {"rule": "burst", "severity": "LOW", "sentence": "<b>x</b>", "ruleset_id": verdict.ruleset_id}
            claim_id, post_id = verdict.affiliate_report_id, verdict.post_id
            Finding.objects.create(verdict=verdict, affiliate_report_id=claim_id, post_id=post_id, **found)
        for n, post in enumerate(posts):
            create_key(user=post.affiliate.user, by=boss)
            invite(by=boss)
            MembershipFactory()
            EnrolmentFactory(affiliate=post.affiliate)
            tracked_sale(n, boss)
            Account.objects.create(platform=platform, affiliate=post.affiliate, handle=f"@handle{n}")
            runs.request_run(posts=Post.objects.filter(pk=post.pk), by=boss, scope={})
            ReportEvidence.objects.create(affiliate_report=post.state.current_claim, evidence_data={"note": "<b>x</b>"})
            make_code(affiliate=post.affiliate, by=boss)
            if post.state.counted_verdict:
                text = "<b>x</b>"
                disputed = disputing.dispute(verdict=post.state.counted_verdict, affiliate=post.affiliate, text=text)
                disputing.withdraw(dispute_id=disputed.pk, by=boss)
                decide(post.state.counted_verdict, "INVALID_CLAIM", by=boss, note="<b>x</b>")
            IdempotencyKey.objects.create(
                user=post.affiliate.user, key=f"key-{n}", digest="0" * 64, status=202, body=b"{}"
            )
            DiscordInteraction.objects.create(
                id=str(n),
                kind="modal",
                affiliate=post.affiliate,
                post=post,
                answer={"content": "<b>x</b>"},
                token_expires_at=TODAY,
            )
            sent = Import.objects.create(file_name="<b>x</b>.csv", kind="claims", created_by=boss, size_bytes=1)
            ImportPart.objects.create(of=sent, number=0, data=b"x")
            ImportRow.objects.create(of=sent, line=2, outcome="refused", reason="<b>x</b>", field="url")
            DiscordGuesses.objects.create(discord_user_id=str(n), wrong=n, since=TODAY)
            Heartbeat.objects.create(
                cluster="c", host="<b>x</b>", pid=n, role="worker", doing="<b>x</b>", started_at=TODAY, beat_at=TODAY
            )
        Group.objects.create(name="Readers")
        Schedule.objects.create(func="reconciliation.tasks.sweep")
        Task.objects.create(id="a" * 32, name="a", func="f", started=TODAY, stopped=TODAY, success=False, result="no")
        assert OrmQ.objects.exists()
        with clock.at(TODAY + timedelta(days=2)):
            assert list(sealing.seal())
        yield boss
        transaction.set_rollback(True)


def tracked_sale(number: int, boss: User) -> None:
    """A link with a click on it, and a sale that goes back to it."""
    link = TrackingLinkFactory(label="<b>label</b>")
    create_postback_key(campaign=link.campaign, by=boss)
    agent = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
    clicks.follow(code=link.code, meta={"HTTP_USER_AGENT": agent, "REMOTE_ADDR": "192.0.2.1"}, method="GET")
    sale = Postback(f"T-{number}", Decimal(5), "USD", "pending", "0" * 64, code=link.code)
    take_postback(campaign=link.campaign, postback=sale)


@pytest.fixture
def staff(world: User, db: None) -> Client:
    return client_for(world)


@tables
def test_every_list_opens_with_its_rows_and_few_queries(staff, model, django_assert_max_num_queries):
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    with django_assert_max_num_queries(MAX_LIST_QUERIES):
        response = staff.get(url)
    assert response.status_code == 200
    assert response.context["cl"].result_count > 0
    assert staff.get(url, {"q": "post 7 %_'"}).status_code == 200


@tables
def test_every_filter_of_a_list_works(staff, model):
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    for filters in staff.get(url).context["cl"].filter_specs:
        for choice in list(filters.choices(staff.get(url).context["cl"]))[-1:]:
            assert staff.get(url + choice["query_string"]).status_code == 200


@tables
def test_every_row_has_a_page_with_few_queries(staff, model, django_assert_max_num_queries):
    row: Any = admin.site._registry[model].get_queryset(None).first()
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[row.pk])
    with django_assert_max_num_queries(MAX_PAGE_QUERIES):
        response = staff.get(url)
    assert response.status_code == 200
    assert b"<b>" not in response.content


@tables
def test_strangers_are_sent_to_log_in(db, model):
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    response = Client().get(url)
    assert (response.status_code, response["Location"]) == (302, f"{reverse('admin:login')}?next={url}")


@pytest.mark.parametrize(
    "model", [m for m in admin.site._registry if issubclass(m, AppendOnly)], ids=lambda model: model._meta.label_lower
)
def test_records_are_closed_even_to_superusers(staff, model):
    row = model.objects.first()
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    page = staff.get(reverse(f"{name}_change", args=[row.pk]))
    assert b'name="_save"' not in page.content
    assert b"deletelink" not in page.content
    assert not staff.get(reverse(f"{name}_changelist")).context["has_add_permission"]
    for url in (
        reverse(f"{name}_change", args=[row.pk]),
        reverse(f"{name}_delete", args=[row.pk]),
        reverse(f"{name}_add"),
    ):
        assert staff.post(url, {"post": "yes"}).status_code == 403
    answer = staff.post(
        reverse(f"{name}_changelist"), {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    )
    assert answer.status_code in (302, 200)
    assert model.objects.filter(pk=row.pk).exists()


def test_every_table_of_the_apps_has_a_page_or_stands_on_one():
    on_a_page = set(admin.site._registry)
    for each in admin.site._registry.values():
        on_a_page |= {inline.model for inline in each.inlines}
    from_apps = {model for app in APP_ORDER[:5] for model in apps.get_app_config(app).get_models()}
    missing = {model.__name__ for model in from_apps - on_a_page}
    assert missing <= {"IdempotencyKey", "ClickSalt"}  # a salt that somebody sees is none


def test_the_index_lists_the_house_from_what_must_be_looked_at_first(world, db, rf):
    site = StaffSite()
    site._registry = admin.site._registry
    request = rf.get("/admin/")
    request.user = world
    listed = site.get_app_list(request)
    assert [app["app_label"] for app in listed] == list(APP_ORDER)
    names = {app["app_label"]: [entry["name"] for entry in app["models"]] for app in listed}
    assert names["reconciliation"][:2] == ["Affiliate reports (claims)", "Platform reports (snapshots)"]
    assert "Successful tasks" not in names["django_q"]


def test_the_home_page_opens(staff):
    page = staff.get(reverse("admin:index"))
    assert page.status_code == 200
    assert b"Affiliate reports (claims)" in page.content


def test_a_page_that_is_not_there_is_said_to_be_gone(staff):
    gone = staff.get(reverse("admin:alerts_alert_change", args=["no-id"]))
    assert gone.status_code == 302
    assert staff.post(reverse("admin:alerts_alert_change", args=["no-id"]), {"action": "resolve"}).status_code == 404


def test_staff_without_rights_see_nothing(world, db):
    client = client_for(User.objects.create_user("clerk@example.com", is_staff=True))
    assert client.get(reverse("admin:alerts_alert_changelist")).status_code == 403
    assert client.get(reverse("admin:alerts_alert_change", args=[Alert.objects.latest("id").pk])).status_code == 403


def test_who_may_only_look_sees_every_page_and_changes_nothing(world, db):
    looker = User.objects.create_user("looker@example.com", is_staff=True)
    looker.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client = client_for(looker)
    for model, pages in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        row: Any = pages.get_queryset(None).first()
        listed = client.get(reverse(f"{name}_changelist"))
        actions = pages.get_actions(listed.wsgi_request)
        assert all(name.startswith("export_") for name in actions)
        shown = client.get(reverse(f"{name}_change", args=[row.pk]))
        for control in (b'name="_save"', b'name="action"', b"deletelink"):
            assert control not in shown.content
        assert client.get(reverse(f"{name}_add")).status_code == 403
        assert client.post(reverse(f"{name}_change", args=[row.pk]), {}).status_code == 403


def test_affiliates_and_members_do_not_come_in(world, db):
    client = client_for(AffiliateFactory().user)
    assert client.get(reverse("admin:index")).status_code == 302


def test_the_queues_own_tables_can_only_be_looked_at(staff):
    for model in (Failure, OrmQ, Schedule):
        site = admin.site._registry[model]
        assert isinstance(site, Closed)
        assert not site.actions
    assert not AuditEvent.objects.filter(action__startswith="task").exists()

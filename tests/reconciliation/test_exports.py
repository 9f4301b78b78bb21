"""Lists as files: the rows of the list, by everybody who may see them, in memory that doesn't grow with them."""

import csv
import io
import json
import re
import tracemalloc
from decimal import Decimal

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook

from affiliates.exports import AFFILIATES
from alerts.exports import ALERTS
from campaigns.exports import CAMPAIGNS
from config.tables.writing import Format
from config.templatetags.look import money
from reconciliation.exports import CLAIMS, POSTS, SNAPSHOTS, VERDICTS
from reconciliation.models import PostState, ReconciliationLog
from tests.factories import CampaignFactory
from tests.staff import claimed_posts, client_for, judged_posts, superuser

TABLES = ("affiliates", "campaigns", "claims", "snapshots", "verdicts", "alerts")


def lines(response) -> list[dict[str, object]]:
    assert response.status_code == 200, response.content
    return [json.loads(line) for line in response.getvalue().splitlines()]


def sheet(response) -> list[dict[str, str]]:
    assert response.status_code == 200, response.content
    return list(csv.DictReader(io.StringIO(response.getvalue().decode("utf-8-sig"), newline="")))


@pytest.fixture
def api(client_of, scene):
    """The scene's alerts are open; gives an API client of one of its people, by name."""
    scene.open_alerts()
    return lambda name: client_of(getattr(scene, name) if name != "mila" else scene.mila.user)


def get(client, table, file_format="jsonl", **query):
    return client.get(f"/api/v1/exports/{table}.{file_format}", query)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("file_format", Format)
def test_every_table_comes_in_every_format_with_the_same_rows(api, table, file_format):
    rows = lines(get(api("staff"), table))
    response = get(api("staff"), table, file_format)
    assert response["Content-Disposition"] == f'attachment; filename="{table}-2026-11-20.{file_format}"'
    if file_format == Format.CSV:
        found = [list(row) for row in csv.reader(io.StringIO(response.getvalue().decode("utf-8-sig"), newline=""))]
    elif file_format == Format.XLSX:
        found = list(load_workbook(io.BytesIO(response.getvalue())).active.iter_rows(values_only=True))
    else:
        found = [list(rows[0]), *(list(row.values()) for row in lines(response))]
    assert list(found[0]) == list(rows[0])
    assert [row[0] for row in found[1:]] == [next(iter(row.values())) for row in rows]
    assert rows


def test_a_verdict_says_what_it_was_drawn_from(api, scene):
    (row,) = [row for row in lines(get(api("manager"), "verdicts")) if row["post_id"] == str(scene.posts["high"].pk)]
    verdict = ReconciliationLog.objects.get(pk=row["verdict_id"])
    assert row["claimed_views"] == verdict.affiliate_report.claimed_views
    assert row["views_truth"] == verdict.platform_report.views
    assert row["views_difference"] == row["claimed_views"] - row["views_truth"]
    assert row["views_percentage"] == "100.00"
    assert (row["status"], row["discrepancy_level"], row["is_counted"]) == ("DISCREPANCY", "HIGH", True)
    assert (Decimal(row["money_at_risk"]), row["currency"]) == (verdict.money_at_risk, "USD")
    assert row["livemode"] is True
    assert row["processed_at"].endswith("Z")


def test_what_nobody_knows_is_empty_and_not_zero(api, scene):
    (row,) = [row for row in sheet(get(api("staff"), "verdicts", "csv")) if row["platform"] == "reddit"]
    assert row["claimed_views"] == "900"
    assert row["status"] == "UNVERIFIABLE"
    empty = ["claimed_clicks", "views_truth", "views_difference", "views_percentage", "discrepancy_level"]
    assert {name: row[name] for name in empty} == dict.fromkeys(empty, "")


def test_affiliates_see_their_own_rows_without_money_budget_and_rules(api, scene):
    verdicts = lines(get(api("mila"), "verdicts"))
    assert {row["affiliate"] for row in verdicts} == {"Mila Ortega"}
    assert {(row["money_at_risk"], row["currency"], row["ruleset_version"]) for row in verdicts} == {(None, None, None)}
    scene.campaign.budget = 5000
    scene.campaign.save()
    assert [row["budget"] for row in lines(get(api("mila"), "campaigns"))] == [None]
    assert [row["budget"] for row in lines(get(api("viewer"), "campaigns"))] == ["5000.00"]


@pytest.mark.parametrize("table", ["claims", "snapshots", "verdicts", "alerts"])
def test_nobody_sees_what_is_somebody_elses(api, table):
    assert lines(get(api("viewer"), table))
    assert lines(get(api("charlie"), table)) == []


@pytest.mark.parametrize(
    ("table", "where", "listed"),
    [
        ("verdicts", {"level": "HIGH"}, "/api/v1/reconciliation/results"),
        ("verdicts", {"status": "MATCHED", "counted": "true"}, "/api/v1/reconciliation/results"),
        ("claims", {"platform": "reddit"}, "/api/v1/submissions/history"),
        ("alerts", {"severity": "high"}, "/api/v1/alerts"),
        ("alerts", {"status": "resolved"}, "/api/v1/alerts"),
        ("campaigns", {"status": "paused"}, "/api/v1/campaigns"),
        ("campaigns", {"platform": "meta"}, "/api/v1/campaigns"),
        ("affiliates", {"name": "mila"}, "/api/v1/affiliates"),
    ],
)
def test_filters_are_those_of_the_list(api, table, where, listed):
    client = api("staff")
    exported = [next(iter(row.values())) for row in lines(get(client, table, **where))]
    assert exported == [row["id"] for row in client.get(listed, where).json()["results"]]


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("verdicts.pdf", 404),
        ("verdicts.csv?nonsense=1", 400),
        ("verdicts.csv?level=WORST", 400),
        ("verdicts.csv?page_size=5", 400),
        ("verdicts.csv?post=no-id", 400),
    ],
)
def test_what_makes_no_sense_is_refused(api, address, status):
    response = api("staff").get(f"/api/v1/exports/{address}")
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")


def test_the_address_says_the_format_whatever_is_accepted(api):
    response = api("staff").get("/api/v1/exports/claims.csv", headers={"accept": "text/csv"})
    assert (response.status_code, response["Content-Type"]) == (200, "text/csv; charset=utf-8")


def test_a_formula_in_what_people_type_is_defused(api, scene):
    scene.posts["high"].text.title = '=HYPERLINK("https://evil.example","x")'
    scene.posts["high"].text.save()
    titles = {row["post_title"] for row in sheet(get(api("staff"), "verdicts", "csv"))}
    assert '\'=HYPERLINK("https://evil.example","x")' in titles


def test_exports_are_throttled_apart(api, scene, monkeypatch):
    monkeypatch.setattr("config.api.throttling.ExportThrottle.rate", "2/hour", raising=False)
    client = api("viewer")
    assert [get(client, "claims").status_code for _ in range(3)] == [200, 200, 429]
    assert get(client, "claims")["Retry-After"]
    assert client.get("/api/v1/submissions/history").status_code == 200


# --- Pages


@pytest.mark.parametrize(
    ("page", "query", "name"),
    [
        ("dashboard:campaign", {}, "posts"),
        ("dashboard:campaign", {"verdict": "high"}, "posts"),
        ("dashboard:campaign", {"verdict": "pending"}, "posts"),
        ("dashboard:campaign", {"q": "anders", "sort": "claimed"}, "posts"),
        ("dashboard:discrepancies", {}, "posts"),
        ("dashboard:campaigns", {"status": "active"}, "campaigns"),
        ("alerts:alerts", {}, "alerts"),
        ("alerts:alerts", {"severity": "medium"}, "alerts"),
    ],
)
def test_an_export_is_what_is_on_screen(scene, page, query, name):
    scene.open_alerts()
    client = client_for(scene.manager)
    url = reverse(page, args=[scene.campaign.pk] if page == "dashboard:campaign" else [])
    shown = client.get(url, query)
    rows = lines(client.get(url, query | {"export": "jsonl"}))
    assert len(rows) == shown.context["page_obj"].paginator.count > 0
    ids = [each.pk for each in shown.context["page_obj"]]
    assert [next(row[key] for key in ("alert_id", "post_id", "campaign_id") if key in row) for row in rows] == [
        str(pk) for pk in ids
    ]
    assert "export=csv" in shown.content.decode()
    assert client.get(url, query | {"export": "csv"})["Content-Disposition"].startswith(
        f'attachment; filename="{name}-'
    )


def test_campaigns_come_with_the_figures_that_their_list_shows(scene):
    CampaignFactory(advertiser=scene.advertiser)
    client = client_for(scene.manager)
    (shown,) = [row for row in client.get("/").context["rows"] if row.campaign == scene.campaign]
    row, empty = sorted(lines(client.get("/", {"export": "jsonl"})), key=lambda row: row["name"] != scene.campaign.name)
    assert (row["posts"], row["claimed_views"], row["verified_views"]) == (9, shown.claimed, shown.verified)
    assert shown.over_pct == Decimal(row["over_claimed_views"] * 100) / row["claimed_views"]
    assert shown.at_risk == money(Decimal(row["money_at_risk"]), row["currency"])
    assert [empty[name] for name in ("posts", "claimed_views", "money_at_risk")] == [0, None, None]


def test_all_pages_of_a_list_are_exported(db, today):
    claimed_posts(60)
    campaign = PostState.objects.first().post.campaign
    url = reverse("dashboard:campaign", args=[campaign.pk])
    client = client_for(superuser())
    assert len(client.get(url, {"page": 2}).context["page_obj"].object_list) == 10
    assert len(lines(client.get(url, {"page": 2, "export": "jsonl"}))) == 60


def test_an_affiliate_takes_its_own_posts_along_without_money(scene):
    rows = lines(client_for(scene.mila.user).get("/", {"export": "jsonl"}))
    assert {row["affiliate"] for row in rows} == {"Mila Ortega"}
    assert {row["money_at_risk"] for row in rows} == {None}


def test_a_page_knows_no_other_format_and_nobody_elses_list(scene):
    url = reverse("dashboard:campaign", args=[scene.campaign.pk])
    assert client_for(scene.manager).get(url, {"export": "pdf"}).status_code == 404
    assert client_for(scene.charlie).get(url, {"export": "csv"}).status_code == 404
    assert Client().get(url, {"export": "csv"}).status_code == 302


def test_pages_are_throttled_with_the_api(scene, client_of, monkeypatch):
    monkeypatch.setattr("config.api.throttling.ExportThrottle.rate", "1/hour", raising=False)
    client = client_for(scene.manager)
    assert client.get("/", {"export": "csv"}).status_code == 200
    refused = client.get("/", {"export": "csv"})
    assert (refused.status_code, int(refused["Retry-After"]) > 3000) == (429, True)
    assert client.get("/").status_code == 200


# --- Staff's pages


@pytest.mark.parametrize(
    "table",
    [
        "affiliates_affiliate",
        "campaigns_campaign",
        "reconciliation_affiliatereport",
        "reconciliation_platformreport",
        "reconciliation_reconciliationlog",
        "alerts_alert",
    ],
)
def test_staff_export_what_they_choose_or_the_whole_filtered_list(scene, table):
    scene.open_alerts()
    client = client_for(superuser())
    url = reverse(f"admin:{table}_changelist")
    shown = client.get(url).context["cl"]
    chosen = [str(shown.result_list[0].pk)]
    rows = lines(client.post(url, {"action": "export_jsonl", "_selected_action": chosen}))
    assert [next(iter(row.values())) for row in rows] == chosen
    everything = {"action": "export_csv", "_selected_action": chosen, "select_across": "1"}
    assert len(sheet(client.post(url, everything))) == shown.result_count
    searched = client.get(url, {"q": "Mila"}).context["cl"].result_count
    assert len(sheet(client.post(f"{url}?q=Mila", everything))) == searched


# --- As many as there may be


def many_verdicts(count: int) -> None:
    """Verdicts on claims for one post, written straight into the tables."""
    judged_posts(1)
    verdict = ReconciliationLog.objects.get()
    claims = "(SELECT id FROM reconciliation_affiliatereport WHERE id <> %s) AS fresh"
    copy(verdict.affiliate_report, f"generate_series(1, {count}) AS fresh", {"id": "gen_random_uuid()"})
    fresh = {"id": "gen_random_uuid()", "affiliate_report_id": "fresh.id"}
    copy(verdict, claims, fresh, verdict.affiliate_report_id)
    assert ReconciliationLog.objects.count() == count + 1


def copy(row, per: str, changes: dict[str, str], *values) -> None:
    """Insert a copy of a row for each row of `per`, with other values in some columns."""
    columns = [field.column for field in row._meta.concrete_fields]
    taken = [changes.get(column, f"original.{column}") for column in columns]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {row._meta.db_table} ({', '.join(columns)}) "
            f"SELECT {', '.join(taken)} FROM {row._meta.db_table} original, {per} WHERE original.id = %s",
            [*values, row.pk],
        )


@pytest.mark.parametrize("count", [5_000, pytest.param(100_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("file_format", Format)
def test_memory_and_queries_do_not_grow_with_the_rows(
    transactional_db, today, count, file_format, django_assert_num_queries
):
    many_verdicts(count)
    with django_assert_num_queries(0):  # a cursor on the server is none that the counter sees
        pass
    tracemalloc.start()
    try:
        response = VERDICTS.response(ReconciliationLog.objects.order_by("-id"), file_format, own_advertisers=None)
        size = sum(map(len, response.streaming_content))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > count * 50
    assert peak < 20 * 2**20


def test_the_documents_list_the_columns():
    text = (settings.BASE_DIR / "docs" / "api.md").read_text()
    for export in (AFFILIATES, CAMPAIGNS, CLAIMS, SNAPSHOTS, VERDICTS, ALERTS):
        (listed,) = re.findall(rf"^- `{export.name}`: (.+)$", text, re.MULTILINE)
        assert re.findall(r"`(\w+)`", listed) == list(export.columns), export.name
    assert list(POSTS.columns) == list(VERDICTS.columns)

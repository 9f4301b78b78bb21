"""The pages of alerts: who sees them, who decides, and what the others are told."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from alerts import services
from alerts.models import Alert
from tests.factories import AffiliateFactory, CampaignFactory

pytestmark = pytest.mark.django_db

NOTE = "Asked Mila: two videos were counted together."


@pytest.fixture
def alert(scene):
    """The worst of two."""
    return scene.open_alerts()[0]


def _text(answer) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def _client(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def _address(alert: Alert, action: str = "") -> str:
    return reverse(f"alerts:alert{action and f'-{action}'}", args=[alert.pk])


def test_the_list_holds_active_alerts_the_worst_first(scene, alert):
    text = _text(_client(scene.viewer).get("/alerts/"))
    assert "Active 2 Resolved 0 All 2" in text
    assert text.index("The high post Over-claim · YouTube · Autumn Bowls Mila Ortega $") < text.index("The medium post")
    assert alert.summary in text


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("", ["high", "medium"]),
        ("?severity=high", ["high"]),
        ("?status=resolved", []),
        ("?status=all&severity=medium", ["medium"]),
        ("?severity=x&campaign=x&affiliate=%00&status=snooze&page=x", ["high", "medium"]),
    ],
)
def test_filters_are_in_the_address(scene, alert, query, titles):
    text = _text(_client(scene.viewer).get(f"/alerts/{query}"))
    assert re.findall(r"The (\w+) post Over", text) == titles


def test_filters_by_campaign_affiliate_and_post(scene, alert):
    client = _client(scene.viewer)
    other = CampaignFactory(advertiser=scene.advertiser)
    for query, count in (
        (f"campaign={scene.campaign.pk}", 2),
        (f"campaign={other.pk}", 0),
        (f"affiliate={scene.anders.pk}", 1),
        (f"post={scene.posts['high'].pk}", 1),
    ):
        assert client.get(f"/alerts/?{query}").context["page_obj"].paginator.count == count
    assert "No alert fits all of these filters" in _text(client.get(f"/alerts/?campaign={other.pk}"))


def test_an_empty_list_says_when_an_alert_opens(scene):
    assert "Nothing needs a decision" in _text(_client(scene.viewer).get("/alerts/"))


def test_one_alert_shows_its_evidence(scene, alert):
    text = _text(_client(scene.viewer).get(_address(alert)))
    assert f"▲ High ○ Open {alert.summary}" in text
    assert f"Claimed views {alert.verdict.affiliate_report.claimed_views:,}" in text
    assert "Mila Ortega, trust 0.67" in text
    assert "since 20 Nov, 07:00, New York time" in text


def test_a_manager_acknowledges_and_resolves_with_a_note(scene, alert):
    client = _client(scene.manager)
    assert "You are on it." in _text(client.post(_address(alert, "acknowledge"), follow=True))
    text = _text(client.post(_address(alert, "resolve"), {"note": NOTE}, follow=True))
    assert "The alert is resolved." in text
    assert f"Resolved {NOTE} 20 Nov, 07:00 · Alice Manager" in text
    assert "Acknowledged 20 Nov, 07:00 · Alice Manager" in text
    assert "How was it resolved?" not in text
    alert.refresh_from_db()
    assert (alert.status, alert.resolution_note, alert.resolved_by) == ("resolved", NOTE, scene.manager)


@pytest.mark.parametrize("note", ["", "  ", "x" * 2001, "a\0b"])
def test_a_resolution_needs_a_note_that_can_be_kept(scene, alert, note):
    answer = _client(scene.manager).post(_address(alert, "resolve"), {"note": note})
    assert answer.status_code == 422
    assert 'id="id_note_error"' in answer.content.decode()
    alert.refresh_from_db()
    assert alert.status == "open"


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_the_second_to_decide_is_told(scene, alert, action):
    page = _client(scene.staff)
    services.resolve(alert_id=alert.pk, by=scene.manager, note=NOTE)
    text = _text(page.post(_address(alert, action), {"note": "mine"}, follow=True))
    assert "This alert is resolved already, by Alice Manager." in text
    alert.refresh_from_db()
    assert alert.resolution_note == NOTE


@pytest.mark.parametrize("who", ["viewer", "analyst"])
@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_who_only_reads_decides_nothing(scene, alert, who, action):
    client = _client(getattr(scene, who))
    text = _text(client.get(_address(alert)))
    assert "Managers decide on alerts" in text
    assert "How was it resolved?" not in text
    assert client.post(_address(alert, action), {"note": NOTE}).status_code == 403
    alert.refresh_from_db()
    assert alert.status == "open"


def test_others_do_not_learn_of_it(scene, alert):
    for user in (scene.charlie, scene.mila.user):
        client = _client(user)
        assert client.get(_address(alert)).status_code == 404
        assert client.post(_address(alert, "resolve"), {"note": NOTE}).status_code == 404
        assert "Nothing needs a decision" in _text(client.get("/alerts/"))
        assert "Nothing is open" in _text(client.get(f"/alerts/panel/?campaign={scene.campaign.pk}"))
        assert "2" not in _text(client.get(f"/alerts/counts/?campaign={scene.campaign.pk}"))


@pytest.mark.parametrize("path", ["/alerts/", "/alerts/panel/", "/alerts/counts/"])
def test_strangers_log_in_first(db, client, path):
    assert client.get(path).url == f"/login/?next={path}"


def test_the_panel_groups_by_affiliate_and_platform(scene, alert):
    client = _client(scene.viewer)
    text = _text(client.get(f"/alerts/panel/?campaign={scene.campaign.pk}"))
    assert "2 active alerts, the worst first" in text
    assert re.search(r"▲ High Mila Ortega on YouTube 1 over-claim · \$[\d.,]+ at risk · since 20 Nov", text)
    assert "All 2 alerts" in text
    one = client.get(f"/alerts/panel/?post={scene.posts['high'].pk}").content.decode()
    assert f'href="{_address(alert)}"' in one


def test_several_posts_of_one_affiliate_are_one_line(scene, alert):
    Alert.objects.exclude(pk=alert.pk).update(affiliate=scene.mila)
    text = _text(_client(scene.viewer).get(f"/alerts/panel/?campaign={scene.campaign.pk}"))
    assert "Mila Ortega on YouTube 2 over-claims" in text
    page = _text(_client(scene.viewer).get(_address(alert)))
    assert re.search(r"Also about Mila Ortega ◆ Medium The medium post Over-claim · YouTube · Autumn Bowls · \$", page)


def test_a_refused_second_claimant_is_said_without_a_figure(scene):
    alert = Alert.objects.create(
        kind="second_claimant",
        severity="medium",
        campaign=scene.campaign,
        affiliate=scene.anders,
        post=scene.posts["high"],
        summary="Another affiliate tried to claim a post that is claimed already; the attempt was refused.",
    )
    client = _client(scene.manager)
    assert "Anders Vik on YouTube 1 refused claim · since 20 Nov" in _text(client.get("/alerts/panel/"))
    text = _text(client.get(_address(alert)))
    assert "Money at risk" not in text
    assert "Second claimant · YouTube" in text
    assert "— 20 Nov" in _text(client.get("/alerts/"))  # nothing known to be at risk


def test_counts_are_for_the_menu_and_for_campaigns_of_a_list(scene, alert):
    other = CampaignFactory(advertiser=scene.advertiser)
    page = _client(scene.viewer).get(f"/alerts/counts/?campaign={scene.campaign.pk}&campaign={other.pk}&campaign=x")
    text = page.content.decode()
    assert '<span class="count">2<' in text
    assert re.findall(r'id="alerts-([\w-]+)" hx-swap-oob="true"[^>]*>(\d+)<', text) == [
        (str(scene.campaign.pk), "2"),
        (str(other.pk), "0"),
    ]


def test_new_figures_since_the_alert_are_told(scene, alert, claim, drain_all, sandbox):
    assert "New figures were claimed" not in _text(_client(scene.viewer).get(_address(alert)))
    world_post = sandbox.state.world.find("youtube", scene.posts["high"].external_id)
    claim(scene.mila, scene.campaign, world_post, 100)
    drain_all()
    text = _text(_client(scene.viewer).get(_address(alert)))
    assert "New figures were claimed since, and the post now reads Matched: Claimed 100 views" in text


@pytest.mark.parametrize("more", [0, 20])
def test_the_number_of_queries_is_the_same_for_few_and_many(scene, alert, client, django_assert_num_queries, more):
    for affiliate in AffiliateFactory.create_batch(more):
        Alert.objects.create(
            kind="second_claimant",
            severity="medium",
            campaign=scene.campaign,
            affiliate=affiliate,
            post=scene.posts["high"],
            summary="Another affiliate tried to claim a post that is claimed already.",
        )
    client.force_login(scene.viewer)
    with django_assert_num_queries(10):
        client.get("/alerts/")
    with django_assert_num_queries(5):
        client.get("/alerts/panel/")

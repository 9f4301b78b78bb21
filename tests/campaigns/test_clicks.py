"""Following tracking links over HTTP: where they lead, and what is counted."""

from collections import Counter
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from campaigns.models import Click, ClickSalt
from campaigns.tasks import forget_click_salts
from campaigns.tracking import links
from config import clock
from tests.campaigns.test_visitors import CHROME, INSTAGRAM
from tests.factories import TODAY, TrackingLinkFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]


def visit(link, agent=CHROME, address="192.0.2.1", method="get", **headers):
    return getattr(Client(headers={"user-agent": agent, **headers}), method)(f"/t/{link.code}", REMOTE_ADDR=address)


def click_of(response):
    return parse_qs(urlsplit(response["Location"]).query)["ck_click"][0]


def reasons():
    return Counter(Click.objects.values_list("invalid_reason", flat=True))


def test_a_visitor_is_sent_to_the_landing_page_with_the_clicks_id():
    link = TrackingLinkFactory()
    response = visit(link)
    click = Click.objects.get()
    assert response.status_code == 302
    assert response["Location"] == f"https://shop.example/bowls?lang=en&ck_click={click.pk}"
    assert response["Cache-Control"] == "no-store"
    assert response["Referrer-Policy"] == "origin"
    assert not response.cookies
    assert (click.link, click.at, click.invalid_reason) == (link, TODAY, "")


def test_a_visitor_counts_once_a_window_and_keeps_the_first_clicks_id():
    link = TrackingLinkFactory()
    first, again = visit(link), visit(link)
    assert click_of(again) == click_of(first)
    assert reasons() == {"": 1, "repeat": 1}
    with clock.at(TODAY + timedelta(minutes=30)):
        assert click_of(visit(link)) != click_of(first)
    assert reasons() == {"": 2, "repeat": 1}


def test_other_browsers_addresses_and_links_are_other_visitors():
    link, other = TrackingLinkFactory(), TrackingLinkFactory()
    for response in (visit(link), visit(link, INSTAGRAM), visit(link, address="192.0.2.2"), visit(other)):
        assert response.status_code == 302
    assert reasons() == {"": 4}


def test_what_is_no_person_is_kept_and_not_counted():
    link = TrackingLinkFactory()
    robot = visit(link, "Googlebot/2.1 (+http://www.google.com/bot.html)")
    assert robot.status_code == 302  # it may well show a preview of the page
    assert visit(link, method="head").status_code == 302
    visit(link, **{"Sec-Purpose": "prefetch"})
    assert reasons() == {"robot": 1, "head": 1, "prefetch": 1}
    visit(link)
    assert reasons()[""] == 1


def test_a_flood_from_one_network_is_set_apart(settings):
    settings.CLICK_FLOOD_PER_MIN = 3
    link = TrackingLinkFactory()
    for n in range(5):
        assert visit(link, f"{CHROME} {n}", address=f"192.0.2.{n}").status_code == 302
    assert reasons() == {"": 3, "flood": 2}
    visit(link, address="198.51.100.1")
    with clock.at(TODAY + timedelta(minutes=1)):
        visit(link, f"{CHROME} late")
    assert reasons() == {"": 5, "flood": 2}


def test_a_click_takes_one_statement():
    link = TrackingLinkFactory()
    with CaptureQueriesContext(
        connection,
    ) as captured:
        visit(link, INSTAGRAM)
    assert len(captured) == 1


def test_the_salt_goes_when_its_window_is_over():
    visit(TrackingLinkFactory())
    salt = ClickSalt.objects.get()
    assert salt.ends_at - TODAY <= timedelta(minutes=30)
    forget_click_salts()
    assert ClickSalt.objects.exists()
    with clock.at(salt.ends_at):
        forget_click_salts()
    assert not ClickSalt.objects.exists()


def test_neither_address_nor_browser_is_kept():
    visit(TrackingLinkFactory(), address="192.0.2.77")
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(c)::text FROM campaigns_click c")
        stored = cursor.fetchone()[0]
    assert "192.0.2" not in stored
    assert "Mozilla" not in stored


@pytest.mark.parametrize("code", ["nosuchcode", "x", "a" * 17, "abc%00defgh", "٣٣٣٣٣٣٣٣٣٣", "../admin", "abcdefgh\n"])
def test_an_unknown_code_leads_nowhere(code):
    assert Client().get(f"/t/{code}").status_code == 404
    assert not Click.objects.exists()


def test_a_disabled_link_is_gone_until_it_is_enabled_again():
    link, boss = TrackingLinkFactory(), UserFactory()
    links.disable_link(link=link, by=boss)
    assert visit(link).status_code == 410
    links.enable_link(link=link, by=boss)
    assert visit(link).status_code == 302


@pytest.mark.parametrize("status", ["draft", "paused", "completed"])
def test_visitors_are_sent_on_and_counted_however_the_campaign_stands(status):
    """As views are counted: the posts are out there. Whether claims are taken is another question."""
    link = TrackingLinkFactory(campaign__status=status, campaign__advertiser__is_active=False)
    assert visit(link).status_code == 302
    assert reasons() == {"": 1}


def test_a_forged_address_makes_nobody_another_visitor(settings):
    link = TrackingLinkFactory()
    for n in range(3):
        visit(
            link, **{"X-Forwarded-For": f"203.0.113.{n}", "X-Real-IP": f"203.0.113.{n}", "Forwarded": f"for=10.0.0.{n}"}
        )
    assert reasons() == {"": 1, "repeat": 2}
    settings.NUM_PROXIES = 1  # now our own proxy says who came; what it was told itself stands before that
    for n in range(2):
        visit(link, **{"X-Forwarded-For": f"203.0.113.{n}, 198.51.100.7"})
    assert reasons() == {"": 2, "repeat": 3}


def test_a_campaign_without_landing_page_sends_nobody_anywhere():
    assert visit(TrackingLinkFactory(campaign__landing_url="")).status_code == 410
    assert not Click.objects.exists()


def test_the_request_never_says_where_to_go():
    link = TrackingLinkFactory()
    for query in (
        "url=https://evil.example",
        "next=//evil.example",
        "ck_click=x",
        "%0d%0aLocation:%20https://evil.example",
    ):
        response = Client(headers={"user-agent": CHROME}).get(f"/t/{link.code}?{query}")
        assert response["Location"].startswith("https://shop.example/bowls?lang=en&ck_click=0")


def test_a_stored_destination_is_checked_again_before_it_is_followed():
    link = TrackingLinkFactory(destination="https://evil.example/")  # as if the landing page had been another
    assert visit(link)["Location"].startswith("https://shop.example/bowls?")


def test_nothing_is_posted_to_a_link():
    assert visit(TrackingLinkFactory(), method="post").status_code == 405

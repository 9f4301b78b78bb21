"""The panel on an affiliate's trust: for themselves, for staff, and for advertisers as far as their campaigns go."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from config import clock
from reconciliation.services import trusting
from reconciliation.services.performance import HISTORY_DAYS
from tests.factories import TODAY, AffiliateFactory, CampaignFactory, MembershipFactory, UserFactory

pytestmark = pytest.mark.django_db


def _text(answer) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def _client(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def address(scene):
    return reverse("dashboard:trust", args=[scene.mila.pk])


@pytest.fixture
def elsewhere(scene, claim, world_post, drain_all):
    """A lie in another advertiser's campaign, on the next day; what waited is judged as well."""
    campaign, post = CampaignFactory(), world_post("youtube", 20)
    with clock.at(TODAY + timedelta(hours=13)):
        claimed = claim(scene.mila, campaign, post, post.figures_at(clock.now()).views * 3)
        drain_all()
    return claimed.post.verdicts.get()


def test_the_score_with_what_it_rests_on_its_course_and_what_would_raise_it(scene, elsewhere, address):
    with clock.at(TODAY + timedelta(days=2)):
        page = _client(scene.mila.user).get(address)
    text = _text(page)
    assert "0.60 from 5 posts: too few to tell, 0.23 to 0.88 are likely. 1 more accurate post brings it from" in text
    assert "What counts 2 matched, 1 low, 2 high YouTube 0.60 from 5 posts" in text
    assert "From 0.75 on 20 Nov to 0.60 now Day by day" in text
    assert "21 Nov 1 high 0.60 20 Nov 2 matched, 1 low, 1 high 0.75 " in text
    assert f"▲ High {elsewhere.explanation} 21 Nov, 01:00 " in text
    assert text.count("Too early") == text.count("Unverifiable") == 0  # no matter of trust
    assert page.content.decode().count('<path class="line" d="M') == 1


def test_staff_see_all_of_it_and_an_advertiser_the_score_and_its_own_reasons(scene, elsewhere, address):
    assert elsewhere.explanation in _text(_client(scene.staff).get(address))
    text = _text(_client(scene.viewer).get(address))
    assert "0.60 in all campaigns. In yours: 0.75 from 4 posts: too few to tell, 0.30 to 0.95 are likely." in text
    assert "What counts in your campaigns 2 matched, 1 low, 1 high" in text
    assert elsewhere.explanation not in text
    assert "1 high 0.60" not in text
    assert "more accurate" not in text


def test_what_is_older_than_the_course_is_where_it_begins(scene, elsewhere, address):
    with clock.at(TODAY + timedelta(days=HISTORY_DAYS)):
        text = _text(_client(scene.mila.user).get(address))
    assert "From 0.75 on 20 Nov 2026 to 0.60 now Day by day Day What counted Trust 21 Nov 2026 1 high 0.60 Reas" in text
    with clock.at(TODAY + timedelta(days=HISTORY_DAYS + 5)):
        text = _text(_client(scene.mila.user).get(address))
    assert "2 high YouTube 0.60 from 5 posts: too few to tell, 0.23 to 0.88 are likely. Reasons" in text


def test_a_decision_is_shown_as_one(scene, address):
    verdict = scene.posts["high"].verdicts.get()
    trusting.count_decision(verdict=verdict, status="MATCHED", level=None, effect="ACCURATE")
    text = _text(_client(scene.mila.user).get(address))
    assert "What counts 2 matched, 1 low" in text
    assert "decided in place of the verdict" in text


def test_nothing_counts_yet(client):
    affiliate = AffiliateFactory()
    text = _text(_client(affiliate.user).get(reverse("dashboard:trust", args=[affiliate.pk])))
    assert "Nothing counts yet. The first post that is judged does." in text
    assert "What counts" not in text


def test_it_is_there_for_those_who_have_to_do_with_them(scene, address):
    for user in (scene.manager, scene.analyst, scene.viewer, scene.staff, scene.mila.user):
        assert _client(user).get(address).status_code == 200
    for user in (scene.charlie, scene.anders.user, UserFactory(), MembershipFactory().user):
        assert _client(user).get(address).status_code == 404
    assert Client().get(address).url.startswith("/login/")
    assert _client(scene.staff).post(address).status_code == 405


def test_pages_lead_to_it_and_fetch_it_as_a_panel(scene, address):
    for user, page in (
        (scene.viewer, reverse("dashboard:post", args=[scene.posts["high"].pk])),
        (scene.mila.user, "/"),
    ):
        text = _client(user).get(page).content.decode()
        assert f'hx-get="{address}"' in text
        assert f'<a href="{address}">' in text
    panel = _client(scene.viewer).get(address, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in panel
    assert "in all campaigns" in panel

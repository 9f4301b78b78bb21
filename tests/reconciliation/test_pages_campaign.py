"""The campaign's page: its figures, its posts, and the filters, order and pages that the address holds."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from config import clock
from reconciliation.models import ReconciliationLog
from tests.factories import TODAY, AffiliateFactory, CampaignFactory
from tests.scene import empty_scene

pytestmark = pytest.mark.django_db


@pytest.fixture
def read(scene, client):
    """The text of the page that a query string leads to, tags and runs of blanks taken out."""
    client.force_login(scene.viewer)

    def get(query: str = "", address: str = "") -> str:
        answer = client.get((address or reverse("dashboard:campaign", args=[scene.campaign.pk])) + query)
        assert answer.status_code == 200
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))

    return get


def _titles(page: str) -> list[str]:
    return re.findall(r"The (\w+) post", page)


def test_the_head_says_whose_where_when_and_in_whose_time(read):
    assert "Northwind · United States · 1 Jan – 17 Nov 2036 · USD · figures as of just now, New York time" in read()


def test_every_post_stands_there_with_its_verdict_in_words(read, scene):
    text = read()
    assert sorted(_titles(text)) == sorted(scene.posts)
    for verdict in ReconciliationLog.objects.all():
        assert verdict.explanation.replace("'", "&#x27;") in text


def test_what_nobody_knows_is_a_dash_and_what_is_not_judged_waits(read):
    text = read("?verdict=pending")
    assert "The pending post YouTube · 20 Nov Mila Ortega trust 0.67 5,000 — — … Waiting Waiting for its first" in text
    assert "900 — — ? Unverifiable" in read("?verdict=unverifiable")
    assert "12 clicks — — ? Unverifiable" in read("?verdict=unverifiable")


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("?verdict=high", ["high"]),
        ("?verdict=pending", ["pending"]),
        ("?verdict=post_missing", ["post_missing"]),
        ("?platform=reddit", ["unverifiable"]),
        ("?verdict=high&platform=reddit", []),
        ("?q=THE+MED", ["medium"]),
        ("?q=AAAAAAAAAAA", ["post_missing"]),
        ("?q=https://youtu.be/AAAAAAAAAAA?si=x", ["post_missing"]),
        ("?q=anders", ["medium"]),
        ("?q=the&verdict=high&platform=youtube", ["high"]),
        ("?q=100%25", []),
        ("?sort=-claimed&verdict=low", ["low"]),
    ],
)
def test_filters_are_in_the_address(read, query, titles):
    assert _titles(read(query)) == titles


@pytest.mark.parametrize("spelling", ["{}", "urn:uuid:{}", "{{{}}}"])
@pytest.mark.parametrize("search", ["", "&q=the"])
def test_an_affiliate_can_be_chosen_in_every_spelling_of_an_id(read, scene, spelling, search):
    text = read(f"?affiliate={spelling.format(str(scene.anders.pk).upper())}{search}")
    assert (_titles(text), "All 1 Medium 1" in text) == (["medium"], True)


@pytest.mark.parametrize(
    "query",
    ["?verdict=x", "?affiliate=x", "?sort=x", "?page=x", "?q=%00", "?run=x", "?verdict=%00&page=99999"],
)
def test_what_nobody_knows_in_the_address_is_passed_over(read, scene, query):
    assert sorted(_titles(read(query))) == sorted(scene.posts)


def test_a_filter_that_leaves_nothing_says_so_and_still_names_what_was_chosen(read):
    text = read("?verdict=high&platform=reddit")
    assert "Nothing matches No post fits all of these filters together. Show all posts" in text
    assert "Platform: Reddit" in text
    assert "High 0" in text


def test_counts_say_what_choosing_would_give(read):
    text = read("?platform=youtube")
    assert "All 8 High 1 Medium 1 Low 1 Matched 1 Too early 1 Unverifiable 1 Post missing 1 Waiting 1" in text


@pytest.mark.parametrize("key", ["claimed", "verified", "gap"])
def test_figures_sort_both_ways_and_the_unknown_comes_last(read, key):
    down, up = _titles(read(f"?sort=-{key}")), _titles(read(f"?sort={key}"))
    known = [title for title in down if title in ("matched", "low", "medium", "high")]
    assert [title for title in up if title in known] == known[::-1]
    unknown = {"claimed": "clicks", "verified": "pending", "gap": "pending"}[key]
    assert unknown in down[4:]
    assert unknown in up[4:]


def test_fifty_posts_make_a_page(scene, client, claim, world_post):
    campaign = CampaignFactory(advertiser=scene.advertiser)
    for index in range(53):
        claim(scene.mila, campaign, world_post("x", index), 100 + index)
    client.force_login(scene.viewer)
    address = reverse("dashboard:campaign", args=[campaign.pk])
    first, second = (client.get(f"{address}?sort=-claimed&page={n}").content.decode() for n in (1, 2))
    assert "1 to 50 of 53" in first
    assert 'href="?sort=-claimed&amp;page=2"' in first
    assert "51 to 53 of 53" in second
    assert second.count('<td class="state">') == 3
    for sort, views in {"-claimed": range(152, 99, -1), "claimed": range(100, 153)}.items():
        pages = [client.get(f"{address}?sort={sort}&page={n}").context["page_obj"] for n in (1, 2)]
        assert [state.claimed_views for page in pages for state in page] == list(views)


def test_cards_say_shares_and_counts(read):
    text = read()
    assert "9 posts · 2 affiliates" in text
    assert re.search(r"Money at risk \$[\d,]+\.\d\d 3 posts, 2 affiliates", text)
    assert "1 too early · 2 unverifiable · 1 missing · 1 waiting" in text


def test_without_a_rate_what_is_at_risk_is_unknown_and_not_nothing(scene, client, claim, world_post, drain_all):
    campaign = CampaignFactory(advertiser=scene.advertiser)
    campaign.campaign_platforms.update(rate_per_1000_views=None, rate_per_click=None)
    claim(scene.mila, campaign, world_post("x", 1), 10_000_000)
    drain_all()
    client.force_login(scene.viewer)
    page = client.get(reverse("dashboard:campaign", args=[campaign.pk])).content.decode()
    assert "no rate is set for it" in page


def test_the_terms_are_there_for_who_can_not_edit(read):
    text = read()
    assert "YouTube $10.00 per 1,000 views, $0.50 per click" in text
    assert "Medium from 5 %, High above 20 % over; Low below a gap of 50 views, 5 clicks, 2 conversions" in text
    assert "System name NWB_US_MULTI_2026_AutumnBowls" in text


def test_old_figures_are_called_old(scene, client, read):
    assert "figures are old" not in read()
    with clock.at(TODAY + timedelta(minutes=11)):
        assert "YouTube figures are old. Last answer 11 min ago, on 20 Nov, 07:00. Posts that wait for it: 1." in read()


def test_a_campaign_without_posts_says_what_comes_next(client):
    scene = empty_scene()
    client.force_login(scene.manager)
    address = reverse("dashboard:campaign", args=[scene.campaign.pk])
    assert "Any affiliate may claim posts" in client.get(address).content.decode()
    scene.campaign.is_open = False
    scene.campaign.save()
    assert "The affiliates you invite" in client.get(address).content.decode()
    scene.campaign.status = "draft"
    scene.campaign.save()
    page = client.get(address).content.decode()
    assert "This is a draft." in page
    assert "Reconcile now" not in page


def test_the_list_sums_each_campaign(read):
    names = "Facebook, Instagram, Reddit, TikTok, X, YouTube"
    row = rf"Autumn Bowls Northwind · United States · {names} ▸ Active 1 Jan – 17 Nov 2036 9 [\d,]+"
    assert re.search(row, read(address="/"))


def test_the_list_narrows_by_status(read, scene):
    CampaignFactory(advertiser=scene.advertiser, campaign_name="Winter Soups", status="draft")
    assert "All 2 Active 1 Draft 1" in read(address="/")
    draft = read("?status=draft", address="/")
    assert "Winter Soups" in draft
    assert "Autumn Bowls" not in draft
    assert "None in this status" in read("?status=completed", address="/")
    assert "Autumn Bowls" in read("?status=x", address="/")


def test_a_new_advertiser_is_told_what_to_do(client):
    scene = empty_scene()
    client.force_login(scene.charlie)
    assert "Make the first one" in client.get("/").content.decode()


def test_staff_read_whose_campaign_it_is(scene, client):
    client.force_login(scene.staff)
    page = client.get("/").content.decode()
    assert "Northwind Foods · Northwind · United States" in page
    assert "Days in UTC" in page


@pytest.mark.parametrize("posts", [5, 60])
def test_the_number_of_queries_is_the_same_for_few_and_many_posts(
    client, today, claim, world_post, drain_all, django_assert_num_queries, posts
):
    scene = empty_scene()
    for index in range(posts):
        claim(AffiliateFactory(), scene.campaign, world_post("x", index), 1_000 * index)
    drain_all()
    client.force_login(scene.manager)
    address = reverse("dashboard:campaign", args=[scene.campaign.pk])
    client.get(address)  # rule sets are parsed once a process
    with django_assert_num_queries(17):
        client.get(address)
    with django_assert_num_queries(10):
        client.get("/")

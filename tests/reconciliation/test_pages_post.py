"""The page of a post: its verdict large, its figures, and its history; and looking again."""

import re
from datetime import timedelta
from itertools import pairwise

import pytest
from django.urls import reverse

from config import clock
from platforms.sandbox.world import Series
from platforms.services.lanes import park_connection
from reconciliation.models import Job, PlatformReport, Run
from reconciliation.pages.history import history
from tests.factories import TODAY, AffiliateFactory, CampaignFactory, ConnectionFactory, UserFactory
from tests.scene import empty_scene

pytestmark = pytest.mark.django_db


def _text(answer) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def _address(post) -> str:
    return reverse("dashboard:post", args=[post.pk])


@pytest.mark.parametrize(
    "name", ["matched", "low", "medium", "high", "too_early", "unverifiable", "post_missing", "clicks"]
)
def test_the_sentence_stands_large_and_in_the_history(scene, client, name):
    client.force_login(scene.viewer)
    page = client.get(_address(scene.posts[name])).content.decode()
    sentence = scene.posts[name].verdicts.get().explanation.replace("'", "&#x27;")
    assert f'<p class="sentence">{sentence}</p>' in page
    assert f'<p class="detail">{sentence}</p>' in page


def test_the_figures_are_those_of_the_verdict(scene, client):
    client.force_login(scene.viewer)
    verdict = scene.posts["high"].verdicts.get()
    text = _text(client.get(_address(scene.posts["high"])))
    counted = verdict.platform_report.views
    assert f"Claimed views {2 * counted:,} 20 Nov, 07:00 YouTube counted {counted:,} 20 Nov, 07:00" in text
    assert f"Gap +100.0 % {counted:,} more claimed than counted Money at risk ${verdict.money_at_risk:,}" in text
    assert "All formats count from the first frame" in text  # what YouTube means by views on that day


def test_a_post_that_waits_has_no_figure_of_a_platform(scene, client):
    client.force_login(scene.viewer)
    text = _text(client.get(_address(scene.posts["pending"])))
    assert "Waiting for its first look. The next look is due 20 Nov, 07:00." in text
    assert "YouTube counted — not looked at yet Gap — no count to compare with" in text
    assert "Not looked at yet" in text


def test_new_figures_wait_and_the_claim_before_is_told(scene, client, claim, sandbox):
    post = scene.posts["high"]
    claim(scene.mila, scene.campaign, sandbox.state.world.find("youtube", post.external_id), 100)
    client.force_login(scene.viewer)
    text = _text(client.get(_address(post)))
    assert "… Waiting New figures, waiting for a look. The claim before: Claimed" in text
    assert "Claimed views 100" in text


def test_a_platform_that_lets_nobody_read_is_said_to():
    look = PlatformReport(availability="denied", fetched_at=TODAY)
    [event] = history(affiliate="Mila", platform="X", claims=[], snapshots=[look], verdicts=[])
    assert event.title == "X did not let us read the post"


def test_a_post_of_an_account_that_is_not_connected_is_said_to_wait_for_it(client, today, sandbox, claim, drain_all):
    affiliate, post = AffiliateFactory(), next(sandbox.state.world.posts_of("tiktok", 3, Series.EVEN))
    posted = claim(affiliate, CampaignFactory(), post, 900).post
    drain_all()
    client.force_login(affiliate.user)
    page = client.get(_address(posted))
    assert "Not read: the account on TikTok is not connected" in _text(page)
    assert "did not let us read" not in _text(page)
    assert '<a href="/connections/">Connect TikTok</a>' in page.content.decode()
    client.force_login(UserFactory(is_staff=True))
    assert "Connect TikTok" not in _text(client.get(_address(posted)))


def test_a_post_whose_owner_took_back_what_they_allowed_waits_for_them_and_not_for_the_platform(
    client, today, sandbox, claim
):
    affiliate, post = AffiliateFactory(name="Mila Ortega"), next(sandbox.state.world.posts_of("tiktok", 3, Series.EVEN))
    lane = ConnectionFactory(affiliate=affiliate)
    posted = claim(affiliate, CampaignFactory(), post, 900).post
    park_connection(connection_id=lane.pk, reason="auth: access_token_invalid")
    client.force_login(UserFactory(is_staff=True))
    with clock.at(TODAY + timedelta(hours=1)):
        assert "TikTok no longer accepts what Mila Ortega allowed us." in _text(client.get(_address(posted)))
        campaign = client.get(f"/campaigns/{posted.campaign_id}/")
    assert "Posts that wait for it" not in _text(campaign)


def test_a_second_look_is_announced(scene, client):
    client.force_login(scene.viewer)
    text = _text(client.get(_address(scene.posts["post_missing"])))
    assert "YouTube did not show the post" in text
    assert "The next look is due 21 Nov, 07:00." in text
    assert "✕ Post missing, for now" in text


def test_a_look_that_failed_for_good_says_why(scene, client):
    Job.objects.filter(post=scene.posts["pending"]).update(state="dead", attempts=8, last_error="unavailable: 503")
    client.force_login(scene.viewer)
    assert "failed 8 times: unavailable: 503. Our staff can retry it." in _text(
        client.get(_address(scene.posts["pending"]))
    )


def test_the_link_leads_to_the_post_and_nowhere_else(scene, client):
    client.force_login(scene.viewer)
    post = scene.posts["high"]
    link = f'<a class="button" href="{post.url}" rel="noopener noreferrer" target="_blank">'
    assert link in client.get(_address(post)).content.decode()
    post.url = "javascript:alert(1)"
    post.save()
    assert "Open on YouTube" not in client.get(_address(post)).content.decode()


def test_what_people_typed_is_text_and_never_markup(scene, client):
    post = scene.posts["high"]
    post.text.title = "<script>alert(1)</script>"
    post.text.save()
    client.force_login(scene.viewer)
    for address in (_address(post), reverse("dashboard:campaign", args=[scene.campaign.pk]), "/discrepancies/"):
        page = client.get(address).content.decode()
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_fall_is_a_revision_with_before_and_after_and_no_accusation(client, today, sandbox, claim, drain_all):
    scene = empty_scene()
    world = sandbox.state.world
    revised = next(post for post in world.posts("youtube", Series.CURRENT) if post.revised_at)
    before = revised.revised_at - timedelta(minutes=1)
    for moment in (before, revised.revised_at + timedelta(minutes=1)):
        sandbox.state.set_clock(moment, frozen=True)
        with clock.at(moment):
            views = revised.figures_at(moment).views
            submitted = claim(scene.mila, scene.campaign, revised, views)
            drain_all()
    client.force_login(scene.viewer)
    with clock.at(TODAY):
        text = _text(client.get(_address(submitted.post)))
    assert re.search(r"YouTube took back [\d,]+ views [\d,]+ before, [\d,]+ now\.", text)
    assert "What fell after a claim is not held against it." in text


def test_the_newest_stands_first(scene, client, drain_all):
    with clock.at(TODAY + timedelta(hours=25)):
        drain_all()
        client.force_login(scene.viewer)
        answer = client.get(_address(scene.posts["post_missing"]))
    events = answer.context["events"]
    assert [event.title.split(",")[0] for event in events] == [
        "✕ Post missing",
        "YouTube did not show the post",
        "✕ Post missing",
        "YouTube did not show the post",
        "Claimed 700 views",
    ]
    assert all(later.at >= earlier.at for later, earlier in pairwise(events))


def test_a_manager_asks_for_a_look_and_watches_it(scene, client, drain_all):
    client.force_login(scene.manager)
    page = client.post(reverse("dashboard:campaign-reconcile", args=[scene.campaign.pk]), follow=True)
    assert "Looking again. 0 of 9 looked at." in _text(page)
    run = Run.objects.get()
    assert (run.requested_by, run.scope) == (scene.manager, {"campaign": str(scene.campaign.pk)})
    fragment = reverse("dashboard:run", args=[run.pk])
    assert 'hx-trigger="every 1s"' in client.get(fragment).content.decode()
    drain_all()
    done = client.get(fragment)
    assert "9 of 9 posts looked at" in _text(done)
    assert "every 1s" not in done.content.decode()  # it stops asking
    assert 'hx-target="#figures"' in done.content.decode()  # and brings the page up to date
    assert 'hx-target="#figures"' not in client.get(page.request["PATH_INFO"], {"run": run.pk}).content.decode()


def test_one_post_is_looked_at_again(scene, client):
    client.force_login(scene.manager)
    client.post(reverse("dashboard:post-reconcile", args=[scene.posts["high"].pk]))
    assert Run.objects.get().run_jobs.get().job.post == scene.posts["high"]


def test_a_campaign_without_posts_has_nothing_to_look_at(client, today):
    scene = empty_scene()
    AffiliateFactory()
    client.force_login(scene.manager)
    answer = client.post(reverse("dashboard:campaign-reconcile", args=[scene.campaign.pk]), follow=True)
    assert "There is no post to look at." in answer.content.decode()

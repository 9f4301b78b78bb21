"""What each command does and answers, in servers and in direct messages, whoever asks and whatever they type."""

import re
from datetime import timedelta

import pytest

from affiliates import discord
from affiliates.models import AuditEvent, DiscordGuesses
from campaigns.models import Campaign, Enrolment, Post
from reconciliation.comparison import Figures
from reconciliation.discord.words import plain
from reconciliation.models import AffiliateReport, DiscordInteraction, ReconciliationLog, ReportEvidence
from reconciliation.services import submission
from tests.factories import TODAY, AffiliateFactory, CampaignFactory, EnrolmentFactory
from tests.hostile import COUNTS, TEXTS, URLS
from tests.reconciliation.discord import USER, filled_in, interaction, linked, on_message, said, send, slash
from tests.reconciliation.support import lane_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today", "sandbox")]

places = pytest.mark.parametrize("dm", [False, True], ids=["in a server", "in a direct message"])


@pytest.fixture
def mila():
    return linked(AffiliateFactory(name="Mila Ortega"))


@pytest.fixture
def campaign():
    return CampaignFactory(campaign_name="Autumn Bowls")


@pytest.fixture
def post(world_post):
    return world_post("youtube")


def taken() -> int:
    return AffiliateReport.objects.count()


# --- /link


@places
def test_a_code_links_who_shows_it(dm):
    mila = AffiliateFactory(name="*Mila* @everyone")
    _, code = discord.make_code(affiliate=mila, by=mila.user)
    assert said(slash("link", code=code, dm=dm)) == r"You are linked as \*Mila\* " + "@\u200beveryone."
    mila.refresh_from_db()
    assert (mila.discord_user_id, mila.discord_linked_at) == (USER, TODAY)


def test_wrong_codes_are_said_to_be_wrong_and_are_counted():
    for _ in range(discord.MAX_WRONG_CODES):
        assert "not known" in said(slash("link", code="AAAA-AAAA-AAAA-AAAA"))
    assert "Too many" in said(slash("link", code="AAAA-AAAA-AAAA-AAAA"))
    assert DiscordGuesses.objects.get(pk=USER).wrong == discord.MAX_WRONG_CODES + 1


def test_the_discord_user_of_before_is_replaced_and_that_is_said(mila):
    _, code = discord.make_code(affiliate=mila, by=mila.user)
    assert "no longer is" in said(slash("link", code=code, user="53908232506183680"))
    assert "not linked" in said(slash("status"))


@pytest.mark.parametrize("changes", [{"member": None}, {"member": {}}, {"member": {"user": {"id": 5}}}], ids=str)
def test_who_does_not_say_who_they_are_is_nobody(changes):
    assert "who you are" in said(slash("link", code="AAAA") | changes)
    assert "not linked" in said(slash("history") | changes)


# --- Who may


COMMANDS = [
    slash("submit", campaign="x", url="https://youtu.be/dQw4w9WgXcQ", views=5),
    slash("status"),
    slash("history"),
    on_message("https://youtu.be/dQw4w9WgXcQ"),
    interaction(5, {"custom_id": "submit:1", "components": []}),
]
commands = pytest.mark.parametrize("command", COMMANDS, ids=["submit", "status", "history", "message", "modal"])


@commands
def test_whoever_is_not_linked_is_told_how(command):
    AffiliateFactory(discord_user_id=USER)  # written down, and shown by nobody
    assert "You are not linked yet" in said(command)


@commands
@pytest.mark.parametrize("who", ["affiliate", "user"])
def test_a_closed_account_does_nothing(command, who, mila):
    row = mila if who == "affiliate" else mila.user
    row.is_active = False
    row.save()
    assert "closed" in said(command)
    assert send(slash("submit", kind=4, focused="campaign", campaign=""))["data"]["choices"] == []


@pytest.mark.parametrize(
    "unknown",
    [
        slash("pay"),
        interaction(2, {"name": "submit", "type": 2}),
        interaction(2, {"name": "submit", "type": "1"}),
        interaction(2, {"name": ["submit"], "type": 1}),
        interaction(2),
        interaction(2, []),
        interaction(3, {"custom_id": "a button", "component_type": 2}),
        interaction(5, {"custom_id": "other"}),
        interaction(5),
        interaction(6),
        interaction(99, {"name": "submit"}),
        interaction(0),
    ],
    ids=range(12),
)
def test_what_nobody_knows_is_answered_in_words(unknown, mila):
    assert "does not know that" in said(unknown)


# --- /submit


@places
@pytest.mark.parametrize("views", [12_400, 12_400.0])
def test_a_claim_is_taken_like_any_other(mila, campaign, post, dm, views):
    text = said(
        slash("submit", campaign=str(campaign.pk), url=post.url + "&utm_source=x", views=views, clicks=0, dm=dm)
    )
    assert text.splitlines() == [
        "Taken: 12,400 views and 0 clicks.",
        f"Autumn Bowls, YouTube: <{post.url}>",
        "The verdict appears here, usually within seconds. After 15 minutes ask with /status.",
    ]
    claim = AffiliateReport.objects.get()
    assert (claim.claimed_views, claim.claimed_clicks, claim.claimed_conversions) == (12_400, 0, None)
    assert (claim.submission_method, claim.post.affiliate) == ("discord", mila)
    row = DiscordInteraction.objects.get(claim=claim)
    assert claim.evidence.evidence_data == {"discord_interaction_id": row.pk}
    assert row.token_expires_at == TODAY + timedelta(minutes=15)


def test_new_figures_and_the_same_ones_again(mila, campaign, post):
    given = {"campaign": str(campaign.pk), "url": post.url}
    said(slash("submit", views=5, **given))
    assert said(slash("submit", views=6, **given)).startswith("New figures taken: 6 views.")
    again = said(slash("submit", views=6, **given))
    assert "nothing was added" in again
    assert "The verdict appears here" in again
    assert taken() == 2


def test_a_repeat_tells_the_verdict_there_is(mila, campaign, post, drain_all):
    given = {"campaign": str(campaign.pk), "url": post.url, "views": 5}
    said(slash("submit", **given))
    drain_all()
    assert said(slash("submit", **given)).splitlines()[-1] == ReconciliationLog.objects.get().explanation


def test_a_campaign_is_taken_by_its_whole_name_too(mila, campaign, post):
    assert "Taken" in said(slash("submit", campaign="autumn bowls", url=post.url, views=5))
    assert "New figures taken" in said(slash("submit", campaign=campaign.name, url=post.url, views=6))
    CampaignFactory(campaign_name="Autumn Bowls", brand=campaign.brand, name="another")
    assert "Several campaigns" in said(slash("submit", campaign="Autumn Bowls", url=post.url, views=7))


def test_refusals_are_the_sentences_of_the_api(mila, campaign, post, world_post):
    given = {"campaign": str(campaign.pk), "url": post.url, "views": 5}
    assert "at least one figure" in said(slash("submit", **given | {"views": None}))
    assert "no such campaign" in said(slash("submit", **given | {"campaign": str(mila.pk)}))
    assert "not to one post" in said(slash("submit", **given | {"url": "https://www.youtube.com/feed/trending"}))
    Campaign.objects.update(status=Campaign.Status.PAUSED)
    EnrolmentFactory(campaign=campaign, affiliate=mila)
    assert "is paused and takes no claims" in said(slash("submit", **given))
    assert taken() == 0


def test_somebody_elses_post_is_refused_and_the_attempt_is_kept(mila, campaign, post, claim):
    claim(AffiliateFactory(), campaign, post, 5)
    text = said(slash("submit", campaign=str(campaign.pk), url=post.url, views=5))
    assert text == "This post is claimed already."
    assert AuditEvent.objects.filter(action="claim.refused_second_claimant").count() == 1
    assert taken() == 1


@pytest.mark.parametrize("name", ["views", "clicks", "conversions"])
@pytest.mark.parametrize(
    "value", [each for each in COUNTS if each not in (5.0, "5", "", " 1", False)] + [False], ids=ascii
)
def test_what_is_no_count_is_refused_by_name(mila, campaign, post, name, value):
    text = said(slash("submit", campaign=str(campaign.pk), url=post.url, **{name: value}))
    assert text.startswith(f"{name}: a "), text
    assert taken() == 0


@pytest.mark.parametrize("url", [*URLS, *TEXTS, None], ids=lambda url: ascii(url)[:40])
def test_what_is_no_link_is_refused_in_words(mila, campaign, url):
    assert said(slash("submit", campaign=str(campaign.pk), url=url, views=5))
    assert taken() == 0


@pytest.mark.parametrize(
    "value", [*TEXTS, None, "%", "_", "\\", "'; --", "🦊" * 5000], ids=lambda value: ascii(value)[:40]
)
@pytest.mark.parametrize("name", ["campaign", "post", "code", "focused"])
def test_hostile_values_of_every_option_are_answered_in_words(mila, campaign, post, name, value):
    if name == "campaign":
        assert "no such campaign" in said(slash("submit", campaign=value, url=post.url, views=5))
    elif name == "post":
        assert said(slash("status", post=value))
    elif name == "code":
        assert said(slash("link", code=value))
    else:
        for option, command in (("campaign", "submit"), ("post", "status")):
            assert send(slash(command, kind=4, focused=option, **{option: value}))["type"] == 8


@pytest.mark.parametrize("options", [None, {}, "x", [None], [5], [{}], [{"name": None}], [{"name": "url"}]], ids=ascii)
def test_options_of_another_shape_are_no_options(mila, options):
    assert said(interaction(2, {"name": "submit", "type": 1, "options": options}))


def test_nothing_is_drawn_that_somebody_typed():
    assert plain("# **x** <@1> [a](https://b) `c` ||d||\n> e") == (
        r"\# \*\*x\*\* \<" + "@\u200b" + r"1\> \[a\]\(https\://b\) \`c\` \|\|d\|\| \> e"
    )


# --- Completions


def choices(**typed):
    answer = send(slash("submit", kind=4, focused="campaign", **typed))
    assert (answer["type"], set(answer["data"])) == (8, {"choices"})
    return answer["data"]["choices"]


@places
def test_campaigns_are_completed_by_what_is_typed(mila, campaign, dm):
    CampaignFactory(campaign_name="Spring")
    answer = send(slash("submit", kind=4, focused="campaign", campaign="autumn", url="https://youtu.be/x", dm=dm))
    brand = campaign.brand.name
    assert answer == {
        "type": 8,
        "data": {"choices": [{"name": f"Autumn Bowls · {brand}", "value": str(campaign.pk)}]},
    }
    assert [each["value"] for each in choices(campaign=brand)] == [str(campaign.pk)]
    assert len(choices(campaign="")) == 2
    assert not DiscordInteraction.objects.exists()


def test_only_campaigns_that_the_affiliate_may_claim_for_are_offered(mila):
    days = timedelta(days=1)
    today = TODAY.date()
    offered = [
        CampaignFactory(campaign_name="1 open"),
        CampaignFactory(campaign_name="2 completed", status="completed"),
        CampaignFactory(campaign_name="3 in its window", ends_on=today - 5 * days, claim_window_days=5),
        EnrolmentFactory(affiliate=mila, campaign__campaign_name="4 joined", campaign__is_open=False).campaign,
        EnrolmentFactory(
            affiliate=mila, campaign__campaign_name="5 invited", campaign__is_open=False, status="invited"
        ).campaign,
    ]
    EnrolmentFactory(affiliate=mila, status=Enrolment.Status.REMOVED)
    EnrolmentFactory(campaign__is_open=False)
    CampaignFactory(is_open=False)
    CampaignFactory(status="draft")
    CampaignFactory(status="paused")
    CampaignFactory(starts_on=today + days)
    CampaignFactory(ends_on=today - 6 * days, claim_window_days=5)
    CampaignFactory(advertiser__is_active=False)
    assert [each["value"] for each in choices(campaign="")] == [str(each.pk) for each in offered]


def test_test_campaigns_are_not_for_discord(mila, post):
    test = EnrolmentFactory(affiliate=mila, campaign__advertiser__livemode=False).campaign
    for command in (slash("submit", campaign=str(test.pk), url=post.url, views=5), on_message(post.url)):
        assert "by the API, with a test key" in said(command)
    CampaignFactory(campaign_name="Live", platforms=[lane_of("reddit").platform])
    assert [each["name"][:4] for each in choices(campaign="")] == ["Live"]
    assert "no such campaign" in said(slash("submit", campaign=str(test.pk), url=post.url, views=5))
    assert "runs on YouTube" in said(on_message(post.url))
    submission.submit(
        affiliate=mila, campaign=test, platform=lane_of("youtube").platform, url=post.url, figures=Figures(views=5)
    )
    for command in (slash("status"), slash("history")):
        assert "nothing yet" in said(command)
    assert "no such post" in said(slash("status", post=post.url))


def test_no_more_than_25_are_offered_and_names_are_cut(mila):
    for number in range(30):
        CampaignFactory(campaign_name=f"{number:02} " + "🦊" * 90)
    found = choices(campaign="")
    assert len(found) == 25
    assert all(len(each["name"].encode("utf-16-le")) // 2 <= 100 for each in found)


def test_a_stranger_is_offered_nothing(campaign):
    assert choices(campaign="") == []
    assert send(slash("pay", kind=4, focused="sum", sum=""))["data"]["choices"] == []


# --- /status and /history


def test_status_says_what_the_api_says(scene, client_of):
    linked(scene.mila)
    high = scene.posts["high"]
    shown = client_of(scene.mila.user).get(f"/api/v1/submissions/{high.pk}").json()
    for named in (str(high.pk), high.url):
        for dm in (False, True):
            text = said(slash("status", post=named, dm=dm))
            assert text.splitlines()[-1] == shown["verdict"]["explanation"]
            assert f"<{high.url}>" in text
    assert said(slash("status", post=str(scene.posts["pending"].pk))).endswith("No verdict yet.")
    assert len(re.findall("Autumn Bowls", said(slash("status")))) == 5


def test_nobody_learns_of_somebody_elses_posts(scene):
    linked(scene.anders)
    high = scene.posts["high"]
    for named in (str(high.pk), high.url):
        assert said(slash("status", post=named)) == "You have submitted no such post."
    found = send(slash("status", kind=4, focused="post", post=""))["data"]["choices"]
    assert [each["value"] for each in found] == [str(scene.posts["medium"].pk)]
    assert said(slash("history")).count("\n") == 0


@places
def test_history_is_a_line_a_claim_newest_first(scene, dm):
    linked(scene.mila)
    lines = said(slash("history", dm=dm)).splitlines()
    words = {line.rpartition(": ")[2] for line in lines}
    assert words == {
        "pending", "matched", "discrepancy, low", "discrepancy, high", "too early, high", "unverifiable",
        "post missing",
    }  # fmt: skip


def test_who_has_submitted_nothing_is_told_where_to_begin(mila):
    for command in ("status", "history"):
        assert "nothing yet" in said(slash(command))


def test_posts_are_completed_by_title_address_and_campaign(scene):
    linked(scene.mila)
    for typed, found in (("the HIGH", 1), ("watch?v=", 7), ("autumn", 8), ("nothing", 0)):
        assert len(send(slash("status", kind=4, focused="post", post=typed))["data"]["choices"]) == found, typed


# --- Submit as post


def opened(text, **more):
    modal = send(on_message(text, **more))
    assert modal["type"] == 9, modal
    return modal


@places
@pytest.mark.parametrize("rows", [False, True], ids=["labels", "rows"])
def test_a_message_becomes_a_claim(mila, campaign, post, dm, rows):
    CampaignFactory(campaign_name="Elsewhere", platforms=[lane_of("reddit").platform])
    modal = opened(f"Look, new: **<{post.url}>**, enjoy!", dm=dm)
    data = modal["data"]
    assert len(data["custom_id"]) <= 100
    labels = [each["component"]["custom_id"] for each in data["components"]]
    assert labels == ["campaign", "views", "clicks", "conversions"]
    assert [each["value"] for each in data["components"][0]["component"]["options"]] == [str(campaign.pk)]
    values = {"campaign": str(campaign.pk), "views": "12,400", "conversions": "0"}
    assert "Taken: 12,400 views and 0 conversions." in said(filled_in(modal, values=values, rows=rows, dm=dm))
    claim = AffiliateReport.objects.get()
    assert claim.post.external_id == post.external_id
    assert claim.evidence.evidence_data["discord_message_id"] == "867793854505943041"


def test_the_same_message_twice_is_one_claim(mila, campaign, post):
    first, second = opened(post.url), opened(post.url)
    values = {"campaign": str(campaign.pk), "views": "5"}
    said(filled_in(first, values=values))
    for again in (
        filled_in(first, values=values),
        filled_in(second, values=values | {"views": "6"}),
        on_message(post.url),
        on_message("another text"),
    ):
        assert said(again).startswith("This message is submitted already. For new figures use /submit.")
    assert taken() == ReportEvidence.objects.count() == 1
    assert "New figures" in said(slash("submit", campaign=str(campaign.pk), url=post.url, views=7))


def test_another_affiliate_may_submit_from_the_same_message(mila, campaign, world_post):
    linked(AffiliateFactory(), "53908232506183680")
    url = world_post("youtube").url
    said(filled_in(opened(url), values={"campaign": str(campaign.pk), "views": "5"}))
    other = opened(url, user="53908232506183680")
    values = {"campaign": str(campaign.pk), "views": "5"}
    assert said(filled_in(other, values=values, user="53908232506183680")) == "This post is claimed already."


def test_nobody_fills_in_somebody_elses_form(mila, campaign, post):
    linked(AffiliateFactory(), "53908232506183680")
    modal = opened(post.url)
    values = {"campaign": str(campaign.pk), "views": "5"}
    assert "no message of yours" in said(filled_in(modal, values=values, user="53908232506183680"))
    modal["data"]["custom_id"] = "submit:" + "9" * 5000
    assert "no message of yours" in said(filled_in(modal, values=values))


def test_a_form_that_was_filled_in_wrongly_may_be_filled_in_again(mila, campaign, post):
    modal = opened(post.url)
    values = {"campaign": str(campaign.pk), "views": "12.400"}
    assert said(filled_in(modal, values=values)) == "views: a whole number, in digits."
    assert "at least one figure" in said(filled_in(modal, values=values | {"views": " "}))
    assert "no such campaign" in said(filled_in(modal, values={"views": "5"}))
    assert "Taken" in said(filled_in(modal, values=values | {"views": "12 400"}))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no link", "There is no link"),
        ("", "There is no link"),
        (None, "There is no link"),
        ("https://example.com/x", "There is no link"),
        ("https://www.youtube.com/feed/trending", "not to one post"),
        ("https://youtu.be/abcdefghijk and https://youtu.be/abcdefghijl", "several posts"),
        ("https://youtu.be/abcdefghijk https://x.com/a/status/20", "several posts"),
        ("https://" + "x" * 7000, "There is no link"),
    ],
    ids=range(8),
)
def test_a_message_without_one_post_says_what_is_wrong(mila, campaign, text, reason):
    assert reason in said(on_message(text))


@pytest.mark.parametrize(
    "text",
    [
        "https://youtu.be/abcdefghijk",
        "<https://youtu.be/abcdefghijk>",
        "[look](https://youtu.be/abcdefghijk)",
        "||https://youtu.be/abcdefghijk||",
        "_https://youtu.be/abcdefghijk_",
        "(https://youtu.be/abcdefghijk).",
        "https://youtu.be/abcdefghijk https://www.youtube.com/watch?v=abcdefghijk&t=5 https://example.com/",
        "HTTPS://youtu.be/abcdefghijk!",
    ],
)
def test_a_link_is_found_however_it_is_dressed(mila, campaign, text):
    assert opened(text)
    assert DiscordInteraction.objects.get().url == "https://www.youtube.com/watch?v=abcdefghijk"


LINK = "https://vm.tiktok.com/ZMabc123"
PREVIEW = {"type": "video", "url": "https://www.tiktok.com/@mila/video/7301234567890123456"}


def message(command, **fields):
    """The same command, on a message with these fields."""
    [message] = command["data"]["resolved"]["messages"].values()
    message.update(fields)
    return command


@pytest.mark.parametrize(
    "fields",
    [
        {"embeds": [{"type": "rich", "url": LINK}, {"title": "x"}, None]},
        {"message_snapshots": [{"message": {"content": f"Look: {LINK}", "embeds": [PREVIEW], "type": 0}}]},
        {"message_snapshots": [{"message": {"content": "", "embeds": [{"url": LINK}]}}, {"message": 5}, None]},
        {"flags": 32768, "components": [{"type": 17, "components": [{"type": 10, "content": f"## {LINK}"}]}]},
        {"components": [{"type": 1, "components": [{"type": 2, "style": 5, "label": "Watch", "url": LINK}]}]},
        {"components": [{"type": 9, "components": [], "accessory": {"type": 2, "style": 5, "url": LINK}}, "x"]},
        {"content": LINK, "embeds": [PREVIEW]},  # which names the post by its other link
        {"content": LINK, "attachments": [{"id": "1", "url": "https://cdn.discordapp.com/attachments/1/2/a.png"}]},
    ],
    ids=range(8),
)
def test_a_link_is_found_wherever_the_message_has_it(mila, campaign, fields):
    assert send(message(on_message(""), **fields))["type"] == 9
    assert DiscordInteraction.objects.get().url == LINK


def test_several_posts_are_several_wherever_they_stand(mila, campaign):
    other = {"message": {"content": "https://youtu.be/abcdefghijk"}}
    assert "several posts" in said(message(on_message(LINK), message_snapshots=[other]))
    embeds = [PREVIEW, {"url": "https://youtu.be/abcdefghijk"}]
    assert "several posts" in said(message(on_message("look"), embeds=embeds))


def test_an_id_may_end_with_an_underscore(mila, campaign):
    opened("https://youtu.be/abcdefghij_")
    assert DiscordInteraction.objects.get().url.endswith("abcdefghij_")


@pytest.mark.parametrize("target", [None, 5, "", "x"], ids=ascii)
def test_a_message_that_is_not_there_is_no_message(mila, campaign, target):
    command = on_message("https://youtu.be/abcdefghijk")
    command["data"]["target_id"] = target
    assert "which message" in said(command)
    command = on_message("https://youtu.be/abcdefghijk")
    command["data"]["resolved"] = {}
    assert "There is no link" in said(command)


def test_a_short_link_is_taken_as_it_is(mila, campaign):
    modal = opened("https://vm.tiktok.com/ZMabc123/")
    said(filled_in(modal, values={"campaign": str(campaign.pk), "views": "5"}))
    assert not Post.objects.get().is_identified


def test_where_no_campaign_runs_there_is_no_form(mila):
    assert said(on_message("https://youtu.be/abcdefghijk")) == "No campaign that you may claim for runs on YouTube."


def test_a_form_with_more_campaigns_than_fit_says_so(mila):
    for number in range(27):
        CampaignFactory(campaign_name=f"Campaign {number:02}")
    select = opened("https://youtu.be/abcdefghijk")["data"]["components"][0]
    assert len(select["component"]["options"]) == 25
    assert "more than can be shown" in select["description"]


def test_a_claim_by_the_api_that_is_repeated_here_stays_one(mila, campaign, post):
    submission.submit(
        affiliate=mila, campaign=campaign, platform=lane_of("youtube").platform, url=post.url, figures=Figures(views=5)
    )
    modal = opened(post.url)
    text = said(filled_in(modal, values={"campaign": str(campaign.pk), "views": "5"}))
    assert "nothing was added" in text
    assert "ask with /status" in text
    assert "submitted already" in said(on_message(post.url))
    assert taken() == 1

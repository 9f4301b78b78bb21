"""Linking a Discord user by a one-time code: from the API, the portal, and the other side."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from affiliates import discord
from affiliates.errors import DiscordCodeError
from affiliates.models import Affiliate, AuditEvent, DiscordCode, DiscordGuesses
from config import clock
from tests.factories import TODAY, AffiliateFactory, UserFactory
from tests.hostile import assert_problem
from tests.reconciliation.test_races import together

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

CODE = "/api/v1/affiliates/me/discord-code"
WRONG = "AAAA-AAAA-AAAA-AAAA"
USER, OTHER = "123456789012345678", "876543210987654321"


def made(affiliate) -> str:
    return discord.make_code(affiliate=affiliate, by=affiliate.user)[1]


def refusal(code, user=USER) -> str:
    with pytest.raises(DiscordCodeError) as refused:
        discord.link(discord_user_id=user, code=code)
    return refused.value.message


@pytest.fixture
def mila():
    return AffiliateFactory(name="Mila Ortega")


def test_the_api_makes_a_code_that_is_kept_nowhere(client_of, mila):
    answer = client_of(mila.user).post(CODE)
    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    assert set(answer.json()) == {"code", "expires_at"}
    text = answer.json()["code"]
    assert re.fullmatch(r"([A-HJ-NP-Z2-9]{4}-){3}[A-HJ-NP-Z2-9]{4}", text)
    code = DiscordCode.objects.get()
    assert code.expires_at == TODAY + timedelta(minutes=15)
    assert text.replace("-", "") not in str(code.__dict__)
    assert discord.link(discord_user_id=USER, code=text) == (mila, False)


def test_a_test_key_opens_no_way_into_the_live_world(client_of, mila):
    assert_problem(client_of(mila.user, livemode=False).post(CODE), 403)
    assert not DiscordCode.objects.exists()


@pytest.mark.parametrize("spelling", [str.lower, lambda code: code.replace("-", ""), lambda code: f"  {code} "])
def test_a_code_is_taken_as_it_was_meant(mila, spelling):
    assert discord.link(discord_user_id=USER, code=spelling(made(mila)))[0] == mila


def test_a_code_works_once_in_its_time_and_is_voided_by_the_next(mila):
    first, second = made(mila), made(mila)
    assert "not known" in refusal(first)
    discord.link(discord_user_id=USER, code=second)
    assert "used already" in refusal(second)
    late = made(mila)
    with clock.at(TODAY + discord.CODE_LIFE):
        assert "older than 15 minutes" in refusal(late)
    mila.refresh_from_db()
    assert (mila.discord_user_id, mila.discord_linked_at) == (USER, TODAY)
    assert AuditEvent.objects.filter(action="affiliate.discord_linked", object_id=mila.pk).count() == 1


def test_a_fresh_code_replaces_the_discord_user_of_before(mila):
    discord.link(discord_user_id=USER, code=made(mila))
    assert discord.link(discord_user_id=USER, code=made(mila)) == (mila, False)
    assert discord.link(discord_user_id=OTHER, code=made(mila)) == (mila, True)
    assert not Affiliate.objects.linked_to(USER).exists()
    assert Affiliate.objects.linked_to(OTHER).get() == mila


def test_who_has_shown_to_be_another_affiliate_stays_that_one(mila):
    ann = AffiliateFactory()
    discord.link(discord_user_id=USER, code=made(ann))
    code = made(mila)
    assert "linked as another affiliate" in refusal(code)
    discord.unlink(affiliate=ann, by=ann.user)
    assert discord.link(discord_user_id=USER, code=code)[0] == mila


def test_a_discord_user_that_was_merely_written_down_goes_to_who_shows_a_code(mila, client_of):
    squatter = AffiliateFactory()
    client_of(squatter.user).put("/api/v1/affiliates/me", {"discord_user_id": USER})
    assert not Affiliate.objects.linked_to(USER).exists()
    assert discord.link(discord_user_id=USER, code=made(mila))[0] == mila
    squatter.refresh_from_db()
    assert squatter.discord_user_id is None


def test_writing_down_another_user_unlinks_and_the_same_one_does_not(mila, client_of):
    discord.link(discord_user_id=USER, code=made(mila))
    api = client_of(mila.user)
    same = api.put("/api/v1/affiliates/me", {"discord_user_id": USER, "name": "Mila O"}).json()
    assert same["discord_linked_at"]
    assert_problem(api.put("/api/v1/affiliates/me", {"discord_linked_at": None}), 400)
    assert api.put("/api/v1/affiliates/me", {"discord_user_id": OTHER}).json()["discord_linked_at"] is None


@pytest.mark.parametrize("who", ["affiliate", "user"])
def test_a_closed_account_links_nobody(mila, who):
    code = made(mila)
    row = mila if who == "affiliate" else mila.user
    row.is_active = False
    row.save()
    assert "closed" in refusal(code)


def test_ten_wrong_codes_shut_the_door_for_one_user_and_for_a_while(mila):
    for _ in range(discord.MAX_WRONG_CODES):
        assert "not known" in refusal(WRONG)
    right = made(mila)
    assert "Too many" in refusal(right)
    assert "not known" in refusal(WRONG, OTHER)
    with clock.at(TODAY + timedelta(minutes=15, seconds=1)):
        assert discord.link(discord_user_id=USER, code=made(mila))[0] == mila
    assert not DiscordGuesses.objects.filter(pk=USER).exists()


@pytest.mark.django_db(transaction=True)
def test_guesses_that_come_together_are_all_counted():
    messages = [str(error) for error in together(*[lambda: discord.link(discord_user_id=USER, code=WRONG)] * 16)]
    assert sum("not known" in message for message in messages) == discord.MAX_WRONG_CODES
    assert sum("Too many" in message for message in messages) == 6


@pytest.mark.django_db(transaction=True)
def test_two_who_show_one_code_at_once_are_not_both_taken(mila):
    code = made(mila)
    calls = [lambda user=user: discord.link(discord_user_id=user, code=code) for user in (USER, OTHER)]
    results = together(*calls)
    assert sum(isinstance(result, DiscordCodeError) for result in results) == 1


# --- The portal


@pytest.fixture
def portal(mila):
    client = Client()
    client.force_login(mila.user)
    return client


def test_the_page_of_connections_fetches_the_panel(portal):
    assert f'hx-get="{reverse("affiliates:discord")}"' in portal.get("/connections/").content.decode()
    panel = portal.get("/discord/", headers={"HX-Request": "true"}).content.decode()
    assert panel.startswith("<section")
    assert "Get a code" in panel


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}], ids=["page", "htmx"])
def test_the_panel_shows_a_code_once(portal, headers):
    answer = portal.post("/discord/code/", headers=headers)
    assert "no-store" in answer["Cache-Control"]
    (code,) = re.findall(r"/link code:([A-Z0-9-]{19})", answer.content.decode())
    assert code not in portal.get("/discord/").content.decode()
    discord.link(discord_user_id=USER, code=code)
    assert USER in portal.get("/discord/").content.decode()
    assert USER not in portal.post("/discord/unlink/", headers=headers).content.decode()
    assert not Affiliate.objects.linked_to(USER).exists()


def test_the_panel_is_for_active_affiliates_who_mean_it(portal, mila):
    assert Client().get("/discord/").url.startswith("/login/")
    stranger = Client()
    stranger.force_login(UserFactory())
    assert stranger.post("/discord/code/").status_code == 403
    assert portal.get("/discord/code/").status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(mila.user)
    assert strict.post("/discord/code/").status_code == 403
    mila.is_active = False
    mila.save()
    assert portal.get("/discord/").status_code == 403

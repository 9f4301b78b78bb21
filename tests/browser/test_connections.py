"""An affiliate connects an account at a platform, in a browser, and what was unverifiable gets its verdict."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect

from platforms.models import Account, Connection
from platforms.tasks import check_account
from reconciliation.models import PostState
from reconciliation.tasks import look_again
from tests.factories import PASSWORD

pytestmark = pytest.mark.browser

TIKTOK = 3
"""The number of a post, and of its author, in the sandbox's world."""


@pytest.fixture
def tiktok(stage, world_post, drain_all):
    """A TikTok claim of Mila's, looked at once."""
    post = stage.submit(world_post("tiktok", TIKTOK), "The dance", views=1)
    drain_all()
    return post


def run_what_is_queued(stage, slug):
    platform = Connection.objects.filter(affiliate=stage.mila, platform__slug=slug).get().platform
    look_again(str(stage.mila.pk), str(platform.pk), "live")


def allow(page: Page, name: str, decision: str = "Allow") -> None:
    """At the sandbox's authorising page."""
    page.get_by_label("Your handle").fill(name)
    page.get_by_role("button", name=decision).click()


def test_a_claim_gets_its_verdict_once_its_owner_connects(stage, tiktok, log_in, drain_all, sandbox):
    refused = []
    page = log_in(stage.mila.user)
    page.on("console", lambda message: "Security Policy" in message.text and refused.append(message.text))
    row = page.locator("tr", has_text="The dance")
    expect(row).to_contain_text("Unverifiable")
    page.get_by_role("link", name="Connections").first.click()
    page.get_by_role("button", name="Connect TikTok").click()
    page.wait_for_url(re.compile(re.escape(sandbox.url) + "/v2/auth/authorize/"))
    allow(page, sandbox.state.world.post("tiktok", "even", TIKTOK).author_handle)
    page.wait_for_url("**/connections/")
    expect(page.get_by_text("TikTok is connected as @")).to_be_visible()
    card = page.get_by_role("region", name="TikTok")
    expect(card).to_contain_text("Connected")
    run_what_is_queued(stage, "tiktok")
    drain_all()
    page.reload()
    expect(card.get_by_text("just now")).to_be_visible()
    page.get_by_role("link", name="Your posts").click()
    expect(row).to_contain_text("Matched")
    assert PostState.objects.get(post=tiktok).current_verdict.status == "MATCHED"
    assert refused == []


def test_a_no_leaves_everything_as_it_was(stage, log_in, sandbox):
    page = log_in(stage.mila.user)
    page.goto("/connections/x/connect/")
    page.get_by_role("button", name="Go on to X").click()
    page.wait_for_url(re.compile(re.escape(sandbox.url)))
    allow(page, "anybody", "Deny")
    expect(page.get_by_text("You did not allow it at X, so nothing is connected.")).to_be_visible()
    page.go_back()  # to the sandbox, whose page is used up
    allow(page, "rapidfork")
    expect(page.get_by_text("This way back from X was used already")).to_be_visible()
    assert not Connection.objects.filter(affiliate=stage.mila).exists()


def test_disconnecting_asks_first(stage, tiktok, log_in, sandbox):
    page = log_in(stage.mila.user)
    page.goto("/connections/")
    page.get_by_role("button", name="Connect TikTok").click()
    page.wait_for_url(re.compile(re.escape(sandbox.url)))
    allow(page, "rapidfork")
    page.get_by_role("button", name="Disconnect…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("become unverifiable until you connect again")
    dialog.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Disconnect…").click()
    dialog.get_by_role("button", name="Disconnect").click()
    expect(page.get_by_text("TikTok is disconnected, and what we stored is erased.")).to_be_visible()
    assert Connection.objects.get(affiliate=stage.mila).locked == ""


def test_a_code_in_the_bio_proves_an_account_while_the_page_watches(stage, log_in, sandbox):
    page = log_in(stage.mila.user)
    page.goto("/connections/")
    page.get_by_label("Platform").select_option(label="Reddit")
    page.get_by_label("Handle").fill("@nobody")
    page.locator("#accounts").get_by_role("button", name="Get a code").click()
    account = Account.objects.get(handle="nobody")
    expect(page.get_by_text(account.code)).to_be_visible()
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("We are looking for it now.")).to_be_visible()
    check_account(str(account.pk))
    expect(page.get_by_text("Nobody on Reddit is called @nobody.")).to_be_visible()  # without a reload
    page.get_by_role("button", name="It is not mine").click()
    expect(page.get_by_text("@nobody on Reddit is off your list.")).to_be_visible()


def test_a_token_is_pasted_and_tried_out(stage, log_in):
    page = log_in(stage.mila.user)
    page.goto("/connections/")
    card = page.get_by_role("region", name="YouTube")
    card.get_by_text("Or paste a token").click()
    card.get_by_label("Token").fill("AIza-an-api-key")
    card.get_by_role("button", name="Try it and connect").click()
    expect(card.get_by_text("an API key says nothing about whose channel it is")).to_be_visible()
    expect(card.get_by_label("Token")).to_have_value("")
    card.get_by_label("Token").fill("sb.youtube.3.1.0")
    card.get_by_role("button", name="Try it and connect").click()
    expect(card).to_contain_text("with a pasted token")


def test_connecting_works_without_javascript(stage, base_url, browser: Browser, sandbox):
    context = browser.new_context(java_script_enabled=False, base_url=base_url)
    page = context.new_page()
    page.goto("/login/?next=/connections/")
    page.get_by_label("Email").fill(stage.mila.user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Connect TikTok").click()
    page.wait_for_url(re.compile(re.escape(sandbox.url)))
    allow(page, "rapidfork")
    expect(page.get_by_text("TikTok is connected as @rapidfork")).to_be_visible()
    assert page.url.endswith(reverse("connections:connections"))
    context.close()

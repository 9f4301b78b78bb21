"""Keys and links, in a browser: what is shown once, what asks first, and what an affiliate puts into a post."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from campaigns.models import Campaign, PostbackKey, TrackingLink

pytestmark = pytest.mark.browser


@pytest.fixture
def tracked(stage):
    Campaign.objects.filter(pk=stage.campaign.pk).update(landing_url="https://shop.example/bowls")
    return stage.campaign


def test_a_manager_makes_a_key_and_revokes_it(stage, tracked, log_in):
    page = log_in(stage.manager)
    page.get_by_role("link", name="Autumn Bowls", exact=True).click()
    page.get_by_role("link", name="Links, shop and keys").click()
    page.get_by_role("button", name="Make a key").click()
    secret = page.get_by_text(re.compile("^ckp_[0-9a-f]{64}$"))
    expect(secret).to_be_visible()
    page.goto(reverse("campaign-tracking", args=[tracked.pk]))
    expect(secret).to_have_count(0)
    page.get_by_role("button", name="Revoke ckp_").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("sales that were taken stay")
    dialog.get_by_role("button", name="Cancel").click()
    assert PostbackKey.objects.get().revoked_at is None
    page.get_by_role("button", name="Revoke ckp_").click()
    dialog.get_by_role("button", name="Revoke it").click()
    expect(page.get_by_text("What is signed with it is refused from now on.")).to_be_visible()
    expect(page.get_by_role("button", name="Revoke ckp_")).to_have_count(0)
    assert PostbackKey.objects.get().revoked_at


def test_an_affiliate_gets_a_link(stage, tracked, log_in):
    page = log_in(stage.mila.user)
    page.get_by_role("link", name="Links").click()
    page.get_by_label("For").select_option(label="Autumn Bowls on YouTube")
    page.get_by_label("What you call it").fill("In the description")
    page.get_by_role("button", name="Get a link").click()
    expect(page.get_by_text("Here is your link")).to_be_visible()
    row = page.get_by_role("row").filter(has_text="In the description")
    expect(row).to_contain_text(f"/t/{TrackingLink.objects.get().code}")

"""What the queue forgot to tell is found by the clock."""

from datetime import timedelta

import pytest

from alerts import tasks
from alerts.models import Alert
from config import clock
from tests.factories import TODAY, AffiliateFactory, CampaignFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]


@pytest.fixture
def _lies(today, claim, drain_all, world_post):
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    for index, factor in enumerate((1, 2, 3)):
        post = world_post("youtube", index)
        claim(affiliate, campaign, post, (post.figures_at(TODAY).views or 0) * factor)
    assert drain_all() == 3


@pytest.mark.usefixtures("_lies")
def test_a_verdict_whose_hint_was_lost_gets_its_alert_once():
    for _ in range(2):
        tasks.sweep()
    assert Alert.objects.count() == 2


@pytest.mark.usefixtures("_lies")
def test_old_verdicts_are_left_to_history():
    with clock.at(TODAY + timedelta(days=3)):
        tasks.sweep()
    assert not Alert.objects.exists()

"""Staff write the next version of the rules: limits, lags and data-quality rules."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from affiliates.models import AuditEvent
from config.admin import change_url
from reconciliation.models import RuleSet
from reconciliation.services import rulesets
from tests.factories import CampaignFactory
from tests.staff import client_for, superuser, told, with_permissions

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]
PAGE = reverse("admin:reconciliation_ruleset_write")
VIEWS_ON_X = {"scope": "platform", "key": "x", "metric": "views"}


@pytest.fixture
def client() -> Client:
    return client_for(superuser())


def shown(client: Client) -> dict[str, Any]:
    """What the page holds, as the browser would send it back."""
    form = client.get(PAGE).context["form"]
    values = {name: form[name].value() for name in form.fields}
    return {name: "" if value is None else value for name, value in values.items()}


def send(client: Client, **changes: object) -> Any:
    return client.post(PAGE, shown(client) | changes, follow=True)


def test_what_is_sent_back_as_it_is_changes_nothing(client: Client):
    campaign = CampaignFactory()
    own = {"metric": "views", "medium_from_pct": None, "high_above_pct": None, "floor": 9, "lag_h": 3}
    rulesets.set_campaign_thresholds(campaign_id=campaign.pk, cells=[own], by=superuser())
    assert told(send(client)) == ["Nothing was changed."]
    assert RuleSet.objects.count() == 2


def test_a_change_is_a_new_version_and_keeps_what_is_not_shown(client: Client):
    campaign = CampaignFactory()
    cell = {"metric": "clicks", "medium_from_pct": None, "high_above_pct": None, "floor": 9}
    rulesets.set_campaign_thresholds(campaign_id=campaign.pk, cells=[cell], by=superuser())
    changes = {
        "default-all-all-high_above_pct": "25.50",
        "platform-x-views-floor": "10",
        "platform-x-views-lag_h": "2",
        "burst-weight": "HIGH",
        "burst-claims": "20",
        "undisclosed-weight": "off",
    }
    assert told(send(client, **changes)) == ["Version 3 holds from now on."]
    version = rulesets.current()
    limits = {"medium_from_pct": None, "high_above_pct": None, "floor": 10, "lag_h": 2}
    assert VIEWS_ON_X | limits in version.cells
    assert version.cells[0]["high_above_pct"] == "25.5"
    assert {"scope": "campaign", "key": str(campaign.pk), **cell} in version.cells
    assert version.quality == {"burst": {"weight": "HIGH", "claims": 20}, "undisclosed": {"weight": "off"}}
    assert AuditEvent.objects.filter(action="ruleset.saved").count() == 2
    page = client.get(reverse("admin:reconciliation_ruleset_change", args=[version.pk])).content.decode()
    assert "25.5 %" in page
    assert "so many claims within an hour: 20" in page


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"platform-x-views-medium_from_pct": "30"}, "30 is above high_above_pct, 20, for x, views"),
        ({"platform-x-views-lag_h": "1441"}, "less than or equal to 1440"),
        ({"default-all-all-medium_from_pct": ""}, "the default says none for views"),
        ({"default-all-views-floor": "fifty"}, "Enter a whole number"),
        ({"platform-x-all-medium_from_pct": "9", "platform-x-all-high_above_pct": "8"}, "must not be above"),
        ({"burst-claims": "1"}, "greater than or equal to 2"),
        ({"burst-weight": "EXTREME"}, "Select a valid choice"),
        ({"based_on": "0"}, "Version 1 was saved meanwhile"),
    ],
)
def test_what_cannot_hold_is_said_and_changes_nothing(client: Client, changes: dict[str, str], said: str):
    response = send(client, **changes)
    assert response.status_code == 200
    assert said in response.content.decode()
    assert RuleSet.objects.count() == 1


def test_only_who_may_change_rule_sets_may_write_one():
    reader = client_for(with_permissions("reconciliation.view_ruleset"))
    assert "Change the rules" not in reader.get(reverse("admin:reconciliation_ruleset_changelist")).content.decode()
    assert reader.get(PAGE).status_code == 403
    assert reader.post(PAGE, {}).status_code == 403
    writer = client_for(with_permissions("reconciliation.view_ruleset", "reconciliation.change_ruleset"))
    assert "Change the rules" in writer.get(reverse("admin:reconciliation_ruleset_changelist")).content.decode()
    assert writer.get(PAGE).status_code == 200


def test_trust_may_be_counted_otherwise(client: Client):
    changes = {"trust-policy": "events", "trust-start": "0.40", "trust-HIGH": "-0.3", "trust-LOW": "0.010"}
    assert told(send(client, **changes)) == ["Version 2 holds from now on."]
    version = rulesets.current()
    assert version.trust == {"policy": "events", "start": "0.4", "deltas": {"HIGH": "-0.3"}}
    said = "From 0.4, for each post: +0.02 matched, +0.01 low, -0.05 medium, -0.3 high, -0.1 post missing"
    assert said in client.get(change_url(version)).content.decode()
    assert told(send(client)) == ["Nothing was changed."]


@pytest.mark.parametrize(
    "change", [{"trust-HIGH": "0.1"}, {"trust-LOW": "-0.1"}, {"trust-start": "1.1"}, {"trust-policy": "luck"}]
)
def test_trust_that_makes_no_sense_is_told_where_it_stands(client: Client, change):
    [name] = change
    assert client.post(PAGE, shown(client) | change).context["form"][name].errors
    assert RuleSet.objects.count() == 1

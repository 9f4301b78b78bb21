"""What shops report: signed, once each, attributed, and refused with a reason where it can't be taken."""

import json
from datetime import timedelta
from decimal import Decimal
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from affiliates.signing import signature
from campaigns.errors import CampaignStateError
from campaigns.models import Advertiser, Campaign, Click, Conversion, ConversionEvent, PostbackKey
from campaigns.tracking import keys
from config import clock
from tests.campaigns.shop import Shop
from tests.campaigns.test_clicks import click_of, visit
from tests.factories import TODAY, TrackingLinkFactory, UserFactory
from tests.hostile import AMOUNTS, BODIES, assert_problem

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]


@pytest.fixture
def link():
    return TrackingLinkFactory()


@pytest.fixture
def shop(link):
    return Shop(link.campaign, keys.create_postback_key(campaign=link.campaign, by=UserFactory())[1])


@pytest.fixture
def click(link):
    return click_of(visit(link))


def refused(response, status, code, field=None):
    document = assert_problem(response, status)
    if code:
        assert document["code"] == code
    if field:
        assert document["errors"][0]["field"] == field
    assert not Conversion.objects.exists()
    return document["detail"]


def test_a_sale_is_one_conversion_of_the_clicks_link(shop, link, click):
    response = shop.send(click_id=click)
    row = Conversion.objects.get()
    assert (response.status_code, response.json()["outcome"], response.json()["id"]) == (201, "new", str(row.pk))
    assert (row.link, str(row.click_id), row.amount, row.currency, row.status, row.received_at) == (
        link, click, Decimal("49.90"), "USD", "pending", TODAY,
    )  # fmt: skip
    assert [(event.sequence, event.status) for event in row.events.all()] == [(1, "pending")]


def test_the_same_event_again_changes_nothing(shop, click):
    shop.send(click_id=click)
    with clock.at(TODAY + timedelta(minutes=10)):
        again = shop.send(click_id=click, amount=49.9)  # the same amount, otherwise written
    assert (again.status_code, again.json()["outcome"]) == (200, "unchanged")
    assert ConversionEvent.objects.count() == 1


def test_a_change_of_status_is_a_new_event(shop, click):
    answers = [shop.send(click_id=click, status=s).json()["outcome"] for s in ("pending", "approved", "reversed")]
    assert answers == ["new", "changed", "changed"]
    row = Conversion.objects.get()
    assert (row.status, row.reversed_at) == ("reversed", TODAY)
    assert [event.status for event in row.events.all()] == ["pending", "approved", "reversed"]
    assert len({event.digest for event in row.events.all()}) == 3
    late = shop.send(click_id=click, status="approved")  # delivered twice, the second time late
    assert (late.status_code, late.json()["outcome"], late.json()["status"]) == (200, "unchanged", "reversed")


def test_reversed_is_final(shop, click):
    shop.send(click_id=click, status="reversed")
    assert assert_problem(shop.send(click_id=click, status="approved"), 409)["code"] == "conversion_state"
    assert Conversion.objects.get().status == "reversed"


@pytest.mark.parametrize(("field", "value"), [("amount", "49.91"), ("currency", "EUR"), ("click_id", "another")])
def test_another_sale_under_the_same_transaction_is_a_conflict(shop, link, click, field, value):
    shop.send(click_id=click)
    if value == "another":
        value = click_of(visit(link, address="192.0.2.9"))
    document = assert_problem(shop.send(**{"click_id": click, "status": "approved", field: value}), 409)
    assert (document["code"], document["errors"][0]["field"]) == ("conversion_differs", field)
    assert Conversion.objects.get().status == "pending"


def test_a_later_event_may_name_the_link_of_its_click_or_the_click_of_its_link(shop, link, click):
    shop.send(click_id=click)
    assert shop.send(code=link.code, status="reversed").json()["outcome"] == "changed"
    shop.send(transaction_id="T-2", code=link.code)
    assert shop.send(transaction_id="T-2", click_id=click, status="approved").json()["outcome"] == "changed"
    other = TrackingLinkFactory(campaign=link.campaign)
    assert_problem(shop.send(transaction_id="T-2", code=other.code, status="reversed"), 409)


def test_a_shop_may_name_the_link_instead_of_the_click(shop, link, click):
    with clock.at(TODAY + timedelta(hours=1)):
        last = click_of(visit(link))
    with clock.at(TODAY + timedelta(hours=2)):
        shop.send(code=link.code)
    assert str(Conversion.objects.get().click_id) == last


def test_a_sale_to_whom_looked_like_a_robot_is_a_sale(shop, link):
    """A page that was loaded ahead keeps the id it was loaded with; the shop knows that somebody bought."""
    ahead = click_of(visit(link, **{"Sec-Purpose": "prefetch"}))
    assert shop.send(click_id=ahead).json()["attributed"]
    assert not Click.objects.filter(invalid_reason="").exists()


def test_a_sale_without_a_click_is_kept_with_the_reason(shop, link):
    response = shop.send(code=link.code)
    assert (response.json()["attributed"], response.json()["reason"]) == (False, "no_click")
    assert Conversion.objects.get().link is None


def test_a_click_outside_of_the_window_attributes_nothing(shop, link, click):
    with clock.at(TODAY + timedelta(days=31)):
        assert shop.send(click_id=click).json()["reason"] == "click_too_old"
        assert shop.send(click_id=click, transaction_id="T-2", occurred_at=TODAY.isoformat()).json()["attributed"]


def test_either_of_two_live_keys_signs_and_a_revoked_one_does_not(shop, link, click):
    second = keys.create_postback_key(campaign=link.campaign, by=UserFactory())[1]
    with pytest.raises(CampaignStateError):
        keys.create_postback_key(campaign=link.campaign, by=UserFactory())
    assert Shop(link.campaign, second).send(click_id=click).status_code == 201
    assert shop.send(click_id=click).status_code == 200
    keys.revoke_postback_key(key=PostbackKey.objects.earliest("created_at"), by=UserFactory())
    assert shop.send(click_id=click).status_code == 401
    assert Shop(link.campaign, second).send(click_id=click).status_code == 200


def test_the_secret_is_locked_at_rest(shop):
    assert shop.secret not in json.dumps(list(PostbackKey.objects.values_list()), default=str)


@pytest.mark.parametrize("age_s", [301, -301])
def test_a_replayed_or_early_postback_is_refused(shop, age_s):
    assert "300 seconds" in refused(shop.send_raw(b"{}", age_s=age_s), 401, "signature_refused")


def test_a_forged_postback_is_refused_before_it_is_read(shop, link):
    assert "no live key" in refused(shop.send_raw(b"\xff", secret="guess"), 401, "signature_refused")
    assert "not signed" in refused(
        Client().post(shop.path, b"{}", content_type="application/json"), 401, "signature_refused"
    )
    other = TrackingLinkFactory().campaign
    refused(Shop(other, shop.secret).send(code=link.code), 401, "signature_refused")


def test_an_unknown_address_is_nobodys(shop):
    assert Client().post("/postback/" + "x" * 32, b"{}", content_type="application/json").status_code == 404


def test_another_campaigns_click_or_link_is_refused(shop):
    other = TrackingLinkFactory()
    refused(shop.send(click_id=click_of(visit(other))), 422, "unknown_click", "click_id")
    refused(shop.send(click_id=str(uuid4())), 422, "unknown_click", "click_id")
    refused(shop.send(code=other.code), 422, "unknown_link", "code")


def test_a_click_and_a_code_belong_together(shop, link, click):
    other = TrackingLinkFactory(campaign=link.campaign)
    refused(shop.send(click_id=click, code=other.code), 422, "unknown_click")
    assert shop.send(click_id=click, code=link.code).status_code == 201


BAD = [
    *(("amount", value) for value in [*AMOUNTS, "49.9000000000", "0.001", None, "1.", ".5", "+1", "1 "]),
    *(("currency", value) for value in ["usd", "US", "USDX", "", 5, None, "U\u0660D"]),
    *(("status", value) for value in ["paid", "", "Pending", 1, [], None]),
    *(("transaction_id", value) for value in ["", " ", "a b", "é", "a\n", "x" * 129, 5, [], {}, None]),
    *(("click_id", value) for value in ["x", "", 5, [], {}, "018f0000-0000-7000-8000-00000000000g"]),
    *(("code", value) for value in ["", "x", "a" * 17, "abc!defgh", "٣٣٣٣٣٣٣٣", 5.5, [], "abcdefgh\n"]),
    *(("occurred_at", value) for value in ["now", "2999-01-01T00:00:00Z", "1999-01-01T00:00:00Z", 5, [], ""]),
    ("occurred_at", "0001-01-01T00:00:00+23:59"),
    ("no_such_field", "x"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), BAD, ids=lambda value: repr(value)[:40])
def test_a_bad_field_is_named(shop, link, field, value):
    named = {} if field in ("click_id", "code") else {"code": link.code}
    refused(shop.send(**named, **{field: value}), 400, "invalid", field)


def test_neither_click_nor_code_is_too_little(shop):
    refused(shop.send(), 400, "invalid", "click_id")


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{}", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"{", "application/json", 400),
        (b'{"amount": "\xff"}', "application/json", 400),
        (b'{"amount": 1, "amount": 2}', "application/json", 400),
        (b'{"amount": 1e99999999999999999999}', "application/json", 400),
        (b'{"amount": 19.9900000000}', "application/json", 400),
        (b"amount=1&amount=2", "application/x-www-form-urlencoded", 400),
        (b"amount=\xff", "application/x-www-form-urlencoded", 400),
        (b"amount=%ff", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a%d=1" % n for n in range(50)), "application/x-www-form-urlencoded", 400),
        ("{}".encode("utf-16"), "application/json; charset=utf-16", 400),
        (b"amount=1", "application/x-www-form-urlencoded; charset=iso-8859-1", 400),
        (b"--x--", "multipart/form-data; boundary=x", 415),
        (b"<a/>", "text/xml", 415),
        (b"x" * 16_385, "application/json", 413),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_body_that_cant_be_read_is_refused(shop, body, content_type, status):
    assert_problem(shop.send_raw(body, content_type), status)
    assert not Conversion.objects.exists()


@pytest.mark.parametrize("raw", BODIES, ids=str)
def test_no_hostile_body_is_taken(shop, raw):
    assert_problem(shop.send_raw(raw.body, raw.content_type), range(400, 500))
    assert not Conversion.objects.exists()


@pytest.mark.parametrize(
    "amount", ["NaN", "Infinity", "-Infinity", "1e400", "1e-400", "-0.01", "49.9000000000", "9" * 50]
)
def test_an_amount_that_is_none_is_refused_as_a_number_too(shop, link, amount):
    body = json.dumps(shop.fields(code=link.code, amount=0)).replace('"amount": 0', f'"amount": {amount}').encode()
    refused(shop.send_raw(body), 400, None, "amount")


@pytest.mark.parametrize(
    "timestamp", ["", "now", "-1", "1e9", "1.5", " 1", "9" * 12, "9" * 5_000, "\u0661", "1764000000, 1764000000"]
)
def test_a_timestamp_that_is_none_is_refused(shop, timestamp):
    signed = signature(shop.secret, timestamp=timestamp, method="POST", target=shop.path, body=b"{}")
    headers = {"X-Claimcheck-Timestamp": timestamp, "X-Claimcheck-Signature": f"sha256={signed}"}
    answer = Client().post(shop.path, b"{}", content_type="application/json", headers=headers)
    refused(answer, 401, "signature_refused")


@pytest.mark.parametrize("query", ["status=approved", "amount=1", "ts=1", "no_such=1", "transaction_id=%00", "a=%ff"])
def test_what_a_get_says_twice_or_wrongly_is_refused(shop, link, query):
    link.campaign.allows_get_postbacks = True
    link.campaign.save(update_fields=["allows_get_postbacks"])
    own = {} if query.partition("=")[0] in shop.fields() else {"status": None}
    given = f"{urlencode(shop.fields(code=link.code, **own))}&{query}&ts={int(TODAY.timestamp())}"
    signed = signature(shop.secret, timestamp=str(int(TODAY.timestamp())), method="GET", target=f"{shop.path}?{given}")
    refused(Client().get(f"{shop.path}?{given}&sig={signed}"), 400, None)


@pytest.mark.parametrize("status", ["draft", "paused", "completed"])
def test_what_was_sold_is_taken_however_the_campaign_stands(shop, link, click, status):
    """A sale of yesterday is reported, and one of last month reversed, also when the campaign is over."""
    Campaign.objects.filter(pk=link.campaign_id).update(status=status)
    Advertiser.objects.filter(pk=link.campaign.advertiser_id).update(is_active=False)
    assert shop.send(click_id=click).status_code == 201
    assert shop.send(click_id=click, status="reversed").json()["outcome"] == "changed"


def test_a_form_is_taken_too(shop, click):
    body = f"transaction_id=T%2F1&amount=49.90&currency=USD&status=approved&click_id={click}".encode()
    assert shop.send_raw(body, "application/x-www-form-urlencoded; charset=utf-8").status_code == 201
    assert Conversion.objects.get().transaction_id == "T/1"


def test_get_is_for_campaigns_that_allow_it(shop, link, click):
    assert shop.get(click_id=click).status_code == 405
    link.campaign.allows_get_postbacks = True
    link.campaign.save(update_fields=["allows_get_postbacks"])
    assert shop.get(click_id=click).json()["outcome"] == "new"
    assert shop.get(click_id=click).json()["outcome"] == "unchanged"
    assert_problem(shop.get(click_id=click, secret="guess"), 401)
    assert_problem(Client().get(f"{shop.path}?click_id={click}"), 401)
    assert Client().head(shop.path).status_code == 405


@pytest.mark.parametrize("method", ["put", "patch", "delete", "head", "options"])
def test_other_methods_are_not_spoken(shop, method):
    assert getattr(Client(), method)(shop.path).status_code == 405


def test_the_database_itself_holds_conversions_to_their_form(shop, click):
    shop.send(click_id=click)
    row = Conversion.objects.get()
    for bad in ({"status": "paid"}, {"amount": -1}, {"status": "reversed"}, {"link": None}, {"transaction_id": "a b"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Conversion.objects.filter(pk=row.pk).update(**bad)
    with pytest.raises(IntegrityError), transaction.atomic():
        Click.objects.filter(pk=click).update(visitor=b"short")

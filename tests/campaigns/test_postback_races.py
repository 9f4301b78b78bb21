"""Postbacks from sixteen clients at once: exactly the right conversions, none twice, and nobody stumbles."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from django.db import connections

from campaigns.models import Conversion, ConversionEvent
from campaigns.tracking import keys
from tests.campaigns.shop import Shop
from tests.campaigns.test_clicks import click_of, visit
from tests.factories import TrackingLinkFactory, UserFactory

CLIENTS = 16


def at_once(requests):
    """The statuses of these requests, dealt out to CLIENTS threads."""

    def client(number):
        try:
            return [send().status_code for send in requests[number::CLIENTS]]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(CLIENTS) as pool:
        return Counter(status for statuses in pool.map(client, range(CLIENTS)) for status in statuses)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("sales", "repeats", "reversals", "forgeries"),
    [(375, 100, 25, 10), pytest.param(7_500, 2_000, 500, 200, marks=pytest.mark.long)],
)
def test_every_sale_is_one_conversion(today, sales, repeats, reversals, forgeries):
    link = TrackingLinkFactory()
    shop = Shop(link.campaign, keys.create_postback_key(campaign=link.campaign, by=UserFactory())[1])
    clicks = [click_of(visit(link, address=f"192.0.2.{n}")) for n in range(50)]
    chance = random.Random(4)

    def sale(number, status="approved"):
        return shop.send(
            transaction_id=f"T-{number}", click_id=clicks[number % 50], amount=f"{number}.50", status=status
        )

    def forged(number):
        return shop.send_raw(b'{"transaction_id": "T-%d"}' % number, secret="guess")

    first = [partial(sale, n) for n in range(sales)]
    first += [partial(sale, chance.randrange(sales)) for _ in range(repeats)]
    first += [partial(forged, n) for n in range(forgeries)]
    chance.shuffle(first)
    back = [partial(sale, n, "reversed") for n in chance.sample(range(sales), reversals)]
    back += chance.choices(back, k=reversals // 5)

    answers = at_once(first) + at_once(back)
    assert answers == {201: sales, 200: repeats + reversals + reversals // 5, 401: forgeries}
    assert Conversion.objects.count() == sales
    assert Conversion.objects.filter(status="reversed").count() == reversals
    assert Conversion.objects.counting().count() == sales - reversals
    assert ConversionEvent.objects.count() == sales + reversals
    assert not Conversion.objects.filter(link=None).exists()


@pytest.mark.django_db(transaction=True)
def test_all_statuses_of_few_transactions_at_once_leave_none_half_done(today):
    link = TrackingLinkFactory()
    shop = Shop(link.campaign, keys.create_postback_key(campaign=link.campaign, by=UserFactory())[1])
    click = click_of(visit(link))
    requests = [(f"T-{n % 5}", status) for n in range(40) for status in ("pending", "approved", "reversed")]
    random.Random(7).shuffle(requests)
    sends = [partial(shop.send, transaction_id=number, click_id=click, status=status) for number, status in requests]
    answers = at_once(sends)
    assert set(answers) <= {200, 201, 409}
    assert answers[201] == 5
    for row in Conversion.objects.all():
        assert row.status == "reversed"  # each was told so at least once, and nothing leads back
        assert [event.sequence for event in row.events.all()] == list(range(1, row.events.count() + 1))

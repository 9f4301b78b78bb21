"""Sixteen shops and sixteen crowds at once, at the web as it is served: exactly the right clicks and conversions."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection

from affiliates.signing import signature
from campaigns.models import Click, Conversion, ConversionEvent
from campaigns.tracking import keys
from config import clock
from config.demo.http import call
from config.demo.processes import free_port
from tests.campaigns.shop import Shop
from tests.campaigns.test_clicks import click_of, visit
from tests.campaigns.test_visitors import CHROME
from tests.config.programs import await_that, running
from tests.factories import TrackingLinkFactory, UserFactory

CLIENTS = 16
Ask = Callable[[HTTPConnection], Any]

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def served(log: Path) -> Iterator[int]:
    """The web on this test's database, as `manage.py web` runs it; gives its port."""
    port = free_port(8_300)
    with running("web", "--port", str(port), log=log / "web.log", CLICK_FLOOD_PER_MIN="1000000"):
        await_that(lambda: _answers(port), within_s=60)
        yield port


def _answers(port: int) -> bool:
    try:
        return call("GET", f"http://127.0.0.1:{port}/health").ok
    except OSError:
        return False


def at_once(port: int, requests: list[Ask]) -> list[Any]:
    """The answers to these requests, which CLIENTS threads share out; each keeps its connection."""

    def client(number: int) -> list[Any]:
        here = HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            return [ask(here) for ask in requests[number::CLIENTS]]
        finally:
            here.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        return [answer for answers in pool.map(client, range(CLIENTS)) for answer in answers]


def report(shop: Shop, here: HTTPConnection, *, secret: str = "", **fields: Any) -> int:
    """The status of a postback."""
    body = json.dumps(shop.fields(**fields)).encode()
    timestamp = str(int(clock.now().timestamp()))
    signed = signature(secret or shop.secret, timestamp=timestamp, method="POST", target=shop.path, body=body)
    headers = {
        "Content-Type": "application/json",
        "X-Claimcheck-Timestamp": timestamp,
        "X-Claimcheck-Signature": f"sha256={signed}",
    }
    here.request("POST", shop.path, body, headers)
    answer = here.getresponse()
    answer.read()
    return answer.status


def follow(code: str, agent: str, here: HTTPConnection) -> str:
    """The id of the click that a visit is told."""
    here.request("GET", f"/t/{code}", headers={"User-Agent": agent})
    answer = here.getresponse()
    answer.read()
    assert answer.status == 302
    return parse_qs(urlsplit(answer.headers["Location"]).query)["ck_click"][0]


@pytest.mark.parametrize(
    ("sales", "repeats", "reversals", "forgeries"),
    [(365, 100, 25, 10), pytest.param(7_300, 2_000, 500, 200, marks=pytest.mark.long)],
)
def test_every_sale_is_one_conversion(tmp_path, sales, repeats, reversals, forgeries):
    link = TrackingLinkFactory()
    shop = Shop(link.campaign, keys.create_postback_key(campaign=link.campaign, by=UserFactory())[1])
    clicks = [click_of(visit(link, address=f"192.0.2.{n}")) for n in range(50)]
    chance = random.Random(4)

    def sale(number: int, status: str = "approved", secret: str = "") -> Ask:
        fields: dict[str, Any] = {"transaction_id": f"T-{number}", "amount": f"{number}.50", "status": status}
        return partial(report, shop, secret=secret, click_id=clicks[number % 50], **fields)

    first = [sale(number) for number in range(sales)]
    first += [sale(chance.randrange(sales)) for _ in range(repeats)]
    first += [sale(sales + number, secret="guess") for number in range(forgeries)]
    chance.shuffle(first)
    back = [sale(number, "reversed") for number in chance.sample(range(sales), reversals)]
    with served(tmp_path) as port:
        answers = Counter(at_once(port, first)) + Counter(at_once(port, back + back[::5]))
    assert answers == {201: sales, 200: repeats + reversals + len(back[::5]), 401: forgeries}
    assert Conversion.objects.count() == sales
    assert Conversion.objects.filter(status="reversed").count() == reversals
    assert Conversion.objects.counting().count() == sales - reversals
    assert ConversionEvent.objects.count() == sales + reversals
    assert not Conversion.objects.filter(link=None).exists()


def test_all_statuses_of_few_transactions_at_once_leave_none_half_done(tmp_path):
    link = TrackingLinkFactory()
    shop = Shop(link.campaign, keys.create_postback_key(campaign=link.campaign, by=UserFactory())[1])
    click = click_of(visit(link))
    told = [(f"T-{n % 5}", status) for n in range(40) for status in ("pending", "approved", "reversed")]
    random.Random(7).shuffle(told)
    requests = [partial(report, shop, transaction_id=name, click_id=click, status=status) for name, status in told]
    with served(tmp_path) as port:
        answers = Counter(at_once(port, requests))
    assert set(answers) <= {200, 201, 409}
    assert answers[201] == 5
    for row in Conversion.objects.all():
        assert row.status == "reversed"  # each was told so at least once, and nothing leads back
        assert [event.sequence for event in row.events.all()] == list(range(1, row.events.count() + 1))


@pytest.mark.parametrize("visitors", [40, pytest.param(1_000, marks=pytest.mark.long)])
def test_every_visitor_is_one_click(tmp_path, visitors):
    link = TrackingLinkFactory(campaign__click_window_min=_window_min())
    agents = [f"{CHROME} {n}" for n in range(visitors)] * CLIENTS
    random.Random(4).shuffle(agents)
    with served(tmp_path) as port:
        told = at_once(port, [partial(follow, link.code, agent) for agent in agents])
    counted = {str(pk) for pk in Click.objects.filter(invalid_reason="").values_list("pk", flat=True)}
    assert len(counted) == visitors
    assert set(told) == counted  # a repeat is told the click that counts
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone()[0] == "on"  # an answered visit is on disk
    assert Counter(Click.objects.values_list("invalid_reason", flat=True)) == {
        "": visitors,
        "repeat": visitors * (CLIENTS - 1),
    }


def _window_min() -> int:
    """A click window that does not end within the next minutes."""
    minute = int(clock.now().timestamp()) // 60
    return next(length for length in (1_440, 1_200, 1_000) if minute % length < length - 10)

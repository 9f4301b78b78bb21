"""How fast tracking links are followed, beside a bare view that does one indexed SELECT and one committed INSERT.

All are asked by CLIENTS threads in one process, taking turns; each round's visitors are either all new or one and the
same. The bare view is asked twice: through the whole stack of middlewares, as any view of the project is, and by the
short way that links take.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from itertools import count, islice, repeat
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse
from django.test.utils import override_settings
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from config.ids import new_id
from config.urls import urlpatterns as all_addresses
from tests.bench.harness import Bench, execute
from tests.factories import TrackingLinkFactory

CLIENTS = 16
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
_numbers = count()


@csrf_exempt
def bare(request: HttpRequest, code: str) -> HttpResponse:
    """The reference: what any view needs that looks one thing up and keeps another."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM campaigns_trackinglink WHERE code = %s", [code])
        found = cursor.fetchone()[0]
        cursor.execute("INSERT INTO bench_visit (id, link_id) VALUES (%s, %s)", [new_id(), found])
    return HttpResponse(status=302, headers={"Location": "https://shop.example/"})


urlpatterns = [path("bare/<str:code>", bare), path("t/bare/<str:code>", bare), *all_addresses]
CONTENDERS = {"link": "/t/{}", "bare view": "/bare/{}", "bare view, short way": "/t/bare/{}"}


def measure(bench: Bench) -> None:
    """Add the link's share of the bare views' requests a second."""
    link = TrackingLinkFactory()
    execute("CREATE TABLE bench_visit (id uuid PRIMARY KEY, link_id uuid NOT NULL)")
    with override_settings(ROOT_URLCONF=__name__, CLICK_FLOOD_PER_MIN=10**9), ThreadPoolExecutor(CLIENTS) as pool:
        for visitors, each in (("all new", _new_visitors), ("one and the same", _same_visitor)):
            turns = {
                name: partial(_rate, pool, address.format(link.code), each, bench.scale.requests * 2)
                for name, address in CONTENDERS.items()
            }
            rates = bench.alternate(f"following a link, visitors {visitors}", turns)
            for name in ("bare view", "bare view, short way"):
                bench.compare(f"following a link, visitors {visitors}, to a {name}", rates["link"], rates[name], "/s")
        list(pool.map(_hang_up, range(CLIENTS)))


def _rate(pool: ThreadPoolExecutor, address: str, visitors: Callable[[int], Iterator[str]], number: int) -> float:
    handler = WSGIHandler()
    started = time.perf_counter()
    list(pool.map(lambda visitor: _ask(handler, address, visitor), visitors(number)))
    return number / (time.perf_counter() - started)


def _hang_up(_: int) -> None:
    time.sleep(0.02)  # so that each thread gets one
    connections.close_all()


def _new_visitors(number: int) -> Iterator[str]:
    return (f"192.0.{n >> 8 & 255}.{n & 255}" for n in islice(_numbers, number))


def _same_visitor(number: int) -> Iterator[str]:
    return repeat("192.0.2.1", number)


def _ask(handler: WSGIHandler, address: str, visitor: str) -> None:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": address,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": visitor,
        "HTTP_USER_AGENT": AGENT,
        "wsgi.input": BytesIO(),
        "wsgi.url_scheme": "http",
    }
    answered: list[str] = []

    def start(status: str, headers: Any, error: Any = None) -> Any:
        answered.append(status)

    response: Any = handler(environ, start)
    response.close()
    if not answered[0].startswith("302"):
        raise AssertionError(answered[0])

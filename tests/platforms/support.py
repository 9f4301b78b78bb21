"""What tests of connections do: somebody at the sandbox's authorising page, and rows as they lie in the database."""

from urllib.parse import parse_qsl, urlsplit

from django.db import connection as database

from affiliates.models import Affiliate
from platforms import oauth
from platforms.models import Connection, Platform
from platforms.sandbox import words
from platforms.services import connecting
from platforms.transport import shared_http

VERIFIER = "v" * 64
BACK = "https://claimcheck.example/connections/{}/callback"


def platform(slug: str) -> Platform:
    return Platform.objects.get(slug=slug)


def handle(slug: str, author: int = 3) -> str:
    return words.handle(slug, author)


def allow(address: str, name: str, decision: str = "allow") -> dict[str, str]:
    """What somebody brings back who decides at the authorising page: the redirect's parameters."""
    answer = shared_http.request("GET", f"{address}&handle={name}&decision={decision}", platform="")
    assert answer.status == 302, answer.body
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def code_from(slug: str, author: int = 3) -> str:
    """A code, as the person brings it back."""
    client = oauth.client_of(slug, livemode=True)
    assert client is not None
    address = oauth.authorize_url(client, redirect_uri=BACK.format(slug), state="the-state", verifier=VERIFIER)
    back = allow(address, handle(slug, author))
    assert back["state"] == "the-state"
    return back["code"]


def connected(slug: str, affiliate: Affiliate, author: int = 3, *, livemode: bool = True) -> Connection:
    """An affiliate's connection, made by OAuth."""
    return connecting.connect_by_oauth(
        affiliate=affiliate,
        platform=platform(slug),
        livemode=livemode,
        code=code_from(slug, author),
        redirect_uri=BACK.format(slug),
        verifier=VERIFIER,
        by=affiliate.user,
    )


def everything_stored() -> str:
    """Every row of every table of ours that a secret could have come into, as text."""
    tables = (
        "platforms_connection",
        "platforms_account",
        "affiliates_auditevent",
        "django_q_ormq",
        "django_q_task",
        "django_session",
        "reconciliation_job",
    )
    with database.cursor() as cursor:
        rows = []
        for table in tables:
            cursor.execute(f"SELECT row_to_json(t)::text FROM {table} t")
            rows += [row[0] for row in cursor.fetchall()]
    return "\n".join(rows)

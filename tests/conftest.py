"""What all tests share: a moved clock, a real sandbox over HTTP, and people to act as."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import hypothesis
import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from affiliates.keys import SCOPES
from affiliates.models import User
from affiliates.services import create_key
from campaigns.models import Campaign
from config import clock
from config.embedded.testing import drop_stale_test_databases
from platforms.models import Platform
from platforms.sandbox.server import SandboxServer
from platforms.sandbox.world import Series, WorldPost
from reconciliation.comparison import Figures
from reconciliation.services import draining, submission
from tests.factories import TODAY
from tests.scene import Scene, full_scene

# A busy machine is no failure: time is measured by the benchmarks.
hypothesis.settings.register_profile("claimcheck", deadline=None)
hypothesis.settings.load_profile("claimcheck")

EPOCH = TODAY - timedelta(days=30)


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Before the run's own database is made: drop what killed runs left."""
    drop_stale_test_databases()


@pytest.fixture(autouse=True)
def _clean_cache() -> None:
    """Throttles count in the cache; no test inherits another's calls."""
    cache.clear()


@pytest.fixture
def today() -> Iterator[None]:
    """The clock stands at TODAY."""
    with clock.at(TODAY):
        yield


@pytest.fixture(scope="session")
def _sandbox_server() -> Iterator[SandboxServer]:
    with SandboxServer(seed=7, epoch=EPOCH) as server:
        yield server


def _moved_to(url: str, config: dict[str, Any], settings: Any) -> dict[str, Any]:
    """A platform's settings with every address in the sandbox at `url`."""
    there = settings.SANDBOX_URL
    return {
        name: url + value.removeprefix(there) if isinstance(value, str) and value.startswith(there) else value
        for name, value in config.items()
    }


@pytest.fixture
def sandbox(_sandbox_server: SandboxServer, settings: Any) -> Iterator[SandboxServer]:
    """The sandbox with its clock frozen at TODAY, no faults and fresh counters; the adapters speak to it."""
    _sandbox_server.state.reset()
    _sandbox_server.state.set_clock(TODAY, frozen=True)
    for name in ("PLATFORMS", "OAUTH"):
        here = {
            slug: _moved_to(_sandbox_server.url, config, settings) for slug, config in getattr(settings, name).items()
        }
        setattr(settings, name, here)
        setattr(settings, f"{name}_TEST", here)
    settings.DISCORD_BASE_URL = f"{_sandbox_server.url}/discord/api/v10"
    settings.LINK_RESOLVER_BASE_URL = settings.LINK_RESOLVER_TEST_BASE_URL = f"{_sandbox_server.url}/__links__"
    yield _sandbox_server
    _sandbox_server.state.reset()


@pytest.fixture
def world_post(sandbox: SandboxServer) -> Callable[..., WorldPost]:
    """A post of the sandbox's world: `world_post("youtube", 3)`, of the plateaued EVEN series unless told."""

    def pick(platform: str = "youtube", index: int = 0, series: Series = Series.EVEN) -> WorldPost:
        return sandbox.state.world.post(platform, series, index)

    return pick


@pytest.fixture
def client_of() -> Callable[..., APIClient]:
    """An API client that acts by a key of the user's."""

    def make(user: User, scopes: tuple[str, ...] = SCOPES, *, livemode: bool = True) -> APIClient:
        _, text = create_key(user=user, by=user, scopes=scopes, livemode=livemode)
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
        return client

    return make


@pytest.fixture
def claim(db: None) -> Callable[..., submission.Submission]:
    """Submit a claim of views for a post of the sandbox's world."""

    def make(affiliate: Any, campaign: Campaign, post: WorldPost, views: int | None, **figures: int) -> Any:
        return submission.submit(
            affiliate=affiliate,
            campaign=campaign,
            platform=Platform.objects.get(slug=post.platform),
            url=post.url,
            figures=Figures(views=views, **figures),
        )

    return make


@pytest.fixture
def drain_all() -> Callable[[], int]:
    """Work off whatever is due in every lane, without pacing."""

    def drain() -> int:
        lanes: list[UUID | None] = draining.lanes()
        return sum(draining.drain(connection_id=lane, paced=False) for lane in lanes)

    return drain


@pytest.fixture
def scene(today: None, db: None, sandbox: SandboxServer, drain_all: Callable[[], int]) -> Scene:
    """A campaign in which every verdict occurs, with its people."""
    return full_scene(sandbox.state.world, drain_all)

"""A real browser against a real server: Chromium, the pages, their scripts and styles under the site's own policy."""

import os
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from affiliates.models import User
from tests.factories import PASSWORD
from tests.scene import Scene

# Playwright runs a loop of its own in this thread, which Django takes for asynchronous code.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"

LogIn = Callable[[User], Page]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The system's Chromium, as root and in a container too."""
    arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
    return browser_type_launch_args | {"executable_path": shutil.which("chromium"), "args": arguments}


@pytest.fixture(scope="session")
def base_url(live_server: Any) -> str:
    """Where every relative address leads to."""
    return str(live_server.url)


@pytest.fixture
def stage(transactional_db: None, scene: Scene) -> Scene:
    """As everywhere, but committed, so that the server's threads see it; its people can log in."""
    for user in (scene.manager, scene.viewer, scene.staff, scene.mila.user):
        user.set_password(PASSWORD)
        user.save(update_fields=["password"])
    scene.open_alerts()
    return scene


@pytest.fixture
def log_in(page: Page) -> LogIn:
    """Log somebody in as people do; what the browser complains about on the way fails the test."""
    page.on("pageerror", lambda error: pytest.fail(f"script error: {error}"))

    def as_user(user: User) -> Page:
        page.goto("/login/")
        page.get_by_label("Email").fill(user.email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("/")
        return page

    return as_user

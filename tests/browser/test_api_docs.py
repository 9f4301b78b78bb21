"""The API's page: Swagger UI under the site's own policy, without an exception."""

import pytest

from config.api.schema import MadeOnce

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_page_shows_every_operation(page):
    operations = sum(len(methods) for methods in MadeOnce().get_schema()["paths"].values())
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto("/api/docs/")
    page.locator(".opblock").first.wait_for()
    assert page.locator(".opblock").count() == operations
    page.locator(".opblock").first.click()
    page.locator(".opblock-description").first.wait_for()
    assert complaints == []

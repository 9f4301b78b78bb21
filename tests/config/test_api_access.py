"""Who may do what: the table of docs/api.md, held against the routes, the schema, and a real request for each cell."""

import pytest
from django.db import transaction
from django.http import HttpResponse

from config.api.schema import MadeOnce
from tests.config.api_world import BODIES, ROLES, documented, routed
from tests.hostile import assert_problem

TABLE = documented()


def test_every_route_has_one_row_and_every_row_a_route():
    rows = [(row.method, row.path, row.is_upload) for row in TABLE]
    assert len(rows) == len(set(rows))
    assert {(method, path) for method, path, _ in rows} == routed()


def test_the_schema_lists_every_route_once():
    schema = MadeOnce().get_schema()
    listed = {(method.upper(), path) for path, methods in schema["paths"].items() for method in methods}
    assert listed == {(method, path) for method, path in routed() if path.startswith("/api/v1")}


def test_every_route_that_changes_something_has_a_body_to_try():
    assert set(BODIES) == {(row.method, row.path) for row in TABLE if row.method != "GET" and not row.is_upload}


def probe(client, row, world):
    """What an endpoint answers, and nothing of it stays."""
    with transaction.atomic():
        response = world.send(client, row)
        if response.streaming:
            response = HttpResponse(response.getvalue(), status=response.status_code)
        transaction.set_rollback(True)
    return response


def test_every_cell_of_the_table_is_as_it_says(world):
    wrong = []
    for row in TABLE:
        for role in ROLES:
            response = probe(world.clients[role], row, world)
            if not row.allows(role):
                assert_problem(response, response.status_code)
            admitted = {200, 201, 202, 204, 409} if row.allows(role) else {401} if role == "anonymous" else {403, 404}
            if response.status_code not in admitted:
                wrong.append(f"{row.method} {row.path} as {role}: {row.cells[role]}, but {response.status_code}")
            elif row.cells[role] == "empty" and response.json()["results"]:
                wrong.append(f"{row.method} {row.path} as {role}: not empty")
    assert wrong == []


def test_what_is_somebody_elses_does_not_exist(world):
    wrong = []
    for row in TABLE:
        for role, stranger in world.strangers.items():
            response = probe(stranger, row, world)
            if "{" in row.path.replace("{file_format}", "") and row.cells[role] != "short":
                expected = {404} if row.allows(role) else {403, 404}
                if response.status_code not in expected:
                    wrong.append(f"{row.method} {row.path} as a strange {role}: {response.status_code}")
            leaked = [name for name, pk in world.ids.items() if pk in response.content.decode()]
            if leaked and row.path != "/api/schema":
                wrong.append(f"{row.method} {row.path} tells a strange {role} of {leaked}")
    assert wrong == []


@pytest.mark.parametrize("scopes", [("platforms",), ("read",), "its own"], ids=str)
def test_a_key_opens_what_its_scopes_say(world, client_of, scopes):
    wrong = []
    for row in TABLE:
        for role, user in world.people.items():
            if not row.scope or not row.allows(role):
                continue
            client = client_of(user, (row.scope,) if scopes == "its own" else scopes)
            opens = row.scope in scopes or scopes == "its own" or (scopes == ("read",) and row.method == "GET")
            status = probe(client, row, world).status_code
            if (status != 403) != opens:
                wrong.append(f"{row.method} {row.path} as {role}: {status}")
    assert wrong == []


@pytest.mark.parametrize("slash", ["", "/"])
def test_every_address_answers_with_and_without_a_slash(world, slash):
    for row in TABLE:
        form = {"content_type": "multipart/form-data; boundary=x"} if row.is_upload else {}
        response = world.client_for(row).options(world.path(row.path) + slash, **form)
        assert_problem(response, 405)  # what an endpoint takes is said by the schema alone
        assert row.method in response["Allow"]

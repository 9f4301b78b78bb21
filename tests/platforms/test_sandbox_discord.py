"""The sandbox as Discord: it takes commands and edits as Discord does, and sends interactions that it has signed."""

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings as configured

from tests.factories import TODAY

API, CONTROL = "/discord/api/v10", "/__sandbox__/discord"
COMMANDS = f"{API}/applications/1/commands"
EDIT = f"{API}/webhooks/1/a-token/messages/@original"
BOT = {"Authorization": "Bot anything"}


@pytest.fixture
def http(sandbox):
    with httpx.Client(base_url=sandbox.url, timeout=5) as client:
        yield client


@pytest.fixture
def endpoint():
    """Somebody's endpoint on this machine: its address, and what arrived there."""
    arrived = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            arrived.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"type": 1}')

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/interactions", arrived
    server.shutdown()
    server.server_close()


def test_commands_are_put_in_place_of_those_before(http):
    first, second = {"name": "one", "description": "First"}, {"name": "Second thing", "type": 3}
    assert http.put(COMMANDS, json=[first], headers=BOT).json()[0]["id"]
    http.put(COMMANDS, json=[second], headers=BOT)
    http.put(f"{API}/applications/1/guilds/7/commands", json=[first], headers=BOT)
    assert [each["name"] for each in http.get(COMMANDS, headers=BOT).json()] == ["Second thing"]
    assert set(http.get(CONTROL).json()["commands"]) == {"1", "1/7"}


@pytest.mark.parametrize(
    "command",
    [
        {"description": "No name"},
        {"name": "Capital", "description": "x"},
        {"name": "a" * 33, "description": "x"},
        {"name": "ok"},
        {"name": "ok", "description": "x" * 101},
        {"name": "ok", "type": 3, "description": "a message command has none"},
        {
            "name": "ok",
            "description": "x",
            "options": [{"name": "a", "description": "x"}, {"name": "b", "description": "x", "required": True}],
        },
    ],
    ids=str,
)
def test_commands_that_discord_would_not_take_are_refused(http, command):
    assert http.put(COMMANDS, json=[command], headers=BOT).status_code == 400


def test_commands_need_the_bots_token_and_edits_need_none(http):
    assert http.put(COMMANDS, json=[]).status_code == 401
    assert http.patch(EDIT, json={"content": "x"}).status_code == 200
    assert http.post(f"{API}/webhooks/1/a-token", json={"content": "y"}).status_code == 200
    seen = http.get(CONTROL).json()
    assert [each["body"]["content"] for each in seen["edits"]] == ["x"]
    assert [each["token"] for each in seen["follow_ups"]] == ["a-token"]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"content": ""}', json.dumps({"content": "x" * 2001}).encode()])
def test_an_edit_says_something_of_at_most_2000_characters(http, body):
    assert http.patch(EDIT, content=body).status_code == 400


def test_trouble_comes_on_demand_and_for_as_many_calls_as_was_asked(http):
    http.post(f"{CONTROL}/faults", json={"status": 429, "retry_after": 1.5, "count": 1}).raise_for_status()
    answer = http.patch(EDIT, json={"content": "x"})
    assert (answer.status_code, answer.json()["retry_after"], answer.headers["Retry-After"]) == (429, 1.5, "2")
    assert http.patch(EDIT, json={"content": "x"}).status_code == 200
    for status in (404, 500):
        http.post(f"{CONTROL}/faults", json={"status": status})
        assert http.patch(EDIT, json={"content": "x"}).status_code == status
    http.post(f"{CONTROL}/faults", json={"status": 500, "count": 5})
    http.post("/__sandbox__/reset", json={})
    assert http.patch(EDIT, json={"content": "x"}).status_code == 200
    assert http.post(f"{CONTROL}/faults", json={"status": 200}).status_code == 400


def test_an_interaction_is_filled_in_signed_and_posted(http, endpoint):
    url, arrived = endpoint
    answer = http.post(f"{CONTROL}/send", json={"url": url, "interaction": {"type": 1}}).json()
    assert (answer["status"], answer["answer"]) == (200, {"type": 1})
    ((headers, raw),) = arrived
    assert {"id", "application_id", "token", "version", "type"} == set(json.loads(raw))
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(http.get(CONTROL).json()["public_key"]))
    key.verify(bytes.fromhex(headers["X-Signature-Ed25519"]), headers["X-Signature-Timestamp"].encode() + raw)


def test_its_key_is_on_the_front_page_and_is_the_one_that_holds_without_another(http):
    assert http.get(CONTROL).json()["public_key"] == configured.SANDBOX_PUBLIC_KEY
    assert configured.SANDBOX_PUBLIC_KEY in http.get("/").text


def test_a_token_that_was_sent_works_for_a_quarter_of_an_hour(http, endpoint, sandbox):
    sent = http.post(f"{CONTROL}/send", json={"url": endpoint[0], "interaction": {"type": 2}}).json()
    edit = f"{API}/webhooks/1/{sent['interaction']['token']}/messages/@original"
    assert http.patch(edit, json={"content": "x"}).status_code == 200
    sandbox.state.set_clock(TODAY + timedelta(minutes=15), frozen=True)
    assert http.patch(edit, json={"content": "x"}).status_code == 401


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://127.0.0.1/",
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/",
        "http://127.0.0.1@example.com/",
        "http://localhost.example.com/",
        "http://127.0.0.1:99999/",
        "http://[::1",
        "file:///etc/passwd",
        "",
        5,
    ],
)
def test_nothing_is_sent_away_from_this_machine(http, url):
    assert http.post(f"{CONTROL}/send", json={"url": url, "interaction": {"type": 1}}).status_code == 400

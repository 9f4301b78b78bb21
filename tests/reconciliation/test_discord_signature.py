"""Only Discord is listened to: every byte that it signed counts, and nothing malformed is an error of ours."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import Client

from platforms.sandbox.control_discord import PUBLIC_KEY, sign
from reconciliation.discord.signature import is_from_discord
from reconciliation.models import DiscordInteraction
from tests.hostile import BODIES, assert_problem
from tests.reconciliation.discord import ENDPOINT, interaction, post_raw, slash

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

SIGNATURE, TIMESTAMP = "X-Signature-Ed25519", "X-Signature-Timestamp"
NOW = "1763640000"
PING = json.dumps({"type": 1, "id": "786008729715212338", "token": "t", "version": 1}).encode()
SIGNED = sign(PING, NOW)


def verified(body=PING, key=PUBLIC_KEY, **headers):
    given = SIGNED | headers
    return is_from_discord(public_key=key, signature=given[SIGNATURE], timestamp=given[TIMESTAMP], body=body)


def test_what_discord_signed_is_from_discord():
    assert verified()
    assert verified(**{SIGNATURE: SIGNED[SIGNATURE].upper()})


def test_every_byte_counts():
    for at in range(len(PING)):
        assert not verified(PING[:at] + bytes([PING[at] ^ 1]) + PING[at + 1 :])
    for at in range(64):
        flipped = bytearray.fromhex(SIGNED[SIGNATURE])
        flipped[at] ^= 1
        assert not verified(**{SIGNATURE: flipped.hex()})
    for at in range(len(NOW)):
        assert not verified(**{TIMESTAMP: NOW[:at] + str((int(NOW[at]) + 1) % 10) + NOW[at + 1 :]})
    assert not verified(PING + b" ")
    assert not verified(b"")


@pytest.mark.parametrize(
    "headers",
    [
        {SIGNATURE: ""},
        {SIGNATURE: "0" * 128},
        {SIGNATURE: "z" * 128},
        {SIGNATURE: "ab" * 63},
        {SIGNATURE: "ab" * 65},
        {SIGNATURE: "é" * 128},
        {SIGNATURE: "１" * 128},
        {SIGNATURE: "0x" + "ab" * 63},
        {SIGNATURE: " " + "ab" * 63 + " "},
        {TIMESTAMP: ""},
        {TIMESTAMP: "1763640001"},
        {TIMESTAMP: "1763640000 "},
        {TIMESTAMP: "٣"},
        {TIMESTAMP: "1" * 1000},
    ],
    ids=lambda headers: ascii(headers)[:60],
)
def test_what_is_no_signature_is_401_and_never_500(headers):
    assert not verified(**headers)
    assert_problem(post_raw(PING, SIGNED | headers), 401)


@pytest.mark.parametrize("missing", [[SIGNATURE], [TIMESTAMP], [SIGNATURE, TIMESTAMP]], ids=str)
def test_missing_headers_are_401(missing):
    assert_problem(post_raw(PING, {name: value for name, value in SIGNED.items() if name not in missing}), 401)


def test_another_key_and_a_body_that_was_written_anew_are_401():
    other = Ed25519PrivateKey.generate()
    assert_problem(post_raw(PING, SIGNED | {SIGNATURE: other.sign(NOW.encode() + PING).hex()}), 401)
    assert_problem(post_raw(json.dumps(json.loads(PING), separators=(",", ":")).encode(), SIGNED), 401)
    assert not verified(key=other.public_key().public_bytes_raw().hex())


@pytest.mark.parametrize("key", ["", "00", "zz" * 32, PUBLIC_KEY + "00", "ff" * 32, "00" * 32])
def test_what_is_no_key_opens_nothing(key):
    assert not verified(key=key)


def test_without_a_key_the_endpoint_says_why_it_is_closed(settings):
    settings.DISCORD_PUBLIC_KEY = ""
    assert "DISCORD_PUBLIC_KEY" in assert_problem(post_raw(PING, SIGNED), 503)["detail"]


@pytest.mark.parametrize("address", [ENDPOINT, f"{ENDPOINT}/"])
def test_a_ping_is_always_answered_and_never_remembered(address):
    for _ in range(3):
        answer = Client(enforce_csrf_checks=True).post(address, PING, content_type="application/json", headers=SIGNED)
        assert (answer.status_code, answer["Content-Type"], answer.json()) == (200, "application/json", {"type": 1})
    assert not DiscordInteraction.objects.exists()


def test_only_posts_are_taken():
    assert Client().get(ENDPOINT).status_code == 405


@pytest.mark.parametrize("raw", [each for each in BODIES if each.content_type == "application/json"], ids=str)
def test_what_is_no_interaction_is_refused_though_it_is_signed(raw):
    assert_problem(post_raw(raw.body, sign(raw.body, NOW)), range(400, 414))
    assert not DiscordInteraction.objects.exists()


def test_what_is_too_large_is_refused():
    large = json.dumps(interaction(2, {"name": "x" * 2_000_000})).encode()
    assert_problem(post_raw(large, sign(large, NOW)), 413)


@pytest.mark.parametrize(
    "changes",
    [{"id": None}, {"id": 5}, {"id": ""}, {"id": "abc"}, {"id": "9" * 21}, {"id": "٣"}, {"type": "1"}, {"type": True}],
    ids=ascii,
)
def test_an_interaction_has_an_id_and_a_type(changes):
    raw = json.dumps(slash("history") | changes).encode()
    assert_problem(post_raw(raw, sign(raw, NOW)), 400)

"""Signatures over raw requests."""

from datetime import timedelta
from typing import Any

import pytest

from affiliates import signing
from tests.factories import TODAY

NOW = str(int(TODAY.timestamp()))
REQUEST: dict[str, Any] = {"timestamp": NOW, "method": "POST", "target": "/postback/abc?x=1", "body": b'{"a": 1}'}
GIVEN = signing.signature("secret", **REQUEST)


def refusal(given=GIVEN, secrets=("secret",), now=TODAY, **changes):
    return signing.refusal(given, secrets, now=now, **REQUEST | changes)


def test_a_good_signature_is_taken_by_any_of_the_secrets():
    assert refusal() is None
    assert refusal(secrets=("other", "secret")) is None


def test_it_is_what_anybody_computes_with_openssl():
    assert signing.signature("k", timestamp="1", method="POST", target="/p", body=b"x") == (
        "06d39b2d0165cb592832362e492e436ed8736dbf060c51b844acc21108c8b11d"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"body": b'{"a": 2}'},
        {"body": b'{"a":1}'},
        {"method": "PUT"},
        {"target": "/postback/abc?x=2"},
        {"target": "/postback/abc"},
        {"secrets": ("other",)},
        {"secrets": ()},
        {"timestamp": str(int(NOW) + 1)},
    ],
    ids=str,
)
def test_whatever_is_changed_is_noticed(change):
    assert refusal(**change) == "The signature matches no live key of this campaign."


@pytest.mark.parametrize("position", range(0, 64, 7))
def test_every_digit_counts(position):
    other = "0" if GIVEN[position] != "0" else "1"
    assert refusal(GIVEN[:position] + other + GIVEN[position + 1 :])


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_late_or_early_one_is_refused(seconds):
    assert "300 seconds" in refusal(now=TODAY + timedelta(seconds=seconds))
    assert refusal(now=TODAY + timedelta(seconds=seconds - (1 if seconds > 0 else -1))) is None


@pytest.mark.parametrize("given", ["x", GIVEN.upper(), GIVEN + "0", "é" * 64, " " + GIVEN[1:]])
def test_what_is_no_signature_is_refused(given):
    assert "64 hexadecimal digits" in refusal(given)


@pytest.mark.parametrize("timestamp", ["now", "-1", "1e9", "1" * 13, "٣", "1.5"])
def test_what_is_no_timestamp_is_refused(timestamp):
    assert "whole number" in refusal(timestamp=timestamp)


@pytest.mark.parametrize("missing", [{"given": ""}, {"timestamp": ""}])
def test_an_unsigned_request_is_told_so(missing):
    assert "not signed" in refusal(**missing)

"""Postbacks as they arrive: are they signed, and what do they say?

The raw request is judged first, and only what its signature covers is read.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

from rest_framework import serializers
from rest_framework.exceptions import ParseError, UnsupportedMediaType

from affiliates import signing
from campaigns.errors import UnsignedError
from campaigns.models import Campaign, Conversion, valid_currency
from campaigns.tracking import keys
from campaigns.tracking.conversions import Postback
from config import clock
from config.api.fields import AmountField, StrictSerializer
from config.api.parsers import FieldParseError, StrictJSONParser

MAX_BODY_BYTES = 16 * 1024
MAX_FIELDS = 20
_SIGNED_QUERY = re.compile(r"(?P<signed>(?:.*&)?ts=(?P<timestamp>[^&]*))&sig=(?P<given>[^&]*)", re.ASCII)
_VISIBLE = re.compile(r"[!-~]{1,128}", re.ASCII)


class VisibleField(serializers.CharField):
    """1 to 128 visible ASCII characters, as text."""

    default_error_messages = {"not_visible": "1 to 128 visible ASCII characters, as text."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or not _VISIBLE.fullmatch(data):
            self.fail("not_visible")
        return data


class ClickIdField(serializers.UUIDField):
    """A click's id as the landing page got it."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        return super().to_internal_value(data)


class MomentField(serializers.DateTimeField):
    """A moment in ISO 8601, not one that is still to come."""

    default_error_messages = {
        "not_text": "A moment in ISO 8601, as text.",
        "out_of_bounds": "A moment that has been, after the year 2000.",
    }

    def to_internal_value(self, value: Any) -> Any:
        if not isinstance(value, str):
            self.fail("not_text")
        try:
            moment: datetime = super().to_internal_value(value)
            late = moment > clock.now() + timedelta(seconds=signing.TOLERANCE_S)
        except OverflowError:
            self.fail("out_of_bounds")
        if late or moment.year < 2000:
            self.fail("out_of_bounds")
        return moment


class PostbackSerializer(StrictSerializer):
    """The fields of a postback."""

    click_id = ClickIdField(required=False, help_text="The click, as the landing page got it (`ck_click`).")
    code = serializers.RegexField(
        r"\A[0-9A-Za-z]{8,16}\Z", required=False, trim_whitespace=False, help_text="Or the link, by its code."
    )
    transaction_id = VisibleField()
    amount = AmountField(max_digits=12, decimal_places=2)
    currency = serializers.CharField(max_length=3, validators=[valid_currency])
    status = serializers.ChoiceField(Conversion.Status.choices)
    occurred_at = MomentField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """At least one says where the sale came from."""
        if not attrs.get("click_id") and not attrs.get("code"):
            raise serializers.ValidationError({"click_id": ["Name the click, or the link's code."]})
        return attrs


class _ExactJSONParser(StrictJSONParser):
    """Fractions stay as they were written: a float would hide an amount's tenth decimal."""

    @staticmethod
    def read_fraction(text: str) -> Any:
        try:
            return Decimal(text)
        except InvalidOperation:
            return float("nan")


@dataclass(frozen=True, slots=True)
class RawPostback:
    """A postback as it came. `target` is its path with the raw query."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path


def read(raw: RawPostback, campaign: Campaign) -> Postback:
    """What a signed postback says. Raises UnsignedError, and the API's own errors for what can't be read."""
    signed = _check_signature(raw, campaign)
    serializer = PostbackSerializer(data=_pairs(signed) if raw.method == "GET" else _body(raw))
    serializer.is_valid(raise_exception=True)
    digest = hashlib.sha256(f"{raw.method} {raw.target}\n".encode() + raw.body).hexdigest()
    return Postback(digest=digest, **serializer.validated_data)


def _check_signature(raw: RawPostback, campaign: Campaign) -> str:
    """Raises UnsignedError; returns the signed fields of a query."""
    if raw.method == "GET":
        found = _SIGNED_QUERY.fullmatch(raw.query)
        timestamp, given, signed = (found["timestamp"], found["given"], found["signed"]) if found else ("", "", "")
        target = f"{raw.path}?{signed}"
    else:
        timestamp = raw.headers.get("X-Claimcheck-Timestamp", "")
        header = raw.headers.get("X-Claimcheck-Signature", "")
        given, target, signed = header.removeprefix("sha256="), raw.target, ""
        if header and not header.startswith("sha256="):
            raise UnsignedError("The signature's header begins with sha256=.")
    reason = signing.refusal(
        given,
        keys.live_secrets(campaign),
        timestamp=timestamp,
        now=clock.now(),
        method=raw.method,
        target=target,
        body=raw.body,
    )
    if reason:
        raise UnsignedError(reason)
    return signed.removesuffix(f"ts={timestamp}").removesuffix("&")


def _body(raw: RawPostback) -> dict[str, Any]:
    media_type, _, parameters = raw.headers.get("Content-Type", "").lower().partition(";")
    _, _, charset = parameters.partition("charset=")
    if charset.partition(";")[0].strip(' "') not in ("", "utf-8", "utf8"):
        raise ParseError("The body is to be UTF-8.")
    match media_type.strip():
        case "application/json":
            return _ExactJSONParser().parse(BytesIO(raw.body))
        case "application/x-www-form-urlencoded":
            try:
                return _pairs(raw.body.decode())
            except UnicodeDecodeError as error:
                raise ParseError("The body is not UTF-8.") from error
    raise UnsupportedMediaType(media_type.strip()[:80] or "none")


def _pairs(text: str) -> dict[str, str]:
    """Form fields, each given once."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeDecodeError as error:
        raise ParseError("The fields are not UTF-8.") from error
    except ValueError as error:
        raise ParseError(f"More than {MAX_FIELDS} fields.") from error
    names = [name for name, _ in pairs]
    if twice := {name for name in names if names.count(name) > 1}:
        raise FieldParseError(min(twice), "this field is given twice.")
    return dict(pairs)

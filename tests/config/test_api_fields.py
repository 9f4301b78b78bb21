"""The strict bricks of serializers: what they take, and that nothing else passes for it."""

import datetime
from decimal import Decimal

import pytest
from rest_framework.exceptions import ValidationError

from config.api.fields import AmountField, CountField, DayField, FlagField, NoFields, StrictSerializer, WordsField
from tests.hostile import AMOUNTS, COUNTS, DAYS, TEXTS


class Sample(StrictSerializer):
    """One field of each kind."""

    views = CountField(required=False, allow_null=True)
    year = CountField(required=False, min_value=2000, max_value=2100)
    price = AmountField(required=False, allow_null=True, max_digits=12, decimal_places=4)
    day = DayField(required=False)
    flag = FlagField(required=False)
    name = WordsField(required=False, max_length=120)
    note = WordsField(required=False, multiline=True)
    made = CountField(read_only=True)


def read(**data):
    sample = Sample(data=data)
    sample.is_valid(raise_exception=True)
    return sample.validated_data


def codes(**data):
    with pytest.raises(ValidationError) as refused:
        read(**data)
    return {name: [error.code for error in errors] for name, errors in refused.value.detail.items()}


@pytest.mark.parametrize(
    ("field", "given", "taken"),
    [
        ("views", 0, 0),
        ("views", 2**53 - 1, 2**53 - 1),
        ("views", None, None),
        ("year", 2000, 2000),
        ("year", 2100, 2100),
        ("price", "12.5", Decimal("12.5")),
        ("price", 3, Decimal(3)),
        ("price", 0.25, Decimal("0.25")),
        ("price", "99999999.9999", Decimal("99999999.9999")),
        ("price", None, None),
        ("day", "2024-02-29", datetime.date(2024, 2, 29)),
        ("flag", True, True),
        ("flag", False, False),
        ("name", "  Ana\u0301 👩\u200d🚀 ", "An\u00e1 👩\u200d🚀"),  # composed, trimmed, joiners kept
        ("note", "two\nlines\tand a tab", "two\nlines\tand a tab"),
    ],
)
def test_what_is_meant_is_taken(field, given, taken):
    assert read(**{field: given}) == {field: taken}


@pytest.mark.parametrize("value", COUNTS, ids=repr)
def test_what_is_no_count_is_refused(value):
    assert set(codes(views=value)) == {"views"}


@pytest.mark.parametrize(("year", "code"), [(1999, "min_value"), (2101, "max_value"), (None, "null")])
def test_a_count_keeps_its_own_bounds(year, code):
    assert codes(year=year) == {"year": [code]}


@pytest.mark.parametrize("value", AMOUNTS, ids=repr)
def test_what_is_no_amount_is_refused(value):
    assert set(codes(price=value)) == {"price"}


@pytest.mark.parametrize("value", [day for day in DAYS if day not in ("0001-01-01", "9999-12-31")], ids=repr)
def test_what_is_no_day_is_refused(value):
    assert set(codes(day=value)) == {"day"}


@pytest.mark.parametrize("value", ["true", "yes", 1, 0, "", None, [], {}], ids=repr)
def test_what_only_sounds_like_true_or_false_is_refused(value):
    assert set(codes(flag=value)) == {"flag"}


@pytest.mark.parametrize("value", TEXTS, ids=lambda value: repr(value)[:20])
def test_what_is_no_name_is_refused(value):
    assert set(codes(name=value)) == {"name"}


@pytest.mark.parametrize("value", ["bell\x07", "\u202eabc", "esc\x1b[31m", "c1\x85"], ids=repr)
def test_control_characters_are_refused_in_longer_words_too(value):
    assert set(codes(note=value)) == {"note"}


def test_every_unknown_field_is_named_and_one_of_the_systems_is_told_apart():
    assert codes(views=1, trust_score=1, made=2) == {"trust_score": ["unknown_field"], "made": ["read_only"]}


def test_a_request_without_fields_takes_none():
    assert NoFields(data={}).is_valid()
    assert not NoFields(data={"force": True}).is_valid()

"""System-made names: what goes in, and that it can be read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.naming import NameParts, campaign_name, clean_code, parse_name

CODES = st.from_regex(r"\A[A-Z0-9]{2,12}\Z").filter(str.isascii)


@pytest.mark.parametrize(
    ("title", "kept"),
    [("Moana Launch", "MoanaLaunch"), ("été 24!", "t24"), ("a_b-c", "abc"), ("  x  ", "x"), ("１2", "2")],
)
def test_a_title_loses_all_but_ascii_letters_and_digits(title, kept):
    assert campaign_name(brand="DIS", market="US", year=2026, title=title) == f"DIS_US_MULTI_2026_{kept}"


@pytest.mark.parametrize("title", ["", "   ", "___", "夏祭り", "!?"])
def test_a_title_needs_a_letter_or_digit(title):
    with pytest.raises(ValueError, match="letter"):
        campaign_name(brand="DIS", market="US", year=2026, title=title)


@pytest.mark.parametrize(("given_code", "code"), [("dis", "DIS"), (" US ", "US"), ("x1", "X1"), ("A" * 12, "A" * 12)])
def test_codes_are_upper_case(given_code, code):
    assert clean_code(given_code) == code


@pytest.mark.parametrize("given_code", ["", "A", "A" * 13, "A_B", "A B", "É1", "１２", "AB\n\nC"])
def test_what_is_no_code_is_refused(given_code):
    with pytest.raises(ValueError, match="code"):
        clean_code(given_code)


@given(CODES, CODES, st.integers(0, 9999), st.from_regex(r"\A[A-Za-z0-9]{1,40}\Z").filter(str.isascii))
def test_every_name_parses_back_into_its_parts(brand, market, year, title):
    name = campaign_name(brand=brand, market=market, year=year, title=title)
    assert parse_name(name) == NameParts(brand, market, "MULTI", year, title)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "DIS_US_2026_Moana",
        "dis_US_MULTI_2026_Moana",
        "DIS_US_MULTI_26_Moana",
        "DIS_US_MULTI_2026_",
        "DIS_US_MULTI_2026_A_B",
        "DIS_US_MULTI_2026_Moana\n",
    ],
)
def test_what_is_no_name_does_not_parse(name):
    assert parse_name(name) is None

"""Campaign names that a machine can make and read back: `DIS_US_MULTI_2026_MoanaLaunch`.

Brand code, market code, channel part, year, and what a person typed, letters and digits only, joined by underscores.
Codes hold upper-case letters and digits and no underscore, so that a name parses back into its five parts.
The channel part is MULTI until it is derived from what a campaign runs on.
"""

import re
from dataclasses import dataclass

CODE = re.compile(r"[A-Z0-9]{2,12}", re.ASCII)
CHANNEL = "MULTI"
_NAME = re.compile(r"([A-Z0-9]{2,12})_([A-Z0-9]{2,12})_([A-Z0-9]+)_([0-9]{4})_([A-Za-z0-9]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class NameParts:
    """The five parts of a campaign's name."""

    brand: str
    market: str
    channel: str
    year: int
    title: str


def clean_code(text: str) -> str:
    """A brand or market code: upper-cased. Raises ValueError unless 2 to 12 ASCII letters and digits."""
    code = text.strip()
    code = code.upper() if code.isascii() else ""  # upper-casing turns some other letters into these
    if not CODE.fullmatch(code):
        raise ValueError("a code has 2 to 12 letters A to Z and digits, nothing else")
    return code


def campaign_name(*, brand: str, market: str, year: int, title: str) -> str:
    """The system-made name. Raises ValueError when the title has no ASCII letter or digit."""
    kept = re.sub(r"[^A-Za-z0-9]", "", title)
    if not kept:
        raise ValueError("a campaign's name needs at least one letter A to Z or digit")
    return "_".join((clean_code(brand), clean_code(market), CHANNEL, f"{year:04d}", kept))


def parse_name(name: str) -> NameParts | None:
    """The parts of a system-made name, or None."""
    match = _NAME.fullmatch(name)
    return NameParts(match[1], match[2], match[3], int(match[4]), match[5]) if match else None

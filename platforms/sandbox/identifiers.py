"""Ids that hold their own address: a reversible, seeded encoding of (series, index) in each platform's shape.

An id is a permutation of a small number, so it looks random, two posts never share one, and any id can be looked up
without a table. Most well-formed ids belong to no post: a stranger's link is as unknown here as it should be.

`SHAPES` are the ids in a post's URL. `MORE_SHAPES` are the other ids that some posts go by.
"""

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase, digits

SERIES_BITS = 2
INDEX_BITS = 24
SERIES_SIZE = 1 << INDEX_BITS
"""How many posts a series has on each platform: 16,777,216."""

_DIGITS_36 = digits + ascii_lowercase
_DIGITS_62 = digits + ascii_uppercase + ascii_lowercase
_DIGITS_64 = ascii_uppercase + ascii_lowercase + digits + "-_"
_MASK_64 = (1 << 64) - 1
_ROUNDS = 4

_PFBID_START = "pfbid02"
_PFBID_NUMBER_CHARS = 9
_PFBID_TAIL_CHARS = 50


def base36(number: int) -> str:
    return _spelt(number, _DIGITS_36)


def _spelt(number: int, alphabet: str) -> str:
    text = ""
    while number:
        number, digit = divmod(number, len(alphabet))
        text = alphabet[digit] + text
    return text or alphabet[0]


def _read(text: str, alphabet: str) -> int:
    number = 0
    for letter in text:
        number = number * len(alphabet) + alphabet.index(letter)
    return number


def _pfbid(number: int) -> str:
    """Facebook's opaque post id: the number, and behind it a tail that nobody can make up."""
    tail = int.from_bytes(hashlib.blake2b(str(number).encode(), digest_size=40).digest(), "big")
    return (
        _PFBID_START
        + _spelt(number, _DIGITS_62)
        + _spelt(tail, _DIGITS_62).zfill(_PFBID_TAIL_CHARS)[-_PFBID_TAIL_CHARS:]
    )


@dataclass(frozen=True, slots=True)
class Shape:
    """What an id of a platform looks like: the number behind it lies in `start … start + 2^bits - 1` (bits even)."""

    pattern: re.Pattern[str]
    bits: int
    start: int
    to_text: Callable[[int], str]
    to_number: Callable[[str], int]


SHAPES = {
    # 64 bits in base64 without its padding, as the real ones: 11 characters, the last one of sixteen.
    "youtube": Shape(
        pattern=re.compile(r"[A-Za-z0-9_-]{11}"),
        bits=64,
        start=0,
        to_text=lambda number: urlsafe_b64encode(number.to_bytes(8, "big")).decode().rstrip("="),
        to_number=lambda text: int.from_bytes(urlsafe_b64decode(text + "="), "big"),
    ),
    # Seven base-36 digits, where Reddit's counter stands in these years.
    "reddit": Shape(
        pattern=re.compile(r"[0-9a-z]{7}"), bits=32, start=36**6, to_text=base36, to_number=lambda text: int(text, 36)
    ),
    # Nineteen digits beginning with 20, the snowflakes of 2025 and after; beyond 2^53, so a float would spoil them.
    "x": Shape(pattern=re.compile(r"[0-9]{19}"), bits=56, start=2 * 10**18, to_text=str, to_number=int),
    # Nineteen digits beginning with 7, as TikTok's of these years.
    "tiktok": Shape(pattern=re.compile(r"[0-9]{19}"), bits=56, start=74 * 10**17, to_text=str, to_number=int),
    # Eleven base-64 digits beginning with D. The number behind them is Instagram's `ig_id`, known to hardly anyone.
    "instagram": Shape(
        pattern=re.compile(r"D[A-Za-z0-9_-]{10}"),
        bits=58,
        start=_read("D", _DIGITS_64) << 60,
        to_text=lambda number: _spelt(number, _DIGITS_64),
        to_number=lambda text: _read(text, _DIGITS_64),
    ),
    "facebook": Shape(pattern=re.compile(r"[0-9]{15,16}"), bits=50, start=6 * 10**14, to_text=str, to_number=int),
}
MORE_SHAPES = {
    # The media id of Instagram's API, which cannot be computed from the one in the URL.
    "instagram_media": Shape(
        pattern=re.compile(r"1[78][0-9]{15}"), bits=50, start=17 * 10**15, to_text=str, to_number=int
    ),
    "facebook_pfbid": Shape(
        pattern=re.compile(rf"{_PFBID_START}[0-9A-Za-z]{{{_PFBID_NUMBER_CHARS + _PFBID_TAIL_CHARS}}}"),
        bits=50,
        start=62 ** (_PFBID_NUMBER_CHARS - 1),
        to_text=_pfbid,
        to_number=lambda text: _read(text.removeprefix(_PFBID_START)[:_PFBID_NUMBER_CHARS], _DIGITS_62),
    ),
    # The id that an edited post on X had before.
    "x_first": SHAPES["x"],
    # Nine letters and digits: what stands in a short link.
    "short": Shape(
        pattern=re.compile(r"[0-9A-Za-z]{9}"),
        bits=50,
        start=62**8,
        to_text=lambda number: _spelt(number, _DIGITS_62),
        to_number=lambda text: _read(text, _DIGITS_62),
    ),
}


def _mix(number: int) -> int:
    """Scatter 64 bits (the finaliser of splitmix64)."""
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK_64
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK_64
    return number ^ (number >> 31)


class Identifiers:
    """The ids of one platform, or of one of the further shapes, in the world of one seed."""

    def __init__(self, seed: int, platform: str, shape: str | None = None) -> None:
        self._shape = MORE_SHAPES[shape] if shape else SHAPES[platform]
        self._half_bits = self._shape.bits // 2
        self._half_mask = (1 << self._half_bits) - 1
        label = f"{seed}:{platform}:{shape}" if shape else f"{seed}:{platform}"
        digest = hashlib.blake2b(label.encode(), digest_size=8 * _ROUNDS).digest()
        self._keys = [int.from_bytes(digest[at : at + 8], "big") for at in range(0, len(digest), 8)]

    def encode(self, series: int, index: int) -> str:
        number = self._permuted((series << INDEX_BITS) | index, self._keys)
        return self._shape.to_text(self._shape.start + number)

    def decode(self, external_id: str) -> tuple[int, int] | None:
        """The (series, index) behind an id; None for an id of another shape or one that nothing was encoded to."""
        if not self._shape.pattern.fullmatch(external_id):
            return None
        number = self._shape.to_number(external_id) - self._shape.start
        if not 0 <= number < 1 << self._shape.bits:
            return None
        series, index = divmod(self._restored(number), SERIES_SIZE)
        # Two base64 texts may stand for the same eight bytes; only one of them is the id.
        if series >= 1 << SERIES_BITS or self.encode(series, index) != external_id:
            return None
        return series, index

    def _permuted(self, number: int, keys: list[int]) -> int:
        """A Feistel network: each round hides one half behind the other, so the same rounds backwards restore it."""
        left, right = number >> self._half_bits, number & self._half_mask
        for key in keys:
            left, right = right, left ^ (_mix(right ^ key) & self._half_mask)
        return (left << self._half_bits) | right

    def _restored(self, number: int) -> int:
        swapped = self._swapped(number)
        return self._swapped(self._permuted(swapped, self._keys[::-1]))

    def _swapped(self, number: int) -> int:
        return ((number & self._half_mask) << self._half_bits) | (number >> self._half_bits)

"""External ids that hold their own address: a reversible, seeded encoding of (series, index) in each platform's shape.

An id is a permutation of a small number, so it looks random, two posts never share one, and any id can be looked up
without a table. Most well-formed ids belong to no post: a stranger's link is as unknown here as it should be.
"""

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass

SERIES_BITS = 2
INDEX_BITS = 24
SERIES_SIZE = 1 << INDEX_BITS
"""How many posts a series has on each platform: 16,777,216."""

_DIGITS_36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_MASK_64 = (1 << 64) - 1
_ROUNDS = 4


def base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS_36[digit] + digits
    return digits or "0"


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
}


def _mix(number: int) -> int:
    """Scatter 64 bits (the finaliser of splitmix64)."""
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK_64
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK_64
    return number ^ (number >> 31)


class Identifiers:
    """The ids of one platform in the world of one seed."""

    def __init__(self, seed: int, platform: str) -> None:
        self._shape = SHAPES[platform]
        self._half_bits = self._shape.bits // 2
        self._half_mask = (1 << self._half_bits) - 1
        digest = hashlib.blake2b(f"{seed}:{platform}".encode(), digest_size=8 * _ROUNDS).digest()
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

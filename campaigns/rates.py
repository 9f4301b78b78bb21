"""What figures are worth: rates per 1,000 views, per click and per conversion, in the campaign's one currency.

Each line (one verdict) is summed exactly and rounded once, half to even, to the currency's two places.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices in the campaign's currency. None: this metric is not paid."""

    per_1000_views: Decimal | None = None
    per_click: Decimal | None = None
    per_conversion: Decimal | None = None

    def price_of_one(self, metric: str) -> Decimal | None:
        """The price of one view, click or conversion."""
        if metric == "views":
            return None if self.per_1000_views is None else self.per_1000_views / 1000
        return {"clicks": self.per_click, "conversions": self.per_conversion}[metric]


def worth(quantities: Mapping[str, int], rates: Rates) -> Decimal | None:
    """What these quantities cost at these rates. None when no rate is set for any of them: unknown is not free."""
    priced = [(n, price) for metric, n in quantities.items() if (price := rates.price_of_one(metric)) is not None]
    if not priced:
        return None
    with localcontext(prec=60):
        return sum((n * price for n, price in priced), Decimal(0)).quantize(CENT, ROUND_HALF_EVEN)

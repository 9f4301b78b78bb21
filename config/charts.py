"""Where the lines of a chart run. Pure: figures in, coordinates out; templates/components/chart.html draws them.

Across, positions are percentages of the width, so that a chart fills whatever room it gets; down, they are pixels.
A figure that is not known breaks its line: it is never drawn as zero.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

HEIGHT_PX = 212
_TOP_PX, _BOTTOM_PX = 8, 184
_INTERVALS = 3  # four grid lines with the one at zero
_AXIS_LABELS = 4
_ROUND_STEPS = (10, 15, 20, 25, 30, 40, 50, 60, 80)


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """What was claimed and what was verified at one step of time; None where nobody knows."""

    label: str
    claimed: int | None
    verified: int | None


@dataclass(frozen=True, slots=True)
class GridLine:
    """A horizontal line at `y_px`, with the figure it stands for."""

    y_px: float
    label: str


@dataclass(frozen=True, slots=True)
class AxisLabel:
    """A word under the chart; `anchor` is SVG's text-anchor."""

    x_pct: float
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A known figure between unknown ones, which no line can show."""

    x_pct: float
    y_px: float
    series: str


@dataclass(frozen=True, slots=True)
class Band:
    """The strip of the chart that belongs to one point, for pointing at it."""

    x_pct: float
    width_pct: float
    point: ChartPoint


@dataclass(frozen=True, slots=True)
class ChartGeometry:
    """A drawn chart: SVG paths in a box of 100 × `height_px`, with what stands around and behind them."""

    points: tuple[ChartPoint, ...]
    claimed_path: str
    verified_path: str
    verified_area: str
    dots: tuple[Dot, ...]
    grid: tuple[GridLine, ...]
    axis: tuple[AxisLabel, ...]
    bands: tuple[Band, ...]
    height_px: int = HEIGHT_PX


def line_chart(points: Sequence[ChartPoint]) -> ChartGeometry:
    """The geometry of claimed and verified over time, oldest point first."""
    top = _INTERVALS * _step(max((n for p in points for n in (p.claimed, p.verified) if n is not None), default=0))
    xs = _across(len(points))
    runs = {
        "claimed": list(_runs(xs, [p.claimed for p in points], top)),
        "verified": list(_runs(xs, [p.verified for p in points], top)),
    }
    width = 100 / max(len(points), 1)
    return ChartGeometry(
        points=tuple(points),
        claimed_path="".join(map(_line, runs["claimed"])),
        verified_path="".join(map(_line, runs["verified"])),
        verified_area="".join(f"{_line(run)}V{_BOTTOM_PX}H{run[0][0]:g}Z" for run in runs["verified"]),
        dots=tuple(Dot(*run[0], series) for series, found in runs.items() for run in found if len(run) == 1),
        grid=tuple(GridLine(_down(n, top), compact(n)) for n in range(top, -1, -top // _INTERVALS)),
        axis=tuple(_axis(points, xs)),
        bands=tuple(Band(round(x - width / 2, 2), round(width, 2), p) for x, p in zip(xs, points, strict=True)),
    )


@dataclass(frozen=True, slots=True)
class Steps:
    """A share that stays as it is until it changes: an SVG path in a box of 100 × `height_px`, 1 at its top."""

    path: str
    height_px: int = 72


def step_line(changes: Sequence[tuple[float, Decimal]]) -> Steps:
    """From the first of these changes to the right edge; each is a position across in percent, and the share from there
    on, from 0 to 1."""
    drawn = Steps("")
    top, bottom = 2, drawn.height_px - 2
    corners = [(x_pct, round(bottom - (bottom - top) * float(share), 2)) for x_pct, share in changes]
    path = "".join(f"{'H' if n else 'M'}{x:g}{'V' if n else ' '}{y:g}" for n, (x, y) in enumerate(corners))
    return Steps(f"{path}H100" if path else "")


def compact(figure: int) -> str:
    """A round figure short enough for an axis: 950, 1.5 k, 300 k, 2 M."""
    for size, unit in ((10**9, "bn"), (10**6, "M"), (10**3, "k")):
        if figure >= size:
            return f"{figure / size:g}\N{NO-BREAK SPACE}{unit}"
    return str(figure)


def _step(highest: int) -> int:
    """The smallest round distance between grid lines that leaves room for `highest`."""
    if highest <= _INTERVALS * _ROUND_STEPS[0]:
        return max(1, -(-highest // _INTERVALS))
    scale = 1
    while True:
        for step in _ROUND_STEPS:
            if step * scale * _INTERVALS >= highest:
                return step * scale
        scale *= 10


def _across(count: int) -> list[float]:
    return [50.0] if count == 1 else [round(100 * i / (count - 1), 2) for i in range(count)]


def _down(figure: int, top: int) -> float:
    return round(_BOTTOM_PX - (_BOTTOM_PX - _TOP_PX) * figure / top, 2)


def _runs(xs: Sequence[float], figures: Sequence[int | None], top: int) -> Iterator[list[tuple[float, float]]]:
    """The unbroken runs of known figures, as coordinates."""
    for known, run in groupby(zip(xs, figures, strict=True), key=lambda pair: pair[1] is not None):
        if known:
            yield [(x, _down(figure, top)) for x, figure in run if figure is not None]


def _line(run: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in run)


def _axis(points: Sequence[ChartPoint], xs: Sequence[float]) -> Iterator[AxisLabel]:
    last = len(points) - 1
    count = min(len(points), _AXIS_LABELS)
    for i in sorted({round(k * last / max(count - 1, 1)) for k in range(count)}):
        anchor = "middle" if 0 < i < last or last == 0 else "start" if i == 0 else "end"
        yield AxisLabel(xs[i], points[i].label, anchor)

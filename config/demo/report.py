"""What came of a claim, for people: a table on a terminal, elsewhere one field a line with nothing cut."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from config.demo.live import Seen

Fields = Sequence[tuple[str, str]]
METRICS = ("views", "clicks", "conversions")


def what_came_of_it(seen: Seen, trust: Mapping[str, Any]) -> Fields:
    """Claim, truth, verdict, explanation and trust of a claim that was just made."""
    standing, verdict = seen.standing, seen.verdict
    level = verdict["discrepancy_level"]
    return [
        ("post", standing["url"]),
        ("campaign", standing["campaign"]["name"]),
        ("affiliate", standing["affiliate"]["name"]),
        ("claim", _figures(verdict, "claimed")),
        ("truth", _figures(verdict, "truth")),
        ("verdict", f"{verdict['status']} {level}" if level else verdict["status"]),
        ("explanation", verdict["explanation"]),
        ("next look", verdict["next_look_at"] or "none: this verdict is final"),
        (
            "trust",
            f"{trust['trust_score']} ({trust['accurate_submissions']} of {trust['total_submissions']} accurate)",
        ),
        ("took", f"{seen.took_s:.1f} s from the claim to its verdict"),
    ]


def about_alert(alert: Mapping[str, Any] | None) -> tuple[str, str]:
    """The alert that followed, in a line."""
    return "alert", f"{alert['severity']}, {alert['status']}" if alert else "none"


def show(console: Console, title: str, fields: Fields) -> None:
    """Print the fields under a title."""
    if not console.is_terminal:
        console.print(title, soft_wrap=True, highlight=False, markup=False)
        for name, value in fields:
            console.print(f"{name}: {value}", soft_wrap=True, highlight=False, markup=False)
        return
    table = Table(title=title, title_justify="left", show_header=False, min_width=60)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for row in fields:
        table.add_row(*row)
    console.print(table)


def _figures(verdict: Mapping[str, Any], which: str) -> str:
    """Only of what was claimed."""
    claimed = [name for name in METRICS if verdict["metrics"][name]["claimed"] is not None]
    figures = {name: verdict["metrics"][name][which] for name in claimed}
    return ", ".join(f"unknown {name}" if n is None else f"{n:,} {name}" for name, n in figures.items())

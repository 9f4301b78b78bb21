"""How far a long step of a command is: a bar on a terminal, and elsewhere a plain line for every tenth."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def progress(title: str, total: int, console: Console | None = None) -> Iterator[Callable[[int], None]]:
    """Show how far something is for the length of a block, which calls what it is given with how many are done.

    Log lines below WARNING are left out meanwhile: one for every call would bury it.
    """
    console = console or Console()
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        if console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            with Progress(*columns, console=console) as bar:
                task = bar.add_task(title, total=total)
                yield lambda done: bar.update(task, completed=done)
        else:
            yield _plain(title, total, console)
    finally:
        logging.disable(before)


def _plain(title: str, total: int, console: Console) -> Callable[[int], None]:
    shown = 0

    def show(done: int) -> None:
        nonlocal shown
        tenth = done * 10 // total if total else 10
        if tenth > shown:
            shown = tenth
            console.print(f"{title}: {done:,} of {total:,}", soft_wrap=True, highlight=False)

    return show

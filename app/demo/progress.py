"""The progress bar of a build."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from app.demo import making


@contextmanager
def bar(console: Console | None = None, title: str = "演示区") -> Iterator[making.Progress]:
    """Show a bar while the block runs; what it yields is told each stage, and the share done."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as shown:
        task = shown.add_task(title, total=1.0)
        yield lambda stage, share: shown.update(task, description=stage, completed=share)

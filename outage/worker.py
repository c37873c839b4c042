"""`python -m outage.worker URL FOLDER OFFSET AT_ONCE [GUARD]`: the two jobs that send.

They are done as `app jobs` does. The clock is `OFFSET` seconds ahead, so that it is day wherever
and whenever this runs. Before a letter is handed over its id is written to `started-PID`.
`AT_ONCE` letters are under way at most.
"""

import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from unittest import mock

from aiohttp import ClientSession
from sqlalchemy import Engine

from app import clock, jobs, sending
from app.channels.sending import Letter
from app.channels.sms import Sms
from app.db import create_engine
from app.models import Way
from outage.guards import without

JOBS = ("deliver-messages", "send-by-sms")
SECONDS = 3.0
PACE = replace(sending.Pace(), lease=timedelta(seconds=4), needed=timedelta(seconds=1))
PAUSE = 0.5
"""Seconds between two looks; a product looks every two."""


class Noting:
    """The channel, and an account of what is begun by it."""

    def __init__(self, folder: Path) -> None:
        """Find the provider's port in a folder, and keep the account there."""
        url = f"http://127.0.0.1:{(folder / 'port').read_text()}/messages"
        self._sms = Sms(url, str(os.getpid()), "", "党建地图", {}, SECONDS)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._started = os.open(folder / f"started-{os.getpid()}", flags)

    async def send(self, letter: Letter, *, now: datetime, over: ClientSession) -> str | None:
        """Hand a letter over."""
        os.write(self._started, f"{letter.id}\n".encode())
        return await self._sms.send(letter, now=now, over=over)


def _repeat(job: jobs.Job, engine: Engine, now: jobs.Now) -> None:
    pause = Event()
    while True:
        jobs.run(job, engine, now)
        pause.wait(PAUSE)


def main(url: str, folder: Path, offset: timedelta, at_once: int, guard: str = "") -> None:
    """Do the two jobs until killed, without a guard if one is named."""
    engine = create_engine(url, pool_size=4)
    channel = Noting(folder)
    sending.PACES = {Way.SMS: replace(PACE, at_once=at_once)}
    with ExitStack() as stack:
        ways = {Way.SMS: channel}
        stack.enter_context(mock.patch.object(sending, "channels_of", return_value=ways))
        if guard:
            stack.enter_context(without(engine, guard))
        wanted = [job for job in jobs.JOBS if job.name in JOBS]
        threads = [
            Thread(target=_repeat, args=(job, engine, lambda: clock.now() + offset))
            for job in wanted
        ]
        for thread in threads:
            thread.start()
        (folder / f"ready-{os.getpid()}").touch()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(
        sys.argv[1],
        Path(sys.argv[2]),
        timedelta(seconds=float(sys.argv[3])),
        int(sys.argv[4]),
        *sys.argv[5:],
    )

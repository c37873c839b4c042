"""`python -m bench.exporting`: make what waits, as the job does; print what it took as JSON.

A process of its own, for a peak never comes down again.
"""

import json
import os
import time

from app import clock, jobs
from app.db import create_engine
from app.services import export_runs
from bench.peaks import peak_mb


def main() -> None:
    """Run the job once."""
    (job,) = (job for job in jobs.JOBS if job.name == export_runs.JOB)
    engine = create_engine(os.environ["APP_DATABASE_URL"], pool_size=4)
    started = time.monotonic()
    made = jobs.run(job, engine, clock.now)
    took = time.monotonic() - started
    told = {"made": made, "seconds": took, "peak_mb": peak_mb()}
    print(json.dumps(told))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()

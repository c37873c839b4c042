"""Counting requests, in the memory of one process or in a table for all of them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage, Storage
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy import Engine, case, delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from app import clock
from app.errors import TooMany
from app.models import RateCounter
from app.settings import Counting

log = structlog.get_logger()

Now = Callable[[], datetime]


class TooManyRequests(TooMany):
    """Too many requests in a short time; wait a while."""

    zh = "请求过于频繁，请稍后再试"
    detail_en = "Try again in {retry_after_seconds} s"
    detail_zh = "请 {retry_after_seconds} 秒后再试"


class TableStorage(Storage):
    """Counts in `rate_counter`, so that every process counts together.

    A window begins with the first request in it. Each count is one statement in a transaction of
    its own: what becomes of the request does not undo it.
    """

    STORAGE_SCHEME = None

    def __init__(self, engine: Engine, now: Now = clock.now) -> None:
        super().__init__()
        self.engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self.now = now

    @property
    def base_exceptions(self) -> type[Exception]:
        """Name what the database may fail with."""
        return SQLAlchemyError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, and return the count in the window; one that has passed begins anew.

        Args:
            key: whom and what.
            expiry: length of a window in seconds.
            amount: how many at once.
        """
        now = self.now()
        until = now + timedelta(seconds=expiry)
        statement = insert(RateCounter).values(key=key, hits=amount, expires_at=until)
        over = col(RateCounter.expires_at) <= now
        statement = statement.on_conflict_do_update(
            index_elements=["key"],
            set_={
                "hits": case((over, amount), else_=col(RateCounter.hits) + amount),
                "expires_at": case((over, until), else_=col(RateCounter.expires_at)),
            },
        )
        with self.engine.connect() as connection:
            return int(connection.execute(statement.returning(col(RateCounter.hits))).scalar_one())

    def get(self, key: str) -> int:
        """Return the count in the window."""
        found = self._row(key)
        return found[0] if found else 0

    def get_expiry(self, key: str) -> float:
        """Return when the window ends, in seconds since 1970; the present, if there is none."""
        found = self._row(key)
        return (found[1] if found else self.now()).timestamp()

    def _row(self, key: str) -> tuple[int, datetime] | None:
        counted = select(RateCounter.hits, RateCounter.expires_at).where(
            RateCounter.key == key, RateCounter.expires_at > self.now()
        )
        with self.engine.connect() as connection:
            row = connection.execute(counted).one_or_none()
        return (row.hits, row.expires_at) if row else None

    def check(self) -> bool:
        """Tell whether the table can be read."""
        self.get("")
        return True

    def reset(self) -> int | None:
        """Forget every count."""
        with self.engine.connect() as connection:
            return connection.execute(delete(RateCounter)).rowcount

    def clear(self, key: str) -> None:
        """Forget one count."""
        with self.engine.connect() as connection:
            connection.execute(delete(RateCounter).where(col(RateCounter.key) == key))


class Rate:
    """How often somebody may do something; `600/minute`, or several of these with `;` between."""

    def __init__(self, text: str, storage: Storage, now: Now = clock.now) -> None:
        self.windows: list[RateLimitItem] = parse_many(text) if text else []
        self.limiter = FixedWindowRateLimiter(storage)
        self.now = now

    def count(self, what: str, whom: str) -> None:
        """Count one request.

        Args:
            what: a name for what is limited.
            whom: an address or an account.

        Raises:
            TooManyRequests: it is one too many; with the seconds until the window ends.
        """
        for window in self.windows:
            try:
                if self.limiter.hit(window, what, whom):
                    continue
                ends_at, _ = self.limiter.get_window_stats(window, what, whom)
            except SQLAlchemyError as exc:
                # Better too many requests than none while the counters cannot be reached.
                log.warning("requests-not-counted", reason=type(exc).__name__)
                return
            left = datetime.fromtimestamp(ends_at, UTC) - self.now()
            raise TooManyRequests(retry_after_seconds=max(1, round(left.total_seconds())))


def storage_of(counting: Counting, engine: Engine) -> Storage:
    """Return where the settings say that requests are counted."""
    return TableStorage(engine) if counting is Counting.DATABASE else MemoryStorage()


def forget_old(session: Session, now: datetime) -> int:
    """Delete counts of windows that have passed and return how many; a job."""
    done = session.exec(delete(RateCounter).where(col(RateCounter.expires_at) <= now))
    return done.rowcount

"""A process that is not fit for its place does not start, and says why in a sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.machine import Refusal
from app.settings import PUBLIC_SECRET, Settings, load

ROOT = Path(__file__).parent.parent
FIT = {
    "APP_ENV": "production",
    "APP_SECRET_KEY": "canary-one-" + "s" * 40,
    "APP_PHONE_KEY": "canary-two-" + "p" * 40,
    "APP_DATABASE_URL": "postgresql://map:canary-three@db.example.cn/map",
    "APP_PHOTO_FOLDER": "/srv/photos",
}
DEMO_URL = "postgresql://postgres@/app?host=%2Fsrv%2Fmap%2F.data%2Fdemo"

UNFIT: dict[str, tuple[dict[str, str | None], str]] = {
    "the public secret": ({"APP_SECRET_KEY": PUBLIC_SECRET}, "APP_SECRET_KEY"),
    "a short secret": ({"APP_PHONE_KEY": "short"}, "APP_PHONE_KEY"),
    "one secret for both": ({"APP_PHONE_KEY": FIT["APP_SECRET_KEY"]}, "APP_PHONE_KEY"),
    "no database": ({"APP_DATABASE_URL": None}, "APP_DATABASE_URL"),
    "the demonstration's database": ({"APP_DATABASE_URL": DEMO_URL}, "APP_DATABASE_URL"),
    "its database, moved": (
        {"APP_DATABASE_URL": "postgresql://postgres@/app?host=/var/tmp/party-map-0a1b"},
        "APP_DATABASE_URL",
    ),
    "nowhere to keep photos": ({"APP_PHOTO_FOLDER": None}, "APP_PHOTO_FOLDER"),
    "a font that is not there": ({"APP_FONT": "/nowhere/canary.ttf"}, "APP_FONT"),
    "a public address with a path": ({"APP_PUBLIC_URL": "https://a.cn/map"}, "APP_PUBLIC_URL"),
    "every origin": ({"APP_CORS_ORIGINS": "*"}, "APP_CORS_ORIGINS"),
    "every origin among others": ({"APP_CORS_ORIGINS": "https://a.cn,*"}, "APP_CORS_ORIGINS"),
    "every proxy": ({"APP_TRUSTED_PROXIES": "*"}, "APP_TRUSTED_PROXIES"),
    "an origin with a path": ({"APP_CORS_ORIGINS": "https://a.cn/"}, "APP_CORS_ORIGINS"),
    "an origin that is none": ({"APP_CORS_ORIGINS": "a.cn"}, "APP_CORS_ORIGINS"),
    "a rate in words": ({"APP_RATE_SIGN_IN": "seldom"}, "APP_RATE_SIGN_IN"),
    "an unknown store": ({"APP_RATE_STORE": "redis"}, "APP_RATE_STORE"),
    "an unknown place": ({"APP_ENV": "prod"}, "APP_ENV"),
    "a port that is none": ({"APP_PORT": "http"}, "APP_PORT"),
}


def environment(monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None]) -> None:
    for name, value in (FIT | changes).items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


def test_what_is_fit_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, {"APP_CORS_ORIGINS": "https://a.cn,http://localhost:5173"})
    assert load.__wrapped__().cors_origins == "https://a.cn,http://localhost:5173"


@pytest.mark.parametrize("case", UNFIT)
def test_what_is_not_is_refused_in_a_sentence_that_names_it(
    monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    changes, named = UNFIT[case]
    environment(monkeypatch, changes)
    with pytest.raises(Refusal) as refusal:
        load.__wrapped__()
    said = str(refusal.value)
    assert named in said
    assert said.endswith(".")
    assert "\n" not in said
    assert "canary" not in said
    assert refusal.value.__suppress_context__


def test_two_faults_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, {"APP_PORT": "http", "APP_BODY_KB": "0"})
    with pytest.raises(Refusal, match=r"(?s)APP_PORT.*\n.*APP_BODY_KB"):
        load.__wrapped__()


@pytest.mark.parametrize("changes", [{"APP_CORS_ORIGINS": "*"}, {"APP_TRUSTED_PROXIES": "*"}])
def test_a_demonstration_may_be_open(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None]
) -> None:
    environment(monkeypatch, changes | {"APP_ENV": "demo", "APP_DATABASE_URL": DEMO_URL})
    assert isinstance(load.__wrapped__(), Settings)


def started(*command: str, **changes: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("APP_")}
    line = [sys.executable, "-m", "app", *command]
    return subprocess.run(  # noqa: S603
        line,
        env=env | FIT | changes,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("command", "changes", "named"),
    [
        (["serve"], {"APP_SECRET_KEY": PUBLIC_SECRET}, "APP_SECRET_KEY"),
        (["jobs"], {"APP_PORT": "http"}, "APP_PORT"),
        (["run"], {}, "APP_ENV"),
        (["demo"], {}, "APP_ENV"),
        (["demo", "accounts"], {}, "APP_ENV"),
    ],
)
def test_the_command_line_says_so_in_one_line(
    command: list[str], changes: dict[str, str], named: str
) -> None:
    done = started(*command, **changes)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert named in line
    assert line.endswith(".")

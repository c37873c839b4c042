"""What every step is made of: do it once, and fail in one sentence."""

import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from app import machine
from app.machine import CHECKOUT, Refusal, run

DATA = CHECKOUT / ".data"
OFFLINE = re.compile(
    r"dns error|error sending request|ECONN|ENOTFOUND|ETIMEDOUT|EAI_AGAIN|Network is unreachable"
    r"|Failed to fetch|Could not connect|NewConnectionError|Temporary failure|network error"
    r"|Could not find a version",
    re.IGNORECASE,
)


def digest(files: Iterable[Path], *more: str) -> str:
    """Hash files, by name and content, and some strings."""
    total = hashlib.sha256("\0".join(more).encode())
    for path in sorted(files):
        total.update(str(path.relative_to(CHECKOUT)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def once(stamp: Path, key: str, make: Callable[[], None]) -> None:
    """Do something unless the stamp says that it was done for this very key."""
    if stamp.exists() and stamp.read_text() == key:
        return
    stamp.unlink(missing_ok=True)
    make()
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(key)


def fetch(
    what: str,
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a command that gets packages from a registry, and return what it said.

    Args:
        what: The things got, to begin a sentence with.
        command: The program and its arguments.
        env: Variables to add, besides `caches()`.
        cwd: Folder to run in.

    Raises:
        Refusal: The disk is full, the registry is out of reach, or another reason, shown above it.
    """
    done = run(command, env={**caches(), **(env or {})}, cwd=cwd)
    if done.returncode == 0:
        return done.stdout
    if machine.DISK_FULL in done.stdout or "ENOSPC" in done.stdout:
        raise Refusal(
            f"The disk that holds {CHECKOUT} is full: free some space and run this again."
        )
    if OFFLINE.search(done.stdout):
        raise Refusal(
            f"{what} could not be fetched from the registry: look to the network, or name "
            "a mirror in PIP_INDEX_URL and npm_config_registry, then run this again."
        )
    sys.stderr.write(done.stdout)
    raise Refusal(f"{what} could not be set up (see above): mend that, then run this again.")


def caches() -> dict[str, str]:
    """Variables with which package tools leave nothing outside the checkout."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    temporary = DATA / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    chosen = {
        "TMPDIR": str(temporary),
        "NODE_DISABLE_COMPILE_CACHE": "1",
        "npm_config_update_notifier": "false",
    }
    if not (folder / "uv").exists() and "UV_CACHE_DIR" not in os.environ:
        chosen["UV_NO_CACHE"] = "1"
    if not (folder / "pip").exists() and "PIP_CACHE_DIR" not in os.environ:
        chosen["PIP_NO_CACHE_DIR"] = "1"
    if not (Path.home() / ".npm").exists() and "npm_config_cache" not in os.environ:
        chosen["npm_config_cache"] = str(DATA / "npm")
    return chosen

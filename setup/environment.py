"""The Python environment: made by venv, filled by uv from lock files with hashes."""

import os
import shutil
import sys
from pathlib import Path

from app import debian, machine
from app.machine import CHECKOUT, Refusal, last_line, run, say
from setup.steps import DATA, digest, fetch, once

VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
LOCKS = CHECKOUT / "requirements"
COMPILE = ("--generate-hashes", "--universal", "--python-version", "3.11", "--no-annotate")


def install(which: str) -> None:
    """Install the locked packages: "run", or "dev", which holds them and more."""
    if not PYTHON.exists() or run([PYTHON, "--version"]).returncode != 0:
        (VENV / "made").unlink(missing_ok=True)
    once(VENV / "made", digest([LOCKS / "uv.txt"], sys.version, str(CHECKOUT)), _make)
    keys = {name: digest([LOCKS / f"{name}.txt", LOCKS / "build.txt"]) for name in ("run", "dev")}
    dev = VENV / "dev"
    if which == "run" and dev.exists() and dev.read_text() == keys["dev"]:
        return

    def sync() -> None:
        say(f"installing the Python packages of requirements/{which}.txt")
        dev.unlink(missing_ok=True)
        build = ("--build-constraints", LOCKS / "build.txt")
        # Compiled now, or else by every process that may not write here, at each of its starts.
        uv("sync", "--compile-bytecode", "--require-hashes", *build, LOCKS / f"{which}.txt")

    once(VENV / which, keys[which], sync)


def uv(*arguments: str | Path, python: Path = PYTHON) -> None:
    """Run `uv pip`, with the index that pip was told to use, for uv does not read pip's settings.

    Args:
        arguments: the command of `uv pip`, and what follows it.
        python: whose packages it is about.

    Raises:
        Refusal: It failed.
    """
    env = {}
    if not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & set(os.environ):
        asked = run([PYTHON, "-m", "pip", "config", "get", "global.index-url"])
        told = asked.stdout.strip() if asked.returncode == 0 else ""
        if index := os.environ.get("PIP_INDEX_URL") or told:
            env["UV_DEFAULT_INDEX"] = index
    command, *rest = arguments
    fetch("The Python packages", [UV, "pip", command, "-q", "--python", python, *rest], env=env)


def lock() -> None:
    """Lock every version and hash anew; keep what the old lock files say where it still fits."""
    for name in ("uv", "build", "run", "dev", "node", "bench"):
        say(f"locking requirements/{name}.in")
        target = LOCKS / f"{name}.txt"
        options = [*COMPILE, "--no-emit-index-url", "--no-header"]
        if os.environ.get("UPGRADE"):
            options.append("--upgrade")
        if name == "dev":
            options += ["-c", str(LOCKS / "run.txt")]
        uv("compile", *options, LOCKS / f"{name}.in", "-o", target)


def _make() -> None:
    say(f"making .venv with Python {sys.version.split()[0]}")
    machine.space_needed(CHECKOUT, 1000)
    shutil.rmtree(VENV, ignore_errors=True)
    if not _has_ensurepip() and debian.may_install():
        debian.install(f"python3.{sys.version_info.minor}-venv")
    options = [] if _has_ensurepip() else ["--without-pip"]
    done = run([sys.executable, "-m", "venv", *options, VENV])
    if done.returncode != 0:
        raise Refusal(
            f"Python could not make an environment ({last_line(done.stdout)}): "
            "install python3-venv, then run this again."
        )
    pip: list[str | Path] = [_unpacked_pip() / "pip"] if options else ["-m", "pip"]
    wanted: list[str | Path] = ["--no-deps", "--require-hashes", "-r", LOCKS / "uv.txt"]
    fetch("uv", [PYTHON, *pip, "install", "-q", "--disable-pip-version-check", *wanted])


def _has_ensurepip() -> bool:
    """Whether this Python can put pip into an environment; Debian's can after python3-venv only."""
    asked = run([sys.executable, "-c", "import ensurepip; ensurepip.version()"])
    return asked.returncode == 0


def _unpacked_pip() -> Path:
    folder = DATA / "pip"
    say("no python3-venv and no right to install it: unpacking pip")
    try:
        if not folder.exists():
            debian.unpack(folder, "python3-pip-whl")
        return next(folder.glob("usr/share/python-wheels/pip-*.whl"))
    except (Refusal, StopIteration) as error:
        raise Refusal(
            "Python cannot make an environment here: ask an administrator for "
            "`apt-get install python3-venv`, then run this again."
        ) from error

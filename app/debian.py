"""Debian's packages: installed where there is the right to, else unpacked into a folder.

Standard library only: this runs before the Python environment exists.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.machine import Refusal, last_line, run, say, space_needed

SUDO = ("sudo", "-n")

_APT = ("apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=2")
_POSTGRESQL_COMMON = Path("/etc/postgresql-common/createcluster.d")


def rights() -> tuple[str, ...] | None:
    """The prefix that lets a command install packages, or None when nobody may without asking."""
    if os.geteuid() == 0:
        return ()
    if shutil.which("sudo") and run([*SUDO, "true"]).returncode == 0:
        return SUDO
    return None


def may_install() -> bool:
    """Whether system packages can be installed here without asking anybody."""
    return shutil.which("apt-get") is not None and rights() is not None


def install(*packages: str) -> None:
    """Install Debian packages, refreshing the lists of packages only when that is needed.

    Raises:
        Refusal: No right to, no apt, or apt failed (its last line is quoted).
    """
    prefix = rights()
    if prefix is None or not shutil.which("apt-get"):
        raise Refusal(
            f"There is no right to install {' '.join(packages)}: "
            f"ask an administrator for `apt-get install {' '.join(packages)}`, then run this again."
        )
    space_needed(Path("/var"), 600)
    say(f"installing {' '.join(packages)} (apt)")
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", *_APT]
    command = [*apt, "install", "-y", "--no-install-recommends", *packages]
    with _no_system_cluster(prefix):
        done = run(command)
        if done.returncode != 0:
            run([*apt, "update"])
            done = run(command)
    if done.returncode != 0:
        raise Refusal(
            f"apt could not install {' '.join(packages)} ({last_line(done.stdout)}): "
            "mend that, then run this again."
        )


@contextmanager
def _no_system_cluster(prefix: tuple[str, ...]) -> Iterator[None]:
    """Keep Debian from making a cluster of its own (port 5432, always on) meanwhile."""
    notice = _POSTGRESQL_COMMON / "party-building-map.conf"
    existed = notice.parent.exists()
    run([*prefix, "mkdir", "-p", notice.parent])
    run([*prefix, "sh", "-c", f"echo 'create_main_cluster = false' > {notice}"])
    try:
        yield
    finally:
        run([*prefix, "rm", "-f", notice])
        if not existed:
            run([*prefix, "rmdir", "--ignore-fail-on-non-empty", "-p", notice.parent])


def unpack(target: Path, package: str, *, always: re.Pattern[str] | None = None) -> None:
    """Unpack a package, and what it depends on and the machine lacks, into a folder.

    Args:
        target: The folder; packages land in `usr` and so on below it.
        package: The package wanted.
        always: Dependencies to unpack even where the machine has them already.

    Raises:
        Refusal: The packages cannot be had.
    """
    state = target / "apt"
    for folder in ("lists/partial", "cache/archives/partial"):
        (state / folder).mkdir(parents=True)
    here = ("-o", f"Dir::State::Lists={state}/lists", "-o", f"Dir::Cache={state}/cache")
    _apt([*_APT, *here, "update"])
    plan = _apt([*_APT, *here, "install", "-s", "--no-install-recommends", package])
    names = set(re.findall(r"^Inst (\S+)", plan, re.MULTILINE))
    if always:
        tree = _apt(["apt-cache", *here, "depends", "--recurse", "-i", package])
        names |= {name for name in re.findall(r"^(\S+)$", tree, re.MULTILINE) if always.match(name)}
    _apt([*_APT, *here, "download", *sorted(names)], cwd=state)
    for archive in sorted(state.glob("*.deb")):
        _apt(["dpkg", "-x", archive, target])
    shutil.rmtree(state)


def _apt(command: list[str | Path], cwd: Path | None = None) -> str:
    done = run(command, cwd=cwd)
    if done.returncode != 0:
        raise Refusal(f"{command[0]} said: {last_line(done.stdout)}")
    return done.stdout

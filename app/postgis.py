"""Find the programs of a PostgreSQL that has PostGIS, or get them.

In order: the newest one on the machine; Debian's packages, installed with root or passwordless
sudo; the same packages unpacked into the checkout; a sentence that says what to install.
Standard library only.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app import debian, machine
from app.machine import CHECKOUT, Refusal, run, say

PACKAGE = "postgresql-postgis"
UNPACKED = CHECKOUT / ".data" / "postgresql"
FOLDERS = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/usr/pgsql-*/bin",  # Fedora and its kin
)


@dataclass(frozen=True)
class Programs:
    """The programs of one PostgreSQL that has PostGIS.

    Attributes:
        bin: Folder they lie in.
        env: Variables they need; empty unless they were unpacked rather than installed.
    """

    bin: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def major(self) -> int:
        """The release: a cluster can only be run by the release that made it."""
        said = run([self.bin / "postgres", "--version"], env=self.env).stdout
        found = re.search(r"\d+", said)
        return int(found.group()) if found else 0

    def run(
        self, program: str, *args: str | Path, user: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the programs to its end, as this user."""
        return run([self.bin / program, *args], env=self.env, user=user)


def programs(major: int | None = None) -> Programs:
    """Find the newest PostgreSQL with PostGIS, of this release if one is given; get it if need be.

    Args:
        major: The release that made the cluster at hand; None when there is none yet.

    Raises:
        Refusal: There is none, and no way to get one.
    """
    found = sorted(_found(), key=lambda each: each.major, reverse=True)
    fitting = [each for each in found if major in (None, each.major)]
    if fitting:
        return fitting[0]
    if found:
        raise Refusal(
            f"The database was made by PostgreSQL {major}, which is gone: install PostgreSQL "
            f"{major} with PostGIS again, or begin anew after `make clean`."
        )
    if not shutil.which("apt-get"):
        raise Refusal(
            "There is no PostgreSQL with PostGIS: install both (any release from 15 on), or set "
            "APP_DATABASE_URL to a server that has them, then run this again."
        )
    if debian.may_install():
        debian.install(PACKAGE)
    else:
        unpack()
    found = list(_found())
    if not found:
        raise Refusal(
            f"{PACKAGE} was installed but holds no PostgreSQL with PostGIS: set APP_DATABASE_URL "
            "to a server that has them, then run this again."
        )
    return found[0]


def _found() -> Iterator[Programs]:
    for pattern in FOLDERS:
        for folder in Path("/").glob(pattern.lstrip("/")):
            if (folder / "initdb").exists() and _has_postgis(Programs(folder)):
                yield Programs(folder)
    for folder in UNPACKED.glob("usr/lib/postgresql/*/bin"):
        libraries = [str(path) for path in UNPACKED.glob("usr/lib/*-linux-*")]
        env = {
            "LD_LIBRARY_PATH": os.pathsep.join(libraries),
            "PROJ_DATA": str(UNPACKED / "usr/share/proj"),
            "PROJ_LIB": str(UNPACKED / "usr/share/proj"),
        }
        if _has_postgis(Programs(folder, env)):
            yield Programs(folder, env)


def _has_postgis(each: Programs) -> bool:
    folder = Path(each.run("pg_config", "--sharedir").stdout.strip())
    return (folder / "extension" / "postgis.control").exists()


def unpack() -> None:
    """Unpack Debian's packages into the checkout, which needs no right at all.

    Raises:
        Refusal: The packages cannot be had.
    """
    say(f"no right to install packages: unpacking {PACKAGE} into {UNPACKED}")
    try:
        _unpack(UNPACKED)
    except Refusal as error:
        raise Refusal(
            f"There is no PostgreSQL with PostGIS and no right to install one ({error}): "
            f"ask an administrator for `apt-get install --no-install-recommends {PACKAGE}`, "
            "then run this again."
        ) from error


def _unpack(target: Path) -> None:
    new = target.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    machine.space_needed(new, 600)
    debian.unpack(new, PACKAGE, always=re.compile(r"^(postgresql-(client-)?\d+|libpq5|proj-data)"))
    for control in new.glob("usr/share/postgresql/*/extension/postgis-3.control"):
        control.with_name("postgis.control").unlink(missing_ok=True)
        control.with_name("postgis.control").symlink_to(control.name)
    new.rename(target)


def check() -> None:
    """See to it that there is a PostgreSQL with PostGIS, unless another server is named.

    Raises:
        Refusal: There is none, and no way to get one.
    """
    if not os.environ.get("APP_DATABASE_URL"):
        programs()

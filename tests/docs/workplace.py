"""A fresh checkout in a folder of its own, and a terminal in it: where documented commands run.

Nothing is downloaded: `.venv` is made of the environment that runs the tests. It judges no output.
"""

from __future__ import annotations

import os
import pty
import re
import secrets
import select
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from config.platforms import PLATFORMS
from config.settings import TABLE
from tests.servers import PROJECT, wait_until

DOCUMENTED_PORT = "8081"
_DEADLINE_S = 60.0
_LOG_DEADLINE_S = 10.0
_NOT_OURS_TO_INHERIT = {setting.variable for setting in TABLE}
_NOT_OURS_TO_INHERIT |= {platform.variable for platform in PLATFORMS}
_NOT_OURS_TO_INHERIT |= {"GUNICORN_CMD_ARGS", "MAKEFLAGS", "MAKELEVEL", "PYTHONPATH"}
# What a terminal does with the cursor, and is not seen.
_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[78])")
_AFTER_ANSWER = "\x1b8\x1b[B"


class Workplace:
    """A checkout with `.venv`, a shell that stays in it, and at most one server."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = DOCUMENTED_PORT
        _copy_checkout(directory)
        _make_environment(directory / ".venv")
        environment = {k: v for k, v in os.environ.items() if k not in _NOT_OURS_TO_INHERIT}
        self._environment = {
            **environment,
            "PATH": f"{directory / '.venv' / 'bin'}:{environment['PATH']}",
            "NO_PROXY": "localhost",
            "no_proxy": "localhost",
        }
        self._shell = self._start(["sh"])
        self._server: Terminal | None = None
        self._background: list[Terminal] = []

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=self.directory,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
        )

    def run(self, command: str) -> tuple[int, str]:
        """Exit status and output of a command; what it exports is there for those that follow."""
        end = secrets.token_hex(8)
        _write(self._shell, f"{{ {command}\n}} </dev/null\nprintf '\\n{end} %s\\n' $?\n")
        output = _read_until(self._shell, lambda text: re.search(rf"\n{end} (\d+)\n", text))
        text, _, status = output.rpartition(f"\n{end} ")
        return int(status), text

    def type_into(self, command: str, lines: list[str]) -> str:
        """What is on the screen after lines were typed into `websockets`, a client that prompts.

        Each line waits for the answer to the one before; after the last one comes Ctrl-D.
        """
        program = self._start(["sh", "-c", command])
        try:
            shown = _ESCAPE.sub("", _read_until(program, lambda text: text.endswith("> ")))
            for line in lines:
                _write(program, line + "\n")
                answer = _read_until(program, lambda text: text.endswith(_AFTER_ANSWER))
                # It inserts the answer above the prompt.
                shown += f"{line}\n{_ESCAPE.sub('', answer).removeprefix('> ').strip()}\n> "
            assert program.stdin is not None
            program.stdin.close()
            shown += _read_until(program, lambda text: text.endswith("\n"))
        finally:
            _end(program)
        return _rendered(shown)

    def serve(self, command: str) -> str:
        """Starts a server, in place of one that is running; what it shows until it is ready."""
        self.stop_server()
        self._server = Terminal(command, self.directory, self._environment)
        self.port = self._server.wait_for(r"Listening at: https?://\S+:(\d+) ")
        self._server.wait_for("Booting worker")
        wait_until(self._healthy, seconds=_DEADLINE_S, what=f"/healthz:\n{self._server.shown}")
        return self._server.shown

    def _healthy(self) -> bool:
        with suppress(OSError):
            secure = self._server is not None and "Listening at: https" in self._server.shown
            url = f"http{'s' if secure else ''}://localhost:{self.port}/healthz"
            # The documents make their own authority, which nobody knows.
            trust = ssl._create_unverified_context() if secure else None
            with urllib.request.urlopen(url, timeout=5, context=trust) as response:
                return bool(response.status == 200)
        return False

    def log_with(self, enough: Callable[[str], bool]) -> str:
        """What the server has shown, as soon as it is enough; what there is if it never is."""
        server = self._server
        assert server is not None, "no server was started"
        with suppress(AssertionError):
            wait_until(lambda: enough(server.shown), seconds=_LOG_DEADLINE_S)
        return server.shown

    def begin(self, command: str, shows: str) -> None:
        """Starts a program that goes on beside the others; returns once it shows the pattern."""
        self._background.append(Terminal(command, self.directory, self._environment))
        self._background[-1].wait_for(shows)

    def run_on_terminal(self, command: str) -> tuple[int, str]:
        """As `run`, for a program that looks better on a terminal."""
        return Terminal(command, self.directory, self._environment).run_to_end()

    def stop_server(self) -> None:
        """Ctrl-C in the server's terminal."""
        if self._server is not None:
            self._server.interrupt()
            self._server = None

    def close(self) -> None:
        """Ends whatever was started here."""
        _end(self._shell)
        for program in self._background:
            program.interrupt()
        self.stop_server()


class Terminal:
    """A program on a terminal of its own, as a person sees it."""

    def __init__(self, command: str, directory: Path, environment: dict[str, str]) -> None:
        self._side, other = pty.openpty()
        self._process = subprocess.Popen(
            ["sh", "-c", command],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=other,
            stderr=other,
            start_new_session=True,
        )
        os.close(other)
        self._shown = b""
        # Always at it: a program whose terminal nobody reads stands still.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def shown(self) -> str:
        return self._shown.decode(errors="replace").replace("\r\n", "\n")

    @property
    def ended(self) -> bool:
        return not self._reader.is_alive()

    def wait_for(self, pattern: str) -> str:
        """The first group of `pattern` (or all of it), as soon as the program has shown it."""

        def find() -> re.Match[str] | None:
            ended = self.ended
            found = re.search(pattern, self.shown)
            assert found or not ended, f"ended without {pattern}\n{self.shown}"
            return found

        found = wait_until(find, seconds=_DEADLINE_S, what=f"{pattern} is shown")
        return str(found[1] if found.re.groups else found[0])

    def run_to_end(self) -> tuple[int, str]:
        """Exit status, and what is left on the screen."""
        try:
            status = self._process.wait(_DEADLINE_S)
            self._reader.join(_DEADLINE_S)
            return status, _rendered(self.shown)
        finally:
            _end(self._process)

    def interrupt(self) -> None:
        """Ctrl-C, and the end that follows."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGINT)
        self.run_to_end()

    def _read(self) -> None:
        with suppress(OSError):  # Linux says so when the last process has closed the other side
            while data := os.read(self._side, 65536):
                self._shown += data
        os.close(self._side)


def _rendered(shown: str) -> str:
    """The lines that remain on the screen: of what was written over, only the last."""
    lines = [line.rpartition("\r")[2] for line in shown.split("\n")]
    return "\n".join(_ESCAPE.sub("", line) for line in lines)


def _write(process: subprocess.Popen[bytes], text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(text.encode())


def _read_until(process: subprocess.Popen[bytes], enough: Callable[[str], object]) -> str:
    assert process.stdout is not None
    deadline = time.monotonic() + _DEADLINE_S
    data = b""
    while not enough(data.decode(errors="replace")):
        ready = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]
        assert ready, f"no end in time:\n{data.decode(errors='replace')}"
        piece = os.read(process.stdout.fileno(), 65536)
        assert piece, f"ended too early:\n{data.decode(errors='replace')}"
        data += piece
    return data.decode()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kills the process and its children: it has a session of its own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(_DEADLINE_S)
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _copy_checkout(directory: Path) -> None:
    """The files that git knows or would take up, as a clone of the next commit has them."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for name in listed.split("\0"):
        source = PROJECT / name
        if name and source.is_file():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, directory / name)


def _make_environment(directory: Path) -> None:
    """Looks like what `make` has installed a moment ago."""
    directory.mkdir()
    for entry in Path(sys.prefix).iterdir():
        if entry.suffix != ".stamp":
            (directory / entry.name).symlink_to(entry)
    for stamp in ("run.stamp", "test.stamp"):
        (directory / stamp).touch()

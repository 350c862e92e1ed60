"""The Java programs of the COCO caption evaluation: where they are, and running them so that nothing stays behind."""

import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from crossgap.errors import MissingExtraError

__all__ = ["java", "java_conversation", "program_folder", "run_java"]

_TOLD = 300  # characters of what Java said that go into a message


def java(score: str) -> str:
    """Return the Java command, or say that it is missing.

    Raises
    ------
    MissingExtraError
        If there is no Java on the path.
    """
    command = shutil.which("java")
    if command is None:
        raise MissingExtraError(
            f"{score} needs Java, which is not on the path; install a Java runtime of version 8 or later, or leave "
            f"{score} out."
        )
    return command


def program_folder(score: str, name: str) -> Path:
    """Return the folder ``name`` of pycocoevalcap, which holds the Java programs.

    Raises
    ------
    MissingExtraError
        If pycocoevalcap is not installed.
    """
    spec = find_spec("pycocoevalcap")
    for place in (spec.submodule_search_locations if spec else None) or ():
        if (Path(place) / name).is_dir():
            return Path(place) / name
    raise MissingExtraError(
        f"{score} needs pycocoevalcap, which is not installed; install it: pip install 'crossgap[java-metrics]'."
    )


def run_java(score: str, arguments: Sequence[str], *, folder: Path, timeout: float) -> None:
    """Run a Java program to its end.

    Raises
    ------
    OSError
        If it fails.
    TimeoutError
        If it takes more than ``timeout`` seconds; it is stopped then.
    """
    try:
        done = subprocess.run(
            [java(score), *arguments],
            cwd=folder,
            capture_output=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError(_too_long(score, timeout)) from None
    if done.returncode:
        raise OSError(_failed(score, done.stderr))


@contextmanager
def java_conversation(
    score: str, arguments: Sequence[str], *, folder: Path, timeout: float
) -> Iterator[Callable[[Sequence[str], int], list[str]]]:
    """Start a Java program that answers lines with lines; it is stopped when the block ends, whatever happens.

    The block gets a function of lines to send and the number of lines to wait for.

    Raises
    ------
    OSError
        If the program ends early.
    TimeoutError
        If the block takes more than ``timeout`` seconds.
    """
    late = threading.Event()
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(
            [java(score), *arguments],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            encoding="utf-8",
        ) as process,
    ):

        def stop() -> None:
            late.set()
            process.kill()

        def ask(lines: Sequence[str], answers: int) -> list[str]:
            writer = threading.Thread(target=_send, args=(process.stdin, lines), daemon=True)
            writer.start()  # beside the reading, so that neither side waits for the other
            found = [line for _ in range(answers) if (line := _read(process.stdout))]
            if len(found) < answers:
                process.kill()
            writer.join()
            if len(found) < answers:
                if late.is_set():
                    raise TimeoutError(_too_long(score, timeout))
                process.wait()
                complaints.seek(0)
                raise OSError(_failed(score, complaints.read()))
            return [line.strip() for line in found]

        clock = threading.Timer(timeout, stop)
        clock.daemon = True
        clock.start()
        try:
            yield ask
        finally:
            clock.cancel()
            process.kill()


def _read(pipe: IO[str] | None) -> str:
    return pipe.readline() if pipe is not None else ""


def _send(pipe: IO[str], lines: Sequence[str]) -> None:
    try:
        pipe.writelines(line + "\n" for line in lines)
        pipe.flush()
    except (BrokenPipeError, ValueError):
        return  # the program ended; reading its answers says so


def _too_long(score: str, timeout: float) -> str:
    return (
        f"{score} took more than {timeout:g} seconds and was stopped; give a longer timeout, fewer captions, or leave "
        f"{score} out."
    )


def _failed(score: str, said: bytes) -> str:
    text = " ".join(said.decode("utf-8", "replace").split()).replace("'", '"')[:_TOLD].rstrip(" .")
    return f"the Java program of {score} failed and said {text!r}; check the installation, or leave {score} out."

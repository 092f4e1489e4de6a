"""Makes the project's environment on first use. Standard library only; loaded by path from manage.py.

`prepare(argv)` returns when this process already runs inside `.venv` with the locked packages; else it makes
or renews `.venv` and replaces the process by the same command inside it. COUNTERSIGN_BOOTSTRAP=off leaves the
environment to whoever set it up (containers, packagers).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".countersign-stamp"
UNFINISHED = ROOT / ".venv.unfinished"
LOCK = ROOT / "requirements.lock"
WANTED = (3, 11)
PANGO = ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0", "libfontconfig1")
APT_INSTALL = "apt-get install --no-install-recommends " + " ".join(PANGO)

_native = runpy.run_path(str(ROOT / "apps" / "core" / "native.py"))
NATIVE: Path = _native["NATIVE"]
preload_native = _native["preload_native"]


class BootstrapFailed(Exception):
    """The environment cannot be made; the text is the sentence for the person at the terminal."""


def prepare(argv: list[str]) -> None:
    """Return inside the right environment, or replace this process by `argv` in it. `test` becomes pytest."""
    if os.environ.get("COUNTERSIGN_BOOTSTRAP", "").lower() == "off":
        _run_tests_if_asked(sys.executable, argv)
        return
    try:
        _use_wanted_python(argv)
        if not _ready():
            _make_environment()
    except BootstrapFailed as failure:
        sys.exit(f"Countersign cannot start: {failure}")
    _run_tests_if_asked(str(PYTHON), argv)
    if not _inside():
        _exec(str(PYTHON), [str(ROOT / "manage.py"), *argv[1:]])


def _run_tests_if_asked(python: str, argv: list[str]) -> None:
    """pytest replaces the process before Django loads, so its exit code is the command's."""
    if argv[1:2] == ["test"]:
        os.chdir(ROOT)
        _exec(python, ["-m", "pytest", *argv[2:]])


def _exec(python: str, arguments: list[str]) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(python, [python, *arguments])


def _inside() -> bool:
    return Path(sys.prefix).resolve() == VENV.resolve()


def _fingerprint() -> str:
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()


def _ready() -> bool:
    try:
        return STAMP.read_text(encoding="ascii") == _fingerprint() and os.access(PYTHON, os.X_OK)
    except (OSError, UnicodeDecodeError):
        return False


def _use_wanted_python(argv: list[str]) -> None:
    if sys.version_info[:2] == WANTED:
        return
    wanted = "python" + ".".join(map(str, WANTED))
    other = shutil.which(wanted)
    if other and not _ready():
        _exec(other, [str(ROOT / "manage.py"), *argv[1:]])
    if not _ready():
        raise BootstrapFailed(
            f"it needs Python {WANTED[0]}.{WANTED[1]}, this is {sys.version.split()[0]} "
            f"and no {wanted} is on the path. Install {wanted} and repeat the command."
        )


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _make_environment() -> None:
    try:
        gatekeeper = open(ROOT / ".venv.lock", "w", encoding="ascii")  # noqa: SIM115 (held until the process ends its work)
    except OSError as error:
        raise BootstrapFailed(
            f"it cannot write to {ROOT} to make its environment there: {error.strerror}."
        ) from error
    with gatekeeper:
        try:
            fcntl.flock(gatekeeper, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("Another process is making the environment; waiting for it.")
            fcntl.flock(gatekeeper, fcntl.LOCK_EX)
        if _ready():
            return
        _say(f"Making the environment in {VENV} (first use or new requirements.lock; a minute at most).")
        fingerprint = _fingerprint()
        # An interrupted install may leave half a package that looks whole to pip, so it is not continued.
        usable = os.access(PYTHON, os.X_OK) and not UNFINISHED.exists()
        UNFINISHED.touch()
        if not usable:
            shutil.rmtree(VENV, ignore_errors=True)
            venv.EnvBuilder(with_pip=False, symlinks=True).create(VENV)
        _install_packages()
        _provide_pango()
        temporary = STAMP.with_suffix(f".{os.getpid()}")
        temporary.write_text(fingerprint, encoding="ascii")
        os.replace(temporary, STAMP)
        UNFINISHED.unlink(missing_ok=True)


def _base_python() -> str:
    return getattr(sys, "_base_executable", None) or sys.executable


def _install_packages() -> None:
    """uv where it is on the path, else pip from outside the environment (PEP 668 does not apply), else ensurepip."""
    choice = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(LOCK)]
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check"]
    errors = []
    if uv := shutil.which("uv"):
        done, text = _try([uv, "pip", "install", "--quiet", "--python", str(PYTHON), *choice])
        if done:
            return
        errors.append(("uv", text))
    pip = [_base_python(), "-m", "pip"]
    if _try([*pip, "--version"])[0]:
        done, text = _try([*pip, "--python", str(PYTHON), "install", *quiet, *choice])
        if done:
            return
        errors.append(("pip", text))
    if _try([str(PYTHON), "-m", "ensurepip"])[0]:
        done, text = _try([str(PYTHON), "-m", "pip", "install", *quiet, *choice])
        if done:
            return
        errors.append(("ensurepip", text))
    if not errors:
        raise BootstrapFailed(
            "it found neither uv nor pip to install its packages with. "
            "Install one (Debian, Ubuntu: apt-get install python3-pip) and repeat the command."
        )
    tool, text = errors[0]
    raise BootstrapFailed(
        f"{tool} could not install requirements.lock; is the package registry reachable? It said:\n{text}"
    )


def _try(command: list[str], **environment: str) -> tuple[bool, str]:
    """Run a command; return whether it succeeded and the last lines it wrote."""
    try:
        result = subprocess.run(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        return False, str(error)
    return result.returncode == 0, "\n".join(result.stdout.strip().splitlines()[-8:])


def _provide_pango() -> None:
    """PDF needs Pango, which no wheel carries: a system package as root, else unpacked under .native/."""
    # A child asks: a library loaded here to try it would stay loaded.
    if not _pango_missing():
        return
    reason = "this system has no apt-get"
    if shutil.which("apt-get"):
        _say("Fetching Pango for PDF.")
        reason = _apt_as_root() if os.geteuid() == 0 else _apt_without_root()
    missing = _pango_missing()
    if missing:
        _say(
            f"Inspection packs cannot be rendered yet: {', '.join(missing)} missing ({reason}). The rest works. "
            f"As administrator: {APT_INSTALL} (or your system's packages of the same libraries)."
        )


def _pango_missing() -> list[str]:
    code = f"import runpy; print(*runpy.run_path({str(ROOT / 'apps' / 'core' / 'native.py')!r})['preload_native']())"
    done, text = _try([sys.executable, "-c", code])
    return text.split() if done else ["libpango-1.0.so.0"]


def _apt_as_root() -> str:
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *PANGO]
    done, text = _try(install, DEBIAN_FRONTEND="noninteractive")
    if not done:
        _try(["apt-get", "update", "-q"])
        done, text = _try(install, DEBIAN_FRONTEND="noninteractive")
    return "" if done else f"apt-get said: {text}"


def _apt_without_root() -> str:
    """Download with private lists and cache, but the real status file, so that only what is missing comes."""
    NATIVE.mkdir(exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="countersign-apt-"))  # apt's options dislike blanks in a path
    for folder in ("lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True, exist_ok=True)
    options = [
        f"Dir::State::Lists={work / 'lists'}",
        f"Dir::Cache={work / 'cache'}",
        "Dir::State::status=/var/lib/dpkg/status",
        "Debug::NoLocking=1",
        "Dir::Log::Terminal=/dev/null",
    ]
    apt = ["apt-get", "-q", *(part for option in options for part in ("-o", option))]
    try:
        done, text = _try([*apt, "update"])
        if done:
            done, text = _try([*apt, "install", "-y", "--no-install-recommends", "--download-only", *PANGO])
        for package in sorted((work / "cache" / "archives").glob("*.deb")):
            unpacked, said = _try(["dpkg-deb", "-x", str(package), str(NATIVE)])
            text = text if unpacked else said
        return f"apt-get said: {text}"
    finally:
        shutil.rmtree(work, ignore_errors=True)

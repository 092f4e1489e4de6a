"""Tests: quick password hashing, unhashed static names, data and database in a temporary folder.

One folder for each pytest process; a worker or command started by a test finds the same one by inheritance.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

if "COUNTERSIGN_TEST_DATA" not in os.environ:
    os.environ["COUNTERSIGN_TEST_DATA"] = tempfile.mkdtemp(prefix="countersign-test-")
    atexit.register(shutil.rmtree, os.environ["COUNTERSIGN_TEST_DATA"], ignore_errors=True)
_folder = Path(os.environ["COUNTERSIGN_TEST_DATA"]) / os.environ.get("PYTEST_XDIST_WORKER", "single")
_folder.mkdir(parents=True, exist_ok=True)
os.environ["COUNTERSIGN_DATA"] = str(_folder)

from portal import env  # noqa: E402
from portal.settings.base import *  # noqa: E402, F403

DEMO = False
ENVIRONMENT_LABEL = "TEST"
SECRET_KEY = "test-only-not-a-secret-test-only-not-a-secret-test"
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # A file, not memory: a worker in its own process and a server in its own thread see the same rows.
    DATABASES["default"]["TEST"] = {"NAME": str(_folder / "test.sqlite3")}  # noqa: F405
    DATABASES["default"]["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"  # noqa: F405
else:
    # Nothing here has to outlive the machine; what must survive a crash is tested on a cluster of its own.
    DATABASES["default"].setdefault("OPTIONS", {})["options"] = "-c synchronous_commit=off"  # noqa: F405
# Tables straight from the models: many migrations take twenty seconds for each process of the tests. That they lead to
# the same tables is a test of its own (tests/platform/test_migrations.py).
DATABASES["default"].setdefault("TEST", {})["MIGRATE"] = False  # noqa: F405
# On a shared Redis each test process, with the workers it starts, hears only its own jobs.
CELERY_BROKER_TRANSPORT_OPTIONS = {**CELERY_BROKER_TRANSPORT_OPTIONS, "global_keyprefix": f"{_folder}:"}  # noqa: F405
# A heartbeat cannot write while a test holds SQLite in its own transaction: let it come late on a busy machine.
JOB_LEASE_SECONDS = env.integer("JOB_LEASE_SECONDS", 120)
# Every test calls from one address; the tests of the limits set their own.
API_CALLS = API_CALLS_ADDRESS = 10**9
ADDRESS_FAILURES = SIGNING_ATTEMPTS = 10**6
STATIC_ROOT = _folder / "static"  # WhiteNoise warns about a folder that is not there
STATIC_ROOT.mkdir(exist_ok=True)

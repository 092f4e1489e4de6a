"""Tests: quick password hashing, unhashed static names, data in a temporary folder."""

import tempfile
from pathlib import Path

from portal.settings.base import *  # noqa: F403

DEMO = False
ENVIRONMENT_LABEL = "TEST"
SECRET_KEY = "test-only-not-a-secret-test-only-not-a-secret-test"
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
COUNTERSIGN_DATA = Path(tempfile.mkdtemp(prefix="countersign-test-"))
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

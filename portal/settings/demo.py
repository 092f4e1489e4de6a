"""The demo on one machine: embedded parts by default, marked accounts, never for real work."""

from portal.settings.base import *  # noqa: F403

DEMO = True
DEBUG = False
ENVIRONMENT_LABEL = "DEMO"
SECRET_KEY = env.secret("SECRET_KEY", DEMO_SECRET_KEY)  # noqa: F405
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *env.names("ALLOWED_HOSTS")]  # noqa: F405
COUNTERSIGN_DATA.mkdir(parents=True, exist_ok=True)  # noqa: F405
STATIC_ROOT = COUNTERSIGN_DATA / "static"  # noqa: F405
# Hashed names without compression: brotli costs ten seconds at the first start and saves nothing on one machine.
STORAGES = STORAGES | {  # noqa: F405
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}
}

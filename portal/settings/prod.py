"""For real work: PostgreSQL, a broker, own secrets; refuses what only suits a demo."""

from django.core.exceptions import ImproperlyConfigured

from portal.settings.base import *  # noqa: F403

DEMO = False
DEBUG = False
ENVIRONMENT_LABEL = env.text("ENVIRONMENT_LABEL", "PRODUCTION")  # noqa: F405
SECRET_KEY = env.secret("SECRET_KEY")  # noqa: F405
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS")  # noqa: F405
CSRF_TRUSTED_ORIGINS = env.names("CSRF_TRUSTED_ORIGINS")  # noqa: F405

if SECRET_KEY == DEMO_SECRET_KEY or len(SECRET_KEY) < 50:  # noqa: F405
    raise ImproperlyConfigured("SECRET_KEY must be your own, at least 50 characters long.")
if not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured("ALLOWED_HOSTS must list the names the portal is reached by, without *.")
if not DATABASES["default"]["ENGINE"].endswith("postgresql"):  # noqa: F405
    raise ImproperlyConfigured(
        "DATABASE_URL must name a PostgreSQL database (postgres://…); SQLite is for the demo."
    )
if not CELERY_BROKER_URL:  # noqa: F405
    raise ImproperlyConfigured("REDIS_URL must name the Redis or Valkey that carries the jobs.")

PORTAL_URL = env.text("PORTAL_URL", f"https://{ALLOWED_HOSTS[0].lstrip('.')}")  # noqa: F405
if not PORTAL_URL.startswith("https://"):
    raise ImproperlyConfigured("PORTAL_URL must begin with https://: it carries enrolment links.")

SECOND_FACTOR = env.text("SECOND_FACTOR", "required")  # noqa: F405
if SECOND_FACTOR != "required" and not SECOND_FACTOR_REASON:  # noqa: F405
    raise ImproperlyConfigured(
        'SECOND_FACTOR must be "required": a signature has two components (21 CFR 11.200(a)(1)). '
        "To run without, state why in SECOND_FACTOR_REASON; the pages then only offer a second factor."
    )

SECURE_SSL_REDIRECT = True
SECURE_HSTS_SECONDS = env.integer("SECURE_HSTS_SECONDS", 31536000)  # noqa: F405
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.text("BEHIND_PROXY") else None  # noqa: F405
# __Host-: the browser takes the cookie from this host only, over HTTPS, for the whole site (RFC 6265bis, 4.1.3.2).
SESSION_COOKIE_NAME = "__Host-session"
CSRF_COOKIE_NAME = "__Host-csrf"
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True

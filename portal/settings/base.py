"""Settings shared by all environments. Behaviour never depends on DEBUG."""

from __future__ import annotations

from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from kombu import Exchange, Queue

from portal import env

BASE_DIR = env.ROOT
VERSION = "0.1.0"
COUNTERSIGN_DATA = env.data_folder()
DEMO = False
ENVIRONMENT_LABEL = "NOT SET"
DEMO_SECRET_KEY = "demo-only-not-a-secret-demo-only-not-a-secret-demo"  # known to everybody; prod refuses it

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "guardian",
    "simple_history",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "csp",
    "apps.core",
    "apps.accounts",
    "apps.trail",
    "apps.access",
    "apps.datasets",
    "apps.registry",
    "apps.quality",
    "apps.validations",
    "apps.fairness",
    "apps.explanation",
    "apps.robustness",
    "apps.verification",
    "apps.approvals",
    "apps.packs",
    "apps.web",
    "apps.api",
    "portal",
]

MIDDLEWARE = [
    "apps.web.middleware.PeerAddress",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "apps.web.bodies.BodyLimits",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "apps.web.middleware.Refusals",
    "apps.web.middleware.SessionLimits",
    "apps.web.inspecting.Inspectors",
    "apps.web.second.SecondFactorOwed",
    "apps.api.as_of.AsOf",
    "apps.web.as_of.AsOf",  # innermost: who looks, and the entry of their look, are of the present
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.web.context.frame",
            ],
        },
    }
]

DATABASES = {"default": env.database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
ANONYMOUS_USER_NAME = None
# guardian's backend stays out: grants are judged by access.gate alone, together with the assignment behind them.
SILENCED_SYSTEM_CHECKS = ["guardian.W001"]
GUARDIAN_MONKEY_PATCH_USER = False
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("username", "printed_name", "email")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "apps.accounts.breached.BreachedPasswordValidator"},
]

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = False  # scripts that use the API in a session send it back as X-CSRFToken
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
    }
}

# Idle and absolute limits of a session; lockouts. Seconds and counts.
SESSION_IDLE_SECONDS = env.integer("SESSION_IDLE_SECONDS", 900)
SESSION_ABSOLUTE_SECONDS = env.integer("SESSION_ABSOLUTE_SECONDS", 36000)
# How long ago somebody may have signed in who administers accounts, duties of the organisation, rules or trust.
FRESH_SIGN_IN_SECONDS = env.integer("FRESH_SIGN_IN_SECONDS", 900)
SESSION_COOKIE_AGE = SESSION_ABSOLUTE_SECONDS
SIGNING_FAILURES = 3
LOCKOUT_SECONDS = env.integer("LOCKOUT_SECONDS", 900)
# Failed sign-ins within LOCKOUT_SECONDS: of one username from one address; of one username from everywhere; and of
# anybody from one address, bad access tokens included.
SIGN_IN_FAILURES = env.integer("SIGN_IN_FAILURES", 5)
SIGN_IN_FAILURES_EVERYWHERE = env.integer("SIGN_IN_FAILURES_EVERYWHERE", 50)
ADDRESS_FAILURES = env.integer("ADDRESS_FAILURES", 60)
# Entries of the trail that one address can cause by failed sign-ins within LOCKOUT_SECONDS; the rest are counted.
ADDRESS_ENTRIES = env.integer("ADDRESS_ENTRIES", 20)
# Within a minute: calls of the API by one token or person, and from one address; attempts to sign by one person.
API_CALLS = env.integer("API_CALLS", 600)
API_CALLS_ADDRESS = env.integer("API_CALLS_ADDRESS", 3000)
SIGNING_ATTEMPTS = env.integer("SIGNING_ATTEMPTS", 20)
# Proxies in front whose X-Forwarded-For is believed; 0: the address is the one that connects.
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 0)

# Second factors: "required" of who holds a duty that signs, or "offered". The host that passkeys are bound to.
SECOND_FACTOR = env.text("SECOND_FACTOR", "offered")
# Why they are not required; the access register shows it.
SECOND_FACTOR_REASON = env.text("SECOND_FACTOR_REASON")
PASSKEY_HOST = env.text("PASSKEY_HOST")
if SECOND_FACTOR not in ("required", "offered"):
    raise ImproperlyConfigured(f'SECOND_FACTOR must be "required" or "offered", not {SECOND_FACTOR!r}.')
# Who is told of locks and alarms besides administrators and compliance officers: addresses of the security unit.
SECURITY_MAIL = env.names("SECURITY_MAIL")
# The Pwned Passwords list, ordered by hash (lines "SHA-1:count"), to look new passwords up in; empty: not used.
BREACHED_PASSWORDS_FILE = env.text("BREACHED_PASSWORDS_FILE")
# Identity providers for single sign-on.
OIDC_PROVIDERS = env.oidc_providers(env.secret("OIDC_PROVIDERS", ""))

# Access tokens: longest life in days of personal ones and of services', hours that an old secret works on beside a
# new one, seconds of one given to a CI job; longest life of a service account in days.
TOKEN_DAYS = env.integer("TOKEN_DAYS", 365)
SERVICE_TOKEN_DAYS = env.integer("SERVICE_TOKEN_DAYS", 90)
TOKEN_OVERLAP_HOURS = env.integer("TOKEN_OVERLAP_HOURS", 72)
CI_TOKEN_SECONDS = min(env.integer("CI_TOKEN_SECONDS", 900), 900)
SERVICE_ACCOUNT_DAYS = env.integer("SERVICE_ACCOUNT_DAYS", 400)
# Hosts of CI systems in one's own network, which may have private addresses; host:port of issuers without TLS (tests).
CI_PRIVATE_ISSUERS = env.names("CI_PRIVATE_ISSUERS")
CI_PLAIN_ISSUERS: list[str] = []

# Limits of uploads, in bytes.
UPLOAD_LIMIT_DATA = env.integer("UPLOAD_LIMIT_DATA", 2 * 1024**3)
UPLOAD_LIMIT_MODEL = env.integer("UPLOAD_LIMIT_MODEL", 1024**3)
UPLOAD_LIMIT_FILE = env.integer("UPLOAD_LIMIT_FILE", 100 * 1024**2)
UPLOAD_LIMIT_EVIDENCE = env.integer("UPLOAD_LIMIT_EVIDENCE", 20 * 1024**2)
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024**2
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]

# Mail: enrolment links and alarms. Without a mail server it is written into a folder of the portal.
EMAIL_HOST = env.text("EMAIL_HOST")
EMAIL_PORT = env.integer("EMAIL_PORT", 587)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.secret("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = env.text("EMAIL_USE_TLS", "yes") == "yes"
EMAIL_TIMEOUT = 20
EMAIL_FILE_PATH = COUNTERSIGN_DATA / "mail"
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'filebased'}.EmailBackend"
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "countersign@localhost")
PORTAL_URL = env.text(
    "PORTAL_URL", "http://127.0.0.1:8000"
)  # the address people reach the portal by, for mails

# Where the trail is told outside: witnesses ("URL KEY"), a time-stamping authority, log stores.
TRAIL_WITNESSES = env.names("TRAIL_WITNESSES")
TRAIL_WITNESS_SECONDS = env.integer("TRAIL_WITNESS_SECONDS", 60)
TRAIL_TIMESTAMP_URL = env.text("TRAIL_TIMESTAMP_URL")
TRAIL_TIMESTAMP_CERTIFICATES = env.text("TRAIL_TIMESTAMP_CERTIFICATES")
TRAIL_TIMESTAMP_HOURS = env.integer("TRAIL_TIMESTAMP_HOURS", 24)
TRAIL_STREAMS = env.names("TRAIL_STREAMS")
TRAIL_STREAM_TOKEN = env.secret("TRAIL_STREAM_TOKEN", "")
TRAIL_CA_FILE = env.text("TRAIL_CA_FILE")
TRAIL_SILENT_HOURS = env.integer(
    "TRAIL_SILENT_HOURS", 24
)  # an alarm when one of them takes nothing for this long
# Whether who signs is mailed the receipt, which proves the signature with the portal off.
SIGNATURE_MAIL = env.text("SIGNATURE_MAIL", "no") == "yes"

# Hours for which a steward may open a sensitive dataset to one person, at most.
SENSITIVE_HOURS = env.integer("SENSITIVE_HOURS", 8)

# When the organisation works: a review of the trail shows what people did outside these hours, and a suspension is
# signed for within a working day.
ORGANISATION_TIME_ZONE = env.text("ORGANISATION_TIME_ZONE", "UTC")
ORGANISATION_DAYS = env.text("ORGANISATION_DAYS", "Mon-Fri")
ORGANISATION_HOURS = env.text("ORGANISATION_HOURS", "06:00-20:00")
ORGANISATION_HOLIDAYS = env.text("ORGANISATION_HOLIDAYS", "")
ORGANISATION_CLOSED = env.text("ORGANISATION_CLOSED", "")

LOGIN_URL = "web:sign_in"
PASSWORD_RESET_TIMEOUT = env.integer("ENROLMENT_SECONDS", 3 * 86400)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.api.auth.TokenAuthentication", "apps.api.auth.Session"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["apps.api.parsers.StrictJSON", "rest_framework.parsers.MultiPartParser"],
    "DEFAULT_PAGINATION_CLASS": "apps.api.pages.Pages",
    "EXCEPTION_HANDLER": "apps.api.errors.handle",
    "DEFAULT_THROTTLE_CLASSES": ["apps.api.throttles.Calls"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Countersign API",
    "DESCRIPTION": "The release desk for machine-learning models in regulated industries.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "apps.api.as_of.describe"],
    "ENUM_NAME_OVERRIDES": {
        "AskState": "apps.api.enums.ASK_STATE",
        "AssignmentState": "apps.api.enums.ASSIGNMENT_STATE",
        "BiasVerdict": "apps.api.enums.BIAS_VERDICT",
        "BoardDecision": "apps.api.enums.BOARD_DECISION",
        "BoardChangeKind": "apps.api.enums.BOARD_CHANGE_KIND",
        "BoardChangeState": "apps.api.enums.BOARD_CHANGE_STATE",
        "BoardFunction": "apps.api.enums.BOARD_FUNCTION",
        "BoardState": "apps.api.enums.BOARD_STATE",
        "MeetingState": "apps.api.enums.MEETING_STATE",
        "MinuteHalf": "apps.api.enums.MINUTE_HALF",
        "SignerHalf": "apps.api.enums.SIGNER_HALF",
        "CriterionVerdict": "apps.api.enums.CRITERION_VERDICT",
        "ExplanationOrigin": "apps.api.enums.EXPLANATION_ORIGIN",
        "ExplanationReview": "apps.api.enums.EXPLANATION_REVIEW",
        "ExplanationDecision": "apps.api.enums.EXPLANATION_DECISION",
        "DatasetVersionState": "apps.api.enums.DATASET_VERSION_STATE",
        "Decision": "apps.api.enums.DECISION",
        "DeviationState": "apps.api.enums.DEVIATION_STATE",
        "EntryKind": "apps.api.enums.ENTRY_KIND",
        "GateState": "apps.api.enums.GATE_STATE",
        "CopyState": "apps.api.enums.COPY_STATE",
        "InspectionState": "apps.api.enums.INSPECTION_STATE",
        "Level": "apps.api.enums.LEVEL",
        "ReadGrantState": "apps.api.enums.READ_GRANT_STATE",
        "UnmarkingState": "apps.api.enums.UNMARKING_STATE",
        "PackState": "apps.api.enums.PACK_STATE",
        "Partition": "apps.api.enums.PARTITION",
        "PlanExclusion": "apps.api.enums.PLAN_EXCLUSION",
        "PlanState": "apps.api.enums.PLAN_STATE",
        "PlanTask": "apps.api.enums.PLAN_TASK",
        "ProbeEvidenceKind": "apps.api.enums.PROBE_EVIDENCE_KIND",
        "ComputationState": "apps.api.enums.COMPUTATION_STATE",
        "RequirementState": "apps.api.enums.REQUIREMENT_STATE",
        "RequirementSource": "apps.api.enums.REQUIREMENT_SOURCE",
        "VerificationKind": "apps.api.enums.VERIFICATION_KIND",
        "ReasonCode": "apps.api.enums.REASON_CODE",
        "ErasureBasis": "apps.api.enums.ERASURE_BASIS",
        "HoldState": "apps.api.enums.HOLD_STATE",
        "ResetState": "apps.api.enums.RESET_STATE",
        "SignOnState": "apps.api.enums.SIGN_ON_STATE",
        "ServiceState": "apps.api.enums.SERVICE_STATE",
        "SlotState": "apps.api.enums.SLOT_STATE",
        "VersionState": "apps.api.enums.VERSION_STATE",
        "TrailReviewState": "apps.api.enums.TRAIL_REVIEW_STATE",
        "FindingWeight": "apps.api.enums.FINDING_WEIGHT",
        "WaiverState": "apps.api.enums.WAIVER_STATE",
        "AccessReviewState": "apps.api.enums.ACCESS_REVIEW_STATE",
        "ReviewSheetState": "apps.api.enums.REVIEW_SHEET_STATE",
        "TrainingState": "apps.api.enums.TRAINING_STATE",
    },
}

JOB_LEASE_SECONDS = env.integer("JOB_LEASE_SECONDS", 15)
CELERY_BROKER_URL = env.redis_url()
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 7200,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
}
# Housekeeping has its own queue, so that two long computations cannot hold up the seal. Analyses have theirs, so that
# they can be given workers with memory of their own and a mail or a pack does not wait behind them.
CELERY_TASK_DEFAULT_QUEUE = "work"
CELERY_TASK_QUEUES = [Queue(name, Exchange(name), routing_key=name) for name in ("work", "analysis", "house")]
JOB_QUEUES = dict.fromkeys(
    (
        "datasets.profile",
        "explanation.compute",
        "fairness.compute",
        "robustness.probe",
        "validations.compare",
        "validations.run",
    ),
    "analysis",
)
CELERY_TASK_ROUTES = {
    name: {"queue": "house", "routing_key": "house"} for name in ("core.sweep", "trail.seal")
}
# A beat nobody took within its period is dropped: the next one does the same work.
CELERY_BEAT_SCHEDULE = {
    "core.sweep": {"task": "core.sweep", "schedule": 5.0, "options": {"expires": 5}},
    # The sealer's process seals within a second; this catches what waits when it stands still.
    "trail.seal": {"task": "trail.seal", "schedule": 15.0, "options": {"expires": 15}},
    "access.watch_trail": {"task": "access.watch_trail", "schedule": 300.0, "options": {"expires": 300}},
    "access.verify_trail": {
        "task": "access.verify_trail",
        "schedule": crontab(hour="2", minute="30"),
        "options": {"expires": 6 * 3600},
    },
    "access.lapse_reviews": {
        "task": "access.lapse_reviews",
        "schedule": crontab(minute="*/5"),
        "options": {"expires": 300},
    },
    "access.remind": {
        "task": "access.remind",
        "schedule": crontab(minute="7"),
        "options": {"expires": 3600},
    },
}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_TIMEZONE = TIME_ZONE

# To standard error, for whoever supervises the process. No request bodies, no secrets.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "django": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        "countersign": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
    },
}

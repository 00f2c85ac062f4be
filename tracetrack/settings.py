"""All settings, from the environment. What is wrong or missing stops the start with one sentence.

Production is on with ENVIRONMENT=production (or REPLIT_DEPLOYMENT=1). Everything else is a
developer's or newcomer's machine: a secret and a database are made there under `var/`.
"""

import os
import secrets
import sys
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

from tracetrack import postgres

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent
VAR = Path(env.str("TRACETRACK_VAR", default=str(BASE_DIR / "var")))

PRODUCTION = (
    env.str("ENVIRONMENT", default="development") == "production"
    or env.str("REPLIT_DEPLOYMENT", default="") == "1"
)
DEBUG = False if PRODUCTION else env.bool("DEBUG", default=False)


def _secret() -> str:
    """SESSION_SECRET, or outside production one that is made once and kept."""
    given = env.str("SESSION_SECRET", default="")
    if given or PRODUCTION:
        if len(given) < 50 or len(set(given)) < 10:
            raise ImproperlyConfigured(
                "SESSION_SECRET must be set to at least 50 random characters. Make one with: "
                "python -c 'import secrets; print(secrets.token_urlsafe(64))'"
            )
        return given
    kept = VAR / "session_secret"
    if not kept.exists():
        VAR.mkdir(parents=True, exist_ok=True)
        made = VAR / f"session_secret.{os.getpid()}"
        made.touch(mode=0o600)
        made.write_text(secrets.token_urlsafe(64))
        made.replace(kept)  # whole or not at all
    return kept.read_text()


SECRET_KEY = _secret()
SECRET_KEY_FALLBACKS = env.list("SESSION_SECRET_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=[] if PRODUCTION else ["localhost", "127.0.0.1", "[::1]", "testserver"]
)
if PRODUCTION and (not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS):
    raise ImproperlyConfigured("ALLOWED_HOSTS must name this site's host names, comma between them")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# Apps stand in the order in which they may import each other, rightmost last.
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "axes",
    "csp",
    "procrastinate.contrib.django",
    "tracetrack.mail",
    "audit",
    "accounts",
    "bags",
    "scanning",
    "billing",
    "monitoring",
    "tracetrack.admin.AdminConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "audit.middleware.request_context",
    "csp.middleware.CSPMiddleware",
    "accounts.middleware.Sessions",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.LoginRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "tracetrack.urls"
WSGI_APPLICATION = "tracetrack.wsgi.application"
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
                "django.template.context_processors.i18n",
                "tracetrack.language.for_templates",
                "audit.context.for_templates",
            ]
        },
    }
]

# --- Database -----------------------------------------------------------------------------------


def _database() -> dict:
    """The one database: PostgreSQL 15 or later, behind a small pool in each process."""
    url = env.str("DATABASE_URL", default="")
    if PRODUCTION:
        url = env.str("PRODUCTION_DATABASE_URL", default=url)
        if not url:
            raise ImproperlyConfigured("PRODUCTION_DATABASE_URL or DATABASE_URL must be set")
    settings = env.db_url_config(url) if url else postgres.connection_settings(VAR)
    if "postgresql" not in settings["ENGINE"]:
        raise ImproperlyConfigured("The database must be PostgreSQL: postgresql://user:…@host/name")
    limits = {
        "statement_timeout": env.int("DB_STATEMENT_TIMEOUT_MS", default=0),
        "lock_timeout": env.int("DB_LOCK_TIMEOUT_MS", default=2000),
        "idle_in_transaction_session_timeout": env.int("DB_IDLE_TIMEOUT_MS", default=30_000),
    }
    return settings | {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": settings.get("OPTIONS", {})
        | {
            "connect_timeout": env.int("DB_CONNECT_TIMEOUT_SECONDS", default=3),
            "tcp_user_timeout": env.int("DB_TCP_TIMEOUT_MS", default=5000),
            "options": " ".join(f"-c {name}={ms}" for name, ms in limits.items()),
            "pool": {
                "min_size": env.int("DB_POOL_MIN", default=1),
                "max_size": env.int("DB_POOL_MAX", default=10),
                "timeout": env.int("DB_POOL_TIMEOUT_SECONDS", default=2),
            },
        },
    }


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- People -------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "accounts.roles.RoleBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["username", "full_name", "email"]},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "accounts.passwords.CompositionValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "login"

# The lock belongs to the account, never to the address: a whole warehouse shares one.
AXES_LOCKOUT_PARAMETERS = ["username"]
SILENCED_SYSTEM_CHECKS = ["axes.W006"]  # it wants the address
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25  # hours
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_LOCKOUT_CALLABLE = "accounts.views.locked_out"
AXES_USERNAME_CALLABLE = "accounts.models.axes_username"
AXES_CLIENT_IP_CALLABLE = "audit.context.client_ip"
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False

# --- Cookies, headers ---------------------------------------------------------------------------

SESSION_COOKIE_AGE = 12 * 60 * 60  # seconds
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
if PRODUCTION:
    SESSION_COOKIE_NAME = "__Host-sessionid"
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=PRODUCTION)
SECURE_REDIRECT_EXEMPT = [r"^health$", r"^ready$"]
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
X_FRAME_OPTIONS = "DENY"

# How many proxies of ours stand in front, and from which addresses they speak.
# In production there is one on this machine, as the site itself listens on 127.0.0.1 only.
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=1 if PRODUCTION else 0)
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=["127.0.0.1", "::1"] if PRODUCTION else [])
if TRUSTED_PROXY_COUNT and not TRUSTED_PROXIES:
    raise ImproperlyConfigured("TRUSTED_PROXIES must name the addresses of your proxies")
if TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
    }
}

# --- Files, language, time ----------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = VAR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "tracetrack.storage.HashedStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
STATICFILES_DIRS = [BASE_DIR / "tracetrack" / "static"]
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not PRODUCTION

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("hi", "हिन्दी")]  # each in its own words
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_NAME = "language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 60 * 60  # seconds
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = PRODUCTION
USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", default="Asia/Kolkata")

# --- E-mail, jobs -------------------------------------------------------------------------------

# Providers that anymail knows and that need nothing but a key, with their word for the key.
EMAIL_KEYS = {
    "brevo": "API_KEY",
    "mailgun": "API_KEY",
    "mailtrap": "API_TOKEN",
    "mandrill": "API_KEY",
    "postmark": "SERVER_TOKEN",
    "resend": "API_KEY",
    "sendgrid": "API_KEY",
    "sparkpost": "API_KEY",
}
EMAIL_PROVIDER = env.str("EMAIL_PROVIDER", default="").strip().lower()
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="TraceTrack <tracetrack@localhost>")
PUBLIC_BASE_URL = env.str("PUBLIC_BASE_URL", default="http://127.0.0.1:8000").rstrip("/")


def _anymail() -> dict:
    """What anymail needs to know about the provider; without one all mails are kept."""
    settings = {"REQUESTS_TIMEOUT": env.int("EMAIL_TIMEOUT_SECONDS", default=5)}
    if not EMAIL_PROVIDER:
        return settings
    if EMAIL_PROVIDER not in EMAIL_KEYS:
        raise ImproperlyConfigured(f"EMAIL_PROVIDER must be one of {', '.join(EMAIL_KEYS)}")
    for name in ("EMAIL_API_KEY", "EMAIL_FROM", "PUBLIC_BASE_URL"):
        if not env.str(name, default=""):
            raise ImproperlyConfigured(f"{name} must be set, as EMAIL_PROVIDER is")
    if not PUBLIC_BASE_URL.startswith(("http://", "https://")):
        raise ImproperlyConfigured("PUBLIC_BASE_URL must be like https://tracetrack.example.com")
    prefix = EMAIL_PROVIDER.upper()
    settings[f"{prefix}_{EMAIL_KEYS[EMAIL_PROVIDER]}"] = env.str("EMAIL_API_KEY")
    if url := env.str("EMAIL_API_URL", default=""):
        settings[f"{prefix}_API_URL"] = url
    return settings


ANYMAIL = _anymail()
MAIL_TRIES = 10
MAIL_FIRST_PAUSE_SECONDS = 60  # three times as long after each try: ten tries take a day
MAIL_LONGEST_PAUSE_SECONDS = 6 * 60 * 60
MAIL_DEADLINE_SECONDS = 15  # for all of one try; its row is locked, so less than DB_IDLE_TIMEOUT_MS
MAIL_SENT_KEPT_DAYS = env.int("EMAIL_KEPT_DAYS", default=90)  # what was sent; then it is deleted

PROCRASTINATE_WORKER_DEFAULTS = {
    "concurrency": env.int("WORKER_CONCURRENCY", default=4),  # jobs at a time
    "shutdown_graceful_timeout": 10,  # seconds, longer than most tries to send a mail
    "delete_jobs": "successful",
}

# --- API ----------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tracetrack.api.SessionAuth"],
    "DEFAULT_PERMISSION_CLASSES": ["tracetrack.api.RolePermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "EXCEPTION_HANDLER": "tracetrack.api.problem",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # bytes

# Models whose rows record each edit through the ORM, with before and after.
AUDITED_MODELS = [
    "accounts.User",
    "bags.Product",
    "bags.Bag",
    "bags.Link",
    "scanning.Station",
    "billing.Bill",
    "billing.ReturnTicket",
]

# --- Logs ---------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request": {"()": "audit.context.LogFilter"}},
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name} [{request_id}] {message}", "style": "{"}
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "stream": sys.stderr,
            "filters": ["request"],
            "formatter": "line",
        }
    },
    # A refusal is an answer, not an event for the operator's log.
    "loggers": {
        "django.request": {"level": "ERROR"},
        "procrastinate.utils": {"level": "CRITICAL"},  # says again what the worker has said
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="WARNING")},
}

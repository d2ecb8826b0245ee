import json
import os
from typing import Any

import environ
from django.templatetags.static import static

from project.env import BASE_DIR as BASE_DIR
from project.env import Environment
from project.logs import configure_structlog, logging_config

ENVIRONMENT = Environment.read()

DEBUG = ENVIRONMENT.debug
SECRET_KEY = ENVIRONMENT.secret_key
ALLOWED_HOSTS = list(ENVIRONMENT.allowed_hosts)
CSRF_TRUSTED_ORIGINS = list(ENVIRONMENT.csrf_trusted_origins)
DATA_DIR = ENVIRONMENT.data_dir

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "django_structlog",
    "django_dramatiq",
    "crypto",
    "workers",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
]

ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"
WSGI_APPLICATION = "project.wsgi.application"
LOGIN_URL = "admin:login"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

SQLITE: dict[str, Any] = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": str(DATA_DIR / "db.sqlite3"),
    "OPTIONS": {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;",
    },
    # A file like the real one: other threads and processes of a test see it, and wait for its lock.
    "TEST": {"NAME": str(DATA_DIR / "test.sqlite3")},
}
DATABASES: dict[str, dict[str, Any]] = {"default": SQLITE}
if ENVIRONMENT.database_url:
    given = environ.Env.db_url_config(ENVIRONMENT.database_url)
    # However a SQLite is named, it is opened the one safe way.
    DATABASES["default"] = SQLITE | {"NAME": given["NAME"]} if given["ENGINE"] == SQLITE["ENGINE"] else given
DATABASES["default"] |= {
    "CONN_MAX_AGE": ENVIRONMENT.database_conn_max_age,
    "CONN_HEALTH_CHECKS": True,
}
if DATABASES["default"]["ENGINE"] != SQLITE["ENGINE"]:
    # Parameters travel beside the statement: writing them into its text was a fifth of a ping (measured).
    options: dict[str, Any] = DATABASES["default"].setdefault("OPTIONS", {})
    options["server_side_binding"] = True
    if ENVIRONMENT.database_pool:
        # What a thread closes goes back to the pool.
        DATABASES["default"]["CONN_MAX_AGE"] = 0
        options["pool"] = {"min_size": 1, "max_size": ENVIRONMENT.database_pool}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)
# Without a collectstatic run the files come straight from the packages.
WHITENOISE_USE_FINDERS = not (STATIC_ROOT / "admin").exists()
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = ENVIRONMENT.https
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if ENVIRONMENT.https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = ENVIRONMENT.https
# Probes and scrapers come from inside, over plain HTTP.
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]
X_FRAME_OPTIONS = "DENY"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["crypto.api.common.request_body.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "crypto.api.common.pagination.Pages",
    "DEFAULT_SCHEMA_CLASS": "crypto.api.common.schema.Schema",
    "EXCEPTION_HANDLER": "crypto.api.common.errors.answer",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Crypto orchestrator",
    "DESCRIPTION": "Commands to wallet-sync clients, and what the clients report.",
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {
        "CommandState": "crypto.models.State",
        "OperationState": "crypto.models.OperationState",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

UNFOLD = {
    "SITE_TITLE": "Crypto orchestrator",
    "SITE_HEADER": "Crypto orchestrator",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("crypto/favicon.svg")}
    ],
    "DASHBOARD_CALLBACK": "crypto.admin.dashboard.figures",
    "SIDEBAR": {"show_search": True, "navigation": "crypto.admin.sidebar.navigation"},
}

CRYPTO_NODE_LEASE = ENVIRONMENT.node_lease
CRYPTO_LEASE_MARGIN = ENVIRONMENT.lease_margin
CRYPTO_WORKER_WINDOW = ENVIRONMENT.worker_window

# What every configuration document of a client has to satisfy.
CRYPTO_CONFIG_SCHEMA: dict[str, Any] = (
    json.loads(ENVIRONMENT.config_schema.read_text()) if ENVIRONMENT.config_schema else {"type": "object"}
)

REDIS_URL = ENVIRONMENT.redis_url
DRAMATIQ_AUTODISCOVER_MODULES = ("actors",)
DRAMATIQ_IGNORED_MODULES = ["django_dramatiq.tasks"]
DRAMATIQ_MIDDLEWARE = [
    "dramatiq.middleware.AgeLimit",
    "dramatiq.middleware.TimeLimit",
    "dramatiq.middleware.ShutdownNotifications",
    "dramatiq.middleware.Callbacks",
    "dramatiq.middleware.Pipelines",
    "dramatiq.middleware.CurrentMessage",
    "workers.middleware.Retries",
    "workers.middleware.AsyncIO",
    "workers.middleware.DieWithParent",
    "workers.middleware.SayReady",
    "django_dramatiq.middleware.DbConnectionsMiddleware",
]
if ENVIRONMENT.worker_metrics_port:
    # Read by the middleware when it is imported; its own defaults are every interface and port 9191.
    os.environ.setdefault("dramatiq_prom_host", "127.0.0.1")
    os.environ.update(dramatiq_prom_port=str(ENVIRONMENT.worker_metrics_port))
    DRAMATIQ_MIDDLEWARE.insert(0, "dramatiq.middleware.prometheus.Prometheus")
DRAMATIQ_BROKER: dict[str, Any] = {
    "BROKER": "workers.broker.RedisBroker" if REDIS_URL else "workers.broker.MemoryBroker",
    "OPTIONS": {"url": REDIS_URL} if REDIS_URL else {},
    "MIDDLEWARE": DRAMATIQ_MIDDLEWARE,
}

configure_structlog()
LOGGING = logging_config(ENVIRONMENT.log_format, ENVIRONMENT.log_level)

"""Django settings, read from the environment only.

| variable | meaning | default |
|---|---|---|
| `DATABASE_URL`, `REDIS_URL` | servers to use | embedded ones under `var/` |
| `AGGREGATOR_VAR` | where a run keeps its files; a demo in `demo/` below it | `var/` in the checkout |
| `AGGREGATOR_CLOCK_FILE` | a shared virtual clock | the machine's clock |
| `SECRET_KEY` | signs log-ins, seals stored keys: one for all, for good | made once in `var/`; `BEHIND_TLS` needs it |
| `DEBUG` | developer errors | off |
| `LOG_LEVEL` | what is worth a line | INFO |
| `ALLOWED_HOSTS` | comma-separated host names | loopback |
| `BEHIND_TLS` | a proxy ends TLS and sets `X-Forwarded-Proto` itself: secure cookies, HSTS | off |
| `TRUSTED_PROXIES` | addresses or networks whose `X-Forwarded-For` is believed; 127.0.0.1: a Unix socket too | none |
| `CSRF_TRUSTED_ORIGINS` | comma-separated origins whose forms are taken, where a proxy changes the host | none |
| `REQUEST_BODY_LIMIT_BYTES` | larger bodies are refused unread | 32 MB |
| `PUBLIC_URL` | address of this service as partners see it | where `serve` answers, else http://localhost:8000 |
| `TICK_SECONDS` | real seconds between scheduler ticks | 60 |
| `GOPACS_URL`, `EXCHANGE_URL` | the market | none: the market tasks say so |
| `EXCHANGE_API_KEY`, `EXCHANGE_PARTICIPANT_ID` | who we are there | none |
| `EXCHANGE_PUSH_TOKEN` | bearer token of the exchange's pushes to `/exchange/orders` | none: it is polled only |
| `EXCHANGE_GATE_MINUTES` | how long before its start an order expires; known of ETPA only | 15 |
| `EXCHANGE_IN_FLIGHT_MINUTES` | how long an order whose answer was lost may still get into the book; not known | 5 |
| `EXCHANGE_MINIMUM_DWELL_MINUTES` | how long an order must stand in the book; not in any public text | 0 |
| `TENNET_URL`, `TENNET_API_KEY` | TenneT's aFRR market, and our key there; the real one is not public | none |
| `TENNET_PARTY_ID` | the 13 digits that name us there | none: no aFRR |
| `AFRR_GATE_MINUTES` | how long before its quarter hour a balancing bid is final; not from TenneT's text | 25 |
| `AFRR_CYCLE_SECONDS` | how often TenneT's setpoint is asked for and our measurement is sent | 4 |
| `AFRR_SETPOINT_LONGEST_AGE_SECONDS` | how old a setpoint may be; assumed | 12 |
| `AFRR_HOLD_SECONDS` | how long after that the last setpoint holds before we go back to 0 | 60 |
| `AFRR_MOST_UP_MW`, `AFRR_MOST_DOWN_MW` | the power TenneT has prequalified us for, whole MW | 0: nothing is offered |
| `AFRR_DOCUMENT_VERSION` | of the bid documents: `7.4` or `7.2`; which TenneT takes is not public | 7.4 |
| `GOPACS_API_KEY` | asks which of our EANs help with an announcement | none: postcodes decide |
| `GOPACS_CATEGORY_DIRECTIONS` | last word of a category of those EANs = side; inferred | see gopacs/announcements.py |
| `GOPACS_VANISHED_AFTER_MINUTES` | left out of the list for so long, an announcement is withdrawn; 0: never | 15 |
| `GOPACS_WITHDRAWN_STATES` | states of a withdrawn announcement; not in any public text | see gopacs/announcements.py |
| `UFTP_DOMAIN` | our domain in UFTP messages | none: called contracts are off |
| `UFTP_BROKER_URL` | where messages go to participants without an endpoint of their own | none |
| `UFTP_TOKEN_URL`, `UFTP_CLIENT_ID`, `UFTP_CLIENT_SECRET` | OAuth2 towards broker and address book | none: no token |
| `UFTP_ADDRESS_BOOK_URL` | participants V3, without `/participants/…` | none: participants by hand only |
| `UFTP_DNS_RESOLVER` | instead: a validating resolver to look them up, `address` or `address:port` | none |
| `UFTP_PROGNOSIS_AT` | local time from which tomorrow's D-Prognosis is sent, before calls are made | 06:00 |
| `UFTP_REQUESTS_PER_MINUTE` | how often one UFTP participant may call | 1200 |
| `LIMIT_ARRIVALS_QUANTILE` | under a called limit, room is kept for late arrivals on this share of like days | 0.95 |
| `OCPI_COUNTRY_CODE`, `OCPI_PARTY_ID`, `OCPI_ROLE`, `OCPI_NAME` | who we are in OCPI | NL, AGG, SCSP, Aggregator |
| `OCPI_REQUESTS_PER_MINUTE` | how often one OCPI partner may call; it calls once per session | 6000 |
| `STAY_MODEL` | forecasts departures and energy: `nearest`, or `forests` of the extra of that name | nearest |
| `SETTLEMENT_WAIT_SECONDS` | how long an activation waits for meter values and cars to leave | 12 hours |
| `PARTNER_REQUESTS_PER_MINUTE` | how often one partner may call | 1200 |
| `IDEMPOTENCY_HOURS` | how long answers are kept for repeats of a request | 48 |
| `READING_MONTHS`, `METER_VALUE_MONTHS` | months that minute readings and quarter-hour values are kept | 3, 84 |
| `DRIVER_DATA_DAYS` | days that pseudonyms, what drivers declared, and OCPI sessions are kept | 90 |
| `ARCHIVE_DIRECTORY` | where a month of them is written before it is dropped | none: dropped unwritten |
| `METRICS_TOKEN` | bearer token for `/metrics` | none: `/metrics` answers 404 |
| `HTTP_ALLOWED_PRIVATE_HOSTS` | private hosts that outgoing calls may reach | none |
"""

import logging
import os
import secrets
from contextlib import suppress
from datetime import time, timedelta
from ipaddress import ip_network
from pathlib import Path

from redis.connection import parse_url

from aggregator import embedded
from aggregator.core.ean import Ean13
from aggregator.environment import Environment, database, read, refuse, within
from bidding.markets.gopacs.announcements import CATEGORY_DIRECTIONS, WITHDRAWN_STATES

env = Environment()


def _machine_secret() -> str:
    """Return the secret key of this data folder, made at first use; servers set `SECRET_KEY` instead."""
    path = embedded.data_directory() / "secret_key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"secret_key.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(48), encoding="ascii")
        with suppress(FileExistsError):  # another process was quicker: its key counts
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text(encoding="ascii")


DEBUG = env.bool("DEBUG", default=False)
BEHIND_TLS = env.bool("BEHIND_TLS", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")
if BEHIND_TLS and not SECRET_KEY:
    refuse(
        "BEHIND_TLS says that this is a server. A key made on the spot is gone with the data folder, and so is all "
        "that it sealed. Set SECRET_KEY to a long random text, the same for all processes, and keep it, such as what "
        "`python -c 'import secrets; print(secrets.token_urlsafe(48))'` prints."
    )
SECRET_KEY = SECRET_KEY or _machine_secret()
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "pgtrigger",
    "axes",
    "oauth2_provider",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "aggregator",
    "aggregator.core",
    "assets",
    "bidding",
    "settlement",
    "aggregator.operator",
]

MIDDLEWARE = [
    "aggregator.core.page_policy.PagePolicy",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "aggregator.core.request_limits.RequestLimits",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "aggregator.urls"
WSGI_APPLICATION = "aggregator.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "operator" / "templates"],  # before Unfold's, which they extend
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

DATABASES = {"default": database("DATABASE_URL", embedded.database_url())}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LOGIN_REDIRECT_URL = "/admin/"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]  # together: nobody can lock a colleague out from elsewhere
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "aggregator.operator.sign_in.client_address"
AXES_LOCKOUT_CALLABLE = "aggregator.operator.sign_in.locked_out"
AXES_DISABLE_ACCESS_LOG = True  # the audit trail tells of locks
AXES_ENABLE_ADMIN = False  # the operator pages have their own
AXES_VERBOSE = False
TRUSTED_PROXIES = [
    read("TRUSTED_PROXIES", network, ip_network, example="addresses or networks like 127.0.0.1,10.0.0.0/8")
    for network in env.list("TRUSTED_PROXIES", default=[])
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en"
TIME_ZONE = "Europe/Amsterdam"  # how people see time; everything is stored in UTC
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = embedded.data_directory() / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # WhiteNoise warns about a folder that is not there
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True  # a checkout serves static files without a collect step
WHITENOISE_AUTOREFRESH = False

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
if BEHIND_TLS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # HSTS is for this host; what else its domain serves is not ours to say
    "security.W021",  # preloading is for a whole domain as well
    "security.W008",  # the proxy redirects to https: our own processes and health checks call each other without it
    "models.W045",  # a constraint in SQL is kept by the database alone, as it should be
]

# A batch of 10,000 meter values is about 1.5 MB of JSON; 32 MB leaves room and refuses the rest before parsing.
REQUEST_BODY_LIMIT_BYTES = env.int("REQUEST_BODY_LIMIT_BYTES", default=32 * 1024 * 1024)
DATA_UPLOAD_MAX_MEMORY_SIZE = REQUEST_BODY_LIMIT_BYTES

PARTNER_REQUESTS_PER_MINUTE = env.int("PARTNER_REQUESTS_PER_MINUTE", default=1200)

KEEP_ANSWERS = timedelta(hours=env.int("IDEMPOTENCY_HOURS", default=48))
KEEP_MONTHS = {
    "assets_minutereading": env.int("READING_MONTHS", default=3),
    "assets_readingquarter": env.int("METER_VALUE_MONTHS", default=84),
    "assets_meterinterval": env.int("METER_VALUE_MONTHS", default=84),  # seven years: Dutch bookkeeping (AWR art. 52)
}
KEEP_DRIVER_DATA = timedelta(days=env.int("DRIVER_DATA_DAYS", default=90))  # forecasts learn from eight weeks
ARCHIVE_DIRECTORY = Path(archive) if (archive := env.str("ARCHIVE_DIRECTORY", default="")) else None

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],  # a view is closed until it says who may come in
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "EXCEPTION_HANDLER": "aggregator.core.problems.exception_handler",
    "DATETIME_FORMAT": "%Y-%m-%dT%H:%M:%SZ",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Aggregator: interface for charge point operators",
    "DESCRIPTION": "Register assets, report sessions, states and meter values, receive setpoints.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "OAS_VERSION": "3.1.0",
    "ENUM_NAME_OVERRIDES": {
        "SetpointStatus": "assets.validation.kinds.SETPOINT_STATUSES",
        "Result": "assets.validation.kinds.RESULTS",
    },
    "OAUTH2_FLOWS": ["clientCredentials"],
    "OAUTH2_TOKEN_URL": "/oauth/token/",
}
OAUTH2_PROVIDER_APPLICATION_MODEL = "oauth2_provider.Application"
OAUTH2_PROVIDER = {
    "SCOPES": {
        "assets": "Register assets and report their state",
        "sessions": "Report charging sessions",
        "meter-values": "Deliver meter values",
        "setpoints": "Fetch setpoints and report their results",
    },
    "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
    "ALLOWED_GRANT_TYPES": ["client_credentials"],
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
    "PKCE_REQUIRED": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    # The best practice of OAuth 2.0 (RFC 9700), in full; access tokens too are stored as hashes only.
    **{
        f"COMPLIANT_BCP_RFC9700_{part}": True
        for part in (
            "IMPLICIT_GRANT",
            "PASSWORD_GRANT",
            "PKCE_METHOD",
            "ACCESS_TOKEN_TRANSPORT",
            "AUTHZ_RESPONSE_ISS",
            "TOKEN_STORAGE",
        )
    },
}

PUBLIC_URL = env.str("PUBLIC_URL", default="") or embedded.served_at() or "http://localhost:8000"
REDIS_URL = embedded.redis_url()
read("REDIS_URL", REDIS_URL, parse_url, example="an address like redis://:password@host:6379/0", is_secret=True)
CACHE_DATABASE = 1  # apart from the task queues: emptying the cache must not empty them
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"db": CACHE_DATABASE},
    }
}
CLOCK_FILE = env.str("AGGREGATOR_CLOCK_FILE", default="")
TICK_SECONDS = env.float("TICK_SECONDS", default=60.0)
STAY_MODEL = env.str("STAY_MODEL", default="nearest")
SETTLEMENT_WAIT = timedelta(seconds=env.float("SETTLEMENT_WAIT_SECONDS", default=43_200.0))

GOPACS_URL = env.str("GOPACS_URL", default="")
EXCHANGE_URL = env.str("EXCHANGE_URL", default="")
EXCHANGE_API_KEY = env.str("EXCHANGE_API_KEY", default="")
EXCHANGE_PARTICIPANT_ID = env.str("EXCHANGE_PARTICIPANT_ID", default="")
EXCHANGE_PUSH_TOKEN = env.str("EXCHANGE_PUSH_TOKEN", default="")
EXCHANGE_GATE = timedelta(minutes=env.float("EXCHANGE_GATE_MINUTES", default=15.0))
EXCHANGE_IN_FLIGHT = timedelta(minutes=env.float("EXCHANGE_IN_FLIGHT_MINUTES", default=5.0))
EXCHANGE_MINIMUM_DWELL = timedelta(minutes=env.float("EXCHANGE_MINIMUM_DWELL_MINUTES", default=0.0))
TENNET_URL = env.str("TENNET_URL", default="")
TENNET_API_KEY = env.str("TENNET_API_KEY", default="")
TENNET_PARTY_ID = env.str("TENNET_PARTY_ID", default="")
AFRR_CYCLE = timedelta(seconds=env.float("AFRR_CYCLE_SECONDS", default=4.0))
AFRR_SETPOINT_LONGEST_AGE = timedelta(seconds=env.float("AFRR_SETPOINT_LONGEST_AGE_SECONDS", default=12.0))
AFRR_HOLD = timedelta(seconds=env.float("AFRR_HOLD_SECONDS", default=60.0))
if not timedelta(0) < AFRR_CYCLE <= AFRR_SETPOINT_LONGEST_AGE or timedelta(0) > AFRR_HOLD:
    refuse(
        "AFRR_CYCLE_SECONDS must be above 0 and AFRR_SETPOINT_LONGEST_AGE_SECONDS at least as much, and "
        "AFRR_HOLD_SECONDS at least 0; write 4, 12 and 60."
    )
if TENNET_PARTY_ID:
    read("TENNET_PARTY_ID", TENNET_PARTY_ID, Ean13, example="13 digits, of which the last is their check digit")
AFRR_GATE = timedelta(minutes=within("AFRR_GATE_MINUTES", env.float("AFRR_GATE_MINUTES", default=25.0), 0.0, 1440.0))
AFRR_MOST_UP_MW = within("AFRR_MOST_UP_MW", env.int("AFRR_MOST_UP_MW", default=0), 0, 9999)
AFRR_MOST_DOWN_MW = within("AFRR_MOST_DOWN_MW", env.int("AFRR_MOST_DOWN_MW", default=0), 0, 9999)
AFRR_DOCUMENT_VERSION = env.str("AFRR_DOCUMENT_VERSION", default="7.4")
if AFRR_DOCUMENT_VERSION not in {"7.4", "7.2"}:
    refuse(f"AFRR_DOCUMENT_VERSION is {AFRR_DOCUMENT_VERSION!r}; write 7.4 or 7.2.")
GOPACS_API_KEY = env.str("GOPACS_API_KEY", default="")
GOPACS_CATEGORY_DIRECTIONS = env.dict("GOPACS_CATEGORY_DIRECTIONS", default=CATEGORY_DIRECTIONS)
GOPACS_VANISHED_AFTER = timedelta(minutes=env.float("GOPACS_VANISHED_AFTER_MINUTES", default=15.0))
GOPACS_WITHDRAWN_STATES = env.list("GOPACS_WITHDRAWN_STATES", default=sorted(WITHDRAWN_STATES))
UFTP_DOMAIN = env.str("UFTP_DOMAIN", default="")
UFTP_BROKER_URL = env.str("UFTP_BROKER_URL", default="")
UFTP_TOKEN_URL = env.str("UFTP_TOKEN_URL", default="")
UFTP_CLIENT_ID = env.str("UFTP_CLIENT_ID", default="")
UFTP_CLIENT_SECRET = env.str("UFTP_CLIENT_SECRET", default="")
UFTP_ADDRESS_BOOK_URL = env.str("UFTP_ADDRESS_BOOK_URL", default="")
UFTP_DNS_RESOLVER = env.str("UFTP_DNS_RESOLVER", default="")
UFTP_PROGNOSIS_AT = read(
    "UFTP_PROGNOSIS_AT", env.str("UFTP_PROGNOSIS_AT", default="06:00"), time.fromisoformat, example="a time like 06:00"
)
UFTP_REQUESTS_PER_MINUTE = env.int("UFTP_REQUESTS_PER_MINUTE", default=1200)
LIMIT_ARRIVALS_QUANTILE = env.float("LIMIT_ARRIVALS_QUANTILE", default=0.95)
OCPI_COUNTRY_CODE = env.str("OCPI_COUNTRY_CODE", default="NL")
OCPI_PARTY_ID = env.str("OCPI_PARTY_ID", default="AGG")
OCPI_ROLE = env.str("OCPI_ROLE", default="SCSP")  # some stacks know only CPO and EMSP: then EMSP or OTHER
OCPI_NAME = env.str("OCPI_NAME", default="Aggregator")
OCPI_REQUESTS_PER_MINUTE = env.int("OCPI_REQUESTS_PER_MINUTE", default=6000)
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
HTTP_ALLOWED_PRIVATE_HOSTS = env.list("HTTP_ALLOWED_PRIVATE_HOSTS", default=[])

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
if LOG_LEVEL not in logging.getLevelNamesMapping():
    refuse(f"LOG_LEVEL is {LOG_LEVEL!r}; write DEBUG, INFO, WARNING, ERROR or CRITICAL.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {"axes": {"level": "WARNING"}},  # each log-in would be four lines
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
}

UNFOLD = {
    "SITE_TITLE": "Aggregator",
    "SITE_HEADER": "Aggregator",
    "SITE_SYMBOL": "bolt",
    "DASHBOARD_CALLBACK": "aggregator.operator.dashboard.dashboard_context",
    "STYLES": [lambda _request: f"/{STATIC_URL}operator/operator.css"],
    "SCRIPTS": [
        lambda _request: f"/{STATIC_URL}operator/keyboard.js",
        lambda _request: f"/{STATIC_URL}operator/charts.js",
    ],
    "SIDEBAR": {"navigation": "aggregator.operator.navigation.sidebar"},
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": f"/{STATIC_URL}operator/favicon.svg"}],
    "SITE_URL": None,
    "COLORS": {
        "primary": {  # a blue that is readable on white (600 and darker) and on the dark theme (500 and lighter)
            "50": "#eff6ff",
            "100": "#dbeafe",
            "200": "#bfdbfe",
            "300": "#93c5fd",
            "400": "#60a5fa",
            "500": "#3b82f6",
            "600": "#1d4ed8",
            "700": "#1e40af",
            "800": "#1e3a8a",
            "900": "#172554",
            "950": "#0f1a3d",
        }
    },
    "SHOW_BACK_BUTTON": True,
}

"""Settings of the mock market: all from the environment; it shares nothing with the product but a database server."""

from django.core.management.utils import get_random_secret_key

from aggregator.embedded import database_url
from aggregator.environment import Environment, database

env = Environment()

SECRET_KEY = get_random_secret_key()  # nothing is signed and no one logs in, so it need not outlive the process
DEBUG = False
CONTROL_TOKEN = env.str("MOCK_GOPACS_CONTROL_TOKEN", default="")
WEBHOOK_PRIVATE_HOSTS = frozenset(env.list("MOCK_GOPACS_WEBHOOK_PRIVATE_HOSTS", default=["localhost", "127.0.0.1"]))
"""Hosts on private networks that may be called back; public addresses always may."""

INSTALLED_APPS = ["mock_gopacs"]
MIDDLEWARE = ["mock_gopacs.middleware.RequestLog", "mock_gopacs.middleware.Faults"]
ROOT_URLCONF = "mock_gopacs.urls"
WSGI_APPLICATION = "mock_gopacs.wsgi.application"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
_own_database = env.str("MOCK_GOPACS_DATABASE_URL", default="")
DATABASES = {
    "default": database("MOCK_GOPACS_DATABASE_URL", _own_database)
    if _own_database
    else database("DATABASE_URL", database_url("mock_gopacs"))
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

USE_TZ = True
TIME_ZONE = "Europe/Amsterdam"
LANGUAGE_CODE = "en"
USE_I18N = False

DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
APPEND_SLASH = False
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    # Refusals are this counterparty's daily work and stand in its request log; only its own failures are news.
    "loggers": {"django.request": {"level": "ERROR"}},
}

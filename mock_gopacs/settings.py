"""Settings of the mock market: all from the environment; it shares nothing with the product but a database server."""

import os

from django.core.management.utils import get_random_secret_key

from aggregator.core.database import django_database
from aggregator.embedded import database_url


def _words(variable: str, default: str) -> list[str]:
    return [word.strip() for word in os.environ.get(variable, default).split(",") if word.strip()]


SECRET_KEY = get_random_secret_key()  # nothing is signed and no one logs in, so it need not outlive the process
DEBUG = False
CONTROL_TOKEN = os.environ.get("MOCK_GOPACS_CONTROL_TOKEN", "")
WEBHOOK_PRIVATE_HOSTS = frozenset(_words("MOCK_GOPACS_WEBHOOK_PRIVATE_HOSTS", "localhost,127.0.0.1"))
"""Hosts on private networks that may be called back; public addresses always may."""

INSTALLED_APPS = ["mock_gopacs"]
MIDDLEWARE = ["mock_gopacs.middleware.RequestLog", "mock_gopacs.middleware.Faults"]
ROOT_URLCONF = "mock_gopacs.urls"
WSGI_APPLICATION = "mock_gopacs.wsgi.application"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DATABASES = {"default": django_database(os.environ.get("MOCK_GOPACS_DATABASE_URL") or database_url("mock_gopacs"))}
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

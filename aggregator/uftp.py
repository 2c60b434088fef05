"""The ASGI door for UFTP messages, in a process of its own: `gunicorn aggregator.uftp --worker-class asgi`."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aggregator.settings")
django.setup()

from bidding.uftp.own_process import MessageDoor  # noqa: E402 - needs the settings

application = MessageDoor()

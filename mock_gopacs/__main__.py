"""`python -m mock_gopacs <command>`: Django's commands under the mock market's own settings."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "mock_gopacs.settings"
    execute_from_command_line(["mock_gopacs", *sys.argv[1:]])

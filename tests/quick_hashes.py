"""A password hasher for tests."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class OneRound(PBKDF2PasswordHasher):
    """The service's own algorithm in one round: the service's processes can check what was hashed by it."""

    iterations = 1

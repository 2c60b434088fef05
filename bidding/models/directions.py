from django.db import models


class Direction(models.TextChoices):
    """Which way consumption is moved."""

    REDUCE = "reduce", "Consume less"
    INCREASE = "increase", "Consume more"

"""Names of fields and kinds of rows as people write them, wherever the admin shows them."""

from typing import Any

from django.apps import apps

_WRITTEN = {
    word.lower(): word for word in ("BRP", "DSO", "EAN", "EANs", "EVSE", "OCPI", "PTU", "PTUs", "UFTP", "URL", "V2G")
}


def spelled(name: str) -> str:
    """Return a name in words, abbreviations in capitals.

    >>> spelled("aggregation_ean"), spelled("ptu_start")
    ('aggregation EAN', 'PTU start')
    """
    return " ".join(_WRITTEN.get(word, word) for word in name.replace("_", " ").split(" "))


def spell_names() -> None:
    """Correct what Django derived from the names of our models and fields; migrations do not see it."""
    for app in ("core", "assets", "bidding", "settlement"):
        for model in apps.get_app_config(app).get_models():
            options: Any = model._meta  # noqa: SLF001 - Django's documented API
            for named, name in ((options, "verbose_name"), (options, "verbose_name_plural")):
                setattr(named, name, spelled(str(getattr(named, name))))
            for field in options.fields:
                field.verbose_name = spelled(str(field.verbose_name))

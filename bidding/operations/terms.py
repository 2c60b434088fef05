"""Setting the terms on which a group bids; what held before is kept."""

from datetime import datetime
from typing import Any, TypeVar

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from aggregator.core import audit
from assets.models import AggregationEan
from bidding.models import Mandate, PricingPolicy

Terms = TypeVar("Terms", Mandate, PricingPolicy)


@transaction.atomic
def set_terms(
    kind: type[Terms],
    *,
    aggregation_ean: AggregationEan,
    now: datetime,
    actor: AbstractBaseUser | None = None,
    active_from: datetime | None = None,
    **values: Any,
) -> Terms:
    """Let a group's mandate or pricing policy hold from `active_from` on, now if not given.

    Raises `ValidationError` with the rule that the values break.
    """
    terms = kind(
        aggregation_ean=aggregation_ean,
        active_from=active_from or now,
        entered_at=now,
        entered_by_id=actor.pk if actor else None,
        **values,
    )
    terms.full_clean(exclude=["entered_by"])
    terms.save()
    audit.record(
        now=now,
        action=f"bidding.{kind._meta.model_name}.added",  # noqa: SLF001 - Django's documented API
        subject=terms,
        actor=actor,
        after={name: str(value) for name, value in values.items()},
    )
    return terms

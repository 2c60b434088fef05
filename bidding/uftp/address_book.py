"""Which keys a sender may sign with: those a person entered, else those of the address book (V3) or DNS, remembered."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import Q, QuerySet

from aggregator.core import audit
from aggregator.core.http import RequestFailed, RequestRefused
from aggregator.core.rates import is_within
from aggregator.core.services import http_client
from bidding.markets.uftp.keys import InvalidKey, PublicKey
from bidding.markets.uftp.vocabulary import Role
from bidding.models import UftpParticipant, UftpPublicKey
from bidding.uftp import dns_lookup
from bidding.uftp.services import tokens

logger = logging.getLogger(__name__)

FRESH_FOR = timedelta(hours=1)
OVERLAP = timedelta(hours=24)  # the specification advises to keep the old key about a day
UNKNOWN_FOR_SECONDS = 60
LOOKUPS_PER_MINUTE = 60  # strangers must not make us flood the address book
TIMEOUT_SECONDS = 5.0
ROLES = frozenset({Role.DSO})  # its answers name no role, and only operators have business with us
_Source = UftpParticipant.Source


class NobodyAnswers(RuntimeError):
    """Which keys a participant has cannot be asked now; another time it can."""


def keys_of(*, domain: str, role: Role, now: datetime, refresh: bool = False) -> list[PublicKey]:
    """Return the keys that `domain` may sign with in `role`, newest first; none when it is unknown.

    When nobody answers, what was said before still holds. `refresh` asks again even if the last answer is fresh, for a
    signature that no known key made, and raises `NobodyAnswers` then: only an answer tells that it is wrong.
    """
    participant = UftpParticipant.objects.filter(domain=domain, role=role).first()
    if participant is None or participant.source != _Source.BY_HAND:
        last = participant.fetched_at if participant else None
        if role in ROLES and (refresh or last is None or now - last >= FRESH_FOR):
            try:
                participant = _look_up(domain, role, now) or participant
            except NobodyAnswers:
                if refresh:
                    raise
    if participant is None:
        return []
    valid = participant.public_keys.filter(Q(valid_until__isnull=True) | Q(valid_until__gt=now), valid_from__lte=now)
    return [PublicKey.from_text(key.text) for key in valid.order_by("-valid_from", "-pk")]


@transaction.atomic
def remember_by_hand(
    *, domain: str, role: Role, public_key: PublicKey, endpoint: str, version: str, now: datetime
) -> UftpParticipant:
    """Store a participant that a person entered; a new key takes over from the old one, with overlap."""
    values = {"endpoint": endpoint, "version": version, "source": _Source.BY_HAND, "fetched_at": None}
    participant, _ = UftpParticipant.objects.update_or_create(domain=domain, role=role, defaults=values)
    participant.full_clean()
    _take_over_key(participant, public_key, now)
    audit.record(
        now=now, action="bidding.uftp-participant.entered", subject=participant, after={"public_key": str(public_key)}
    )
    return participant


@transaction.atomic
def bar(*, participant: UftpParticipant, is_barred: bool, now: datetime) -> None:
    """Let a participant's messages be answered with "Barred Sender" from now on, or no longer."""
    participant.is_barred = is_barred
    participant.save(update_fields=["is_barred"])
    action = f"bidding.uftp-participant.{'barred' if is_barred else 'not-barred'}"
    audit.record(now=now, action=action, subject=participant)


@transaction.atomic
def revoke_old_keys(*, participant: UftpParticipant, now: datetime) -> int:
    """Let only the key that took over hold, for one whose key is in wrong hands; return how many went."""
    old = participant.public_keys.filter(valid_until__gt=now)
    texts = list(old.values_list("text", flat=True))
    old.delete()
    audit.record(now=now, action="bidding.uftp-key.revoked", subject=participant, before={"public_keys": texts})
    return len(texts)


def _look_up(domain: str, role: Role, now: datetime) -> UftpParticipant | None:
    """Return what is said of a participant now, None when it is unknown; raise `NobodyAnswers`."""
    if not settings.UFTP_ADDRESS_BOOK_URL and not settings.UFTP_DNS_RESOLVER:
        return None
    find = _find_in_book if settings.UFTP_ADDRESS_BOOK_URL else _find_in_dns
    if len(domain) > UftpParticipant._meta.get_field("domain").max_length:  # type: ignore[operator]  # noqa: SLF001 - Django's documented API
        return None
    unknown = f"uftp:unknown:{domain}"
    if cache.get(unknown):
        return None
    if not is_within(key="address-book", limit=LOOKUPS_PER_MINUTE):
        raise NobodyAnswers(f"{domain} is not looked up now: there were {LOOKUPS_PER_MINUTE} look-ups in this minute.")
    try:
        found = find(domain, role)
    except (RequestFailed, RequestRefused, dns_lookup.LookupFailed) as failure:
        logger.warning("%s could not be looked up: %s", domain, failure)
        raise NobodyAnswers(f"{domain} could not be looked up.") from failure
    if found is None:
        cache.set(unknown, True, UNKNOWN_FOR_SECONDS)
        _let_keys_run_out(UftpPublicKey.objects.filter(participant__domain=domain, participant__role=role), now)
        return None
    return _remember_fetched(domain=domain, role=role, found=found, now=now)


@dataclass(frozen=True, slots=True)
class _Found:
    """What a look-up said; the key that holds comes first."""

    source: str
    public_keys: Sequence[PublicKey]
    values: Mapping[str, str]


def _find_in_book(domain: str, _role: Role) -> _Found | None:
    url = f"{settings.UFTP_ADDRESS_BOOK_URL.rstrip('/')}/participants/{quote(domain, safe='')}"
    public_key = _fetch_key(url)
    return _Found(_Source.ADDRESS_BOOK, [public_key], {}) if public_key else None


def _find_in_dns(domain: str, role: Role) -> _Found | None:
    found = dns_lookup.find(domain=domain, role=role, resolver=settings.UFTP_DNS_RESOLVER)
    if found is None:
        return None
    values = {"endpoint": found.endpoint}
    if found.version in UftpParticipant.Version.values:
        values["version"] = found.version
    return _Found(_Source.DNS, found.public_keys, values)


def _fetch_key(url: str) -> PublicKey | None:
    """Return the key at `url`, or None when the participant is unknown there."""
    source = tokens()
    for is_last in (False, True):
        answer = http_client().request(
            method="GET", url=url, headers=source.headers() if source else {}, timeout_seconds=TIMEOUT_SECONDS
        )
        if answer.status_code == 401 and source and not is_last:  # noqa: PLR2004 - statuses are known by their numbers
            source.forget()
            continue
        break
    if answer.status_code == 404:  # noqa: PLR2004 - statuses are known by their numbers
        return None
    if not answer.is_success:
        raise RequestFailed(f"HTTP {answer.status_code} from {url}")
    try:
        return PublicKey.from_text(str(json.loads(answer.body)["publicKey"]))
    except (ValueError, TypeError, KeyError, InvalidKey) as error:
        raise RequestFailed(f"{url} gave no usable publicKey: {error}") from error


@transaction.atomic
def _remember_fetched(*, domain: str, role: Role, found: _Found, now: datetime) -> UftpParticipant:
    participant, _ = UftpParticipant.objects.select_for_update().get_or_create(
        domain=domain, role=role, defaults={"source": found.source, "fetched_at": now}
    )
    if participant.source != _Source.BY_HAND:  # a person may have entered it meanwhile, and wins
        for name, value in {"source": found.source, "fetched_at": now, **found.values}.items():
            setattr(participant, name, value)
        participant.save()
        for public_key in reversed(found.public_keys):
            _take_over_key(participant, public_key, now)
    return participant


def _take_over_key(participant: UftpParticipant, public_key: PublicKey, now: datetime) -> None:
    """Make `public_key` the one that holds; those before it hold on for the overlap."""
    _let_keys_run_out(participant.public_keys.exclude(text=str(public_key)), now)
    UftpPublicKey.objects.update_or_create(
        participant=participant,
        text=str(public_key),
        defaults={"valid_until": None},
        create_defaults={"valid_from": now},
    )


def _let_keys_run_out(keys: QuerySet[UftpPublicKey], now: datetime) -> None:
    """Let keys that are no longer named hold for the overlap, and not longer."""
    keys.filter(valid_until__isnull=True).update(valid_until=now + OVERLAP)

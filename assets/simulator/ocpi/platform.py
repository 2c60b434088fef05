"""One partner's OCPI platform: who it is registered with, what it lists, and what becomes of charging profiles."""

import json
import logging
import secrets
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

from aggregator.core.clock import Clock
from aggregator.core.http import HttpClient, RequestFailed
from aggregator.core.ptu import PTU_SECONDS
from assets.ocpi.wire import authorization, read_envelope, tokens_in
from assets.simulator.documents import instant
from assets.simulator.inbox import Inbox, write_durably
from assets.simulator.ocpi.access import OcpiAccess
from assets.simulator.ocpi.faults import strikes
from assets.simulator.ocpi.profiles import Profile, UnsuitableProfile, read_profile
from assets.simulator.ocpi.store import Store
from assets.simulator.partner_api import Stopped
from assets.simulator.portfolio import Asset

logger = logging.getLogger(__name__)

FIRST_BATCH_ID = 10**12
"""Above every batch of the aggregator's own numbering: the inbox is shared with partners on REST."""
CALLBACK_TIMEOUT_SECONDS = 120
"""Within what time a station's answer is promised; a late one comes after it."""
RETRY_SECONDS = 0.25
CALLBACKS_AT_ONCE = 4


class OcpiPlatform:
    """Answers the aggregator and calls it; `url` is where its own /ocpi begins."""

    def __init__(
        self,
        *,
        key: str,
        url: str,
        access: OcpiAccess,
        http: HttpClient,
        clock: Clock,
        stop: threading.Event,
        inbox: Inbox,
        assets: Mapping[str, Asset],
        memory: Path,
    ) -> None:
        self.key = key
        self.party = access.party
        self.pushes = access.pushes
        self.sessions, self.locations = Store(), Store()
        self.refused = 0
        """Objects and answers that the aggregator did not take."""
        self.url = url
        self._access = access
        self._http = http
        self._clock = clock
        self._stop = stop
        self._inbox = inbox
        self._assets = assets
        self._memory = memory
        self._lock = threading.Lock()
        self._asset_of: dict[str, str] = {}
        self._profiles: dict[str, Profile] = {}
        self._lost: list[tuple[int, str]] = []
        self._set_at: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self._next_batch_id = max((batch.batch.batch_id for batch in inbox.all_batches()), default=0) + 1
        self._next_batch_id = max(self._next_batch_id, FIRST_BATCH_ID)
        self._callbacks = ThreadPoolExecutor(CALLBACKS_AT_ONCE, thread_name_prefix=f"{key}-callbacks")
        self._known: dict[str, Any] = json.loads(memory.read_text("utf-8")) if memory.exists() else {}

    # Registration

    def register(self) -> None:
        """Shake hands with the aggregator, unless that was done before; raise `Stopped` when shutting down."""
        if "endpoints" in self._known:
            return
        self._known = {"token_b": self._known.get("token_b") or secrets.token_urlsafe(32)}
        self._remember()
        token = self._access.registration_token
        versions = self._until_answered("GET", self._access.versions_url, token)
        details = self._until_answered("GET", next(row["url"] for row in versions if row["version"] == "2.2.1"), token)
        endpoints = {row["identifier"]: row["url"] for row in details["endpoints"]}
        credentials = self._until_answered("POST", endpoints["credentials"], token, self._credentials())
        self._known |= {"token_c": credentials["token"], "endpoints": endpoints}
        self._remember()

    def is_called_with(self, header: str) -> bool:
        """Tell whether a request comes from the aggregator."""
        return any(secrets.compare_digest(given, self._known.get("token_b", "")) for given in tokens_in(header))

    def versions(self) -> list[dict[str, str]]:
        """Return the versions we speak."""
        return [{"version": "2.2.1", "url": f"{self.url}/2.2.1"}]

    def details(self) -> dict[str, Any]:
        """Return our endpoints."""
        roles = {"credentials": "RECEIVER", "locations": "SENDER", "sessions": "SENDER", "chargingprofiles": "RECEIVER"}
        return {
            "version": "2.2.1",
            "endpoints": [
                {"identifier": name, "role": role, "url": f"{self.url}/2.2.1/{name}"} for name, role in roles.items()
            ],
        }

    def _credentials(self) -> dict[str, Any]:
        role = {"role": "CPO", **self.party.fields(), "business_details": {"name": self.key.capitalize()}}
        return {"token": self._known["token_b"], "url": f"{self.url}/versions", "roles": [role]}

    def _remember(self) -> None:
        self._memory.touch(mode=0o600)
        write_durably(self._memory, json.dumps(self._known).encode())

    # What we tell

    def push(self, session: dict[str, Any]) -> None:
        """Push a session once; a push that fails is not repeated, as the aggregator fetches what it missed."""
        url = "/".join([self._known["endpoints"]["sessions"], *self.party.fields().values(), session["id"]])
        try:
            self._call("PUT", url, self._known["token_c"], session)
        except RequestFailed as error:
            logger.warning("A session could not be pushed: %s", error)

    def begin(self, session_id: str, asset: str) -> None:
        """Let charging profiles reach a session."""
        with self._lock:
            self._asset_of[session_id] = asset

    def end(self, session_id: str, now: int) -> None:
        """Let go of a session: its profile ends with it."""
        with self._lock:
            self._asset_of.pop(session_id, None)
        self._release(session_id, now)

    def reconnect_stations(self, now: int) -> None:
        """Let the stations whose reconnecting is due lose their profiles."""
        with self._lock:
            due = [name for at, name in self._lost if at <= now]
            self._lost = [(at, name) for at, name in self._lost if at > now]
        for session_id in due:
            asset = self._asset(session_id)
            self._release(session_id, now)
            if asset is not None:
                self._callbacks.submit(self._tell_free, session_id, asset, now)

    def _tell_free(self, session_id: str, asset: Asset, now: int) -> None:
        """Tell unasked what is in force at a station that lost its profile: its own maximum."""
        free = {
            "charging_rate_unit": "W",
            "charging_profile_period": [{"start_period": 0, "limit": asset.max_import_w}],
        }
        document = {"start_date_time": instant(now), "charging_profile": free}
        url = "/".join([self._known["endpoints"]["chargingprofiles"], session_id])
        try:
            self._call("PUT", url, self._known["token_c"], document)
        except RequestFailed as error:
            logger.warning("What is in force could not be told: %s", error)

    # Charging profiles

    def set_profile(self, session_id: str, body: Any) -> dict[str, Any]:
        """Take in a SetChargingProfile; return the ChargingProfileResponse. Raises `InvalidProfile`."""
        asset = self._asset(session_id)
        if asset is None:
            return _answered("UNKNOWN_SESSION")
        now = self._now()
        with self._lock:
            number = self._numbers[session_id] = self._numbers.get(session_id, 0) + 1
            last, self._set_at[session_id] = self._set_at.get(session_id), now
        faults = self._access.faults
        if last is not None and now - last < faults.too_often_seconds:
            return _answered("TOO_OFTEN")
        try:
            profile, response_url = read_profile(body, asset)
        except UnsuitableProfile as error:
            logger.info("A profile is not suitable: %s", error)
            return _answered("NOT_SUPPORTED")
        if strikes(faults.rejected_share, fault="rejected", session_id=session_id, number=number):
            return _answered("REJECTED")
        is_accepted = not self._is_offline(session_id) and self._keep(session_id, asset, profile)
        if is_accepted and strikes(faults.loses_limit_share, fault="loses", session_id=session_id, number=number):
            with self._lock:
                self._lost.append((now + faults.loses_limit_after_seconds, session_id))
        self._call_back(response_url, {"result": "ACCEPTED" if is_accepted else "REJECTED"}, session_id, number)
        return _answered("ACCEPTED")

    def clear_profile(self, session_id: str, response_url: str) -> dict[str, Any]:
        """Let a session's station forget its profile."""
        if self._asset(session_id) is None:
            return _answered("UNKNOWN_SESSION")
        result = (
            "REJECTED" if self._is_offline(session_id) else "ACCEPTED" if session_id in self._profiles else "UNKNOWN"
        )
        if result == "ACCEPTED":
            self._release(session_id, self._now())
        self._call_back(response_url, {"result": result}, session_id, 0)
        return _answered("ACCEPTED")

    def ask_profile(self, session_id: str, response_url: str) -> dict[str, Any]:
        """Ask a session's station what it keeps."""
        asset = self._asset(session_id)
        if asset is None:
            return _answered("UNKNOWN_SESSION")
        if self._is_offline(session_id):
            self._callbacks.submit(self._deliver, response_url, {"result": "REJECTED"}, 0.0)
            return _answered("ACCEPTED")
        kept = self._profiles.get(session_id)
        active = kept.active(asset=asset, now=self._now()) if kept else None
        answer = {"result": "ACCEPTED"} | ({} if active is None else {"profile": active})
        self._callbacks.submit(self._deliver, response_url, answer, 0.0)
        return _answered("ACCEPTED")

    def _asset(self, session_id: str) -> Asset | None:
        with self._lock:
            return self._assets.get(self._asset_of.get(session_id, ""))

    def _is_offline(self, session_id: str) -> bool:
        """Tell whether the session's station went offline when its newest profile came."""
        with self._lock:
            number = self._numbers.get(session_id, 0)
        return strikes(self._access.faults.offline_share, fault="offline", session_id=session_id, number=number)

    def _keep(self, session_id: str, asset: Asset, profile: Profile) -> bool:
        """Put a profile in force, in the place of the one before; return whether the station takes it."""
        with self._lock:
            before = self._profiles.get(session_id)
            number, self._next_batch_id = self._next_batch_id, self._next_batch_id + 1
        ends_at = max(profile.ends_at, before.ends_at if before else 0)
        free = (asset.max_import_w,) * (-(-(ends_at - profile.ends_at) // PTU_SECONDS))
        setpoint = {
            "setpoint_id": number,
            "asset": asset.external_id,
            "starts_at": instant(profile.starts_at),
            "ends_at": instant(profile.ends_at + len(free) * PTU_SECONDS),
            "power_w": [*profile.power_w, *free],
            "start_early_s": profile.start_early_s,
            "end_late_s": profile.end_late_s,
        }
        received = self._inbox.receive(self.key, json.dumps({"batch_id": number, "setpoints": [setpoint]}).encode())
        if received.answers[0].reason:
            logger.info("A profile is not kept: %s", received.answers[0].reason)
            return False
        with self._lock:
            self._profiles[session_id] = profile
        return True

    def _release(self, session_id: str, now: int) -> None:
        """Set a station free from `now` on, for as long as it would have been held."""
        with self._lock:
            profile = self._profiles.pop(session_id, None)
        if profile is None or profile.ends_at <= now:
            return
        asset = self._assets[session_id.rpartition("-")[0]]
        starts_at = now // PTU_SECONDS * PTU_SECONDS
        ptus = -(-(profile.ends_at - starts_at) // PTU_SECONDS)
        self._keep(session_id, asset, Profile(starts_at, (asset.max_import_w,) * ptus))
        with self._lock:
            self._profiles.pop(session_id, None)

    def _call_back(self, url: str, answer: dict[str, Any], session_id: str, number: int) -> None:
        """Let the station answer: once and soon, or as the faults have it."""
        faults = self._access.faults
        if strikes(faults.callback_never_share, fault="never", session_id=session_id, number=number):
            return
        is_late = strikes(faults.callback_late_share, fault="late", session_id=session_id, number=number)
        wait = self._clock.real_seconds(timedelta(seconds=faults.callback_late_seconds)) if is_late else 0.0
        times = 1 + strikes(faults.callback_twice_share, fault="twice", session_id=session_id, number=number)
        for _ in range(times):
            self._callbacks.submit(self._deliver, url, answer, wait)

    def _deliver(self, url: str, answer: dict[str, Any], wait: float) -> None:
        if wait and self._stop.wait(wait):
            return
        try:
            self._call("POST", url, self._known["token_c"], answer)
        except RequestFailed as error:
            logger.warning("A station's answer got lost: %s", error)  # stations do not repeat themselves

    # Calling

    def _call(self, method: str, url: str, token: str, document: Any = None) -> Any:
        """Return the data of an answer; count and log what is refused. Raises `RequestFailed`."""
        answer = self._http.request(
            method=method,
            url=url,
            headers={
                "Authorization": authorization(token),
                "Content-Type": "application/json",
                "X-Request-ID": str(uuid.uuid4()),
                "X-Correlation-ID": str(uuid.uuid4()),
                **({} if token == self._access.registration_token else self._routing()),
            },
            body=None if document is None else json.dumps(document).encode(),
        )
        try:
            return read_envelope(http_status=answer.status_code, body=answer.body, what=f"{method} {url}").data
        except RuntimeError as error:
            if answer.can_be_retried:
                raise RequestFailed(str(error)) from error
            self.refused += 1
            logger.error("Refused: %s", error)  # noqa: TRY400 - the text explains it; a traceback would not
            return None

    def _routing(self) -> dict[str, str]:
        """Return from whom a request to a functional module is; for whom, the token says."""
        return {"OCPI-from-country-code": self.party.country_code, "OCPI-from-party-id": self.party.party_id}

    def _until_answered(self, method: str, url: str, token: str, document: Any = None) -> Any:
        while True:
            try:
                data = self._call(method, url, token, document)
            except RequestFailed as error:
                logger.warning("%s %s failed, trying again: %s", method, url, error)
            else:
                if data is not None:
                    return data
            if self._stop.wait(RETRY_SECONDS):
                raise Stopped

    def _now(self) -> int:
        return int(self._clock.now().timestamp())


def _answered(result: str) -> dict[str, Any]:
    return {"result": result, "timeout": CALLBACK_TIMEOUT_SECONDS}

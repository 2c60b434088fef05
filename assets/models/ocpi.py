from django.db import models
from django.db.models import Q

from aggregator.core.ptu import dutch_time


class OcpiConnection(models.Model):
    """A partner's OCPI platform: what we agreed on, and how it is reached once it is registered."""

    class RateUnit(models.TextChoices):
        WATT = "W", "Watt over all phases"
        AMPERE = "A", "Ampere per phase"

    partner = models.OneToOneField("assets.Partner", on_delete=models.PROTECT, primary_key=True, related_name="ocpi")
    rate_unit = models.CharField(max_length=1, choices=RateUnit.choices, default=RateUnit.WATT)
    is_v2g_agreed = models.BooleanField(
        default=False, help_text="Send setpoint and discharge_limit, our extension; off: charge-only."
    )
    sends_raw_token = models.BooleanField(default=False, help_text="The peer expects tokens without base64.")
    pull_minutes = models.PositiveSmallIntegerField(default=15, help_text="How often its sessions are fetched.")
    seconds_between_profiles = models.PositiveSmallIntegerField(
        default=60, help_text="Least time between two charging profiles for one session."
    )
    versions_url = models.CharField(max_length=255, blank=True, help_text="Empty until it is registered.")
    endpoints = models.JSONField(default=dict, blank=True, help_text="Its addresses by module and role.")
    peer_token_sealed = models.BinaryField(blank=True, help_text="What we call it with, encrypted: we must send it.")
    registered_at = models.DateTimeField(null=True, blank=True)
    heard_at = models.DateTimeField(null=True, blank=True, help_text="When it last told us something, to the minute.")
    pulled_at = models.DateTimeField(null=True, blank=True, help_text="When its objects were last fetched.")
    sessions_until = models.DateTimeField(null=True, blank=True, help_text="Newest last_updated that was fetched.")
    locations_until = models.DateTimeField(null=True, blank=True)
    unfinished = models.JSONField(
        default=dict, blank=True, help_text="Lists that a turn did not come to the end of, and where each goes on."
    )
    pull_error = models.TextField(blank=True, help_text="Why the last fetch failed.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(registered_at__isnull=True) | ~Q(versions_url=""), name="ocpi_registered_with_an_address"
            ),
            models.CheckConstraint(condition=Q(pull_minutes__gt=0), name="ocpi_pull_minutes_positive"),
        ]

    def __str__(self) -> str:
        return f"OCPI connection of {self.partner_id}"


class OcpiParty(models.Model):
    """A CPO that a connection speaks for; nobody else may speak for it."""

    connection = models.ForeignKey(OcpiConnection, on_delete=models.CASCADE, related_name="parties")
    country_code = models.CharField(max_length=2, help_text="In capitals.")
    party_id = models.CharField(max_length=3, help_text="In capitals.")

    class Meta:
        verbose_name_plural = "OCPI parties"
        constraints = [
            models.UniqueConstraint(fields=["country_code", "party_id"], name="ocpi_party_in_one_connection")
        ]

    def __str__(self) -> str:
        return f"{self.country_code}*{self.party_id}"


class OcpiToken(models.Model):
    """A token that a peer calls us with, `<lookup_id>.<secret>`; the secret itself is not kept."""

    class Purpose(models.TextChoices):
        REGISTRATION = "registration", "Register once (TOKEN_A)"
        OPERATION = "operation", "Call us"

    connection = models.ForeignKey(OcpiConnection, on_delete=models.CASCADE, related_name="tokens")
    purpose = models.CharField(max_length=12, choices=Purpose.choices)
    lookup_id = models.CharField(max_length=16, unique=True)
    secret_sha256 = models.CharField(max_length=64, help_text="Of 256 random bits, so a plain hash is enough.")
    created_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True, help_text="When it was first used.")

    def __str__(self) -> str:
        return f"token {self.lookup_id}"


class OcpiLocation(models.Model):
    """A partner's Location as last told, for GET and PATCH; it holds nothing about people."""

    connection = models.ForeignKey(OcpiConnection, on_delete=models.PROTECT, related_name="locations")
    key = models.CharField(max_length=48, help_text="Party and id in lower case.")
    document = models.JSONField()
    last_updated = models.DateTimeField()

    class Meta:
        verbose_name = "OCPI location"
        constraints = [models.UniqueConstraint(fields=["connection", "key"], name="ocpi_location_once_per_connection")]

    def __str__(self) -> str:
        return f"OCPI location {self.key}"


class OcpiEvse(models.Model):
    """An EVSE of a partner's Location, and the asset it is for us."""

    connection = models.ForeignKey(OcpiConnection, on_delete=models.PROTECT, related_name="evses")
    asset = models.OneToOneField("assets.Asset", on_delete=models.PROTECT, related_name="ocpi_evse")
    key = models.CharField(max_length=36, help_text="The EVSE's uid in lower case: OCPI ids have no case.")
    party = models.CharField(
        max_length=6, blank=True, help_text="Whose it is, as NL*STA; empty until its Location is told again."
    )
    location = models.CharField(
        max_length=48, blank=True, help_text="Where it is: the key of its Location; empty until that is told again."
    )
    status = models.CharField(max_length=20)
    phases = models.PositiveSmallIntegerField(help_text="0 for direct current.")
    is_profile_capable = models.BooleanField()
    defines_asset = models.BooleanField(help_text="The asset came with the Location, so its limits follow it.")
    last_updated = models.DateTimeField()

    class Meta:
        verbose_name = "OCPI EVSE"
        constraints = [models.UniqueConstraint(fields=["connection", "key"], name="ocpi_evse_once_per_connection")]

    def __str__(self) -> str:
        return f"EVSE {self.key}"


class OcpiUnknownEvse(models.Model):
    """An EVSE that sessions named before any Location did; once it is known, they are fetched again."""

    connection = models.ForeignKey(OcpiConnection, on_delete=models.PROTECT, related_name="unknown_evses")
    key = models.CharField(max_length=36, help_text="The EVSE's uid in lower case.")
    missed_since = models.DateTimeField(help_text="The oldest `last_updated` of the sessions that were refused.")

    class Meta:
        verbose_name = "unknown EVSE"
        constraints = [models.UniqueConstraint(fields=["connection", "key"], name="ocpi_unknown_evse_once")]

    def __str__(self) -> str:
        return f"unknown EVSE {self.key}"


class OcpiSession(models.Model):
    """A partner's Session as last told, for PATCH, for charging profiles and for telling old news from new.

    `document` holds the object while it can still change, with pseudonyms for card and contract; a session that is
    over keeps none.
    """

    connection = models.ForeignKey(OcpiConnection, on_delete=models.PROTECT, related_name="sessions")
    evse = models.ForeignKey(OcpiEvse, on_delete=models.PROTECT, related_name="sessions")
    key = models.CharField(max_length=48, help_text="Party and id in lower case.")
    session_id = models.CharField(max_length=36, help_text="As the partner writes it.")
    status = models.CharField(max_length=11)
    is_discharge_allowed = models.BooleanField(default=False, help_text="The driver agreed to feeding in.")
    last_updated = models.DateTimeField()
    document = models.JSONField(null=True, blank=True)
    active_profile = models.JSONField(null=True, blank=True, help_text="What the partner says is in force.")

    class Meta:
        verbose_name = "OCPI session"
        constraints = [models.UniqueConstraint(fields=["connection", "key"], name="ocpi_session_once_per_connection")]
        indexes = [
            models.Index(fields=["evse"], condition=Q(status="ACTIVE"), name="ocpi_active_session_by_evse"),
            models.Index(fields=["last_updated"], name="ocpi_session_by_age"),
        ]

    def __str__(self) -> str:
        return f"OCPI session {self.session_id}"


class OcpiEdge(models.Model):
    """What a session took of a PTU in which it began or ended: with its neighbours' parts, the energy of the PTU."""

    asset = models.ForeignKey("assets.Asset", on_delete=models.PROTECT, related_name="ocpi_edges")
    session_key = models.CharField(max_length=48, help_text="Party and id in lower case.")
    starts_at = models.DateTimeField(help_text="Start of the PTU.")
    import_wh = models.BigIntegerField()
    export_wh = models.BigIntegerField()

    class Meta:
        verbose_name = "part of a quarter hour"
        verbose_name_plural = "parts of quarter hours"
        constraints = [
            models.UniqueConstraint(
                fields=["asset", "starts_at", "session_key"], name="ocpi_edge_once_per_session_and_ptu"
            )
        ]
        indexes = [models.Index(fields=["starts_at"], name="ocpi_edge_by_age")]

    def __str__(self) -> str:
        return f"part of {self.asset_id} from {dutch_time(self.starts_at)} by {self.session_key}"


class ProfileCommand(models.Model):
    """One request about a session's charging profile: stored before it is sent, answered twice (CPO, then station)."""

    class Kind(models.TextChoices):
        SET = "set", "Set"
        CLEAR = "clear", "Clear"
        GET = "get", "Ask what is in force"

    class Status(models.TextChoices):
        WAITING = "waiting", "To be sent"
        SENT = "sent", "Sent; the station has not answered"
        DONE = "done", "The station accepted"
        REFUSED = "refused", "Refused"
        SILENT = "silent", "The station did not answer in time"
        SUPERSEDED = "superseded", "Replaced before it was sent"
        WITHDRAWN = "withdrawn", "No longer to be sent"
        GIVEN_UP = "given_up", "Could not be sent in time"

    session = models.ForeignKey(OcpiSession, on_delete=models.PROTECT, related_name="commands")
    setpoint = models.ForeignKey(
        "assets.Setpoint", null=True, blank=True, on_delete=models.PROTECT, related_name="profile_commands"
    )
    kind = models.CharField(max_length=5, choices=Kind.choices)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    reference = models.CharField(max_length=32, unique=True, help_text="In the address the station's answer comes to.")
    profile = models.JSONField(null=True, blank=True, help_text="The ChargingProfile to set.")
    created_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField()
    deadline_at = models.DateTimeField(help_text="When what it asks is over.")
    claimed_until = models.DateTimeField(
        null=True, blank=True, help_text="A process is sending it; on the database's own clock."
    )
    attempts = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    answer_until = models.DateTimeField(null=True, blank=True, help_text="By when the station's answer should come.")
    answered_at = models.DateTimeField(null=True, blank=True)
    result = models.CharField(max_length=20, blank=True, help_text="In OCPI's words.")
    error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["session"], condition=Q(status="waiting"), name="one_waiting_profile_command_per_session"
            ),
            models.CheckConstraint(
                condition=Q(kind="set", profile__isnull=False) | (~Q(kind="set") & Q(profile__isnull=True)),
                name="profile_command_sets_a_profile",
            ),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=Q(status="waiting"), name="profile_command_due"),
            models.Index(fields=["answer_until"], condition=Q(status="sent"), name="profile_command_unanswered"),
            models.Index(fields=["session", "-id"], name="profile_command_of_session"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} profile of {self.session_id}: {self.status}"

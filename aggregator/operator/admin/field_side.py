"""What stands between us and the partners' interfaces: OCPI, communication tests, and answers kept for repeats."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from aggregator.operator.admin.base import HistoryAdmin, ReadOnlyInline, RegisterAdmin
from assets.models import (
    AnsweredRequest,
    CommunicationTest,
    Declaration,
    OcpiConnection,
    OcpiEdge,
    OcpiEvse,
    OcpiLocation,
    OcpiParty,
    OcpiSession,
    OcpiToken,
    OcpiUnknownEvse,
    ProfileCommand,
)


class OcpiPartyInline(ReadOnlyInline):
    model = OcpiParty
    fields = ("country_code", "party_id")


@admin.register(Declaration)
class DeclarationAdmin(HistoryAdmin):
    """What drivers declared, with the instant it was told; they come in with sessions and states."""

    list_display = ("told_at", "session", "departure_at", "energy_wh")
    list_filter = ("session__asset__category", "session__asset__partner")
    list_select_related = ("session",)
    search_fields = ("session__external_id", "session__asset__external_id")
    date_hierarchy = "told_at"


@admin.register(OcpiConnection)
class OcpiConnectionAdmin(RegisterAdmin):
    """What we agreed on is changed here; the handshake and the fetches fill in the rest."""

    is_shared = True

    list_display = ("partner", "rate_unit", "is_v2g_agreed", "registered_at", "heard_at", "pulled_at", "pull_error")
    list_filter = ("rate_unit", "is_v2g_agreed")
    list_select_related = ("partner",)
    search_fields = ("partner__name", "versions_url")
    inlines = (OcpiPartyInline,)
    fields = (
        "partner",
        "rate_unit",
        "is_v2g_agreed",
        "sends_raw_token",
        "pull_minutes",
        "seconds_between_profiles",
        "versions_url",
        "endpoints",
        "registered_at",
        "heard_at",
        "pulled_at",
        "sessions_until",
        "locations_until",
        "unfinished",
        "pull_error",
    )
    readonly_fields = ("partner", *fields[fields.index("versions_url") :])

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """The token is shown once, on a terminal: `manage.py partner ocpi-open NAME`."""
        return False

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Fetch once a minute at most."""
        if db_field.name == "pull_minutes":
            kwargs["min_value"] = 1
        return super().formfield_for_dbfield(db_field, request, **kwargs)


@admin.register(OcpiParty)
class OcpiPartyAdmin(HistoryAdmin):
    list_display = ("connection__partner", "country_code", "party_id")
    list_select_related = ("connection__partner",)
    search_fields = ("party_id", "connection__partner__name")


@admin.register(OcpiToken)
class OcpiTokenAdmin(HistoryAdmin):
    """Only the hash of a token is kept; here even that is left out."""

    list_display = ("connection__partner", "purpose", "lookup_id", "created_at", "used_at")
    list_filter = ("purpose",)
    list_select_related = ("connection__partner",)
    search_fields = ("lookup_id", "connection__partner__name")
    exclude = ("secret_sha256",)


@admin.register(OcpiLocation)
class OcpiLocationAdmin(HistoryAdmin):
    list_display = ("key", "connection__partner", "last_updated")
    list_filter = ("connection",)
    list_select_related = ("connection__partner",)
    search_fields = ("key",)


@admin.register(OcpiEvse)
class OcpiEvseAdmin(HistoryAdmin):
    list_display = ("key", "asset", "connection__partner", "status", "phases", "is_profile_capable", "last_updated")
    list_filter = ("status", "is_profile_capable", "connection")
    list_select_related = ("connection__partner", "asset__partner")
    search_fields = ("key", "asset__external_id")


@admin.register(OcpiUnknownEvse)
class OcpiUnknownEvseAdmin(HistoryAdmin):
    list_display = ("key", "connection__partner", "missed_since")
    list_filter = ("connection",)
    list_select_related = ("connection__partner",)
    search_fields = ("key",)


@admin.register(OcpiSession)
class OcpiSessionAdmin(HistoryAdmin):
    list_display = ("session_id", "evse", "status", "is_discharge_allowed", "last_updated")
    list_filter = ("status", "is_discharge_allowed", "connection")
    list_select_related = ("evse",)
    search_fields = ("session_id", "evse__key")


@admin.register(OcpiEdge)
class OcpiEdgeAdmin(HistoryAdmin):
    list_display = ("asset", "starts_at", "session_key", "import_wh", "export_wh")
    list_select_related = ("asset__partner",)
    search_fields = ("session_key", "asset__external_id")
    date_hierarchy = "starts_at"


@admin.register(ProfileCommand)
class ProfileCommandAdmin(HistoryAdmin):
    list_display = ("created_at", "session", "kind", "status", "attempts", "sent_at", "answered_at", "result", "error")
    list_filter = ("kind", "status")
    list_select_related = ("session",)
    search_fields = ("session__session_id", "reference")
    date_hierarchy = "created_at"


@admin.register(CommunicationTest)
class CommunicationTestAdmin(HistoryAdmin):
    list_display = ("setpoint", "before_w", "moved_at", "moved_w")
    list_select_related = ("setpoint__asset__partner", "setpoint__batch")
    search_fields = ("setpoint__asset__external_id",)


@admin.register(AnsweredRequest)
class AnsweredRequestAdmin(HistoryAdmin):
    """Answers are kept for repeats of a request; what was asked and answered is the partner's own."""

    list_display = ("answered_at", "partner", "key", "status", "content_type")
    list_filter = ("status", "partner")
    list_select_related = ("partner",)
    search_fields = ("key", "partner__name")

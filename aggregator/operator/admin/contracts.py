from django.contrib import admin

from aggregator.operator.admin.base import HistoryAdmin, ReadOnlyInline
from bidding.models import (
    Contract,
    ContractCall,
    ContractCallPtu,
    ContractReservation,
    OwnKey,
    UftpMessage,
    UftpParticipant,
    UftpPublicKey,
)


class ContractCallPtuInline(ReadOnlyInline):
    model = ContractCallPtu
    fields = ("ptu_start", "power_w", "max_import_w", "max_export_w")


class UftpPublicKeyInline(ReadOnlyInline):
    model = UftpPublicKey
    fields = ("text", "valid_from", "valid_until")


@admin.register(Contract)
class ContractAdmin(HistoryAdmin):
    """Contracts are made with `manage.py contract`, which checks them against operator and group."""

    list_display = ("contract_id", "kind", "aggregation_ean", "dso", "volume_w", "power_meaning", "price_eur_per_mwh")
    list_filter = ("kind", "dso", "aggregation_ean")
    list_select_related = ("aggregation_ean", "dso")
    search_fields = ("contract_id",)


@admin.register(ContractCall)
class ContractCallAdmin(HistoryAdmin):
    list_display = ("order_reference", "contract", "direction", "starts_at", "ends_at", "called_at")
    list_filter = ("contract", "direction")
    list_select_related = ("contract",)
    search_fields = ("order_reference",)
    date_hierarchy = "starts_at"
    inlines = (ContractCallPtuInline,)


@admin.register(ContractCallPtu)
class ContractCallPtuAdmin(HistoryAdmin):
    list_display = ("ptu_start", "call", "power_w", "max_import_w", "max_export_w")
    list_select_related = ("call__contract",)
    search_fields = ("call__order_reference",)


@admin.register(ContractReservation)
class ContractReservationAdmin(HistoryAdmin):
    list_display = ("ptu_start", "contract", "power_w", "message")
    list_filter = ("contract",)
    list_select_related = ("contract", "message")
    search_fields = ("contract__contract_id",)
    date_hierarchy = "ptu_start"


@admin.register(UftpParticipant)
class UftpParticipantAdmin(HistoryAdmin):
    list_display = ("domain", "role", "version", "is_barred", "source", "fetched_at")
    list_filter = ("role", "source", "is_barred")
    search_fields = ("domain",)
    inlines = (UftpPublicKeyInline,)


@admin.register(UftpPublicKey)
class UftpPublicKeyAdmin(HistoryAdmin):
    list_display = ("participant", "text", "valid_from", "valid_until")
    list_select_related = ("participant",)
    search_fields = ("participant__domain",)


@admin.register(OwnKey)
class OwnKeyAdmin(HistoryAdmin):
    list_display = ("public_key", "signs_from", "created_at")
    fields = list_display  # the private key is nobody's to see
    search_fields = ("public_key",)


@admin.register(UftpMessage)
class UftpMessageAdmin(HistoryAdmin):
    list_display = ("at", "way", "element", "participant", "contract_id", "result", "reasons")
    list_filter = ("way", "element", "result", "participant")
    list_select_related = ("participant",)
    search_fields = ("message_id", "conversation_id", "contract_id")
    date_hierarchy = "at"

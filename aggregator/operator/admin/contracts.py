from datetime import date
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse

from aggregator.core.services import clock
from aggregator.operator.admin.base import HistoryAdmin, ReadOnlyInline, RegisterAdmin, operator_of
from aggregator.operator.admin.contract_forms import ContractForm, EndContractForm
from aggregator.operator.admin.reasons import with_reason
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
from bidding.uftp.contracts import NotEnded, end_contract, enter_contract
from bidding.uftp.offers import NotRevocable, revoke_offer


class ContractCallPtuInline(ReadOnlyInline):
    model = ContractCallPtu
    fields = ("ptu_start", "power_w", "max_import_w", "max_export_w")


class UftpPublicKeyInline(ReadOnlyInline):
    model = UftpPublicKey
    fields = ("text", "valid_from", "valid_until")


@admin.register(Contract)
class ContractAdmin(RegisterAdmin):
    """A contract can be corrected until its first call; from then on it is settled by its terms, and can only end."""

    list_display = (
        "contract_id", "kind", "aggregation_ean", "dso", "volume_w", "price_eur_per_mwh", "active_from", "active_until",
    )  # fmt: skip
    list_filter = ("kind", "dso", "aggregation_ean")
    list_select_related = ("aggregation_ean", "dso")
    search_fields = ("contract_id",)
    actions = ("end",)
    form = ContractForm

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Leave what calls are settled by as it was."""
        may_change = bool(super().has_change_permission(request, obj))
        return may_change and not (obj is not None and obj.calls.exists())

    def store(self, request: HttpRequest, obj: Any, form: "ModelForm[Any]", *, change: bool) -> None:  # noqa: ARG002 - same for all
        """Enter it as the command does."""
        contract, _ = enter_contract(
            operator=obj.dso, values=form.cleaned_data, now=clock().now(), actor=operator_of(request)
        )
        obj.pk = contract.pk

    @admin.action(description="End: last day and why", permissions=["change"])
    def end(self, request: HttpRequest, queryset: QuerySet[Contract]) -> HttpResponse | None:
        """Let contracts end."""
        actor = operator_of(request)

        def act(contract: Contract, reason: str, *, last_day: date) -> None:
            end_contract(contract_id=contract.pk, last_day=last_day, now=clock().now(), actor=actor, reason=reason)

        return with_reason(
            admin=self,
            request=request,
            queryset=queryset,
            action="end",
            title="End these contracts",
            done="given its last day",
            act=act,
            refusals=(NotEnded,),
            form_class=EndContractForm,
        )


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
    actions = ("revoke",)

    @admin.action(description="Take this offer back", permissions=["act"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[UftpMessage]) -> HttpResponse | None:
        """Revoke offers that were accepted and not ordered."""
        actor = operator_of(request)

        def act(offer: UftpMessage, reason: str) -> None:
            revoke_offer(message_id=offer.message_id, now=clock().now(), actor=actor, reason=reason)

        return with_reason(
            admin=self,
            request=request,
            queryset=queryset,
            action="revoke",
            title="Take these offers back",
            done="taken back",
            act=act,
            refusals=(NotRevocable,),
        )

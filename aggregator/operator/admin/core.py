from datetime import timedelta

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from aggregator.core.messaging.operations import TooLate, resend
from aggregator.core.models import AuditEvent, Breaker, DeliveryAttempt, InboxMessage, Job, OutboxMessage
from aggregator.core.services import clock
from aggregator.operator.admin.base import HistoryAdmin, ReadOnlyInline, operator_of
from aggregator.operator.admin.reasons import with_reason

SECOND_LIFE = timedelta(hours=1)
SHOWN_CHARACTERS = 20_000


def _text(content: bytes | memoryview) -> str:
    return bytes(content).decode("utf-8", "replace")[:SHOWN_CHARACTERS]


class DeliveryAttemptInline(ReadOnlyInline):
    model = DeliveryAttempt
    fields = ("attempted_at", "duration_ms", "status_code", "may_have_arrived", "error")


@admin.register(OutboxMessage)
class OutboxMessageAdmin(HistoryAdmin):
    list_display = (
        "id", "channel", "conversation", "created_at", "deadline_at", "attempts", "delivered_at", "dead_at",
        "last_error",
    )  # fmt: skip
    list_filter = ("channel", ("delivered_at", admin.EmptyFieldListFilter), ("dead_at", admin.EmptyFieldListFilter))
    search_fields = ("conversation", "idempotency_key", "url", "last_error")
    date_hierarchy = "created_at"
    inlines = (DeliveryAttemptInline,)
    readonly_fields = ("content",)
    actions = ("send_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutboxMessage]:
        """Leave the bodies out of lists."""
        rows: QuerySet[OutboxMessage] = super().get_queryset(request).defer("body")
        return rows

    @admin.display(description="Content")
    def content(self, message: OutboxMessage) -> str:
        """Show the bytes as text."""
        return _text(message.body)

    @admin.action(description="Send again for an hour", permissions=["act"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[OutboxMessage]) -> HttpResponse | None:
        """Give dead messages a second life."""
        actor = operator_of(request)

        def act(message: Model, reason: str) -> None:
            now = clock().now()
            resend(now=now, message_id=message.pk, deadline_at=now + SECOND_LIFE, actor=actor, reason=reason)

        return with_reason(
            admin=self,
            request=request,
            queryset=queryset.filter(dead_at__isnull=False),
            action="send_again",
            title="Send these messages again",
            done="sent again",
            act=act,
            refusals=(OutboxMessage.DoesNotExist, TooLate),
        )


@admin.register(Breaker)
class BreakerAdmin(HistoryAdmin):
    list_display = ("counterparty", "failures", "rests_until")
    search_fields = ("counterparty",)


@admin.register(DeliveryAttempt)
class DeliveryAttemptAdmin(HistoryAdmin):
    list_display = ("attempted_at", "message", "status_code", "duration_ms", "error")
    list_filter = ("status_code", "message__channel")
    list_select_related = ("message",)
    search_fields = ("error", "message__conversation")
    date_hierarchy = "attempted_at"
    readonly_fields = ("answer",)

    @admin.display(description="Answer")
    def answer(self, attempt: DeliveryAttempt) -> str:
        """Show the bytes as text."""
        return _text(attempt.response_body)


@admin.register(InboxMessage)
class InboxMessageAdmin(HistoryAdmin):
    list_display = ("id", "channel", "sender", "message_id", "received_at", "processed_at", "error")
    list_filter = ("channel", ("processed_at", admin.EmptyFieldListFilter))
    search_fields = ("sender", "message_id", "error")
    date_hierarchy = "received_at"
    readonly_fields = ("content",)

    @admin.display(description="Content")
    def content(self, message: InboxMessage) -> str:
        """Show the bytes as text."""
        return _text(message.body)


@admin.register(Job)
class JobAdmin(HistoryAdmin):
    list_display = ("id", "kind", "key", "status", "started_at", "finished_at", "summary", "error")
    list_filter = ("status", "kind")
    search_fields = ("key", "summary", "error")
    date_hierarchy = "started_at"


@admin.register(AuditEvent)
class AuditEventAdmin(HistoryAdmin):
    list_display = ("at", "actor_name", "action", "subject_type", "subject_id", "reason")
    list_filter = ("action", "subject_type", "actor_name")
    search_fields = ("actor_name", "subject_id", "reason")
    date_hierarchy = "at"

from datetime import timedelta

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline

from aggregator.core.messaging.operations import resend
from aggregator.core.models import AuditEvent, DeliveryAttempt, InboxMessage, Job, OutboxMessage
from aggregator.core.services import clock
from aggregator.operator.admin.base import HistoryAdmin, tell

SECOND_LIFE = timedelta(hours=1)


class DeliveryAttemptInline(TabularInline):
    model = DeliveryAttempt
    fields = ("attempted_at", "duration_ms", "status_code", "error")
    readonly_fields = fields
    extra = 0
    can_delete = False


@admin.register(OutboxMessage)
class OutboxMessageAdmin(HistoryAdmin):
    list_display = ("id", "channel", "conversation", "created_at", "attempts", "delivered_at", "dead_at", "last_error")
    list_filter = ("channel", ("delivered_at", admin.EmptyFieldListFilter), ("dead_at", admin.EmptyFieldListFilter))
    search_fields = ("conversation", "idempotency_key", "url")
    date_hierarchy = "created_at"
    inlines = (DeliveryAttemptInline,)
    actions = ("send_again",)

    @admin.action(description="Send again for an hour", permissions=["view"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[OutboxMessage]) -> None:
        """Give dead messages a second life."""
        now = clock().now()
        dead = queryset.filter(dead_at__isnull=False)
        for message in dead:
            resend(now=now, message_id=message.pk, deadline_at=now + SECOND_LIFE)
        others = queryset.filter(dead_at__isnull=True).count()
        problems = [f"{others} messages are delivered or still being tried."] if others else []
        tell(request, done=len(dead), what="messages go out again", problems=problems)


@admin.register(InboxMessage)
class InboxMessageAdmin(HistoryAdmin):
    list_display = ("id", "channel", "sender", "message_id", "received_at", "processed_at", "error")
    list_filter = ("channel", ("processed_at", admin.EmptyFieldListFilter))
    search_fields = ("sender", "message_id")


@admin.register(Job)
class JobAdmin(HistoryAdmin):
    list_display = ("id", "kind", "key", "status", "started_at", "finished_at", "summary", "error")
    list_filter = ("status", "kind")
    search_fields = ("key", "summary", "error")


@admin.register(AuditEvent)
class AuditEventAdmin(HistoryAdmin):
    list_display = ("at", "actor_name", "action", "subject_type", "subject_id", "reason")
    list_filter = ("action", "subject_type")
    search_fields = ("actor_name", "subject_id", "reason")
    date_hierarchy = "at"

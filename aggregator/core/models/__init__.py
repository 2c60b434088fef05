from aggregator.core.models.audit import AuditEvent
from aggregator.core.models.jobs import Job
from aggregator.core.models.messages import DeliveryAttempt, InboxMessage, OutboxMessage

__all__ = ["AuditEvent", "DeliveryAttempt", "InboxMessage", "Job", "OutboxMessage"]

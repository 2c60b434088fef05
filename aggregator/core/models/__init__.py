from aggregator.core.models.audit import AuditEvent
from aggregator.core.models.jobs import Job
from aggregator.core.models.messages import Breaker, DeliveryAttempt, InboxMessage, OutboxMessage

__all__ = ["AuditEvent", "Breaker", "DeliveryAttempt", "InboxMessage", "Job", "OutboxMessage"]

from settlement.models.deliveries import Delivery, DeliveryPtu
from settlement.models.statements import Statement, StatementLine

__all__ = ["Delivery", "DeliveryPtu", "Statement", "StatementLine"]

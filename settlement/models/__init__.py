from settlement.models.deliveries import Delivery, DeliveryPtu, DeliveryShare
from settlement.models.statements import Statement, StatementLine

__all__ = ["Delivery", "DeliveryPtu", "DeliveryShare", "Statement", "StatementLine"]

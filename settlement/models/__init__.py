from settlement.models.balancing import BalancingSettlement, BalancingSettlementPtu
from settlement.models.deliveries import Delivery, DeliveryPtu, DeliveryShare
from settlement.models.operator_settlements import OperatorSettlement
from settlement.models.statements import Statement, StatementCharge, StatementLine

__all__ = [
    "BalancingSettlement",
    "BalancingSettlementPtu",
    "Delivery",
    "DeliveryPtu",
    "DeliveryShare",
    "OperatorSettlement",
    "Statement",
    "StatementCharge",
    "StatementLine",
]

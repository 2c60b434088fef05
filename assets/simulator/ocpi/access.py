"""How one partner speaks OCPI, as configured."""

from dataclasses import dataclass

from assets.simulator.ocpi.faults import OcpiFaults
from assets.simulator.ocpi.objects import Party


@dataclass(frozen=True, slots=True)
class OcpiAccess:
    """How a partner reaches the aggregator's OCPI endpoints, and how its own platform behaves."""

    versions_url: str
    registration_token: str
    party: Party
    pushes: bool
    faults: OcpiFaults

"""Which interface each partner speaks: our own REST, or OCPI."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from aggregator.core.clock import Clock
from aggregator.core.http import HttpClient
from assets.simulator.config import Configuration
from assets.simulator.faults import Faults
from assets.simulator.inbox import Inbox
from assets.simulator.ocpi.platform import OcpiPlatform
from assets.simulator.ocpi.reporter import OcpiReporter
from assets.simulator.partner_api import PartnerApi
from assets.simulator.portfolio import Asset, Partner, Portfolio
from assets.simulator.reporter import Reporter
from assets.simulator.sessions import Floats
from assets.simulator.world import World


@dataclass(slots=True)
class Interfaces:
    """One reporter per partner, in the portfolio's order, and the platforms of those that speak OCPI."""

    configuration: Configuration
    world: World
    faults: Faults
    told: Callable[[int], Floats]
    inbox: Inbox
    http: HttpClient
    clock: Clock
    stop: threading.Event
    reporters: list[Reporter]
    platforms: dict[str, OcpiPlatform]

    def add_all(self, portfolio: Portfolio) -> None:
        """Make the reporters and platforms of a portfolio."""
        assets = [asset for _, asset in portfolio.assets()]
        first = 0
        for partner in portfolio.partners:
            positions = range(first, first + len(partner.assets))
            self.reporters.append(self._reporter(partner, positions, assets))
            first = positions.stop

    @property
    def refused(self) -> int:
        """How many calls of all partners the aggregator refused."""
        return sum(one.api.refused for one in self.reporters) + sum(one.refused for one in self.platforms.values())

    def _reporter(self, partner: Partner, positions: range, assets: list[Asset]) -> Reporter:
        credentials = self.configuration.partners[partner.key]
        api = PartnerApi(
            http=self.http,
            api_url=self.configuration.api_url,
            token_url=self.configuration.token_url,
            credentials=credentials,
            stop=self.stop,
        )
        if credentials.ocpi is None:
            return Reporter(
                key=partner.key,
                positions=positions,
                assets=assets,
                world=self.world,
                api=api,
                faults=self.faults,
                told=self.told,
            )
        platform = self.platforms[partner.key] = OcpiPlatform(
            key=partner.key,
            url=f"http://{self.configuration.listen_host}:{self.configuration.listen_port}/ocpi/{partner.key}",
            access=credentials.ocpi,
            http=self.http,
            clock=self.clock,
            stop=self.stop,
            inbox=self.inbox,
            assets={asset.external_id: asset for asset in partner.assets},
            memory=self.configuration.state_directory / f"ocpi-{partner.key}.json",
        )
        return OcpiReporter(
            key=partner.key,
            positions=positions,
            assets=assets,
            world=self.world,
            api=api,
            faults=self.faults,
            told=self.told,
            platform=platform,
            stop=self.stop,
        )

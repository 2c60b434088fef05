"""How tests tell a car at a partner on OCPI what to do, and where its station answers."""

from assets.control.operations import PlannedSetpoint, send_setpoints
from assets.models import Setpoint
from tests.field_side import GROUP_EAN, NOW, at

S1 = "/2.2.1/sessions/NL/STA/S1"


def tell(asset, power_w=(4_140, 4_140), start="16:15", end="16:45", revision=1, now=NOW) -> Setpoint:
    planned = PlannedSetpoint(asset_id=asset.pk, starts_at=at(start), ends_at=at(end), power_w=list(power_w))
    batch = send_setpoints(
        now=now,
        aggregation_ean=GROUP_EAN,
        order_reference="order-1",
        reason="",
        revision=revision,
        plan=[planned],
        deadline_at=at("20:00"),
    )[0]
    return batch.setpoints.get()


def callback_path(platform, index=-1):
    """Return where the station's answer to a profile goes, as a path under /ocpi."""
    received = platform.profiles()[index]
    url = (received.body or {}).get("response_url") or received.query["response_url"]
    return url.removeprefix("https://aggregator.example/ocpi")

"""How setpoint messages are named in the outbox."""

SETPOINTS_CHANNEL = "setpoints"


def conversation_with(partner_id: int) -> str:
    """Return the conversation of a partner's setpoints: they go out in order, as later ones replace earlier ones."""
    return f"partner-{partner_id}"

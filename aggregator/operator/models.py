from axes.models import AccessAttempt

from aggregator.core.ptu import dutch_time


class FailedLogIn(AccessAttempt):  # type: ignore[misc]  # axes has no types
    """Failures of one name, from one address, in one browser; they go by themselves when they no longer count."""

    class Meta:
        proxy = True
        verbose_name = "failed log-in"

    def __str__(self) -> str:
        return f"{self.username} from {self.ip_address}, last at {dutch_time(self.attempt_time)}"

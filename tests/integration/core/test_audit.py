import pytest
from django.db import connection

from aggregator.core.models import AuditEvent
from tests.integration.core.outgoing import START


@pytest.mark.django_db(transaction=True)
def test_the_audit_trail_cannot_be_changed():
    event = AuditEvent.objects.create(at=START, actor_name="x", action="a.b", subject_type="t", subject_id="1")
    for statement in ("UPDATE core_auditevent SET actor_name = 'y'", "DELETE FROM core_auditevent"):
        with connection.cursor() as cursor, pytest.raises(Exception, match="append_only"):
            cursor.execute(statement)
    assert AuditEvent.objects.get(pk=event.pk).actor_name == "x"

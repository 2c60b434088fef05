"""The header that tells browsers what a page of ours may load and run."""

import pytest

from aggregator.core.page_policy import POLICY, THEME_POLICY

STRICT = ("default-src 'self'", "object-src 'none'", "base-uri 'self'", "frame-ancestors 'none'", "form-action 'self'")


@pytest.mark.parametrize(
    ("path", "policy"),
    [
        ("/admin/", THEME_POLICY),
        ("/admin/login/", THEME_POLICY),
        ("/nowhere", POLICY),
        ("/api/docs", POLICY),
        ("/api/v1/nothing", POLICY),
        ("/healthz", POLICY),
        ("/static/operator/favicon.svg", POLICY),
    ],
)
def test_every_answer_tells_what_its_page_may_do(client, db, path, policy):
    answer = client.get(path)
    answer.close()
    assert answer["Content-Security-Policy"] == policy


def test_nothing_strange_runs_and_nothing_strange_frames_us():
    for policy in (POLICY, THEME_POLICY):
        directives = policy.split("; ")
        assert set(STRICT) <= set(directives)
        assert not [one for one in directives if one.startswith("script-src") and "unsafe-inline" in one]
    assert "unsafe-eval" not in POLICY

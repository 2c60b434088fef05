"""How gunicorn serves the mock market."""

import os

bind = os.environ.get("MOCK_GOPACS_BIND", "127.0.0.1:8002")
workers = 1
worker_class = "gthread"
threads = 8  # a delayed answer (fault switch) must not hold up the others
timeout = 60
# The exchange's header is `api_key`; names with underscores are dropped unless allowed. Nothing here trusts a proxy's
# headers, which is what the drop protects.
header_map = "dangerous"
control_socket_disable = True  # gunicorn's own socket lies at one place per user: two checkouts would meet there

# One image, many services: docker-compose.yml names the command of each.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
COPY pyproject.toml constraints.txt README.md ./
COPY aggregator aggregator
COPY assets assets
COPY bidding bidding
COPY settlement settlement
COPY mock_gopacs mock_gopacs
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --constraint constraints.txt .

FROM python:3.11-slim-bookworm
RUN useradd --system --create-home --uid 10001 aggregator
COPY --from=build /venv /venv
WORKDIR /app
COPY --chown=aggregator:aggregator . .
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    AGGREGATOR_VAR=/tmp/aggregator
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-m", "aggregator.core.healthcheck", "http://127.0.0.1:8000/healthz"]
CMD ["gunicorn", "aggregator.wsgi", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", "--workers", "2", "--threads", "8"]

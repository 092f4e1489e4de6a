# The portal as a container: the locked packages, the libraries for PDF, an ordinary user.
FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 libfontconfig1 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY requirements.lock .
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: -r requirements.lock
COPY . .
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 COUNTERSIGN_BOOTSTRAP=off
RUN DJANGO_SETTINGS_MODULE=portal.settings.prod ALLOWED_HOSTS=build DATABASE_URL=postgres://build@localhost/build \
    REDIS_URL=redis://localhost SECRET_KEY=only-while-the-image-is-built-0123456789-abcdefghijklmnopqrstuvwxyz \
    python manage.py collectstatic --no-input --verbosity 0 \
    && useradd --uid 10001 --create-home countersign && mkdir /data && chown countersign /data
USER countersign
VOLUME /data
EXPOSE 8000
CMD ["gunicorn", "--config", "python:portal.gunicorn", "--bind", "0.0.0.0:8000"]

# Everything here runs in the project's own environment; `python3 manage.py` makes it on first use.
PYTHON := .venv/bin/python
RULES := $(filter-out apps/access/%,$(wildcard apps/*/rules.py apps/*/acts.py apps/*/acts))
PROD := DJANGO_SETTINGS_MODULE=portal.settings.prod ALLOWED_HOSTS=portal.example \
	SECRET_KEY=only-for-the-deploy-check-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEF \
	DATABASE_URL=postgres://nobody@127.0.0.1:1/none REDIS_URL=redis://127.0.0.1:1/0

.PHONY: check static env format lock soak soak-signing bench

check: static
	python3 manage.py test

env:
	@python3 manage.py version >/dev/null

static: env
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	.venv/bin/lint-imports --no-cache
	$(PYTHON) -m mypy apps/core apps/analysis apps/access apps/trail $(wildcard portal/*.py) $(RULES)
	DJANGO_SETTINGS_MODULE=portal.settings.test $(PYTHON) manage.py makemigrations --check --dry-run
	$(PROD) $(PYTHON) manage.py check --deploy --fail-level WARNING
	$(PYTHON) -m djlint templates --lint --quiet

format: env
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

lock:
	uv pip compile --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--group dev --group demo pyproject.toml -o requirements.lock --quiet

soak: env
	python3 manage.py test -m soak

# The signing state machine's 100,000 steps alone, in parts; stop it when you like, and the same command goes on.
soak-signing: env
	SIGNING_LOG=$${SIGNING_LOG:-var/soak/signing.jsonl} python3 manage.py test -m soak -n 0 -s tests/trail/test_signing_machine.py

# Some minutes on an idle machine; rows in files under TMPDIR. The other benchmarks say at their top how they are called.
bench: env
	$(PYTHON) tests/benchmarks/bench_fairness.py 1000000 20000
	$(PYTHON) tests/benchmarks/bench_fairness.py 10000000 0
	$(PYTHON) tests/benchmarks/bench_scale.py 100000000
	$(PYTHON) tests/benchmarks/bench_onnx.py

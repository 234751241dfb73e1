# Trireme on one machine. Needs make and Python 3.11 with pip (or uv); everything else is fetched, pinned by hash.
# Files under .venv*/ and .trireme/ tell make what is done; `make clean` forgets it all.

UV      := sh scripts/uv.sh
PYTHON  := .venv/bin/python
TRIREME := .venv/bin/trireme
APP     := .venv/.installed
DEV     := .venv/.installed-dev
EXPORT  := .venv-export/.installed
PERF    := .venv-perf/.installed
PEERS   := .venv-peers/.installed
SPARK   := .venv/.installed-spark
FAST    := not integration and not chaos and not browser and not export_env and not full_size and not soak
# perf_analyzer is linked with it.
LIBB64  := /usr/lib/$(shell uname -m)-linux-gnu/libb64.so.0d
ARGS    ?=
# On a machine that others use too, single tests are late now and then: what failed is tried once more by itself. A fault
# fails again; both runs are printed.
ONCE_MORE = $(PYTHON) -m pytest -m $(1) $(ARGS) || $(PYTHON) -m pytest -m $(1) --last-failed --last-failed-no-failures none $(ARGS)
# No index address gets into the files. app comes first, because dev is held to its versions.
COMPILE := $(UV) pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

.DEFAULT_GOAL := help
.PHONY: help lambda demo setup up check test test-integration test-browser test-chaos test-export format pins bench bench-gateway bench-quality bench-index bench-lexical bench-ingest bench-batch bench-cache soak clean \
	system-packages export-environment full-size bench-models perf-environment peers-environment spark-environment

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 20

demo: ## Set up, start the stack, ingest samples/, ask questions; stays up until Ctrl-C
	@sh scripts/demo.sh $(ARGS)

setup: $(APP) ## Install what the stack needs and export the models
	@$(TRIREME) setup

up: setup ## Start the stack and stay in the foreground
	@$(TRIREME) up $(ARGS)

check: $(DEV) ## Format, lint, types, import contracts, fast tests
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PYTHON) -m pytest -m "$(FAST)" -n auto --dist loadfile $(ARGS)

# All that integration tests need is installed on the way: there, one that skips itself fails (tests/no_skips.py).
test: export NO_SKIPS := 1
test: system-packages check test-integration test-browser test-chaos test-export ## Every test there is

test-integration: $(DEV) $(EXPORT) $(PERF) $(SPARK) setup ## Tests against real Triton, Kafka and Redis
	$(call ONCE_MORE,integration)

test-browser: $(DEV) setup ## The page in headless Chromium
	$(call ONCE_MORE,browser)

test-chaos: $(DEV) setup ## Kills every process in turn while documents are ingested
	$(call ONCE_MORE,chaos)

test-export: $(EXPORT) setup ## Exported models against PyTorch
	.venv-export/bin/python -m pytest -m export_env -n auto --dist loadfile tests/export $(ARGS)

export-environment: $(EXPORT) ## PyTorch (5 GB), for `trireme export` and training

format: $(DEV) ## Put the code into its one format
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

pins: ## Compile requirements/*.in anew; what is pinned keeps its version
	@for name in app dev export gpu java lambda peers spark uv; do $(COMPILE) requirements/$$name.in -o requirements/$$name.txt || exit 1; done
	@for name in models perf redis serving; do $(COMPILE) --no-deps requirements/$$name.in -o requirements/$$name.txt || exit 1; done

lambda: ## Pack the AWS Lambda function for events of S3 into dist/s3_lambda.zip
	@python3 deploy/aws/build_zip.py $(ARGS)

bench: $(DEV) setup ## Latencies through the gateway, as a table and as JSON
	@$(PYTHON) -m benchmarks.latency $(ARGS)

bench-gateway: $(DEV) setup ## Searches against load, Kafka against a direct call, the gateway against a bare route
	@$(PYTHON) -m benchmarks.gateway $(ARGS)

bench-quality: $(DEV) setup ## Recall, MRR and nDCG on 1,040 generated documents, the joint search beside others
	@$(PYTHON) -m benchmarks.quality $(ARGS)

bench-index: $(DEV) $(PEERS) setup ## The index beside Faiss, under filters and live writes, through the stack, and beside other engines
	@$(PYTHON) -m benchmarks.index $(ARGS)

bench-lexical: $(DEV) setup ## Part numbers and plain questions at several weights of words
	@$(PYTHON) -m benchmarks.lexical $(ARGS)

bench-ingest: $(DEV) setup ## Documents a second by stage, alone and together, and what people notice meanwhile
	@$(PYTHON) -m benchmarks.ingest $(ARGS)

bench-cache: $(DEV) setup ## Hit rates of the answer cache on Zipf logs; six minutes
	@$(PYTHON) -m benchmarks.cache $(ARGS)

bench-batch: $(DEV) $(SPARK) setup ## Documents a second through the workers and through a Spark job
	@$(PYTHON) -m benchmarks.batch $(ARGS)

bench-models: $(DEV) $(EXPORT) perf-environment setup ## Every model served by Triton beside the engine in process
	@$(PYTHON) -m benchmarks.models $(ARGS)

perf-environment: $(PERF) ## perf_analyzer, and as root the system's library that it needs
	@sh scripts/system_packages.sh $(LIBB64)=libb64-0d

peers-environment: $(PEERS) ## Other vector engines, which bench-index compares with

spark-environment: $(SPARK) ## pyspark beside the app, for `trireme batch spark`

full-size: $(DEV) $(EXPORT) setup ## Exports ViT-B/32, ViT-L/14 and a MiniLM of seeded weights and serves them; 8 GB, half an hour
	$(PYTHON) -m pytest -m full_size $(ARGS)

soak: $(DEV) $(SPARK) setup ## Long forms of tests: a shard's life, kills, hostile files, other encoders, chaos 10 times (or ROUNDS)
	TRIREME_MODEL_STEPS=100000 TRIREME_KILLS=200 $(PYTHON) -m pytest -q -s -k "life or death" \
		tests/index_service/test_model.py tests/index_service/test_kill.py
	TRIREME_SCHEMA_REQUESTS=5000 $(PYTHON) -m pytest -q tests/gateway/routes/test_any_request.py
	TRIREME_GATEWAY_ROUNDS=20 $(PYTHON) -m pytest -q tests/integration/test_three_gateways.py
	TRIREME_CORPUS=all TRIREME_FUZZ=20000 $(PYTHON) -m pytest -q -s tests/ingest/corpus tests/gateway/clients/test_hostile_pages.py
	$(PYTHON) -m pytest -q -s -m soak
	TRIREME_RANDOM_KILLS=1000 $(PYTHON) -m pytest -q -s tests/chaos/test_random_kills.py
	for round in $$(seq $(or $(ROUNDS),10)); do $(PYTHON) -m pytest -m chaos -q $(ARGS) || exit 1; done

system-packages: ## The browser, the fonts and the Prometheus that tests use (as root: installs them); set-up sees to the rest
	@sh scripts/system_packages.sh chromium=chromium tesseract=tesseract-ocr prometheus=prometheus \
		/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf=fonts-noto-color-emoji \
		/usr/share/unicode/cldr/common/annotations/en.xml=unicode-cldr-core $(LIBB64)=libb64-0d

clean: ## Delete the environments and everything that was generated
	rm -rf .venv .venv-serving .venv-export .venv-perf .venv-peers .trireme model_repository/*/[0-9]* model_repository/*/manifest.json \
		model_repository/space.json .mypy_cache .ruff_cache dist .pytest_cache .import_linter_cache .hypothesis

.venv/bin/python .venv-export/bin/python .venv-perf/bin/python .venv-peers/bin/python: %/bin/python:
	@$(UV) venv --quiet --allow-existing --python 3.11 $*

$(APP): requirements/app.txt pyproject.toml | .venv/bin/python
	@$(UV) pip install --quiet --python .venv --require-hashes -r requirements/app.txt
	@$(UV) pip install --quiet --python .venv --no-deps --no-build-isolation -e .
	@touch $@

$(SPARK): requirements/spark.txt $(APP)
	@$(UV) pip install --quiet --python .venv --require-hashes -r requirements/spark.txt
	@touch $@

$(DEV): requirements/dev.txt $(APP)
	@$(UV) pip install --quiet --python .venv --require-hashes -r requirements/dev.txt
	@touch $@

$(EXPORT): requirements/export.txt | .venv-export/bin/python
	@$(UV) pip install --quiet --python .venv-export --require-hashes -r requirements/export.txt
	@touch $@

$(PERF): requirements/perf.txt | .venv-perf/bin/python
	@$(UV) pip install --quiet --python .venv-perf --no-deps --require-hashes -r requirements/perf.txt
	@touch $@

$(PEERS): requirements/peers.txt | .venv-peers/bin/python
	@$(UV) pip install --quiet --python .venv-peers --require-hashes -r requirements/peers.txt
	@touch $@

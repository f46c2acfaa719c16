# duplex-lab: each target with one line of help behind '##'.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.8
STAMP := $(VENV)/.set-up
ARGS ?=
RUN ?= results/sample
# A preset that was named: PRESET=… on the command line, or in the environment.
NAMED = $(if $(filter command environment,$(firstword $(origin PRESET))),$(PRESET))
SINGLE := command,question,greeting,correction,hesitation,long,refusal
comma := ,
BOTH_DUPLEX := duplex-nano,duplex-tiny

.DEFAULT_GOAL := help
.PHONY: help setup setup-full demo bench bench-full bench-cascade bench-moshi bench-conversation \
  bench-engines bench-people bench-100 face talk serve calibrate notebooks labs test test-fast gate \
  test-browser check lint format types lock clean

help: ## list every target
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with the locked versions (the other targets do it when it is missing)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) scripts/check_python.py
	@mkdir -p $(VENV) && date +%s > $(VENV)/.began
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || { echo "duplex-lab: installing uv $(UV_VERSION) into $(VENV)"; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); }
	@echo "duplex-lab: installing the locked packages into $(VENV) (about 1.9 GB, a few minutes at most)"
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@echo "duplex-lab: set up in $$(($$(date +%s) - $$(cat $(VENV)/.began))) s"
	@touch $@

setup-full: $(STAMP) ## everything local that this machine can use, compilers at work (≤ 15 minutes); ARGS=PART
	@$(BIN)/python scripts/setup_full.py $(ARGS)

bench-engines: $(STAMP) ## what each engine costs at its true size, random weights (about 20 minutes)
	@$(BIN)/python scripts/bench_engines.py $(ARGS)

demo: $(STAMP) ## no model: delays that were set are read back from what is heard (under a minute)
	@$(BIN)/duplex-lab run --presets cascade-scripted,duplex-scripted-60ms \
	  --fixtures demo_hello $(ARGS)

bench: $(STAMP) ## measure both sides, cascades and duplex: one table, one picture (about 7 minutes)
	@$(BIN)/duplex-lab run --presets cascade-embedded,cascade-stock,$(or $(NAMED),duplex-nano) \
	  --fixtures dialogue $(ARGS)

# A pipeline for each turn: p95 has its bound from 59 independent turns on, and turns of one
# conversation are not.
bench-full: $(STAMP) ## the same on 74 turns, each a conversation of its own: bounds p95 (about 35 minutes)
	@$(BIN)/duplex-lab run --presets cascade-embedded,cascade-stock,$(BOTH_DUPLEX) \
	  --fixtures $(SINGLE),duplex-tiny:session_150s $(ARGS)

bench-cascade: $(STAMP) ## measure the embedded cascade and Pipecat's defaults (about 5 minutes)
	@$(BIN)/duplex-lab run --presets cascade-embedded,cascade-stock --fixtures dialogue $(ARGS)

bench-moshi: $(STAMP) ## the duplex side, frame by frame (about 8 minutes); PRESET=… for others
	@$(BIN)/duplex-lab run --presets $(or $(NAMED),$(BOTH_DUPLEX)) \
	  --fixtures dialogue,session_150s$(if $(NAMED),,$(comma)duplex-tiny:session_150s) $(ARGS)

bench-conversation: $(STAMP) ## turn-taking: barge-ins, backchannels, pauses (about 22 minutes)
	@$(BIN)/duplex-lab run --presets cascade-embedded,cascade-stock,duplex-scripted-yield \
	  --fixtures turn_taking $(ARGS)

bench-people: $(STAMP) ## trained ears and a trained voice beside the embedded cascade (fetches 140 MB once; about 20 minutes)
	@$(BIN)/python scripts/bench_people.py $(ARGS)

bench-100: $(STAMP) ## 100 named conversations, spoken and written, with and without memory, tools, fillers (about 20 minutes)
	@$(BIN)/duplex-lab cases $(ARGS)

ASKED = $(or $(NAMED),cascade-embedded)
face: $(STAMP) ## a preset with its face in the browser, by microphone; ARGS="--fixtures quick": recorded users
	@$(BIN)/duplex-lab face $(ASKED) $(ARGS)

talk: $(STAMP) ## talk to a preset by microphone, in the browser; ARGS=--https for a phone
	@$(BIN)/duplex-lab talk $(ASKED) $(ARGS)

serve: $(STAMP) ## presets as a voice server, at this machine only; PRESET="A B", ARGS="--config FILE"
	@$(BIN)/duplex-lab serve $(NAMED) $(ARGS)

calibrate: $(STAMP) ## measure the ruler's own error: clicks of known delay, idle and with an agent at work
	@$(BIN)/duplex-lab calibrate $(ARGS)

notebooks: $(STAMP) ## run the notebooks on RUN=… (default: results/sample) into build/notebooks
	@mkdir -p build/notebooks
	@for of in notebooks/*.ipynb; do name=$$(basename $$of .ipynb); \
	  RUN="$(RUN)" $(BIN)/jupyter execute --output=../build/notebooks/$$name $$of || exit 1; \
	  echo "duplex-lab: build/notebooks/$$name.ipynb"; done

labs: $(STAMP) ## run the worked solutions of all labs in build/labs, and check them (at most 15 minutes)
	@rm -rf build/labs
	@$(BIN)/duplex-lab labs solve $(ARGS)

test: $(STAMP) ## run the tests: on all cores, then alone what plays in real time; ARGS=FILE for some
	@$(BIN)/python scripts/run_tests.py $(ARGS)

test-fast: $(STAMP) ## run the tests of what only computes, with no model and no process (a minute at most)
	@$(BIN)/python scripts/run_tests.py --fast $(ARGS)

gate: check ## the release gate: checks, a quick run, against the last kept run of this machine
	@$(BIN)/python scripts/gate.py $(ARGS)
test-browser: $(STAMP) ## report, face and a live call in a real browser (installs Playwright; needs a Chromium in PATH)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python 'playwright>=1.50'
	@$(BIN)/python -m pytest tests/browser $(ARGS)

check: lint types test ## lint, format, strict types and tests

lint: $(STAMP) ## ruff: lint and format, nothing is changed
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(STAMP) ## let ruff format and mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: $(STAMP) ## mypy, strict
	@$(BIN)/mypy

COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
  --no-annotate --no-header
lock: $(STAMP) ## write requirements.lock and the engine environments' locks anew
	@$(COMPILE) --extra dev pyproject.toml -o requirements.lock
	@for of in pipelines/environments/*.in; do at=$${of%.in}; \
	  $(COMPILE) $$(test -e $$at.override && echo --override $$at.override) $$of -o $$at.lock; done

clean: ## remove .venv and caches; results stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info

PYTHON ?= python3
ENV := .venv
RUN := OMP_NUM_THREADS=1 $(ENV)/bin/python

.PHONY: demo test test-slow lint docs clean

# Sets up a virtual environment, then simulates the congestion game, recovers its payoffs and draws pictures in output/.
demo: $(ENV)/ready
	$(RUN) examples/congestion_demo.py

# Sets up a virtual environment, then runs the tests.
test: $(ENV)/ready
	$(RUN) -m pytest -n 2

test-slow: $(ENV)/ready
	$(RUN) -m pytest -n 2 -m slow

lint: $(ENV)/ready
	$(ENV)/bin/ruff check .
	$(ENV)/bin/ruff format --check .
	$(ENV)/bin/mypy

# The site, from the guides and the docstrings, in build/docs.
docs: $(ENV)/ready
	$(ENV)/bin/python -m sphinx -W -q -b html docs build/docs

$(ENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(ENV)
	$(ENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(ENV) build *.egg-info output

# Two commands are all a reader needs: `make book` and `make test`. Each sets up what it lacks, without sudo.
# PYTHON=python3.12  the interpreter to build .venv on        UV=no      install with pip only
# TORCH=cpu          torch without CUDA (Linux: 3 GB less)    FORCE=1    run the tests although nothing changed

PYTHON ?= python3
UV ?= yes
TORCH ?=
FORCE ?=
BIN := .venv/bin
# Named after what it depends on, so that set-up is done again when that changes and never otherwise.
INSTALLED := .venv/.installed-$(shell (echo '$(CURDIR)'; cat pyproject.toml constraints.txt) | cksum | cut -d ' ' -f 1)

.DEFAULT_GOAL := help
.PHONY: help book test lab notebooks lint check setup lock address clean

help:
	@echo 'make book                 build the book and print where it is'
	@echo 'make test                 unit tests, notebooks, and the built book in a browser'
	@echo 'make lab                  open the notebooks in JupyterLab'
	@echo 'make notebooks [NB=...]   execute the notebooks and bring them into normal form'
	@echo 'make lint                 ruff, notebooks in normal form, addresses, types'
	@echo 'make check                lint, and the links of the built book'
	@echo 'make address URL=...      rewrite every copy of the address https://github.com/OWNER/REPO'
	@echo 'make setup                only set up .venv (every other target does it by itself)'
	@echo 'make lock                 renew constraints.txt from pyproject.toml'
	@echo 'make clean                remove what was built; .venv and downloaded data stay'
	@echo
	@sed -n '2,3p' Makefile

book: $(INSTALLED)
	@$(BIN)/python tools/build_book.py

test: $(INSTALLED)
	@$(BIN)/python tools/run_tests.py $(if $(FORCE),--force)

lab: $(INSTALLED)
	$(BIN)/python -m jupyter lab notebooks

notebooks: $(INSTALLED)
	$(BIN)/python tools/notebooks.py execute $(NB)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/notebooks.py check
	$(BIN)/python tools/address.py --check
	$(BIN)/mypy

check: lint book
	$(BIN)/python tools/check_links.py

setup: $(INSTALLED)

$(INSTALLED):
	@sh tools/setup.sh '$(PYTHON)' '$(UV)' '$(TORCH)'
	@rm -f .venv/.installed-* && touch $@

lock: $(INSTALLED)
	$(BIN)/python tools/lock.py

address:
	@$(PYTHON) tools/address.py $(URL)

clean:
	rm -rf _build .jupyter_cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find paperlib tests tools book -name __pycache__ -type d -prune -exec rm -rf {} +

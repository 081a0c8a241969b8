# Distributed Systems by Experiment: the commands, in the order in which a newcomer needs them. `make` alone lists them.
#
# The environment is made once, in .venv, from the pinned requirements.txt, and mended when that file changes. Nothing
# outside this folder is touched, and nothing is fetched but the Python packages that are named there.

ENVIRONMENT := .venv
BIN := $(ENVIRONMENT)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --no-input --progress-bar off
INSTALLED := $(ENVIRONMENT)/.installed
LABS_INSTALLED := $(ENVIRONMENT)/.labs-installed
HTML := build/_build/html
BUILT := build/.built

# Folders are listed beside files, so that a page that was deleted counts as a change, too.
BOOK_SOURCES := _config.yml _toc.yml \
  $(shell find book/ $(wildcard chapters/) -name '.*' -prune -o -name __pycache__ -prune -o -print)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help book read test lab labs chapter times check bench browser-test clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

book: $(BUILT) ## build the pages, and say where they are
	@echo "The book is built. Open  $(CURDIR)/$(HTML)/index.html  or run  make read"

read: $(BUILT) ## build the pages if needed, serve them to this machine only, and open a browser
	@$(BIN)/python book/serve.py $(HTML)

test: $(INSTALLED) ## run all tests: units, doctests, the pages, and every notebook against its outputs
	$(BIN)/python -m pytest --nbval --numprocesses 2 --dist loadfile

lab: $(INSTALLED) ## open JupyterLab on the chapters, on this machine only
	$(BIN)/jupyter lab --ip 127.0.0.1 --ServerApp.root_dir chapters \
	  --LabApp.news_url= --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate \
	  --LabApp.extension_manager=readonly $(if $(filter 0,$(shell id -u)),--allow-root)

labs: $(LABS_INSTALLED) ## run the labs: real systems on this machine, started, broken, measured, and stopped
	$(BIN)/python -m pytest -m labs tests/systems
	$(BIN)/python -m pytest --nbval-lax $(wildcard chapters/*/lab_*.ipynb)

chapter: $(INSTALLED) ## run one notebook and keep its outputs: make chapter NAME=transactions/two_phase_commit
	@test -n "$(NAME)" || { echo "Which chapter? For example: make chapter NAME=transactions/two_phase_commit"; exit 2; }
	$(BIN)/python -m tools.chapter "$(NAME)"

times: $(INSTALLED) ## time every chapter, and write the page that says so
	$(BIN)/python -m tools.times

check: $(INSTALLED) ## lint everything, and check the types of distlib
	$(BIN)/ruff check
	$(BIN)/mypy

bench: $(INSTALLED) ## measure what the speed and the scale are held against
	@for program in $$(grep -l __main__ benchmarks/*.py); do echo "==> $$program"; $(BIN)/python "$$program" || exit 1; done

browser-test: $(BUILT) ## drive the built pages in Chromium, which must be installed
	$(BIN)/python -m pytest tests/book tests/figures -m browser --numprocesses 2 --dist loadfile

clean: ## remove the pages and the environment
	rm -rf build $(ENVIRONMENT)

# Sphinx follows the pages, and not what else makes the book: style sheets, extensions, settings, packages. When one of
# those is newer, all is made again. So it is after a failed build: Sphinx repeats a warning only for the pages that it
# reads again, and a second attempt must not pass in silence.
$(BUILT): $(INSTALLED) $(BOOK_SOURCES)
	@$(if $(filter-out %.md %.ipynb,$?),rm -rf build/_build/.doctrees)
	@$(BIN)/jupyter-book build . --path-output build -W --keep-going -n || { rm -rf build/_build/.doctrees; exit 1; }
	@touch $@

$(LABS_INSTALLED): requirements-labs.txt $(INSTALLED)
	@$(PIP) --quiet --requirement requirements-labs.txt
	@touch $@

# pip says several lines for each package. The reader sees how far it is; the rest is shown if something fails.
$(INSTALLED): requirements.txt
	@test -x $(BIN)/python || { \
	  for python in python3 python3.14 python3.13 python3.12 python3.11 none; do \
	    test $$python != none || { echo "Python 3.11 or newer is needed, and none was found."; exit 1; }; \
	    $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	  done; \
	  echo "Making the environment in $(ENVIRONMENT) with $$($$python --version)"; \
	  $$python -m venv $(ENVIRONMENT); \
	}
	@rm -f $@
	@{ $(PIP) --requirement requirements.txt && $(PIP) --no-deps --no-build-isolation --editable . && touch $@; } 2>&1 \
	  | tee $(ENVIRONMENT)/install.log \
	  | { total=$$(grep -c == requirements.txt); count=0; while read -r word rest; do case "$$word" in \
	      Collecting|Processing|Requirement) count=$$((count + 1)); \
	        test $$((count % 20)) -ne 0 || echo "  $$count of $$total packages found" ;; \
	      Installing) test $$count -lt 20 || echo "  writing them to $(ENVIRONMENT): a minute or two"; count=0 ;; \
	    esac; done; }
	@test -e $@ || { cat $(ENVIRONMENT)/install.log; exit 1; }

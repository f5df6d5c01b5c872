# On a fresh Debian machine `make validate` and `make test` install what they need and do the rest.

PYTHON := .venv/bin/python
REPORT := build/report
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: validate test lint benchmark agreement fuzz man picture vagrant-test deb deb-test coverage mutation clean

# The document against real kernels. Status 1 of pyinsmod says that a claim is contradicted: that is a
# result, and the run was sound.
validate:
	@tools/setup-host run
	@$(PYTHON) -m pyinsmod validate --json $(REPORT)/report.json --markdown $(REPORT)/report.md \
	    --html $(REPORT)/report.html --junit $(REPORT)/junit.xml \
	    --annotate $(REPORT)/loading-a-module.md || [ $$? -eq 1 ]
	@echo "reports: $(REPORT)/report.html, report.md, report.json, loading-a-module.md"

test:
	@tools/setup-host test
	@$(PYTHON) -m pytest

lint:
	@tools/setup-host test
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@$(PYTHON) -m mypy
	@shellcheck tools/setup-host .ci/run vm/guest/init vm/guest/prepare vm/guest/provision vm/box/prepare vm/box/finish vm/box/disk \
	    tools/build-deb debian/tests/installed

# Ratios against the peers, measured side by side in one run, and printed as Markdown.
benchmark: SHARED := benchmarks/generic_kernel.py benchmarks/markdown.py
benchmark:
	@tools/setup-host test
	@for script in $(filter-out $(SHARED),$(wildcard benchmarks/*.py)); do \
	    printf '### %s\n\n' "$$script"; $(PYTHON) $$script || exit 1; printf '\n'; done

# Thousands of modules, sound and damaged: each predicted, then loaded for real. Writes docs/agreement.md.
agreement:
	@tools/setup-host test
	@$(PYTHON) -m tests.agreement $(ARGUMENTS)

# A hundred thousand hostile inputs, guided by coverage.
fuzz:
	@tools/setup-host test
	@$(PYTHON) -c 'import atheris' 2>/dev/null || $(PYTHON) -m pip install -q --disable-pip-version-check -e '.[dev,fuzz]'
	@$(PYTHON) -m tests.fuzz $(ARGUMENTS)

# Branches of the pure code that no test takes, those left out that load modules: pyproject.toml says which code, and how
# much of it is enough.
COVERED := tests/unit/pyinsmod tests/unit/tracer tests/host
# It counts what is imported, and coverage imports things.
UNCOVERED := --deselect tests/unit/pyinsmod/test_cli_load.py::test_loading_imports_no_heavy_package
coverage:
	@tools/setup-host test
	@$(PYTHON) -c 'import coverage' 2>/dev/null || $(PYTHON) -m pip install -q --disable-pip-version-check 'coverage>=7.10'
	@rm -rf build/coverage
	@mkdir -p build; mkdir -m 1777 build/coverage  # programs that a test starts as somebody else note what they ran, too
	@$(PYTHON) -m coverage run -m pytest -q $(COVERED) $(UNCOVERED)
	@$(PYTHON) -m coverage combine -q
	@$(PYTHON) -m coverage report

# Small changes of the checks and of compare: which of them does no test notice?
mutation:
	@tools/setup-host test
	@$(PYTHON) -c 'import cosmic_ray' 2>/dev/null || $(PYTHON) -m pip install -q --disable-pip-version-check 'cosmic-ray>=8.3'
	@$(PYTHON) -m tools.mutation $(ARGUMENTS)

# The manual pages in docs/man and the shells' parts in docs/completions, from the commands' parsers and docs/claims-format.md.
man:
	@tools/setup-host test
	@$(PYTHON) -m tools.man_pages

# The README's pictures: of a terminal, and of a report over the whole matrix, which takes minutes, or less when most of
# it was measured before.
picture:
	@tools/setup-host picture
	@$(PYTHON) -m tools.session docs/session.svg
	@$(PYTHON) -m pyinsmod validate --kernel all --loader all --html $(REPORT)/matrix.html >/dev/null || [ $$? -eq 1 ]
	@$(PYTHON) -m tools.picture $(REPORT)/matrix.html docs/report.png

# The Vagrantfile's steps, in a box made of Debian packages: minutes, and nothing stays but the box.
vagrant-test:
	@tools/setup-host vagrant
	@$(AS_ROOT) $(abspath $(PYTHON)) -m tools.vagrant_test $(ARGUMENTS)

# Source and binary package in build/deb, from the sdist, as lintian wants them.
deb:
	@tools/setup-host deb
	@tools/build-deb

# The Debian package in clean systems of two suites, and the wheel by pipx and uv.
deb-test: deb
	@$(AS_ROOT) $(abspath $(PYTHON)) -m tools.package_test

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

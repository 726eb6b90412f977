# Each command works in a fresh clone on Debian 12 or 13 with git, make and Python 3.11, 3.12 or 3.13.
# Name the folders of this project to pip by paths (./), and hubd's and the simulator's together. Never use a name: on an
# index it may belong to somebody else.
PYTHON ?= python3
PREFIX ?= /opt/hubd
VENV ?= .venv
BIN := $(VENV)/bin
# How many tests run side by side; many of them wait for other processes. 0: one after the other, in pytest's own process.
WORKERS ?= $(shell expr 2 + $$(nproc))
# Which tests, as pytest has it. Nothing: all of them, but for the lab's.
TESTS ?=
# Some containers set it. Then each program that a test starts would compile all of hubd again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo site pictures test test-own test-again test-zwave test-oracle test-postgresql fuzz tools zwave-modules openzwave kotlin install-zwave uninstall-zwave install-update uninstall-update install-cache uninstall-cache install-site uninstall-site bench-updates salt test-pythons mutants check bench bench-quick bench-fleet bench-webphone bench-site bench-offline bench-lab lab lab-side-by-side lab-alone lab-again lab-ready lab-soak install wheels uninstall deb image same locks audit clean
.DELETE_ON_ERROR:

demo: $(VENV)/ready
	$(BIN)/hubsim demo
	$(BIN)/hubsim update

# A whole site on this machine: its server, an engine, a gateway, a bridge, a hub on simulated radio and metal, and a phone in
# a browser where chromium is here. It prints where to look, and waits for Ctrl-C; ONCE=1: it ends when all was seen to work.
ONCE ?=
site: $(VENV)/ready
	$(BIN)/hubsim trial $(if $(ONCE),--once)

# What hubctl shows, in README.md and docs: taken from a simulated site that runs. Needs chromium.
pictures: $(VENV)/ready
	$(BIN)/python -m tests.pictures .

test: test-own test-zwave test-oracle

test-own: tools $(VENV)/ready
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal $(if $(CI),--durations 40) $(TESTS)

# The tests of the site's server, with a real PostgreSQL server in place of SQLite. SITE_TESTS=FILE for fewer.
SITE_TESTS ?= tests/site
test-postgresql: $(VENV)/ready
	.ci/prerequisites $(PYTHON) pg_ctlcluster
	$(BIN)/python -m tests.site.postgres $(BIN)/python -m pytest -q -m "not sqlite and not long" $(SITE_TESTS)

# The tests that failed last time, once more, one after the other.
test-again: tools $(VENV)/ready
	$(BIN)/python -m pytest -q --last-failed --last-failed-no-failures none

# The real Z-Wave service in front of simulated nodes; once, with one Python.
test-zwave: zwave-modules $(VENV)/ready
	$(BIN)/python -m pytest -q -n 3 --dist worksteal tests/zwave

# The modules of the Z-Wave service, into a cache outside the tree, when its lock file has changed.
zwave-modules:
	.ci/zwave-modules

# What two other COSE libraries make of the same bytes.
test-oracle: $(VENV)-oracle/ready
	$(VENV)-oracle/bin/python -m pytest -q tests/oracle tests/unit/test_cbor.py tests/unit/test_cose.py tests/unit/test_tokens.py \
	  tests/unit/test_messages.py tests/unit/test_vectors.py

# Before a release: the fuzzers and the property tests with FUZZ times as many examples as in `make test`, and new ones
# each time. What fails is kept in .hypothesis and tried first the next time.
FUZZ ?= 20
fuzz: $(VENV)/ready
	HUBD_FUZZ=$(FUZZ) $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal --timeout 3600 tests/fuzz
	HUBD_FUZZ=$(FUZZ) $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal --timeout 3600 -m hypothesis tests/unit tests/ports

# The tools that the tests need. Check for them before fetching or building anything.
tools:
	.ci/prerequisites $(PYTHON) dbus-daemon softhsm2-util zstd

# The driver of OpenZWave with the real library, against a simulated stick. Debian 12's Python alone; it builds a wheel once,
# into a cache outside the tree.
OPENZWAVE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/hubd-openzwave-0.4.19
openzwave: $(VENV)-openzwave/ready
	$(VENV)-openzwave/bin/python -m pytest -q -p no:cacheprovider tests/openzwave tests/ports/test_device.py --timeout 150 -k openzwave

$(VENV)-openzwave/ready: setup.cfg pyproject.toml hardware-sim/setup.cfg .ci/openzwave .ci/prerequisites .ci/pip
	.ci/prerequisites $(PYTHON)
	.ci/openzwave $(PYTHON) $(OPENZWAVE)
	$(PYTHON) -m venv $(VENV)-openzwave
	.ci/pip $(VENV)-openzwave/bin/python install -q --find-links $(OPENZWAVE) -e '.[dev,openzwave]' -e ./hardware-sim
	@touch $@

# The Salt module before a running hub, by the real salt-call. It builds a wheel once, into a cache outside the tree.
SALT := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/hubd-salt-3007.10
salt: $(VENV)/ready $(VENV)-salt/ready
	HUBD_SALT_CALL=$(VENV)-salt/bin/salt-call $(BIN)/python -m pytest -q -n 2 --dist worksteal tests/salt

$(VENV)-salt/ready: setup.cfg pyproject.toml .ci/salt .ci/prerequisites .ci/pip
	.ci/prerequisites $(PYTHON)
	.ci/salt $(PYTHON) $(SALT)
	$(PYTHON) -m venv $(VENV)-salt
	.ci/pip $(VENV)-salt/bin/python install -q -e '.[salt]'
	.ci/pip $(VENV)-salt/bin/python install -q --no-deps --find-links $(SALT) 'salt ==3007.10'
	@touch $@

# The phone in Kotlin: built, held to the vectors, and led to a hub's door. Needs a JDK; it fetches the compiler once, into a
# cache outside the tree.
kotlin: build/kotlin/made $(VENV)/ready
	HUBD_KOTLIN=build/kotlin $(BIN)/python -m pytest -q -p no:cacheprovider tests/kotlin

build/kotlin/made: .ci/kotlin .ci/prerequisites hardware-sim/kotlin/package-lock.json $(shell find hardware-sim/kotlin/src tests/kotlin/src)
	PYTHON=$(PYTHON) .ci/kotlin build/kotlin
	@touch $@

# The tests on each Python that setup.cfg promises and this machine has. It says which are missing.
test-pythons:
	.ci/pythons $(PYTHON)

# Changes the rules of doors, one small change at a time, and runs their tests against each: docs/mutants.md. It names
# the changes that no test noticed. CI=true, so that hypothesis tries the same examples each time.
MUTANTS ?=
mutants: $(VENV)-mutants/ready
	rm -rf mutants
	CI=true nice $(VENV)-mutants/bin/mutmut run --max-children 1 $(MUTANTS)
	$(VENV)-mutants/bin/mutmut results

# In CI the layers' test runs once, among all others.
check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(if $(CI),,$(BIN)/python -m pytest -q tests/unit/test_layers.py)

bench: $(VENV)/ready
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks --bridge

bench-quick: $(VENV)/ready
	$(BIN)/python -m benchmarks --quick
	$(BIN)/python -m benchmarks --bridge --quick

# A fleet of hubs on one hubgateway, before a real NATS server. HUBS=200 for fewer.
HUBS ?= 2000
bench-fleet: $(VENV)/ready
	$(BIN)/python -m benchmarks.fleet --hubs $(HUBS)

# The phone in a browser beside the Python phone: touch to verdict, at one hub, in turns. Needs chromium.
bench-webphone: $(VENV)/ready
	$(BIN)/python -m benchmarks.webphone

# The site's server with 10,000 people, a process of its own: its pages, and 500 phones at once.
bench-site: $(VENV)/ready
	$(BIN)/python -m benchmarks.site

# A hub that was offline for 72 hours, on a log of ten million records: 5 to 20 minutes, 3 GB in TMPDIR.
bench-offline: $(VENV)/ready
	$(BIN)/python -m benchmarks --offline

# Updates of one machine, each with a power cut at a random moment: real scripts and processes, a tiny program for hubd. Some
# 20 minutes for 200. Then of a real hubd, which changes hands; amid each somebody is killed. Some 10 minutes for 40.
UPDATES ?= 200
REAL_UPDATES ?= 40
bench-updates: $(VENV)/ready
	$(BIN)/python -m hubsim.update.cuts $(UPDATES)
	$(BIN)/python -m tests.handing.updates.cuts $(REAL_UPDATES)

# As root, after `make lab`: the figures of the hub in its guest.
bench-lab: $(VENV)/ready
	hardware-sim/lab/kernel.sh
	$(BIN)/python -m benchmarks --lab

# The real stack in user-mode Linux guests, as root. It installs missing Debian packages and builds a kernel once (into
# ~/.cache). Two guests run at a time. Then the cases that measure run alone; `make lab-soak` runs those longer.
# BLUEZ=5.82 (or 5.87, newest) uses that BlueZ, built once from Debian's source package.
BLUEZ ?=
lab: lab-side-by-side lab-alone

lab-side-by-side: lab-ready
	$(LAB) -n 3 --dist worksteal -m "not alone"

lab-alone: lab-ready
	$(LAB) -m alone

# The cases that failed last time, once more, with nothing beside them.
lab-again: lab-ready
	$(LAB) --last-failed --last-failed-no-failures none

LAB = HUBD_LAB=1 HUBD_LAB_BLUEZ=$(BLUEZ) $(BIN)/python -m pytest -v tests/lab
lab-ready: zwave-modules $(VENV)/ready
	hardware-sim/lab/check.sh --install
	hardware-sim/lab/kernel.sh
	$(if $(BLUEZ),hardware-sim/lab/bluez.sh $(BLUEZ))

# Some two hours, once for each release: an hour of storms, ten idle minutes, 500 visits, 200 power cuts. Its figures
# replace those of an earlier run in benchmarks/lab-soak.json.
SOAK := $(addprefix tests/lab/,test_soak.py test_air.py test_strangers.py test_power_cut.py)
lab-soak: $(VENV)/ready
	hardware-sim/lab/check.sh --install
	hardware-sim/lab/kernel.sh
	echo '{}' >benchmarks/lab-soak.json
	HUBD_LAB=1 HUBD_LAB_KEEP=benchmarks/lab-soak.json HUBD_LAB_SOAK_SECONDS=3600 HUBD_LAB_IDLE_SECONDS=600 \
	  HUBD_LAB_CYCLES=500 HUBD_LAB_CUTS=200 $(BIN)/python -m pytest -v $(SOAK)

# The environment in which everything runs.
$(VENV)/ready: setup.cfg pyproject.toml hardware-sim/setup.cfg .ci/prerequisites .ci/pip
	.ci/prerequisites $(PYTHON)
	$(PYTHON) -m venv $(VENV)
	.ci/pip $(BIN)/python install -q -e '.[dev]' -e './hardware-sim[bleak,bless]'
	@touch $@

# Two COSE libraries as independent readers and writers. Both need an older cbor2; hubd must work with that one too.
$(VENV)-oracle/ready: setup.cfg pyproject.toml hardware-sim/setup.cfg .ci/prerequisites .ci/pip
	.ci/prerequisites $(PYTHON)
	$(PYTHON) -m venv $(VENV)-oracle
	.ci/pip $(VENV)-oracle/bin/python install -q -e '.[oracle]' -e ./hardware-sim
	@touch $@

# The tool that makes mutants. Its tests are pure: they need neither a radio nor a device's library.
$(VENV)-mutants/ready: setup.cfg pyproject.toml hardware-sim/setup.cfg .ci/prerequisites .ci/pip
	.ci/prerequisites $(PYTHON)
	$(PYTHON) -m venv $(VENV)-mutants
	.ci/pip $(VENV)-mutants/bin/python install -q -e '.[mutants]' -e ./hardware-sim
	@touch $@

# On a hub, as root; or below DESTDIR into an image, for the Python that the image has at the same place. It restarts a
# running hub, unless RESTART=no.
install:
	EXTRAS='$(EXTRAS)' RESTART='$(RESTART)' DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' PYTHON='$(PYTHON)' systemd/install.sh install

# The Z-Wave service, beside `make install`, on a hub with a stick (docs/hub.md, "Z-Wave").
install-zwave:
	DESTDIR='$(DESTDIR)' ZWAVE_PREFIX='$(ZWAVE_PREFIX)' systemd/install-zwave.sh install

# Two slots and updates for a hub that `make install EXTRAS=update` has made (docs/updates.md). IMAGE is the first slot's.
install-update:
	DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' RESTART='$(RESTART)' systemd/install-update.sh install $(IMAGE) $(VERSION)

uninstall-update:
	DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' systemd/install-update.sh uninstall

# A site's cache of updates, on the machine of its bridge, beside `make install EXTRAS=update` (docs/updates.md).
install-cache:
	DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' systemd/install-cache.sh install

uninstall-cache:
	DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' systemd/install-cache.sh uninstall

# The server of a site, on a machine of its own, as root (docs/site.md). It starts nothing.
install-site:
	EXTRAS='$(EXTRAS)' DESTDIR='$(DESTDIR)' SITE_PREFIX='$(SITE_PREFIX)' PYTHON='$(PYTHON)' systemd/install-site.sh install

uninstall-site:
	DESTDIR='$(DESTDIR)' SITE_PREFIX='$(SITE_PREFIX)' systemd/install-site.sh uninstall

uninstall-zwave:
	DESTDIR='$(DESTDIR)' ZWAVE_PREFIX='$(ZWAVE_PREFIX)' systemd/install-zwave.sh uninstall

# Fetch into ./wheels what `make install` needs, for a hub without internet (docs/hub.md). Run it on a machine with
# internet, with the same Debian and the same kind of processor.
wheels:
	.ci/prerequisites $(PYTHON)
	$(PYTHON) -m venv --clear $(VENV)-wheels
	.ci/pip $(VENV)-wheels/bin/python wheel -q -w wheels . 'setuptools >=77'

# What packaging/README.md tells of, into ./dist: a Debian package, and the image of an update's slot. The same bytes each
# time; of a commit, so nothing may be edited. For this machine's kind of processor and Debian's own Python.
deb: $(VENV)-packaging/ready
	EXTRAS='$(EXTRAS)' packaging/pack $(VENV)-packaging/bin/python deb

image: $(VENV)-packaging/ready
	EXTRAS='$(EXTRAS)' packaging/pack $(VENV)-packaging/bin/python image

# Whether the package and the image are the same bytes when they are made in another folder.
same: $(VENV)-packaging/ready
	EXTRAS='$(EXTRAS)' packaging/same $(VENV)-packaging/bin/python

# The lock files anew, from setup.cfg. Then look at what changed, and commit it.
locks: $(VENV)-packaging/ready
	packaging/locks $(VENV)-packaging/bin/python

# Whether a locked library has a known vulnerability. It asks an advisory service on the internet; status 75: not all were asked.
audit: $(VENV)-packaging/ready
	$(VENV)-packaging/bin/python packaging/audit.py packaging/locked/*.txt

$(VENV)-packaging/ready: setup.cfg pyproject.toml .ci/prerequisites .ci/pip
	.ci/prerequisites $(PYTHON)
	$(PYTHON) -m venv $(VENV)-packaging
	.ci/pip $(VENV)-packaging/bin/python install -q '.[packaging]'
	@touch $@

uninstall:
	DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' systemd/install.sh uninstall

# Never remove desk: it holds the private key of a site's issuer.
clean:
	rm -rf .venv .venv-* build dist mutants wheels *.egg-info hardware-sim/build hardware-sim/*.egg-info desk-demo desk-trial

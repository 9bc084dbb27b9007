# SPDX-License-Identifier: Apache-2.0
#
# The one entry point. Every target is a thin call of a CMake preset or of a script in tools/.
.DEFAULT_GOAL := help
.PHONY: help setup run serve test check crash build install deb deb-check bench fuzz arm format tidy clean
SHELL := /bin/bash

PREFIX ?= /usr/local
MINUTES ?= 10
ROUNDS ?= 200
TASK ?=
CMD ?=
FLAGS ?=
export CMD

quiet_configure = tools/progress.sh "configure: $(1)" cmake --preset $(1)
quiet_build = $(quiet_configure) && tools/progress.sh "build: $(1)" cmake --build --preset $(1)

help:  ## show this list
	@echo "Ullage: finds the memory growth that stops a program, and says what to reserve."
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null || \
	  sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1    \2/p' $(MAKEFILE_LIST)

setup:  ## install every package that run, test, check and bench need
	@tools/setup.sh run test check bench

run:  ## record a real program and print its findings: make run [CMD="program arguments"]
	@tools/setup.sh run
	@$(call quiet_build,release)
	@tools/run.sh

serve:  ## keep data in memory for Redis clients: make serve [FLAGS="--residency.hot=1GiB"]
	@tools/setup.sh run
	@$(call quiet_build,release)
	@build/release/bin/ullage serve --server.http_port=9180 $(FLAGS)

test:  ## build and run every test
	@tools/setup.sh run test
	@$(call quiet_build,dev)
	@tools/ctest.sh dev

check:  ## what `test` leaves out: sanitizers, clang, clang-tidy, fuzzing for half a minute per target, deb-check
	@tools/setup.sh run test check
	@$(call quiet_build,asan)
	@tools/ctest.sh asan
	@$(call quiet_build,tsan)
	@tools/ctest.sh tsan
	@$(call quiet_build,clang)
	@tools/ctest.sh clang
	@tools/tidy.sh
	@$(call quiet_build,fuzz)
	@tools/fuzz.sh 30
	@$(MAKE) --no-print-directory deb-check

crash:  ## kill -9 a server under load 200 times, and look for what it acknowledged: make crash [ROUNDS=200]
	@tools/setup.sh run test
	@$(call quiet_build,dev)
	@cd tests && ULLAGE_CRASH_ROUNDS=$(ROUNDS) ULLAGE_CRASH_STARVED_MS=50 ULLAGE_BIN=$(CURDIR)/build/dev/bin/ullage ULLAGE_SRC=$(CURDIR) \
	  ULLAGE_BUILD=$(CURDIR)/build/dev PYTHONPATH=lib python3 serve/test.py killed

build:  ## build the program to install (build/release/bin/ullage)
	@tools/setup.sh run
	@$(call quiet_build,release)

install: build  ## install it: make install [PREFIX=/usr/local] [DESTDIR=]
	@cmake --install build/release --prefix $(PREFIX)

deb: build  ## a Debian package with the service: build/release/package/ullage_*.deb
	@tools/progress.sh "package" cpack --config build/release/CPackConfig.cmake -B build/release/package
	@ls build/release/package/ullage_*.deb

# 77: skipped, with the reason told, where no systemd can be booted.
deb-check: deb  ## boot a systemd that installs, upgrades and removes the Debian package
	@cd tests && ULLAGE_DEB=$$(ls -t $(CURDIR)/build/release/package/ullage_*.deb | head -1) \
	  ULLAGE_BIN=$(CURDIR)/build/release/bin/ullage ULLAGE_SRC=$(CURDIR) ULLAGE_BUILD=$(CURDIR)/build/release \
	  PYTHONPATH=lib python3 serve/systemd.py package || [ $$? = 77 ]

bench:  ## compare with the rivals and print the table: make bench [TASK=recording]
	@tools/setup.sh run bench
	@$(call quiet_build,release)
	@python3 bench/run.py $(TASK)

fuzz:  ## fuzz every parser of outside bytes: make fuzz [MINUTES=10] per target
	@tools/setup.sh run test check
	@$(call quiet_build,fuzz)
	@tools/fuzz.sh $$(( $(MINUTES) * 60 ))

arm:  ## the containers on a 64-bit ARM (emulated): headers, and tests of maps, which probe by NEON there
	@tools/setup.sh run test arm
	@tools/arm.sh

format:  ## format every source in place
	@tools/check_format.py . --fix

tidy:  ## lint with clang-tidy
	@tools/setup.sh run test check
	@$(call quiet_configure,clang)
	@tools/tidy.sh

clean:  ## remove everything that was built
	@rm -rf build

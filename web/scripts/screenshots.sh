#!/usr/bin/env bash
# Makes docs/screenshots anew from the real server in Chromium: ../bin/murre, or MURRE_BIN.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/web-build.sh packages
mkdir -p ../docs/screenshots
WEB_SCREENSHOTS=../docs/screenshots node_modules/.bin/playwright test --config playwright.screenshots.config.ts "$@"

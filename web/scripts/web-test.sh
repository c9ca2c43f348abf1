#!/usr/bin/env bash
# The web client's tests: types, lint, units, and the browser's against the real server (../bin/murre, or MURRE_BIN).
#   web/scripts/web-test.sh            everything
#   web/scripts/web-test.sh unit       types, lint and units only
#   web/scripts/web-test.sh browser [ARGS]  Playwright's, with its own arguments
#   web/scripts/web-test.sh figures         only what is measured, by itself and against the budgets as they are
# WEB_NOISE=2 lets figures of time be twice their budgets, for machines that do other things besides.
# MURRE_WEB_URL=http://host:port passes the browser tests on a server that runs already, a cluster's balancer for one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/web-build.sh packages
step() {
	local name=$1 at=$SECONDS; shift
	echo "--- web: $name"
	"$@"
	echo "--- web: $name: ok in $((SECONDS - at)) s"
}
what=${1:-all}
[ $# -eq 0 ] || shift
case $what in all | unit | browser | figures) ;; *) echo "usage: web-test.sh [unit | browser [ARGS] | figures]" >&2; exit 2 ;; esac
[ "$what" != figures ] || { export WEB_NOISE=1 WEB_MEASURE_ONLY=1; set -- --project measure; }
if [ "$what" = all ] || [ "$what" = unit ]; then
	step types node_modules/.bin/tsc -b
	step lint node_modules/.bin/eslint .
	step units node_modules/.bin/vitest run
fi
if [ "$what" != unit ]; then
	[ -n "${CHROMIUM:-}" ] || command -v chromium chromium-browser google-chrome >/dev/null || { echo "web: the browser tests need Chromium (Debian: apt-get install chromium)" >&2; exit 1; }
	step browser node_modules/.bin/playwright test "$@"
fi

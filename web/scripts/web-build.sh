#!/usr/bin/env bash
# Builds the web client and puts it where the server's program embeds it (pkg/webui/built). Does nothing when neither the
# sources nor Node have changed since it did so last. Without Node it says so and leaves things as they are: the server then
# shows a page about terminals.
#   web/scripts/web-build.sh             build, when there is anything to do
#   web/scripts/web-build.sh enough      exit 0 when Node is new enough for it
#   web/scripts/web-build.sh packages    only install the packages of web/package-lock.json, when they aren't there
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
built=../pkg/webui/built

enough() { command -v node >/dev/null && command -v npm >/dev/null && node -e "const [a, b] = process.versions.node.split('.').map(Number); process.exit(a > 22 || (a === 22 && b >= 13) || (a === 20 && b >= 19) ? 0 : 1)"; }
if [ "${1:-}" = enough ]; then enough; exit; fi
if ! enough; then
	echo "web: not built, that needs Node 20.19 or from 22.13 on, with npm" >&2
	[ "${1:-}" != packages ] || exit 1
	exit 0
fi

packages() {
	local want; want=$(cat package-lock.json <(node --version) | sha256sum | cut -c1-32)
	[ "$(cat node_modules/.murre 2>/dev/null)" != "$want" ] || return 0
	# Playwright's own browser isn't used, and no package has a script that we need.
	PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund --ignore-scripts --prefer-offline --loglevel=error >&2
	echo "$want" > node_modules/.murre
}
if [ "${1:-}" = packages ]; then packages; exit 0; fi

state=$({ git ls-files -co --exclude-standard -- . 2>/dev/null || find . -type f -not -path './node_modules/*' -not -path './dist/*'; } |
	grep -vE '^(\./)?(e2e|client|examples)/|\.(test\.tsx?|md)$' | LC_ALL=C sort | { xargs -d '\n' sha256sum 2>/dev/null || true; node --version; } | sha256sum | cut -c1-32)
if [ "$(cat "$built/.state" 2>/dev/null)" = "$state" ] && [ -e "$built/index.html" ]; then exit 0; fi
packages
node_modules/.bin/tsc -b
node_modules/.bin/vite build --logLevel warn
node scripts/embed.mjs dist "$built"
echo "$state" > "$built/.state"

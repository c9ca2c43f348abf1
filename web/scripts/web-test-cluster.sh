#!/usr/bin/env bash
# The browser tests against a cluster: three gateways behind HAProxy, over Cassandra, Redis Cluster and MinIO, which this starts
# and ends. Arguments are Playwright's.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
dir=$(mktemp -d)
cluster() { go run ./deploy/native/cmd/cluster -dir "$dir" -subnet '' -binary "${MURRE_BIN:-bin/murre}" "$@"; }
trap 'cluster -wipe down; rm -rf "$dir"' EXIT
cluster up | tee "$dir/where"
url=$(grep -oE 'http://[0-9.]+:[0-9]+' "$dir/where" | head -1)
MURRE_WEB_URL=$url web/scripts/web-test.sh browser "$@"

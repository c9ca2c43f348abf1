#!/usr/bin/env bash
# Installs what the Node and Python clients need into a cache and prints its folder; does nothing when it is there already.
#   MURRE_CLIENTS_CACHE=DIR  where to (default: .cache/clients in the checkout)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${MURRE_CLIENTS_CACHE:-$(cd "$here/../.." && pwd)/.cache/clients}
for tool in node npm python3; do
	command -v "$tool" >/dev/null || { echo "setup.sh: $tool is missing (Debian: apt-get install nodejs npm python3-venv)" >&2; exit 1; }
done
want=$(cat "$here/package-lock.json" "$here/requirements.txt" <(node --version) <(python3 --version) | sha256sum | cut -c1-16)
done="$cache/$want"
if [ ! -e "$done/ready" ]; then
	# Made beside and moved in place, so that two runs at a time and a broken one leave nothing half-made.
	mkdir -p "$cache"
	work=$(mktemp -d "$cache/making.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	cp "$here/package.json" "$here/package-lock.json" "$work/"
	(cd "$work" && npm ci --no-audit --no-fund --ignore-scripts) >&2
	# The packages go to a folder that PYTHONPATH names: a venv can not be moved.
	python3 -m venv "$work/venv" >&2
	"$work/venv/bin/pip" install --quiet --disable-pip-version-check --target "$work/python" -r "$here/requirements.txt" >&2
	rm -rf "$work/venv"
	touch "$work/ready"
	mv -T "$work" "$done" 2>/dev/null || [ -e "$done/ready" ]
fi
echo "$done"

#!/usr/bin/env bash
# Runs the Autobahn WebSocket test suite (fuzzing client) against the echo build of the gateway, on both transports.
#   .ci/autobahn.sh [case ...]      e.g. '1.*' '2.*'; default: cases 1 to 10 (12 and 13 are about compression, which we don't offer)
# The suite needs Python 2.7, which it takes from Debian's bullseye packages into a cache folder of its own (no root, nothing
# installed system-wide), and its Python packages from PyPI. Exit 1 when a case is FAILED, WRONG CODE, UNCLEAN or UNIMPLEMENTED.
# Reports: $AUTOBAHN_OUT (default: under the cache) /epoll and /goroutine.
set -euo pipefail
cd "$(dirname "$0")/.."
cases=("$@"); [ ${#cases[@]} -gt 0 ] || cases=('1.*' '2.*' '3.*' '4.*' '5.*' '6.*' '7.*' '9.*' '10.*')
cache=${AUTOBAHN_CACHE:-$HOME/.cache/autobahn-py2}; mkdir -p "$cache"; cache=$(cd "$cache" && pwd)
results=${AUTOBAHN_OUT:-$cache/report}
root=$cache/root site=$cache/site
py2() { LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu PYTHONHOME=$root/usr PYTHONPATH=$site "$root/usr/bin/python2.7" -W ignore "$@"; }

setup() { # once a cache
  ( cd "$cache"; mkdir -p lists/partial root site
    uri=$(grep -hE '^URIs:' /etc/apt/sources.list.d/*.sources 2>/dev/null | awk '{print $2; exit}')
    [ -n "$uri" ] || uri=$(awk '$1=="deb"{print $2; exit}' /etc/apt/sources.list)
    echo "deb [trusted=yes] $uri bullseye main" > bullseye.list
    o=(-o "Dir::Etc::sourcelist=$cache/bullseye.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$cache/lists")
    apt-get "${o[@]}" -qq update
    apt-get "${o[@]}" -qq download python2.7-minimal libpython2.7-minimal libpython2.7-stdlib python2.7 python2.7-dev \
      libpython2.7-dev libpython2.7 libffi7 libssl1.1
    for d in *.deb; do dpkg -x "$d" root; done
    python3 -m pip download -q --no-deps -d . pip==20.3.4 )
  pip2() { CFLAGS=-I$root/usr/include/python2.7 py2 "$cache/pip-20.3.4-py2.py3-none-any.whl/pip" install -q --no-compile --upgrade --target "$site" "$@" 2>/dev/null; }
  pip2 setuptools==44.1.1 wheel==0.37.1
  pip2 autobahn==0.10.9 zope.interface==5.5.2 klein==20.6.0 jinja2==2.11.3 markupsafe==1.1.1 unittest2
  pip2 twisted==20.3.0; pip2 --no-deps autobahntestsuite==0.8.2; pip2 txaio==2.1.0
  pip2 pyOpenSSL==21.0.0 cryptography==3.3.2 service_identity==18.1.0
  touch "$site/zope/__init__.py" "$cache/ready"
}

suite() { # URL, report folder
  local url=$1 out=$2 list
  mkdir -p "$out"; list=$(printf '"%s",' "${cases[@]}")
  printf '{"outdir":"%s","servers":[{"agent":"server","url":"%s"}],"cases":[%s],"exclude-cases":["12.*","13.*"],"exclude-agent-cases":{}}' \
    "$out" "$url" "${list%,}" > "$out/spec.json"
  py2 -c "import sys; sys.argv=['wstest','-m','fuzzingclient','-s','$out/spec.json']
from autobahntestsuite.wstest import run; run()" > "$out/log.txt" 2>&1 || { tail -5 "$out/log.txt"; return 2; }
  python3 - "$out/index.json" <<'P'
import json, sys, collections
r = list(json.load(open(sys.argv[1])).values())[0]
n = collections.Counter(v['behavior'] for v in r.values()); c = collections.Counter(v['behaviorClose'] for v in r.values())
bad = sorted(k for k, v in r.items() if v['behavior'] in ('FAILED', 'WRONG CODE', 'UNCLEAN', 'UNIMPLEMENTED') or v['behaviorClose'] in ('FAILED', 'WRONG CODE', 'UNCLEAN'))
lax = sorted(k for k, v in r.items() if v['behavior'] == 'NON-STRICT' or v['behaviorClose'] == 'NON-STRICT')
print('autobahn:', len(r), 'cases;', dict(n), 'close', dict(c), 'bad', bad[:20], 'non-strict', lax[:20])
sys.exit(1 if bad or not r else 0)
P
}

[ -e "$cache/ready" ] || setup
work=$(mktemp -d); server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
go build -o "$work/echoserver" ./pkg/gateway/echoserver
status=0
for transport in epoll goroutine; do
  : > "$work/out" # else the wait below may see the line of the server before
  "$work/echoserver" --listen 127.0.0.1:0 --transport "$transport" > "$work/out" 2> "$work/err" & server=$!
  for _ in $(seq 100); do grep -q '^listening on' "$work/out" && break; sleep 0.1; done
  address=$(awk '/^listening on/ {print $3}' "$work/out")
  [ -n "$address" ] || { cat "$work/err" >&2; exit 2; }
  began=$SECONDS
  echo "$transport: ${cases[*]}"
  suite "ws://$address" "$results/$transport" || status=1
  echo "$transport: $((SECONDS - began)) s"
  kill "$server"; wait "$server" || true; server=
done
exit $status

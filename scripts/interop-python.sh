#!/usr/bin/env bash
# librdkafka, by Confluent's client for Python at the newest version, against the embedded broker.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOTOOLCHAIN=auto
work=$PWD/target/interop-python
rm -rf "$work/data"; mkdir -p "$work"
fail() { echo "interop-python: $*" >&2; exit 1; }
python=$work/venv/bin/python
if ! { python3 -m venv "$work/venv" && "$python" -m pip install -q confluent-kafka; } >"$work/install" 2>&1; then
  echo "interop-python: confluent-kafka cannot be installed: skipped ($(tail -1 "$work/install"))"
  exit 0
fi
go build -o "$work/millrace" ./cmd/millrace
"$work/millrace" broker --data "$work/data" --listen 127.0.0.1:0 --log-level warn \
  --set group.consumer.heartbeat.interval.ms=1000 --set group.consumer.min.heartbeat.interval.ms=1000 >"$work/out" 2>"$work/broker.err" &
trap 'kill $! 2>/dev/null || true' EXIT
for _ in $(seq 100); do grep -q '^ready' "$work/out" && break; sleep 0.1; done
server=$(sed -n 's/.* on \(127[0-9.:]*\),.*/\1/p' "$work/out")
[ -n "$server" ] || fail "the broker does not start: $(tail -5 "$work/broker.err")"
begun=$SECONDS
timeout 240 "$python" interop/tour.py "$server" >"$work/tour.out" 2>"$work/tour.err" || { tail -15 "$work/tour.err" >&2; fail "librdkafka, after $(tail -1 "$work/tour.out")"; }
echo "interop-python: $(grep -c '^ok' "$work/tour.out") passed, 0 failed, $((SECONDS - begun)) s"

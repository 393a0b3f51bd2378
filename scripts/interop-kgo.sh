#!/usr/bin/env bash
# franz-go's own suite, unchanged, at the version of go.mod, against the embedded broker.
#   scripts/interop-kgo.sh [plain|chaos] [records]     chaos: clients lose connections at random (KGO_TEST_CHAOS); records: 50000
# Every test that the suite skips by itself has to be listed in `skips` with its reason: an unexpected skip is a failure. So is an unlisted test that fails.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOTOOLCHAIN=auto
mode=${1:-plain} records=${2:-50000}
work=$PWD/target/interop-kgo-$mode
rm -rf "$work"; mkdir -p "$work"
fail() { echo "interop-kgo: $*" >&2; exit 1; }
# The broker has no share groups (KIP-932) and does not advertise them. It advertises produce from version 0, as Kafka does (KAFKA-18659).
skips() {
  cat <<'S'
TestShareGroup                               no share groups
TestShareGroupETL                            no share groups
TestShareGroupAckOnClose                     no share groups
TestShareGroupOffsetsAdmin                   no share groups
TestConsumeRegexShareSkipsInternal           no share groups
TestIssueProduceBrokerTooOldFailsRecords     about brokers that do not advertise version 2
S
}
# Tests that are not run. Where it keeps the groups is the broker's own business (docs/broker.md): there is no topic of it.
excluded() {
  cat <<'S'
TestConsumeRegex                             wants __consumer_offsets, or kfake's own way to make a topic internal
Test848RegexBrokerResolves                   wants the same
S
}
serve() { # name, flags
  : >"$work/$1.out"
  "$work/millrace" broker --data "$work/$1" --listen 127.0.0.1:0 --log-level warn "${@:2}" >"$work/$1.out" 2>"$work/$1.err" &
  brokers+=($!)
  for _ in $(seq 100); do grep -q '^ready' "$work/$1.out" && break; sleep 0.1; done
  address=$(sed -n 's/.* on \(127[0-9.:]*\),.*/\1/p' "$work/$1.out")
  [ -n "$address" ] || fail "the broker does not start: $(tail -5 "$work/$1.err")"
}

go build -o "$work/millrace" ./cmd/millrace
go test -c -o "$work/kgo.test" github.com/twmb/franz-go/pkg/kgo
sources=$(go list -f '{{.Dir}}' github.com/twmb/franz-go/pkg/kgo) # one test reads them
brokers=()
trap 'kill "${brokers[@]}" 2>/dev/null || true' EXIT
# One broker that asks nobody who they are, and one that does, for the tests of log-ins.
echo 'kgo=kgo-secret' >"$work/users"
serve scram --sasl SCRAM-SHA-256,SCRAM-SHA-512 --users "$work/users" --super-user kgo
export KGO_TEST_SCRAM=kgo:kgo-secret:512 KGO_TEST_SCRAM_SEEDS=$address
serve open
export KGO_SEEDS=$address KGO_TEST_RF=1 KGO_TEST_RECORDS=$records KGO_LOG_LEVEL=${KGO_LOG_LEVEL:-none}
[ "$mode" = plain ] || export KGO_TEST_CHAOS=1
begun=$SECONDS
(cd "$sources" && exec timeout "${KGO_TIMEOUT:-900}" "$work/kgo.test" -test.v -test.count=1 -test.timeout "${KGO_TIMEOUT:-900}s" ${KGO_RUN:+-test.run "$KGO_RUN"} -test.skip "^($(excluded | awk '{printf "%s%s", s, $1; s = "|"}'))\$" >"$work/log" 2>&1) || {
  grep -E '^ *--- FAIL|^panic:' "$work/log" | head -20 >&2
  tail -20 "$work"/*.err >&2
  fail "the suite fails: see $work/log"
}
kill -0 "${brokers[@]}" || fail "a broker has died"
sed -n 's/^ *--- SKIP: \([^ ]*\) .*/\1/p' "$work/log" | sort >"$work/skipped"
unexpected=$(comm -23 "$work/skipped" <(skips | cut -d' ' -f1 | sort))
[ -z "$unexpected" ] || fail "skipped without a reason: $unexpected"
echo "interop-kgo: $mode, $records records: $(grep -c '^ *--- PASS' "$work/log") passed, 0 failed, $(wc -l <"$work/skipped") skipped, $(excluded | wc -l) not run, $((SECONDS - begun)) s"

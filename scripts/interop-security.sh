#!/usr/bin/env bash
# Java's tools against a broker where everybody logs in: users, access control lists, and both kinds of consumer groups.
#   scripts/interop-security.sh <classpath of Kafka's tools>
set -euo pipefail
cd "$(dirname "$0")/.."
export GOTOOLCHAIN=auto
libs=${1:-$(scripts/kafka.sh classpath)}
work=$PWD/target/interop-security
rm -rf "$work"; mkdir -p "$work"
fail() { echo "interop-security: $*" >&2; cat "$work"/*.err >&2; exit 1; }
java_tool() { java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$libs" "$@"; }
login() { # mechanism, login module, user, password
  printf 'security.protocol=SASL_PLAINTEXT\nsasl.mechanism=%s\nsasl.jaas.config=org.apache.kafka.common.security.%s required username="%s" password="%s";\n' "$@"
}

printf 'admin=admin-secret\nalice=alice-secret\n' >"$work/users"
login SCRAM-SHA-512 scram.ScramLoginModule admin admin-secret >"$work/admin"
login PLAIN plain.PlainLoginModule alice alice-secret >"$work/alice"
login SCRAM-SHA-256 scram.ScramLoginModule bob bob-secret >"$work/bob"

go build -o "$work/millrace" ./cmd/millrace
"$work/millrace" broker --data "$work/data" --listen 127.0.0.1:0 --sasl PLAIN,SCRAM-SHA-256,SCRAM-SHA-512 --users "$work/users" \
  --super-user admin >"$work/out" 2>"$work/broker.err" &
trap 'kill $! 2>/dev/null || true' EXIT
for _ in $(seq 100); do grep -q '^ready' "$work/out" && break; sleep 0.1; done
server=$(sed -n 's/.* on \(127[0-9.:]*\),.*/\1/p' "$work/out")
[ -n "$server" ] || fail "the broker does not start"
at=(--bootstrap-server "$server")
as() { echo --command-config "$work/$1"; }

java_tool org.apache.kafka.tools.TopicCommand "${at[@]}" $(as admin) --create --topic t --partitions 3 >/dev/null 2>"$work/topic.err" || fail "create a topic"
java_tool kafka.admin.ConfigCommand "${at[@]}" $(as admin) --alter --entity-type users --entity-name bob \
  --add-config 'SCRAM-SHA-256=[iterations=8192,password=bob-secret]' >/dev/null 2>"$work/user.err" || fail "make a user"
java_tool kafka.admin.ConfigCommand "${at[@]}" $(as admin) --describe --entity-type users 2>"$work/users.err" | grep -q "'bob' are SCRAM-SHA-256=iterations=8192" || fail "show users"
java_tool org.apache.kafka.tools.TopicCommand "${at[@]}" $(as bob) --list >"$work/seen" 2>"$work/bob.err" || fail "log in as the new user"
! grep -q . "$work/seen" || fail "a user without rights sees $(cat "$work/seen")"
java_tool org.apache.kafka.tools.AclCommand "${at[@]}" $(as admin) --add --allow-principal User:alice --consumer --topic t --group g --resource-pattern-type prefixed >/dev/null 2>"$work/acl.err" || fail "add a rule"
java_tool org.apache.kafka.tools.AclCommand "${at[@]}" $(as admin) --list 2>"$work/list.err" | grep -q 'principal=User:alice, host=\*, operation=READ' || fail "list rules"
seq 1 20 | java_tool org.apache.kafka.tools.ConsoleProducer "${at[@]}" $(as admin) --topic t >/dev/null 2>"$work/produce.err" || fail "produce"
for protocol in classic consumer; do
  java_tool org.apache.kafka.tools.consumer.ConsoleConsumer "${at[@]}" $(as alice) --topic t --group "g-$protocol" --from-beginning --max-messages 20 \
    --timeout-ms 30000 --command-property "group.protocol=$protocol" 2>"$work/consume.err" | sort -n | cmp - <(seq 1 20) || fail "consume in a $protocol group"
done
java_tool org.apache.kafka.tools.consumer.ConsoleConsumer "${at[@]}" $(as alice) --topic t --group other --timeout-ms 5000 >/dev/null 2>"$work/other.err" || true
grep -q GroupAuthorizationException "$work/other.err" || fail "a group without a rule is open"
java_tool org.apache.kafka.tools.consumer.group.ConsumerGroupCommand "${at[@]}" $(as admin) --list --type >"$work/groups" 2>"$work/groups.err"
grep -Eq 'g-consumer +Consumer' "$work/groups" && grep -Eq 'g-classic +Classic' "$work/groups" || fail "list groups: $(cat "$work/groups")"
java_tool org.apache.kafka.tools.consumer.group.ConsumerGroupCommand "${at[@]}" $(as admin) --delete --group g-consumer --group g-classic >/dev/null 2>"$work/delete.err" || fail "delete groups"
grep -q 'secret' "$work/broker.err" "$work/out" && fail "a password is in the broker's output"
echo "interop-security: 1 passed, 0 failed"

# Sourced by the benchmark scripts: how a program is measured. They set $out, the file of results, $errors, the file of what programs complain about, and $system, the pid
# of a process whose CPU belongs to the measurement.
failed=0
anchors=${MILLRACE_ANCHORS:-$PWD/../shared/anchors}

ms() { date +%s%3N; }
busy() { awk '/^cpu /{print $2+$3+$4+$7+$8+$9}' /proc/stat; }     # jiffies of the whole machine
children() { awk '{sub(/.*\) /,""); print $14+$15}' "/proc/$$/stat"; } # of this script's children that have ended
process() { awk '{sub(/.*\) /,""); print $12+$13}' "/proc/${system:-0}/stat" 2>/dev/null || echo 0; }

# failure WHAT: says that a program has failed, and why. The others are measured all the same; the script fails at its end.
failure() {
  failed=1
  echo "FAILED: $*" >&2
  tail -5 "$errors" >&2
}

# measure IMPL CMD...: runs a program, ten minutes at most. The line of JSON that it prints last goes to the results, with IMPL if it is not empty, and with the
# cores that the rest of the machine took meanwhile.
measure() {
  local impl=$1 line t b c p; shift
  : >"$errors"
  t=$(ms) b=$(busy) c=$(children) p=$(process)
  if ! line=$(timeout 600 "$@" 2>>"$errors" | tail -1) || [ "${line:0:1}" != "{" ]; then
    failure "$*"
    return
  fi
  line="${line%\}},\"other_cores\":$(awk "BEGIN{n = ($(busy)-$b-($(children)-$c)-($(process)-$p))*10/($(ms)-$t); printf \"%.2f\", (n > 0 ? n : 0)}")}"
  [ -z "$impl" ] || line="{\"impl\":\"$impl\",${line#\{}"
  echo "$line" | tee -a "$out"
}

# add IMPL BENCH NAME=NUMBER...: a result that the script itself has measured.
add() {
  local line="{\"impl\":\"$1\",\"bench\":\"$2\"" x
  shift 2
  for x in "$@"; do line+=",\"${x%%=*}\":${x#*=}"; done
  echo "$line}" | tee -a "$out"
}

# machine: the head of a report.
machine() {
  echo "Measured on $(date -u +%F): $(nproc) cores ($(awk -F': ' '/model name/{print $2; exit}' /proc/cpuinfo)), $(awk '/MemTotal/{printf "%d", $2/1048576+.5}' /proc/meminfo) GB of memory, $(uname -s) $(uname -r | cut -d. -f1,2)," \
    "$(go env GOVERSION), Java $(java -version 2>&1 | awk -F'"' 'NR==1{print $2}'), Apache Kafka ${KAFKA_VERSION:-4.3.1}, Millrace at $(git rev-parse --short HEAD)."
  awk -F'"other_cores":' 'NF>1{print $2+0}' "$out" | sort -n | awk '{v[NR]=$1} END{if (NR) printf "Other programs took %.1f cores meanwhile (median; %.1f at most).\n", v[int((NR+1)/2)], v[NR]}'
}

#!/bin/sh
# broker.sh FOLDER PARENT PORT CONTROLLER_PORT [SETUP PORT...]
#
# Runs one Apache Kafka in FOLDER for as long as the process PARENT lives, then kills it and removes
# FOLDER. The test process cannot see to that itself: it may be SIGKILLed, and a child or a pipe it
# held would be a leak to Deno's sanitizers and would close with the test file that opened it.
#
# Answers by a file in FOLDER, renamed into place so that nobody reads half of it:
# `ready` holds host:port, `failed` holds the reason.
#
# SETUP is a script beside this one that makes a broker of another kind. It is given FOLDER and all
# ports, and writes the settings that come on top into FOLDER/more.properties, and arguments for the
# formatting of the storage, one a line, into FOLDER/format.arguments.
set -u
folder=$1 parent=$2 port=$3 controller=$4
shift 4
here=$(dirname "$0")
version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$here/pom.xml")
jars=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/millrace-tests/kafka-$version
child= download=

# A zombie still answers kill -0: a parent that somebody killed and never waited for counts as dead.
alive() { kill -0 "$1" 2>/dev/null && ! grep -qs ') Z ' "/proc/$1/stat"; }

# The broker's data is thrown away, so there is nothing a clean shutdown could save. It has to be gone
# before its folder is removed, else it makes new files while rm works through the old.
stop_child() {
  [ -z "$child" ] || { kill -9 "$child"; wait "$child"; } 2>/dev/null
  child=
}
clean() {
  stop_child
  rm -rf "$folder" ${download:+"$download"}
}
trap clean EXIT
trap 'exit 1' HUP INT TERM

answer() { printf '%s\n' "$2" >"$folder/$1.part" && mv "$folder/$1.part" "$folder/$1"; }
until_the_parent_ends() { while alive "$parent"; do sleep 0.5; done; exit 0; }

# fail REASON [LOG]: the folder stays until the parent ends, so that every test file gets this reason
# instead of another minute of waiting.
fail() {
  stop_child
  answer failed "$1${2:+
$(tail -n 20 "$folder/$2")}"
  until_the_parent_ends
}

# run LOG COMMAND...: the status of the command, which does not outlive the parent either.
run() {
  log=$folder/$1
  shift
  "$@" >"$log" 2>&1 &
  child=$!
  while alive "$child"; do
    alive "$parent" || exit 1
    sleep 0.05
  done
  wait "$child"
  status=$?
  child=
  return $status
}

{ command -v java && { [ -d "$jars" ] || command -v mvn; }; } >/dev/null ||
  fail "Kafka needs Java 17 or newer and Maven (java and mvn on PATH): deno task test installs them, or says how; tests can use a broker that runs already: KAFKA_BROKERS=host:port"

if [ ! -d "$jars" ]; then
  mkdir -p "${jars%/*}" && download=$(mktemp -d "$jars.XXXXXX") || fail "cannot write to ${jars%/*}"
  run mvn.log mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$download" ||
    fail "mvn could not fetch Apache Kafka $version:" mvn.log
  # Where another run was faster, this fails or moves our copy *into* its folder, where no class path
  # looks: either way there is one whole copy, and a spare one to remove.
  mv "$download" "$jars" 2>/dev/null
  rm -rf "$download" "$jars/${download##*/}"
  download=
fi

# The settings that differ from a production broker's, and why:
# - one node has to do for the internal topics, and few partitions of them start faster
# - no delay of the first rebalance, no lingering of the controller: tests wait for both
# - no deletion by age: tests write records with timestamps of long ago
# A topic nobody created is an error here, as a typo in a test would otherwise make an empty one.
cat >"$folder/server.properties" <<P
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
controller.quorum.append.linger.ms=0
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$folder/data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.streams.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
log.retention.ms=-1
P

if [ $# -gt 0 ]; then
  setup=$1
  shift
  run setup.log sh "$here/$setup" "$folder" "$port" "$controller" "$@" || fail "$setup failed:" setup.log
  cat "$folder/more.properties" >>"$folder/server.properties" # of two settings, the later counts
fi
set --
if [ -e "$folder/format.arguments" ]; then
  while IFS= read -r argument; do set -- "$@" "$argument"; done <"$folder/format.arguments"
fi

# Quick to start and small rather than fast; and no /tmp/hsperfdata_*, which a killed JVM leaves behind.
# exec, as the process in $child has to be the JVM and not a shell around it.
exec_java() {
  exec java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData \
    -Djava.io.tmpdir="$folder" -Dlog4j2.configurationFile="$here/log4j2.properties" -cp "$jars/*" "$@"
}

run format.log exec_java kafka.tools.StorageTool format -t bWlsbHJhY2UtdGVzdHMtMQ -c "$folder/server.properties" "$@" ||
  fail "Kafka could not format its storage:" format.log

exec_java kafka.Kafka "$folder/server.properties" >"$folder/broker.log" 2>&1 &
child=$!
deadline=$(($(date +%s) + 60))
until grep -q 'Kafka Server started' "$folder/broker.log"; do
  alive "$parent" || exit 1
  alive "$child" || fail "the Kafka broker stopped while starting:" broker.log
  [ "$(date +%s)" -lt "$deadline" ] || fail "the Kafka broker was not ready within 60 s:" broker.log
  sleep 0.05
done
answer ready "127.0.0.1:$port"
until_the_parent_ends

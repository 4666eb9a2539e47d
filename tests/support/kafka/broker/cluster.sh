#!/bin/sh
# cluster.sh FOLDER PARENT JARS NODE...
#
# Runs the Kafka nodes of one test in FOLDER for as long as the process PARENT lives and FOLDER/end is
# not there; then kills them and removes FOLDER. Each NODE has its settings in FOLDER/NODE.properties.
#
# What the test asks for and is told goes by files in FOLDER, each renamed into place:
# `NODE.start` asks for a start, which takes the file away; `NODE.pid` holds the id of the process while
# it lives. Its output goes to NODE.log. (Killing and stopping it is the test's own affair.)
set -u
folder=$1 parent=$2 jars=$3
shift 3
here=$(dirname "$0")
nodes=$*

# A zombie still answers kill -0: a parent that somebody killed and never waited for counts as dead.
alive() { kill -0 "$1" 2>/dev/null && ! grep -qs ') Z ' "/proc/$1/stat"; }
pid_of() { eval "printf '%s' \"\${pid_$1:-}\""; }

# All have to be gone before the folder is, else they make new files while rm works through the old.
clean() {
  for node in $nodes; do
    pid=$(pid_of "$node")
    [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
  done
  wait
  rm -rf "$folder"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM

# exec, as the process of which the id is told has to be the JVM and not a shell around it.
exec_java() {
  exec java -Xmx400m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData \
    -Djava.io.tmpdir="$folder" -Dlog4j2.configurationFile="$here/log4j2.properties" -cp "$jars/*" "$@"
}

for node in $nodes; do
  exec_java kafka.tools.StorageTool format -t bWlsbHJhY2UtdGVzdHMtMQ \
    -c "$folder/$node.properties" >"$folder/$node.format.log" 2>&1 &
  eval "pid_$node=$!"
done
for node in $nodes; do
  wait "$(pid_of "$node")" || mv "$folder/$node.format.log" "$folder/failed"
  eval "pid_$node="
done

while alive "$parent" && [ ! -e "$folder/end" ]; do
  for node in $nodes; do
    pid=$(pid_of "$node")
    if [ -n "$pid" ] && ! alive "$pid"; then
      wait "$pid" 2>/dev/null
      eval "pid_$node="
      rm -f "$folder/$node.pid"
    fi
    if [ -e "$folder/$node.start" ]; then
      rm "$folder/$node.start"
      : >"$folder/$node.log" # before the id is told, as a log from an earlier start says "started"
      exec_java kafka.Kafka "$folder/$node.properties" >"$folder/$node.log" 2>&1 &
      eval "pid_$node=$!"
      echo $! >"$folder/$node.part" && mv "$folder/$node.part" "$folder/$node.pid"
    fi
  done
  sleep 0.05
done

#!/bin/sh
# run_while.sh PARENT LOG COMMAND...
#
# Runs a command for as long as the process PARENT lives, and ends it with SIGKILL: nothing that it could
# save is wanted. The test process cannot see to that itself, as it may be killed.
parent=$1 log=$2
shift 2
"$@" >"$log" 2>&1 &
child=$!
trap 'kill -9 "$child" 2>/dev/null; exit 0' TERM INT HUP
while kill -0 "$parent" 2>/dev/null && kill -0 "$child" 2>/dev/null; do sleep 0.2; done
kill -9 "$child" 2>/dev/null

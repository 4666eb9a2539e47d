#!/bin/sh
# group.sh FOLDER PORT CONTROLLER_PORT
#
# Makes of the plain broker in FOLDER one that misses a dead member of a streams group after 6 s, which
# is what a classic group may have. It assigns tasks at once, and looks often for transactions whose
# timeout is over. broker.sh runs it before it formats the storage.
set -eu
folder=$1

cat >"$folder/more.properties" <<P
group.streams.min.session.timeout.ms=6000
group.streams.session.timeout.ms=6000
group.streams.initial.rebalance.delay.ms=0
group.streams.assignment.interval.ms=0
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
P

#!/bin/sh
# transactions.sh FOLDER PORT CONTROLLER_PORT
#
# Makes of the plain broker in FOLDER one that begins with transaction.version 0, as a cluster does that
# was upgraded from Kafka 3. It looks often for transactions whose timeout is over. broker.sh runs it
# before it formats the storage.
set -eu
folder=$1

cat >"$folder/more.properties" <<P
transaction.abort.timed.out.transaction.cleanup.interval.ms=100
P
printf '%s\n' --feature transaction.version=0 >"$folder/format.arguments"

# What the scripts beside this file have in common; they source it.
#
# It goes to an empty temporary folder, which is removed at the end of the script.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
script=$here/$(basename "$0")
folder=$(mktemp -d)
stop_broker() { :; } # kafka-broker.sh has another
trap 'stop_broker; rm -rf "$folder"' EXIT
cd "$folder"

# Installs a package of npm in this version and no other: npm_package NAME@VERSION
npm_package() {
  echo '{ "private": true }' >package.json
  npm install --silent --no-audit --no-fund --save-exact "$1"
}

# Runs a command, and fails unless it prints what the script's head says was seen: expect_seen COMMAND...
expect_seen() {
  "$@" | tee output.txt
  sed -n '/^# Output seen/,/^[^#]/s/^#   //p' "$script" | diff - output.txt
}

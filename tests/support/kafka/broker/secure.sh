#!/bin/sh
# secure.sh FOLDER PORT CONTROLLER_PORT SSL MTLS WRONG_HOST SASL_PLAINTEXT SASL_SSL ONE_MECHANISM UNKNOWN_NAME
#
# Makes of the plain broker in FOLDER one with a listener for each way to be secured, at the given
# ports, and all that it takes: certificates, users, the broker's settings. broker.sh runs it before
# it formats the storage. Tests read from FOLDER/secure (its secrets are new for each run, so that one
# that is found in a log can only be ours), and from FOLDER/listeners which listener is where.
set -eu
folder=$1 port=$2 controller=$3 ssl=$4 mtls=$5 wrong_host=$6 sasl=$7 sasl_ssl=$8 one=$9 unknown=${10}
umask 077
mkdir "$folder/secure"
cd "$folder/secure"

command -v openssl >/dev/null || { echo "openssl is not on PATH"; exit 1; }

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"; }

# authority NAME
authority() {
  key "$1"
  openssl req -x509 -new -key "$1.key" -days 2 -subj "/CN=$1" -out "$1.pem" -config - <<C
[req]
distinguished_name=name
x509_extensions=ca
prompt=no
[name]
[ca]
basicConstraints=critical,CA:true
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
C
}

# certificate NAME USAGE [ALTERNATIVE_NAMES]: NAME.pem, signed by the authority, of NAME.key.
certificate() {
  key "$1"
  printf '%s\n' "basicConstraints=CA:false" "extendedKeyUsage=$2" \
    "authorityKeyIdentifier=keyid" ${3:+"subjectAltName=$3"} >"$1.ext"
  openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -days 2 -CA ca.pem -CAkey ca.key -set_serial "0x$(openssl rand -hex 8)" \
    -extfile "$1.ext" -out "$1.pem"
}

authority ca
authority stranger
certificate broker serverAuth DNS:localhost,IP:127.0.0.1
certificate elsewhere serverAuth DNS:kafka.elsewhere.example
certificate client clientAuth

# With characters that quoting could spoil.
password() { printf 'p-%s-%%$%s+/:@= %s' "$1" "${2-}" "$(openssl rand -hex 12)" >"$1.password"; }
password plain ä
password scram
password key
openssl pkcs8 -topk8 -in client.key -passout file:key.password -out client.encrypted.key
# Kafka takes a key and its certificate in one file.
cat broker.key broker.pem >broker.keystore
cat elsewhere.key elsewhere.pem >elsewhere.keystore

# One argument a line, for StorageTool.
for mechanism in SCRAM-SHA-256 SCRAM-SHA-512; do
  printf '%s\n' --add-scram "$mechanism=[name=scram-user,password=$(cat scram.password)]"
done >"$folder/format.arguments"

at=127.0.0.1
cat >"$folder/listeners" <<L
PLAINTEXT $at:$port
SSL localhost:$ssl
MTLS $at:$mtls
WRONG_HOST localhost:$wrong_host
SASL_PLAINTEXT $at:$sasl
SASL_SSL localhost:$sasl_ssl
ONE_MECHANISM $at:$one
UNKNOWN_NAME $at:$unknown
L

login=org.apache.kafka.common.security
# sasl_listener NAME: every mechanism. The users are in the settings, in the metadata (SCRAM), or
# whoever a token names: Kafka's own validator of unsigned tokens, which is for tests like these.
sasl_listener() {
  cat <<P
listener.name.$1.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
listener.name.$1.plain.sasl.jaas.config=$login.plain.PlainLoginModule required user_plain-user="$(sed 's/ä/\\u00e4/' plain.password)";
listener.name.$1.scram-sha-256.sasl.jaas.config=$login.scram.ScramLoginModule required;
listener.name.$1.scram-sha-512.sasl.jaas.config=$login.scram.ScramLoginModule required;
listener.name.$1.oauthbearer.sasl.jaas.config=$login.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";
P
}

{
  cat <<P
listeners=PLAINTEXT://$at:$port,CONTROLLER://$at:$controller,SSL://$at:$ssl,MTLS://$at:$mtls,WRONG_HOST://$at:$wrong_host,SASL_PLAINTEXT://$at:$sasl,SASL_SSL://$at:$sasl_ssl,ONE_MECHANISM://$at:$one,UNKNOWN_NAME://$at:$unknown
advertised.listeners=$(sed 's#\(.*\) \(.*\)#\1://\2#; s#^UNKNOWN_NAME://.*:#UNKNOWN_NAME://kafka.unknown.invalid:#' "$folder/listeners" | paste -sd , -)
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,MTLS:SSL,WRONG_HOST:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL,ONE_MECHANISM:SASL_PLAINTEXT,UNKNOWN_NAME:PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location=$folder/secure/broker.keystore
ssl.truststore.type=PEM
ssl.truststore.location=$folder/secure/ca.pem
listener.name.mtls.ssl.client.auth=required
listener.name.wrong_host.ssl.keystore.type=PEM
listener.name.wrong_host.ssl.keystore.location=$folder/secure/elsewhere.keystore
listener.name.one_mechanism.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.one_mechanism.scram-sha-512.sasl.jaas.config=$login.scram.ScramLoginModule required;
connection.failed.authentication.delay.ms=100
P
  sasl_listener sasl_plaintext
  sasl_listener sasl_ssl
} >"$folder/more.properties"

# Macs that prove themselves by TLS client certificate, and SCEP by GET.
. "$(dirname "$0")/lib.sh"
start_all
start_macs macs --count 2 --tls-identity --scep-get --model t2
until_ok 60 device_is SIM000001 0 .open_commands
until_ok 60 device_is SIM000002 t2 .chip
id=$(m lock SIM000002 --json | jq -r .id)
until_ok 60 order_is "$id" acknowledged
stop_server

# Behind nginx that ends TLS, with the site that is packaged: a Mac proves
# itself by signature, another by client certificate.
. "$(dirname "$0")/lib.sh"
N=$T/nginx; mkdir "$N"
PORT=$(free_port) DEVICE=127.0.0.1:$(free_port)
start_apns
start_server --tls no --device-address 127.0.0.1 --device-port "${DEVICE##*:}" --public-url "https://localhost:$PORT" \
	--proxy-addresses 127.0.0.1 --proxy-header X-Client-Cert
import_push_cert
{
	echo "daemon off; pid $N/pid; error_log stderr warn;"
	echo "events { } http { access_log off;"
	for d in client_body proxy fastcgi uwsgi scgi; do echo "${d}_temp_path $N/$d;"; done
	sed "s|listen 443|listen 127.0.0.1:$PORT|; s|/etc/mutsu|$T/data|; s|127.0.0.1:8443|$DEVICE|" \
		"$(dirname "$0")/../../packaging/nginx-site.conf"
	echo "}"
} >"$N/conf"
background nginx nginx -e stderr -c "$N/conf"
NGINX=$PID URL=https://localhost:$PORT
until_ok 30 curl -sf --cacert "$CA" "$URL/enroll"
start_macs signs --model apple-silicon --state "$T/state1"
SIGNS=$PID
until_ok 60 device_is SIM000001 0 .open_commands
id=$(m lock SIM000001 --json | jq -r .id)
until_ok 60 order_is "$id" acknowledged
kill "$SIGNS"; wait "$SIGNS" || fail "a simulated Mac complains"
start_macs shows --tls-identity --serial SIM000002 --udid 11111111-5FDF-5EC4-8429-15640684C489 --state "$T/state2"
until_ok 60 device_is SIM000002 0 .open_commands
kill "$PID"; wait "$PID" || fail "a simulated Mac complains"
kill "$NGINX"; wait "$NGINX" || fail "nginx: $(tail -1 "$T/nginx.log")"
stop_server

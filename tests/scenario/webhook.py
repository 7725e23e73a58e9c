"""A webhook for templates: allows one challenge, and says whom it is of.

webhook.py KEY-FILE PORT-FILE.  The key is read with each question.
"""
import hashlib
import hmac
import http.server
import json
import sys


class Webhook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        question = json.loads(body)

        def sign(text):
            with open(sys.argv[1], "rb") as key:
                return hmac.new(key.read().strip(),
                                question["id"].encode() + b"." + text,
                                hashlib.sha256).hexdigest()

        if not hmac.compare_digest(sign(body), self.headers["Mutsu-Signature"]):
            return self.send_error(403)
        allow = question["challenge"] == "let-me-in"
        answer = json.dumps({"allow": allow,
                             "variables": {"NAME": "told-by-webhook"}}).encode()
        self.send_response(200)
        self.send_header("Mutsu-Signature", sign(answer))
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


server = http.server.HTTPServer(("127.0.0.1", 0), Webhook)
with open(sys.argv[2], "w") as port:
    port.write(str(server.server_port))
server.serve_forever()

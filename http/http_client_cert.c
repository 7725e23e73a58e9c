/*
 * Client certificates, by TLS or from a trusted proxy's header, and TLS
 * session tickets: all that touches GnuTLS.  Certificates are asked for and
 * never verified in TLS: a Mac that renews offers its leaf without
 * intermediates, and what a certificate is worth is for the ledger to say.
 * Functions on a connection are for the thread that has it.
 */
#include <string.h>

#include <gnutls/gnutls.h>

#include "core/encode.h"
#include "core/limits.h"
#include "http/http_priv.h"

static gnutls_session_t
session_of(struct http_conn *c)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	return info != NULL ? info->tls_session : NULL;
}

void
http_cert_session(struct http_conn *c)
{
	gnutls_session_t session = session_of(c);
	struct http_listener *l = c->listener;
	gnutls_datum_t key = { l->ticket_key, l->ticket_key_len };

	if (session == NULL)
		return;
	http_tls_session(c, session);
	/* Without tickets a connection only costs a full handshake. */
	(void)gnutls_session_ticket_enable_server(session, &key);
	if (l->ask_cert)
		gnutls_certificate_server_set_request(
		    session, GNUTLS_CERT_REQUEST);
}

bool
http_cert_tickets_new(struct http_listener *l, struct err *e)
{
	gnutls_datum_t key = { NULL, 0 };
	int rc = gnutls_session_ticket_key_generate(&key);

	if (rc != GNUTLS_E_SUCCESS)
		return err_set(
		    e, ERR_INTERNAL, "TLS ticket key: %s", gnutls_strerror(rc));
	l->ticket_key = key.data;
	l->ticket_key_len = key.size;
	return true;
}

void
http_cert_tickets_free(struct http_listener *l)
{
	if (l->ticket_key == NULL)
		return;
	mem_wipe(l->ticket_key, l->ticket_key_len);
	gnutls_free(l->ticket_key);
	l->ticket_key = NULL;
}

struct slice
http_cert_tls(struct http_conn *c)
{
	const gnutls_datum_t *chain;
	gnutls_session_t session;
	unsigned count = 0;

	if (!c->listener->tls)
		return slice_of(NULL, 0);
	if (!c->tls_cert_known) {
		c->tls_cert_known = true;
		session = session_of(c);
		chain = session != NULL
		            ? gnutls_certificate_get_peers(session, &count)
		            : NULL;
		if (chain != NULL && count > 0) {
			c->tls_cert = buf_new(LIMIT_HEADERS);
			buf_add(c->tls_cert, chain[0].data, chain[0].size);
			if (c->tls_cert->overflow)
				buf_free(&c->tls_cert);
		}
	}
	return c->tls_cert != NULL ? buf_slice(c->tls_cert) : slice_of(NULL, 0);
}

/* ---- from a proxy ---- */

static bool
decode_pem(const char *pem, struct buf *out, struct err *e)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";
	static const char end[] = "-----END CERTIFICATE-----";
	const char *from = strstr(pem, begin);
	const char *to = from != NULL ? strstr(from, end) : NULL;

	if (to == NULL)
		return err_set(e, ERR_INVALID, "no certificate in PEM");
	from += sizeof(begin) - 1;
	return b64_decode(
	    out, slice_of(from, (size_t)(to - from)), B64_SPACES, e);
}

static bool
decode_escaped_pem(const char *value, struct buf *out, struct err *e)
{
	AUTO(str_free) char *pem = mem_alloc(strlen(value) + 1);
	size_t len;

	if (!http_percent_decode(value, strlen(value), false, pem, &len))
		return err_set(e, ERR_INVALID, "escapes of the PEM text");
	return decode_pem(pem, out, e);
}

bool
http_cert_from_header(const char *value, struct buf *out, struct err *e)
{
	size_t len = strlen(value);

	if (len > LIMIT_HEADERS)
		return err_set(e, ERR_TOO_LARGE, "certificate header");
	/* RFC 9440 2.2: a byte sequence of RFC 8941. */
	if (value[0] == ':') {
		if (len < 3 || value[len - 1] != ':')
			return err_set(e, ERR_INVALID,
			    "RFC 8941 3.3.5: not a byte sequence");
		if (!b64_decode(
		        out, slice_of(value + 1, len - 2), B64_STRICT, e))
			return false;
	} else if (!decode_escaped_pem(value, out, e)) {
		return false;
	}
	return buf_ok(out, e);
}

static bool
same_address(struct slice item, const char *peer)
{
	char text[HTTP_PEER_SIZE], plain[HTTP_PEER_SIZE];

	if (item.len == 0 || item.len >= sizeof(text))
		return false;
	memcpy(text, item.p, item.len);
	text[item.len] = '\0';
	return http_peer_read(text, plain) && str_eq(plain, peer);
}

bool
http_cert_trusted(const char *addresses, const char *peer)
{
	while (addresses != NULL && *addresses != '\0') {
		size_t len;

		addresses += strspn(addresses, ", \t");
		len = strcspn(addresses, ", \t");
		if (same_address(slice_of(addresses, len), peer))
			return true;
		addresses += len;
	}
	return false;
}

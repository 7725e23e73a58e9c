/*
 * Addresses of peers as text.  Limits count by that text, so each address has
 * one form whoever wrote it: a socket, or a proxy on behalf of its client.
 * No state; any thread.
 */
#include <arpa/inet.h>
#include <string.h>

#include "http/http_priv.h"

bool
http_peer_read(const char *text, char out[HTTP_PEER_SIZE])
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET6, text, &v6) == 1) {
		/* All of these would be one network of 64 bits. */
		if (!IN6_IS_ADDR_V4MAPPED(&v6))
			return inet_ntop(AF_INET6, &v6, out, HTTP_PEER_SIZE) !=
			       NULL;
		memcpy(&v4, &v6.s6_addr[12], sizeof(v4));
	} else if (inet_pton(AF_INET, text, &v4) != 1) {
		return false;
	}
	return inet_ntop(AF_INET, &v4, out, HTTP_PEER_SIZE) != NULL;
}

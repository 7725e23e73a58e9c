/*
 * Every bound on what an outsider can choose, in one place.  Sizes in bytes.
 */
#pragma once

enum {
	/* Bodies by route, checked before they are read. */
	LIMIT_BODY_NONE = 0,
	LIMIT_BODY_API = 1 << 20,
	LIMIT_BODY_CHECKIN = 256 << 10,
	LIMIT_BODY_CONNECT = 16 << 20, /* InstalledApplicationList is large */
	LIMIT_BODY_SCEP = 64 << 10,
	LIMIT_BODY_OCSP = 16 << 10,

	/* Headers: all of one request, and the Mdm-Signature alone (base64).
	 * The first is also what each kept connection holds in memory. */
	LIMIT_HEADERS = 32 << 10,
	LIMIT_SIGNATURE = 10 << 10,

	/* A request, header and body, has to arrive within this time. */
	LIMIT_REQUEST_MS = 30 * 1000,
	/* A kept connection may be silent for so long between requests. */
	LIMIT_IDLE_S = 75,

	/* plist (libplist recurses: bounded before it sees a byte). */
	LIMIT_PLIST_DEPTH = 32,
	LIMIT_PLIST_NODES = 200000,

	LIMIT_JSON_DEPTH = 16,

	/* Device strings. */
	LIMIT_ID = 128,            /* UDID, UserID, identifiers */
	LIMIT_SERIAL_MIN = 4,      /* characters of a serial number; a Mac's */
	LIMIT_SERIAL = 16,         /* has 8 to 14, a virtual one's may differ */
	LIMIT_NAME = 255,          /* device names, user names */
	LIMIT_COMPUTER_NAME = 15,  /* characters; DOMAIN rule 3 */
	LIMIT_USER_CHANNELS = 100, /* of one device, over all its lives */
	LIMIT_PUSH_TOKEN = 256,
	LIMIT_PUSH_MAGIC = 256,
	LIMIT_TOPIC = 256,

	/* SCEP (RFC 8894 gives no maxima; these are ours). */
	LIMIT_TRANSACTION_ID = 256,
	LIMIT_NONCE = 64,
	LIMIT_CHALLENGE = 8 << 10,
	LIMIT_RECIPIENTS = 8,
	LIMIT_SCEP_CERTS = 16,
	LIMIT_SCEP_CRL = 1 << 20, /* in an answer to GetCRL */

	/* Certificates: DER of one, and how many in a chain. */
	LIMIT_CERT = 16 << 10,
	LIMIT_SUBJECT = 2048, /* octets of a name as text: what we issue fits */
	LIMIT_CERT_CHAIN = 16,

	/* API paging. */
	LIMIT_PAGE = 500,
	LIMIT_FEED_WAIT_S = 60,
};

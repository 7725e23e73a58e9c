/*
 * The CSR of a request that waits, as its row keeps it.  In it is the client's
 * challenge, which may be good for others (a static one) and cannot be cut
 * out, since the client has signed it: so all of it is sealed, and bound to its
 * row.  Older programs left it in the clear.  No state of its own; any thread.
 */
#include "scep/scep_waiting_priv.h"

/* What is sealed begins with SEALED, what is not with DER's SEQUENCE. */
enum { SEALED = 0x01, CLEAR = 0x30, OVERHEAD = 64, BATCH = 100 };

static char *
context_of(const char *id)
{
	return str_printf("scep_request.csr:%s", id);
}

bool
scep_waiting_seal(struct scep_waiting *w, const struct seal *seal,
    struct slice csr, struct err *e)
{
	AUTO(buf_free) struct buf *sealed = buf_new(csr.len + OVERHEAD);
	AUTO(str_free) char *context = context_of(w->id);

	buf_add(sealed, &(uint8_t){ SEALED }, 1);
	if (!seal_put(seal, context, csr, sealed, e) || !buf_ok(sealed, e))
		return err_wrap(e, "SCEP request %s", w->id);
	buf_free(&w->csr);
	w->csr = TAKE(sealed);
	return true;
}

bool
scep_waiting_open(const struct scep_waiting *w, const struct seal *seal,
    struct buf **csr_out, struct err *e)
{
	AUTO(buf_wipe) struct buf *csr = buf_new(w->csr->len);
	AUTO(str_free) char *context = context_of(w->id);
	struct slice s = buf_slice(w->csr);

	if (s.len > 0 && s.p[0] == SEALED) {
		if (!seal_get(
		        seal, context, slice_of(s.p + 1, s.len - 1), csr, e))
			return err_wrap(e, "SCEP request %s", w->id);
	} else {
		buf_add(csr, s.p, s.len);
	}
	if (!buf_ok(csr, e))
		return false;
	*csr_out = TAKE(csr);
	return true;
}

struct batch {
	const struct seal *seal;
	int found;
};

/* May be run again. */
static bool
seal_some(struct store_tx *tx, void *arg, struct err *e)
{
	struct batch *b = arg;

	for (b->found = 0; b->found < BATCH; b->found++) {
		AUTO(scep_waiting_clear) struct scep_waiting w = { 0 };
		AUTO(buf_wipe) struct buf *clear = NULL;
		bool found;

		if (!scep_db_waiting_begins(tx, CLEAR, &w, &found, e))
			return false;
		if (!found)
			break;
		clear = TAKE(w.csr);
		if (!scep_waiting_seal(&w, b->seal, buf_slice(clear), e) ||
		    !scep_db_waiting_csr(tx, &w, e))
			return false;
	}
	return true;
}

bool
scep_waiting_seal_old(struct scep_service *s, struct err *e)
{
	struct batch b = { .seal = s->o.seal };

	if (s->waiting_sealed)
		return true;
	do {
		if (!store_write(s->o.store, seal_some, &b, e))
			return false;
	} while (b.found == BATCH);
	s->waiting_sealed = true;
	return true;
}

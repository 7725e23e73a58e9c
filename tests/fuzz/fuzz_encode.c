/*
 * Any bytes as base64: the first byte is the flags.  The decoder and the
 * checker agree, and what strict decoding accepts is encoded to the same.
 */
#include <assert.h>

#include "core/encode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_free) struct buf *bytes = buf_new(size);
	AUTO(buf_free) struct buf *text = buf_new(2 * size + 4);
	unsigned flags = size > 0 ? data[0] & 15U : 0;
	struct slice in = slice_of(data + 1, size > 0 ? size - 1 : 0);
	struct err e = { 0 };
	bool ok;

	if (size == 0)
		return 0;
	ok = b64_decode(bytes, in, flags, &e);
	assert(ok == b64_valid(in, flags));
	assert(ok || (e.code == ERR_INVALID && bytes->len == 0));
	b64_encode(text, buf_slice(bytes));
	if (ok && flags == B64_STRICT)
		assert(slice_eq(buf_slice(text), in));
	buf_reset(text);
	xml_escape(text, buf_str(bytes));
	return 0;
}

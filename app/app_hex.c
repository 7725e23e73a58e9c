/* Fingerprints and numbers as people paste them.  No state; any thread. */
#include "app/app_cli.h"
#include "core/encode.h"

char *
app_hex(const char *s)
{
	static const char digits[] = "0123456789abcdef";
	AUTO(buf_free) struct buf *hex = buf_new(4096);

	for (; *s != '\0'; s++) {
		int digit = hex_digit(*s);

		if (digit >= 0)
			buf_addc(hex, digits[digit]);
		else if (*s != ':' && *s != ' ')
			return NULL;
	}
	return hex->len > 0 ? str_dup(buf_str(hex)) : NULL;
}

/*
 * Which security chip a Mac has.  No state; any thread.
 */
#include <ctype.h>
#include <string.h>

#include "mdm/mdm_chip_priv.h"

/* Plain "MacN,M" is Apple silicon from this N on. */
enum { FIRST_PLAIN_MAC = 13 };

static const char *const chip_names[] = {
	[MDM_CHIP_UNKNOWN] = "unknown",
	[MDM_CHIP_NONE] = "none",
	[MDM_CHIP_T1] = "t1",
	[MDM_CHIP_T2] = "t2",
	[MDM_CHIP_APPLE_SILICON] = "apple-silicon",
	[MDM_CHIP_VIRTUAL] = "virtual",
};

static const struct mdm_chip_model *
find_model(const char *id)
{
	size_t low = 0, high = mdm_chip_models_count;

	while (id != NULL && low < high) {
		size_t middle = low + (high - low) / 2;
		const struct mdm_chip_model *m = &mdm_chip_models[middle];
		size_t len = strlen(m->id), id_len = strlen(id);
		int order =
		    memcmp(id, m->id, (len < id_len ? len : id_len) + 1);

		if (order == 0)
			return m;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* Reads 1 to 4 digits at *s and moves behind them; -1 if there are none. */
static int
read_number(const char **s)
{
	int n = 0, digits = 0;

	while (isdigit((unsigned char)**s) && digits < 4) {
		n = n * 10 + (**s - '0');
		digits++;
		(*s)++;
	}
	return digits > 0 ? n : -1;
}

/* A model newer than the table: only "MacN,M" can be told from its name. */
static bool
is_new_apple_silicon(const char *id)
{
	const char *s = id + strlen("Mac");
	int major;

	if (!str_starts(id, "Mac"))
		return false;
	major = read_number(&s);
	if (major < FIRST_PLAIN_MAC || *s++ != ',')
		return false;
	return read_number(&s) >= 0 && *s == '\0';
}

static enum mdm_chip
chip_of_model(const char *id)
{
	const struct mdm_chip_model *m = find_model(id);

	if (id == NULL)
		return MDM_CHIP_UNKNOWN;
	if (m != NULL)
		return m->chip;
	if (is_new_apple_silicon(id))
		return MDM_CHIP_APPLE_SILICON;
	if (str_starts(id, "VirtualMac") || str_starts(id, "VMware") ||
	    str_starts(id, "Parallels"))
		return MDM_CHIP_VIRTUAL;
	return MDM_CHIP_UNKNOWN;
}

static bool
is_secure_boot_level(const char *level)
{
	return str_eq(level, "off") || str_eq(level, "medium") ||
	       str_eq(level, "full");
}

/* Takes a new word of a witness in the place of what it said before. */
static unsigned
heard_now(unsigned heard, unsigned yes, unsigned no, int said)
{
	if (said < 0)
		return heard;
	return (heard & ~(yes | no)) | (said > 0 ? yes : no);
}

/* 1, 0, or -1 for a text that tells nothing either way. */
static int
secure_boot(const char *level)
{
	if (is_secure_boot_level(level))
		return 1;
	return str_eq(level, "not supported") ? 0 : -1;
}

static int
erases(const char *preflight)
{
	if (str_eq(preflight, "success"))
		return 1;
	return str_eq(preflight, "not supported") ? 0 : -1;
}

unsigned
mdm_chip_hear(const struct mdm_chip_facts *f)
{
	unsigned heard = f->heard;

	if (chip_of_model(f->model_id) == MDM_CHIP_T2)
		heard |= MDM_CHIP_HEARD_T2;
	heard = heard_now(heard, MDM_CHIP_HEARD_SILICON,
	    MDM_CHIP_HEARD_NO_SILICON, f->is_apple_silicon);
	heard = heard_now(heard, MDM_CHIP_HEARD_BOOT, MDM_CHIP_HEARD_NO_BOOT,
	    secure_boot(f->secure_boot_level));
	return heard_now(heard, MDM_CHIP_HEARD_ERASES, MDM_CHIP_HEARD_NO_ERASES,
	    erases(f->eacs_preflight));
}

/* What speaks against a chip; guests of a virtual Mac answer what their host
 * likes, so there only a model told before counts. */
static const unsigned against[] = {
	/* Intel without T2: no secure boot, no erase of contents. */
	[MDM_CHIP_NONE] = MDM_CHIP_HEARD_T2 | MDM_CHIP_HEARD_SILICON |
	                  MDM_CHIP_HEARD_BOOT | MDM_CHIP_HEARD_ERASES,
	[MDM_CHIP_T1] = MDM_CHIP_HEARD_T2 | MDM_CHIP_HEARD_SILICON |
	                MDM_CHIP_HEARD_BOOT | MDM_CHIP_HEARD_ERASES,
	[MDM_CHIP_T2] = MDM_CHIP_HEARD_SILICON | MDM_CHIP_HEARD_NO_BOOT |
	                MDM_CHIP_HEARD_NO_ERASES,
	[MDM_CHIP_APPLE_SILICON] =
	    MDM_CHIP_HEARD_T2 | MDM_CHIP_HEARD_NO_SILICON |
	    MDM_CHIP_HEARD_NO_BOOT | MDM_CHIP_HEARD_NO_ERASES,
	[MDM_CHIP_VIRTUAL] = MDM_CHIP_HEARD_T2,
};

enum mdm_chip
mdm_chip_decide(const struct mdm_chip_facts *f)
{
	enum mdm_chip chip = chip_of_model(f->model_id);
	unsigned heard = mdm_chip_hear(f);

	/* No T2 Mac says this, so a model we never heard of is safe. */
	if (chip == MDM_CHIP_UNKNOWN && (heard & MDM_CHIP_HEARD_SILICON) != 0)
		chip = MDM_CHIP_APPLE_SILICON;
	if (chip == MDM_CHIP_UNKNOWN || (heard & against[chip]) != 0)
		return MDM_CHIP_UNKNOWN;
	return chip;
}

const char *
mdm_chip_name(enum mdm_chip c)
{
	return (size_t)c < COUNT(chip_names) ? chip_names[c] : chip_names[0];
}

enum mdm_chip
mdm_chip_from_name(const char *name)
{
	for (size_t i = 0; i < COUNT(chip_names); i++)
		if (str_eq(name, chip_names[i]))
			return (enum mdm_chip)i;
	return MDM_CHIP_UNKNOWN;
}

const char *
mdm_chip_model_name(const char *model_id)
{
	const struct mdm_chip_model *m = find_model(model_id);

	return m != NULL ? m->name : NULL;
}

/* Why it is not known: false, with the sentence. */
static bool
refuse_unknown(const struct mdm_chip_doubt *d, struct err *e)
{
	static const char slug[] = "chip_unknown";

	if (d == NULL)
		return err_slug(e, ERR_REFUSED, slug,
		    "not wiped: it is not known which security chip this Mac "
		    "has");
	if (!d->answered)
		return err_slug(e, ERR_REFUSED, slug,
		    "not wiped: it is not known which security chip this Mac "
		    "has; it was asked for its model, order again when it has "
		    "answered");
	if (str_empty(d->model_id))
		return err_slug(e, ERR_REFUSED, slug,
		    "not wiped: this Mac answered without telling its model; "
		    "it was asked again; lock it instead");
	if (chip_of_model(d->model_id) == MDM_CHIP_UNKNOWN &&
	    (d->heard & MDM_CHIP_HEARD_SILICON) == 0)
		return err_slug(e, ERR_REFUSED, slug,
		    "not wiped: the model %s is not known to this version of "
		    "the server, and so not its security chip; lock the Mac "
		    "instead, or order again with a newer version",
		    d->model_id);
	return err_slug(e, ERR_REFUSED, slug,
	    "not wiped: the answers of this Mac (%s) contradict each other "
	    "about its security chip; it was asked again; lock it instead if "
	    "they stay so",
	    d->model_id);
}

bool
mdm_chip_may_wipe(
    enum mdm_chip c, const struct mdm_chip_doubt *doubt, struct err *e)
{
	switch (c) {
	case MDM_CHIP_NONE:
	case MDM_CHIP_T1:
	case MDM_CHIP_APPLE_SILICON:
	case MDM_CHIP_VIRTUAL:
		return true;
	case MDM_CHIP_T2:
		return err_slug(e, ERR_REFUSED, "wipe_refused_t2",
		    "a Mac with the T2 chip is not wiped: it may be left "
		    "without a system that starts; lock it instead");
	case MDM_CHIP_UNKNOWN:
		break;
	}
	return refuse_unknown(doubt, e);
}

bool
mdm_chip_erases(const char *request_type)
{
	return str_eq(request_type, "EraseDevice");
}

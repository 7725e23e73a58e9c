/*
 * Which security chip a Mac has, and whether it may be wiped.  There is no
 * query that says "T2": the model identifier decides, the other answers of
 * the Mac can only contradict it.  Pure functions over a table.
 */
#pragma once

#include "core/str.h"

enum mdm_chip {
	MDM_CHIP_UNKNOWN, /* not told yet, or answers contradict each other */
	MDM_CHIP_NONE,    /* Intel without T1 or T2 */
	MDM_CHIP_T1,
	MDM_CHIP_T2,
	MDM_CHIP_APPLE_SILICON,
	MDM_CHIP_VIRTUAL
};

/*
 * What a machine has said of its chip, kept for as long as its row: a later
 * answer that is silent about something takes nothing back.  Both of a pair:
 * two rows became one, and they disagree.
 */
enum {
	MDM_CHIP_HEARD_T2 = 1 << 0, /* it told a model with the T2 */
	MDM_CHIP_HEARD_SILICON = 1 << 1,
	MDM_CHIP_HEARD_NO_SILICON = 1 << 2,
	MDM_CHIP_HEARD_BOOT = 1 << 3, /* it has secure boot */
	MDM_CHIP_HEARD_NO_BOOT = 1 << 4,
	MDM_CHIP_HEARD_ERASES = 1 << 5, /* all contents and settings */
	MDM_CHIP_HEARD_NO_ERASES = 1 << 6
};

/* What a Mac told about itself; NULL and -1 mean not told. */
struct mdm_chip_facts {
	const char *model_id;          /* ProductName: "MacBookPro16,1" */
	int is_apple_silicon;          /* DeviceInformation IsAppleSilicon */
	const char *secure_boot_level; /* SecurityInfo SecureBootLevel */
	const char *eacs_preflight;    /* DeviceInformation EACSPreflight */
	unsigned heard;                /* what it said before */
};

/*
 * All that has been heard with these facts.  A Mac may correct what it said
 * by saying the opposite; that it told a model with the T2 stays.
 */
unsigned mdm_chip_hear(const struct mdm_chip_facts *f);
/*
 * Unknown model, or a witness of now or before that contradicts the model:
 * UNKNOWN.
 */
enum mdm_chip mdm_chip_decide(const struct mdm_chip_facts *f);
/* "t2", "apple-silicon", ...: as stored and shown. */
const char *mdm_chip_name(enum mdm_chip c);
enum mdm_chip mdm_chip_from_name(const char *name);
/* Marketing name of a model, or NULL. */
const char *mdm_chip_model_name(const char *model_id);

/* What a Mac whose chip is unknown has said, for the sentence about it. */
struct mdm_chip_doubt {
	const char *model_id; /* "": not told */
	unsigned heard;
	bool answered; /* all that it was asked */
};

/*
 * The one function that decides about wiping: true if a Mac with this chip
 * may be sent EraseDevice.  Otherwise ERR_REFUSED with slug wipe_refused_t2
 * or chip_unknown, and a sentence that says why and what to do.  doubt may be
 * NULL; with it the sentence promises that the Mac is asked: the caller does.
 */
MUST_CHECK bool mdm_chip_may_wipe(
    enum mdm_chip c, const struct mdm_chip_doubt *doubt, struct err *e);
/* True for EraseDevice: what carries it must ask mdm_chip_may_wipe(). */
bool mdm_chip_erases(const char *request_type);

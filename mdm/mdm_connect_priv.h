/* One visit of a device: mdm_connect.c, _report.c and _offer.c. */
#pragma once

#include "mdm/mdm_priv.h"

enum mdm_status {
	MDM_IDLE,
	MDM_ACKNOWLEDGED,
	MDM_ERROR,
	MDM_FORMAT_ERROR,
	MDM_NOT_NOW
};

struct mdm_visit {
	struct mdm_service *s;
	struct mdm_message *m;
	int64_t now;
	enum mdm_status status;
	const char *command_id; /* reported on; NULL for Idle */
	struct buf *result;     /* what it sent, sealed */
	struct mdm_findings findings;
	enum mdm_refusal refusal;
	bool gone; /* it acknowledged a wipe */

	/*
	 * Read at once when the transaction begins; who also before it.
	 * fresh: nothing was written since that would change more of it than
	 * that the reported command has ended.  alone: it was so when the next
	 * one was looked for, and there are no others.
	 */
	bool fresh, alone;
	struct mdm_db_brief brief;
	struct mdm_db_brief_ask ask;
	struct store_question question;
	/* More was written than the rows of this device and its commands, or
	 * others may know it by something else now. */
	bool wide;

	struct buf *out;
	struct mdm_db_command offered; /* id "": nothing */
	bool silent;                   /* offer nothing, and come back soon */
	/* A command that could not be prepared, and why. */
	bool broken_now;
	char broken_id[MDM_ID];
	struct err broken_why;
};

/* mdm_connect_report.c: records what the device says about a command. */
MUST_CHECK bool mdm_connect_record(
    struct mdm_visit *v, struct store_tx *tx, struct err *e);
/*
 * mdm_connect_offer.c: chooses the next command, marks it delivered and
 * appends its message.  On failure broken_now says that it is worth another
 * attempt, after mdm_connect_end_broken().
 */
MUST_CHECK bool mdm_connect_offer(
    struct mdm_visit *v, struct store_tx *tx, struct buf *out, struct err *e);
/* Ends the command that could not be prepared; arg is the visit. */
MUST_CHECK bool mdm_connect_end_broken(
    struct store_tx *tx, void *arg, struct err *e);

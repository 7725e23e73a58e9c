/*
 * Inventory: asking a Mac about itself, and taking in what it answers.  No
 * state of its own: everything is in the caller's transaction and on its
 * thread.
 */
#include <string.h>

#include "mdm/mdm_priv.h"

enum { JSON_MAX = 4 << 20, COMMAND_MAX = 8 << 10, INVENTORY_LIFE_DAYS = 30 };

/* What we use or show; a key unknown to an older system is left out of its
 * answer without an error. */
static const char *const queries[] = { "UDID", "SerialNumber", "DeviceName",
	"HostName", "LocalHostName", "OSVersion", "BuildVersion",
	"SupplementalOSVersionExtra", "SupplementalBuildVersion", "ProductName",
	"Model", "ModelName", "ModelNumber", "IsAppleSilicon",
	"SoftwareUpdateDeviceID", "DeviceCapacity", "AvailableDeviceCapacity",
	"HasBattery", "BatteryLevel", "IsSupervised", "IsActivationLockEnabled",
	"IsActivationLockSupported", "ActiveManagedUsers",
	"SystemIntegrityProtectionEnabled", "EACSPreflight",
	"PINRequiredForDeviceLock", "PINRequiredForEraseDevice",
	"SupportsiOSAppInstalls", "BluetoothMAC", "WiFiMAC", "EthernetMAC" };

/* ---- asking ---- */

static bool
ask(struct store_tx *tx, const struct seal *seal, const struct mdm_command *c,
    const json_t *args, struct err *e)
{
	AUTO(buf_free) struct buf *xml = buf_new(COMMAND_MAX);
	struct mdm_command with = *c;

	if (!mdm_catalogue_build(c->request_type, args, xml, e))
		return false;
	with.dict_xml = buf_str(xml);
	return mdm_queue_add_once(tx, seal, &with, e);
}

bool
mdm_inventory_ask(struct store_tx *tx, const struct seal *seal,
    const char *device_id, const char *by, struct err *e)
{
	AUTO(json_free) json_t *args = json_object();
	json_t *wanted = json_array();
	char enrollment_id[MDM_ENROLLMENT_ID];
	struct mdm_command c = { .enrollment_id = enrollment_id,
		.request_type = "DeviceInformation",
		.origin = "system",
		.by = by,
		.expires_at = clock_now_ms() + INVENTORY_LIFE_DAYS * MS_DAY };

	for (size_t i = 0; i < COUNT(queries); i++)
		json_array_append_new(wanted, json_string(queries[i]));
	json_object_set_new(args, "Queries", wanted);
	if (!mdm_db_enrollment_of(tx, device_id, enrollment_id, e))
		return false;
	if (enrollment_id[0] == '\0')
		return err_slug(e, ERR_CONFLICT, "not_enrolled",
		    "the Mac is not enrolled: it can be asked nothing");
	if (!ask(tx, seal, &c, args, e))
		return false;
	c.request_type = "SecurityInfo";
	return ask(tx, seal, &c, NULL, e);
}

/* It has told something, and owes no answer. */
static bool
has_answered(
    struct store_tx *tx, const struct mdm_device *d, bool *out, struct err *e)
{
	char enrollment_id[MDM_ENROLLMENT_ID];
	bool owes = false;

	if (!mdm_db_enrollment_of(tx, d->id, enrollment_id, e) ||
	    !mdm_db_command_waits(
	        tx, enrollment_id, "DeviceInformation", &owes, e) ||
	    (!owes && !mdm_db_command_waits(
	                  tx, enrollment_id, "SecurityInfo", &owes, e)))
		return false;
	*out = d->information_at != 0 && !owes;
	return true;
}

bool
mdm_inventory_may_wipe(struct store_tx *tx, const struct mdm_device *d,
    bool *may_out, struct err *refusal, struct err *e)
{
	struct mdm_chip_doubt doubt = { .model_id = d->model_id,
		.heard = d->chip_heard };

	if (d->chip == MDM_CHIP_UNKNOWN &&
	    !has_answered(tx, d, &doubt.answered, e))
		return false;
	*may_out = mdm_chip_may_wipe(d->chip, &doubt, refusal);
	return true;
}

/* ---- reading answers ---- */

void
mdm_findings_clear(struct mdm_findings *f)
{
	str_free(&f->information);
	str_free(&f->security);
}

/* The documents lie in the clear and are shown to whoever sees devices. */
static char *
read_part(const struct pl *doc, const char *key, struct err *problem)
{
	AUTO(buf_wipe) struct buf *text = NULL;
	AUTO(json_free) json_t *told = NULL;
	const struct pl *part = NULL;

	if (!pl_has(doc, key) || !pl_get_dict(doc, key, &part, problem))
		return NULL;
	text = buf_new(JSON_MAX);
	if (!pl_to_json(part, text, problem) || !buf_ok(text, problem) ||
	    !json_parse_any(buf_slice(text), &told, problem))
		return NULL;
	mdm_queue_drop_secrets(told);
	return json_text(told);
}

void
mdm_findings_read(const struct pl *doc, struct mdm_findings *out)
{
	*out = (struct mdm_findings){ 0 };
	out->information = read_part(doc, "QueryResponses", &out->problem);
	out->security = read_part(doc, "SecurityInfo", &out->problem);
}

bool
mdm_findings_any(const struct mdm_findings *f)
{
	return f->information != NULL || f->security != NULL;
}

/* ---- taking them in ---- */

/* A string of a document, or NULL if there is none of this name. */
static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return str_empty(s) ? NULL : s;
}

/* What is known now and was heard before, of any life, decides. */
static void
decide_chip(
    struct mdm_device *d, const json_t *information, const json_t *security)
{
	const json_t *silicon = json_object_get(information, "IsAppleSilicon");
	const json_t *boot = json_object_get(security, "SecureBoot");
	struct mdm_chip_facts facts = {
		.model_id = d->model_id[0] != '\0' ? d->model_id : NULL,
		.is_apple_silicon =
		    json_is_boolean(silicon) ? json_is_true(silicon) : -1,
		.secure_boot_level = text_of(boot, "SecureBootLevel"),
		.eacs_preflight = text_of(information, "EACSPreflight"),
		.heard = d->chip_heard,
	};

	d->chip_heard = mdm_chip_hear(&facts);
	d->chip = mdm_chip_decide(&facts);
}

/* A document that cannot be read is no witness. */
static json_t *
read_document(const char *text)
{
	json_t *o = NULL;
	struct err unread;

	if (text == NULL || !json_parse_any(slice_str(text), &o, &unread))
		return NULL;
	if (!json_is_object(o))
		json_free(&o);
	return o;
}

bool
mdm_inventory_chip(struct store_tx *tx, struct mdm_device *d, struct err *e)
{
	AUTO(mdm_reported_clear) struct mdm_reported r = { 0 };
	AUTO(json_free) json_t *information = NULL;
	AUTO(json_free) json_t *security = NULL;

	if (!mdm_db_device_reported(tx, d->id, &r, e))
		return false;
	information = read_document(r.information);
	security = read_document(r.security);
	decide_chip(d, information, security);
	return true;
}

/* What a Mac said of itself, as it holds from now on. */
struct documents {
	json_t *information, *security;         /* or NULL */
	char *information_text, *security_text; /* to be stored, or NULL */
};

static void
documents_clear(struct documents *d)
{
	json_free(&d->information);
	json_free(&d->security);
	str_free(&d->information_text);
	str_free(&d->security_text);
}

static bool
same_facts(const struct mdm_device *a, const struct mdm_device *b)
{
	return str_eq(a->serial, b->serial) && str_eq(a->name, b->name) &&
	       a->name_too_long == b->name_too_long &&
	       str_eq(a->model_id, b->model_id) &&
	       str_eq(a->model_name, b->model_name) && a->chip == b->chip &&
	       str_eq(a->os_version, b->os_version) &&
	       str_eq(a->os_build, b->os_build);
}

static bool
save_facts(struct store_tx *tx, struct mdm_device *d, bool named, struct err *e)
{
	json_t *data = json_object();

	json_put_str(data, "name", d->name);
	json_put_str(data, "model_id", d->model_id);
	json_put_str(data, "chip", mdm_chip_name(d->chip));
	json_put_str(data, "os_version", d->os_version);
	d->updated_at = clock_now_ms();
	return mdm_event(tx,
	           &(struct store_event){ .kind = "device.updated",
	               .device_id = d->id,
	               .actor = "device" },
	           data, e) &&
	       mdm_db_device_save(tx, d, e) &&
	       (!named || mdm_device_named(tx, d, e));
}

/* Facts of the row that follow from the answer and the documents. */
static bool
apply_facts(struct store_tx *tx, struct mdm_known *known, const json_t *told,
    const struct documents *now, struct err *e)
{
	struct mdm_device *d = &known->device, before = *d;
	struct mdm_told t = { .name = text_of(told, "DeviceName"),
		.product_name = text_of(told, "ProductName"),
		.model = text_of(told, "Model"),
		.model_name = text_of(told, "ModelName"),
		.os_version = text_of(told, "OSVersion"),
		.os_build = text_of(told, "BuildVersion") };
	struct mdm_serial_claim claim = { .device = d,
		.told = text_of(told, "SerialNumber") };
	bool refused, named;

	if (!mdm_life_serial(tx, &claim, &refused, e))
		return false;
	mdm_device_take(d, &t, &named);
	known->renamed =
	    (claim.told != NULL && !str_eq(claim.told, before.serial)) ||
	    !str_eq(d->name, before.name);
	decide_chip(d, now->information, now->security);
	if (!same_facts(&before, d))
		return save_facts(tx, d, named, e);
	return before.chip_heard == d->chip_heard ||
	       mdm_db_device_save(tx, d, e);
}

/*
 * Puts an answer over the document that is kept: a command may have asked for
 * a part only, and what it did not ask for still holds.  *text_out: what is to
 * be stored, or NULL.
 */
static json_t *
merge(const char *kept, const char *told, char **text_out)
{
	AUTO(json_free) json_t *whole = read_document(kept);
	AUTO(json_free) json_t *answer = read_document(told);
	AUTO(str_free) char *text = NULL;

	*text_out = NULL;
	if (answer == NULL)
		return TAKE(whole);
	if (whole == NULL)
		whole = json_object();
	json_object_update(whole, answer);
	text = json_text(whole);
	/* A Mac that invents keys does not fill the database. */
	if (strlen(text) > JSON_MAX) {
		str_free(&text);
		text = json_text(answer);
		json_free(&whole);
		whole = TAKE(answer);
	}
	if (!str_eq(text, kept))
		*text_out = TAKE(text);
	return TAKE(whole);
}

static bool
keep_documents(struct store_tx *tx, const char *device_id,
    const struct documents *now, struct err *e)
{
	int64_t at = clock_now_ms();

	if (now->information_text != NULL &&
	    !mdm_db_device_information(
	        tx, device_id, now->information_text, at, e))
		return false;
	return now->security_text == NULL ||
	       mdm_db_device_security(tx, device_id, now->security_text, at, e);
}

bool
mdm_inventory_take(struct store_tx *tx, struct mdm_known *known,
    const struct mdm_findings *f, struct err *e)
{
	const struct mdm_reported *old = &known->reported;
	AUTO(documents_clear) struct documents now = { 0 };
	AUTO(json_free) json_t *told = NULL;

	if (!known->found || !mdm_findings_any(f))
		return true;
	now.information =
	    merge(old->information, f->information, &now.information_text);
	now.security = merge(old->security, f->security, &now.security_text);
	told = read_document(f->information);
	return keep_documents(tx, known->device.id, &now, e) &&
	       apply_facts(tx, known, told, &now, e);
}

bool
mdm_inventory_apply(struct store_tx *tx, const char *device_id,
    const struct mdm_findings *f, struct err *e)
{
	AUTO(mdm_known_clear) struct mdm_known known = { 0 };

	return mdm_db_device_get(
	           tx, MDM_BY_ID, device_id, &known.device, &known.found, e) &&
	       mdm_db_device_reported(tx, device_id, &known.reported, e) &&
	       mdm_inventory_take(tx, &known, f, e);
}

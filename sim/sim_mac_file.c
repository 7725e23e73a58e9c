/*
 * A simulated Mac on disk: a JSON document of mode 0600, so that the same Mac
 * goes on after a restart of the simulator.
 */
#include <string.h>

#include "core/file.h"
#include "core/json.h"
#include "sim/sim_mac_priv.h"

enum { STATE_MAX = 1 << 20 };

static bool
put_identity(
    json_t *o, const char *name, X509 *cert, EVP_PKEY *key, struct err *e)
{
	AUTO(buf_free) struct buf *cert_text = buf_new(16 << 10);
	AUTO(buf_wipe) struct buf *key_text = NULL;
	AUTO(str_free) char *key_name = str_printf("%s_key", name);

	if (cert == NULL)
		return true;
	if (!cert_pem(cert, cert_text, e) || !cert_key_pem(key, &key_text, e))
		return false;
	json_put_str(o, name, buf_str(cert_text));
	json_put_str(o, key_name, buf_str(key_text));
	return true;
}

static bool
get_identity(const json_t *o, const char *name, X509 **cert, EVP_PKEY **key,
    struct err *e)
{
	AUTO(str_free) char *key_name = str_printf("%s_key", name);
	const char *cert_text = NULL, *key_text = NULL;

	if (!json_get_str(o, name, 16 << 10, &cert_text, e) ||
	    !json_get_str(o, key_name, 16 << 10, &key_text, e))
		return false;
	if (cert_text == NULL || key_text == NULL)
		return true;
	return cert_parse_pem(slice_str(cert_text), cert, e) &&
	       cert_key_parse(slice_str(key_text), key, e);
}

static bool
put_profiles(const struct sim_mac *m, json_t *o, struct err *e)
{
	json_t *list = json_array();

	json_object_set_new(o, "profiles", list);
	for (size_t i = 0; i < m->profile_count; i++) {
		const struct sim_profile *p = &m->profiles[i];
		json_t *row = json_object();

		json_array_append_new(list, row);
		json_put_str(row, "identifier", p->identifier);
		json_put_str(row, "uuid", p->uuid);
		if (!put_identity(row, "identity", p->identity, p->key, e))
			return false;
	}
	return true;
}

static bool
get_profiles(struct sim_mac *m, const json_t *o, struct err *e)
{
	const json_t *list = json_object_get(o, "profiles");

	for (size_t i = 0; i < json_array_size(list) && i < SIM_PROFILES_MAX;
	     i++) {
		const json_t *row = json_array_get(list, i);
		struct sim_profile *p = &m->profiles[i];
		const char *identifier, *uuid;

		if (!json_need_str(row, "identifier", sizeof(p->identifier) - 1,
		        &identifier, e) ||
		    !json_need_str(
		        row, "uuid", sizeof(p->uuid) - 1, &uuid, e) ||
		    !get_identity(row, "identity", &p->identity, &p->key, e))
			return false;
		str_copy_cut(p->identifier, sizeof(p->identifier), identifier);
		str_copy_cut(p->uuid, sizeof(p->uuid), uuid);
		m->profile_count = i + 1;
	}
	return true;
}

bool
sim_mac_save(const struct sim_mac *m, const char *path, struct err *e)
{
	AUTO(json_free) json_t *o = json_object();
	AUTO(str_wipe) char *text = NULL;

	json_put_str(o, "udid", m->udid);
	json_put_str(o, "token", m->token);
	json_put_str(o, "magic", m->magic);
	json_put_str(o, "server_url", m->server_url);
	json_put_str(o, "check_in_url", m->check_in_url);
	json_put_str(o, "topic", m->topic);
	json_put_bool(o, "enrolled", m->enrolled);
	if (!put_identity(o, "identity", m->identity, m->key, e) ||
	    !put_profiles(m, o, e))
		return false;
	text = json_text(o);
	return file_write(path, slice_str(text), 0600, e);
}

bool
sim_mac_load(struct sim_mac *m, const char *path, struct err *e)
{
	AUTO(buf_wipe) struct buf *text = NULL;
	AUTO(json_free) json_t *o = NULL;
	struct {
		const char *key;
		char *to;
		size_t size;
	} rows[] = {
		{ "token", m->token, sizeof(m->token) },
		{ "magic", m->magic, sizeof(m->magic) },
		{ "server_url", m->server_url, sizeof(m->server_url) },
		{ "check_in_url", m->check_in_url, sizeof(m->check_in_url) },
		{ "topic", m->topic, sizeof(m->topic) },
	};
	const char *udid;

	if (!file_read(path, STATE_MAX, &text, e) ||
	    !json_parse(buf_slice(text), &o, e) ||
	    !json_need_str(o, "udid", 128, &udid, e))
		return err_wrap(e, "%s", path);
	str_free(&m->udid);
	m->udid = str_dup(udid);
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *v = NULL;

		if (!json_get_str(o, rows[i].key, rows[i].size - 1, &v, e))
			return err_wrap(e, "%s", path);
		str_copy_cut(rows[i].to, rows[i].size, v != NULL ? v : "");
	}
	return (json_get_bool(o, "enrolled", false, &m->enrolled, e) &&
	           get_identity(o, "identity", &m->identity, &m->key, e) &&
	           get_profiles(m, o, e)) ||
	       err_wrap(e, "%s", path);
}

bool
sim_mac_clone(struct sim_mac *m, const char *path, struct err *e)
{
	AUTO(str_free) char *udid = str_dup(m->udid);

	if (!sim_mac_load(m, path, e))
		return false;
	str_free(&m->udid);
	m->udid = TAKE(udid);
	return true;
}

/* Puts base in the place of "https://host:port". */
static void
move_url(char *url, size_t size, const char *base)
{
	const char *host = strstr(url, "://");
	const char *path = host != NULL ? strchr(host + 3, '/') : NULL;
	AUTO(str_free) char *moved = NULL;

	if (path == NULL)
		return;
	moved = str_printf("%s%s", base, path);
	if (strlen(moved) < size)
		str_copy_cut(url, size, moved);
}

void
sim_mac_move(struct sim_mac *m, const char *base)
{
	move_url(m->server_url, sizeof(m->server_url), base);
	move_url(m->check_in_url, sizeof(m->check_in_url), base);
}

/*
 * Files of our own data directory.  No state; any thread may call.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Reads to the end of the file; out has a maximum. */
static bool
read_all(int fd, const char *path, struct buf *out, struct err *e)
{
	enum { CHUNK = 16 << 10 };

	for (;;) {
		size_t before = out->len;
		size_t room = out->max - before;
		uint8_t *at = buf_grow(out, room < CHUNK ? room : CHUNK);
		ssize_t n = read(fd, at, out->len - before);

		if (n < 0 && errno != EINTR)
			return err_errno(e, ERR_INTERNAL, "%s", path);
		buf_cut(out, before + (n > 0 ? (size_t)n : 0));
		if (n == 0)
			return true;
	}
}

bool
file_read(const char *path, size_t max, struct buf **out, struct err *e)
{
	AUTO(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	AUTO(buf_wipe) struct buf *b = NULL;

	if (fd < 0)
		return err_errno(e,
		    errno == ENOENT ? ERR_NOT_FOUND : ERR_INTERNAL, "%s", path);
	/* One byte more than allowed tells too long from just right. */
	b = buf_new(max < SIZE_MAX ? max + 1 : max);
	if (!read_all(fd, path, b, e))
		return false;
	if (b->len > max)
		return err_set(
		    e, ERR_TOO_LARGE, "%s: longer than %zu bytes", path, max);
	b->max = max;
	*out = TAKE(b);
	return true;
}

static bool
write_all(int fd, struct slice data)
{
	while (data.len > 0) {
		ssize_t n = write(fd, data.p, data.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		data.p += n;
		data.len -= (size_t)n;
	}
	return true;
}

/* The directory of a path; the caller's. */
static char *
parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return str_dup(".");
	return str_printf(
	    "%.*s", (int)(slash == path ? 1 : slash - path), path);
}

/* Makes a rename or link in the directory of path survive a power cut. */
static bool
sync_parent(const char *path, struct err *e)
{
	AUTO(str_free) char *dir = parent_of(path);
	AUTO(close_fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) != 0)
		return err_errno(e, ERR_INTERNAL, "%s", dir);
	return true;
}

/* A synced file beside path with the data; temp_out is its name. */
static bool
write_beside(const char *path, struct slice data, unsigned mode,
    char **temp_out, struct err *e)
{
	AUTO(str_free) char *temp = str_printf("%s.XXXXXX", path);
	AUTO(close_fd) int fd = mkostemp(temp, O_CLOEXEC);

	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, "%s", temp);
	if (fchmod(fd, (mode_t)mode) != 0 || !write_all(fd, data) ||
	    fsync(fd) != 0) {
		err_errno(e, ERR_INTERNAL, "%s", temp);
		unlink(temp);
		return false;
	}
	*temp_out = TAKE(temp);
	return true;
}

bool
file_write(const char *path, struct slice data, unsigned mode, struct err *e)
{
	AUTO(str_free) char *temp = NULL;

	if (!write_beside(path, data, mode, &temp, e))
		return false;
	if (rename(temp, path) != 0) {
		err_errno(e, ERR_INTERNAL, "%s", path);
		unlink(temp);
		return false;
	}
	return sync_parent(path, e);
}

bool
file_create(const char *path, struct slice data, unsigned mode, struct err *e)
{
	AUTO(str_free) char *temp = NULL;
	bool linked;

	if (!write_beside(path, data, mode, &temp, e))
		return false;
	/* Unlike rename(), link() never replaces. */
	linked = link(temp, path) == 0;
	if (!linked)
		err_errno(e, errno == EEXIST ? ERR_CONFLICT : ERR_INTERNAL,
		    "%s", path);
	unlink(temp);
	return linked && sync_parent(path, e);
}

bool
file_may_write(const char *path, struct err *e)
{
	AUTO(str_free) char *dir = parent_of(path);
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return err_set(e, ERR_INVALID, "%s: is a directory", path);
	/* A file that is there is replaced, not written. */
	if (access(dir, W_OK | X_OK) != 0)
		return err_errno(e, ERR_INVALID, "%s: cannot be written", path);
	return true;
}

bool
file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static bool
make_one(const char *path, struct err *e)
{
	struct stat st;

	if (mkdir(path, 0700) == 0)
		return true;
	if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return true;
	return err_errno(e, ERR_INTERNAL, "%s", path);
}

bool
file_mkdir(const char *path, struct err *e)
{
	AUTO(str_free) char *part = str_dup(path);

	/* Each prefix that ends before a slash, the root left out. */
	for (char *at = part; *at != '\0'; at++) {
		if (*at != '/' || at == part)
			continue;
		*at = '\0';
		if (!make_one(part, e))
			return false;
		*at = '/';
	}
	return make_one(part, e);
}

bool
file_private(const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return err_errno(e,
		    errno == ENOENT ? ERR_NOT_FOUND : ERR_INTERNAL, "%s", path);
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return err_set(e, ERR_INVALID,
		    "%s: mode %04o lets others in; it must be 0600 or 0700",
		    path, st.st_mode & 07777U);
	return true;
}

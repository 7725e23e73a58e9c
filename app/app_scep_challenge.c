/* Where mutsu scep has its challenge from.  One thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "app/app_scep_priv.h"
#include "core/file.h"
#include "core/limits.h"

/* One line, unseen; NULL: there is no terminal. */
static char *
ask_terminal(void)
{
	struct termios was, quiet;
	char line[LIMIT_CHALLENGE] = "";
	char *answer = NULL;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &was) != 0)
		return NULL;
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	fprintf(stderr, "Challenge (empty: none): ");
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	if (fgets(line, sizeof(line), stdin) != NULL)
		answer = str_dup(line);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
	fprintf(stderr, "\n");
	explicit_bzero(line, sizeof(line));
	return answer;
}

bool
app_scep_challenge(const char *path, bool ask, char **out, struct err *e)
{
	AUTO(buf_wipe) struct buf *text = NULL;
	AUTO(str_wipe) char *challenge = NULL;
	const char *set = getenv("MUTSU_SCEP_CHALLENGE");

	if (path != NULL) {
		if (!file_read(path, LIMIT_CHALLENGE, &text, e))
			return false;
		challenge = str_dup(buf_str(text));
	} else if (set != NULL) {
		challenge = str_dup(set);
	} else if (ask) {
		challenge = ask_terminal();
	}
	if (challenge != NULL)
		challenge[strcspn(challenge, "\r\n")] = '\0';
	if (!str_empty(challenge))
		*out = TAKE(challenge);
	return true;
}

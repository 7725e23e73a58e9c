/* The program: every subcommand is a row of a table in app/. */
#include "app/app_cli.h"

int
main(int argc, char **argv)
{
	return app_run(argc, argv);
}

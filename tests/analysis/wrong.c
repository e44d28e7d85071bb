/* A tool of make analyze that finds nothing here is not at work. */
#include <stdlib.h>

int wrong(void);

int wrong(void)
{
	int *number = malloc(sizeof *number);
	if (number)
		*number = 1;
	free(number);
	number = NULL;
	return *number;
}

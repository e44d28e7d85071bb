/* Durations: what parses is within bounds and survives its own text; every number has a text. */
#include "tests/fuzz/fuzz.h"

#include "policy/duration.h"

#define MOST (UINT64_C(3650) * 86400)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t seconds = 1, again = 2, number = 0;
	char text[24];

	if (sr_duration_parse((const char *)data, size, &seconds)) {
		must(seconds <= MOST);
		sr_duration_text(seconds, text);
		must(strlen(text) <= size && sr_duration_parse(text, strlen(text), &again) && again == seconds);
	} else {
		must(seconds == 1);
	}
	memcpy(&number, data, size < sizeof number ? size : sizeof number);
	sr_duration_text(number, text);
	must(strlen(text) < sizeof text);
	must(sr_duration_parse(text, strlen(text), &again) == (number <= MOST));
	must(number > MOST || again == number);
	return 0;
}

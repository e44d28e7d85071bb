/* A request for the metrics: an input is what a connection begins with. What is decided at some length stays decided at
 * every greater one, and no more is wanted of what is as long as may be. */
#include "tests/fuzz/fuzz.h"

#include "daemon/http.h"

/* From a copy of just that size, so that the sanitizer sees each byte read behind it. */
static enum sr_http_status parse(const uint8_t *data, size_t len, bool *head)
{
	char *copy = malloc(len ? len : 1);

	must(copy != NULL);
	memcpy(copy, data, len);
	enum sr_http_status status = sr_http_parse(copy, len, head);
	free(copy);
	must(!*head || status == SR_HTTP_OK);
	return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool head, cut_head;
	enum sr_http_status status = parse(data, size, &head);

	must(status != SR_HTTP_MORE || size < SR_HTTP_REQUEST_MAX);
	must(status != SR_HTTP_TOO_LARGE || size >= SR_HTTP_REQUEST_MAX);
	for (size_t len = 0; len < size; len += 1 + len / 64) {
		enum sr_http_status cut = parse(data, len, &cut_head);

		must(cut == SR_HTTP_MORE || (cut == status && cut_head == head));
	}
	return 0;
}

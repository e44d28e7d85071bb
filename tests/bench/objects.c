/* Finding and making objects. */
#include "tests/bench/place.h"
#include "tests/bench/subjects.h"
#include "tests/bench/venues.h"
#include "tests/scenario/application.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void find_any(struct client *client, CK_OBJECT_CLASS class)
{
	char label[64];
	unsigned secrets = (unsigned)*client->venue->secrets;
	venue_label((int)((unsigned)rand_r(&client->random) % secrets), label);
	client->object = subject_find(client, class, label);
}

static void find_once(struct client *client)
{
	find_any(client, CKO_DATA);
}

static void find_key_once(struct client *client)
{
	find_any(client, CKO_PRIVATE_KEY);
}

static void create_once(struct client *client)
{
	static const char value[64];
	char label[64];
	snprintf(label, sizeof(label), "written/%d/%d/%lu", (int)getpid(), client->number, client->done);
	need(app_put(client->session, label, value, sizeof(value)), "C_CreateObject");
}

const struct subject find = { .name = "find by label", .once = find_once };
const struct subject find_key = { .name = "find a key by label", .once = find_key_once };
const struct subject create = { .name = "C_CreateObject", .once = create_once };

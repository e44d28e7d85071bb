/* Vaults of ours, each made when it is first asked for: embedded, or with a strongroomd of its own. */
#include "tests/bench/place.h"
#include "tests/bench/process.h"
#include "tests/bench/venues.h"
#include "tests/scenario/application.h"

#include "pkcs11/strongroom.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ADMIN "admin:" PASSPHRASE

struct vault {
	const char *name;
	bool lazy, served, made;
	const int *secrets; /* or tokens, or keys: what ONE makes */
	void (*one)(CK_SESSION_HANDLE session, int i);
	struct place place;
	char token[64];
	char over_unix[PLACE_PATH_MAX + 32], over_tls[PLACE_PATH_MAX + 32];
	pid_t daemon;
};

/* -- making ------------------------------------------------------------------------------------------------------- */

void venue_label(int i, char label[64])
{
	snprintf(label, 64, "production/service-%d/secret-%d", i % 997, i);
}

static void put(CK_SESSION_HANDLE session, int i)
{
	char label[64];
	venue_label(i, label);
	need(app_put(session, label, label, strlen(label)), "C_CreateObject");
}

static void put_token(CK_SESSION_HANDLE session, int i)
{
	CK_OBJECT_CLASS class = CKO_SR_TOKEN;
	CK_OBJECT_HANDLE token;
	char scope[96];
	snprintf(scope, sizeof(scope), "secrets:read:production/service-%d/*", i);
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof(class) }, { CKA_SR_SCOPES, scope, strlen(scope) },
		{ CKA_SR_TTL, "86400", 5 } };
	need(p11->C_CreateObject(session, template, 3, &token), "C_CreateObject");
}

static void put_key(CK_SESSION_HANDLE session, int i)
{
	static const CK_BYTE p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
	CK_MECHANISM mechanism = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
	CK_BBOOL yes = CK_TRUE;
	CK_OBJECT_HANDLE public, private;
	char label[64];
	venue_label(i, label);
	CK_ATTRIBUTE token = { CKA_TOKEN, &yes, 1 }, named = { CKA_LABEL, label, strlen(label) };
	CK_ATTRIBUTE ours[] = { token, named, { CKA_EC_PARAMS, (void *)p256, sizeof(p256) } };
	CK_ATTRIBUTE theirs[] = { token, named, { CKA_SR_CUSTODY, "wrapped", 7 } };
	need(p11->C_GenerateKeyPair(session, &mechanism, ours, 3, theirs, 3, &public, &private), "C_GenerateKeyPair");
}

/* -- which there are --------------------------------------------------------------------------------------------- */

static const int none;
static struct vault own = { .name = "own", .secrets = &none };
static struct vault own_lazy = { .name = "lazy", .lazy = true, .secrets = &none };
static struct vault served = { .name = "served", .served = true, .secrets = &none };
static struct vault served_lazy = { .name = "slack", .served = true, .lazy = true, .secrets = &none };
static struct vault with_few = { .name = "few", .secrets = &settings.few, .one = put };
static struct vault with_some = { .name = "some", .secrets = &settings.some, .one = put };
static struct vault with_many = { .name = "many", .secrets = &settings.secrets, .one = put };
static struct vault few_tokens = { .name = "few-t", .secrets = &settings.few, .one = put_token };
static struct vault many_tokens = { .name = "many-t", .secrets = &settings.secrets, .one = put_token };
static struct vault few_keys = { .name = "few-k", .secrets = &settings.few, .one = put_key };
static struct vault many_keys = { .name = "many-k", .secrets = &settings.keys, .one = put_key };
static struct vault *const servers[] = { &served, &served_lazy, &with_many };

/* In a process of its own: the module stays out of this one. */
static void fill(const struct vault *vault)
{
	int status;
	if (*vault->secrets == 0)
		return;
	pid_t pid = process_fork();
	if (pid == 0) {
		app_load();
		place_fill(*vault->secrets, vault->one, vault->name);
		_exit(0);
	}
	need_true(waitpid(pid, &status, 0) == pid && status == 0, "secrets");
}

static void make_objects(struct vault *vault)
{
	shell("head -c 768 /dev/urandom | base64 -w 0 | \"$STRONGROOM\" secret put " BENCH_SECRET " 2>/dev/null");
	if (*vault->secrets == 0) /* where they are counted, keys would slow the HSM's start */
		shell("for kind in ec-p256 rsa-2048 ed25519 hmac-256; do "
		      "\"$STRONGROOM\" key generate bench/$kind --kind $kind 2>/dev/null || exit 1; done");
	run("\"$STRONGROOM\" token issue --scope 'secrets:*:*' --scope 'keys:*:*' --ttl 24h 2>/dev/null", vault->token,
		sizeof(vault->token));
}

/* -- serving ------------------------------------------------------------------------------------------------------ */

static int free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	need_true(fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0 &&
			  getsockname(fd, (struct sockaddr *)&address, &len) == 0,
		"a free port");
	close(fd);
	return ntohs(address.sin_port);
}

static void write_file(const char *path, const char *mode, const char *text)
{
	FILE *file = fopen(path, mode);
	need_true(file && fputs(text, file) >= 0 && fclose(file) == 0, path);
}

static void configure(struct vault *vault)
{
	const char *dir = vault->place.dir;
	char text[5 * PLACE_PATH_MAX];
	int port = free_port();
	setenv("SERVED", dir, 1);
	shell("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=strongroomd "
	      "-addext subjectAltName=IP:127.0.0.1 -keyout \"$SERVED/tls.key\" -out \"$SERVED/tls.pem\" 2>/dev/null");
	snprintf(text, sizeof(text),
		"\n[listen]\nunix = %s/socket\ntls = 127.0.0.1:%d\ncertificate = %s/tls.pem\nkey = %s/tls.key\n", dir,
		port, dir, dir);
	write_file(vault->place.conf, "a", text);
	snprintf(vault->over_unix, sizeof(vault->over_unix), "%s/unix.conf", dir);
	snprintf(vault->over_tls, sizeof(vault->over_tls), "%s/tls.conf", dir);
	snprintf(text, sizeof(text), "[vault]\nserver = unix:%s/socket\n", dir);
	write_file(vault->over_unix, "w", text);
	snprintf(text, sizeof(text), "[vault]\nserver = tls:127.0.0.1:%d\n[tls]\nca = %s/tls.pem\n", port, dir);
	write_file(vault->over_tls, "w", text);
}

static void serve(struct vault *vault)
{
	char log[PLACE_PATH_MAX + 32], socket[PLACE_PATH_MAX + 32];
	configure(vault);
	snprintf(log, sizeof(log), "%s/daemon.log", vault->place.dir);
	snprintf(socket, sizeof(socket), "%s/socket", vault->place.dir);
	vault->daemon = process_start((char *[]){ getenv("STRONGROOMD"), "--config", vault->place.conf, NULL }, log);
	for (int i = 0; i < 200 && access(socket, F_OK) != 0; i++)
		usleep(50000);
	need_true(access(socket, F_OK) == 0, socket);
	usleep(500000);
}

static void make(struct vault *vault)
{
	char command[PLACE_PATH_MAX + 96];
	if (vault->made)
		return;
	vault->made = true;
	place_make(&vault->place, vault->name);
	make_objects(vault);
	fill(vault);
	snprintf(command, sizeof(command), "sed -i 's/^\\[vault\\]$/[vault]\\naudit-sync = %s/' '%s'",
		vault->lazy ? "lazy" : "full", vault->place.conf);
	shell(command);
	if (vault->served)
		serve(vault);
}

/* -- as venues ---------------------------------------------------------------------------------------------------- */

static void prepare(const struct venue *venue)
{
	make(venue->what);
}

static void surround(const char *conf, const struct vault *vault, bool admin)
{
	setenv("STRONGROOM_CONF", conf, 1);
	setenv("BENCH_PIN", admin ? ADMIN : vault->token, 1);
}

static void surround_embedded(const struct venue *venue, bool admin)
{
	const struct vault *vault = venue->what;
	surround(vault->place.conf, vault, admin);
}

static void surround_unix(const struct venue *venue, bool admin)
{
	const struct vault *vault = venue->what;
	surround(vault->over_unix, vault, admin);
}

static void surround_tls(const struct venue *venue, bool admin)
{
	const struct vault *vault = venue->what;
	surround(vault->over_tls, vault, admin);
}

static pid_t daemon_of(const struct venue *venue)
{
	return ((const struct vault *)venue->what)->daemon;
}

#define EMBEDDED(vault, title, count)                                                                 \
	{                                                                                             \
		.name = title, .over = "embedded", .prepare = prepare, .surround = surround_embedded, \
		.secrets = count, .what = &(vault)                                                    \
	}
#define REMOTE(vault, way, title)                                                                               \
	{                                                                                                       \
		.name = title, .over = #way, .processes = true, .prepare = prepare, .surround = surround_##way, \
		.server = daemon_of, .secrets = &none, .what = &(vault)                                         \
	}
const struct venue embedded = EMBEDDED(own, "embedded", &none);
const struct venue embedded_lazy = EMBEDDED(own_lazy, "embedded, lazy", &none);
const struct venue hundred = EMBEDDED(with_few, "few secrets", &settings.few);
const struct venue thousands = EMBEDDED(with_some, "some secrets", &settings.some);
const struct venue many = EMBEDDED(with_many, "many secrets", &settings.secrets);
const struct venue hundred_tokens = EMBEDDED(few_tokens, "few tokens", &settings.few);
const struct venue crowd_of_tokens = EMBEDDED(many_tokens, "many tokens", &settings.secrets);
const struct venue hundred_keys = EMBEDDED(few_keys, "few keys", &settings.few);
const struct venue crowd_of_keys = EMBEDDED(many_keys, "many keys", &settings.keys);
const struct venue over_unix = REMOTE(served, unix, "Unix");
const struct venue over_unix_lazy = REMOTE(served_lazy, unix, "Unix, lazy");
const struct venue over_tls = REMOTE(served, tls, "TLS");

pid_t venue_serve_many(const char **client_conf)
{
	make(&with_many);
	if (!with_many.daemon)
		serve(&with_many);
	*client_conf = with_many.over_unix;
	return with_many.daemon;
}

const char *venue_pin(const struct venue *venue)
{
	return ((const struct vault *)venue->what)->token;
}

void venues_end(void)
{
	for (size_t i = 0; i < sizeof(servers) / sizeof(*servers); i++)
		process_stop(servers[i]->daemon, SIGTERM);
	softhsm_end();
	postgresql_end();
}

/* What somebody would use instead: PostgreSQL with pgcrypto, and an audit table that each read writes to. A server of
 * our own, set as it comes: a commit is on the disk before it is answered. One statement is one transaction and one
 * round trip over a Unix socket: it inserts the record and decrypts the value (AES-256-CBC, which is what pgcrypto has
 * that costs least). Both the key and the values are in the server's memory. libpq is loaded here, not linked: without
 * it, or without the server, its rows are left out. */
#include "tests/bench/place.h"
#include "tests/bench/process.h"
#include "tests/bench/subjects.h"
#include "tests/bench/venues.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- libpq, as far as it is needed -------------------------------------------------------------------------------- */

#define COMMAND_OK 1 /* of ExecStatusType */
#define TUPLES_OK 2

struct pg_conn;
struct pg_result;

static struct {
	struct pg_conn *(*connect)(const char *info);
	struct pg_result *(*exec)(struct pg_conn *conn, const char *sql);
	struct pg_result *(*prepare)(
		struct pg_conn *conn, const char *name, const char *sql, int count, const void *types);
	struct pg_result *(*run)(struct pg_conn *conn, const char *name, int count, const char *const *values,
		const int *lengths, const int *formats, int binary);
	int (*status)(const struct pg_result *result);
	int (*length)(const struct pg_result *result, int row, int column);
	char *(*error)(const struct pg_conn *conn);
	void (*clear)(struct pg_result *result);
	void (*finish)(struct pg_conn *conn);
} pq;

static bool load_libpq(void)
{
	static const char *const names[] = { "PQconnectdb", "PQexec", "PQprepare", "PQexecPrepared", "PQresultStatus",
		"PQgetlength", "PQerrorMessage", "PQclear", "PQfinish" };
	void *library = dlopen("libpq.so.5", RTLD_NOW);
	void **functions[] = { (void **)&pq.connect, (void **)&pq.exec, (void **)&pq.prepare, (void **)&pq.run,
		(void **)&pq.status, (void **)&pq.length, (void **)&pq.error, (void **)&pq.clear, (void **)&pq.finish };
	for (size_t i = 0; library && i < sizeof(names) / sizeof(*names); i++) {
		*functions[i] = dlsym(library, names[i]);
		if (!*functions[i])
			return false;
	}
	return library != NULL;
}

static void need_result(struct pg_conn *conn, struct pg_result *result, int status)
{
	need_true(pq.status(result) == status, pq.error(conn));
	pq.clear(result);
}

/* -- a server ----------------------------------------------------------------------------------------------------- */

static pid_t server;
static char server_dir[PLACE_PATH_MAX], programs[PLACE_PATH_MAX];

static bool find_programs(void)
{
	glob_t found;
	bool ok = glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) == 0;
	if (ok)
		snprintf(programs, sizeof(programs), "%.*s", (int)(strlen(found.gl_pathv[0]) - strlen("/initdb")),
			found.gl_pathv[0]);
	globfree(&found);
	return ok;
}

static const char *missing(const struct venue *venue)
{
	(void)venue;
	return find_programs() && load_libpq() ? NULL : "PostgreSQL is not installed";
}

static struct pg_conn *connect_to_server(void)
{
	char info[PLACE_PATH_MAX + 64];
	snprintf(info, sizeof(info), "host='%s' user=bench dbname=postgres", server_dir);
	struct pg_conn *conn = pq.connect(info);
	need_true(conn != NULL, "libpq");
	return conn;
}

/* It does not run as root: then it gets a user of its own, who has to reach its directory. */
static const char *as_user(void)
{
	return geteuid() == 0 ? "setpriv --reuid=postgres --regid=postgres --clear-groups" : "";
}

static void make_server(void)
{
	char log[PLACE_PATH_MAX + 32], command[3 * PLACE_PATH_MAX];
	snprintf(server_dir, sizeof(server_dir), "%s/postgresql", place_dir());
	snprintf(log, sizeof(log), "%s/postgresql.log", place_dir());
	setenv("PGDIR", server_dir, 1);
	shell("mkdir -m 700 \"$PGDIR\"");
	if (geteuid() == 0)
		shell("chown postgres: \"$PGDIR\" && chmod 711 \"$PGDIR/..\"");
	snprintf(command, sizeof(command),
		"cd / && %s '%s/initdb' --auth=trust --username=bench -D \"$PGDIR/data\" >/dev/null 2>&1", as_user(),
		programs);
	shell(command);
	snprintf(command, sizeof(command),
		"cd / && exec %s '%s/postgres' -D \"$PGDIR/data\" -k \"$PGDIR\" -c listen_addresses=", as_user(),
		programs);
	server = process_start((char *[]){ "sh", "-c", command, NULL }, log);
}

static void fill_server(void)
{
	struct pg_conn *conn = connect_to_server();
	need_result(conn,
		pq.exec(conn, "CREATE EXTENSION pgcrypto; CREATE TABLE secret (path text PRIMARY KEY, iv bytea, value "
			      "bytea); "
			      "CREATE TABLE key AS SELECT gen_random_bytes(32) AS bytes; "
			      "CREATE TABLE audit (id bigserial PRIMARY KEY, at timestamptz DEFAULT clock_timestamp(), "
			      "actor text, "
			      "path text, status text); "
			      "INSERT INTO secret SELECT '" BENCH_SECRET "', iv, encrypt_iv(gen_random_bytes(1024), "
			      "(SELECT bytes FROM key), iv, 'aes-cbc') FROM gen_random_bytes(16) AS iv"),
		COMMAND_OK);
	pq.finish(conn);
}

static void prepare(const struct venue *venue)
{
	char socket[PLACE_PATH_MAX + 32];
	(void)venue;
	if (server)
		return;
	make_server();
	snprintf(socket, sizeof(socket), "%s/.s.PGSQL.5432", server_dir);
	for (int i = 0; i < 100 && access(socket, F_OK) != 0; i++)
		usleep(100000);
	sleep(1);
	fill_server();
}

static void surround(const struct venue *venue, bool admin)
{
	(void)venue;
	(void)admin;
}

static pid_t server_of(const struct venue *venue)
{
	(void)venue;
	return server;
}

static const int none;
const struct venue postgresql = { .name = "PostgreSQL",
	.processes = true,
	.missing = missing,
	.prepare = prepare,
	.surround = surround,
	.server = server_of,
	.secrets = &none };

void postgresql_end(void)
{
	process_stop(server, SIGINT); /* does not wait for its clients */
}

/* -- reading ------------------------------------------------------------------------------------------------------ */

static void enter(struct client *client)
{
	struct pg_conn *conn = client->own = connect_to_server();
	need_result(conn,
		pq.prepare(conn, "read",
			"WITH record AS (INSERT INTO audit (actor, path, status) VALUES ('bench', $1, 'allowed')) "
			"SELECT decrypt_iv(value, (SELECT bytes FROM key), iv, 'aes-cbc') FROM secret WHERE path = $1",
			1, NULL),
		COMMAND_OK);
}

static void once(struct client *client)
{
	const char *path = BENCH_SECRET;
	struct pg_result *result = pq.run(client->own, "read", 1, &path, NULL, NULL, 1);
	need_true(pq.status(result) == TUPLES_OK && pq.length(result, 0, 0) == BENCH_VALUE, pq.error(client->own));
	pq.clear(result);
}

const struct subject read_postgresql = {
	.name = "pgcrypto and audit insert", .bare = true, .enter = enter, .once = once
};

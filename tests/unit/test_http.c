/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "http.h"

/* The server: a process, and one more for each connection. */

struct counts {
	int connections, requests, dropped;
};

struct server {
	pid_t pid; /* and its process group */
	unsigned int port;
	struct counts *counts; /* shared with it */
};

static void say(int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		_exit(0);
}

static void answer(int fd, const char *head, const char *body)
{
	char text[512];

	snprintf(text, sizeof text, "HTTP/1.1 %.400s\r\nContent-Length: %zu\r\n\r\n", head,
		 strlen(body));
	say(fd, text);
	say(fd, body);
}

static _Noreturn void wait_for_the_end(void)
{
	for (;;)
		pause();
}

static void flood(int fd, const char *head, const char *piece, size_t bytes)
{
	size_t sent;

	say(fd, head);
	for (sent = 0; sent < bytes; sent += strlen(piece))
		say(fd, piece);
}

/* One request, head and body; false: the client closed. */
static bool read_request(int fd, char *text, size_t size)
{
	size_t len = 0, want = 0;
	const char *end, *length;
	ssize_t n;

	for (;;) {
		n = recv(fd, text + len, size - 1 - len, 0);
		if (n <= 0)
			return false;
		len += (size_t)n;
		text[len] = '\0';
		if (text[0] < 'A') {
			answer(fd, "400 Bad Request", "");
			return false;
		}
		end = strstr(text, "\r\n\r\n");
		if (!end)
			continue;
		length = strcasestr(text, "\r\nContent-Length:");
		if (length && length < end)
			want = strtoul(length + 17, NULL, 10);
		if (len >= (size_t)(end + 4 - text) + want)
			return true;
	}
}

/* Paths of which the answer is data. */
static const struct {
	const char *path, *head, *body;
} answers[] = {
	{ "/plain", "200 OK\r\nContent-Type: application/json; charset=utf-8", "{\"a\":1}" },
	{ "/refused", "401 Unauthorized", "no" },
	{ "/redirect", "302 Found\r\nLocation: /plain", "elsewhere" },
	{ "/cookie", "200 OK\r\nSet-Cookie: crumb=1; Path=/", "" },
	{ "/later", "503 Service Unavailable\r\nRetry-After: 120", "" },
	{ "/later-date",
	  "429 Too Many Requests\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
	  "Retry-After: Sun, 06 Nov 1994 08:50:37 GMT", "" },
	{ "/later-no-date", "503 No\r\nRetry-After: Fri, 01 Jan 2100 00:00:00 GMT", "" },
	{ "/later-past", "503 No\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT", "" },
	{ "/later-much", "503 No\r\nRetry-After: 99999999999999999999999", "" },
	{ "/later-never", "503 No\r\nRetry-After: soon", "" },
	{ "/cache", "200 OK\r\nCache-Control: public , s-maxage=5,Max-Age=600", "" },
	{ "/cache-none", "200 OK\r\nCache-Control: max-age=600\r\nCache-Control: no-store", "" },
	{ "/cache-odd", "200 OK\r\nCache-Control: max-age=, max-age, x-max-age=1", "" },
	{ NULL, NULL, NULL },
};

static bool serve_data(int fd, const char *path)
{
	size_t i;

	for (i = 0; answers[i].path; i++) {
		if (strcmp(answers[i].path, path) != 0)
			continue;
		answer(fd, answers[i].head, answers[i].body);
		return true;
	}
	return false;
}

/* Paths that misbehave. */
static void serve_trouble(int fd, const char *path)
{
	if (!strcmp(path, "/stall"))
		wait_for_the_end();
	else if (!strcmp(path, "/large"))
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\nx");
	else if (!strcmp(path, "/endless"))
		flood(fd, "HTTP/1.1 200 OK\r\n\r\n", "0123456789abcdef", SIZE_MAX);
	else if (!strcmp(path, "/endless-head"))
		flood(fd, "HTTP/1.1 200 OK\r\n", "X-Nothing: at all\r\n", SIZE_MAX);
	else if (!strcmp(path, "/largest"))
		flood(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n",
		      "0123456789abcdef", LIMIT_RESPONSE);
	else if (!strcmp(path, "/short"))
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789");
	else if (!strcmp(path, "/garbage"))
		say(fd, "SSH-2.0-OpenSSH_9.2\r\n");
	if (strcmp(path, "/largest") != 0)
		_exit(0);
}

static void serve(int fd, const char *request, int nth, struct counts *counts)
{
	char method[16], path[128];

	if (sscanf(request, "%15s %127s", method, path) != 2)
		_exit(1);
	__atomic_add_fetch(&counts->requests, 1, __ATOMIC_SEQ_CST);
	if (!strcmp(path, "/echo") || !strncmp(path, "http://", 7)) {
		answer(fd, "200 OK", request);
	} else if (!strcmp(method, "CONNECT")) {
		answer(fd, "403 Forbidden", "");
	} else if (!strcmp(path, "/drop") && nth > 1) {
		__atomic_add_fetch(&counts->dropped, 1, __ATOMIC_SEQ_CST);
		_exit(0);
	} else if (!strcmp(path, "/drop")) {
		answer(fd, "200 OK", "at first sight");
	} else if (!serve_data(fd, path)) {
		serve_trouble(fd, path);
	}
}

static _Noreturn void serve_connection(int fd, struct counts *counts)
{
	char request[65536];
	int nth;

	for (nth = 1; read_request(fd, request, sizeof request); nth++)
		serve(fd, request, nth, counts);
	_exit(0);
}

static _Noreturn void serve_all(int listener, struct counts *counts)
{
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	signal(SIGCHLD, SIG_IGN);
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		__atomic_add_fetch(&counts->connections, 1, __ATOMIC_SEQ_CST);
		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve_connection(fd, counts);
		}
		close(fd);
	}
	_exit(1);
}

static int listen_on_loopback(unsigned int *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static void server_start(struct server *s)
{
	int listener = listen_on_loopback(&s->port);

	s->counts = mmap(NULL, sizeof *s->counts, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(s->counts, MAP_FAILED);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (!s->pid)
		serve_all(listener, s->counts);
	setpgid(s->pid, s->pid);
	close(listener);
}

static void server_end(struct server *s)
{
	kill(-s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	munmap(s->counts, sizeof *s->counts);
}

/* What came back. */
struct answer {
	struct loop *loop; /* stopped when it is there */
	int calls, error;
	bool sent;
	struct response response; /* without pointers */
	char type[64];
	char *body;
	struct sentence why;
};

struct bench {
	struct server server;
	struct loop *loop;
	struct http *http;
	struct http_options options;
	struct request request;
	struct answer answer;
};

static int set_up(void **state)
{
	struct bench *b = calloc(1, sizeof *b);

	assert_non_null(b);
	server_start(&b->server);
	assert_int_equal(loop_create(&b->loop), 0);
	assert_int_equal(http_create(b->loop, &b->http), 0);
	b->options.timeout_ms = 10000;
	b->request = REQUEST_INIT;
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	request_finish(&b->request);
	assert_null(http_destroy(b->http));
	assert_null(loop_destroy(b->loop));
	server_end(&b->server);
	free(b->answer.body);
	free(b);
	return 0;
}

static void on_answer(void *ctx, int error, bool sent, const struct response *response,
		      const struct sentence *why)
{
	struct answer *a = ctx;

	a->calls++;
	a->error = error;
	a->sent = sent;
	a->why = *why;
	if (response) {
		a->response = *response;
		snprintf(a->type, sizeof a->type, "%s", response->type);
		assert_int_equal(response->body[response->len], '\0');
		free(a->body);
		a->body = strdup(response->body);
		a->response.body = a->response.type = NULL;
	}
	if (error)
		assert_true(strlen(why->text) > 0);
	assert_true(!error == !!response);
	loop_stop(a->loop);
}

static void __attribute__((format(printf, 2, 3)))
set_url(struct bench *b, const char *format, ...)
{
	char url[256];
	va_list args;

	va_start(args, format);
	vsnprintf(url, sizeof url, format, args);
	va_end(args);
	buffer_clear(&b->request.url);
	buffer_text(&b->request.url, url);
}

static void set_path(struct bench *b, const char *path)
{
	set_url(b, "http://127.0.0.1:%u%s", b->server.port, path);
}

static struct transfer *begin(struct bench *b, struct answer *a)
{
	struct transfer *t = NULL;

	a->loop = b->loop;
	assert_int_equal(http_send(b->http, &b->request, &b->options, on_answer, a, &t), 0);
	assert_int_equal(a->calls, 0);
	assert_non_null(t);
	return t;
}

static void finish(struct bench *b, struct answer *a)
{
	while (!a->calls)
		assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(a->calls, 1);
}

/* Sends b->request and waits; the error. */
static int ask(struct bench *b)
{
	struct answer *a = &b->answer;

	free(a->body);
	*a = (struct answer){ 0 };
	begin(b, a);
	finish(b, a);
	return a->error;
}

static int ask_path(struct bench *b, const char *path)
{
	set_path(b, path);
	return ask(b);
}

/* answers */

static void an_answer_arrives_whole(void **state)
{
	struct bench *b = *state;

	assert_int_equal(ask_path(b, "/plain"), 0);
	assert_true(b->answer.sent);
	assert_int_equal(b->answer.response.status, 200);
	assert_string_equal(b->answer.type, "application/json; charset=utf-8");
	assert_string_equal(b->answer.body, "{\"a\":1}");
	assert_int_equal(b->answer.response.len, 7);
	assert_int_equal(b->answer.response.date_ms, -1);
	assert_int_equal(b->answer.response.retry_after_ms, -1);
	assert_int_equal(b->answer.response.max_age_ms, -1);
	assert_int_equal(ask_path(b, "/refused"), 0);
	assert_int_equal(b->answer.response.status, 401);
	assert_string_equal(b->answer.type, "");
	assert_string_equal(b->answer.body, "no");
}

static void a_connection_is_kept_for_the_next_request(void **state)
{
	struct bench *b = *state;
	int i;

	for (i = 0; i < 4; i++)
		assert_int_equal(ask_path(b, "/plain"), 0);
	assert_int_equal(b->server.counts->requests, 4);
	assert_int_equal(b->server.counts->connections, 1);
}

static void a_redirect_is_an_answer_and_is_not_followed(void **state)
{
	struct bench *b = *state;

	assert_int_equal(ask_path(b, "/redirect"), 0);
	assert_int_equal(b->answer.response.status, 302);
	assert_string_equal(b->answer.body, "elsewhere");
	assert_int_equal(b->server.counts->requests, 1);
}

static void retry_after_is_understood_in_seconds_and_as_a_date(void **state)
{
	struct bench *b = *state;

	assert_int_equal(ask_path(b, "/later"), 0);
	assert_int_equal(b->answer.response.status, 503);
	assert_int_equal(b->answer.response.retry_after_ms, 120000);
	assert_int_equal(ask_path(b, "/later-date"), 0);
	assert_int_equal(b->answer.response.date_ms, 784111777000);
	assert_int_equal(b->answer.response.retry_after_ms, 60000);
	assert_int_equal(ask_path(b, "/later-no-date"), 0);
	assert_in_range(b->answer.response.retry_after_ms + loop_wall(b->loop),
			4102444800000 - 5000, 4102444800000 + 5000);
	assert_int_equal(ask_path(b, "/later-past"), 0);
	assert_int_equal(b->answer.response.retry_after_ms, 0);
	assert_int_equal(ask_path(b, "/later-much"), 0);
	assert_true(b->answer.response.retry_after_ms == INT64_MAX);
	assert_int_equal(ask_path(b, "/later-never"), 0);
	assert_int_equal(b->answer.response.retry_after_ms, -1);
}

static void cache_control_says_how_long_an_answer_may_be_kept(void **state)
{
	struct bench *b = *state;

	assert_int_equal(ask_path(b, "/cache"), 0);
	assert_int_equal(b->answer.response.max_age_ms, 600000);
	assert_int_equal(ask_path(b, "/cache-none"), 0);
	assert_int_equal(b->answer.response.max_age_ms, 0);
	assert_int_equal(ask_path(b, "/cache-odd"), 0);
	assert_int_equal(b->answer.response.max_age_ms, -1);
}

static void no_cookie_is_kept(void **state)
{
	struct bench *b = *state;

	assert_int_equal(ask_path(b, "/cookie"), 0);
	assert_int_equal(ask_path(b, "/echo"), 0);
	assert_null(strstr(b->answer.body, "crumb"));
}

/* requests */

static void a_request_goes_out_as_it_was_written(void **state)
{
	struct bench *b = *state;

	b->request.method = "POST";
	b->request.content_type = "application/x-www-form-urlencoded";
	request_header(&b->request, "Authorization", "Basic eDp5");
	request_header(&b->request, "Accept", "application/json");
	buffer_text(&b->request.body, "grant_type=password&x=%00");
	assert_int_equal(ask_path(b, "/echo"), 0);
	assert_int_equal(strncmp(b->answer.body, "POST /echo HTTP/1.1\r\n", 21), 0);
	assert_non_null(strstr(b->answer.body, "\r\nAuthorization: Basic eDp5\r\n"));
	assert_non_null(strstr(b->answer.body, "\r\nAccept: application/json\r\n"));
	assert_non_null(strstr(b->answer.body, "\r\nUser-Agent: tokenfs/" TOKENFS_VERSION "\r\n"));
	assert_non_null(strstr(b->answer.body,
			       "\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
	assert_non_null(strstr(b->answer.body, "\r\nContent-Length: 25\r\n"));
	assert_non_null(strstr(b->answer.body, "\r\n\r\ngrant_type=password&x=%00"));
	assert_null(strcasestr(b->answer.body, "Accept-Encoding"));
	assert_null(strcasestr(b->answer.body, "Cookie"));
}

static void every_method_goes_out_with_and_without_a_body(void **state)
{
	static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };
	struct bench *b = *state;
	size_t i;

	for (i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		b->request.method = methods[i];
		b->request.content_type = NULL;
		buffer_clear(&b->request.body);
		assert_int_equal(ask_path(b, "/echo"), 0);
		assert_int_equal(strncmp(b->answer.body, methods[i], strlen(methods[i])), 0);
		assert_null(strcasestr(b->answer.body, "Content-Type"));
		assert_string_equal(strstr(b->answer.body, "\r\n\r\n"), "\r\n\r\n");
		b->request.content_type = "application/json";
		buffer_text(&b->request.body, "{}");
		assert_int_equal(ask_path(b, "/echo"), 0);
		assert_int_equal(strncmp(b->answer.body, methods[i], strlen(methods[i])), 0);
		assert_non_null(strstr(b->answer.body, "\r\nContent-Type: application/json\r\n"));
		assert_string_equal(strstr(b->answer.body, "\r\n\r\n"), "\r\n\r\n{}");
	}
}

static void the_request_may_go_once_it_was_sent(void **state)
{
	struct bench *b = *state;
	struct answer *a = &b->answer;

	b->request.method = "POST";
	request_header(&b->request, "X-One", "1");
	buffer_text(&b->request.body, "body");
	set_path(b, "/echo");
	begin(b, a);
	request_finish(&b->request);
	finish(b, a);
	assert_non_null(strstr(a->body, "X-One: 1"));
	assert_non_null(strstr(a->body, "\r\n\r\nbody"));
}

static void a_url_that_is_not_safe_is_refused(void **state)
{
	static const char *const urls[] = {
		"http://192.0.2.1/", "http://example.org/", "http://127.0.0.1@example.org/",
		"http://127.example.org/", "http://localhost.example.org/", "ftp://127.0.0.1/",
		"file:///etc/passwd", "https://", "", "https://u:p@example.org/", "example.org",
	};
	struct bench *b = *state;
	struct transfer *t = NULL;
	size_t i;

	for (i = 0; i < sizeof urls / sizeof urls[0]; i++) {
		set_url(b, "%s", urls[i]);
		assert_int_equal(http_send(b->http, &b->request, &b->options, on_answer,
					   &b->answer, &t), -EINVAL);
	}
	set_path(b, "/plain");
	request_header(&b->request, "X-Break", "a\r\nX-Out: 1");
	assert_int_equal(http_send(b->http, &b->request, &b->options, on_answer, &b->answer, &t),
			 request_error(&b->request));
	assert_null(t);
	assert_int_equal(b->answer.calls, 0);
	assert_int_equal(b->server.counts->connections, 0);
}

/* trouble */

static void an_answer_that_is_too_large_is_not_taken(void **state)
{
	struct bench *b = *state;

	assert_int_equal(ask_path(b, "/largest"), 0);
	assert_int_equal(b->answer.response.len, LIMIT_RESPONSE);
	assert_int_equal(ask_path(b, "/large"), -EFBIG);
	assert_int_equal(ask_path(b, "/endless"), -EFBIG);
	assert_true(b->answer.sent);
	assert_int_equal(ask_path(b, "/endless-head"), -EFBIG);
}

static void a_stalled_server_ends_at_its_limit_and_delays_nobody_else(void **state)
{
	struct bench *b = *state;
	struct answer stalled = { 0 };
	int64_t before = loop_now(b->loop);
	int i;

	set_path(b, "/stall");
	b->options.timeout_ms = 1000;
	begin(b, &stalled);
	b->options.timeout_ms = 10000;
	for (i = 0; i < 5; i++)
		assert_int_equal(ask_path(b, "/plain"), 0);
	assert_int_equal(stalled.calls, 0);
	assert_true(loop_now(b->loop) - before < 1000);
	finish(b, &stalled);
	assert_int_equal(stalled.error, -ETIMEDOUT);
	assert_true(stalled.sent);
	assert_non_null(strstr(stalled.why.text, "1000 ms"));
	assert_in_range(loop_now(b->loop) - before, 990, 5000);
}

static void a_port_that_nobody_listens_on_is_econnrefused(void **state)
{
	struct bench *b = *state;
	unsigned int port;

	close(listen_on_loopback(&port));
	set_url(b, "http://127.0.0.1:%u/", port);
	assert_int_equal(ask(b), -ECONNREFUSED);
	assert_false(b->answer.sent);
	assert_non_null(strstr(b->answer.why.text, "127.0.0.1:"));
}

static void a_name_that_does_not_exist_is_ehostunreach(void **state)
{
	struct bench *b = *state;

	set_url(b, "https://no-such-host.invalid/token");
	b->options.timeout_ms = 5000;
	assert_int_equal(ask(b), -EHOSTUNREACH);
	assert_false(b->answer.sent);
	assert_non_null(strstr(b->answer.why.text, "no-such-host.invalid"));
}

static void an_answer_that_is_cut_off_is_econnreset(void **state)
{
	struct bench *b = *state;

	assert_int_equal(ask_path(b, "/short"), -ECONNRESET);
	assert_true(b->answer.sent);
	assert_int_equal(ask_path(b, "/silent"), -ECONNRESET);
	assert_true(b->answer.sent);
}

static void what_is_not_http_is_eproto(void **state)
{
	struct bench *b = *state;

	assert_int_equal(ask_path(b, "/garbage"), -EPROTO);
	set_url(b, "https://127.0.0.1:%u/", b->server.port);
	assert_int_equal(ask(b), -EPROTO);
	assert_false(b->answer.sent);
}

static void a_post_that_may_have_arrived_is_not_sent_again(void **state)
{
	struct bench *b = *state;

	b->request.method = "POST";
	buffer_text(&b->request.body, "grant_type=refresh_token");
	assert_int_equal(ask_path(b, "/drop"), 0);
	assert_int_equal(ask_path(b, "/drop"), -ECONNRESET);
	assert_true(b->answer.sent);
	assert_int_equal(b->server.counts->dropped, 1);
	assert_int_equal(b->server.counts->requests, 2);
}

static void a_get_on_a_kept_connection_that_broke_off_is_sent_again(void **state)
{
	struct bench *b = *state;

	assert_int_equal(ask_path(b, "/drop"), 0);
	assert_int_equal(ask_path(b, "/drop"), 0);
	assert_string_equal(b->answer.body, "at first sight");
	assert_int_equal(b->server.counts->dropped, 1);
	assert_int_equal(b->server.counts->connections, 2);
}

/* proxies */

static void the_environment_names_no_proxy(void **state)
{
	struct bench *b = *state;

	assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
	assert_int_equal(setenv("ALL_PROXY", "http://127.0.0.1:1", 1), 0);
	assert_int_equal(ask_path(b, "/plain"), 0);
	assert_int_equal(unsetenv("http_proxy"), 0);
	assert_int_equal(unsetenv("ALL_PROXY"), 0);
}

static void a_proxy_that_was_named_is_asked(void **state)
{
	struct bench *b = *state;
	char proxy[64];

	snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", b->server.port);
	b->options.proxy = proxy;
	assert_int_equal(setenv("no_proxy", "*", 1), 0);
	set_url(b, "http://127.0.0.1:9/through");
	assert_int_equal(ask(b), 0);
	assert_int_equal(strncmp(b->answer.body, "GET http://127.0.0.1:9/through ", 31), 0);
	set_url(b, "https://example.org/");
	assert_int_equal(ask(b), -EPROTO);
	assert_non_null(strstr(b->answer.why.text, "proxy"));
	assert_non_null(strstr(b->answer.why.text, "403"));
	assert_false(b->answer.sent);
	assert_int_equal(unsetenv("no_proxy"), 0);
}

/* the loop */

static void stop_due(struct timer *t)
{
	loop_stop(t->ctx);
}

static void a_cancelled_transfer_is_silent(void **state)
{
	struct bench *b = *state;
	struct answer cancelled = { 0 }, left = { 0 };
	struct timer end = { .due = stop_due, .ctx = b->loop };

	set_path(b, "/plain");
	http_cancel(begin(b, &cancelled));
	http_cancel(NULL);
	set_path(b, "/stall");
	begin(b, &left);
	assert_int_equal(timer_start(b->loop, &end, loop_now(b->loop) + 50), 0);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(cancelled.calls, 0);
	b->http = http_destroy(b->http);
	assert_int_equal(timer_start(b->loop, &end, loop_now(b->loop) + 10), 0);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(left.calls, 0);
}

struct chain {
	struct bench *bench;
	struct transfer *other;
	struct answer next;
	int calls;
};

static void cancel_and_ask_more(void *ctx, int error, bool sent, const struct response *response,
				const struct sentence *why)
{
	struct chain *c = ctx;

	(void)sent;
	(void)response;
	(void)why;
	assert_int_equal(error, 0);
	c->calls++;
	http_cancel(c->other);
	begin(c->bench, &c->next);
}

static void an_answer_may_cancel_others_and_send_the_next_request(void **state)
{
	struct bench *b = *state;
	struct chain c = { .bench = b };
	struct answer other = { 0 };
	struct transfer *t;

	set_path(b, "/stall");
	c.other = begin(b, &other);
	set_path(b, "/plain");
	assert_int_equal(http_send(b->http, &b->request, &b->options, cancel_and_ask_more, &c, &t),
			 0);
	finish(b, &c.next);
	assert_int_equal(c.calls, 1);
	assert_int_equal(c.next.error, 0);
	assert_int_equal(other.calls, 0);
	free(c.next.body);
}

struct heard {
	struct loop *loop;
	short revents;
};

static void note_events(struct watch *w, short revents)
{
	struct heard *h = w->ctx;

	h->revents = revents;
	loop_unwatch(h->loop, w);
	loop_stop(h->loop);
}

static void descriptors_are_served_while_a_transfer_runs_and_hang_ups_are_told(void **state)
{
	struct bench *b = *state;
	struct heard h = { b->loop, 0 };
	struct watch w = { .events = POLLIN, .ready = note_events, .ctx = &h };
	struct answer stalled = { 0 };
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	set_path(b, "/stall");
	begin(b, &stalled);
	w.fd = fds[0];
	loop_watch(b->loop, &w);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(h.revents, POLLIN);
	assert_int_equal(read(fds[0], &(char){ 0 }, 1), 1);
	loop_watch(b->loop, &w);
	close(fds[1]);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(h.revents, POLLHUP);
	assert_int_equal(stalled.calls, 0);
	close(fds[0]);
}

static void sockets_are_closed_in_programs_that_are_run(void **state)
{
	struct bench *b = *state;
	int fd, family, seen = 0;
	socklen_t len;

	assert_int_equal(ask_path(b, "/plain"), 0);
	for (fd = 3; fd < 100; fd++) {
		len = sizeof family;
		if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0 || family != AF_INET)
			continue;
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		seen++;
	}
	assert_int_equal(seen, 1);
}

/* TLS: openssl makes a certificate and serves with it. */

struct tls {
	char dir[32], ca[64], other_ca[64], key[64];
	pid_t pid;
	unsigned int port;
};

/* Runs openssl; standard output goes to *ret_out, if that is wanted. */
static pid_t run_openssl(const char *const *words, int *ret_out)
{
	posix_spawn_file_actions_t actions;
	char *line[24] = { NULL };
	int fds[2];
	size_t i;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	for (i = 0; words[i]; i++)
		assert_non_null(line[i] = strdup(words[i]));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
	assert_int_equal(posix_spawnp(&pid, line[0], &actions, NULL, line, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	for (i = 0; line[i]; i++)
		free(line[i]);
	close(fds[1]);
	if (ret_out)
		*ret_out = fds[0];
	else
		close(fds[0]);
	return pid;
}

static void make_certificate(const char *key, const char *certificate)
{
	const char *const words[] = { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
				      "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
				      "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1",
				      "-keyout", key, "-out", certificate, NULL };
	pid_t pid = run_openssl(words, NULL);
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Its first lines; one of them names the port. */
static unsigned int read_port(int fd)
{
	char text[1024] = "";
	const char *at = NULL;
	unsigned int port = 0;
	size_t len = 0;
	ssize_t n;

	while (!at || !strchr(at, '\n')) {
		n = read(fd, text + len, sizeof text - 1 - len);
		assert_true(n > 0);
		len += (size_t)n;
		text[len] = '\0';
		at = strstr(text, "ACCEPT ");
	}
	assert_int_equal(sscanf(at, "ACCEPT 127.0.0.1:%u", &port), 1);
	return port;
}

static void tls_start(struct tls *tls)
{
	const char *const words[] = { "openssl", "s_server", "-accept", "127.0.0.1:0", "-www",
				      "-cert", tls->ca, "-key", tls->key, NULL };
	int out;

	strncpy(tls->dir, "/tmp/tokenfs-test-XXXXXX", sizeof tls->dir - 1);
	assert_non_null(mkdtemp(tls->dir));
	snprintf(tls->ca, sizeof tls->ca, "%s/ca.pem", tls->dir);
	snprintf(tls->other_ca, sizeof tls->other_ca, "%s/other.pem", tls->dir);
	snprintf(tls->key, sizeof tls->key, "%s/key.pem", tls->dir);
	make_certificate(tls->key, tls->other_ca);
	make_certificate(tls->key, tls->ca);
	tls->pid = run_openssl(words, &out);
	tls->port = read_port(out);
	close(out);
}

static void tls_end(struct tls *tls)
{
	kill(tls->pid, SIGKILL);
	waitpid(tls->pid, NULL, 0);
	unlink(tls->ca);
	unlink(tls->other_ca);
	unlink(tls->key);
	rmdir(tls->dir);
}

static void tls_is_verified_with_the_ca_file_that_was_named(void **state)
{
	struct bench *b = *state;
	struct tls tls = { .dir = "" };

	tls_start(&tls);
	set_url(b, "https://127.0.0.1:%u/", tls.port);
	b->options.ca_file = tls.ca;
	assert_int_equal(ask(b), 0);
	assert_int_equal(b->answer.response.status, 200);
	b->options.ca_file = tls.other_ca;
	assert_int_equal(ask(b), -EPROTO);
	assert_false(b->answer.sent);
	assert_non_null(strstr(b->answer.why.text, "ca-file"));
	b->options.ca_file = NULL;
	assert_int_equal(ask(b), -EPROTO);
	b->options.ca_file = "/nowhere/ca.pem";
	assert_int_equal(ask(b), -EPROTO);
	assert_non_null(strstr(b->answer.why.text, "ca-file"));
	tls_end(&tls);
}

static void tls_is_verified_by_name_unless_it_is_declared_insecure(void **state)
{
	struct bench *b = *state;
	struct tls tls = { .dir = "" };

	tls_start(&tls);
	b->options.ca_file = tls.ca;
	set_url(b, "https://localhost:%u/", tls.port);
	assert_int_equal(ask(b), -EPROTO);
	assert_false(b->answer.sent);
	b->options.insecure_tls = true;
	assert_int_equal(ask(b), 0);
	b->options.insecure_tls = false;
	assert_int_equal(ask(b), -EPROTO);
	tls_end(&tls);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_answer_arrives_whole),
		TEST(a_connection_is_kept_for_the_next_request),
		TEST(a_redirect_is_an_answer_and_is_not_followed),
		TEST(retry_after_is_understood_in_seconds_and_as_a_date),
		TEST(cache_control_says_how_long_an_answer_may_be_kept),
		TEST(no_cookie_is_kept),
		TEST(a_request_goes_out_as_it_was_written),
		TEST(every_method_goes_out_with_and_without_a_body),
		TEST(the_request_may_go_once_it_was_sent),
		TEST(a_url_that_is_not_safe_is_refused),
		TEST(an_answer_that_is_too_large_is_not_taken),
		TEST(a_stalled_server_ends_at_its_limit_and_delays_nobody_else),
		TEST(a_port_that_nobody_listens_on_is_econnrefused),
		TEST(a_name_that_does_not_exist_is_ehostunreach),
		TEST(an_answer_that_is_cut_off_is_econnreset),
		TEST(what_is_not_http_is_eproto),
		TEST(a_post_that_may_have_arrived_is_not_sent_again),
		TEST(a_get_on_a_kept_connection_that_broke_off_is_sent_again),
		TEST(the_environment_names_no_proxy),
		TEST(a_proxy_that_was_named_is_asked),
		TEST(a_cancelled_transfer_is_silent),
		TEST(an_answer_may_cancel_others_and_send_the_next_request),
		TEST(descriptors_are_served_while_a_transfer_runs_and_hang_ups_are_told),
		TEST(sockets_are_closed_in_programs_that_are_run),
		TEST(tls_is_verified_with_the_ca_file_that_was_named),
		TEST(tls_is_verified_by_name_unless_it_is_declared_insecure),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

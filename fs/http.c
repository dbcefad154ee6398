/* SPDX-License-Identifier: Apache-2.0 */
#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "http.h"

#define CONNECT_MS 10000
#define BUFFER_BYTES (16L << 10)

struct http {
	struct loop *loop;
	CURLM *multi;
	struct transfer *transfers; /* under way */
	struct curl_waitfd *extra;  /* the loop's descriptors, as curl wants them */
	unsigned int extra_size;
};

struct transfer {
	struct http *http;
	CURL *easy;
	struct curl_slist *headers;
	struct buffer body; /* curl sends it from here */
	struct buffer answer;
	size_t header_bytes;
	int64_t timeout_ms;
	bool repeatable; /* twice means the same as once */
	bool asked;      /* once, at least */
	char host[128];
	char detail[CURL_ERROR_SIZE];
	http_done *done;
	void *ctx;
	struct transfer *next, **link;
};

static void free_curl(char **text)
{
	curl_free(*text);
}
#define CURL_TEXT_AUTO __attribute__((cleanup(free_curl))) char

static void free_curlu(CURLU **url)
{
	curl_url_cleanup(*url);
}
#define CURLU_AUTO __attribute__((cleanup(free_curlu))) CURLU

static void detach(struct transfer *t)
{
	if (!t->link)
		return;
	curl_multi_remove_handle(t->http->multi, t->easy);
	*t->link = t->next;
	if (t->next)
		t->next->link = t->link;
	t->link = NULL;
}

static void transfer_free(struct transfer *t)
{
	struct curl_slist *line;

	detach(t);
	curl_easy_cleanup(t->easy);
	for (line = t->headers; line; line = line->next)
		explicit_bzero(line->data, strlen(line->data));
	curl_slist_free_all(t->headers);
	buffer_finish(&t->body);
	buffer_finish(&t->answer);
	free(t);
}

static void transfer_cleanup(struct transfer **t)
{
	http_cancel(*t);
}
#define TRANSFER_AUTO __attribute__((cleanup(transfer_cleanup))) struct transfer

/* What curl calls. */

static size_t on_header(char *bytes, size_t size, size_t count, void *ctx)
{
	struct transfer *t = ctx;

	(void)bytes;
	t->header_bytes += size * count;
	return t->header_bytes > LIMIT_REQUEST ? 0 : size * count;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
	struct transfer *t = ctx;

	buffer_append(&t->answer, bytes, size * count);
	return buffer_error(&t->answer) < 0 ? 0 : size * count;
}

/* Only to have it closed in programs that are run. */
static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
	(void)ctx;
	(void)purpose;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* What goes to a proxy before on_ask() does not count: the server has not seen it. */
static bool was_sent(const struct transfer *t)
{
	long bytes = 0;

	curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &bytes);
	return t->asked && bytes > 0;
}

/*
 * Called before a request goes out. curl asks again on a new connection when a kept one breaks off
 * without an answer; but then the server may have acted on the first request already, and a refresh
 * token that is sent twice can end a whole grant.
 */
static int on_ask(void *ctx, char *ip, char *local_ip, int port, int local_port)
{
	struct transfer *t = ctx;
	bool again = t->asked;

	(void)ip;
	(void)local_ip;
	(void)port;
	(void)local_port;
	t->asked = true;
	return again && !t->repeatable && was_sent(t) ? CURL_PREREQFUNC_ABORT
						      : CURL_PREREQFUNC_OK;
}

/* A transfer that ended badly. */

static bool has_passed(const struct transfer *t, CURLINFO moment)
{
	curl_off_t us = 0;

	curl_easy_getinfo(t->easy, moment, &us);
	return us > 0;
}

static int explain_timeout(const struct transfer *t, struct sentence *why)
{
	if (!has_passed(t, CURLINFO_NAMELOOKUP_TIME_T)) {
		sentence_set(why, "no name server answered for %s in time: check the name servers",
			     t->host);
		return -EHOSTUNREACH;
	}
	if (!has_passed(t, CURLINFO_CONNECT_TIME_T))
		sentence_set(why, "%s took no connection in time: check host, port and firewall",
			     t->host);
	else
		sentence_set(why, "%s did not answer within %lld ms: ask its people, or set a "
			     "longer timeout", t->host, (long long)t->timeout_ms);
	return -ETIMEDOUT;
}

static int explain_no_connection(const struct transfer *t, struct sentence *why)
{
	long error = 0;

	curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &error);
	if (error == ECONNREFUSED) {
		sentence_set(why, "%s refuses connections: check the port, and whether it is up",
			     t->host);
		return -ECONNREFUSED;
	}
	sentence_set(why, "%s cannot be reached: check host, route and firewall", t->host);
	sentence_quote(why, error ? strerror((int)error) : t->detail);
	return error == ETIMEDOUT ? -ETIMEDOUT : -EHOSTUNREACH;
}

static int explain_break(const struct transfer *t, struct sentence *why)
{
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &status);
	if (status && status / 100 != 2) {
		sentence_set(why, "the proxy does not connect to %s, status %ld: check proxy",
			     t->host, status);
		return -EPROTO;
	}
	sentence_set(why, "%s broke off before its answer was whole", t->host);
	return -ECONNRESET;
}

static int explain_write(const struct transfer *t, struct sentence *why)
{
	if (buffer_error(&t->answer) == -ENOMEM) {
		sentence_set(why, "no memory for the answer of %s", t->host);
		return -EIO;
	}
	sentence_set(why, "%s answered more than %u bytes: check the URL", t->host,
		     t->header_bytes > LIMIT_REQUEST ? LIMIT_REQUEST : (unsigned int)t->answer.max);
	return -EFBIG;
}

static int explain_foreign(const struct transfer *t, CURLcode code, int error, const char *what,
			   struct sentence *why)
{
	sentence_set(why, "%s %s", t->host, what);
	sentence_quote(why, t->detail[0] ? t->detail : curl_easy_strerror(code));
	return error;
}

static int explain(const struct transfer *t, CURLcode code, struct sentence *why)
{
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return explain_timeout(t, why);
	case CURLE_COULDNT_RESOLVE_HOST:
		sentence_set(why, "there is no host %s: check the URL and the name servers",
			     t->host);
		return -EHOSTUNREACH;
	case CURLE_COULDNT_RESOLVE_PROXY:
		sentence_set(why, "there is no host of the proxy's name: check proxy");
		return -EHOSTUNREACH;
	case CURLE_COULDNT_CONNECT:
		return explain_no_connection(t, why);
	case CURLE_WRITE_ERROR:
	case CURLE_FILESIZE_EXCEEDED:
		return explain_write(t, why);
	case CURLE_PARTIAL_FILE:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_ABORTED_BY_CALLBACK:
		return explain_break(t, why);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
		return explain_foreign(t, code, -EPROTO, "has a certificate that does not verify: "
				       "set ca-file to its CA's, or check the host's name", why);
	case CURLE_SSL_CACERT_BADFILE:
		return explain_foreign(t, code, -EPROTO, "cannot be verified, the ca-file does not "
				       "load: check ca-file", why);
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CLIENTCERT:
	case CURLE_SSL_INVALIDCERTSTATUS:
		return explain_foreign(t, code, -EPROTO, "does not agree on TLS: is it an https "
				       "port, of TLS 1.2 or later?", why);
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_PROXY:
		return explain_foreign(t, code, -EPROTO, "answered something that is not HTTP: "
				       "check the URL", why);
	default:
		return explain_foreign(t, code, -EIO, "could not be asked", why);
	}
}

/* A transfer that ended well. */

static const char *header_value(const struct transfer *t, const char *name, size_t i)
{
	struct curl_header *h;

	return curl_easy_header(t->easy, name, i, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value
										      : NULL;
}

/* Seconds of digits only, in ms; INT64_MAX for too many. NULL when there is no digit. */
static const char *read_seconds(const char *text, int64_t *ret_ms)
{
	int64_t ms = 0;
	const char *p;

	for (p = text; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(ms, 10, &ms) ||
		    __builtin_add_overflow(ms, (int64_t)(*p - '0') * 1000, &ms))
			ms = INT64_MAX;
	if (p == text)
		return NULL;
	*ret_ms = ms;
	return p;
}

static int64_t read_date(const char *text)
{
	time_t at = text ? curl_getdate(text, NULL) : -1;

	return at < 0 ? -1 : (int64_t)at * 1000;
}

/* A date is counted from the server's own, lest its clock's skew becomes ours. */
static int64_t read_retry_after(const struct transfer *t, int64_t date_ms)
{
	const char *text = header_value(t, "Retry-After", 0);
	const char *end;
	int64_t ms;

	if (!text)
		return -1;
	end = read_seconds(text, &ms);
	if (end && !*end)
		return ms;
	ms = read_date(text);
	if (ms < 0)
		return -1;
	ms -= date_ms >= 0 ? date_ms : loop_wall(t->http->loop);
	return ms > 0 ? ms : 0;
}

static bool is_directive(const char *text, size_t len, const char *name)
{
	return len == strlen(name) && !strncasecmp(text, name, len);
}

/* One Cache-Control line into what is known so far; the shortest time wins. */
static int64_t read_max_age(const char *text, int64_t so_far_ms)
{
	int64_t ms, best = so_far_ms;
	size_t len, name;

	for (; *text; text += len) {
		text += strspn(text, " \t,");
		len = strcspn(text, ",");
		name = strcspn(text, "=, \t");
		if (is_directive(text, name, "no-store") || is_directive(text, name, "no-cache"))
			best = 0;
		else if (is_directive(text, name, "max-age") && text[name] == '=' &&
			 read_seconds(text + name + 1, &ms) && (best < 0 || ms < best))
			best = ms;
	}
	return best;
}

static void fill_response(const struct transfer *t, struct response *ret)
{
	const char *text;
	char *type = NULL;
	long status = 0;
	size_t i;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
	*ret = (struct response){
		.status = (int)status,
		.type = type ? type : "",
		.body = buffer_string(&t->answer),
		.len = t->answer.len,
		.date_ms = read_date(header_value(t, "Date", 0)),
		.max_age_ms = -1,
	};
	ret->retry_after_ms = read_retry_after(t, ret->date_ms);
	for (i = 0; (text = header_value(t, "Cache-Control", i)); i++)
		ret->max_age_ms = read_max_age(text, ret->max_age_ms);
}

static void complete(struct transfer *t, CURLcode code)
{
	struct sentence why = { "" };
	struct response response;
	bool sent = was_sent(t);
	int error = 0;

	detach(t);
	if (code == CURLE_OK)
		fill_response(t, &response);
	else
		error = explain(t, code, &why);
	t->done(t->ctx, error, sent, error ? NULL : &response, &why);
	transfer_free(t);
}

/* The loop's waiter. */

static int extra_grow(struct http *http, unsigned int n)
{
	struct curl_waitfd *extra;

	if (n <= http->extra_size)
		return 0;
	extra = reallocarray(http->extra, n, sizeof *extra);
	if (!extra)
		return -ENOMEM;
	http->extra = extra;
	http->extra_size = n;
	return 0;
}

static short waitfd_events(short events)
{
	return (short)((events & POLLIN ? CURL_WAIT_POLLIN : 0) |
		       (events & POLLPRI ? CURL_WAIT_POLLPRI : 0) |
		       (events & POLLOUT ? CURL_WAIT_POLLOUT : 0));
}

static int wait_with_curl(struct http *http, const struct pollfd *fds, unsigned int n,
			  int timeout_ms)
{
	unsigned int i;
	CURLMcode code;
	int r;

	r = extra_grow(http, n);
	if (r < 0)
		return r;
	for (i = 0; i < n; i++)
		http->extra[i] = (struct curl_waitfd){ .fd = fds[i].fd,
						       .events = waitfd_events(fds[i].events) };
	code = curl_multi_poll(http->multi, http->extra, n, timeout_ms < 0 ? INT_MAX : timeout_ms,
			       NULL);
	if (code == CURLM_OUT_OF_MEMORY)
		return -ENOMEM;
	return code == CURLM_OK ? 0 : -EIO;
}

static int http_wait(void *ctx, struct pollfd *fds, unsigned int n, int timeout_ms)
{
	struct http *http = ctx;
	int r;

	if (http->transfers) {
		r = wait_with_curl(http, fds, n, timeout_ms);
		if (r < 0)
			return r;
		timeout_ms = 0; /* curl does not tell POLLHUP and POLLERR: ask for them */
	}
	return poll(fds, n, timeout_ms) < 0 ? -errno : 0;
}

static void http_work(void *ctx)
{
	struct http *http = ctx;
	struct transfer *t;
	CURLMsg *message;
	CURLcode code;
	int n;

	if (!http->transfers)
		return;
	curl_multi_perform(http->multi, &n);
	while ((message = curl_multi_info_read(http->multi, &n))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		code = message->data.result;
		t = NULL;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
		complete(t, code);
	}
}

/* Sending. */

static int add_header(struct transfer *t, const char *line, size_t len)
{
	BUFFER_AUTO copy = BUFFER_INIT(LIMIT_REQUEST);
	struct curl_slist *headers;

	buffer_append(&copy, line, len);
	headers = buffer_error(&copy) < 0 ? NULL
					  : curl_slist_append(t->headers, buffer_string(&copy));
	if (!headers)
		return -ENOMEM;
	t->headers = headers;
	return 0;
}

static int add_headers(struct transfer *t, const struct request *request)
{
	const char *line = buffer_string(&request->header);
	char type[128];
	size_t len;
	int r;

	for (; *line; line += len + (line[len] == '\n')) {
		len = strcspn(line, "\n");
		r = add_header(t, line, len);
		if (r < 0)
			return r;
	}
	/* with nothing behind the colon curl leaves its own Content-Type out */
	snprintf(type, sizeof type, "Content-Type:%s%s", request->content_type ? " " : "",
		 request->content_type ? request->content_type : "");
	return add_header(t, type, strlen(type));
}

/* The same for every transfer. */
static int set_fixed(CURL *easy)
{
	static const struct {
		CURLoption option;
		long value;
	} fixed[] = {
		{ CURLOPT_QUICK_EXIT, 1 },
		{ CURLOPT_NOSIGNAL, 1 },
		{ CURLOPT_FOLLOWLOCATION, 0 },
		{ CURLOPT_NETRC, CURL_NETRC_IGNORED },
		{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
		{ CURLOPT_HTTP09_ALLOWED, 0 },
		{ CURLOPT_TCP_KEEPALIVE, 1 },
		{ CURLOPT_SUPPRESS_CONNECT_HEADERS, 1 },
		{ CURLOPT_BUFFERSIZE, BUFFER_BYTES },
		{ CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_BYTES },
		{ CURLOPT_MAXAGE_CONN, 60 },
		{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
	};
	size_t i;

	for (i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
		if (curl_easy_setopt(easy, fixed[i].option, fixed[i].value) != CURLE_OK)
			return -ENOMEM;
	return curl_easy_setopt(easy, CURLOPT_NOPROXY, "") != CURLE_OK ||
			       curl_easy_setopt(easy, CURLOPT_USERAGENT,
						"tokenfs/" TOKENFS_VERSION) != CURLE_OK
		       ? -ENOMEM
		       : 0;
}

static int set_callbacks(struct transfer *t)
{
	bool failed = false;
	CURL *easy = t->easy;

	failed |= curl_easy_setopt(easy, CURLOPT_PRIVATE, t) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->detail) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, t) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, t) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_ask) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_PREREQDATA, t) != CURLE_OK;
	return failed ? -ENOMEM : 0;
}

static int set_options(CURL *easy, const struct http_options *options)
{
	long timeout = (long)(options->timeout_ms < 1 ? 1 : options->timeout_ms);
	long connect = timeout < CONNECT_MS ? timeout : CONNECT_MS;
	const char *proxy = options->proxy ? options->proxy : "";
	long verify = options->insecure_tls ? 0 : 1;
	bool failed = false;

	failed |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_PROXY, proxy) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verify) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, verify * 2) != CURLE_OK;
	if (options->ca_file) {
		failed |= curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file) != CURLE_OK;
		/* this CA alone, not the system's beside it */
		failed |= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) != CURLE_OK;
	}
	return failed ? -ENOMEM : 0;
}

static int set_request(struct transfer *t, const struct request *request)
{
	bool get = !strcmp(request->method, "GET"), head = !strcmp(request->method, "HEAD");
	bool failed = false;
	CURL *easy = t->easy;
	int r;

	t->repeatable = get || head;
	r = add_headers(t, request);
	if (r < 0)
		return r;
	buffer_append(&t->body, request->body.bytes, request->body.len);
	if (buffer_error(&t->body) < 0)
		return -ENOMEM;

	failed |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers) != CURLE_OK;
	if (t->body.len || !strcmp(request->method, "POST")) {
		failed |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)t->body.len) !=
			  CURLE_OK;
		failed |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS, buffer_string(&t->body)) !=
			  CURLE_OK;
	}
	if (head)
		failed |= curl_easy_setopt(easy, CURLOPT_NOBODY, 1L) != CURLE_OK;
	else if (!get || t->body.len)
		failed |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method) !=
			  CURLE_OK;
	return failed ? -ENOMEM : 0;
}

/* Host, and the port if the URL names one, as sentences name the server. */
static void set_host(struct transfer *t, CURLU *url)
{
	CURL_TEXT_AUTO *host = NULL, *port = NULL;

	if (curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		return;
	curl_url_get(url, CURLUPART_PORT, &port, 0);
	snprintf(t->host, sizeof t->host, "%.100s%s%s", host, port ? ":" : "", port ? port : "");
}

/* Checked as curl reads it, too: two readings of one URL are how checks are evaded. */
static int set_url(struct transfer *t, const char *url)
{
	CURLU_AUTO *parsed = curl_url();
	CURL_TEXT_AUTO *read = NULL;
	const char *scheme;

	if (!parsed)
		return -ENOMEM;
	if (url_check(url, NULL) < 0 ||
	    curl_url_set(parsed, CURLUPART_URL, url, CURLU_PATH_AS_IS) != CURLUE_OK ||
	    curl_url_get(parsed, CURLUPART_URL, &read, 0) != CURLUE_OK ||
	    url_check(read, NULL) < 0)
		return -EINVAL;

	set_host(t, parsed);
	scheme = strncmp(read, "https:", 6) ? "http" : "https";
	return curl_easy_setopt(t->easy, CURLOPT_URL, read) != CURLE_OK ||
			       curl_easy_setopt(t->easy, CURLOPT_PATH_AS_IS, 1L) != CURLE_OK ||
			       curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, scheme) != CURLE_OK
		       ? -ENOMEM
		       : 0;
}

static int transfer_new(struct http *http, size_t answer_max, struct transfer **ret)
{
	struct transfer *t;

	t = calloc(1, sizeof *t);
	if (!t)
		return -ENOMEM;
	t->http = http;
	t->body = BUFFER_INIT(LIMIT_REQUEST);
	t->answer = BUFFER_INIT(answer_max);
	t->easy = curl_easy_init();
	if (!t->easy) {
		free(t);
		return -ENOMEM;
	}
	*ret = t;
	return 0;
}

static int transfer_set(struct transfer *t, const struct request *request,
			const struct http_options *options)
{
	int r;

	r = set_fixed(t->easy);
	if (r == 0 && curl_easy_setopt(t->easy, CURLOPT_MAXFILESIZE, (long)t->answer.max) != CURLE_OK)
		r = -ENOMEM;
	if (r == 0)
		r = set_callbacks(t);
	if (r == 0)
		r = set_url(t, buffer_string(&request->url));
	if (r == 0)
		r = set_options(t->easy, options);
	if (r == 0)
		r = set_request(t, request);
	return r;
}

int http_create(struct loop *loop, struct http **ret)
{
	struct loop_waiter waiter = { .wait = http_wait, .work = http_work };
	struct http *http;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	http = calloc(1, sizeof *http);
	if (http)
		http->multi = curl_multi_init();
	if (!http || !http->multi) {
		free(http);
		curl_global_cleanup();
		return -ENOMEM;
	}
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 16L);
	curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	http->loop = loop;
	waiter.ctx = http;
	loop_set_waiter(loop, &waiter);
	*ret = http;
	return 0;
}

struct http *http_destroy(struct http *http)
{
	if (!http)
		return NULL;
	loop_set_waiter(http->loop, NULL);
	while (http->transfers)
		transfer_free(http->transfers);
	curl_multi_cleanup(http->multi);
	free(http->extra);
	free(http);
	curl_global_cleanup();
	return NULL;
}

int http_send(struct http *http, const struct request *request, const struct http_options *options,
	      http_done *done, void *ctx, struct transfer **ret)
{
	TRANSFER_AUTO *t = NULL;
	int r;

	r = request_error(request);
	if (r < 0)
		return r;
	r = transfer_new(http, request->answer_max, &t);
	if (r < 0)
		return r;
	r = transfer_set(t, request, options);
	if (r < 0)
		return r;
	if (curl_multi_add_handle(http->multi, t->easy) != CURLM_OK)
		return -ENOMEM;

	t->done = done;
	t->ctx = ctx;
	t->timeout_ms = options->timeout_ms;
	t->next = http->transfers;
	if (t->next)
		t->next->link = &t->next;
	t->link = &http->transfers;
	http->transfers = t;
	*ret = t;
	t = NULL;
	return 0;
}

void http_cancel(struct transfer *t)
{
	if (t)
		transfer_free(t);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * config.c - what the administrator has written
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "services/operator/config_reader.h"

static bool read_name_servers(struct config_reader *r,
			      const struct config_value *top, struct config *c)
{
	struct config_value list, value;
	size_t i, count;

	if (!config_get(top, "name_servers", &list))
		return true;
	count = config_list(r, &list, LIMIT_NAME_SERVERS);
	for (i = 0; i < count; i++) {
		value = config_element(&list, i);
		if (!config_address(r, &value, &c->name_server[i]))
			return false;
	}
	c->name_servers = (uint32_t)count;
	return !r->failed;
}

/* A part of the name of a directory: no dots, no slashes */
static bool instance_valid(const char *name)
{
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") ==
	       strlen(name);
}

static bool read_instances(struct config_reader *r,
			   const struct config_value *list,
			   char (*name)[IPC_NAME_BYTES], uint32_t *names)
{
	struct config_value value;
	size_t i, j, count = config_list(r, list, LIMIT_PROXIES);

	for (i = 0; i < count; i++) {
		value = config_element(list, i);
		if (!config_name(r, &value, config_text(r, &value), name[i]))
			return false;
		if (!instance_valid(name[i]))
			return config_fail(r, &value.place,
					   "an instance is of a-z, 0-9 and -");
		for (j = 0; j < i; j++) {
			if (strcmp(name[i], name[j]) == 0)
				return config_fail(r, &value.place,
						   "\"%s\" is there already",
						   name[i]);
		}
	}
	*names = (uint32_t)count;
	return !r->failed;
}

static bool read_proxies(struct config_reader *r,
			 const struct config_value *top, struct config *c)
{
	struct config_value list;

	strcpy(c->proxy[0], "main");
	strcpy(c->udp_proxy[0], "main");
	c->proxies = 1;
	c->udp_proxies = 1;
	/* no proxy-udp at all is no mistake: guests then have no datagrams */
	if (config_get(top, "udp_proxies", &list) &&
	    !read_instances(r, &list, c->udp_proxy, &c->udp_proxies))
		return false;
	if (!config_get(top, "proxies", &list))
		return true;
	return read_instances(r, &list, c->proxy, &c->proxies) &&
	       (c->proxies || config_fail(r, &list.place, "the list is empty"));
}

static bool read_proxy_away(struct config_reader *r,
			    const struct config_value *top, struct config *c)
{
	struct config_value value;

	c->proxy_away_s = LIMIT_PROXY_AWAY_S_DEFAULT;
	return !config_get(top, "proxy_away_s", &value) ||
	       config_number(r, &value, 1, LIMIT_PROXY_AWAY_S_MAX,
			     &c->proxy_away_s);
}

static bool shares_address(const struct config_guest *a,
			   const struct config_guest *b, uint32_t *which)
{
	uint32_t i;

	for (*which = 0; *which < a->addresses; ++*which) {
		for (i = 0; i < b->addresses; i++) {
			if (address_equal(&a->address[*which].address,
					  &b->address[i].address))
				return true;
		}
	}
	return false;
}

/* Two guests with one address would get each other's connections one day */
static bool check_address(struct config_reader *r, const struct config_value *v,
			  const struct config *c, const struct config_guest *g)
{
	uint32_t i, which;

	for (i = 0; i < c->guests; i++) {
		struct config_place list = { &v->place, "addresses", 0 };
		struct config_place place = { &list, NULL, 0 };

		if (!shares_address(g, &c->guest[i], &which))
			continue;
		place.index = which;
		return config_fail(r, &place, "guest \"%s\" has this address",
				   c->guest[i].name);
	}
	return true;
}

static bool read_guests(struct config_reader *r, const struct config_value *top,
			struct config *c)
{
	struct config_value list, value;
	void *at;

	if (!config_need(r, top, "guests", &list))
		return false;
	if (!json_is_object(list.json))
		return config_fail(r, &list.place, "expected an object {...}");
	if (json_object_size(list.json) > LIMIT_GUESTS)
		return config_fail(r, &list.place,
				   "%zu guests, at most %u allowed",
				   json_object_size(list.json), LIMIT_GUESTS);
	c->guest = calloc(json_object_size(list.json) + 1, sizeof(*c->guest));
	if (!c->guest)
		return config_fail(r, &list.place, "out of memory");
	for (at = json_object_iter((json_t *)list.json); at;
	     at = json_object_iter_next((json_t *)list.json, at)) {
		struct config_guest *g = &c->guest[c->guests];

		config_get(&list, json_object_iter_key(at), &value);
		/* counted even when wrong, so that it is freed */
		if (!config_read_guest(r, &value, c, g) ||
		    !check_address(r, &value, c, g)) {
			c->guests++;
			return false;
		}
		c->guests++;
	}
	return true;
}

static bool read_top(struct config_reader *r, const json_t *json,
		     struct config *c)
{
	static const char *const known[] = {
		"name_servers", "proxies", "udp_proxies", "proxy_away_s",
		"limits",	"guests",  NULL
	};
	struct config_value top = { { NULL, NULL, 0 }, json };

	c->limits = (struct config_limits){
		.circuits = LIMIT_CIRCUITS_DEFAULT,
		.listeners = LIMIT_LISTENERS_DEFAULT,
		.requests_per_s = LIMIT_REQUESTS_PER_S_DEFAULT,
		.request_burst = LIMIT_REQUEST_BURST_DEFAULT,
	};
	return config_check_keys(r, &top, known) &&
	       read_name_servers(r, &top, c) && read_proxies(r, &top, c) &&
	       read_proxy_away(r, &top, c) &&
	       config_read_limits(r, &top, &c->limits) &&
	       read_guests(r, &top, c);
}

/* Nested deeper than this it is no configuration, and not worth a stack */
#define DEPTH_MAX 16

static bool too_deep(const char *text, size_t bytes)
{
	int depth = 0;
	bool quoted = false;
	size_t i;

	for (i = 0; i < bytes; i++) {
		if (quoted && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			quoted = !quoted;
		else if (!quoted && (text[i] == '{' || text[i] == '['))
			depth++;
		else if (!quoted && (text[i] == '}' || text[i] == ']'))
			depth--;
		if (depth > DEPTH_MAX)
			return true;
	}
	return false;
}

static json_t *parse_json(struct config_reader *r)
{
	json_error_t wrong;
	json_t *json;

	if (too_deep(r->text, r->bytes)) {
		snprintf(r->error, CONFIG_ERROR_BYTES,
			 "%s:1: nested deeper than %d", r->path, DEPTH_MAX);
		return NULL;
	}
	json = json_loadb(r->text, r->bytes, JSON_REJECT_DUPLICATES, &wrong);
	if (!json)
		snprintf(r->error, CONFIG_ERROR_BYTES, "%s:%d:%d: %s", r->path,
			 wrong.line < 1 ? 1 : wrong.line, wrong.column,
			 wrong.text);
	return json;
}

struct config *config_parse(const char *path, const char *text, size_t bytes,
			    char *error)
{
	struct config_reader r = { path, text, bytes, error, false };
	json_t *json = parse_json(&r);
	struct config *c;

	if (!json)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		snprintf(error, CONFIG_ERROR_BYTES, "%s: out of memory", path);
	if (c && !read_top(&r, json, c)) {
		config_free(c);
		c = NULL;
	}
	json_decref(json);
	return c;
}

struct config *config_load_fd(const char *path, int fd, char *error)
{
	char *text = malloc(LIMIT_CONFIG_BYTES + 1);
	struct config *c = NULL;
	size_t used = 0;
	ssize_t got = text ? 1 : -1;

	while (got > 0 && used <= LIMIT_CONFIG_BYTES) {
		got = pread(fd, text + used, LIMIT_CONFIG_BYTES + 1 - used,
			    (off_t)used);
		if (got > 0)
			used += (size_t)got;
	}
	if (got < 0)
		snprintf(error, CONFIG_ERROR_BYTES, "%s: %s", path,
			 strerror(errno));
	else if (used > LIMIT_CONFIG_BYTES)
		snprintf(error, CONFIG_ERROR_BYTES, "%s: more than %u bytes",
			 path, LIMIT_CONFIG_BYTES);
	else
		c = config_parse(path, text, used, error);
	free(text);
	return c;
}

struct config *config_load(const char *path, char *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct config *c;

	if (fd < 0) {
		snprintf(error, CONFIG_ERROR_BYTES, "%s: %s", path,
			 strerror(errno));
		return NULL;
	}
	c = config_load_fd(path, fd, error);
	close(fd);
	return c;
}

void config_free(struct config *c)
{
	uint32_t i;

	if (!c)
		return;
	for (i = 0; i < c->guests; i++) {
		free(c->guest[i].connect);
		free(c->guest[i].publish);
	}
	free(c->guest);
	free(c);
}

const struct config_guest *config_find_guest(const struct config *c,
					     const char *name)
{
	uint32_t i;

	for (i = 0; i < c->guests; i++) {
		if (strcmp(c->guest[i].name, name) == 0)
			return &c->guest[i];
	}
	return NULL;
}

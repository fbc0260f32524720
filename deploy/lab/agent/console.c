// SPDX-License-Identifier: GPL-2.0-only
/*
 * lab-console - a second PV console for a guest, shared by many commands
 *
 *	lab-console DOMID SOCKET
 *
 * Dom0's backend of the guest's hvc1 (xl's own way to a second console needs a
 * QEMU in Dom0 for each guest). Makes the device in xenstore, goes to the
 * background, and joins the console's ring to a UNIX socket: each client there
 * is one session of the guest's lab-agent (frame.h), whose number is replaced
 * by one that is unique on the console. Ends when the guest does.
 *
 *	lab-run --- SOCKET --- lab-console === ring === hvc1 --- lab-agent
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>
#include <xen/io/console.h>
#include <xen/io/xenbus.h>

#include "frame.h"

#define CLIENTS_MAX 64
#define CLIENT_QUEUE_MAX (4 * 1024 * 1024)
#define TO_GUEST_MAX (64 * 1024)

struct client {
	int fd; /* -1 marks a free slot */
	uint32_t session; /* on the console */
	struct queue received; /* from the client */
	struct queue sending; /* to the client */
};

static struct xs_handle *xenstore;
static xengnttab_handle *gnttab;
static xenevtchn_handle *evtchn;
static evtchn_port_t port;
static volatile struct xencons_interface *ring;
static unsigned int domid;
static char frontend[64];
static char backend[80];

static struct client clients[CLIENTS_MAX];
static uint32_t last_session;
static struct queue from_guest;
static struct queue to_guest;
static bool hello_seen;

/* ---- xenstore ---- */

static void put(const char *folder, const char *key, const char *value)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", folder, key);
	if (!xs_write(xenstore, XBT_NULL, path, value, strlen(value)))
		err(1, "xenstore: %s", path);
}

static void put_number(const char *folder, const char *key, unsigned int number)
{
	char value[16];

	snprintf(value, sizeof(value), "%u", number);
	put(folder, key, value);
}

/* The number at a key, or -1. */
static int get_number(const char *folder, const char *key)
{
	char path[160], *value;
	unsigned int length;
	int number = -1;

	snprintf(path, sizeof(path), "%s/%s", folder, key);
	value = xs_read(xenstore, XBT_NULL, path, &length);
	if (value)
		number = atoi(value);
	free(value);
	return number;
}

static void make_folder(const char *path, unsigned int owner,
			unsigned int reader)
{
	struct xs_permissions permissions[2] = {
		{ .id = owner, .perms = XS_PERM_NONE },
		{ .id = reader, .perms = XS_PERM_READ },
	};

	if (!xs_mkdir(xenstore, XBT_NULL, path) ||
	    !xs_set_permissions(xenstore, XBT_NULL, path, permissions, 2))
		err(1, "xenstore: %s", path);
}

static void make_device(void)
{
	snprintf(frontend, sizeof(frontend),
		 "/local/domain/%u/device/console/1", domid);
	snprintf(backend, sizeof(backend),
		 "/local/domain/0/backend/console/%u/1", domid);
	make_folder(backend, 0, domid);
	put(backend, "frontend", frontend);
	put_number(backend, "frontend-id", domid);
	put_number(backend, "online", 1);
	put_number(backend, "state", XenbusStateInitWait);
	make_folder(frontend, domid, 0);
	put(frontend, "backend", backend);
	put_number(frontend, "backend-id", 0);
	put_number(frontend, "state", XenbusStateInitialising);
	if (!xs_watch(xenstore, frontend, "frontend") ||
	    !xs_watch(xenstore, "@releaseDomain", "domains"))
		err(1, "xenstore: watch");
}

static void remove_device(void)
{
	*strrchr(backend, '/') = '\0';
	xs_rm(xenstore, XBT_NULL, backend);
}

static bool guest_exists(void)
{
	return xs_is_domain_introduced(xenstore, domid);
}

/* ---- the ring ---- */

static void connect_ring(void)
{
	int state = get_number(frontend, "state");
	int reference = get_number(frontend, "ring-ref");
	int remote = get_number(frontend, "port");

	if (ring || reference < 0 || remote < 0 ||
	    (state != XenbusStateInitialised && state != XenbusStateConnected))
		return;
	ring = xengnttab_map_grant_ref(gnttab, domid, reference,
				       PROT_READ | PROT_WRITE);
	if (!ring)
		err(1, "guest %u: console grant %d", domid, reference);
	port = xenevtchn_bind_interdomain(evtchn, domid, remote);
	if ((int)port < 0)
		err(1, "guest %u: console port %d", domid, remote);
	put_number(backend, "state", XenbusStateConnected);
}

static uint32_t copy_out(uint32_t used)
{
	uint8_t bytes[sizeof(ring->out)];
	uint32_t consumed = ring->out_cons;

	for (uint32_t i = 0; i < used; i++)
		bytes[i] = ring->out[MASK_XENCONS_IDX(consumed + i, ring->out)];
	queue_append(&from_guest, bytes, used);
	__atomic_store_n(&ring->out_cons, consumed + used, __ATOMIC_RELEASE);
	return used;
}

static uint32_t read_ring(void)
{
	uint32_t used = __atomic_load_n(&ring->out_prod, __ATOMIC_ACQUIRE) -
			ring->out_cons;

	if (used > sizeof(ring->out))
		errx(1, "guest %u: console ring is corrupt", domid);
	return used ? copy_out(used) : 0;
}

static uint32_t write_ring(void)
{
	uint32_t produced = ring->in_prod;
	uint32_t used =
		produced - __atomic_load_n(&ring->in_cons, __ATOMIC_ACQUIRE);
	uint32_t length = queue_length(&to_guest);

	if (used > sizeof(ring->in))
		errx(1, "guest %u: console ring is corrupt", domid);
	if (length > sizeof(ring->in) - used)
		length = sizeof(ring->in) - used;
	for (uint32_t i = 0; i < length; i++)
		ring->in[MASK_XENCONS_IDX(produced + i, ring->in)] =
			to_guest.bytes[to_guest.start + i];
	__atomic_store_n(&ring->in_prod, produced + length, __ATOMIC_RELEASE);
	queue_drop(&to_guest, length);
	return length;
}

/* ---- clients ---- */

static void drop_client(struct client *client)
{
	frame_put(&to_guest, client->session, FRAME_HANGUP, NULL, 0);
	close(client->fd);
	client->fd = -1;
	queue_free(&client->received);
	queue_free(&client->sending);
}

static void accept_client(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	for (int i = 0; fd >= 0 && i < CLIENTS_MAX; i++) {
		if (clients[i].fd >= 0)
			continue;
		clients[i].fd = fd;
		clients[i].session = ++last_session;
		return;
	}
	if (fd >= 0)
		close(fd);
}

static void receive_from_client(struct client *client)
{
	struct frame frame;
	ssize_t length =
		queue_fill(&client->received, client->fd, FRAME_BODY_MAX);

	if (length == -EAGAIN || length == -EINTR)
		return;
	if (length <= 0) {
		drop_client(client);
		return;
	}
	while ((length = frame_peek(&client->received, &frame)) > 0) {
		frame_put(&to_guest, client->session, frame.type, frame.body,
			  frame.length);
		queue_drop(&client->received, length);
	}
	if (length < 0)
		drop_client(client);
}

static void send_to_client(struct client *client)
{
	ssize_t length = queue_drain(&client->sending, client->fd);

	if (length < 0 && length != -EAGAIN && length != -EINTR)
		drop_client(client);
}

static void deliver(const struct frame *frame)
{
	for (int i = 0; i < CLIENTS_MAX; i++)
		if (clients[i].fd >= 0 && clients[i].session == frame->session)
			frame_put(&clients[i].sending, 0, frame->type,
				  frame->body, frame->length);
}

/* Before its hello the guest's console may say anything. */
static bool find_hello(void)
{
	size_t length = strlen(FRAME_HELLO);

	while (queue_length(&from_guest) >= length) {
		if (!memcmp(from_guest.bytes + from_guest.start, FRAME_HELLO,
			    length)) {
			queue_drop(&from_guest, length);
			return true;
		}
		queue_drop(&from_guest, 1);
	}
	return false;
}

static void deliver_all(void)
{
	struct frame frame;
	ssize_t length;

	if (!hello_seen && !(hello_seen = find_hello()))
		return;
	while ((length = frame_peek(&from_guest, &frame)) > 0) {
		deliver(&frame);
		queue_drop(&from_guest, length);
	}
	if (length < 0)
		errx(1, "guest %u: no frame on its console", domid);
}

static bool clients_have_room(void)
{
	for (int i = 0; i < CLIENTS_MAX; i++)
		if (clients[i].fd >= 0 &&
		    queue_length(&clients[i].sending) > CLIENT_QUEUE_MAX)
			return false;
	return true;
}

/* Move what can be moved; the guest is rung once for all of it. */
static void move_bytes(void)
{
	uint32_t moved = 0, step;

	if (!ring)
		return;
	do {
		step = clients_have_room() ? read_ring() : 0;
		if (hello_seen && queue_length(&to_guest))
			step += write_ring();
		moved += step;
		deliver_all();
	} while (step);
	if (moved)
		xenevtchn_notify(evtchn, port);
}

/* ---- the loop ---- */

static void handle_xenstore(void)
{
	char **watch = xs_check_watch(xenstore);

	if (!watch)
		return;
	free(watch);
	while ((watch = xs_check_watch(xenstore)))
		free(watch);
	if (!guest_exists()) {
		remove_device();
		exit(0);
	}
	connect_ring();
}

static void handle_evtchn(void)
{
	xenevtchn_port_or_error_t pending = xenevtchn_pending(evtchn);

	if (pending >= 0)
		xenevtchn_unmask(evtchn, pending);
}

static void serve_clients(const struct pollfd *polls)
{
	for (int i = 0; i < CLIENTS_MAX; i++) {
		if (polls[i].fd < 0)
			continue;
		if (polls[i].revents & POLLOUT)
			send_to_client(&clients[i]);
		if (clients[i].fd >= 0 && polls[i].revents & ~POLLOUT)
			receive_from_client(&clients[i]);
	}
}

static void watch_clients(struct pollfd *polls)
{
	bool room = queue_length(&to_guest) < TO_GUEST_MAX;

	for (int i = 0; i < CLIENTS_MAX; i++) {
		polls[i].fd = clients[i].fd;
		polls[i].events = 0;
		if (hello_seen && room)
			polls[i].events |= POLLIN;
		if (clients[i].fd >= 0 && queue_length(&clients[i].sending))
			polls[i].events |= POLLOUT;
	}
}

static _Noreturn void serve(int listener)
{
	struct pollfd polls[3 + CLIENTS_MAX] = {
		{ .fd = listener, .events = POLLIN },
		{ .fd = xs_fileno(xenstore), .events = POLLIN },
		{ .fd = xenevtchn_fd(evtchn), .events = POLLIN },
	};

	for (;;) {
		watch_clients(polls + 3);
		if (poll(polls, 3 + CLIENTS_MAX, -1) < 0)
			continue;
		if (polls[2].revents)
			handle_evtchn();
		if (polls[1].revents)
			handle_xenstore();
		if (polls[0].revents)
			accept_client(listener);
		serve_clients(polls + 3);
		move_bytes();
	}
}

static int listen_on(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, CLIENTS_MAX))
		err(1, "%s", path);
	return fd;
}

/*
 * The handles do not survive a fork, so this comes first; the parent stays
 * until the device exists, so that the guest may be started then. Returns the
 * descriptor to say so on.
 */
static int become_daemon(void)
{
	int ready[2];
	char byte;

	if (pipe2(ready, O_CLOEXEC))
		err(1, "pipe");
	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		close(ready[0]);
		setsid();
		return ready[1];
	}
	close(ready[1]);
	exit(read(ready[0], &byte, 1) == 1 ? 0 : 1);
}

int main(int count, char **arguments)
{
	int listener, ready;

	if (count != 3)
		errx(2, "usage: lab-console DOMID SOCKET");
	domid = atoi(arguments[1]);
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < CLIENTS_MAX; i++)
		clients[i].fd = -1;
	listener = listen_on(arguments[2]);
	ready = become_daemon();
	xenstore = xs_open(0);
	gnttab = xengnttab_open(NULL, 0);
	evtchn = xenevtchn_open(NULL, 0);
	if (!xenstore || !gnttab || !evtchn)
		err(1, "Xen");
	make_device();
	if (write(ready, "", 1) != 1)
		err(1, "ready");
	close(ready);
	serve(listener);
}

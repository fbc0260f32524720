// SPDX-License-Identifier: GPL-2.0-only
/*
 * hypervisor_wire.c - messages of the local hypervisor, with descriptors
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "services/common/hypervisor_wire.h"

static size_t message_bytes(uint32_t count)
{
	return offsetof(struct local_message, item) + count * sizeof(uint32_t);
}

int local_send(int socket, const struct local_message *m, const int *fd,
	       unsigned int fds)
{
	char control[CMSG_SPACE(sizeof(int) * LOCAL_FDS_MAX)] = { 0 };
	struct iovec part = { (void *)m, message_bytes(m->count) };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (fds) {
		header.msg_control = control;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * fds);
		c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fds);
		memcpy(CMSG_DATA(c), fd, sizeof(int) * fds);
	}
	return sendmsg(socket, &header, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Descriptors of a received message, at most LOCAL_FDS_MAX by its buffer */
static void take_fds(struct msghdr *header, int *fd)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(header);
	size_t bytes;

	fd[0] = -1;
	fd[1] = -1;
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return;
	bytes = c->cmsg_len - CMSG_LEN(0);
	if (bytes <= sizeof(int) * LOCAL_FDS_MAX)
		memcpy(fd, CMSG_DATA(c), bytes);
}

int local_receive(int socket, struct local_message *m, int *fd, int flags)
{
	char control[CMSG_SPACE(sizeof(int) * LOCAL_FDS_MAX)];
	struct iovec part = { m, sizeof(*m) };
	struct msghdr header = { .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control) };
	ssize_t bytes;

	do
		bytes = recvmsg(socket, &header, flags | MSG_CMSG_CLOEXEC);
	while (bytes < 0 && errno == EINTR);
	if (bytes < 0)
		return -errno;
	if (bytes == 0)
		return -ECONNRESET;
	take_fds(&header, fd);
	if ((size_t)bytes >= message_bytes(0) &&
	    m->count <= HYPERVISOR_MAP_MAX &&
	    (size_t)bytes == message_bytes(m->count)) {
		m->name[sizeof(m->name) - 1] = 0;
		m->identity[sizeof(m->identity) - 1] = 0;
		return 0;
	}
	for (unsigned int i = 0; i < LOCAL_FDS_MAX; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	return -EBADMSG;
}

int local_connect(const char *directory)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int length, fd, error;

	length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s",
			  directory, LOCAL_SOCKET);
	if (length < 0 || (size_t)length >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

/* Frames that follow each other from @frame[0] on */
static unsigned int run_length(const uint32_t *frame, unsigned int count)
{
	unsigned int n = 1;

	while (n < count && frame[n] == frame[n - 1] + 1)
		n++;
	return n;
}

void *local_map_frames(int memory, const uint32_t *frame, unsigned int count)
{
	size_t bytes = (size_t)count * LOCAL_PAGE_BYTES;
	char *address =
		mmap(NULL, bytes, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	unsigned int n;

	if (address == MAP_FAILED)
		return NULL;
	for (unsigned int i = 0; i < count; i += n) {
		n = run_length(frame + i, count - i);
		if (mmap(address + (size_t)i * LOCAL_PAGE_BYTES,
			 (size_t)n * LOCAL_PAGE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, memory,
			 (off_t)frame[i] * LOCAL_PAGE_BYTES) == MAP_FAILED) {
			int error = errno;

			munmap(address, bytes);
			errno = error;
			return NULL;
		}
	}
	return address;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * pair.c - a connection between the near end and the far end
 */
#include <unistd.h>

#include "far.h"
#include "near.h"

static struct pair connected(struct world *w)
{
	struct pair p;
	long port = far_ask(w, "listen 8");

	p.near = near_connect(w, (unsigned int)port);
	p.far = (int)far_ask(w, "accept");
	return p;
}

static struct pair accepted(struct world *w)
{
	struct pair p;
	unsigned int port;
	int listener = near_listen(w, 8, &port);

	far_start(w, "connect %s %u", endpoint_text(&w->reach), port);
	p.near = accept(listener, NULL, NULL);
	if (p.near < 0)
		fail("accept: errno %d", errno);
	p.far = (int)far_finish(w);
	close(listener);
	return p;
}

struct pair near_pair(struct world *w)
{
	return w->accepted ? accepted(w) : connected(w);
}

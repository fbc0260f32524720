// SPDX-License-Identifier: GPL-2.0-only
/*
 * frontend.c - the xenbus device "switchboard", of which a guest has one
 *
 * The operator creates the device with the backend in InitWait; we make the
 * trunk, write where it is and become Initialised; the operator attaches it
 * and becomes Connected. An operator that comes back after a crash attaches
 * to the same trunk without any change of state. The states are the backend's
 * to write: none of them is assumed to follow another.
 */
#include <linux/module.h>
#include <xen/xen.h>
#include <xen/xenbus.h>

#include "switchboard.h"

/* The device that has the trunk; xenbus calls us in one thread */
static struct xenbus_device *current_device;

static int connect(struct xenbus_device *dev)
{
	int error;

	if (current_device)
		return -EBUSY;
	error = sb_trunk_connect(dev);
	if (error)
		return error;
	current_device = dev;
	return xenbus_switch_state(dev, XenbusStateInitialised);
}

static void disconnect(struct xenbus_device *dev)
{
	if (current_device != dev)
		return;
	current_device = NULL;
	sb_trunk_disconnect();
}

static int probe(struct xenbus_device *dev, const struct xenbus_device_id *id)
{
	int error = connect(dev);

	if (error)
		xenbus_dev_fatal(dev, error, "connecting the trunk");
	return error;
}

static void otherend_changed(struct xenbus_device *dev,
			     enum xenbus_state backend_state)
{
	switch (backend_state) {
	case XenbusStateInitWait:
		/* withdrawn and offered again */
		if (!current_device && connect(dev))
			xenbus_dev_error(dev, -EIO, "connecting the trunk");
		break;
	case XenbusStateConnected:
		if (current_device != dev)
			break;
		if (dev->state == XenbusStateInitialised)
			xenbus_switch_state(dev, XenbusStateConnected);
		sb_trunk_attached();
		break;
	case XenbusStateClosing:
	case XenbusStateClosed:
		disconnect(dev);
		if (dev->state != XenbusStateClosed)
			xenbus_frontend_closed(dev);
		break;
	default:
		break;
	}
}

static void remove(struct xenbus_device *dev)
{
	disconnect(dev);
}

/*
 * What we have mapped of other guests does not move with us, and Xen's tools do
 * not save a PV guest that has it in its page tables
 */
static int suspend(struct xenbus_device *dev)
{
	sb_foreign_end_all();
	return 0;
}

/* Restored or migrated: nobody has mapped anything of ours any more */
static int resume(struct xenbus_device *dev)
{
	disconnect(dev);
	return connect(dev);
}

static const struct xenbus_device_id ids[] = { { "switchboard" }, { "" } };

static struct xenbus_driver driver = {
	.ids = ids,
	.probe = probe,
	.remove = remove,
	.suspend = suspend,
	.resume = resume,
	.otherend_changed = otherend_changed,
	.not_essential = true,
};

int sb_frontend_init(void)
{
	if (!xen_domain())
		return 0;
	return xenbus_register_frontend(&driver);
}
MODULE_ALIAS("xen:switchboard");

// SPDX-License-Identifier: GPL-2.0-only
/*
 * netdev.c - the interface that programs look for
 *
 * A guest has no network card, and no packet ever leaves its IP stack. But
 * programs list interfaces and addresses before they bind or connect, so an
 * interface sb0 carries the addresses that the operator handed out. Whatever
 * the kernel's own IP stack sends to it is dropped and counted.
 *
 * Addresses and routes are set by rtnetlink messages, as a program would set
 * them, so that every cache, notifier and dump of the stack is right. A kernel
 * built without CONFIG_INET answers EOPNOTSUPP: then there is nobody to tell.
 *
 * Everything here runs in process context, one call at a time.
 */
#include "switchboard.h"

#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <net/net_namespace.h>
#include <net/netlink.h>

/* Route metric: any real route that an administrator adds wins */
#define ROUTE_METRIC 4096

/* The addresses that sb0 has now */
struct assigned {
	struct list_head node;
	struct sb_address address;
	u8 prefix;
};

/* An answer: an error, then the head of the request it answers */
struct answer {
	struct nlmsghdr head;
	struct nlmsgerr body;
};

static struct net_device *device;
static struct socket *netlink;
static LIST_HEAD(assigned);

static netdev_tx_t drop(struct sk_buff *skb, struct net_device *dev)
{
	dev_core_stats_tx_dropped_inc(dev);
	dev_kfree_skb(skb);
	return NETDEV_TX_OK;
}

static const struct net_device_ops device_ops = {
	.ndo_start_xmit = drop,
};

static void tell_driver(struct net_device *dev, struct ethtool_drvinfo *driver)
{
	strscpy(driver->driver, KBUILD_MODNAME, sizeof(driver->driver));
}

static const struct ethtool_ops tool_ops = {
	.get_drvinfo = tell_driver,
	.get_link = ethtool_op_get_link,
};

static void set_up(struct net_device *dev)
{
	dev->netdev_ops = &device_ops;
	dev->ethtool_ops = &tool_ops;
	dev->type = ARPHRD_NONE;
	dev->flags = IFF_NOARP;
	dev->priv_flags |= IFF_NO_QUEUE;
	dev->features |= NETIF_F_NETNS_LOCAL;
	dev->mtu = ETH_DATA_LEN;
	dev->min_mtu = ETH_MIN_MTU;
	dev->max_mtu = ETH_MAX_MTU;
	dev->needs_free_netdev = true;
}

/* rtnetlink works while the request is sent: the answer is already there */
static int read_answer(void)
{
	struct answer answer = {};
	struct kvec part = { .iov_base = &answer, .iov_len = sizeof(answer) };
	struct msghdr msg = {};
	int bytes = kernel_recvmsg(netlink, &msg, &part, 1, sizeof(answer),
				   MSG_DONTWAIT);

	if (bytes < 0)
		return bytes;
	if (bytes < (int)sizeof(answer) ||
	    answer.head.nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return answer.body.error;
}

/*
 * Send a request and free it. The destination is spelled out because a
 * message without one has the rights of the file that the socket was opened
 * with, and a kernel socket has no file.
 */
static int request(struct sk_buff *skb)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct msghdr msg = { .msg_name = &kernel,
			      .msg_namelen = sizeof(kernel) };
	struct kvec part = { .iov_base = skb->data, .iov_len = skb->len };
	int err;

	nlmsg_hdr(skb)->nlmsg_len = skb->len;
	err = kernel_sendmsg(netlink, &msg, &part, 1, part.iov_len);
	if (err >= 0)
		err = read_answer();
	kfree_skb(skb);
	return err;
}

/* A request with a zeroed body of @bytes, which is returned in @body */
static struct sk_buff *begin(u16 type, u16 flags, size_t bytes, void **body)
{
	struct sk_buff *skb = nlmsg_new(256, GFP_KERNEL);
	struct nlmsghdr *head;

	if (!skb)
		return NULL;
	head = nlmsg_put(skb, 0, 0, type, bytes,
			 NLM_F_REQUEST | NLM_F_ACK | flags);
	if (!head) {
		kfree_skb(skb);
		return NULL;
	}
	*body = nlmsg_data(head);
	memset(*body, 0, bytes);
	return skb;
}

static u8 linux_family(const struct sb_address *a)
{
	return a->family == SB_FAMILY_IPV4 ? AF_INET : AF_INET6;
}

static unsigned int address_bytes(const struct sb_address *a)
{
	return a->family == SB_FAMILY_IPV4 ? 4 : 16;
}

/* RTM_NEWADDR or RTM_DELADDR */
static int change_address(u16 type, u16 flags, const struct sb_address *a,
			  u8 prefix)
{
	struct ifaddrmsg *body;
	struct sk_buff *skb = begin(type, flags, sizeof(*body), (void **)&body);

	if (!skb)
		return -ENOMEM;
	body->ifa_family = linux_family(a);
	body->ifa_prefixlen = prefix;
	body->ifa_index = device->ifindex;
	body->ifa_scope = RT_SCOPE_UNIVERSE;
	/* nobody else could have it: no probing, usable at once */
	body->ifa_flags = IFA_F_PERMANENT;
	if (a->family == SB_FAMILY_IPV6)
		body->ifa_flags |= IFA_F_NODAD;
	if (nla_put(skb, IFA_LOCAL, address_bytes(a), a->bytes) ||
	    nla_put(skb, IFA_ADDRESS, address_bytes(a), a->bytes)) {
		kfree_skb(skb);
		return -EMSGSIZE;
	}
	return request(skb);
}

/*
 * A default route for @family: no packet follows it, but programs that ask
 * "am I connected" look for one.
 */
static int add_route(u8 family)
{
	struct rtmsg *body;
	struct sk_buff *skb = begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE,
				    sizeof(*body), (void **)&body);

	if (!skb)
		return -ENOMEM;
	body->rtm_family = family;
	body->rtm_table = RT_TABLE_MAIN;
	body->rtm_protocol = RTPROT_BOOT;
	body->rtm_type = RTN_UNICAST;
	body->rtm_scope = family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	if (nla_put_u32(skb, RTA_OIF, device->ifindex) ||
	    nla_put_u32(skb, RTA_PRIORITY, ROUTE_METRIC)) {
		kfree_skb(skb);
		return -EMSGSIZE;
	}
	return request(skb);
}

/* Addresses come from the operator alone: no link-local one is made up */
static int forbid_generated_addresses(void)
{
	struct ifinfomsg *body;
	struct sk_buff *skb =
		begin(RTM_SETLINK, 0, sizeof(*body), (void **)&body);
	struct nlattr *families;
	struct nlattr *ipv6;

	if (!skb)
		return -ENOMEM;
	body->ifi_index = device->ifindex;
	families = nla_nest_start(skb, IFLA_AF_SPEC);
	ipv6 = families ? nla_nest_start(skb, AF_INET6) : NULL;
	if (!ipv6 ||
	    nla_put_u8(skb, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE)) {
		kfree_skb(skb);
		return -EMSGSIZE;
	}
	nla_nest_end(skb, ipv6);
	nla_nest_end(skb, families);
	return request(skb);
}

static bool is_assigned(const struct sb_address *a)
{
	struct assigned *each;

	list_for_each_entry(each, &assigned, node)
		if (each->address.family == a->family &&
		    !memcmp(each->address.bytes, a->bytes, address_bytes(a)))
			return true;
	return false;
}

static bool no_such_stack(int err)
{
	return err == -EOPNOTSUPP || err == -EAFNOSUPPORT || err == -ENODEV;
}

/**
 * sb_netdev_add_address() - give sb0 one of the guest's addresses
 * @a:      family and bytes are used
 * @prefix: length of the network part in bits
 *
 * Return: 0, also when sb0 has it already or the kernel has no such protocol;
 * -EINVAL for what is no address; -ENOMEM; what rtnetlink says.
 */
int sb_netdev_add_address(const struct sb_address *a, u8 prefix)
{
	struct assigned *new;
	int err;

	if ((a->family != SB_FAMILY_IPV4 && a->family != SB_FAMILY_IPV6) ||
	    prefix > 8 * address_bytes(a))
		return -EINVAL;
	if (is_assigned(a))
		return 0;
	new = kzalloc(sizeof(*new), GFP_KERNEL);
	if (!new)
		return -ENOMEM;
	new->address = *a;
	new->prefix = prefix;
	err = change_address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, a,
			     prefix);
	if (err) {
		kfree(new);
		return no_such_stack(err) ? 0 : err;
	}
	list_add_tail(&new->node, &assigned);
	err = add_route(linux_family(a));
	if (err)
		pr_warn("cannot add a default route for IPv%u: error %d\n",
			a->family, err);
	return 0;
}

/**
 * sb_netdev_clear() - take all addresses that were added away from sb0
 *
 * What an administrator added by hand stays.
 */
void sb_netdev_clear(void)
{
	struct assigned *each, *next;

	list_for_each_entry_safe(each, next, &assigned, node) {
		change_address(RTM_DELADDR, 0, &each->address, each->prefix);
		list_del(&each->node);
		kfree(each);
	}
}

u32 sb_netdev_index(void)
{
	return device->ifindex;
}

static int bring_up(struct net_device *dev)
{
	int err;

	rtnl_lock();
	err = dev_change_flags(dev, dev->flags | IFF_UP, NULL);
	rtnl_unlock();
	return err;
}

static int add_device(void)
{
	int err;

	device = alloc_netdev(0, "sb0", NET_NAME_PREDICTABLE, set_up);
	if (!device)
		return -ENOMEM;
	err = register_netdev(device);
	if (err) {
		free_netdev(device);
		return err;
	}
	forbid_generated_addresses();
	err = bring_up(device);
	if (err)
		unregister_netdev(device);
	return err;
}

/**
 * sb_netdev_init() - make sb0, and bring it and lo up
 *
 * Return: 0 or -errno; -EEXIST when there is an interface of that name.
 */
int sb_netdev_init(void)
{
	int err = sock_create_kern(&init_net, PF_NETLINK, SOCK_RAW,
				   NETLINK_ROUTE, &netlink);

	if (err)
		return err;
	err = add_device();
	if (err) {
		sock_release(netlink);
		return err;
	}
	err = bring_up(init_net.loopback_dev);
	if (err)
		pr_warn("cannot bring lo up: error %d\n", err);
	return 0;
}

void sb_netdev_exit(void)
{
	sb_netdev_clear();
	unregister_netdev(device);
	sock_release(netlink);
}

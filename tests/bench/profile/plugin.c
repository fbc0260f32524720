// SPDX-License-Identifier: GPL-2.0-only
/*
 * plugin - a QEMU plugin that counts the instructions of the whole machine
 *
 * Counts, for each block of code, how often it runs between two marks, and
 * for whom: Xen, Dom0, or the guest. A mark is an instruction that does
 * nothing, a nop with a number in it, executed by sbperf in the guest: the
 * first starts, the second stops. A PVH guest is what runs after Xen's vmrun
 * until the next instruction of Xen. To a PV guest, and back, Xen goes by the
 * function at the address given as switch=ADDRESS: that counts as long as no
 * other PV guest runs, and if one does, the second mark finds itself outside
 * and nothing is written. At the stop every block is written to the file given
 * as out=NAME:
 *
 *	{xen|dom0|guest} ADDRESS INSTRUCTIONS RUNS
 *
 * Debian's QEMU comes without the header: what is needed of it is declared
 * here, as version 1 of the interface has it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;
enum { NO_REGISTERS = 0 };

#define EXPORT __attribute__((visibility("default")))

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
			       const struct qemu_info *info, int argc,
			       char **argv);

void qemu_plugin_register_vcpu_tb_trans_cb(
	qemu_plugin_id_t id,
	void (*translated)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
					  void (*run)(unsigned int cpu,
						      void *block),
					  int flags, void *block);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *
qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t n);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

enum owner { XEN, DOM0, GUEST, OWNERS };

static const char *const owner_name[OWNERS] = { "xen", "dom0", "guest" };

/* Where Xen's code is */
#define XEN_FIRST 0xffff82d000000000ull
#define XEN_LAST 0xffff82dfffffffffull

/**
 * struct block - a translated block
 * @mark:    0, or 1 to start and 2 to stop
 * @turns:   Xen goes to another PV domain
 * @enters:  who runs when Xen leaves by this block
 * @count:   runs for each owner
 */
struct block {
	struct block *next;
	uint64_t address;
	uint32_t insns;
	bool xen;
	int mark;
	bool turns;
	enum owner enters;
	uint64_t count[OWNERS];
};

static struct block *blocks;
/* Who runs outside Xen, who does of PV domains, and who Xen entered last */
static enum owner outside = DOM0;
static enum owner pv = DOM0;
static enum owner entered = DOM0;
static uint64_t turn_address;
static bool counting;
static char path[512];

static void write_blocks(void)
{
	FILE *file = fopen(path, "w");

	for (struct block *b = blocks; file && b; b = b->next)
		for (int o = 0; o < OWNERS; o++) {
			if (b->count[o])
				fprintf(file, "%s %llx %llu %llu\n",
					owner_name[o],
					(unsigned long long)b->address,
					(unsigned long long)b->count[o] *
						b->insns,
					(unsigned long long)b->count[o]);
			b->count[o] = 0;
		}
	if (file)
		fclose(file);
}

/* What Xen entered by vmrun is no PV guest */
static void start(void)
{
	pv = entered == GUEST ? DOM0 : GUEST;
	outside = GUEST;
	counting = true;
}

static void stop(void)
{
	counting = false;
	if (outside == GUEST)
		write_blocks();
	else
		fprintf(stderr, "plugin: another PV guest ran\n");
}

static void turn(void)
{
	if (entered == GUEST || !counting)
		return;
	pv = pv == GUEST ? DOM0 : GUEST;
}

static void run(unsigned int cpu, void *opaque)
{
	struct block *b = opaque;

	(void)cpu;
	if (b->mark == 1)
		start();
	if (b->mark == 2)
		stop();
	if (counting)
		b->count[b->xen ? XEN : outside]++;
	if (b->turns)
		turn();
	if (b->enters) {
		entered = b->enters;
		outside = entered == GUEST ? GUEST : pv;
	}
}

static bool holds(const struct qemu_plugin_insn *insn, const char *bytes,
		  size_t size)
{
	return qemu_plugin_insn_size(insn) >= size &&
	       memcmp(qemu_plugin_insn_data(insn), bytes, size) == 0;
}

static void look_at(struct block *b, const struct qemu_plugin_insn *insn)
{
	/* nopl 0x5b5b0001(%rax,%rax,1) and 0x5b5b0002 */
	if (holds(insn, "\x0f\x1f\x84\x00\x01\x00\x5b\x5b", 8))
		b->mark = 1;
	if (holds(insn, "\x0f\x1f\x84\x00\x02\x00\x5b\x5b", 8))
		b->mark = 2;
	if (!b->xen)
		return;
	if (holds(insn, "\x0f\x01\xd8", 3)) /* vmrun */
		b->enters = GUEST;
	if (holds(insn, "\x48\xcf", 2) || holds(insn, "\x48\x0f\x07", 3))
		b->enters = DOM0; /* iretq, sysretq */
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	struct block *b = calloc(1, sizeof(*b));

	(void)id;
	if (!b)
		abort();
	b->address = qemu_plugin_tb_vaddr(tb);
	b->insns = qemu_plugin_tb_n_insns(tb);
	b->xen = b->address >= XEN_FIRST && b->address <= XEN_LAST;
	for (size_t n = 0; n < b->insns; n++)
		look_at(b, qemu_plugin_tb_get_insn(tb, n));
	b->turns = turn_address && b->address == turn_address;
	b->next = blocks;
	blocks = b;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, run, NO_REGISTERS, b);
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info,
			int argc, char **argv)
{
	(void)info;
	snprintf(path, sizeof(path), "profile");
	for (int n = 0; n < argc; n++) {
		if (strncmp(argv[n], "out=", 4) == 0)
			snprintf(path, sizeof(path), "%s", argv[n] + 4);
		if (strncmp(argv[n], "switch=", 7) == 0)
			turn_address = strtoull(argv[n] + 7, NULL, 16);
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * replay - run a harness on its kept inputs and on mutations of them
 *
 *   fuzz_NAME             tests/fuzz/corpus/NAME/, then FUZZ_MS of mutations
 *   fuzz_NAME FILE...     these files, nothing else
 *
 * The mutations come from a fixed seed (SEED=n for others), so a failure
 * comes again; the input that failed is left in build/fuzz-NAME-failed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/random.h"

#define FUZZ_MS 1500
#define INPUTS_MAX 256
#define INPUT_BYTES_MAX 16384u
#define PATH_BYTES 512

struct input {
	uint8_t *byte;
	size_t bytes;
};

static struct input inputs[INPUTS_MAX];
static unsigned int inputs_held;
static struct random dice;
static const char *name;

static void load(const char *path)
{
	struct input *input = &inputs[inputs_held];
	FILE *file = fopen(path, "rb");

	if (!file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	input->byte = malloc(INPUT_BYTES_MAX);
	if (!input->byte)
		exit(1);
	input->bytes = fread(input->byte, 1, INPUT_BYTES_MAX, file);
	fclose(file);
	inputs_held++;
}

static void load_corpus(void)
{
	char path[PATH_BYTES];
	struct dirent *entry;
	DIR *folder;

	snprintf(path, sizeof(path), "tests/fuzz/corpus/%s", name);
	folder = opendir(path);
	while (folder && (entry = readdir(folder)) &&
	       inputs_held < INPUTS_MAX) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "tests/fuzz/corpus/%s/%s", name,
			 entry->d_name);
		load(path);
	}
	if (folder)
		closedir(folder);
}

static uint8_t any_byte(void)
{
	static const uint8_t edges[] = { 0,   1,   0x7f, 0x80, 0xff, '"', '{',
					 '[', ']', ':',	 ',',  '0',  '\\' };

	if (random_below(&dice, 2))
		return edges[random_below(&dice, sizeof(edges))];
	return random_next(&dice);
}

/* One change: bytes, a piece cut out, a piece doubled, a piece of another */
static void mutate(struct input *m)
{
	const struct input *other = &inputs[random_below(&dice, inputs_held)];
	size_t at = random_below(&dice, m->bytes + 1);
	size_t piece = random_below(&dice, random_below(&dice, 64) + 1);
	size_t from = random_below(&dice, other->bytes + 1);

	switch (random_below(&dice, 4)) {
	case 0:
		if (at < m->bytes)
			m->byte[at] = any_byte();
		break;
	case 1:
		if (piece > m->bytes - at)
			piece = m->bytes - at;
		m->bytes -= piece;
		memmove(m->byte + at, m->byte + at + piece, m->bytes - at);
		break;
	case 2:
		if (at < m->bytes)
			m->byte[at] ^= 1u << random_below(&dice, 8);
		break;
	default:
		if (piece > other->bytes - from)
			piece = other->bytes - from;
		if (piece > INPUT_BYTES_MAX - m->bytes)
			break;
		memmove(m->byte + at + piece, m->byte + at, m->bytes - at);
		memcpy(m->byte + at, other->byte + from, piece);
		m->bytes += piece;
	}
}

/* A file that holds the input even when the harness dies on it */
static uint8_t *map_evidence(char *path)
{
	void *map = MAP_FAILED;
	int fd;

	snprintf(path, PATH_BYTES, "build/fuzz-%s-failed", name);
	/* another run at the same time keeps its own */
	unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd >= 0 && ftruncate(fd, INPUT_BYTES_MAX) == 0)
		map = mmap(NULL, INPUT_BYTES_MAX, PROT_READ | PROT_WRITE,
			   MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	if (map == MAP_FAILED) {
		perror(path);
		exit(1);
	}
	return map;
}

/* The input is handed over in a block of its own size, for AddressSanitizer */
static void run(const uint8_t *byte, size_t bytes)
{
	uint8_t *own = malloc(bytes ? bytes : 1);

	if (!own)
		exit(1);
	memcpy(own, byte, bytes);
	LLVMFuzzerTestOneInput(own, bytes);
	free(own);
}

static unsigned int run_mutations(void)
{
	static uint8_t scratch[INPUT_BYTES_MAX];
	char path[PATH_BYTES];
	uint8_t *evidence = map_evidence(path);
	unsigned int runs = 0;
	clock_t end = clock() + FUZZ_MS * (CLOCKS_PER_SEC / 1000);

	for (; clock() < end; runs++) {
		const struct input *seed =
			&inputs[random_below(&dice, inputs_held)];
		struct input m = { scratch, seed->bytes };

		memcpy(scratch, seed->byte, seed->bytes);
		for (uint32_t n = random_below(&dice, 6) + 1; n; n--)
			mutate(&m);
		memcpy(evidence, scratch, m.bytes);
		if (truncate(path, m.bytes ? (off_t)m.bytes : 1) != 0)
			break;
		run(scratch, m.bytes);
		if (truncate(path, INPUT_BYTES_MAX) != 0)
			break;
	}
	unlink(path);
	return runs;
}

int main(int argc, char **argv)
{
	const char *seed = getenv("SEED");
	unsigned int mutations = 0;

	name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	name += strncmp(name, "fuzz_", 5) == 0 ? 5 : 0;
	dice = random_seed(seed ? strtoull(seed, NULL, 0) : 1);
	for (int n = 1; n < argc && n <= INPUTS_MAX; n++)
		load(argv[n]);
	if (argc == 1)
		load_corpus();
	if (!inputs_held) {
		fprintf(stderr, "%s: no inputs in tests/fuzz/corpus\n", name);
		return 1;
	}
	for (unsigned int n = 0; n < inputs_held; n++)
		run(inputs[n].byte, inputs[n].bytes);
	if (argc == 1)
		mutations = run_mutations();
	printf("Checks: %u, %u kept inputs, %u mutations\n",
	       inputs_held + mutations, inputs_held, mutations);
	return 0;
}

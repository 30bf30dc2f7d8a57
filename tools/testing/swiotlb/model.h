/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An independent model of what mappings are and where they may be, that the real
 * code is compared with after every step.
 *
 * It knows each buffer's two sides, what the CPU sees and what the device sees,
 * byte by byte; which slots are taken, and by whom; and it can tell by trying all
 * places whether a request could have been served. It does not know how the
 * allocator searches, and asks for no particular place.
 */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include "test.h"

#include <linux/dma-direct.h>

#define MODEL_MAX_MAPS 512
#define MODEL_GUARD 64 /* bytes around a buffer, that nobody may change */

enum { NOT_BOUNCED = -1, UNMAPPED = -2, TRANSIENT = -3 };

struct mapping {
	struct device *dev;
	phys_addr_t orig;
	size_t size;
	enum dma_data_direction dir;
	dma_addr_t dma;
	phys_addr_t tlb; /* the bounce buffer; 0 if not bounced */
	int pool; /* of model.pools, or one of these */
	unsigned long first, nslots; /* what it occupies there */
	u8 *cpu, *device; /* the contents that each side should see */
	u8 guard;
};

struct model {
	bool xen;
	struct subject_pool pools[16];
	int nr_pools;
	u8 *taken[16]; /* by slot of a pool */
	struct mapping maps[MODEL_MAX_MAPS];
	/* Counters, by type */
	u64 used[2], hiwater[2], all_hiwater, bounces[2], bytes[2], failures[2], fallbacks[2];
	u64 transient; /* slots of pools as long as a mapping */
	bool grows; /* pools are added when all are full */
};

extern struct model model;

/* Begins with the pools there are. */
void model_begin(bool xen);
/* What is in use and counted at the beginning is somebody else's, and stays so. */
void model_adopt(void);
/* Takes new pools in. */
void model_look(struct device *dev);

/*
 * Maps @size bytes at physical address @orig; checks everything about the result.
 * Returns the mapping, or NULL if it failed, as it had to.
 */
struct mapping *model_map(struct device *dev, phys_addr_t orig, size_t size,
			  enum dma_data_direction dir, unsigned long attrs);
void model_unmap(struct mapping *map, unsigned long attrs);
void model_sync_for_cpu(struct mapping *map, size_t from, size_t len);
void model_sync_for_device(struct mapping *map, size_t from, size_t len);
/* The CPU writes into its side, the device into its. */
void model_cpu_writes(struct mapping *map, size_t from, size_t len, u8 seed);
void model_device_writes(struct mapping *map, size_t from, size_t len, u8 seed);
/* Both sides have what they should, and nothing around has changed. */
void model_check_contents(struct mapping *map);
/* The counters and the books agree; the slow ones only if @whole. */
void model_check(bool whole);
void model_check_segments(const struct mapping *map);

/* How many slots a request takes, and whether they could be found in a pool */
unsigned long model_slots(struct device *dev, phys_addr_t orig, size_t size);
/* With or without what LO keeps for those who have no other pool */
bool model_fits(struct device *dev, int pool, bool reserve, phys_addr_t orig, size_t size);

/*
 * Somebody wrote 0. With batches what is in use counts from then on, without them
 * only what is mapped next.
 */
static inline u64 model_reset_hiwater(u64 used)
{
#ifdef SUBJECT_HAS_BATCHES
	return used;
#else
	return 0;
#endif
}

#endif /* SIM_MODEL_H */

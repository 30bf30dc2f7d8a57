// SPDX-License-Identifier: GPL-2.0
/* See model.h. */
#include "model.h"

#include <direct.h>

struct model model;

static u64 reach(struct device *dev)
{
	return min_not_zero(*dev->dma_mask, dev->bus_dma_limit);
}

/* Bus address of a physical one, before the offset of the device */
static u64 bus_of(phys_addr_t phys)
{
	if (!model.xen)
		return phys;
	return PFN_PHYS(hyp_mfn(PFN_DOWN(phys))) | (phys & ~PAGE_MASK);
}

static dma_addr_t dma_of(struct device *dev, phys_addr_t phys)
{
	u64 bus = bus_of(phys);

	return dev->dma_range_map ? translate_phys_to_dma(dev, bus) : bus;
}

static bool contiguous(phys_addr_t phys, size_t size)
{
	for (phys_addr_t p = PAGE_ALIGN(phys + 1); model.xen && p < phys + size; p += PAGE_SIZE)
		if (bus_of(p) != bus_of(p - 1) + 1)
			return false;
	return true;
}

static bool pools_overlap(const struct subject_pool *a, const struct subject_pool *b)
{
	return a->end > b->start && a->start < b->end;
}

void model_look(struct device *dev)
{
	struct subject_pool pools[16];
	int n = subject_pools(dev, pools, ARRAY_SIZE(pools));

	for (int i = 0; i < n; i++) {
		int known = 0;

		if (pools[i].transient)
			continue;
		while (known < model.nr_pools && model.pools[known].raw != pools[i].raw)
			known++;
		if (known < model.nr_pools)
			continue;
		CHECK(known < ARRAY_SIZE(model.pools));
		for (int k = 0; k < model.nr_pools; k++)
			CHECK(!pools_overlap(&pools[i], &model.pools[k]), "two pools overlap");
		model.pools[known] = pools[i];
		model.taken[known] = calloc(pools[i].nslabs, 1);
		model.nr_pools++;
	}
}

void model_begin(bool xen)
{
	for (int i = 0; i < model.nr_pools; i++)
		free(model.taken[i]);
	for (int i = 0; i < MODEL_MAX_MAPS; i++) {
		free(model.maps[i].cpu);
		free(model.maps[i].device);
	}
	memset(&model, 0, sizeof(model));
	model.xen = xen;
	subject_forbid_growth(true);
	model_look(NULL);
}

static u64 file_or(const char *type, const char *name, u64 otherwise)
{
	char path[64];
	u64 val;

	snprintf(path, sizeof(path), "/swiotlb%s/%s", type, name);
	return sim_file_get(path, &val) ? otherwise : val;
}

void model_adopt(void)
{
	static const char *const dirs[] = { "/lo", "/hi" };

	for (int p = 0; p < model.nr_pools; p++)
		for (unsigned long s = 0; s < model.pools[p].nslabs; s++) {
			model.taken[p][s] = !subject_slot_free(&model.pools[p], s);
			model.used[model.pools[p].type] += model.taken[p][s];
		}
	for (int type = 0; type < SUBJECT_TYPES; type++) {
		model.hiwater[type] = file_or(dirs[type], "used_hiwater", model.used[type]);
		model.bounces[type] = file_or(dirs[type], "bounces", 0);
		model.bytes[type] = file_or(dirs[type], "bounced_bytes", 0);
	}
	model.all_hiwater = file_or("", "io_tlb_used_hiwater", model.used[0] + model.used[1]);
}

/* Bytes before the mapping in its first slots: address bits that must be kept */
static unsigned int padding(struct device *dev, phys_addr_t orig)
{
	return orig & dev->min_align_mask & (IO_TLB_SIZE - 1);
}

/* Slots of all pools of a type, but for those that last as long as a mapping */
static unsigned long slots_of_type(int type)
{
	unsigned long sum = 0;

	for (int p = 0; p < model.nr_pools; p++)
		if (model.pools[p].type == type)
			sum += model.pools[p].nslabs;
	return sum;
}

/*
 * Those who do not find room in HI leave so many slots of LO alone: half of what it had at
 * boot, or as many as HI has, whichever is less, in whole segments.
 * These are dealt out to the areas one after another, so that no two areas differ by
 * more than one; an area keeps its last.
 */
static bool is_reserved(const struct subject_pool *pool, unsigned long slot)
{
	unsigned long segments = min(pool->nslabs / 2, slots_of_type(SWIOTLB_HI)) / IO_TLB_SEGSIZE;
	unsigned long area = slot / pool->area_nslabs, dealt = 0, kept = 0;

	if (pool->added)
		return false;
	for (unsigned long a = 0; a <= area; a++)
		for (kept = 0; (dealt + 1) * pool->nareas <= (a + 1) * segments; kept++)
			dealt++;
	return slot % pool->area_nslabs >= pool->area_nslabs - kept * IO_TLB_SEGSIZE;
}

unsigned long model_slots(struct device *dev, phys_addr_t orig, size_t size)
{
	return DIV_ROUND_UP(size + padding(dev, orig), IO_TLB_SIZE);
}

/* May a mapping have its first slot here, if the slots were free? */
static bool suits(struct device *dev, const struct subject_pool *pool, unsigned long slot,
		  phys_addr_t orig, size_t size)
{
	unsigned long nslots = model_slots(dev, orig, size);
	unsigned int pad = padding(dev, orig);
	dma_addr_t first = dma_of(dev, pool->start + slot * SLAB);
	u64 boundary = dev->seg_boundary;

	if (slot / IO_TLB_SEGSIZE != (slot + nslots - 1) / IO_TLB_SEGSIZE)
		return false;
	if (((first + pad) ^ orig) & dev->min_align_mask)
		return false;
	if (!dev->min_align_mask && size >= PAGE_SIZE && first & ~PAGE_MASK)
		return false;
	/* As the allocator has it: all the slots, and not only the bytes */
	return (first & ~boundary) == ((first + nslots * SLAB - 1) & ~boundary);
}

bool model_fits(struct device *dev, int p, bool reserve, phys_addr_t orig, size_t size)
{
	const struct subject_pool *pool = &model.pools[p];
	unsigned long nslots = model_slots(dev, orig, size), run = 0;
	bool kept = false;

	for (unsigned long slot = pool->nslabs; slot--;) {
		if (slot % IO_TLB_SEGSIZE == IO_TLB_SEGSIZE - 1) {
			run = 0;
			kept = reserve && is_reserved(pool, slot);
		}
		run = kept || model.taken[p][slot] ? 0 : run + 1;
		if (run >= nslots && suits(dev, pool, slot, orig, size))
			return true;
	}
	return false;
}

static bool reaches_pool(struct device *dev, const struct subject_pool *pool)
{
	u64 highest = 0;

	for (phys_addr_t a = pool->start; a < pool->end; a += SEGMENT) {
		dma_addr_t first = dma_of(dev, a), last = dma_of(dev, a + SEGMENT - 1);

		if (dev->dma_range_map &&
		    (first == DMA_MAPPING_ERROR || last == DMA_MAPPING_ERROR))
			return false;
		highest = max(highest, last);
	}
	return highest <= reach(dev);
}

/* With a reserve, pools count only if all of them is in reach. */
static bool fits_type(struct device *dev, int type, bool reserve, phys_addr_t orig, size_t size)
{
	for (int p = 0; p < model.nr_pools; p++) {
		const struct subject_pool *pool = &model.pools[p];

		if (reserve && !reaches_pool(dev, pool))
			continue;
		if (pool->type == type && model_fits(dev, p, reserve, orig, size))
			return true;
	}
	return false;
}

/* HI is for whom the whole of it is in reach. */
static bool reaches_hi(struct device *dev)
{
	for (int p = 0; p < model.nr_pools; p++)
		if (model.pools[p].type == SWIOTLB_HI)
			return reaches_pool(dev, &model.pools[p]);
	return false;
}

static bool must_bounce(struct device *dev, phys_addr_t orig, size_t size)
{
	dma_addr_t dma = dma_of(dev, orig);

	return is_swiotlb_force_bounce(dev) || sim_kmalloc_bounces || dma == DMA_MAPPING_ERROR ||
	       dma + size - 1 > reach(dev) || !contiguous(orig, size);
}

static struct page *page_of(phys_addr_t phys)
{
	return pfn_to_page(PFN_DOWN(phys));
}

static dma_addr_t real_map(struct device *dev, phys_addr_t orig, size_t size,
			   enum dma_data_direction dir, unsigned long attrs)
{
	if (model.xen)
		return subject_xen_ops->map_page(dev, page_of(orig), orig & ~PAGE_MASK, size, dir,
						 attrs);
	return dma_direct_map_page(dev, page_of(orig), orig & ~PAGE_MASK, size, dir, attrs);
}

static void find_bounce_buffer(struct mapping *map)
{
	phys_addr_t phys = map->dma;

	if (map->dev->dma_range_map)
		phys = translate_dma_to_phys(map->dev, map->dma);
	if (model.xen)
		phys = PFN_PHYS(hyp_pfn(PFN_DOWN(phys))) | (phys & ~PAGE_MASK);
	for (map->pool = 0; map->pool < model.nr_pools; map->pool++) {
		const struct subject_pool *pool = &model.pools[map->pool];

		if (phys >= pool->start && phys < pool->end) {
			map->tlb = phys;
			return;
		}
	}
	map->pool = NOT_BOUNCED;
	if (model.grows) {
		struct subject_pool pools[MODEL_MAX_MAPS];
		int n = subject_pools(map->dev, pools, ARRAY_SIZE(pools));

		for (int i = 0; i < n; i++) {
			if (!pools[i].transient || phys < pools[i].start || phys >= pools[i].end)
				continue;
			map->pool = TRANSIENT;
			map->tlb = phys;
			map->nslots = pools[i].nslabs;
			CHECK_EQ(map->nslots, model_slots(map->dev, map->orig, map->size));
		}
	}
}

static u8 pattern(u8 seed, size_t i)
{
	u8 byte = seed * 31 + i * 7 + (i >> 8) * 13;

	return byte == SIM_SECRET ? 1 : byte;
}

static void check_place(struct mapping *map, bool hi)
{
	struct device *dev = map->dev;
	const struct subject_pool *pool = &model.pools[map->pool];
	unsigned int pad = padding(dev, map->orig);

	map->nslots = model_slots(dev, map->orig, map->size);
	CHECK(((map->tlb - pad) & (IO_TLB_SIZE - 1)) == 0, "0x%llx does not begin a slot",
	      map->tlb - pad);
	map->first = (map->tlb - pad - pool->start) / SLAB;
	CHECK(map->first + map->nslots <= pool->nslabs);
	CHECK(suits(dev, pool, map->first, map->orig, map->size),
	      "slot %lu does not suit: bus 0x%llx, %zu bytes, boundary 0x%lx, alignment 0x%x, buffer 0x%llx",
	      map->first, map->dma, map->size, dev->seg_boundary, dev->min_align_mask, map->orig);
	for (unsigned long s = map->first; s < map->first + map->nslots; s++) {
		CHECK(!model.taken[map->pool][s], "slot %lu is another mapping's", s);
		CHECK(!subject_slot_free(pool, s), "slot %lu is in use, and counts as free", s);
		model.taken[map->pool][s] = 1;
	}
	/* Bus addresses follow one another: the device knows one only. */
	CHECK(contiguous(map->tlb, map->size));

	if (hi && pool->type == SWIOTLB_LO) {
		for (unsigned long s = map->first; s < map->first + map->nslots; s++)
			model.taken[map->pool][s] = 0;
		CHECK(!fits_type(dev, SWIOTLB_HI, false, map->orig, map->size),
		      "LO was used, and HI had room");
		CHECK(!is_reserved(pool, map->first), "the reserve was used");
		for (unsigned long s = map->first; s < map->first + map->nslots; s++)
			model.taken[map->pool][s] = 1;
		model.fallbacks[SWIOTLB_HI]++;
	}
	CHECK(hi || pool->type == SWIOTLB_LO, "HI was used by a device that does not reach it");
}

/* Nothing that was in memory before must reach the device: around the buffer, too. */
static void check_no_secret(struct mapping *map)
{
	const struct subject_pool *pool = &model.pools[map->pool];
	u8 slot[IO_TLB_SIZE];

	for (unsigned long s = map->first; s < map->first + map->nslots; s++) {
		sim_copy_from_phys(slot, pool->start + s * SLAB, sizeof(slot));
		CHECK(!memchr(slot, SIM_SECRET, sizeof(slot)),
		      "slot %lu: the device sees memory that is nobody's buffer", s);
	}
}

static void count(struct mapping *map, int type)
{
	u64 all;

	model.bounces[type]++;
	model.bytes[type] += map->size;
	model.used[type] += map->nslots;
	all = model.used[0] + model.used[1];
	model.hiwater[type] = max(model.hiwater[type], model.used[type]);
	model.all_hiwater = max(model.all_hiwater, all);
}

static bool lo_is_out_of_reach(struct device *dev)
{
	for (int p = 0; p < model.nr_pools; p++)
		if (model.pools[p].type == SWIOTLB_LO &&
		    dma_of(dev, model.pools[p].start) <= reach(dev))
			return false;
	return true;
}

struct mapping *model_map(struct device *dev, phys_addr_t orig, size_t size,
			  enum dma_data_direction dir, unsigned long attrs)
{
	struct mapping *map = model.maps;
	bool bounce = must_bounce(dev, orig, size), hi = reaches_hi(dev);
	u8 guards[2 * MODEL_GUARD];

	while (map < model.maps + MODEL_MAX_MAPS && map->size)
		map++;
	CHECK(map < model.maps + MODEL_MAX_MAPS, "too many mappings for the model");
	CHECK(hi == subject_uses_hi(dev), "HI is %s", hi ? "in reach" : "out of reach");

	*map = (struct mapping){
		.dev = dev, .orig = orig, .size = size, .dir = dir, .pool = NOT_BOUNCED
	};
	map->cpu = malloc(size);
	map->device = malloc(size);
	map->guard = pattern(orig >> 6, size);
	sim_copy_from_phys(map->cpu, orig, size);
	memset(guards, map->guard, sizeof(guards));
	sim_copy_to_phys(orig - MODEL_GUARD, guards, MODEL_GUARD);
	sim_copy_to_phys(orig + size, guards, MODEL_GUARD);
	memcpy(map->device, map->cpu, size);

	dev->dma_skip_sync = true;
	map->dma = real_map(dev, orig, size, dir, attrs);
	if (map->dma == DMA_MAPPING_ERROR) {
		free(map->cpu);
		free(map->device);
		memset(map, 0, sizeof(*map));
		CHECK(bounce, "an error, and the device reaches the buffer");
		if (!hi && fits_type(dev, SWIOTLB_LO, false, orig, size) &&
		    lo_is_out_of_reach(dev)) {
			/* It is found, and given back: that counts, and is said. */
			struct mapping gone = { .size = size,
						.nslots = model_slots(dev, orig, size) };

			count(&gone, SWIOTLB_LO);
			model.used[SWIOTLB_LO] -= gone.nslots;
			CHECK(model.xen || sim_warnings());
			sim_forgive_warnings();
		} else if (model.grows) {
			/* Only what the machine lacks stops it. */
			model.failures[hi] += size + padding(dev, orig) <= SEGMENT;
		} else if (size + padding(dev, orig) <= SEGMENT) {
			CHECK(!(hi && fits_type(dev, SWIOTLB_HI, false, orig, size)),
			      "an error, and HI has room for %zu bytes", size);
			CHECK(!fits_type(dev, SWIOTLB_LO, hi, orig, size),
			      "an error, and LO has room for %zu bytes", size);
			model.failures[hi]++;
		}
		return NULL;
	}
	find_bounce_buffer(map);
	CHECK(bounce == (map->pool != NOT_BOUNCED), "%s",
	      bounce ? "not bounced" : "bounced for nothing");
	CHECK(dev->dma_skip_sync == !bounce, "the driver is %s syncs",
	      bounce ? "spared" : "not spared");
	CHECK(map->dma + size - 1 >= map->dma && map->dma + size - 1 <= reach(dev),
	      "0x%llx, %zu bytes, is out of reach", map->dma, size);
	if (map->pool >= 0) {
		check_place(map, hi);
		check_no_secret(map);
		count(map, model.pools[map->pool].type);
	}
	if (map->pool == TRANSIENT) {
		CHECK(!fits_type(dev, SWIOTLB_LO, hi, orig, size),
		      "a pool is made, and LO has room");
		CHECK(!hi || !fits_type(dev, SWIOTLB_HI, false, orig, size),
		      "a pool is made, and HI has room");
		count(map, SWIOTLB_LO);
		model.transient += map->nslots;
	}
	model_check_contents(map);
	return map;
}

static bool from_device(const struct mapping *map)
{
	return map->dir == DMA_FROM_DEVICE || map->dir == DMA_BIDIRECTIONAL;
}

static bool to_device(const struct mapping *map)
{
	return map->dir == DMA_TO_DEVICE || map->dir == DMA_BIDIRECTIONAL;
}

void model_unmap(struct mapping *map, unsigned long attrs)
{
	if (map->pool != NOT_BOUNCED && from_device(map) && !(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		memcpy(map->cpu, map->device, map->size);
	if (model.xen)
		subject_xen_ops->unmap_page(map->dev, map->dma, map->size, map->dir, attrs);
	else
		dma_direct_unmap_page(map->dev, map->dma, map->size, map->dir, attrs);
	if (map->pool >= 0) {
		const struct subject_pool *pool = &model.pools[map->pool];

		for (unsigned long s = map->first; s < map->first + map->nslots; s++) {
			CHECK(subject_slot_free(pool, s), "slot %lu is still in use", s);
			model.taken[map->pool][s] = 0;
		}
		model.used[pool->type] -= map->nslots;
		model_check_segments(map);
		map->pool = UNMAPPED;
	} else if (map->pool == TRANSIENT) {
		model.used[SWIOTLB_LO] -= map->nslots;
		model.transient -= map->nslots;
		map->pool = UNMAPPED;
	}
	model_check_contents(map);
	free(map->cpu);
	free(map->device);
	memset(map, 0, sizeof(*map));
}

void model_sync_for_cpu(struct mapping *map, size_t from, size_t len)
{
	if (model.xen)
		subject_xen_ops->sync_single_for_cpu(map->dev, map->dma + from, len, map->dir);
	else
		dma_direct_sync_single_for_cpu(map->dev, map->dma + from, len, map->dir);
	if (map->pool != NOT_BOUNCED && from_device(map))
		memcpy(map->cpu + from, map->device + from, len);
	model_check_contents(map);
}

void model_sync_for_device(struct mapping *map, size_t from, size_t len)
{
	if (model.xen)
		subject_xen_ops->sync_single_for_device(map->dev, map->dma + from, len, map->dir);
	else
		dma_direct_sync_single_for_device(map->dev, map->dma + from, len, map->dir);
	if (map->pool != NOT_BOUNCED && to_device(map))
		memcpy(map->device + from, map->cpu + from, len);
	model_check_contents(map);
}

void model_cpu_writes(struct mapping *map, size_t from, size_t len, u8 seed)
{
	for (size_t i = from; i < from + len; i++)
		map->cpu[i] = pattern(seed, i);
	sim_copy_to_phys(map->orig + from, map->cpu + from, len);
	if (map->pool == NOT_BOUNCED)
		memcpy(map->device + from, map->cpu + from, len);
}

void model_device_writes(struct mapping *map, size_t from, size_t len, u8 seed)
{
	for (size_t i = from; i < from + len; i++)
		map->device[i] = pattern(seed + 128, i);
	CHECK(sim_dma_write(map->dev, map->dma + from, map->device + from, len),
	      "the device cannot write at 0x%llx", map->dma + from);
	if (map->pool == NOT_BOUNCED)
		memcpy(map->cpu + from, map->device + from, len);
}

static size_t differs(const u8 *a, const u8 *b, size_t len)
{
	size_t i = 0;

	if (!memcmp(a, b, len))
		return len;
	while (i < len && a[i] == b[i])
		i++;
	return i;
}

void model_check_contents(struct mapping *map)
{
	static __thread u8 real[2 * 1024 * 1024];
	size_t len = map->size + 2 * MODEL_GUARD, at;

	CHECK(len <= sizeof(real));
	sim_copy_from_phys(real, map->orig - MODEL_GUARD, len);
	for (at = 0; at < MODEL_GUARD; at++)
		CHECK(real[at] == map->guard && real[len - 1 - at] == map->guard,
		      "memory beside the buffer has changed");
	at = differs(real + MODEL_GUARD, map->cpu, map->size);
	CHECK(at == map->size,
	      "the CPU sees 0x%02x in byte %zu of %zu, and not 0x%02x (direction %d)",
	      real[MODEL_GUARD + at], at, map->size, map->cpu[at], map->dir);
	if (map->pool == UNMAPPED) /* its device side is gone */
		return;
	CHECK(sim_dma_read(map->dev, map->dma, real, map->size), "the device cannot read at 0x%llx",
	      map->dma);
	at = differs(real, map->device, map->size);
	CHECK(at == map->size,
	      "the device sees 0x%02x in byte %zu of %zu, and not 0x%02x (direction %d)", real[at],
	      at, map->size, map->device[at], map->dir);
}

void model_check_segments(const struct mapping *map)
{
	unsigned long segment = map->first / IO_TLB_SEGSIZE;
	const char *wrong;

	if (map->pool < 0)
		return;
	wrong = subject_inconsistent(&model.pools[map->pool], segment, segment, false);
	CHECK(!wrong, "%s", wrong);
	for (unsigned long s = segment * IO_TLB_SEGSIZE; s < (segment + 1) * IO_TLB_SEGSIZE; s++)
		CHECK(subject_slot_free(&model.pools[map->pool], s) == !model.taken[map->pool][s],
		      "slot %lu is %s", s, model.taken[map->pool][s] ? "in use" : "free");
}

static void check_file(const char *type, const char *name, u64 want)
{
	char path[64];
	u64 val;

	snprintf(path, sizeof(path), "/swiotlb%s/%s", type, name);
	if (!sim_file_get(path, &val))
		CHECK(val == want, "%s says %llu and not %llu", path, val, want);
}

/* Without files nobody counts the slots of transient pools. */
static u64 model_used(int type)
{
	if (type == SWIOTLB_LO && !IS_ENABLED(CONFIG_DEBUG_FS))
		return model.used[type] - model.transient;
	return model.used[type];
}

/*
 * High water: exact, or, where areas announce what they use in batches, as far
 * off as that allows.
 */
static void check_hiwater(const char *type, const char *name, u64 want)
{
	char path[64];
	u64 val, off = 0;

#ifdef SUBJECT_HAS_BATCHES
	for (int i = 0; i < model.nr_pools; i++)
		off += model.pools[i].nareas * min(64U, model.pools[i].area_nslabs / 256);
#endif
	snprintf(path, sizeof(path), "/swiotlb%s/%s", type, name);
	if (!sim_file_get(path, &val))
		CHECK(val + off >= want && val <= want + off,
		      "%s says %llu and not %llu, %llu off at most", path, val, want, off);
}

static void check_counters(void)
{
	static const char *const dirs[] = { "/lo", "/hi" };

	for (int type = 0; type < SUBJECT_TYPES; type++) {
		CHECK_EQ(subject_used(type), model_used(type));
		check_file(dirs[type], "used", model.used[type]);
		check_hiwater(dirs[type], "used_hiwater", model.hiwater[type]);
		check_file(dirs[type], "bounces", model.bounces[type]);
		check_file(dirs[type], "bounced_bytes", model.bytes[type]);
		check_file(dirs[type], "failures", model.failures[type]);
	}
	check_file("/hi", "fallbacks", model.fallbacks[SWIOTLB_HI]);
	check_file("", "io_tlb_used", model.used[0] + model.used[1]);
	check_hiwater("", "io_tlb_used_hiwater", model.all_hiwater);
}

void model_check(bool whole)
{
	CHECK_EQ(subject_used(SWIOTLB_LO), model_used(SWIOTLB_LO));
	if (SUBJECT_TYPES > 1)
		CHECK_EQ(subject_used(SWIOTLB_HI), model.used[SWIOTLB_HI]);
	if (!whole)
		return;
	for (int p = 0; p < model.nr_pools; p++) {
		struct subject_pool *pool = &model.pools[p];
		const char *wrong =
			subject_inconsistent(pool, 0, pool->nslabs / IO_TLB_SEGSIZE - 1, true);

		CHECK(!wrong, "pool %d: %s", p, wrong);
		for (unsigned long s = 0; s < pool->nslabs; s++)
			CHECK(subject_slot_free(pool, s) == !model.taken[p][s],
			      "pool %d: slot %lu is %s", p, s,
			      model.taken[p][s] ? "in use" : "free");
	}
	check_counters();
}

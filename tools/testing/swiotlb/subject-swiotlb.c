// SPDX-License-Identifier: GPL-2.0
/*
 * The real swiotlb.c, and what tests need of its inside: everything that knows
 * how the allocator keeps its books is here.
 *
 * SUBJECT_HAS_HI: there are two types of pools; without it, it is the kernel
 * before the series, that the same tests run on.
 * SUBJECT_HAS_LIST: free slots are kept as the "list" of each slot.
 * SUBJECT_HAS_TREE: the longest runs of free slots are kept in a tree.
 * SUBJECT_HAS_NAME: the trace event has the name of a pool.
 * SUBJECT_HAS_FRESH: slots are cleared by who takes them first.
 * SUBJECT_HAS_GIVEN: whether the user gave a size is known, and not only whether it is
 * another than the default.
 */
#define SIM_TRACE_EVENTS
#include "shim.h"
#include "sim.h"

#undef pr_fmt
#include SUBJECT_SWIOTLB
#include <xen/swiotlb-xen.h>

#ifdef SUBJECT_HAS_HI
#define MEM_DEFPOOL(mem, type) (&(mem)->defpool[type])
#define MEM_NSLABS(mem, type) ((mem)->nslabs[type])
#define MEM_LIST(mem, type) (&(mem)->pools[type])
#define REQUEST(t) (default_nslabs[t])
#else
#define MEM_DEFPOOL(mem, type) (&(mem)->defpool)
#define MEM_NSLABS(mem, type) ((type) == SWIOTLB_LO ? (mem)->nslabs : 0)
#define MEM_LIST(mem, type) (&(mem)->pools)
#define REQUEST(t) ((t) == SWIOTLB_LO ? default_nslabs : 0)
#endif

/* The state of a kernel that has not begun */
static struct {
	bool kept;
	struct io_tlb_mem mem;
	unsigned char nslabs[sizeof(default_nslabs)];
} fresh;

void subject_reset(void)
{
	if (!fresh.kept) {
		fresh.kept = true;
		fresh.mem = io_tlb_default_mem;
		memcpy(fresh.nslabs, &default_nslabs, sizeof(default_nslabs));
	}
	io_tlb_default_mem = fresh.mem;
	memcpy(&default_nslabs, fresh.nslabs, sizeof(default_nslabs));
	default_nareas = 0;
#ifdef SUBJECT_HAS_GIVEN
	default_nslabs_given = false;
#endif
	swiotlb_force_bounce = false;
	swiotlb_force_disable = false;
}

int subject_param(char *value)
{
	return sim_early_param(value);
}

void subject_early(bool xen, unsigned int flags)
{
#ifdef SUBJECT_HAS_HI
	swiotlb_init_remap(true, flags, xen ? &xen_swiotlb_remap_ops : NULL);
#else
	swiotlb_init_remap(true, flags, xen ? xen_swiotlb_fixup : NULL);
#endif
	if (xen)
		subject_xen_init();
}

int subject_late(size_t size, gfp_t gfp)
{
#ifdef SUBJECT_HAS_HI
	return swiotlb_init_late(size, gfp);
#else
	return swiotlb_init_late(size, gfp, NULL);
#endif
}

void subject_late_files(void)
{
#ifdef CONFIG_DEBUG_FS
	sim_late_initcall();
#endif
}

unsigned long subject_request(int type)
{
	return REQUEST(type);
}

unsigned long subject_areas(void)
{
	return default_nareas;
}

void subject_set_areas(unsigned int nareas)
{
	default_nareas = nareas;
}

bool subject_forced(void)
{
	return swiotlb_force_bounce;
}

bool subject_disabled(void)
{
	return swiotlb_force_disable;
}

unsigned long subject_nslabs(int type)
{
	return MEM_NSLABS(&io_tlb_default_mem, type);
}

static int fill_pool(struct subject_pool *to, struct io_tlb_pool *pool, int type)
{
	if (!pool->nslabs)
		return 0;
	*to = (struct subject_pool){
		.start = pool->start,
		.end = pool->end,
#ifdef SUBJECT_HAS_HI
		.bus = pool->bus,
		.added = pool != &io_tlb_default_mem.defpool[type],
#endif
		.nslabs = pool->nslabs,
		.nareas = pool->nareas,
		.area_nslabs = pool->area_nslabs,
		.type = type,
		.raw = pool,
	};
	return 1;
}

int subject_pools(struct device *dev, struct subject_pool *pools, int max)
{
	struct io_tlb_mem *mem = dev ? dev->dma_io_tlb_mem : &io_tlb_default_mem;
	int n = 0;

#ifdef CONFIG_SWIOTLB_DYNAMIC
	struct io_tlb_pool *pool;

	rcu_read_lock();
	for (int type = 0; type < SUBJECT_TYPES; type++)
		list_for_each_entry_rcu(pool, MEM_LIST(mem, type), node)
			if (n < max)
				n += fill_pool(&pools[n], pool, type);
#ifdef SUBJECT_HAS_HASH
	for (int i = 0; i < 1 << POOL_HASH_BITS; i++) {
		struct io_tlb_chunk *chunk;

		hlist_for_each_entry_rcu(chunk, &pool_hash[i], node) {
			if (n == max)
				break;
			if (chunk != &chunk->pool->chunks[0] || !chunk->pool->transient ||
			    chunk->pool->mem != mem)
				continue;
			n += fill_pool(&pools[n], chunk->pool, SWIOTLB_LO);
			pools[n - 1].transient = true;
		}
	}
#else
	if (dev) {
		list_for_each_entry_rcu(pool, &dev->dma_io_tlb_pools, node) {
			if (n == max)
				break;
			n += fill_pool(&pools[n], pool, SWIOTLB_LO);
			pools[n - 1].transient = true;
		}
	}
#endif
	rcu_read_unlock();
#else
	for (int type = 0; type < SUBJECT_TYPES && n < max; type++)
		n += fill_pool(&pools[n], MEM_DEFPOOL(mem, type), type);
#endif
	return n;
}

#ifdef SUBJECT_HAS_LIST

bool subject_slot_free(const struct subject_pool *p, unsigned long slot)
{
	struct io_tlb_pool *pool = p->raw;

	return pool->slots[slot].list;
}

/* Each free slot says how many free ones follow, in its segment. */
static const char *segment_wrong(struct io_tlb_pool *pool, unsigned long segment, char *why,
				 size_t len)
{
	struct io_tlb_slot *slots = pool->slots + segment * IO_TLB_SEGSIZE;
	unsigned int run = 0;

	for (int i = min(pool->nslabs - segment * IO_TLB_SEGSIZE, (unsigned long)IO_TLB_SEGSIZE);
	     i--;) {
		run = slots[i].list ? run + 1 : 0;
		if (slots[i].list != run) {
			snprintf(why, len, "segment %lu, slot %d: list is %u and not %u", segment,
				 i, slots[i].list, run);
			return why;
		}
		/* What is free has nothing of an earlier mapping. */
		if (run && (slots[i].orig_addr != INVALID_PHYS_ADDR || slots[i].alloc_size ||
			    slots[i].pad_slots)) {
			snprintf(why, len, "segment %lu, slot %d: free, and describes a buffer",
				 segment, i);
			return why;
		}
	}
	return NULL;
}

static const char *index_wrong(struct io_tlb_pool *pool, char *why, size_t len)
{
	return NULL;
}

#else

bool subject_slot_free(const struct subject_pool *p, unsigned long slot)
{
	struct io_tlb_pool *pool = p->raw;
	struct slot_bits free = pool->segments[slot / IO_TLB_SEGSIZE].free;

	slot %= IO_TLB_SEGSIZE;
	return slot < 64 ? free.lo >> slot & 1 : free.hi >> (slot - 64) & 1;
}

/* The leaf of a segment is its longest run. Who takes a slot clears what was there. */
static const char *segment_wrong(struct io_tlb_pool *pool, unsigned long segment,
				 char *why, size_t len)
{
	struct subject_pool p = { .raw = pool };
	unsigned long first = segment * IO_TLB_SEGSIZE;
	unsigned int per_area = nr_segments(pool->area_nslabs);
	struct io_tlb_area *area = &pool->areas[first / pool->area_nslabs];
	unsigned int seg = segment % per_area, run = 0, longest = 0;

	for (unsigned int i = 0; i < IO_TLB_SEGSIZE; i++) {
		run = subject_slot_free(&p, first + i) ? run + 1 : 0;
		if (run && first + i >= pool->nslabs) {
			snprintf(why, len, "slot %lu is free, but there is none", first + i);
			return why;
		}
		longest = run > longest ? run : longest;
	}
#ifdef SUBJECT_HAS_FRESH
	if (bits_any(bits_andnot(bits_and(pool->segments[segment].fresh,
					  bits_first(min(pool->nslabs - first, 128UL))),
				 pool->segments[segment].free))) {
		snprintf(why, len, "segment %lu: a slot is in use, and was never cleared", segment);
		return why;
	}
#endif
#ifdef SUBJECT_HAS_TREE
	if (swiotlb_get_run(area, seg) != longest) {
		snprintf(why, len, "segment %lu: longest run is %u and not %u", segment,
			 swiotlb_get_run(area, seg), longest);
		return why;
	}
#endif
	return NULL;
}

#ifdef SUBJECT_HAS_TREE
/* The bytes of a level are the largest of the nodes below. */
static const char *level_wrong(struct io_tlb_pool *pool, unsigned int area, unsigned int level,
			       char *why, size_t len)
{
	const u64 *below = pool->areas[area].runs + pool->levels[level];
	const u64 *above = pool->areas[area].runs + pool->levels[level + 1];

	for (unsigned int i = 0; i < above - below; i++) {
		if ((above[i / 8] >> i % 8 * 8 & 0xff) == node_largest(below[i]))
			continue;
		snprintf(why, len, "area %u: above node %u of level %u is not its largest byte",
			 area, i, level);
		return why;
	}
	return NULL;
}
#endif

static const char *index_wrong(struct io_tlb_pool *pool, char *why, size_t len)
{
	const char *wrong = NULL;

	if ((char *)(pool->slots + pool->nslabs) >
	    (char *)pool->areas + swiotlb_meta_size(pool->nslabs, pool->nareas))
		return "the bookkeeping is longer than its memory";
	if (!IS_ALIGNED((uintptr_t)pool->segments, sizeof(u64)))
		return "segments are not aligned";
#ifdef SUBJECT_HAS_TREE
	if (!IS_ALIGNED((uintptr_t)pool->runs, sizeof(u64)))
		return "trees are not aligned";
	for (unsigned int area = 0; area < pool->nareas; area++)
		for (unsigned int level = 0; !wrong && level + 1 < pool->nlevels; level++)
			wrong = level_wrong(pool, area, level, why, len);
#endif
	return wrong;
}

#endif

const char *subject_inconsistent(const struct subject_pool *p, unsigned long first,
				 unsigned long last, bool whole)
{
	static __thread char why[128];
	struct io_tlb_pool *pool = p->raw;

	for (unsigned long segment = first; segment <= last; segment++)
		if (segment_wrong(pool, segment, why, sizeof(why)))
			return why;
	if (!whole)
		return NULL;
	for (unsigned int a = 0; a < pool->nareas; a++) {
		unsigned long used = 0;

		for (unsigned long i = 0; i < pool->area_nslabs; i++)
			used += !subject_slot_free(p, a * pool->area_nslabs + i);
		if (used != pool->areas[a].used) {
			snprintf(why, sizeof(why), "area %u: %lu slots are used, and it says %lu",
				 a, used, (unsigned long)pool->areas[a].used);
			return why;
		}
	}
	return index_wrong(pool, why, sizeof(why));
}

unsigned long subject_used(int type)
{
#ifdef SUBJECT_HAS_HI
	return mem_type_used(&io_tlb_default_mem, type);
#else
	return type == SWIOTLB_LO ? mem_used(&io_tlb_default_mem) : 0;
#endif
}

u64 subject_bounced_bytes(int type)
{
#if defined(SUBJECT_HAS_HI) && defined(CONFIG_DEBUG_FS)
	return mem_type_bounces(&io_tlb_default_mem, type, true);
#else
	return 0;
#endif
}

bool subject_uses_hi(struct device *dev)
{
#ifdef SUBJECT_HAS_HI
	return swiotlb_uses_hi(dev);
#else
	return false;
#endif
}

void subject_recheck_pools(bool (*recheck)(phys_addr_t start, unsigned long nslabs,
					   unsigned int bits, struct range *bus))
{
#ifdef SUBJECT_HAS_HI
	swiotlb_recheck_pools(recheck);
#endif
}

u64 subject_bus_limit(int type)
{
#ifdef SUBJECT_HAS_HI
	return default_swiotlb_bus_limit(type);
#else
	return default_swiotlb_limit();
#endif
}

size_t subject_slot_bytes(void)
{
	return sizeof(struct io_tlb_slot);
}

u64 subject_overhead(const struct subject_pool *p)
{
#ifdef SUBJECT_HAS_META
	return swiotlb_meta_size(p->nslabs, p->nareas);
#else
	return PAGE_ALIGN(p->nslabs * sizeof(struct io_tlb_slot)) +
	       p->nareas * sizeof(struct io_tlb_area);
#endif
}

size_t subject_look_up_bytes(void)
{
#ifdef SUBJECT_HAS_HI
	struct io_tlb_mem *mem = &io_tlb_default_mem;
	const void *bytes[] = { &mem->nslabs[SWIOTLB_HI], &mem->defpool[SWIOTLB_LO].start,
				&mem->defpool[SWIOTLB_LO].end, &mem->force_bounce,
				&mem->for_alloc };
	size_t most = 0;

	for (int i = 0; i < ARRAY_SIZE(bytes); i++)
		most = max(most, (size_t)((uintptr_t)bytes[i] / SMP_CACHE_BYTES -
					  (uintptr_t)mem / SMP_CACHE_BYTES));
	return (most + 1) * SMP_CACHE_BYTES;
#else
	return SMP_CACHE_BYTES;
#endif
}

void subject_spoil_hi(void)
{
#ifdef SUBJECT_HAS_HI
	io_tlb_default_mem.defpool[SWIOTLB_HI].end = PHYS_ADDR_MAX;
#endif
}

const char *subject_pool_name(struct device *dev, phys_addr_t tlb)
{
#ifdef SUBJECT_HAS_NAME
	return swiotlb_pool_name(dev, tlb);
#else
	return NULL;
#endif
}

int subject_rmem_setup(struct reserved_mem *rmem)
{
	return sim_rmem_setup(rmem);
}

bool subject_has_dynamic(void)
{
	return IS_ENABLED(CONFIG_SWIOTLB_DYNAMIC);
}

void subject_add_pool(void)
{
#ifdef CONFIG_SWIOTLB_DYNAMIC
	swiotlb_dyn_alloc(&io_tlb_default_mem.dyn_alloc);
#endif
}

void subject_forbid_growth(bool forbid)
{
#ifdef CONFIG_SWIOTLB_DYNAMIC
	io_tlb_default_mem.can_grow = !forbid;
#endif
}

unsigned int subject_parse_warnings(const char *value, unsigned long nslabs[2],
				    unsigned long *nareas)
{
#ifdef SUBJECT_HAS_HI
	struct swiotlb_request req = { .nareas = ULONG_MAX };
	char copy[128];
	unsigned int warnings;

	memcpy(req.nslabs, default_nslabs, sizeof(req.nslabs));
	snprintf(copy, sizeof(copy), "%s", value);
	warnings = swiotlb_parse(copy, &req);
	nslabs[0] = req.nslabs[SWIOTLB_LO];
	nslabs[1] = req.nslabs[SWIOTLB_HI];
	*nareas = req.nareas;
	return warnings;
#else
	return 0;
#endif
}

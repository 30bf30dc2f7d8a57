// SPDX-License-Identifier: GPL-2.0
/* See steps.h. Each step is followed by a comparison with the model. */
#include "steps.h"
#include "model.h"

#define BUFFER_BYTES (288 * 1024ULL) /* each mapping has its own place */
#define MAX_LIVE 160
#define BUFFER_RAM (MAX_LIVE * BUFFER_BYTES)
#define NR_DEVICES 6

static const struct world {
	const char *param;
	bool xen, grows, filled;
	bool twice; /* swiotlb= is given twice, in ways of its own */
	unsigned int halved; /* how often the early allocator has too little for LO */
} worlds[STEPS_WORLDS] = {
	{ "512,1,force" },
	{ "1024,4,force" },
	{ "512,1" WITH_HI("1M") ",force" },
	{ "1024,4" WITH_HI("2M") ",force" },
	{ "512,2" WITH_HI("1M") },
	{ "512,1,force", .xen = true },
	{ "1024,2" WITH_HI("1M") ",force", .xen = true },
	{ "512,1" WITH_HI("2M"), .xen = true },
	{ "512,1,force", .grows = true },
	{ "512,2" WITH_HI("1M") ",force", .grows = true },
	{ "8192,1,force", .filled = true },
	{ "16384,1" WITH_HI("20M") ",force", .filled = true },
	{ "8192,4" WITH_HI("34M") ",force", .filled = true },
	{ .twice = true, .grows = true },
	{ .twice = true, .grows = true, .halved = 1 },
};

/* The number of areas comes from one of these, and the size from one of the next. */
static const char *const firsts[] = { "65536,4", "1024,8", "2048,16", "512,2" };
static const char *const seconds[] = {
	"1100,force",
	"1024,force",
	"900," WITH_HI("1M") ",force",
	"2048,force",
};

static const unsigned char mask_bits[] = { 32, 64, 36, 40, 33, 64 };

static struct device devices[NR_DEVICES];
static unsigned int mappings_of[NR_DEVICES];
static struct mapping *live[MAX_LIVE];
static unsigned int nr_live;
static phys_addr_t buffers[2]; /* low and high memory */
static bool place_used[MAX_LIVE];
static int place_of[MODEL_MAX_MAPS];
static const struct world *world;

/* What stays free of a large pool: in most segments nothing but an odd slot */
static bool stays_free(unsigned long slot, u8 which)
{
	unsigned long segment = slot / IO_TLB_SEGSIZE + which;

	slot %= IO_TLB_SEGSIZE;
	if (segment % 50 == 5)
		return slot >= segment % 64;
	if (segment % 50 == 30)
		return slot % 32 > 28;
	return slot == 1 || slot == 2 * (segment % 62) + 3;
}

/* Somebody else has most of a pool: a search has to go far, and often in vain. */
static void fill_pool(const struct subject_pool *pool, u8 which)
{
	phys_addr_t buffer = sim_alloc_at(0, SZ_4G, PAGE_SIZE, PAGE_SIZE);
	struct device others;

	sim_device(&others, "others", DMA_BIT_MASK(pool->type == SWIOTLB_LO ? 32 : 64));
	for (unsigned long slot = 0; slot < pool->nslabs; slot++)
		CHECK(swiotlb_tbl_map_single(&others, buffer, 1, 0, DMA_TO_DEVICE, 0) !=
		      (phys_addr_t)DMA_MAPPING_ERROR);
	for (unsigned long slot = 0; slot < pool->nslabs; slot++)
		if (stays_free(slot, which))
			swiotlb_tbl_unmap_single(&others, pool->start + slot * SLAB, 1,
						 DMA_TO_DEVICE, 0);
}

static void boot_twice(const struct sim_machine *ram, u8 how)
{
	struct sim_machine machine = *ram;
	char value[32];

	test_boot(&machine, firsts[how % ARRAY_SIZE(firsts)]);
	snprintf(value, sizeof(value), "%s",
		 seconds[how / ARRAY_SIZE(firsts) % ARRAY_SIZE(seconds)]);
	subject_param(value);
}

static void begin(u8 which)
{
	static const struct hyp_machine machine = { .low_heap = 16 * MB, .high_heap = 16 * MB };
	struct hyp_machine hyp = machine;

	world = &worlds[which % STEPS_WORLDS];
	if (world->xen) {
		hyp.layout = which / STEPS_WORLDS % HYP_LAYOUTS;
		test_boot_xen(160 * MB, &hyp, world->param);
		subject_early(true, 0);
	} else {
		struct sim_machine ram;

		test_machine(&ram, world->filled ? 128 * MB : 64 * MB,
			     world->filled ? 128 * MB : 64 * MB, 3);
		ram.dirty = true;
		if (world->twice)
			boot_twice(&ram, which / STEPS_WORLDS);
		else
			test_boot(&ram, world->param);
		sim_fail(SIM_FAIL_MEMBLOCK, 1, world->halved);
		subject_early(false, 0);
		sim_fail(SIM_FAIL_MEMBLOCK, 0, 0);
	}
	subject_late_files();
	sim_use_cpu(0);
	for (int type = 0; world->filled && type < SUBJECT_TYPES; type++) {
		struct subject_pool pool = test_pool(type);

		fill_pool(&pool, which);
	}
	model_begin(world->xen);
	if (world->filled)
		model_adopt();
	model.grows = world->grows && subject_has_dynamic();
	subject_forbid_growth(!model.grows);

	buffers[0] = sim_alloc_at(0, SZ_4G, BUFFER_RAM, PAGE_SIZE);
	buffers[1] = sim_alloc_at(SZ_4G, PHYS_ADDR_MAX, BUFFER_RAM, PAGE_SIZE);
	if (!buffers[1])
		buffers[1] = sim_alloc_at(0, PHYS_ADDR_MAX, BUFFER_RAM, PAGE_SIZE);
	if (!buffers[1])
		buffers[1] = buffers[0];
	CHECK(buffers[0]);
	nr_live = 0;
	memset(place_used, 0, sizeof(place_used));
	memset(mappings_of, 0, sizeof(mappings_of));
	for (int i = 0; i < NR_DEVICES; i++) {
		sim_device(&devices[i], "device", DMA_BIT_MASK(mask_bits[i]));
		if (i == 1 || i == 3)
			devices[i].min_align_mask = 0xfff;
		if (i == 4)
			devices[i].seg_boundary = 0xffff;
	}
	sim_use_cpu(0);
}

static void map(unsigned int d, size_t wish, unsigned int offset, unsigned int how)
{
	static const size_t largest[] = { 512, 2048, 2048, 4096, 4096, 16384, 65536, 270000 };
	struct device *dev = &devices[d];
	size_t size = wish % largest[how & 7] + 1;
	unsigned int place = 0;
	struct mapping *m;

	if (nr_live == MAX_LIVE)
		return;
	while (place_used[place])
		place++;
	m = model_map(dev, buffers[how >> 3 & 1] + place * BUFFER_BYTES + 4096 + offset % 8192,
		      size, (how >> 4) % 3, DMA_ATTR_NO_WARN);
	if (!m)
		return;
	model_check_segments(m);
	place_used[place] = true;
	place_of[m - model.maps] = place;
	live[nr_live++] = m;
	mappings_of[d]++;
}

static void unmap(unsigned int which, bool skip)
{
	struct mapping *m = live[which];

	place_used[place_of[m - model.maps]] = false;
	mappings_of[m->dev - devices]--;
	live[which] = live[--nr_live];
	model_unmap(m, skip ? DMA_ATTR_SKIP_CPU_SYNC : 0);
}

/* What may be done to a device that has no mappings */
static void change_device(unsigned int d, unsigned int how)
{
	static const unsigned char bits[] = { 32, 33, 36, 40, 48, 64 };
	static const u32 aligns[] = { 0, 0x1ff, 0x7ff, 0xfff };
	static const unsigned long boundaries[] = { ~0UL, 0xffffffff, 0x3ffff, 0xffff };

	if (mappings_of[d])
		return;
	devices[d].dma_mask_value = DMA_BIT_MASK(bits[how % ARRAY_SIZE(bits)]);
	devices[d].min_align_mask = aligns[how / 8 % 4];
	devices[d].seg_boundary = boundaries[how / 32 % 4];
}

static void other(u8 what, unsigned int arg)
{
	switch (what % 8) {
	case 0:
		sim_use_cpu(arg % 3);
		break;
	case 1:
		if (!sim_file_set("/swiotlb/lo/used_hiwater", 0))
			model.hiwater[SWIOTLB_LO] = model_reset_hiwater(model.used[SWIOTLB_LO]);
		break;
	case 2:
		if (!sim_file_set("/swiotlb/hi/used_hiwater", 0))
			model.hiwater[SWIOTLB_HI] = model_reset_hiwater(model.used[SWIOTLB_HI]);
		break;
	case 3:
		if (!sim_file_set("/swiotlb/io_tlb_used_hiwater", 0))
			model.all_hiwater = model_reset_hiwater(model.used[0] + model.used[1]);
		break;
	case 4:
		sim_fail(SIM_FAIL_PAGES, arg % 4, arg % 3);
		break;
	case 5:
		sim_fail(SIM_FAIL_SLAB, arg % 4, arg % 3);
		break;
	default:
		/* Growth, at most so far that the model can follow */
		if (model.nr_pools < 8)
			sim_run_deferred();
		model_look(NULL);
	}
}

static void step(const u8 *b)
{
	unsigned int x = b[2] | b[3] << 8, y = b[4] | b[5] << 8, which;
	struct mapping *m;
	size_t from, len;

	if (b[0] % 16 < 6) {
		map(b[1] % NR_DEVICES, x * 5, y, b[6]);
		return;
	}
	if (b[0] % 16 == 14) {
		change_device(b[1] % NR_DEVICES, x);
		return;
	}
	if (b[0] % 16 == 15) {
		other(b[1], x);
		return;
	}
	if (!nr_live)
		return;
	which = (b[1] | b[7] << 8) % nr_live;
	m = live[which];
	from = x * 5 % m->size;
	len = y * 5 % (m->size - from) + 1;
	switch (b[0] % 16) {
	case 10:
		model_sync_for_cpu(m, from, len);
		break;
	case 11:
		model_sync_for_device(m, from, len);
		break;
	case 12:
		model_cpu_writes(m, from, len, b[6]);
		break;
	case 13:
		model_device_writes(m, from, len, b[6]);
		break;
	default:
		unmap(which, b[6] & 1);
	}
}

unsigned long steps_run(const u8 *bytes, size_t len)
{
	unsigned long n = 0;
	u64 before;

	if (!len)
		return 0;
	begin(*bytes);
	before = sim_allocated();
	for (bytes++, len--; len >= STEP_BYTES; bytes += STEP_BYTES, len -= STEP_BYTES) {
		step(bytes);
		model_check(++n % 64 == 0);
	}
	sim_fail(SIM_FAIL_PAGES, 0, 0);
	sim_fail(SIM_FAIL_SLAB, 0, 0);
	while (nr_live)
		unmap(nr_live - 1, false);
	model_check(true);
	sim_run_deferred();
	if (world->xen)
		hyp_check();
	CHECK(!sim_warnings(), "%u warnings", sim_warnings());
	if (!model.grows)
		CHECK_EQ(sim_allocated(), before);
	return n;
}

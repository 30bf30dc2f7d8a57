/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The model machine, the model hypervisor and the code under test, as tests see
 * them. Include shim.h first.
 *
 * The machine is one process: physical memory is a sparse mapping, CPUs are
 * threads, and what the kernel would wait for (RCU, work) runs when a test says
 * so. Its clock is the number of calls: the n-th of a kind can be told to fail.
 */
#ifndef SIM_H
#define SIM_H

#define SIM_MAX_RANGES 4
#define SIM_MAX_CPUS 16

/* What a machine is made of. All sizes in bytes. */
struct sim_machine {
	struct range ram[SIM_MAX_RANGES]; /* end exclusive; in order */
	unsigned int cpus;
	bool dirty; /* fresh memory holds SIM_SECRET, not zeros */
	phys_addr_t highmem; /* memory from here on has no address, if not 0 */
};

/* The byte that no device must ever see */
#define SIM_SECRET 0xee

void sim_boot(const struct sim_machine *machine);
void *sim_map_sparse(u64 bytes); /* zeros; host memory is taken for what is touched */
void sim_use_cpu(int cpu); /* which one the calling thread is */

/* Bytes that were allocated and not freed: by memblock and as pages; by slab */
u64 sim_allocated(void);
u64 sim_slab_allocated(void);
extern u64 sim_reserved_elsewhere; /* memblock.reserved, and not memory */
extern phys_addr_t sim_not_scanned; /* what kmemleak ignores, if not 0 */
extern bool sim_kdump; /* is_kdump_kernel() */
bool sim_range_is_free(phys_addr_t start, u64 bytes);
/* What a kmalloc() of pages or a driver would get: for buffers of tests */
phys_addr_t sim_alloc_at(phys_addr_t start, phys_addr_t end, u64 bytes, u64 align);
void sim_free(phys_addr_t start, u64 bytes);
void sim_copy_from_phys(void *to, phys_addr_t from, size_t len);
void sim_copy_to_phys(phys_addr_t to, const void *from, size_t len);

/* Faults: from the nth call of a kind on, counted from 1, @count calls fail. */
enum sim_fault {
	SIM_FAIL_MEMBLOCK,
	SIM_FAIL_PAGES,
	SIM_FAIL_SLAB,
	SIM_FAIL_DECRYPT,
	SIM_FAIL_ENCRYPT,
	SIM_FAIL_EXCHANGE,
	SIM_FAULTS,
};

void sim_fail(enum sim_fault what, unsigned int nth, unsigned int count);
unsigned int sim_calls(enum sim_fault what); /* since sim_fail() or boot */
bool sim_fault(enum sim_fault what); /* for the model itself */

/*
 * What other CPUs do meanwhile: as soon as readers find an entry more, under the locks of
 * who lists it; when somebody begins to wait for readers.
 */
extern void (*sim_listed_hook)(void);
extern void (*sim_wait_hook)(void);

/* Work and RCU callbacks that are due */
void sim_run_deferred(void);
bool sim_work_pending(void);
void sim_cancel_work(void);

/* Messages */
bool sim_log_has(const char *text);
unsigned int sim_log_count(const char *text);
void sim_log_clear(void);
void sim_log_dump(void);
unsigned int sim_warnings(void); /* WARN()s since boot */
void sim_forgive_warnings(void);
void sim_error(const char *fmt, ...); /* the model found a misuse */

/* Files below debugfs; -ENOENT if there is none */
int sim_file_get(const char *path, u64 *val);
int sim_file_set(const char *path, u64 val);
int sim_file_show(const char *path, char *text, size_t len);
int sim_file_mode(const char *path);

/* Memory encryption */
extern bool sim_encrypted; /* cc_platform_has() */
extern u64 sim_decrypted_bytes;
extern unsigned int sim_secrets_shown; /* what held SIM_SECRET when it was decrypted */
u64 sim_decrypted(phys_addr_t start, u64 bytes); /* how many of these */
extern bool sim_kmalloc_bounces; /* dma_kmalloc_needs_bounce() */
extern const char *sim_rmem_property; /* that the device tree node has */
extern u64 sim_unpoisoned_bytes; /* KMSAN is told that a device wrote them */

/* What the caches were last told of, and how often */
struct sim_cache_sync {
	unsigned int count;
	bool for_device;
	phys_addr_t phys;
	size_t size;
	int dir;
	u8 first; /* byte in memory at that time */
};

extern struct sim_cache_sync sim_cache_sync;
/* The last trace event of the thread, as it is printed, while sim_tracing is true */
const char *sim_last_trace(void);
/* Where dma_alloc_from_pool() takes its pages from, if anywhere */
extern bool sim_atomic_pool;

/* Time with interrupts off in any thread; the hook is for measurements. */
extern void (*sim_irq_hook)(bool off);

void sim_device(struct device *dev, const char *name, u64 mask);
/* The device reads or writes memory by bus address; false if it cannot. */
bool sim_dma_read(struct device *dev, dma_addr_t addr, void *to, size_t len);
bool sim_dma_write(struct device *dev, dma_addr_t addr, const void *from, size_t len);

/* Hypervisor */

/* How the machine memory of a domain lies, see hypervisor.c */
enum hyp_layout {
	HYP_IDENTITY,
	HYP_ODD,
	HYP_REVERSED,
	HYP_SCATTERED,
	HYP_LOW_IN_MIDDLE,
	HYP_LAYOUTS,
	/* For one test only */
	HYP_HALVES = HYP_LAYOUTS,
};

struct hyp_machine {
	enum hyp_layout layout;
	u64 low_heap, high_heap; /* bytes that the hypervisor has left */
	bool fragmented; /* no extent of a segment in the heap */
	bool domain_high; /* the domain has no low memory to begin with */
	u64 machine; /* all its memory, at most 4 TiB; the domain's is at the top */
};

extern bool sim_xen;
void hyp_boot(const struct sim_machine *machine, const struct hyp_machine *hyp);
void hyp_check(void); /* every machine page has one owner */
u64 hyp_heap_bytes(bool low);
unsigned long hyp_exchanges(void);
/* Other frames for some of the domain's pages, the highest of the heap: in reverse order */
void hyp_replace(unsigned long pfn, unsigned long pages, unsigned int address_bits);
void hyp_move(u64 machine); /* to a machine with so much memory */
void hyp_resume(void); /* the domain is told that it was saved and restored */
void hyp_map_foreign(unsigned long pfn, unsigned long pages, unsigned long theirs);
void hyp_unmap_foreign(unsigned long pfn, unsigned long pages);
unsigned long hyp_mfn(unsigned long pfn);
unsigned long hyp_pfn(unsigned long mfn);

/* The code under test: subject-swiotlb.c and subject-xen.c */

struct subject_pool {
	phys_addr_t start, end;
	struct range bus;
	unsigned long nslabs;
	unsigned int nareas, area_nslabs;
	int type;
	bool transient, added; /* added: grown, transient or restricted */
	void *raw;
};

#ifdef SUBJECT_HAS_HI
#define SUBJECT_TYPES SWIOTLB_MAX
#else
#define SUBJECT_TYPES 1
enum { SWIOTLB_LO, SWIOTLB_HI, SWIOTLB_MAX };
#endif

void subject_reset(void);
int subject_param(char *value);
void subject_early(bool xen, unsigned int flags);
void subject_late_files(void);
unsigned long subject_request(int type); /* slabs asked for */
unsigned long subject_areas(void);
void subject_set_areas(unsigned int nareas); /* wrong ones too */
bool subject_forced(void);
bool subject_disabled(void);
unsigned long subject_nslabs(int type);
/* The pools that a device may have mappings in; returns their number */
int subject_pools(struct device *dev, struct subject_pool *pools, int max);
bool subject_slot_free(const struct subject_pool *pool, unsigned long slot);
/*
 * What the bookkeeping says, against what follows from the free slots: of the
 * segments from @first to @last, and of the areas and all above if @whole.
 */
const char *subject_inconsistent(const struct subject_pool *pool, unsigned long first,
				 unsigned long last, bool whole);
unsigned long subject_used(int type);
u64 subject_bounced_bytes(int type);
bool subject_uses_hi(struct device *dev);
void subject_recheck_pools(bool (*recheck)(phys_addr_t start, unsigned long nslabs,
					   unsigned int bits, struct range *bus));
u64 subject_bus_limit(int type);
/* Bytes of bookkeeping: of a slot; of all of a pool, as the early allocator gave it */
size_t subject_slot_bytes(void);
u64 subject_overhead(const struct subject_pool *pool);
int subject_late(size_t size, gfp_t gfp);
extern const struct dma_map_ops *subject_xen_ops;
void subject_xen_init(void);
int subject_rmem_setup(struct reserved_mem *rmem);
unsigned int subject_parse_warnings(const char *value, unsigned long nslabs[2],
				    unsigned long *nareas);
/* Bytes from the first to the last that tell whether an address is bounced, without HI */
size_t subject_look_up_bytes(void);
/* What is not to be looked at without HI: if it is, every address is found there. */
void subject_spoil_hi(void);
/* What the trace event calls the pool of a mapping; NULL if it does not */
const char *subject_pool_name(struct device *dev, phys_addr_t tlb);
bool subject_has_dynamic(void);
void subject_add_pool(void); /* what growth adds */
void subject_forbid_growth(bool forbid);

#endif /* SIM_H */

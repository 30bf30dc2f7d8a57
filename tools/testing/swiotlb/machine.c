// SPDX-License-Identifier: GPL-2.0
/*
 * The model machine: memory and its allocators, CPUs, locks, RCU, work,
 * messages, files, devices.
 *
 * Memory is one sparse mapping in which an address is the base plus the
 * physical address, so that any size can be had. What is free is one sorted list
 * of ranges, for the early and for the page allocator; freeing what is not
 * allocated, sleeping where that is not allowed and the like are errors of the
 * code under test and end the test.
 */
#define _GNU_SOURCE
#include "shim.h"
#include "sim.h"

#include <linux/dma-direct.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>

static struct sim_machine machine;
static char *memory; /* host address of physical address 0 */
static u64 memory_span;
static char *highmem; /* the same for memory without address */
static u64 highmem_span;
static struct page *page_map;
static size_t page_map_bytes;

static pthread_mutex_t model_lock = PTHREAD_MUTEX_INITIALIZER;

u64 zone_dma_limit = SZ_16M - 1;
unsigned long min_low_pfn;
bool sim_encrypted, sim_kmalloc_bounces, sim_atomic_pool;
const char *sim_rmem_property;
u64 sim_decrypted_bytes;
struct sim_cache_sync sim_cache_sync;
bool sim_tracing;
void (*sim_irq_hook)(bool off);
void (*sim_listed_hook)(void);
void (*sim_wait_hook)(void);
u64 sim_unpoisoned_bytes;
u64 sim_reserved_elsewhere;
phys_addr_t sim_not_scanned;
bool sim_kdump;

/* Sums of what areas count are read without their locks, and may be a moment old. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:mem_pool_used\n";
}

/* What is not freed, tests compare themselves. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

/* Errors and messages */

static char messages[1 << 16];
static size_t messages_len;
static unsigned int warnings;

void sim_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("# error: ");
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	abort();
}

void sim_bug(const char *file, int line, const char *what)
{
	sim_error("BUG_ON(%s) at %s:%d", what, file, line);
}

void sim_warn(const char *file, int line, const char *what)
{
	sim_printk("WARN", "%s at %s:%d\n", what, file, line);
}

/* One conversion of a kernel's format, with %pa and %pad for addresses */
static int format_one(char *to, size_t len, const char *spec, va_list *args)
{
	size_t n = strlen(spec);
	char conv = spec[n - 1];
	int longs = 0;
	bool size = false;

	for (size_t i = 0; i < n; i++) {
		longs += spec[i] == 'l';
		size |= spec[i] == 'z';
	}
	if (strchr(spec, '*'))
		sim_error("format %s is not modelled", spec);
	if (conv == '%')
		return snprintf(to, len, "%%");
	if (conv == 's')
		return snprintf(to, len, spec, va_arg(*args, const char *));
	if (conv == 'p')
		return snprintf(to, len, spec, va_arg(*args, void *));
	if (size)
		return snprintf(to, len, spec, va_arg(*args, size_t));
	if (longs == 2)
		return snprintf(to, len, spec, va_arg(*args, u64));
	if (longs == 1)
		return snprintf(to, len, spec, va_arg(*args, unsigned long));
	return snprintf(to, len, spec, va_arg(*args, unsigned int));
}

/* Appends to the @len bytes of a line of @size; returns its length. */
static size_t format(char *line, size_t size, size_t len, const char *fmt, va_list *args)
{
	while (*fmt && len < size - 1) {
		char spec[16];
		size_t n = 0;

		if (*fmt != '%') {
			line[len++] = *fmt++;
			continue;
		}
		if (!strncmp(fmt, "%pad", 4) || !strncmp(fmt, "%pa", 3)) {
			len += snprintf(line + len, size - len, "0x%016llx", *va_arg(*args, u64 *));
			fmt += fmt[3] == 'd' ? 4 : 3;
			continue;
		}
		spec[n++] = *fmt++;
		while (*fmt && n < sizeof(spec) - 1) {
			spec[n++] = *fmt++;
			if (strchr("%sdiuxXpc", spec[n - 1]))
				break;
		}
		spec[n] = '\0';
		len += format_one(line + len, size - len, spec, args);
	}
	return min(len, size - 2);
}

int sim_printk(const char *level, const char *fmt, ...)
{
	char line[512];
	size_t len;
	va_list args;

	len = snprintf(line, sizeof(line), "%s: ", level);
	va_start(args, fmt);
	len = format(line, sizeof(line), len, fmt, &args);
	va_end(args);
	if (line[len - 1] != '\n')
		line[len++] = '\n';
	line[len] = '\0';

	pthread_mutex_lock(&model_lock);
	warnings += !strcmp(level, "WARN");
	if (messages_len + len >= sizeof(messages))
		messages_len = 0;
	memcpy(messages + messages_len, line, len + 1);
	messages_len += len;
	pthread_mutex_unlock(&model_lock);
	return 0;
}

static __thread char last_trace[256];

void sim_trace(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	last_trace[format(last_trace, sizeof(last_trace), 0, fmt, &args)] = '\0';
	va_end(args);
}

const char *sim_last_trace(void)
{
	return last_trace;
}

unsigned int sim_log_count(const char *text)
{
	unsigned int n = 0;

	for (const char *p = messages; (p = strstr(p, text)); p++)
		n++;
	return n;
}

bool sim_log_has(const char *text)
{
	return strstr(messages, text);
}

void sim_log_clear(void)
{
	messages[0] = '\0';
	messages_len = 0;
}

void sim_log_dump(void)
{
	for (char *p = messages; *p; p++) {
		if (p == messages || p[-1] == '\n')
			printf("#   ");
		putchar(*p);
	}
	fflush(stdout);
}

unsigned int sim_warnings(void)
{
	return warnings;
}

void sim_forgive_warnings(void)
{
	warnings = 0;
}

/* Faults */

static struct {
	unsigned int calls, first, count;
} faults[SIM_FAULTS];

void sim_fail(enum sim_fault what, unsigned int nth, unsigned int count)
{
	faults[what].calls = 0;
	faults[what].first = nth;
	faults[what].count = count;
}

unsigned int sim_calls(enum sim_fault what)
{
	return faults[what].calls;
}

bool sim_fault(enum sim_fault what)
{
	unsigned int n = __atomic_add_fetch(&faults[what].calls, 1, __ATOMIC_RELAXED);

	return faults[what].first && n >= faults[what].first &&
	       n - faults[what].first < faults[what].count;
}

/* CPUs, interrupts and locks */

static __thread int this_cpu;
static __thread unsigned int irqs_off, locks_held;

void sim_use_cpu(int cpu)
{
	this_cpu = cpu;
}

int raw_smp_processor_id(void)
{
	return this_cpu;
}

unsigned int num_possible_cpus(void)
{
	return machine.cpus;
}

void sim_barrier(void)
{
#ifdef __SANITIZE_THREAD__
	/* Fences are not followed by the sanitizer: an exchange is one, too. */
	static int fence;

	__atomic_exchange_n(&fence, 0, __ATOMIC_SEQ_CST);
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

static void may_sleep(const char *what)
{
	if (irqs_off || locks_held)
		sim_error("%s may sleep, with interrupts off or a lock held", what);
}

unsigned long sim_irq_save(void)
{
	if (!irqs_off++ && sim_irq_hook)
		sim_irq_hook(true);
	return irqs_off - 1;
}

void sim_irq_restore(unsigned long flags)
{
	if (flags != irqs_off - 1)
		sim_error("interrupts are restored out of order");
	irqs_off = flags;
	if (!irqs_off && sim_irq_hook)
		sim_irq_hook(false);
}

void spin_lock_init(spinlock_t *lock)
{
	__atomic_store_n(&lock->locked, 0, __ATOMIC_RELAXED);
	lock->irqs_on = 0;
	lock->irqs_off = 0;
}

void spin_lock(spinlock_t *lock)
{
	unsigned long spins = 0;

	while (__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE)) {
		if (++spins > 50000000)
			sim_error("a lock is not released");
		sched_yield();
	}
	locks_held++;
#ifndef NDEBUG
	if (irqs_off)
		lock->irqs_off = 1;
	else
		lock->irqs_on = 1;
	if (lock->irqs_on && lock->irqs_off)
		sim_error("a lock is taken with interrupts on, and could be wanted by one");
#endif
}

void spin_unlock(spinlock_t *lock)
{
	if (!__atomic_load_n(&lock->locked, __ATOMIC_RELAXED) || !locks_held)
		sim_error("a lock is released that is not held");
	locks_held--;
	__atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
}

/* RCU: a flag per CPU says that it reads. */

static struct {
	int nesting;
	char pad[60];
} rcu_readers[SIM_MAX_CPUS];
static struct rcu_head *rcu_callbacks;

void rcu_read_lock(void)
{
	int *nesting = &rcu_readers[this_cpu].nesting;

	__atomic_store_n(nesting, *nesting + 1, __ATOMIC_SEQ_CST);
}

void rcu_read_unlock(void)
{
	int *nesting = &rcu_readers[this_cpu].nesting;

	if (*nesting <= 0)
		sim_error("a reader ends that did not begin");
	__atomic_store_n(nesting, *nesting - 1, __ATOMIC_SEQ_CST);
}

#undef sim_rcu_reads
void sim_rcu_reads(void)
{
	if (rcu_readers[this_cpu].nesting <= 0)
		sim_error("a list is read outside of a reader");
}

#undef sim_rcu_listed
void sim_rcu_listed(void)
{
	if (sim_listed_hook)
		sim_listed_hook();
}

void synchronize_rcu(void)
{
	may_sleep("waiting for readers");
	if (rcu_readers[this_cpu].nesting)
		sim_error("waiting for readers within a reader");
	if (sim_wait_hook)
		sim_wait_hook();
	for (int i = 0; i < SIM_MAX_CPUS; i++)
		while (i != this_cpu && __atomic_load_n(&rcu_readers[i].nesting, __ATOMIC_SEQ_CST))
			sched_yield();
}

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	pthread_mutex_lock(&model_lock);
	head->func = func;
	head->next = rcu_callbacks;
	rcu_callbacks = head;
	pthread_mutex_unlock(&model_lock);
}

static struct work_struct *work_queue;

bool schedule_work(struct work_struct *work)
{
	bool queued = false;

	pthread_mutex_lock(&model_lock);
	if (!work->pending) {
		if (work_queue && work_queue != work)
			sim_error("only one kind of work is modelled");
		work->pending = true;
		queued = true;
		work_queue = work;
	}
	pthread_mutex_unlock(&model_lock);
	return queued;
}

bool cancel_work_sync(struct work_struct *work)
{
	bool was;

	pthread_mutex_lock(&model_lock);
	was = work->pending;
	work->pending = false;
	work_queue = NULL;
	pthread_mutex_unlock(&model_lock);
	return was;
}

void sim_cancel_work(void)
{
	if (work_queue)
		cancel_work_sync(work_queue);
}

bool sim_work_pending(void)
{
	return work_queue;
}

struct kfree_later {
	struct rcu_head rcu;
	void *ptr;
};

static void kfree_later(struct rcu_head *rcu)
{
	struct kfree_later *later = container_of(rcu, struct kfree_later, rcu);

	kfree(later->ptr);
	free(later);
}

void sim_kfree_rcu(void *ptr)
{
	struct kfree_later *later = malloc(sizeof(*later));

	later->ptr = ptr;
	call_rcu(&later->rcu, kfree_later);
}

void sim_run_deferred(void)
{
	struct work_struct *work;
	struct rcu_head *heads, *next;

	pthread_mutex_lock(&model_lock);
	work = work_queue;
	work_queue = NULL;
	if (work)
		work->pending = false;
	heads = rcu_callbacks;
	rcu_callbacks = NULL;
	pthread_mutex_unlock(&model_lock);

	if (work)
		work->func(work);
	if (heads)
		synchronize_rcu();
	for (; heads; heads = next) {
		next = heads->next;
		heads->func(heads);
	}
}

/* Files, by path */

struct dentry {
	char path[96];
};

static struct dentry dirs[64];
static unsigned int nr_dirs;
static struct {
	char path[128];
	umode_t mode;
	void *data;
	const struct file_operations *fops;
} files[256];
static unsigned int nr_files;

/* Memory */

#define PAGE_REMAPPED 1UL
#define PAGE_DECRYPTED 2UL

static struct range *free_ranges; /* sorted, end exclusive */
static unsigned int nr_free, max_free;
static u64 total_bytes, slab_bytes;

void *sim_map_sparse(u64 bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		sim_error("no address space for %llu MiB", bytes >> 20);
	return p;
}

static void insert_free(unsigned int at, u64 start, u64 end)
{
	if (nr_free == max_free) {
		max_free = max_free * 2 + 16;
		free_ranges = realloc(free_ranges, max_free * sizeof(*free_ranges));
	}
	memmove(free_ranges + at + 1, free_ranges + at, (nr_free - at) * sizeof(*free_ranges));
	free_ranges[at] = (struct range){ start, end };
	nr_free++;
}

static void remove_free(unsigned int at)
{
	nr_free--;
	memmove(free_ranges + at, free_ranges + at + 1, (nr_free - at) * sizeof(*free_ranges));
}

void sim_free(phys_addr_t start, u64 bytes)
{
	u64 end = start + bytes;
	unsigned int at = 0;

	if (!bytes)
		return;
	if (sim_decrypted_bytes && sim_decrypted(start, bytes))
		sim_error("memory at 0x%llx, %llu bytes, is freed and is decrypted", start, bytes);
	pthread_mutex_lock(&model_lock);
	while (at < nr_free && free_ranges[at].end <= start)
		at++;
	if (at < nr_free && free_ranges[at].start < end)
		sim_error("memory at 0x%llx, %llu bytes, is freed and was free", start, bytes);
	insert_free(at, start, end);
	if (at + 1 < nr_free && free_ranges[at + 1].start == end) {
		free_ranges[at].end = free_ranges[at + 1].end;
		remove_free(at + 1);
	}
	if (at && free_ranges[at - 1].end == start) {
		free_ranges[at - 1].end = free_ranges[at].end;
		remove_free(at);
	}
	pthread_mutex_unlock(&model_lock);
}

/* The highest or the lowest free place; 0 if there is none */
static phys_addr_t alloc_at(phys_addr_t start, phys_addr_t end, u64 bytes, u64 align, bool lowest)
{
	phys_addr_t found = 0;

	pthread_mutex_lock(&model_lock);
	for (unsigned int n = 0; n < nr_free && !found; n++) {
		unsigned int at = lowest ? n : nr_free - 1 - n;
		u64 from = max(free_ranges[at].start, start);
		u64 to = min(free_ranges[at].end, end);
		u64 place, old_end = free_ranges[at].end;

		if (to < bytes || to <= from)
			continue;
		place = lowest ? ALIGN(from, align) : ALIGN_DOWN(to - bytes, align);
		if (place < from || place > to - bytes)
			continue;
		found = place;
		if (old_end > place + bytes)
			insert_free(at + 1, place + bytes, old_end);
		free_ranges[at].end = place;
		if (free_ranges[at].start == place)
			remove_free(at);
	}
	pthread_mutex_unlock(&model_lock);
	return found;
}

phys_addr_t sim_alloc_at(phys_addr_t start, phys_addr_t end, u64 bytes, u64 align)
{
	return alloc_at(start, end, bytes, align, false);
}

u64 sim_allocated(void)
{
	u64 sum = 0;

	for (unsigned int i = 0; i < nr_free; i++)
		sum += free_ranges[i].end - free_ranges[i].start;
	return total_bytes - sum;
}

u64 sim_slab_allocated(void)
{
	return slab_bytes;
}

bool sim_range_is_free(phys_addr_t start, u64 bytes)
{
	for (unsigned int i = 0; i < nr_free; i++)
		if (start >= free_ranges[i].start && start + bytes <= free_ranges[i].end)
			return true;
	return false;
}

/*
 * Page faults would take most of the time: a small machine is touched nearly all at each
 * boot, so give it large pages, and keep what the tests free.
 */
static void avoid_page_faults(void)
{
	for (int i = 0; i < SIM_MAX_RANGES && total_bytes <= SZ_1M << 10; i++) {
		u64 start = machine.ram[i].start, end = min_t(u64, machine.ram[i].end, memory_span);

		if (start < end)
			madvise(memory + start, end - start, MADV_HUGEPAGE);
	}
	mallopt(M_MMAP_THRESHOLD, SZ_1M << 10);
	mallopt(M_TRIM_THRESHOLD, SZ_1M << 10);
}

void sim_boot(const struct sim_machine *m)
{
	u64 top = 0;

	if (memory)
		munmap(memory, memory_span);
	if (highmem)
		munmap(highmem, highmem_span);
	if (page_map)
		munmap(page_map, page_map_bytes);
	machine = *m;
	nr_free = 0;
	total_bytes = 0;
	slab_bytes = 0;
	memory_span = 0;
	highmem = NULL;
	for (int i = 0; i < SIM_MAX_RANGES && machine.ram[i].end; i++) {
		/* Page 0 is nobody's: an address of 0 means none. */
		u64 start = max_t(u64, machine.ram[i].start, PAGE_SIZE);

		top = machine.ram[i].end;
		insert_free(nr_free, start, top);
		total_bytes += top - start;
		if (!machine.highmem || top <= machine.highmem)
			memory_span = top;
	}
	if (machine.highmem) {
		highmem_span = top - machine.highmem;
		highmem = sim_map_sparse(highmem_span);
	}
	memory = sim_map_sparse(memory_span);
	avoid_page_faults();
	page_map_bytes = (top >> PAGE_SHIFT) * sizeof(struct page);
	page_map = sim_map_sparse(page_map_bytes);

	sim_reserved_elsewhere = 0;
	sim_not_scanned = 0;
	sim_kdump = false;
	memset(faults, 0, sizeof(faults));
	memset(rcu_readers, 0, sizeof(rcu_readers));
	rcu_callbacks = NULL;
	work_queue = NULL;
	sim_log_clear();
	warnings = 0;
	sim_encrypted = false;
	sim_kmalloc_bounces = false;
	sim_atomic_pool = false;
	sim_decrypted_bytes = 0;
	memset(&sim_cache_sync, 0, sizeof(sim_cache_sync));
	sim_tracing = false;
	sim_rmem_property = NULL;
	sim_irq_hook = NULL;
	sim_listed_hook = NULL;
	sim_wait_hook = NULL;
	sim_unpoisoned_bytes = 0;
	memblock_set_bottom_up(false);
	irqs_off = 0;
	locks_held = 0;
	sim_xen = false;
	nr_dirs = 0;
	nr_files = 0;
	subject_reset();
}

void *sim_high_memory(void)
{
	return memory + memory_span;
}

void *phys_to_virt(phys_addr_t phys)
{
	return memory + phys;
}

phys_addr_t virt_to_phys(const void *virt)
{
	return (const char *)virt - memory;
}

struct page *pfn_to_page(unsigned long pfn)
{
	return page_map + pfn;
}

unsigned long page_to_pfn(const struct page *page)
{
	return page - page_map;
}

bool pfn_valid(unsigned long pfn)
{
	for (int i = 0; i < SIM_MAX_RANGES && machine.ram[i].end; i++)
		if (PFN_PHYS(pfn) >= machine.ram[i].start && PFN_PHYS(pfn) < machine.ram[i].end)
			return true;
	return false;
}

bool PageHighMem(const struct page *page)
{
	return machine.highmem && PFN_PHYS(page_to_pfn(page)) >= machine.highmem;
}

void SetPageXenRemapped(struct page *page)
{
	page->flags |= PAGE_REMAPPED;
}

bool TestClearPageXenRemapped(struct page *page)
{
	bool was = page->flags & PAGE_REMAPPED;

	page->flags &= ~PAGE_REMAPPED;
	return was;
}

static char *host(phys_addr_t phys)
{
	if (machine.highmem && phys >= machine.highmem)
		return highmem + (phys - machine.highmem);
	if (phys >= memory_span)
		sim_error("there is no memory at 0x%llx", phys);
	return memory + phys;
}

void sim_copy_from_phys(void *to, phys_addr_t from, size_t len)
{
	memcpy(to, host(from), len);
}

void sim_copy_to_phys(phys_addr_t to, const void *from, size_t len)
{
	memcpy(host(to), from, len);
}

#undef memcpy_from_page
#undef memcpy_to_page

void memcpy_from_page(char *to, struct page *page, size_t offset, size_t len)
{
	if (offset + len > PAGE_SIZE)
		sim_error("a copy crosses the end of a page that is mapped alone");
	sim_copy_from_phys(to, page_to_phys(page) + offset, len);
}

void memcpy_to_page(struct page *page, size_t offset, const char *from, size_t len)
{
	if (offset + len > PAGE_SIZE)
		sim_error("a copy crosses the end of a page that is mapped alone");
	sim_copy_to_phys(page_to_phys(page) + offset, from, len);
}

#undef kmsan_unpoison_memory
void kmsan_unpoison_memory(const void *addr, size_t size)
{
	__atomic_add_fetch(&sim_unpoisoned_bytes, size, __ATOMIC_RELAXED);
}

static void fill_fresh(phys_addr_t start, u64 bytes, bool zero)
{
	if (zero)
		memset(host(start), 0, bytes);
	else if (machine.dirty)
		memset(host(start), SIM_SECRET, bytes);
}

/* The early allocator */

static bool bottom_up;

bool memblock_bottom_up(void)
{
	return bottom_up;
}

void memblock_set_bottom_up(bool enable)
{
	bottom_up = enable;
}

static void *memblock_take(phys_addr_t size, phys_addr_t align, phys_addr_t end, bool zero)
{
	phys_addr_t start;

	may_sleep("memblock");
	if (sim_fault(SIM_FAIL_MEMBLOCK))
		return NULL;
	start = alloc_at(0, min_t(phys_addr_t, end, memory_span), size, align, bottom_up);
	if (!start)
		return NULL;
	fill_fresh(start, size, zero);
	return phys_to_virt(start);
}

void *memblock_alloc(phys_addr_t size, phys_addr_t align)
{
	return memblock_take(size, align, PHYS_ADDR_MAX, true);
}

void *memblock_alloc_raw(phys_addr_t size, phys_addr_t align)
{
	return memblock_take(size, align, PHYS_ADDR_MAX, false);
}

void *memblock_alloc_try_nid_raw(phys_addr_t size, phys_addr_t align, phys_addr_t from,
				 phys_addr_t to, int nid)
{
	return memblock_take(size, align, to ? to + 1 : PHYS_ADDR_MAX, false);
}

void *memblock_alloc_low(phys_addr_t size, phys_addr_t align)
{
	return memblock_take(size, align, SZ_4G, true);
}

phys_addr_t memblock_phys_alloc_range(phys_addr_t size, phys_addr_t align, phys_addr_t start,
				      phys_addr_t end)
{
	phys_addr_t found;

	if (sim_fault(SIM_FAIL_MEMBLOCK))
		return 0;
	if (!end || end > memory_span)
		end = memory_span;
	found = start < end ? alloc_at(start, end, size, align, bottom_up) : 0;
	if (found)
		fill_fresh(found, size, false);
	return found;
}

void kmemleak_ignore_phys(phys_addr_t phys)
{
	if (sim_not_scanned)
		sim_error("kmemleak is told twice");
	sim_not_scanned = phys;
}

void memblock_free(void *virt, size_t size)
{
	sim_free(virt_to_phys(virt), size);
}

void memblock_free_late(phys_addr_t base, phys_addr_t size)
{
	sim_free(base, size);
}

phys_addr_t memblock_phys_mem_size(void)
{
	return total_bytes;
}

phys_addr_t memblock_reserved_size(void)
{
	return sim_allocated() + sim_reserved_elsewhere;
}

bool sim_free_range(u64 *i, phys_addr_t *start, phys_addr_t *end)
{
	if (*i >= nr_free)
		return false;
	*start = free_ranges[*i].start;
	*end = free_ranges[*i].end;
	return true;
}

bool sim_free_range_reverse(u64 *i, phys_addr_t *start, phys_addr_t *end)
{
	if (*i >= nr_free)
		return false;
	*start = free_ranges[nr_free - 1 - *i].start;
	*end = free_ranges[nr_free - 1 - *i].end;
	return true;
}

/* The page allocator */

static struct page *no_pages(gfp_t gfp, unsigned int order)
{
	if (!(gfp & __GFP_NOWARN))
		sim_printk("warn", "page allocation failure: order:%u\n", order);
	return NULL;
}

struct page *alloc_pages(gfp_t gfp, unsigned int order)
{
	u64 bytes = PAGE_SIZE << order, end = memory_span;
	phys_addr_t start;

	if (gfpflags_allow_blocking(gfp))
		may_sleep("an allocation of pages with GFP_KERNEL");
	if (order > MAX_PAGE_ORDER || sim_fault(SIM_FAIL_PAGES))
		return no_pages(gfp, order);
	if (gfp & __GFP_DMA)
		end = min(end, zone_dma_limit + 1);
	else if (gfp & __GFP_DMA32)
		end = min(end, (u64)SZ_4G);
	start = sim_alloc_at(0, end, bytes, bytes);
	if (!start)
		return no_pages(gfp, order);
	fill_fresh(start, bytes, gfp & __GFP_ZERO);
	return pfn_to_page(PFN_DOWN(start));
}

void __free_pages(struct page *page, unsigned int order)
{
	sim_free(page_to_phys(page), PAGE_SIZE << order);
}

unsigned long __get_free_pages(gfp_t gfp, unsigned int order)
{
	struct page *page = alloc_pages(gfp, order);

	return page ? (unsigned long)page_address(page) : 0;
}

void free_pages(unsigned long virt, unsigned int order)
{
	if (virt)
		__free_pages(virt_to_page(virt), order);
}

/* Before what is handed out */
struct slab_object {
	size_t size;
} __aligned(8);

void *sim_kmalloc(size_t size, gfp_t gfp)
{
	struct slab_object *object;

	if (gfpflags_allow_blocking(gfp))
		may_sleep("kmalloc(GFP_KERNEL)");
	if (size > SIZE_MAX / 2 || sim_fault(SIM_FAIL_SLAB))
		return NULL;
	object = calloc(1, sizeof(*object) + size);
	object->size = size;
	__atomic_add_fetch(&slab_bytes, size, __ATOMIC_RELAXED);
	return object + 1;
}

void kfree(const void *ptr)
{
	struct slab_object *object;

	if (!ptr)
		return;
	object = (struct slab_object *)ptr - 1;
	__atomic_sub_fetch(&slab_bytes, object->size, __ATOMIC_RELAXED);
	free(object);
}

/*
 * Memory encryption. Whoever is given pages believes them to be encrypted, so that
 * none may be freed as it is when it is not, nor be changed when it is free.
 */

static void set_encryption(phys_addr_t start, u64 bytes, bool decrypted)
{
	pthread_mutex_lock(&model_lock);
	for (unsigned int i = 0; i < nr_free; i++)
		if (free_ranges[i].start < start + bytes && free_ranges[i].end > start)
			sim_error("the encryption of free memory is changed, at 0x%llx", start);
	for (u64 pfn = PFN_DOWN(start); pfn < PFN_UP(start + bytes); pfn++) {
		struct page *page = pfn_to_page(pfn);

		if (!(page->flags & PAGE_DECRYPTED) == decrypted)
			sim_decrypted_bytes += decrypted ? (s64)PAGE_SIZE : -(s64)PAGE_SIZE;
		page->flags &= ~PAGE_DECRYPTED;
		page->flags |= decrypted ? PAGE_DECRYPTED : 0;
	}
	pthread_mutex_unlock(&model_lock);
}

unsigned int sim_secrets_shown;

int set_memory_decrypted(unsigned long virt, int npages)
{
	phys_addr_t start = virt_to_phys((void *)virt);

	if (sim_fault(SIM_FAIL_DECRYPT)) {
		/* One page was done before that. */
		set_encryption(start, PAGE_SIZE, true);
		return -EINVAL;
	}
	if (memchr((void *)virt, SIM_SECRET, (size_t)npages << PAGE_SHIFT))
		sim_secrets_shown++;
	set_encryption(start, (u64)npages << PAGE_SHIFT, true);
	return 0;
}

int set_memory_encrypted(unsigned long virt, int npages)
{
	if (sim_fault(SIM_FAIL_ENCRYPT))
		return -EINVAL;
	set_encryption(virt_to_phys((void *)virt), (u64)npages << PAGE_SHIFT, false);
	return 0;
}

u64 sim_decrypted(phys_addr_t start, u64 bytes)
{
	u64 sum = 0;

	for (u64 at = 0; at < bytes; at += PAGE_SIZE)
		if (pfn_to_page(PFN_DOWN(start + at))->flags & PAGE_DECRYPTED)
			sum += PAGE_SIZE;
	return sum;
}

bool cc_platform_has(int attr)
{
	return sim_encrypted;
}

bool is_kdump_kernel(void)
{
	return sim_kdump;
}

bool force_dma_unencrypted(struct device *dev)
{
	return dev->unencrypted;
}

struct page *dma_alloc_from_pool(struct device *dev, size_t size, void **cpu_addr, gfp_t flags,
				 bool (*ok)(struct device *, phys_addr_t, size_t))
{
	phys_addr_t start;

	if (!sim_atomic_pool)
		return NULL;
	start = sim_alloc_at(0, SZ_16M, ALIGN(size, PAGE_SIZE), PAGE_SIZE);
	if (!start)
		return NULL;
	*cpu_addr = phys_to_virt(start);
	return pfn_to_page(PFN_DOWN(start));
}

bool dma_free_from_pool(struct device *dev, void *start, size_t size)
{
	if (!sim_atomic_pool)
		return false;
	sim_free(virt_to_phys(start), ALIGN(size, PAGE_SIZE));
	return true;
}

bool dma_coherent_ok(struct device *dev, phys_addr_t phys, size_t size)
{
	return true;
}

/* Devices */

void sim_device(struct device *dev, const char *name, u64 mask)
{
	memset(dev, 0, sizeof(*dev));
	dev->name = name;
	dev->dma_mask_value = mask;
	dev->dma_mask = &dev->dma_mask_value;
	dev->coherent_dma_mask = mask;
	dev->seg_boundary = ULONG_MAX;
	swiotlb_dev_init(dev);
}

static char *device_sees(struct device *dev, dma_addr_t addr)
{
	phys_addr_t bus = dev->dma_range_map ? translate_dma_to_phys(dev, addr) : addr;

	if (addr > min_not_zero(*dev->dma_mask, dev->bus_dma_limit))
		return NULL;
	if (sim_xen) {
		unsigned long pfn = hyp_pfn(PFN_DOWN(bus));

		if (pfn == ~0UL)
			return NULL;
		bus = PFN_PHYS(pfn) | (bus & ~PAGE_MASK);
	}
	return pfn_valid(PFN_DOWN(bus)) ? host(bus) : NULL;
}

static bool device_moves(struct device *dev, dma_addr_t addr, char *to, const char *from,
			 size_t len)
{
	while (len) {
		size_t part = min(len, PAGE_SIZE - (size_t)(addr & ~PAGE_MASK));
		char *mem = device_sees(dev, addr);

		if (!mem)
			return false;
		if (to) {
			memcpy(to, mem, part);
			to += part;
		} else {
			memcpy(mem, from, part);
			from += part;
		}
		addr += part;
		len -= part;
	}
	return true;
}

bool sim_dma_read(struct device *dev, dma_addr_t addr, void *to, size_t len)
{
	return device_moves(dev, addr, to, NULL, len);
}

bool sim_dma_write(struct device *dev, dma_addr_t addr, const void *from, size_t len)
{
	return device_moves(dev, addr, NULL, from, len);
}

static void sync_caches(phys_addr_t phys, size_t size, int dir, bool for_device)
{
	sim_cache_sync = (struct sim_cache_sync){ .count = sim_cache_sync.count + 1,
						  .for_device = for_device,
						  .phys = phys,
						  .size = size,
						  .dir = dir };
	sim_copy_from_phys(&sim_cache_sync.first, phys, 1);
}

void arch_sync_dma_for_device(phys_addr_t phys, size_t size, enum dma_data_direction dir)
{
	sync_caches(phys, size, dir, true);
}

void arch_sync_dma_for_cpu(phys_addr_t phys, size_t size, enum dma_data_direction dir)
{
	sync_caches(phys, size, dir, false);
}

bool dma_kmalloc_needs_bounce(struct device *dev, size_t size, enum dma_data_direction dir)
{
	return sim_kmalloc_bounces;
}

const void *of_get_flat_dt_prop(unsigned long node, const char *name, int *size)
{
	return sim_rmem_property && !strcmp(sim_rmem_property, name) ? "" : NULL;
}

/* Files */

struct dentry *debugfs_create_dir(const char *name, struct dentry *parent)
{
	struct dentry *dir = &dirs[nr_dirs++ % ARRAY_SIZE(dirs)];

	snprintf(dir->path, sizeof(dir->path), "%.40s/%.40s", parent ? parent->path : "", name);
	return dir;
}

void debugfs_create_file(const char *name, umode_t mode, struct dentry *parent, void *data,
			 const struct file_operations *fops)
{
	unsigned int n = nr_files++ % ARRAY_SIZE(files);

	snprintf(files[n].path, sizeof(files[n].path), "%s/%.30s", parent->path, name);
	files[n].mode = mode;
	files[n].data = data;
	files[n].fops = fops;
}

static int get_ulong(void *data, u64 *val)
{
	*val = *(unsigned long *)data;
	return 0;
}

static const struct file_operations ulong_fops = { .get = get_ulong };

void debugfs_create_ulong(const char *name, umode_t mode, struct dentry *parent,
			  unsigned long *value)
{
	debugfs_create_file(name, mode, parent, value, &ulong_fops);
}

static int find_file(const char *path)
{
	for (unsigned int i = nr_files; i--;)
		if (!strcmp(files[i].path, path))
			return i;
	return -ENOENT;
}

int sim_file_mode(const char *path)
{
	int n = find_file(path);

	return n < 0 ? n : files[n].mode;
}

int sim_file_get(const char *path, u64 *val)
{
	int n = find_file(path);

	return n < 0 ? n : files[n].fops->get(files[n].data, val);
}

int sim_file_set(const char *path, u64 val)
{
	int n = find_file(path);

	if (n < 0)
		return n;
	return files[n].fops->set ? files[n].fops->set(files[n].data, val) : -EACCES;
}

int sim_file_show(const char *path, char *text, size_t len)
{
	int n = find_file(path), err;
	struct seq_file s = { 0 };

	if (n < 0)
		return n;
	s.private = files[n].data;
	err = files[n].fops->show(&s, NULL);
	snprintf(text, len, "%s", s.text);
	return err;
}

/* Text */

int kstrtoull(const char *s, unsigned int base, u64 *res)
{
	char *end;

	if (*s == '+')
		s++;
	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	*res = strtoull(s, &end, base);
	if (errno == ERANGE)
		return -ERANGE;
	if (*end == '\n')
		end++;
	return *end ? -EINVAL : 0;
}

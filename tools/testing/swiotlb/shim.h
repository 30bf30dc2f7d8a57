/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What swiotlb.c and swiotlb-xen.c need of the kernel, for a user process.
 *
 * Three kinds of things, in this order:
 *
 * - stubs, that do nothing because nothing depends on them here;
 * - duplicates, that do what the kernel's do;
 * - the machine's part: declared here, and what it does is in machine.c (memory,
 *   CPUs, files) and hypervisor.c (Xen). It can be told to fail.
 *
 * Every header that the two files include is either the kernel's own, see
 * REAL_HEADERS in the Makefile, or this one.
 */
#ifndef SIM_SHIM_H
#define SIM_SHIM_H

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef signed int s32;
typedef unsigned long long u64;
typedef signed long long s64;
typedef u64 phys_addr_t;
typedef u64 dma_addr_t;
typedef unsigned int gfp_t;
typedef unsigned int umode_t;

/* The kernel's configuration; the Makefile says what varies. */
#define CONFIG_SWIOTLB 1
#define CONFIG_X86 1
#define CONFIG_ZONE_DMA 1
#define CONFIG_ZONE_DMA32 1
#define CONFIG_ARCH_DMA_ADDR_T_64BIT 1
#define CONFIG_DMA_RESTRICTED_POOL 1
#define CONFIG_DMA_COHERENT_POOL 1
#ifndef SIM_ONE_CPU
#define CONFIG_SMP 1
#endif
#if __SIZEOF_LONG__ == 8
#define CONFIG_64BIT 1
#define BITS_PER_LONG 64
#else
#define BITS_PER_LONG 32
#endif

#define ARG_PLACEHOLDER_1 0,
#define TAKE_SECOND(ignored, val, ...) val
#define IS_DEFINED_3(arg1_or_junk) TAKE_SECOND(arg1_or_junk 1, 0)
#define IS_DEFINED_2(val) IS_DEFINED_3(ARG_PLACEHOLDER_##val)
#define IS_DEFINED_1(x) IS_DEFINED_2(x)
#define IS_ENABLED(option) IS_DEFINED_1(option)

/* Stubs */

#define __init
#define __initdata
#define __initconst
#define __user
#define __maybe_unused __attribute__((unused))
#define __always_unused __attribute__((unused))
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define __ro_after_init
#define noinline __attribute__((noinline))
#define EXPORT_SYMBOL(sym)
#define EXPORT_SYMBOL_GPL(sym)
#define BUILD_BUG_ON(cond) static_assert(!(cond), #cond)
#define fallthrough __attribute__((fallthrough))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define ____cacheline_aligned __attribute__((aligned(64)))
#ifdef CONFIG_SMP
#define ____cacheline_aligned_in_smp ____cacheline_aligned
#else
#define ____cacheline_aligned_in_smp
#endif
#define __packed __attribute__((packed))
#define __aligned(n) __attribute__((aligned(n)))
#define SMP_CACHE_BYTES 64
#define KBUILD_MODNAME "swiotlb_xen"
#define __sme_set(x) (x)
#define __sme_clr(x) (x)
#define kmsan_check_memory(addr, size)
#define cond_resched()

/* Duplicates: arithmetic */

#define SZ_1M 0x00100000
#define SZ_16M 0x01000000
#define SZ_4G 0x100000000ULL
#define U32_MAX ((u32)~0U)
#define U64_MAX ((u64)~0ULL)
#ifndef ULONG_MAX
#define ULONG_MAX (~0UL)
#endif
#ifndef INT_MAX
#define INT_MAX 0x7fffffff
#endif
#define PHYS_ADDR_MAX (~(phys_addr_t)0)
#define DMA_MAPPING_ERROR (~(dma_addr_t)0)
#define DMA_BIT_MASK(n) ((n) == 64 ? ~0ULL : (1ULL << (n)) - 1)
#define BIT(n) (1UL << (n))
#define BIT_ULL(n) (1ULL << (n))
#define GENMASK_ULL(h, l) ((~0ULL << (l)) & (~0ULL >> (63 - (h))))

#define min(a, b)                     \
	({                            \
		__auto_type _a = (a); \
		__auto_type _b = (b); \
		_a < _b ? _a : _b;    \
	})
#define max(a, b)                     \
	({                            \
		__auto_type _a = (a); \
		__auto_type _b = (b); \
		_a > _b ? _a : _b;    \
	})
#define min_t(type, a, b) min((type)(a), (type)(b))
#define abs(x)                            \
	({                                \
		__typeof__(x) _x = (x);   \
		_x < 0 ? -_x : _x;        \
	})
#define max_t(type, a, b) max((type)(a), (type)(b))
#define min_not_zero(a, b)                                   \
	({                                                   \
		__auto_type _x = (a);                        \
		__auto_type _y = (b);                        \
		_x == 0 ? _y : (_y == 0 ? _x : min(_x, _y)); \
	})
#define swap(a, b)                    \
	do {                          \
		__auto_type _t = (a); \
		(a) = (b);            \
		(b) = _t;             \
	} while (0)

#define ALIGN(x, a) (((x) + ((__typeof__(x))(a) - 1)) & ~((__typeof__(x))(a) - 1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a) - 1))
#define IS_ALIGNED(x, a) (((x) & ((__typeof__(x))(a) - 1)) == 0)
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define roundup(x, y) (((x) + (__typeof__(x))((y) - 1)) / (__typeof__(x))(y) * (__typeof__(x))(y))
#define round_up(x, y) ALIGN(x, y)
#define round_down(x, y) ALIGN_DOWN(x, y)
#define rounddown(x, y) ((x) - (x) % (y))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define offsetofend(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

static inline bool is_power_of_2(unsigned long n)
{
	return n && !(n & (n - 1));
}

static inline int fls64(u64 x)
{
	return x ? 64 - __builtin_clzll(x) : 0;
}

static inline int fls(unsigned int x)
{
	return x ? 32 - __builtin_clz(x) : 0;
}

static inline unsigned long __fls(unsigned long x)
{
	return BITS_PER_LONG - 1 - __builtin_clzl(x);
}

static inline unsigned long __ffs(unsigned long x)
{
	return __builtin_ctzl(x);
}

static inline unsigned long __ffs64(u64 x)
{
	return __builtin_ctzll(x);
}

#define ffz(x) __ffs(~(x))
#define ilog2(x) (fls64(x) - 1)
#define order_base_2(n) ((n) > 1 ? ilog2((n) - 1) + 1 : 0)

static inline unsigned long roundup_pow_of_two(unsigned long n)
{
	return n <= 1 ? 1 : 1UL << fls64(n - 1);
}

static inline unsigned long rounddown_pow_of_two(unsigned long n)
{
	return 1UL << (fls64(n) - 1);
}

static inline size_t array_size(size_t a, size_t b)
{
	size_t bytes;

	return __builtin_mul_overflow(a, b, &bytes) ? SIZE_MAX : bytes;
}

static inline size_t size_add(size_t a, size_t b)
{
	size_t bytes;

	return __builtin_add_overflow(a, b, &bytes) ? SIZE_MAX : bytes;
}

#define size_mul(a, b) array_size(a, b)

/* Duplicates: pages */

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PAGE_ALIGN(x) ALIGN(x, PAGE_SIZE)
#define PAGE_ALIGNED(x) IS_ALIGNED(x, PAGE_SIZE)
#define PFN_DOWN(x) ((unsigned long)((x) >> PAGE_SHIFT))
#define PFN_UP(x) ((unsigned long)(((x) + PAGE_SIZE - 1) >> PAGE_SHIFT))
#define PFN_PHYS(x) ((phys_addr_t)(x) << PAGE_SHIFT)
#define PHYS_PFN(x) ((unsigned long)((x) >> PAGE_SHIFT))
#define XEN_PAGE_SHIFT 12
#define XEN_PAGE_SIZE (1UL << XEN_PAGE_SHIFT)
#define XEN_PAGE_MASK (~(XEN_PAGE_SIZE - 1))
#define XEN_PFN_DOWN(x) ((unsigned long)((x) >> XEN_PAGE_SHIFT))
#define XEN_PFN_UP(x) ((unsigned long)(((x) + XEN_PAGE_SIZE - 1) >> XEN_PAGE_SHIFT))
#define xen_offset_in_page(p) ((unsigned long)(p) & ~XEN_PAGE_MASK)
#define MAX_PAGE_ORDER 10
#define NUMA_NO_NODE (-1)

static inline int get_order(unsigned long size)
{
	return size <= PAGE_SIZE ? 0 : fls64((size - 1) >> PAGE_SHIFT);
}

/* Duplicates: reading and writing what others may write at the same time */

#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v) __atomic_store_n(&(x), v, __ATOMIC_RELAXED)
#define smp_load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define smp_mb() sim_barrier()
#define smp_rmb() sim_barrier()
#define smp_wmb() sim_barrier()

void sim_barrier(void);

typedef struct {
	long counter;
} atomic_long_t;
typedef struct {
	int counter;
} atomic_t;

#define ATOMIC_LONG_INIT(i) \
	{                   \
		(i)         \
	}

static inline long atomic_long_read(const atomic_long_t *v)
{
	return __atomic_load_n(&v->counter, __ATOMIC_RELAXED);
}

static inline void atomic_long_set(atomic_long_t *v, long i)
{
	__atomic_store_n(&v->counter, i, __ATOMIC_RELAXED);
}

static inline long atomic_long_add_return(long i, atomic_long_t *v)
{
	return __atomic_add_fetch(&v->counter, i, __ATOMIC_SEQ_CST);
}

static inline long atomic_long_xchg(atomic_long_t *v, long i)
{
	return __atomic_exchange_n(&v->counter, i, __ATOMIC_SEQ_CST);
}

#define atomic_long_sub_return(i, v) atomic_long_add_return(-(long)(i), v)
#define atomic_long_inc_return(v) atomic_long_add_return(1, v)
#define atomic_long_add(i, v) ((void)atomic_long_add_return(i, v))
#define atomic_long_sub(i, v) ((void)atomic_long_add_return(-(long)(i), v))
#define atomic_long_inc(v) atomic_long_add(1, v)
#define atomic_long_dec(v) atomic_long_sub(1, v)

typedef struct {
	s64 counter;
} atomic64_t;

#define atomic64_read(v) __atomic_load_n(&(v)->counter, __ATOMIC_RELAXED)
#define atomic64_add(i, v) ((void)__atomic_add_fetch(&(v)->counter, i, __ATOMIC_SEQ_CST))
#define atomic64_inc(v) atomic64_add(1, v)

static inline bool atomic_long_try_cmpxchg(atomic_long_t *v, long *old, long new)
{
	return __atomic_compare_exchange_n(&v->counter, old, new, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_RELAXED);
}

/* The kernel's works on unsigned long * too; this is for those callers. */
#define atomic_long_try_cmpxchg(v, old, new) atomic_long_try_cmpxchg(v, (long *)(old), new)

/* Duplicates: lists; those of RCU are read by readers only. */

#ifndef NDEBUG
void sim_rcu_reads(void);
void sim_rcu_listed(void); /* after each entry that readers find from now on */
#else
#define sim_rcu_reads() ((void)0)
#define sim_rcu_listed() ((void)0)
#endif

struct list_head {
	struct list_head *next, *prev;
};

struct hlist_head {
	struct hlist_node *first;
};

struct hlist_node {
	struct hlist_node *next, **pprev;
};

#define LIST_HEAD_INIT(name)     \
	{                        \
		&(name), &(name) \
	}
#define INIT_LIST_HEAD_RCU(head) INIT_LIST_HEAD(head)

static inline void INIT_LIST_HEAD(struct list_head *head)
{
	head->next = head;
	head->prev = head;
}

static inline void list_add_rcu(struct list_head *new, struct list_head *head)
{
	new->next = head->next;
	new->prev = head;
	head->next->prev = new;
	__atomic_store_n(&head->next, new, __ATOMIC_RELEASE);
	sim_rcu_listed();
}

static inline void list_add_tail_rcu(struct list_head *new, struct list_head *head)
{
	struct list_head *prev = head->prev;

	new->next = head;
	new->prev = prev;
	head->prev = new;
	__atomic_store_n(&prev->next, new, __ATOMIC_RELEASE);
	sim_rcu_listed();
}

static inline void list_del_rcu(struct list_head *entry)
{
	entry->next->prev = entry->prev;
	__atomic_store_n(&entry->prev->next, entry->next, __ATOMIC_RELEASE);
	entry->prev = NULL;
}

#define list_entry_rcu(ptr, type, member) \
	container_of(__atomic_load_n(&(ptr), __ATOMIC_ACQUIRE), type, member)
#define list_for_each_entry_rcu(pos, head, member, ...)                                            \
	for (sim_rcu_reads(), pos = list_entry_rcu((head)->next, __typeof__(*pos), member);        \
	     &pos->member != (head);                                                               \
	     pos = list_entry_rcu(pos->member.next, __typeof__(*pos), member))

static inline bool list_empty(const struct list_head *head)
{
	return __atomic_load_n(&head->next, __ATOMIC_RELAXED) == head;
}

static inline void hlist_add_head_rcu(struct hlist_node *n, struct hlist_head *h)
{
	struct hlist_node *first = h->first;

	n->next = first;
	n->pprev = &h->first;
	__atomic_store_n(&h->first, n, __ATOMIC_RELEASE);
	if (first)
		first->pprev = &n->next;
	sim_rcu_listed();
}

static inline void hlist_del_rcu(struct hlist_node *n)
{
	__atomic_store_n(n->pprev, n->next, __ATOMIC_RELEASE);
	if (n->next)
		n->next->pprev = n->pprev;
}

#define hlist_entry_safe_rcu(ptr, type, member)                                    \
	({                                                                         \
		struct hlist_node *_n = __atomic_load_n(&(ptr), __ATOMIC_ACQUIRE); \
		_n ? container_of(_n, type, member) : NULL;                        \
	})
#define hlist_for_each_entry_rcu(pos, head, member, ...)                               \
	for (sim_rcu_reads(),                                                          \
	     pos = hlist_entry_safe_rcu((head)->first, __typeof__(*pos), member);      \
	     pos;                                                                      \
	     pos = hlist_entry_safe_rcu(pos->member.next, __typeof__(*pos), member))

static inline u32 hash_64(u64 val, unsigned int bits)
{
	return val * 0x61C8864680B583EBull >> (64 - bits);
}

#define rcu_assign_pointer(p, v) __atomic_store_n(&(p), v, __ATOMIC_RELEASE)
#define rcu_dereference(p) __atomic_load_n(&(p), __ATOMIC_ACQUIRE)
#define rcu_dereference_protected(p, c) (p)
#define rcu_access_pointer(p) READ_ONCE(p)
#define __rcu

/* Duplicates: numbers in text */

int kstrtoull(const char *s, unsigned int base, u64 *res);
#define simple_strtoul(s, end, base) strtoul(s, end, base)

/* Locks and interrupts; machine.c looks after what may not be done under them. */

typedef struct {
	unsigned short locked;
	/* Taken with interrupts on, and with interrupts off: not both */
	unsigned char irqs_on, irqs_off;
} spinlock_t;
#define __SPIN_LOCK_UNLOCKED(name) \
	{                          \
		0                  \
	}
#define DEFINE_SPINLOCK(name) spinlock_t name = { 0 }

void spin_lock_init(spinlock_t *lock);
void spin_lock(spinlock_t *lock);
void spin_unlock(spinlock_t *lock);
unsigned long sim_irq_save(void);
void sim_irq_restore(unsigned long flags);
int raw_smp_processor_id(void);
#define smp_processor_id() raw_smp_processor_id()
unsigned int num_possible_cpus(void);
#define lockdep_assert_held(lock) assert((lock)->locked)
#define lockdep_is_held(lock) ((lock)->locked)

#define local_irq_save(flags) ((flags) = sim_irq_save())
#define local_irq_restore(flags) sim_irq_restore(flags)
#define spin_lock_irqsave(lock, flags)    \
	do {                              \
		(flags) = sim_irq_save(); \
		spin_lock(lock);          \
	} while (0)
#define spin_unlock_irqrestore(lock, flags) \
	do {                                \
		spin_unlock(lock);          \
		sim_irq_restore(flags);     \
	} while (0)

struct rcu_head {
	struct rcu_head *next;
	void (*func)(struct rcu_head *head);
};

void rcu_read_lock(void);
void rcu_read_unlock(void);
void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));
void synchronize_rcu(void);
void sim_kfree_rcu(void *ptr);
#define kfree_rcu(ptr, member) sim_kfree_rcu(ptr)

struct work_struct {
	void (*func)(struct work_struct *work);
	bool pending;
};

#define __WORK_INITIALIZER(n, f) \
	{                        \
		.func = (f)      \
	}
#define INIT_WORK(work, f) (*(work) = (struct work_struct){ .func = (f) })
bool schedule_work(struct work_struct *work);
bool cancel_work_sync(struct work_struct *work);

/* Messages: kept, so that tests can ask for them. */

int sim_printk(const char *level, const char *fmt, ...);
void sim_bug(const char *file, int line, const char *what);
void sim_warn(const char *file, int line, const char *what);

#ifndef pr_fmt
#define pr_fmt(fmt) fmt
#endif
#define pr_info(fmt, ...) sim_printk("info", pr_fmt(fmt), ##__VA_ARGS__)
#define pr_warn(fmt, ...) sim_printk("warn", pr_fmt(fmt), ##__VA_ARGS__)
#define pr_err(fmt, ...) sim_printk("err", pr_fmt(fmt), ##__VA_ARGS__)
#define pr_debug(fmt, ...) sim_printk("debug", pr_fmt(fmt), ##__VA_ARGS__)
#define pr_warn_once(fmt, ...) sim_printk("warn, once", pr_fmt(fmt), ##__VA_ARGS__)
#define pr_warn_ratelimited(fmt, ...) sim_printk("warn, limited", pr_fmt(fmt), ##__VA_ARGS__)
#define dev_warn(dev, fmt, ...) sim_printk("warn", "%s: " fmt, (dev)->name, ##__VA_ARGS__)
#define dev_warn_ratelimited(dev, fmt, ...) \
	sim_printk("warn, limited", "%s: " fmt, (dev)->name, ##__VA_ARGS__)
#define dev_err(dev, fmt, ...) sim_printk("err", "%s: " fmt, (dev)->name, ##__VA_ARGS__)
#define dev_err_ratelimited(dev, fmt, ...) dev_err(dev, fmt, ##__VA_ARGS__)
#define dev_WARN_ONCE(dev, cond, fmt, ...)                                          \
	({                                                                          \
		bool _c = (cond);                                                   \
		if (_c)                                                             \
			sim_printk("WARN", "%s: " fmt, (dev)->name, ##__VA_ARGS__); \
		_c;                                                                 \
	})

#define BUG_ON(cond)                                        \
	do {                                                \
		if (cond)                                   \
			sim_bug(__FILE__, __LINE__, #cond); \
	} while (0)
#define WARN_ON(cond)                                        \
	({                                                   \
		bool _c = (cond);                            \
		if (_c)                                      \
			sim_warn(__FILE__, __LINE__, #cond); \
		_c;                                          \
	})
#define WARN_ON_ONCE(cond) WARN_ON(cond)

/* Physical memory and who hands it out */

struct page {
	unsigned long flags;
};

#define GFP_KERNEL 0x01u
#define GFP_NOWAIT 0x02u
#define __GFP_NOWARN 0x04u
#define __GFP_ZERO 0x08u
#define __GFP_DMA 0x10u
#define __GFP_DMA32 0x20u
#define GFP_DMA __GFP_DMA
#define GFP_DMA32 __GFP_DMA32
#define GFP_ZONEMASK (__GFP_DMA | __GFP_DMA32)
#define gfpflags_allow_blocking(gfp) (!!((gfp) & GFP_KERNEL))

#ifndef NDEBUG
void kmsan_unpoison_memory(const void *addr, size_t size);
#else
#define kmsan_unpoison_memory(addr, size)
#endif

extern u64 zone_dma_limit;
extern unsigned long min_low_pfn;
#define ARCH_LOW_ADDRESS_LIMIT 0xffffffffUL
#define high_memory ((void *)((char *)sim_high_memory()))

void *sim_high_memory(void);
void *phys_to_virt(phys_addr_t phys);
phys_addr_t virt_to_phys(const void *virt);
struct page *pfn_to_page(unsigned long pfn);
unsigned long page_to_pfn(const struct page *page);
bool pfn_valid(unsigned long pfn);
bool PageHighMem(const struct page *page);
void SetPageXenRemapped(struct page *page);
bool TestClearPageXenRemapped(struct page *page);
void memcpy_from_page(char *to, struct page *page, size_t offset, size_t len);
void memcpy_to_page(struct page *page, size_t offset, const char *from, size_t len);
#define memcpy_from_page(to, ...) memcpy_from_page((char *)(to), __VA_ARGS__)
#define memcpy_to_page(page, off, from, len) memcpy_to_page(page, off, (const char *)(from), len)

#define __pa(virt) virt_to_phys((const void *)(virt))
#define __va(phys) phys_to_virt(phys)
#define page_to_phys(page) PFN_PHYS(page_to_pfn(page))
#define virt_to_page(virt) pfn_to_page(PFN_DOWN(virt_to_phys((const void *)(virt))))
#define page_address(page) phys_to_virt(page_to_phys(page))
#define virt_to_pfn(virt) PFN_DOWN(virt_to_phys(virt))

#define MEMBLOCK_NONE 0
#define MEMBLOCK_ALLOC_ACCESSIBLE 0
void *memblock_alloc(phys_addr_t size, phys_addr_t align);
#define MEMBLOCK_LOW_LIMIT 0
#ifndef UINT_MAX
#define UINT_MAX (~0U)
#endif
void *memblock_alloc_try_nid_raw(phys_addr_t size, phys_addr_t align, phys_addr_t from,
				 phys_addr_t to, int nid);
#define alloc_pages_exact(size, gfp) ((void *)__get_free_pages(gfp, get_order(size)))
#define free_pages_exact(virt, size) free_pages((unsigned long)(virt), get_order(size))
void *memblock_alloc_raw(phys_addr_t size, phys_addr_t align);
void *memblock_alloc_low(phys_addr_t size, phys_addr_t align);
phys_addr_t memblock_phys_alloc_range(phys_addr_t size, phys_addr_t align, phys_addr_t start,
				      phys_addr_t end);
bool memblock_bottom_up(void);
void memblock_set_bottom_up(bool enable);
void kmemleak_ignore_phys(phys_addr_t phys);
void memblock_free(void *virt, size_t size);
void memblock_free_late(phys_addr_t base, phys_addr_t size);
phys_addr_t memblock_phys_mem_size(void);
phys_addr_t memblock_reserved_size(void);
bool sim_free_range(u64 *i, phys_addr_t *start, phys_addr_t *end);
bool sim_free_range_reverse(u64 *i, phys_addr_t *start, phys_addr_t *end);
#define for_each_free_mem_range(i, nid, flags, start, end, p_nid) \
	for (i = 0; sim_free_range(&(i), start, end); i++)
#define for_each_free_mem_range_reverse(i, nid, flags, start, end, p_nid) \
	for (i = 0; sim_free_range_reverse(&(i), start, end); i++)

struct page *alloc_pages(gfp_t gfp, unsigned int order);
void __free_pages(struct page *page, unsigned int order);
unsigned long __get_free_pages(gfp_t gfp, unsigned int order);
void free_pages(unsigned long virt, unsigned int order);
void *sim_kmalloc(size_t size, gfp_t gfp);
void kfree(const void *ptr);
#define kzalloc(size, gfp) sim_kmalloc(size, gfp)
#define kmalloc(size, gfp) sim_kmalloc(size, gfp)
#define kcalloc(n, size, gfp) sim_kmalloc(array_size(n, size), gfp)
#define kvcalloc(n, size, gfp) sim_kmalloc(array_size(n, size), gfp)
#define kvfree(ptr) kfree(ptr)

int set_memory_decrypted(unsigned long virt, int npages);
int set_memory_encrypted(unsigned long virt, int npages);
bool is_kdump_kernel(void);
#define CC_ATTR_MEM_ENCRYPT 0
bool cc_platform_has(int attr);

#ifndef ERR_PTR
#define IS_ERR_VALUE(x) ((unsigned long)(x) >= (unsigned long)-4095)
static inline void *ERR_PTR(long error)
{
	return (void *)error;
}

static inline bool IS_ERR(const void *ptr)
{
	return IS_ERR_VALUE(ptr);
}
#endif

/* Devices and DMA */

enum dma_data_direction {
	DMA_BIDIRECTIONAL,
	DMA_TO_DEVICE,
	DMA_FROM_DEVICE,
	DMA_NONE,
};

#define DMA_ATTR_SKIP_CPU_SYNC (1UL << 5)
#define DMA_ATTR_NO_WARN (1UL << 8)

struct range {
	u64 start, end;
};

struct bus_dma_region;
struct io_tlb_mem;

struct device {
	const char *name;
	u64 dma_mask_value;
	u64 *dma_mask;
	u64 coherent_dma_mask;
	u64 bus_dma_limit;
	const struct bus_dma_region *dma_range_map;
	unsigned int min_align_mask;
	unsigned long seg_boundary;
	bool noncoherent;
	bool unencrypted;
	bool dma_skip_sync;
	struct io_tlb_mem *dma_io_tlb_mem;
#ifdef CONFIG_SWIOTLB_DYNAMIC
	struct list_head dma_io_tlb_pools;
	spinlock_t dma_io_tlb_lock;
	bool dma_uses_io_tlb;
#endif
};

struct scatterlist {
	struct page *page;
	unsigned int offset, length;
	dma_addr_t dma_address;
	unsigned int dma_length;
};

struct sg_table;
struct vm_area_struct;

#define sg_page(sg) ((sg)->page)
#define sg_dma_len(sg) ((sg)->dma_length)
#define sg_next(sg) ((sg) + 1)
#define for_each_sg(sgl, sg, n, i) for (i = 0, sg = (sgl); i < (n); i++, sg = sg_next(sg))

#define dev_name(dev) ((dev)->name)
#define dma_get_min_align_mask(dev) ((dev)->min_align_mask)
#define dma_get_seg_boundary(dev) ((dev)->seg_boundary)
#define dev_is_dma_coherent(dev) (!(dev)->noncoherent)
#define dma_reset_need_sync(dev) ((void)((dev)->dma_skip_sync = false))
#define is_pci_p2pdma_page(page) false
#define CONFIG_ARCH_HAS_FORCE_DMA_UNENCRYPTED 1

void arch_sync_dma_for_device(phys_addr_t phys, size_t size, enum dma_data_direction dir);
void arch_sync_dma_for_cpu(phys_addr_t phys, size_t size, enum dma_data_direction dir);
#define arch_sync_dma_for_cpu_all()
#define arch_dma_mark_clean(phys, size)
bool dma_kmalloc_needs_bounce(struct device *dev, size_t size, enum dma_data_direction dir);
struct page *dma_alloc_from_pool(struct device *dev, size_t size, void **cpu_addr, gfp_t flags,
				 bool (*ok)(struct device *, phys_addr_t, size_t));
bool dma_free_from_pool(struct device *dev, void *start, size_t size);
bool dma_coherent_ok(struct device *dev, phys_addr_t phys, size_t size);

struct dma_map_ops {
	void *(*alloc)(struct device *dev, size_t size, dma_addr_t *handle, gfp_t gfp,
		       unsigned long attrs);
	void (*free)(struct device *dev, size_t size, void *vaddr, dma_addr_t handle,
		     unsigned long attrs);
	dma_addr_t (*map_page)(struct device *dev, struct page *page, unsigned long offset,
			       size_t size, enum dma_data_direction dir, unsigned long attrs);
	void (*unmap_page)(struct device *dev, dma_addr_t handle, size_t size,
			   enum dma_data_direction dir, unsigned long attrs);
	int (*map_sg)(struct device *dev, struct scatterlist *sg, int nents,
		      enum dma_data_direction dir, unsigned long attrs);
	void (*unmap_sg)(struct device *dev, struct scatterlist *sg, int nents,
			 enum dma_data_direction dir, unsigned long attrs);
	void (*sync_single_for_cpu)(struct device *dev, dma_addr_t handle, size_t size,
				    enum dma_data_direction dir);
	void (*sync_single_for_device)(struct device *dev, dma_addr_t handle, size_t size,
				       enum dma_data_direction dir);
	void (*sync_sg_for_cpu)(struct device *dev, struct scatterlist *sg, int nents,
				enum dma_data_direction dir);
	void (*sync_sg_for_device)(struct device *dev, struct scatterlist *sg, int nents,
				   enum dma_data_direction dir);
	int (*dma_supported)(struct device *dev, u64 mask);
	u64 (*get_required_mask)(struct device *dev);
	size_t (*max_mapping_size)(struct device *dev);
	void *mmap, *get_sgtable, *alloc_pages_op, *free_pages;
};

#define dma_common_mmap NULL
#define dma_common_get_sgtable NULL
#define dma_common_alloc_pages NULL
#define dma_common_free_pages NULL

/*
 * Trace events: their real header makes a function of each, in the file that says
 * SIM_TRACE_EVENTS. It keeps the line that would be read from the trace.
 */

extern bool sim_tracing;
void sim_trace(const char *fmt, ...);

struct sim_symbol {
	int value;
	const char *name;
};

static inline const char *sim_symbol(int value, const struct sim_symbol *symbols)
{
	while (symbols->name && symbols->value != value)
		symbols++;
	return symbols->name ? symbols->name : "?";
}

#define TP_PROTO(...) __VA_ARGS__
#define TP_ARGS(...)
#define TP_STRUCT__entry(...) __VA_ARGS__
#define TP_fast_assign(...) __VA_ARGS__
#define TP_printk(...) __VA_ARGS__
#define TRACE_DEFINE_ENUM(x)
#define __field(type, item) type item;
#define __string(item, src) const char *item;
/* Not what __string() says: its second argument is for where there is no struct yet. */
#define __assign_str(item) (__entry->item = sim_string_##item)
#define sim_string_dev_name (dev->name)
#define sim_string_pool swiotlb_pool_name(dev, tlb_addr)
#define __get_str(item) __entry->item
#define __print_symbolic(value, ...) \
	sim_symbol(value, (const struct sim_symbol[]){ __VA_ARGS__, {} })
#ifdef SIM_TRACE_EVENTS
#define TRACE_EVENT(event, proto, args, entry, assign, print) \
	void trace_##event(proto);                            \
	void trace_##event(proto)                             \
	{                                                     \
		struct {                                      \
			entry                                 \
		} _entry, *__entry = &_entry;                 \
							      \
		if (!sim_tracing)                             \
			return;                               \
		assign sim_trace(print);                      \
	}                                                     \
	struct sim_trace_##event
#else
#define TRACE_EVENT(event, proto, ...) void trace_##event(proto)
#endif

/* Reserved memory of the device tree */

struct reserved_mem;

struct reserved_mem_ops {
	int (*device_init)(struct reserved_mem *rmem, struct device *dev);
	void (*device_release)(struct reserved_mem *rmem, struct device *dev);
};

struct reserved_mem {
	const char *name;
	unsigned long fdt_node;
	const struct reserved_mem_ops *ops;
	phys_addr_t base, size;
	void *priv;
};

const void *of_get_flat_dt_prop(unsigned long node, const char *name, int *size);
#define RESERVEDMEM_OF_DECLARE(name, compat, init) \
	int (*sim_rmem_setup)(struct reserved_mem * rmem) = (init)

/* The command line and what runs late */

#define early_param(name, fn) int (*sim_early_param)(char *) = (fn)
#define early_initcall(fn) int (*sim_early_initcall)(void) = (fn)
#define late_initcall(fn) int (*sim_late_initcall)(void) = (fn)

/* Files: machine.c keeps them, by path. */

struct dentry;
struct seq_file {
	void *private;
	char text[128];
};

struct file_operations {
	int (*get)(void *data, u64 *val);
	int (*set)(void *data, u64 val);
	int (*show)(struct seq_file *s, void *unused);
};

#define DEFINE_DEBUGFS_ATTRIBUTE(fops, get_fn, set_fn, fmt) \
	static const struct file_operations fops = { .get = (get_fn), .set = (set_fn) }
#define DEFINE_SHOW_ATTRIBUTE(prefix) \
	static const struct file_operations prefix##_fops = { .show = prefix##_show }
#define seq_printf(s, ...) snprintf((s)->text, sizeof((s)->text), __VA_ARGS__)
struct dentry *debugfs_create_dir(const char *name, struct dentry *parent);
void debugfs_create_file(const char *name, umode_t mode, struct dentry *parent, void *data,
			 const struct file_operations *fops);
void debugfs_create_ulong(const char *name, umode_t mode, struct dentry *parent,
			  unsigned long *value);

/* Xen */

unsigned long pfn_to_bfn(unsigned long pfn);
unsigned long bfn_to_pfn(unsigned long bfn);
unsigned long bfn_to_local_pfn(unsigned long bfn);
#define xen_arch_need_swiotlb(dev, phys, dev_addr) false
#define MAX_DMA_BITS 32
extern bool sim_xen;
#define xen_pv_domain() sim_xen
#define XENMEM_maximum_ram_page 2
long HYPERVISOR_memory_op(unsigned int cmd, void *arg);

struct notifier_block {
	int (*notifier_call)(struct notifier_block *nb, unsigned long action, void *data);
};

#define NOTIFY_OK 1
void xen_resume_notifier_register(struct notifier_block *nb);

#endif /* SIM_SHIM_H */

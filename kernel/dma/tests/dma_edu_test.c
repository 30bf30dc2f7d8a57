// SPDX-License-Identifier: GPL-2.0-only
/*
 * Streaming DMA through QEMU's "edu" device, for kselftest.
 *
 * edu copies up to 4 KiB at a time between a buffer of its own and memory, and
 * with its property dma_mask it reaches as much of memory as one likes, so a
 * machine can have a device for every DMA mask. What went through a mapping is
 * compared here, byte for byte; a wrong address is not refused by the device
 * but clamped, which only QEMU tells, in its output or with -d guest_errors.
 *
 * For each device, /sys/kernel/debug/dma_edu_test/<PCI device> has
 *
 *   cases      the names of the tests
 *   mask_bits  the DMA mask in bits; writing it sets it, or fails
 *   run        writing the name of a test runs it; fails when the test does
 *   result     of the last test: mappings made, their bytes, the highest bus
 *              address, and what was wrong
 *
 * See tools/testing/selftests/dma/dma_edu.sh
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/dma-mapping.h>
#include <linux/iopoll.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/panic.h>
#include <linux/pci.h>
#include <linux/prandom.h>
#include <linux/scatterlist.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#define EDU_VENDOR_ID		0x1234
#define EDU_DEVICE_ID		0x11e8

/* Registers from 0x80 on take accesses of 64 bits only. */
#define EDU_REG_ID		0x00
#define EDU_REG_DMA_SRC		0x80
#define EDU_REG_DMA_DST		0x88
#define EDU_REG_DMA_COUNT	0x90
#define EDU_REG_DMA_CMD		0x98

#define EDU_DMA_CMD_RUN		BIT(0)	/* cleared by the device when done */
#define EDU_DMA_CMD_TO_MEMORY	BIT(1)

/* Where the device has its buffer, as it calls it, and bytes that fit in it */
#define EDU_DMA_BUF		0x40000
/* Of its 4096 bytes: QEMU before 9.0 gives up on a transfer that fills it. */
#define EDU_DMA_BUF_SIZE	4080

/* A transfer takes 100 ms by the clock of the machine, which may be slow. */
#define EDU_POLL_US		(2 * USEC_PER_MSEC)
#define EDU_TIMEOUT_US		(10 * USEC_PER_SEC)

/* Bytes before and after each buffer that nobody may change */
#define GUARD_SIZE		64
#define GUARD_BYTE		0xa5

/**
 * struct edu_test - a device and its last test
 * @pdev:	The device.
 * @regs:	Its registers.
 * @lock:	Held while a test runs; protects what follows.
 * @dir:	Directory in debugfs.
 * @mappings:	Buffers mapped by the last test; each entry of a list counts.
 * @bytes:	Their size in all.
 * @highest:	Highest bus address of them.
 * @why:	What was wrong, empty if nothing was.
 */
struct edu_test {
	struct pci_dev *pdev;
	void __iomem *regs;
	struct mutex lock;	/* one test at a time */
	struct dentry *dir;
	unsigned int mappings;
	u64 bytes;
	u64 highest;
	char why[160];
};

/**
 * struct edu_buf - a buffer between guards
 * @mem:	What was allocated.
 * @data:	The buffer, at an offset into a page that the test chose.
 * @len:	Its size in bytes.
 * @end:	End of the guard behind it.
 */
struct edu_buf {
	u8 *mem;
	u8 *data;
	size_t len;
	u8 *end;
};

static struct dentry *edu_test_root;

#define edu_fail(test, err, fmt, ...)					\
({									\
	snprintf((test)->why, sizeof((test)->why), fmt, ##__VA_ARGS__);	\
	(err);								\
})

/* Bytes that say where they are from: a function of the seed and the place */
static void edu_pattern(u8 *data, size_t len, u32 seed)
{
	struct rnd_state state;

	prandom_seed_state(&state, seed);
	prandom_bytes_state(&state, data, len);
}

/* Bytes @from to @to of @data are those of the pattern of @seed. */
static bool edu_same(const u8 *data, size_t from, size_t to, size_t len,
		     u32 seed)
{
	u8 *want = kmalloc(len, GFP_KERNEL);
	bool same;

	if (!want)
		return false;
	edu_pattern(want, len, seed);
	same = !memcmp(data + from, want + from, to - from);
	kfree(want);
	return same;
}

static int edu_alloc(struct edu_test *test, struct edu_buf *buf,
		     unsigned int offset, size_t len)
{
	size_t size = 2 * GUARD_SIZE + offset + len;

	buf->mem = kmalloc(size, GFP_KERNEL);
	if (!buf->mem)
		return edu_fail(test, -ENOMEM, "no memory for a buffer");
	memset(buf->mem, GUARD_BYTE, size);
	buf->data = buf->mem + GUARD_SIZE + offset;
	buf->len = len;
	buf->end = buf->mem + size;
	return 0;
}

/* Frees the buffer; fails when something around it was written to. */
static int edu_free(struct edu_test *test, struct edu_buf *buf)
{
	u8 *wrong = NULL;

	if (!buf->mem)
		return 0;
	wrong = memchr_inv(buf->mem, GUARD_BYTE, buf->data - buf->mem);
	if (!wrong)
		wrong = memchr_inv(buf->data + buf->len, GUARD_BYTE,
				   buf->end - buf->data - buf->len);
	kfree(buf->mem);
	buf->mem = NULL;
	if (wrong)
		return edu_fail(test, -EILSEQ,
				"byte %td of a buffer of %zu was overwritten",
				wrong - buf->data, buf->len);
	return 0;
}

/* The device must never see an address that it does not reach. */
static int edu_check_address(struct edu_test *test, dma_addr_t dma, size_t len)
{
	u64 mask = dma_get_mask(&test->pdev->dev), last = dma + len - 1;

	if (last < dma || last > mask)
		return edu_fail(test, -ERANGE, "bus address %#llx is beyond the mask %#llx",
				last, mask);
	return 0;
}

static int edu_count(struct edu_test *test, dma_addr_t dma, size_t len)
{
	test->mappings++;
	test->bytes += len;
	test->highest = max_t(u64, test->highest, dma + len - 1);
	return edu_check_address(test, dma, len);
}

static int edu_map(struct edu_test *test, struct edu_buf *buf,
		   enum dma_data_direction dir, dma_addr_t *dma)
{
	struct device *dev = &test->pdev->dev;
	int err;

	*dma = dma_map_single(dev, buf->data, buf->len, dir);
	if (dma_mapping_error(dev, *dma))
		return edu_fail(test, -ENOMEM, "%zu bytes could not be mapped",
				buf->len);
	err = edu_count(test, *dma, buf->len);
	if (err)
		dma_unmap_single(dev, *dma, buf->len, dir);
	return err;
}

static void edu_unmap(struct edu_test *test, struct edu_buf *buf,
		      enum dma_data_direction dir, dma_addr_t dma)
{
	dma_unmap_single(&test->pdev->dev, dma, buf->len, dir);
}

/**
 * edu_transfer() - let the device copy
 * @test:	The device.
 * @dma:	Bus address in memory.
 * @pos:	Position in the buffer of the device, in bytes.
 * @len:	How many bytes.
 * @to_memory:	%true from the device to memory.
 *
 * Return: 0, or an error when the device cannot be given that or does not end.
 */
static int edu_transfer(struct edu_test *test, dma_addr_t dma, u32 pos,
			u32 len, bool to_memory)
{
	u64 dev = EDU_DMA_BUF + pos, cmd;
	int err;

	if (!len || pos + len > EDU_DMA_BUF_SIZE)
		return edu_fail(test, -EINVAL, "%u bytes at %u of the device",
				len, pos);
	err = edu_check_address(test, dma, len);
	if (err)
		return err;

	writeq(to_memory ? dev : dma, test->regs + EDU_REG_DMA_SRC);
	writeq(to_memory ? dma : dev, test->regs + EDU_REG_DMA_DST);
	writeq(len, test->regs + EDU_REG_DMA_COUNT);
	writeq(EDU_DMA_CMD_RUN | (to_memory ? EDU_DMA_CMD_TO_MEMORY : 0),
	       test->regs + EDU_REG_DMA_CMD);
	err = readq_poll_timeout(test->regs + EDU_REG_DMA_CMD, cmd,
				 !(cmd & EDU_DMA_CMD_RUN), EDU_POLL_US,
				 EDU_TIMEOUT_US);
	if (err)
		return edu_fail(test, err, "the device does not end a transfer");
	return 0;
}

/* The pattern of @seed into the device, through a mapping of its own */
static int edu_put(struct edu_test *test, unsigned int offset, u32 pos,
		   u32 len, u32 seed)
{
	struct edu_buf buf;
	dma_addr_t dma;
	int err, freed;

	err = edu_alloc(test, &buf, offset, len);
	if (err)
		return err;
	edu_pattern(buf.data, len, seed);
	err = edu_map(test, &buf, DMA_TO_DEVICE, &dma);
	if (!err) {
		err = edu_transfer(test, dma, pos, len, false);
		edu_unmap(test, &buf, DMA_TO_DEVICE, dma);
	}
	if (!err && !edu_same(buf.data, 0, len, len, seed))
		err = edu_fail(test, -EILSEQ, "a buffer that was only read has changed");
	freed = edu_free(test, &buf);
	return err ?: freed;
}

/* What the device has at @pos, through a mapping of its own */
static int edu_get(struct edu_test *test, unsigned int offset, u32 pos,
		   u32 len, u8 *to)
{
	struct edu_buf buf;
	dma_addr_t dma;
	int err, freed;

	err = edu_alloc(test, &buf, offset, len);
	if (err)
		return err;
	err = edu_map(test, &buf, DMA_FROM_DEVICE, &dma);
	if (!err) {
		err = edu_transfer(test, dma, pos, len, true);
		edu_unmap(test, &buf, DMA_FROM_DEVICE, dma);
	}
	memcpy(to, buf.data, len);
	freed = edu_free(test, &buf);
	return err ?: freed;
}

/* What the device has at @pos must be the pattern of @seed. */
static int edu_expect(struct edu_test *test, unsigned int offset, u32 pos,
		      u32 len, u32 seed)
{
	u8 *data = kmalloc(len, GFP_KERNEL);
	int err;

	if (!data)
		return edu_fail(test, -ENOMEM, "no memory");
	err = edu_get(test, offset, pos, len, data);
	if (!err && !edu_same(data, 0, len, len, seed))
		err = edu_fail(test, -EILSEQ, "%u bytes at offset %u came back different",
			       len, offset);
	kfree(data);
	return err;
}

/* map_single, either direction: any size, at any place in a page */
static int edu_case_single(struct edu_test *test)
{
	static const struct {
		unsigned int offset;
		u32 len;
	} shapes[] = {
		{ 0, EDU_DMA_BUF_SIZE },
		{ 1, 61 },
		{ 1973, 2048 },
		{ 3840, 1001 },
	};

	for (int i = 0; i < ARRAY_SIZE(shapes); i++) {
		int err = edu_put(test, shapes[i].offset, 0, shapes[i].len, i);

		if (!err)
			err = edu_expect(test, shapes[i].offset, 0,
					 shapes[i].len, i);
		if (err)
			return err;
	}
	return 0;
}

/* A small transfer in the middle of a large mapping leaves the rest alone. */
static int edu_case_large(struct edu_test *test)
{
	const size_t len = min_t(size_t, SZ_128K - 3 * GUARD_SIZE,
				 dma_max_mapping_size(&test->pdev->dev));
	const size_t at = len / 2 + 1237, part = 3001;
	struct edu_buf buf;
	dma_addr_t dma;
	u8 *data;
	int err, freed;

	data = kmalloc(part, GFP_KERNEL);
	if (!data)
		return edu_fail(test, -ENOMEM, "no memory");
	err = edu_alloc(test, &buf, 0, len);
	if (err)
		goto free_data;
	edu_pattern(buf.data, len, 10);

	err = edu_map(test, &buf, DMA_TO_DEVICE, &dma);
	if (err)
		goto free_buf;
	err = edu_transfer(test, dma + at, 0, part, false);
	edu_unmap(test, &buf, DMA_TO_DEVICE, dma);
	if (err)
		goto free_buf;
	err = edu_get(test, 0, 0, part, data);
	if (err)
		goto free_buf;
	if (memcmp(data, buf.data + at, part)) {
		err = edu_fail(test, -EILSEQ, "the device read the wrong part of %zu bytes",
			       len);
		goto free_buf;
	}

	err = edu_put(test, 0, 0, part, 11);
	if (err)
		goto free_buf;
	err = edu_map(test, &buf, DMA_FROM_DEVICE, &dma);
	if (err)
		goto free_buf;
	err = edu_transfer(test, dma + at, 0, part, true);
	edu_unmap(test, &buf, DMA_FROM_DEVICE, dma);
	if (err)
		goto free_buf;
	if (!edu_same(buf.data + at, 0, part, part, 11))
		err = edu_fail(test, -EILSEQ, "what the device wrote did not arrive");
	else if (!edu_same(buf.data, 0, at, len, 10) ||
		 !edu_same(buf.data, at + part, len, len, 10))
		err = edu_fail(test, -EILSEQ, "what the device did not write has changed");
free_buf:
	freed = edu_free(test, &buf);
	err = err ?: freed;
free_data:
	kfree(data);
	return err;
}

/* Sizes of the entries of a list, and their offsets into a page */
static const struct {
	unsigned int offset;
	u32 len;
} edu_sg_shapes[] = {
	{ 0, 512 },
	{ 4095, 1 },
	{ 7, 1027 },
	{ 2100, 2400 },
};

/* Copy a list to or from the device. */
static int edu_sg_copy(struct edu_test *test, struct edu_buf *bufs, int count,
		       enum dma_data_direction dir)
{
	struct device *dev = &test->pdev->dev;
	struct scatterlist list[ARRAY_SIZE(edu_sg_shapes)], *sg;
	u32 pos = 0;
	int err = 0, mapped, i;

	sg_init_table(list, count);
	for (i = 0; i < count; i++)
		sg_set_buf(&list[i], bufs[i].data, bufs[i].len);
	mapped = dma_map_sg(dev, list, count, dir);
	if (!mapped)
		return edu_fail(test, -ENOMEM, "a list could not be mapped");
	for_each_sg(list, sg, mapped, i) {
		int wrong = edu_count(test, sg_dma_address(sg), sg_dma_len(sg));

		err = err ?: wrong;
	}
	for_each_sg(list, sg, mapped, i) {
		if (err)
			break;
		err = edu_transfer(test, sg_dma_address(sg), pos,
				   sg_dma_len(sg), dir == DMA_FROM_DEVICE);
		pos += sg_dma_len(sg);
	}
	dma_unmap_sg(dev, list, count, dir);
	return err;
}

/* map_sg, either direction */
static int edu_case_sg(struct edu_test *test)
{
	struct edu_buf bufs[ARRAY_SIZE(edu_sg_shapes)] = {};
	int err = 0, freed, i;

	for (i = 0; !err && i < ARRAY_SIZE(bufs); i++) {
		err = edu_alloc(test, &bufs[i], edu_sg_shapes[i].offset,
				edu_sg_shapes[i].len);
		if (!err)
			edu_pattern(bufs[i].data, bufs[i].len, 20 + i);
	}
	if (!err)
		err = edu_sg_copy(test, bufs, ARRAY_SIZE(bufs), DMA_TO_DEVICE);
	for (i = 0; !err && i < ARRAY_SIZE(bufs); i++) {
		if (!edu_same(bufs[i].data, 0, bufs[i].len, bufs[i].len, 20 + i))
			err = edu_fail(test, -EILSEQ, "entry %d was only read and has changed",
				       i);
		memset(bufs[i].data, 0, bufs[i].len);
	}
	if (!err)
		err = edu_sg_copy(test, bufs, ARRAY_SIZE(bufs), DMA_FROM_DEVICE);
	for (i = 0; !err && i < ARRAY_SIZE(bufs); i++)
		if (!edu_same(bufs[i].data, 0, bufs[i].len, bufs[i].len, 20 + i))
			err = edu_fail(test, -EILSEQ, "entry %d of a list came back different",
				       i);
	for (i = 0; i < ARRAY_SIZE(bufs); i++) {
		freed = edu_free(test, &bufs[i]);
		err = err ?: freed;
	}
	return err;
}

/* A part of what the device wrote is asked for while the mapping stays. */
static int edu_sync_for_cpu(struct edu_test *test, struct edu_buf *buf)
{
	struct device *dev = &test->pdev->dev;
	const size_t from = 1000, to = 1501, len = buf->len;
	dma_addr_t dma;
	int err;

	err = edu_put(test, 0, 0, len, 30);
	if (err)
		return err;
	edu_pattern(buf->data, len, 31);
	err = edu_map(test, buf, DMA_FROM_DEVICE, &dma);
	if (err)
		return err;
	err = edu_transfer(test, dma, 0, len, true);
	if (err)
		goto unmap;

	dma_sync_single_range_for_cpu(dev, dma, from, to - from,
				      DMA_FROM_DEVICE);
	if (!edu_same(buf->data, from, to, len, 30)) {
		err = edu_fail(test, -EILSEQ, "a part that was synced is not there");
		goto unmap;
	}
	/* The rest is still old when bounced, new when the device wrote here. */
	if (!(edu_same(buf->data, 0, from, len, 31) &&
	      edu_same(buf->data, to, len, len, 31)) &&
	    !(edu_same(buf->data, 0, from, len, 30) &&
	      edu_same(buf->data, to, len, len, 30))) {
		err = edu_fail(test, -EILSEQ, "more than the part that was synced has changed");
		goto unmap;
	}
	dma_sync_single_for_device(dev, dma, len, DMA_FROM_DEVICE);
unmap:
	edu_unmap(test, buf, DMA_FROM_DEVICE, dma);
	if (!err && !edu_same(buf->data, 0, len, len, 30))
		err = edu_fail(test, -EILSEQ, "after unmap not all is there that the device wrote");
	return err;
}

/* A part of what the device will read is changed while the mapping stays. */
static int edu_sync_for_device(struct edu_test *test, struct edu_buf *buf)
{
	struct device *dev = &test->pdev->dev;
	const size_t from = 203, to = 777, len = buf->len;
	u8 *data;
	dma_addr_t dma;
	int err;

	data = kmalloc(len, GFP_KERNEL);
	if (!data)
		return edu_fail(test, -ENOMEM, "no memory");
	edu_pattern(buf->data, len, 32);
	err = edu_map(test, buf, DMA_TO_DEVICE, &dma);
	if (err)
		goto free_data;
	dma_sync_single_range_for_cpu(dev, dma, from, to - from, DMA_TO_DEVICE);
	edu_pattern(data, len, 33);
	memcpy(buf->data + from, data + from, to - from);
	dma_sync_single_range_for_device(dev, dma, from, to - from,
					 DMA_TO_DEVICE);
	err = edu_transfer(test, dma, 0, len, false);
	edu_unmap(test, buf, DMA_TO_DEVICE, dma);
	if (!err)
		err = edu_get(test, 5, 0, len, data);
	if (err)
		goto free_data;
	if (!edu_same(data, from, to, len, 33))
		err = edu_fail(test, -EILSEQ, "the device did not see the part that was synced");
	else if (!edu_same(data, 0, from, len, 32) ||
		 !edu_same(data, to, len, len, 32))
		err = edu_fail(test, -EILSEQ, "the device saw a change beside what was synced");
free_data:
	kfree(data);
	return err;
}

static int edu_case_sync(struct edu_test *test)
{
	struct edu_buf buf;
	int err, freed;

	err = edu_alloc(test, &buf, 1200, 3000);
	if (err)
		return err;
	err = edu_sync_for_cpu(test, &buf);
	if (!err)
		err = edu_sync_for_device(test, &buf);
	freed = edu_free(test, &buf);
	return err ?: freed;
}

/* One mapping that the device reads and then writes */
static int edu_case_bidirectional(struct edu_test *test)
{
	struct device *dev = &test->pdev->dev;
	const u32 len = 1700, pos = 2048;
	struct edu_buf buf;
	dma_addr_t dma;
	int err, freed;

	err = edu_put(test, 0, 0, len, 40);
	if (err)
		return err;
	err = edu_alloc(test, &buf, 600, len);
	if (err)
		return err;
	edu_pattern(buf.data, len, 41);
	err = edu_map(test, &buf, DMA_BIDIRECTIONAL, &dma);
	if (err)
		goto free_buf;
	err = edu_transfer(test, dma, pos, len, false);
	if (!err)
		err = edu_transfer(test, dma, 0, len, true);
	if (!err) {
		dma_sync_single_for_cpu(dev, dma, len, DMA_BIDIRECTIONAL);
		if (!edu_same(buf.data, 0, len, len, 40))
			err = edu_fail(test, -EILSEQ, "what the device wrote was not synced");
		dma_sync_single_for_device(dev, dma, len, DMA_BIDIRECTIONAL);
	}
	edu_unmap(test, &buf, DMA_BIDIRECTIONAL, dma);
	if (!err && !edu_same(buf.data, 0, len, len, 40))
		err = edu_fail(test, -EILSEQ, "what the device wrote is not there");
	if (!err)
		err = edu_expect(test, 3, pos, len, 41);
free_buf:
	freed = edu_free(test, &buf);
	return err ?: freed;
}

/* Several mappings at the same time, used and ended in the other order */
static int edu_case_many(struct edu_test *test)
{
	enum { COUNT = 4, LEN = 1009 };
	struct edu_buf bufs[COUNT] = {};
	dma_addr_t dma[COUNT];
	int err = 0, freed, mapped, i;

	for (i = 0; !err && i < COUNT; i++) {
		err = edu_alloc(test, &bufs[i], i * 997, LEN);
		if (!err)
			edu_pattern(bufs[i].data, LEN, 50 + i);
	}
	for (mapped = 0; !err && mapped < COUNT; mapped++) {
		err = edu_map(test, &bufs[mapped], DMA_BIDIRECTIONAL,
			      &dma[mapped]);
		if (err)
			break;
	}
	for (i = COUNT - 1; !err && i >= 0; i--)
		err = edu_transfer(test, dma[i], i * LEN, LEN, false);
	/* Each gets back what its neighbour sent. */
	for (i = 0; !err && i < COUNT; i++)
		err = edu_transfer(test, dma[i], (i + 1) % COUNT * LEN, LEN,
				   true);
	while (mapped--)
		edu_unmap(test, &bufs[mapped], DMA_BIDIRECTIONAL, dma[mapped]);
	for (i = 0; !err && i < COUNT; i++)
		if (!edu_same(bufs[i].data, 0, LEN, LEN, 50 + (i + 1) % COUNT))
			err = edu_fail(test, -EILSEQ, "mapping %d of %d has the data of another",
				       i, COUNT);
	for (i = 0; i < COUNT; i++) {
		freed = edu_free(test, &bufs[i]);
		err = err ?: freed;
	}
	return err;
}

static const struct {
	const char *name;
	int (*run)(struct edu_test *test);
} edu_cases[] = {
	{ "single", edu_case_single },
	{ "large", edu_case_large },
	{ "sg", edu_case_sg },
	{ "sync", edu_case_sync },
	{ "bidirectional", edu_case_bidirectional },
	{ "many", edu_case_many },
};

static int edu_cases_show(struct seq_file *s, void *unused)
{
	for (int i = 0; i < ARRAY_SIZE(edu_cases); i++)
		seq_printf(s, "%s\n", edu_cases[i].name);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(edu_cases);

static int edu_result_show(struct seq_file *s, void *unused)
{
	struct edu_test *test = s->private;

	mutex_lock(&test->lock);
	seq_printf(s, "mappings=%u bytes=%llu highest=%#llx %s\n",
		   test->mappings, test->bytes, test->highest, test->why);
	mutex_unlock(&test->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(edu_result);

static int edu_mask_bits_get(void *data, u64 *val)
{
	struct edu_test *test = data;

	*val = fls64(dma_get_mask(&test->pdev->dev));
	return 0;
}

static int edu_mask_bits_set(void *data, u64 val)
{
	struct edu_test *test = data;
	int err;

	if (!val || val > 64)
		return -EINVAL;
	mutex_lock(&test->lock);
	err = dma_set_mask(&test->pdev->dev, DMA_BIT_MASK(val));
	mutex_unlock(&test->lock);
	return err;
}
DEFINE_DEBUGFS_ATTRIBUTE(edu_mask_bits_fops, edu_mask_bits_get,
			 edu_mask_bits_set, "%llu\n");

static ssize_t edu_run_write(struct file *file, const char __user *user,
			     size_t count, loff_t *pos)
{
	struct edu_test *test = file->private_data;
	char name[32];
	ssize_t len;
	int i, err;

	len = simple_write_to_buffer(name, sizeof(name) - 1, pos, user, count);
	if (len < 0)
		return len;
	name[len] = '\0';
	strim(name);
	for (i = 0; i < ARRAY_SIZE(edu_cases); i++)
		if (!strcmp(name, edu_cases[i].name))
			break;
	if (i == ARRAY_SIZE(edu_cases))
		return -EINVAL;

	add_taint(TAINT_TEST, LOCKDEP_STILL_OK);
	mutex_lock(&test->lock);
	test->mappings = 0;
	test->bytes = 0;
	test->highest = 0;
	test->why[0] = '\0';
	err = edu_cases[i].run(test);
	mutex_unlock(&test->lock);
	return err ?: count;
}

static const struct file_operations edu_run_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = edu_run_write,
};

static int edu_test_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct edu_test *test;
	int err;

	test = devm_kzalloc(&pdev->dev, sizeof(*test), GFP_KERNEL);
	if (!test)
		return -ENOMEM;
	err = pcim_enable_device(pdev);
	if (err)
		return err;
	test->regs = pcim_iomap_region(pdev, 0, KBUILD_MODNAME);
	if (IS_ERR(test->regs))
		return PTR_ERR(test->regs);
	/* Version in the upper half, 0xed at the end */
	if ((readl(test->regs + EDU_REG_ID) & 0xff) != 0xed)
		return dev_err_probe(&pdev->dev, -ENODEV, "this is no edu device\n");
	pci_set_master(pdev);
	test->pdev = pdev;
	mutex_init(&test->lock);
	pci_set_drvdata(pdev, test);

	test->dir = debugfs_create_dir(pci_name(pdev), edu_test_root);
	debugfs_create_file("cases", 0400, test->dir, test, &edu_cases_fops);
	debugfs_create_file("mask_bits", 0600, test->dir, test,
			    &edu_mask_bits_fops);
	debugfs_create_file("run", 0200, test->dir, test, &edu_run_fops);
	debugfs_create_file("result", 0400, test->dir, test, &edu_result_fops);
	return 0;
}

static void edu_test_remove(struct pci_dev *pdev)
{
	struct edu_test *test = pci_get_drvdata(pdev);

	/* Waits for whoever is in one of the files. */
	debugfs_remove(test->dir);
	pci_clear_master(pdev);
}

static const struct pci_device_id edu_test_ids[] = {
	{ PCI_DEVICE(EDU_VENDOR_ID, EDU_DEVICE_ID) },
	{ }
};
MODULE_DEVICE_TABLE(pci, edu_test_ids);

static struct pci_driver edu_test_driver = {
	.name = KBUILD_MODNAME,
	.id_table = edu_test_ids,
	.probe = edu_test_probe,
	.remove = edu_test_remove,
};

static int __init edu_test_init(void)
{
	int err;

	edu_test_root = debugfs_create_dir(KBUILD_MODNAME, NULL);
	err = pci_register_driver(&edu_test_driver);
	if (err)
		debugfs_remove(edu_test_root);
	return err;
}
module_init(edu_test_init);

static void __exit edu_test_exit(void)
{
	pci_unregister_driver(&edu_test_driver);
	debugfs_remove(edu_test_root);
}
module_exit(edu_test_exit);

MODULE_DESCRIPTION("Streaming DMA test for QEMU's edu device");
MODULE_LICENSE("GPL");
MODULE_INFO(test, "Y");

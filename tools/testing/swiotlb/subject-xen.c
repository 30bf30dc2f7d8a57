// SPDX-License-Identifier: GPL-2.0
/* The real swiotlb-xen.c, and what tests need of its inside. */
#include "shim.h"
#include "sim.h"

#undef pr_fmt
#include SUBJECT_XEN

const struct dma_map_ops *subject_xen_ops = &xen_swiotlb_dma_ops;

/* What runs after the early pools were set up */
void subject_xen_init(void)
{
#ifdef SUBJECT_HAS_RESUME
	sim_early_initcall();
#endif
}

unsigned int sim_foreign_syncs;

void xen_dma_sync_for_cpu(struct device *dev, dma_addr_t handle, size_t size,
			  enum dma_data_direction dir)
{
	sim_foreign_syncs++;
}

void xen_dma_sync_for_device(struct device *dev, dma_addr_t handle, size_t size,
			     enum dma_data_direction dir)
{
	sim_foreign_syncs++;
}

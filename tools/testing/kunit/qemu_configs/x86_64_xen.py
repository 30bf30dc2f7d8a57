# SPDX-License-Identifier: GPL-2.0
#
# The kernel as dom0 of Xen. Xen's image is not part of the kernel: the environment
# variable XEN_IMAGE says where it is, and it has to be unpacked, since QEMU does
# not do that:
#
#   gunzip <xen-4.20-amd64.gz >xen
#   XEN_IMAGE=$PWD/xen ./tools/testing/kunit/kunit.py run --arch=x86_64_xen \
#    --kunitconfig=drivers/xen/tests

import os

from ..qemu_config import QemuArchParams

QEMU_ARCH = QemuArchParams(linux_arch='x86_64',
			   kconfig='''
CONFIG_HYPERVISOR_GUEST=y
CONFIG_PARAVIRT=y
CONFIG_PCI=y
CONFIG_ACPI=y
CONFIG_XEN=y
CONFIG_XEN_PV=y
CONFIG_XEN_DOM0=y
CONFIG_HVC_XEN=y''',
			   qemu_arch='x86_64',
			   kernel_path='arch/x86/boot/bzImage',
			   kernel_command_line='console=hvc0 panic=-1',
			   # Before QEMU 9.1 the emulated iretq of ring 3, which a PV
			   # kernel uses, reads the stack as a kernel would: SMAP
			   # forbids that. Of the memory, 2 GiB are above 4 GiB.
			   extra_qemu_params=['-machine', 'q35',
					      '-cpu', 'max,-smap',
					      '-m', '4G'],
			   # The name of the variable, where it is not set, ends up in a message.
			   hypervisor_path=os.environ.get('XEN_IMAGE', '$XEN_IMAGE'),
			   # QEMU takes host memory for all that Xen would scrub.
			   hypervisor_command_line='console=com1 loglvl=error dom0_mem=1G,max:1G bootscrub=0')

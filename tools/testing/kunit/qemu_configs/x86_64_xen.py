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
import sys

from ..qemu_config import QemuArchParams


def xen_image() -> str:
	path = os.environ.get('XEN_IMAGE', '')
	if not path:
		sys.exit('x86_64_xen: XEN_IMAGE is not set: it has to name the image of Xen')
	try:
		with open(path, 'rb') as image:
			magic = image.read(4)
	except OSError as e:
		sys.exit(f'x86_64_xen: XEN_IMAGE={path}: {e.strerror}')
	if magic != b'\x7fELF':
		sys.exit(f'x86_64_xen: XEN_IMAGE={path}: not an ELF file; if it is packed, unpack it (gunzip)')
	return path


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
			   hypervisor_path=xen_image(),
			   # QEMU takes host memory for all that Xen would scrub.
			   hypervisor_command_line='console=com1 loglvl=error dom0_mem=1G,max:1G bootscrub=0')

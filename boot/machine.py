# SPDX-License-Identifier: GPL-2.0-only
"""The test machine: its devices, and the QEMU command that makes it."""
import shlex

import scenario as scenarios

DISK_MB = 64

# QEMU's arguments for each device, the Linux driver, and the DMA mask in bits
# that the driver must end up with.  The guest writes only to disks with such
# a serial number.
DEVICES = [
    ("nvme", 64, ["-drive", "id=d0,if=none,format=raw,cache=unsafe,file=disk0",
                  "-device", "nvme,drive=d0,serial=swiotlb-test0"]),
    ("nvme", 64, ["-drive", "id=d1,if=none,format=raw,cache=unsafe,file=disk1",
                  "-device", "nvme,drive=d1,serial=swiotlb-test1"]),
    ("am53c974", 32, ["-device", "am53c974,id=s2",
                      "-drive", "id=d2,if=none,format=raw,cache=unsafe,file=disk2",
                      "-device", "scsi-hd,bus=s2.0,drive=d2,serial=swiotlb-test2"]),
    ("sym53c8xx", 40, ["-device", "lsi53c895a,id=s3",
                       "-drive", "id=d3,if=none,format=raw,cache=unsafe,file=disk3",
                       "-device", "scsi-hd,bus=s3.0,drive=d3,serial=swiotlb-test3"]),
    # Behind these two ports sits nic-peer, one process a connection.
    ("e1000", 32, ["-netdev", "user,id=n0,restrict=on"
                   ",guestfwd=tcp:10.0.2.100:1001-cmd:./nic-peer send"
                   ",guestfwd=tcp:10.0.2.100:1002-cmd:./nic-peer take",
                   "-device", "e1000,netdev=n0"]),
]
DISKS = ["disk0", "disk1", "disk2", "disk3"]
# In the run's directory: what the files were that it booted
SUMS = "inputs.sha256"
# The edu devices of a scenario are in these places, in order.
EDU_SLOT = 0x10

# SMAP: before QEMU 9.1 the emulated iretq of ring 3, which a PV kernel uses,
# reads the stack as the kernel would, which SMAP forbids.
COMMON = ["qemu-system-x86_64", "-machine", "q35",
          "-cpu", "max,-smap", "-nodefaults", "-display", "none", "-monitor", "none",
          "-no-reboot", "-d", "guest_errors", "-D", "qemu.log"]

PARALLEL = ["-accel", "tcg,thread=multi"]
# The clock goes on by 2^icount ns with each instruction, and leaps when all
# processors are idle; they take turns, and the host's load plays no part.
COUNTING = ["-accel", "tcg,thread=single", "-icount", "shift={icount},align=off,sleep=off"]

# The report needs all messages, and the guest's lines without a limit on their rate.
KERNEL = "panic=-1 ignore_loglevel printk.devkmsg=on"
# QEMU takes host memory for all that Xen would scrub.
XEN = "console=com1 loglvl=all noreboot bootscrub=0"


def edu_devices(scenario):
    """(slot, bits that it reaches) of each."""
    reaches = filter(None, scenario["edu"].split(","))
    return [(EDU_SLOT + place, int(bits)) for place, bits in enumerate(reaches)]


def kernel_cmdline(scenario):
    words = ["console=" + ("hvc0" if scenario["mode"] == "xen" else "ttyS0"), KERNEL,
             f"test={scenario['test']}"]
    # For boot/guest, like test=: how far a device reaches only QEMU knows.
    if edu := edu_devices(scenario):
        words.append("edu=" + ",".join(f"0000:00:{slot:02x}.0={bits}" for slot, bits in edu))
    if scenario["minutes"]:
        words.append(f"minutes={scenario['minutes']}")
    words.append(scenarios.kernel_says(scenario["kernel"], "cmdline"))
    return " ".join(filter(None, words + [scenario["CMDLINE"]]))


def qemu(scenario, extra="", shell=False):
    """The arguments, for a directory with xen, kernel, initramfs and nic-peer."""
    accel = COUNTING if scenario["icount"] else PARALLEL
    args = COMMON + [arg.format(**scenario) for arg in accel]
    args += ["-m", scenario["MEM"], "-smp", scenario["CPUS"]]
    # The console is QEMU's own input and output; Ctrl-C belongs to the guest.
    mux = "signal=off" if shell else "signal=on"
    args += ["-chardev", f"stdio,id=con,{mux},logfile=console.log", "-serial", "chardev:con"]
    for _, _, device in DEVICES:
        args += device
    for slot, bits in edu_devices(scenario):
        args += ["-device", f"edu,addr={slot:#x},dma_mask={(1 << bits) - 1:#x}"]
    args += scenarios.words(scenario["qemu"], "qemu")
    if scenario["mode"] == "xen":
        # -initrd is a list of modules; a comma within one is written twice.
        dom0 = ("kernel " + kernel_cmdline(scenario)).replace(",", ",,")
        args += ["-kernel", "xen", "-append", f"{XEN} {scenario['XEN_CMDLINE']}".strip(),
                 "-initrd", f"{dom0},initramfs"]
    else:
        args += ["-kernel", "kernel", "-append", kernel_cmdline(scenario),
                 "-initrd", "initramfs"]
    return args + scenarios.words(extra, "QEMU_EXTRA")


def script(scenario, args):
    """The command as a program that can be run again, an option a line."""
    lines = []
    for arg in args[1:]:
        if arg.startswith("-") or not lines:
            lines.append(shlex.quote(arg))
        else:
            lines[-1] += " " + shlex.quote(arg)
    command = " \\\n\t".join([args[0]] + lines)
    return (f"#!/bin/sh\n# {scenario['name']}: {scenario['what']}\n"
            "cd \"$(dirname \"$0\")\" || exit 1\n"
            f"sha256sum --quiet -c {SUMS} >&2 || echo 'Not the files of the first boot' >&2\n"
            f"rm -f {' '.join(DISKS)}\n"
            f"truncate -s {DISK_MB}M {' '.join(DISKS)}\n"
            f"exec {command}\n")

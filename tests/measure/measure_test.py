"""berth measure: digests of a small firmware made here, errors, and a peer's digests of the same.

`peer` takes what a Python has that $BERTH_SEV_SNP_MEASURE names, or this one: the package sev-snp-measure. With
$BERTH_OVMF_FIXTURES, a folder of firmware files (*.bin, *.fd), these are compared as well.
"""
import hashlib
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import uuid

BERTH_KEEP = os.environ["BERTH"] + "-keep"
SECTIONS = [(0x800000, 0x9000, 1), (0x80A000, 0x3000, 1), (0x80D000, 0x1000, 2), (0x80E000, 0x1000, 3),
            (0x810000, 0x1000, 0x10), (0x811000, 0xF000, 1)]
TDX_SECTIONS = [(0, 8192, 0xFFFFE000, 8192, 0, 1), (0, 4096, 0xFFFFE000, 4096, 1, 0), (0, 0, 0x810000, 0x2000, 3, 0),
                (0, 0, 0x809000, 0x1000, 2, 0)]


def firmware():
    data = bytearray((i * 7 + i // 256) & 255 for i in range(8192))
    sev = b"ASEV" + struct.pack("<III", 16 + 12 * len(SECTIONS), 1, len(SECTIONS))
    sev += b"".join(struct.pack("<III", *section) for section in SECTIONS)
    data[6000:6000 + len(sev)] = sev
    tdx = b"TDVF" + struct.pack("<III", 16 + 32 * len(TDX_SECTIONS), 1, len(TDX_SECTIONS))
    tdx += b"".join(struct.pack("<IIQQII", *section) for section in TDX_SECTIONS)
    data[7000:7000 + len(tdx)] = tdx
    table = b""
    for value, guid in [(8192 - 7000, "e47a6535-984a-4798-865e-4685a7bf8ec2"),
                        (8192 - 6000, "dc886566-984a-4798-a75e-5585a7bf67cc"),
                        (0x810C00, "7255371f-3a3b-4b04-927b-1da6efa8d454"),
                        (0x80B004, "00f771de-1a7e-4fcb-890e-68c77e2fb44e")]:
        table += struct.pack("<IH", value, 22) + uuid.UUID(guid).bytes_le
    table += struct.pack("<H", len(table) + 18) + uuid.UUID("96b582de-1fb2-45f7-baea-a366c55a082d").bytes_le
    data[8192 - 32 - len(table):8192 - 32] = table
    return bytes(data)


def measure(*words, code=0):
    done = subprocess.run([BERTH_KEEP, "measure", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == code, (words, done)
    return done.stdout.strip() if code == 0 else done.stderr


def known(folder):
    kernel = ["--ovmf", folder / "fw", "--kernel", folder / "k", "--initrd", folder / "i", "--append", "console=ttyS0 quiet"]
    expected = "975fb670194f4374a402587b4d1eaac5d7eac13441391dfd178a8f71042c0f0ec1c17871def0252a0f132f2494368a1c"
    words = ["--vcpus", 4, "--vcpu-type", "EPYC-Milan", "--guest-features", "0x21", *kernel]
    assert measure(*words) == expected
    assert measure("--backend", "snp", *words) == expected
    assert measure("--vcpu-sig", "0xa00f11", *words[:2], *words[4:]) == expected
    assert json.loads(measure("--json", *words)) == {"backend": "snp", "measurement": expected}
    # TDX, computed here from the operations' definition.
    data, stream = firmware(), b""
    for offset, size, gpa, memory, _, attributes in TDX_SECTIONS:
        contents = data[offset:offset + size].ljust(memory, b"\0")
        for page in range(0, memory, 4096):
            stream += (b"MEM.PAGE.ADD".ljust(16, b"\0") + struct.pack("<Q", gpa + page)).ljust(128, b"\0")
            for at in range(page, page + 4096, 256) if attributes & 1 else ():
                stream += (b"MR.EXTEND".ljust(16, b"\0") + struct.pack("<Q", gpa + at)).ljust(128, b"\0")
                stream += contents[at:at + 256]
    assert measure("--backend", "tdx", "--ovmf", folder / "fw") == hashlib.sha384(stream).hexdigest()


def errors(folder):
    fw = ["--ovmf", folder / "fw"]
    assert "firmware is missing" in measure(code=2)
    assert "--vcpu-type" in measure(*fw, code=2)
    assert "EPYC-Milan" in measure(*fw, "--vcpu-type", "Skylake", code=2)
    assert "--kernel" in measure(*fw, "--vcpu-type", "EPYC", "--append", "x", code=2)
    assert "no backend" in measure("--backend", "csv", *fw, code=2)
    assert "gramine" in measure("--backend", "sgx", code=2)
    assert "takes a number" in measure(*fw, "--vcpus", "many", code=2)
    assert "no/such" in measure("--ovmf", "no/such", "--vcpu-type", "EPYC", code=1)
    assert "whole pages" in measure("--ovmf", folder / "k", "--vcpu-type", "EPYC", code=1)
    (folder / "plain").write_bytes(bytes(8192))
    assert "no SEV metadata" in measure("--ovmf", folder / "plain", "--vcpu-type", "EPYC", code=1)
    assert "no TDX metadata" in measure("--backend", "tdx", "--ovmf", folder / "plain", code=1)
    assert "no PE file" in measure("--backend", "tdx", *fw, "--kernel", folder / "k", code=1)


def peer(folder):
    python = os.environ.get("BERTH_SEV_SNP_MEASURE", sys.executable)
    if subprocess.run([python, "-c", "import sevsnpmeasure"], capture_output=True).returncode != 0:
        print("SKIPPED: the peer sev-snp-measure is not installed; `pip install sev-snp-measure` in a virtual "
              "environment, and $BERTH_SEV_SNP_MEASURE names its python")
        sys.exit(77)
    files = [folder / "fw"]
    if fixtures := os.environ.get("BERTH_OVMF_FIXTURES"):
        files += sorted(p for p in pathlib.Path(fixtures).iterdir() if p.suffix in (".bin", ".fd"))
    rng, count = random.Random(1), 0
    for file in files:
        for _ in range(24):
            mode = rng.choice(["snp", "snp", "snp", "seves", "sev"])
            words = ["--ovmf", file]
            if rng.random() < 0.7:
                words += ["--kernel", folder / "k"]
                if rng.random() < 0.7:
                    words += ["--initrd", folder / "i"]
                if rng.random() < 0.7:
                    words += ["--append", "console=ttyS0 " + "x" * rng.randrange(200)]
            words += ["--vcpus", rng.randrange(1, 9), "--guest-features", hex(rng.getrandbits(20))]
            words += ["--vcpu-type", rng.choice(["EPYC", "EPYC-v4", "EPYC-Rome", "EPYC-Milan-v2", "EPYC-Genoa", "EPYC-Turin"])]
            vmm = rng.choice(["qemu", "qemu", "ec2", "gce"]) if mode == "snp" else "qemu"
            theirs = subprocess.run([python, "-m", "sevsnpmeasure.cli", "--mode", mode, "--vmm-type",
                                     "QEMU" if vmm == "qemu" else vmm, *map(str, words)], capture_output=True, text=True)
            ours = subprocess.run([BERTH_KEEP, "measure", "--vmm-type", vmm, "--backend",
                                   {"snp": "snp", "seves": "sev-es", "sev": "sev"}[mode], *map(str, words)],
                                  capture_output=True, text=True)
            # They also digest what no guest can be started with under SEV-SNP.
            if theirs.returncode != 0 or "no SEV metadata" in ours.stderr:
                assert ours.returncode != 0, (words, theirs, ours)
                continue
            assert ours.stdout == theirs.stdout, (mode, vmm, words, theirs, ours)
            count += 1
    print(f"{count} digests of {len(files)} firmware files, equal")
    assert count > 12


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "fw").write_bytes(firmware())
        (folder / "k").write_bytes(b"kernel\n")
        (folder / "i").write_bytes(b"initrd\n")
        {"known": known, "errors": errors, "peer": peer}[sys.argv[1]](folder)

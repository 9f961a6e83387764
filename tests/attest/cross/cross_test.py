#!/usr/bin/env python3
"""Berth's fields and verdicts against independent verifiers': cross_test.py dcap_qvl|go_sev|go_tdx [COUNT]

Evidence of real hardware, as it is and with COUNT bits changed at random (default: 60), at several times. Optional: a
verifier that is not on this machine is said to be missing, loudly. To have them:
  python3 -m venv DIR && DIR/bin/pip install dcap-qvl     and BERTH_CROSS_PYTHON=DIR/bin/python3
  (cd tests/attest/cross/go && go mod download)
Berth is found beside $BERTH, evidence in $BERTH_EVIDENCE.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

EXIT_SKIPPED = 77
HERE = Path(__file__).resolve().parent
BERTH = Path(os.environ["BERTH"]).resolve()
EVIDENCE = Path(os.environ.get("BERTH_EVIDENCE", "../shared/evidence"))
JUNE = 1750809600  # 2025-06-25
SEED = 6

# Reads a request in JSON, and answers what dcap-qvl says; run by the Python that has it.
DCAP_QVL = r"""
import json, sys
import dcap_qvl
for line in sys.stdin:
    request = json.loads(line)
    out = {"ok": False, "error": "", "fields": {}}
    try:
        quote = bytes.fromhex(request["evidence"])
        report = dcap_qvl.parse_quote(quote).report
        names = {"mr_enclave": "measurement", "mr_signer": "mr_signer", "mr_td": "measurement", "mr_seam": "mr_seam",
                 "mr_config_id": "mr_config_id", "mr_owner": "mr_owner", "rt_mr0": "rtmr0", "rt_mr1": "rtmr1",
                 "rt_mr2": "rtmr2", "rt_mr3": "rtmr3", "tee_tcb_svn": "tee_tcb_svn", "report_data": "report_data"}
        for theirs, ours in names.items():
            if hasattr(report, theirs):
                out["fields"][ours] = bytes(getattr(report, theirs)).hex()
        collateral = dcap_qvl.QuoteCollateralV3.from_json(json.dumps(request["collateral"]))
        verified = dcap_qvl.verify(quote, collateral, request["time"])
        out.update(ok=True, status=verified.status, advisory_ids=sorted(verified.advisory_ids))
    except Exception as error:
        out["error"] = str(error)
    print(json.dumps(out), flush=True)
"""


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(EXIT_SKIPPED)


class Peer:
    """A verifier that reads requests and writes answers, a line each."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        while answer := self.process.stdout.readline():
            if answer.startswith("{"):  # a log may be between
                return json.loads(answer)
        sys.exit("FAILED: the other verifier ended")


def dcap_qvl_peer(_):
    python = os.environ.get("BERTH_CROSS_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import dcap_qvl"], capture_output=True).returncode != 0:
        skip("dcap-qvl is not installed (pip install dcap-qvl; BERTH_CROSS_PYTHON names the Python that has it)")
    return Peer([python, "-c", DCAP_QVL])


def go_peer(folder):
    go = shutil.which("go") or ("/usr/local/go/bin/go" if Path("/usr/local/go/bin/go").exists() else None)
    if not go:
        skip("there is no Go")
    built = subprocess.run([go, "build", "-o", f"{folder}/peer", "."], cwd=HERE / "go", capture_output=True, text=True,
                           env=os.environ | {"GOPROXY": "off", "GOFLAGS": "-mod=readonly"})
    if built.returncode != 0:
        skip(f"the Go verifiers cannot be built (cd {HERE}/go && go mod download):\n{built.stderr[-500:]}")
    return Peer([f"{folder}/peer"])


def berth(folder, evidence, collateral, time):
    """(verdict as JSON, or None when it could not be read; what was said)."""
    file = Path(folder) / "evidence"
    file.write_bytes(evidence)
    command = [BERTH, "attest", "verify", "--json", "--time", str(time), file]
    for path in collateral:
        command += ["--collateral", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode not in (0, 1):
        sys.exit(f"FAILED: berth ended with {done.returncode}: {done.stderr}")
    return (json.loads(done.stdout) if done.stdout else None), done.stderr


def variants(evidence, last, count):
    """The evidence, and copies with a bit changed before `last`."""
    yield "as it is", evidence
    chosen = random.Random(SEED)
    for _ in range(count):
        at, bit = chosen.randrange(last), chosen.randrange(8)
        changed = bytearray(evidence)
        changed[at] ^= 1 << bit
        yield f"bit {bit} of byte {at} changed", bytes(changed)


def compare(name, what, time, ours, said, theirs, good):
    mine = bool(ours and good(ours))
    if mine != theirs["ok"]:
        reasons = [check for check in ours["checks"] if check["outcome"] == "FAIL"] if ours else said
        sys.exit(f"FAILED: {name}, {what}, at {time}: Berth says {mine} ({reasons}), the other {theirs['ok']} ({theirs['error']})")
    return mine


def fields_agree(name, ours, theirs):
    count = 0
    for field, value in theirs["fields"].items():
        mine = ours["evidence"].get(field)
        mine = mine["raw"] if isinstance(mine, dict) else str(mine)
        if mine != value:
            sys.exit(f"FAILED: {name}: {field} is {mine}, the other says {value}")
        count += 1
    if count == 0:
        sys.exit(f"FAILED: {name}: no field was compared")
    return count


def run(folder, peer, samples, count, good):
    for name, evidence, last, collateral, request, times in samples:
        accepted = refused = fields = 0
        for when in times:
            ours, said = berth(folder, evidence, collateral, when)
            theirs = peer.ask(request | {"evidence": evidence.hex(), "time": when})
            accepted += compare(name, "as it is", when, ours, said, theirs, good)
            fields = fields_agree(name, ours, theirs)
            if "status" in theirs:
                mine = (ours["tcb_status"], sorted(ours["advisory_ids"]))
                if mine != (theirs["status"], theirs["advisory_ids"]):
                    sys.exit(f"FAILED: {name}: {mine}, the other says {theirs}")
        for what, changed in list(variants(evidence, last, count))[1:]:
            ours, said = berth(folder, changed, collateral, times[0])
            theirs = peer.ask(request | {"evidence": changed.hex(), "time": times[0]})
            refused += not compare(name, what, times[0], ours, said, theirs, good)
        print(f"{name}: {fields} fields equal; accepted at {accepted} of {len(times)} times; {refused} of {count} changed "
              "ones refused by both")


def quote(file, collateral, last, times):
    path = EVIDENCE / collateral
    return (file, (EVIDENCE / file).read_bytes(), last, [path], {"kind": "tdx", "collateral": json.loads(path.read_text())}, times)


def certificate(path, number=0):
    """The DER, in hexadecimal, of a file of one in DER or several in PEM."""
    data = path.read_bytes()
    if path.suffix == ".der":
        return data.hex()
    import base64
    return base64.b64decode(data.decode().split("-----BEGIN CERTIFICATE-----")[number + 1].split("-----END")[0]).hex()


def snp(folder, file, signer, chain, ask, ark, is_vlek, times):
    data = (EVIDENCE / file).read_bytes()
    if file.endswith(".hex"):
        data = bytes.fromhex("".join(data.decode().split()))
    paths = [EVIDENCE / "snp" / signer, EVIDENCE / "snp" / chain]
    request = {"kind": "snp", "signer": certificate(paths[0]), "is_vlek": is_vlek, "ask": certificate(paths[1], ask),
               "ark": certificate(paths[1], ark)}
    return (file, data, 0x330, paths, request, times)


def main():
    cases = ("dcap_qvl", "go_sev", "go_tdx")
    if len(sys.argv) < 2 or sys.argv[1] not in cases:
        sys.exit(f"usage: cross_test.py {'|'.join(cases)} [COUNT]")
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    if not EVIDENCE.is_dir():
        skip(f"there is no evidence of real hardware at {EVIDENCE} (BERTH_EVIDENCE names its folder)")
    times = [JUNE, JUNE - 40 * 86400, JUNE + 40 * 86400, JUNE - 4000 * 86400]
    tdx_quote = quote("tdx/quote-v4.bin", "tdx/quote-v4-collateral.json", 48 + 584 + 4 + 128, times)
    sgx_quote = quote("sgx/quote-v3.bin", "sgx/quote-v3-collateral.json", 48 + 384 + 4 + 128, times)
    with tempfile.TemporaryDirectory() as folder:
        if sys.argv[1] == "dcap_qvl":
            run(folder, dcap_qvl_peer(folder), [sgx_quote, tdx_quote], count, lambda ours: ours["genuine"])
        elif sys.argv[1] == "go_tdx":
            # Signatures and the chain, without collateral.
            looked_at = ("quoting enclave is Intel's", "signature of the quote", "quoting enclave vouches for the key",
                         "signature of the quoting enclave's report", "chain of the PCK certificate to Intel's root")

            def good(ours):
                outcomes = {check["name"]: check["outcome"] for check in ours["checks"]}
                return all(outcomes.get(name) == "ok" for name in looked_at)

            run(folder, go_peer(folder), [tdx_quote], count, good)
        else:
            run(folder, go_peer(folder),
                [snp(folder, "snp/milan-v2-report.hex", "milan-v2-vcek.der", "milan-ask-ark.pem", 0, 1, False, times),
                 snp(folder, "snp/milan-v3-vlek-report.bin", "milan-v3-vlek.der", "milan-ask-ark-asvk.pem", 2, 1, True, times)],
                count, lambda ours: ours["genuine"])


if __name__ == "__main__":
    main()

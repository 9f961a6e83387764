#!/usr/bin/env python3
"""`berth attest` as its users call it: attest_test.py show|verify|token|policy|services|formats

The program is found beside $BERTH, evidence of real hardware in $BERTH_EVIDENCE.
"""

import base64
import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import urllib.parse
from pathlib import Path

EXIT_SKIPPED = 77
BERTH = Path(os.environ["BERTH"]).resolve()
EVIDENCE = Path(os.environ.get("BERTH_EVIDENCE", "../shared/evidence"))
WHEN = "2025-06-25T00:00:00Z"
SGX, SGX_COLLATERAL = EVIDENCE / "sgx/quote-v3.bin", EVIDENCE / "sgx/quote-v3-collateral.json"
TDX, TDX_COLLATERAL = EVIDENCE / "tdx/quote-v4.bin", EVIDENCE / "tdx/quote-v4-collateral.json"
SNP = EVIDENCE / "snp/milan-v2-report.hex"

MR_TD = ("91eb2b44d141d4ece09f0c75c2c53d247a3c68edd7fafe8a3520c942a604a407de03ae6dc5f87f27428b2538873118b7")


def attest(*arguments, stdin=None):
    """Runs it; (exit code, standard output, standard error)."""
    done = subprocess.run([BERTH, "attest", *map(str, arguments)], input=stdin, capture_output=True, timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def expect(condition, *what):
    if not condition:
        print("FAILED:", *what)
        raise SystemExit(1)


def accepted(*arguments):
    code, out, err = attest("verify", *arguments)
    expect(code == 0 and "accepted by the policy" in out, arguments, code, out, err)
    return out


def refused(reason, *arguments):
    code, out, err = attest("verify", *arguments)
    # The table's columns, as what they are.
    expect(code == 1 and reason in re.sub("  +", ": ", out) + err, arguments, code, out, err, "expected:", reason)


def wrong(reason, *arguments):
    code, out, err = attest(*arguments)
    expect(code == 2 and reason in err, arguments, code, out, err, "expected:", reason)


def collateral_of_snp(folder):
    """A folder with what the report needs, and something that is no collateral."""
    target = Path(folder) / "snp"
    target.mkdir()
    for name in ("milan-v2-vcek.der", "milan-ask-ark.pem"):
        (target / name).write_bytes((EVIDENCE / "snp" / name).read_bytes())
    (target / "notes.txt").write_text("whose these are\n")
    return target


def show(folder):
    for path, words in ((SNP, ["AMD SEV-SNP", "debugging", "not allowed", "boot loader 3", "not verified"]),
                        (SGX, ["Intel SGX", "MRENCLAVE", "33d8736db756ed49", "PCK certificate"]),
                        (TDX, ["Intel TDX", "RTMR3", MR_TD, "SEPT_VE_DISABLE"]),
                        (EVIDENCE / "tdx/quote-v5.dat", ["of TDX 1.5", "MRSERVICETD"]),
                        (EVIDENCE / "enarx/snp-milan.csr", ["certificate request", "signed by that key", "SEV-VCEK"]),
                        (EVIDENCE / "enarx/sgx-icelake.csr", ["Intel SGX", "documents of Intel's"])):
        code, out, err = attest("show", path)
        expect(code == 0 and not err and all(word in out for word in words), path, code, out, err)
        code, out, err = attest("show", "--json", path)
        expect(code == 0 and json.loads(out)["measurement" if "snp" in path.name or "milan" in path.name else "form"], path, out)
    fields = json.loads(attest("show", "--json", SNP)[1])
    expect(fields["technology"] == "snp" and fields["version"] == 2 and fields["debug"] is False, fields)
    expect(fields["reported_tcb"]["microcode"] == 115 and len(fields["chip_id"]) == 128, fields)
    code, _, err = attest("show", Path(folder) / "nothing")
    expect(code == 1 and "No such file" in err, code, err)
    code, _, err = attest("show", "-", stdin=b"hello, world\n")
    expect(code == 1 and "no evidence that is known" in err, code, err)
    wrong("show", "show")
    wrong("there is no command shwo", "shwo", SNP)


def formats(folder):
    raw = TDX.read_bytes()
    expected = attest("show", TDX)[1].split("\n", 1)[1]
    pem = base64.encodebytes(raw).decode()
    for data in (raw.hex().encode(), raw.hex().upper().encode() + b"\n", b"0x" + raw.hex().encode(), base64.b64encode(raw),
                 base64.urlsafe_b64encode(raw).rstrip(b"="), pem.encode(),
                 f"-----BEGIN QUOTE-----\n{pem}-----END QUOTE-----\n".encode(),
                 json.dumps({"quote": base64.b64encode(raw).decode(), "cc_eventlog": ""}).encode()):
        code, out, err = attest("show", "-", stdin=data)
        expect(code == 0 and out.split("\n", 1)[1] == expected, data[:40], code, err)
    request = (EVIDENCE / "enarx/snp-milan.csr").read_bytes()
    body = base64.encodebytes(request).decode()
    for data in (request, base64.b64encode(request), request.hex().encode(),
                 f"-----BEGIN CERTIFICATE REQUEST-----\n{body}-----END CERTIFICATE REQUEST-----\n".encode()):
        code, out, err = attest("show", "-", stdin=data)
        expect(code == 0 and "signed by that key  yes" in out, data[:40], code, out, err)
    # A report as drivers answer it, and with pages of zeros behind it.
    report = bytes.fromhex("".join(SNP.read_text().split()))
    answer = b"\0\0\0\0" + len(report).to_bytes(4, "little") + bytes(24) + report
    for data in (report, report + bytes(4096), answer + bytes(4000 - len(answer))):
        code, out, err = attest("show", "-", stdin=data)
        expect(code == 0 and "AMD SEV-SNP report" in out, code, out, err)


def verify(folder):
    snp = collateral_of_snp(folder)
    accepted("--collateral", snp, "--time", WHEN, SNP)
    accepted("--collateral", TDX_COLLATERAL, "--time", WHEN, TDX)
    accepted("--collateral", TDX_COLLATERAL, "--time", "1750809600", TDX)
    refused("TCB status", "--collateral", SGX_COLLATERAL, "--time", WHEN, SGX)
    refused("there is no certificate of the VCEK", "--time", WHEN, SNP)
    refused("is stale: it held until", "--collateral", TDX_COLLATERAL, "--time", "2025-08-01T00:00:00Z", TDX)
    refused("report data: it is", "--collateral", TDX_COLLATERAL, "--time", WHEN, "--nonce", "abcd", TDX)
    data = json.loads(attest("show", "--json", TDX)[1])["report_data"]
    accepted("--collateral", TDX_COLLATERAL, "--time", WHEN, "--nonce", data, TDX)
    code, out, _ = attest("verify", "--json", "--collateral", SGX_COLLATERAL, "--time", WHEN, SGX)
    result = json.loads(out)
    expect(code == 1 and result["genuine"] and not result["accepted"], result)
    expect(result["tcb_status"] == "ConfigurationAndSWHardeningNeeded" and "INTEL-SA-00289" in result["advisory_ids"], result)
    code, out, err = attest("verify", "--quiet", "--collateral", SGX_COLLATERAL, "--time", WHEN, SGX)
    expect(code == 1 and not out and "refused: TCB status" in err, code, out, err)
    # Collateral one file each, as services answer it.
    parts = json.loads(TDX_COLLATERAL.read_text())
    pieces = Path(folder) / "pieces"
    pieces.mkdir()
    (pieces / "tcb.json").write_text(f'{{"tcbInfo":{parts["tcb_info"]},"signature":"{parts["tcb_info_signature"]}"}}')
    (pieces / "identity.json").write_text(
        f'{{"enclaveIdentity":{parts["qe_identity"]},"signature":"{parts["qe_identity_signature"]}"}}')
    (pieces / "signing.pem").write_text(parts["tcb_info_issuer_chain"])
    (pieces / "root.crl").write_bytes(bytes.fromhex(parts["root_ca_crl"]))
    (pieces / "pck.hex").write_text(parts["pck_crl"])
    accepted("--collateral", pieces, "--time", WHEN, TDX)
    (pieces / "tcb.json").write_text((pieces / "tcb.json").read_text().replace('"UpToDate"', '"UpToDatf"'))
    refused("tcbStatus is UpToDatf, which is not known", "--collateral", pieces, "--time", WHEN, TDX)
    (pieces / "tcb.json").write_text("{")
    code, _, err = attest("verify", "--collateral", pieces, TDX)
    expect(code == 1 and "tcb.json" in err, code, err)
    wrong("--time never is no time", "verify", "--time", "never", TDX)
    wrong("--nonce is not hexadecimal", "verify", "--nonce", "xyz", TDX)
    wrong("no --token", "verify", "--signing-key", "k", TDX)


def policy(folder):
    path = Path(folder) / "policy.toml"

    def check(text, *reasons):
        path.write_text(text)
        arguments = ("--policy", path, "--collateral", TDX_COLLATERAL, "--time", WHEN, TDX)
        if reasons:
            for reason in reasons:
                refused(reason, *arguments)
        else:
            accepted(*arguments)

    check(f'technologies = ["tdx"]\n[tdx]\nmr_tds = ["{MR_TD}"]\n')
    check(f'technologies = ["tdx"]\n[tdx]\nmr_tds = ["{MR_TD[::-1]}"]\n', "MRTD: it is 91eb2b44")
    check('technologies = ["snp"]\n[snp]\nany_measurement = true\n', "technology: Intel TDX is none that the policy accepts")
    check('technologies = ["tdx"]\n[tdx]\nany_measurement = true\nminimum_tcb_evaluation_data_number = 18\n', "it is 17")
    path.write_text('technologies = ["tdx"]\n[tdx]\nmr_td = []\n')
    wrong("policy.toml:3: tdx.mr_td is not known", "verify", "--policy", path, TDX)
    path.write_text("technologies")
    wrong("policy.toml:1:", "verify", "--policy", path, TDX)
    example = Path(__file__).resolve().parents[2] / "examples/attest/policy.toml"
    refused("MRTD: it is 91eb2b44", "--policy", example, "--collateral", TDX_COLLATERAL, "--time", WHEN, TDX)
    snp = collateral_of_snp(folder)
    path.write_text('technologies = ["snp"]\n[snp]\nany_measurement = true\nrequire_revocation_list = true\n'
                    "minimum_tcb = { microcode = 200 }\n")
    for reason in ("revocation list: there is none", "minimum TCB: microcode: it is 115, at least 200 is expected"):
        refused(reason, "--policy", path, "--collateral", snp, "--time", WHEN, SNP)


def unpack(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def token(folder):
    key, path = Path(folder) / "key.pem", Path(folder) / "token.jwt"
    made = subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key],
                          capture_output=True)
    if made.returncode != 0:
        print("SKIPPED: there is no openssl to make a key with")
        raise SystemExit(EXIT_SKIPPED)
    common = ("--collateral", TDX_COLLATERAL, "--time", WHEN)
    data = json.loads(attest("show", "--json", TDX)[1])["report_data"]
    code, _, err = attest("verify", *common, "--nonce", data, "--token", path, "--signing-key", key, TDX)
    expect(code == 0 and not err, code, err)
    head, claims, signature = path.read_text().strip().split(".")
    header, body = json.loads(unpack(head)), json.loads(unpack(claims))
    expect(header["alg"] == "ES256" and header["jwk"]["crv"] == "P-256", header)
    expect(body["eat_profile"] == "tag:github.com,2023:veraison/ear", body)
    expect(unpack(body["eat_nonce"]).hex() == data and body["exp"] > body["iat"], body)
    part = body["submods"]["tdx"]
    expect(part["ear.status"] == "affirming" and part["ear.trustworthiness-vector"]["hardware"] == 2, part)
    expect(part["berth.evidence"]["measurement"] == MR_TD, part)
    # OpenSSL agrees that it is signed with the key.
    raw = unpack(signature)
    numbers = [int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")]
    body_der = b""
    for number in numbers:
        digits = number.to_bytes(33, "big").lstrip(b"\0")
        digits = (b"\0" if digits[0] & 0x80 else b"") + digits
        body_der += bytes([2, len(digits)]) + digits
    (Path(folder) / "signature").write_bytes(bytes([0x30, len(body_der)]) + body_der)
    (Path(folder) / "signed").write_text(f"{head}.{claims}")
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", f"{folder}/public.pem"], check=True)
    done = subprocess.run(["openssl", "dgst", "-sha256", "-verify", f"{folder}/public.pem", "-signature", f"{folder}/signature",
                           f"{folder}/signed"], capture_output=True, text=True)
    expect(done.returncode == 0, done.stdout, done.stderr)

    code, out, err = attest("verify", "--collateral", SGX_COLLATERAL, "--time", WHEN, "--token", "-", SGX)
    part = json.loads(unpack(out.split(".")[1]))["submods"]["sgx"]
    expect(code == 1 and part["ear.status"] == "contraindicated" and "TCB status" in part["berth.reasons"][0], part)
    expect("made up now" in err and "refused: TCB status" in err, err)
    key.write_text("no key")
    wrong("is no private key on P-256", "verify", *common, "--token", path, "--signing-key", key, TDX)


class Service(http.server.BaseHTTPRequestHandler):
    """A cache of Intel's and AMD's services."""
    answers, asked = {}, []

    def do_GET(self):  # noqa: N802
        self.asked.append(self.path)
        answer = self.answers.get(self.path)
        self.send_response(200 if answer else 404)
        body, headers = answer if answer else (b"", {})
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def services(folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    parts = json.loads(TDX_COLLATERAL.read_text())
    quoted = {name: urllib.parse.quote(parts[name]) for name in parts if name.endswith("chain")}
    Service.answers = {
        "/tdx/certification/v4/tcb?fmspc=b0c06f000000":
            (f'{{"tcbInfo":{parts["tcb_info"]},"signature":"{parts["tcb_info_signature"]}"}}'.encode(),
             {"TCB-Info-Issuer-Chain": quoted["tcb_info_issuer_chain"]}),
        "/tdx/certification/v4/qe/identity":
            (f'{{"enclaveIdentity":{parts["qe_identity"]},"signature":"{parts["qe_identity_signature"]}"}}'.encode(),
             {"SGX-Enclave-Identity-Issuer-Chain": quoted["qe_identity_issuer_chain"]}),
        "/sgx/certification/v4/pckcrl?ca=platform&encoding=der":
            (bytes.fromhex(parts["pck_crl"]), {"SGX-PCK-CRL-Issuer-Chain": quoted["pck_crl_issuer_chain"]}),
        "/sgx/certification/v4/rootcacrl": (parts["root_ca_crl"].encode(), {}),
    }
    accepted("--pccs", url + "/", "--time", WHEN, TDX)
    expect(sorted(Service.asked) == sorted(Service.answers), Service.asked)
    del Service.answers["/sgx/certification/v4/rootcacrl"]
    refused(f"cannot fetch {url}/sgx/certification/v4/rootcacrl: the service answers 404", "--pccs", url, "--time", WHEN, TDX)

    chip = json.loads(attest("show", "--json", SNP)[1])["chip_id"]
    vcek = f"/vcek/v1/Milan/{chip}?blSPL=03&teeSPL=00&snpSPL=08&ucodeSPL=115"
    chain = (EVIDENCE / "snp/milan-ask-ark.pem").read_bytes()
    Service.answers = {vcek: ((EVIDENCE / "snp/milan-v2-vcek.der").read_bytes(), {}), "/vcek/v1/Milan/cert_chain": (chain, {})}
    Service.asked.clear()
    refused("the service answers 404", "--kds", url, "--time", WHEN, SNP)
    expect(vcek in Service.asked, Service.asked)
    # AMD's own list of that time came with a certificate request.
    code, out, _ = attest("show", "--json", EVIDENCE / "enarx/snp-milan.csr")
    expect(code == 0 and json.loads(out)["revocation_lists"] == 2, out)
    request = (EVIDENCE / "enarx/snp-milan.csr").read_bytes()
    at = request.index(b"https://kdsintf.amd.com/vcek/v1/Milan/crl") + 41
    size = int.from_bytes(request[at + 2:at + 4], "big") + 4
    Service.answers["/vcek/v1/Milan/crl"] = (request[at:at + size], {})
    accepted("--kds", url, "--time", "2023-05-01T00:00:00Z", SNP)
    refused("the revocation list of ARK-Milan is stale", "--kds", url, "--time", WHEN, SNP)
    server.shutdown()
    refused("cannot fetch http://127.0.0.1:1/", "--kds", "http://127.0.0.1:1", SNP)


def main():
    cases = {case.__name__: case for case in (show, verify, token, policy, services, formats)}
    if len(sys.argv) != 2 or sys.argv[1] not in cases:
        sys.exit(f"usage: attest_test.py {'|'.join(cases)}")
    if not EVIDENCE.is_dir():
        print(f"SKIPPED: there is no evidence of real hardware at {EVIDENCE} (BERTH_EVIDENCE names its folder)")
        sys.exit(EXIT_SKIPPED)
    with tempfile.TemporaryDirectory() as folder:
        cases[sys.argv[1]](folder)


if __name__ == "__main__":
    main()

"""A guest of a key broker: the protocol of Confidential Containers, with simulated evidence. Cryptography is
python3-cryptography's, so that it is another implementation than the one that is tested."""
import base64
import hashlib
import http.client
import json
import ssl
import struct

from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MEASUREMENT = "11" * 48


def b64(data):
    return base64.b64encode(data).decode()


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_b64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(value, size=None):
    return b64url(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def simulated(report_data, measurement=MEASUREMENT, machine=None):
    machine = machine or ec.generate_private_key(ec.SECP256R1())
    claims = {"measurement": measurement, "report_data": report_data.ljust(64, b"\0").hex(), "host_data": "00" * 32}
    signed = b"berth-simulated-evidence-1\0" + b"".join(bytes.fromhex(value) for value in claims.values())
    r, s = utils.decode_dss_signature(machine.sign(signed, ec.ECDSA(hashes.SHA256())))
    public = machine.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return json.dumps({"format": "berth-simulated-evidence-1", **claims, "public_key": b64(public),
                       "signature": b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))})


class Guest:
    """One guest, with a key of one of the kinds that guests have: "P-256", "P-384", "P-521", "RSA-OAEP-256"."""

    def __init__(self, address, authority=None, kind="P-256", measurement=MEASUREMENT):
        self.address, self.kind, self.measurement = address, kind, measurement
        self.context = ssl.create_default_context(cafile=authority) if authority else None
        self.cookie = self.nonce = self.token = None
        if kind.startswith("RSA"):
            self.key = rsa.generate_private_key(65537, 2048)
            public = self.key.public_key().public_numbers()
            self.jwk = {"kty": "RSA", "alg": kind, "n": number(public.n), "e": number(public.e)}
        else:
            curve = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}[kind]()
            self.key, size = ec.generate_private_key(curve), (curve.key_size + 7) // 8
            public = self.key.public_key().public_numbers()
            self.jwk = {"kty": "EC", "crv": kind, "alg": "ECDH-ES+A256KW", "x": number(public.x, size), "y": number(public.y, size)}

    def request(self, method, path, body=None, headers=None):
        host, port = self.address
        connection = (http.client.HTTPSConnection(host, port, timeout=60, context=self.context) if self.context
                      else http.client.HTTPConnection(host, port, timeout=60))
        fields = {"Content-Type": "application/json", **(headers or {})}
        if self.cookie and "Authorization" not in fields:
            fields["Cookie"] = self.cookie
        try:
            connection.request(method, path, body, fields)
            answer = connection.getresponse()
            data = answer.read()
            if cookie := answer.getheader("Set-Cookie"):
                self.cookie = cookie.split(";")[0]
            return answer.status, data
        finally:
            connection.close()

    def begin(self, version="0.4.0", tee="sample"):
        status, data = self.request("POST", "/kbs/v0/auth", json.dumps({"version": version, "tee": tee, "extra-params": ""}))
        if status == 200:
            self.nonce = json.loads(data)["nonce"]
        return status, data

    def attestation(self, jwk=None, nonce=None):
        runtime = {"nonce": nonce or self.nonce, "tee-pubkey": self.jwk}
        text = json.dumps({**runtime, "additional-evidence": ""}, sort_keys=True, separators=(",", ":")).encode()
        evidence = simulated(hashlib.sha384(text).digest(), self.measurement)
        return {"runtime-data": {"nonce": self.nonce, "tee-pubkey": jwk or self.jwk},
                "tee-evidence": {"primary_evidence": {"simulated": evidence}, "additional_evidence": ""}}

    def prove(self, attestation=None):
        status, data = self.request("POST", "/kbs/v0/attest", json.dumps(attestation or self.attestation()))
        if status == 200:
            self.token = json.loads(data)["token"]
        return status, data

    def get(self, name, token=None):
        """A resource, decrypted; or the status and what was said."""
        headers = {"Authorization": "Bearer " + token} if token else {}
        status, data = self.request("GET", "/kbs/v0/resource/" + name, headers=headers)
        return self.decrypt(json.loads(data)) if status == 200 else (status, data)

    def decrypt(self, jwe):
        header = json.loads(from_b64url(jwe["protected"]))
        wrapped = from_b64url(jwe["encrypted_key"])
        assert header["enc"] == "A256GCM" and header["alg"] == self.jwk["alg"], header
        if self.kind.startswith("RSA"):
            key = self.key.decrypt(wrapped, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
        else:
            point = [int.from_bytes(from_b64url(header["epk"][c]), "big") for c in "xy"]
            shared = self.key.exchange(ec.ECDH(), ec.EllipticCurvePublicNumbers(*point, self.key.curve).public_key())
            algorithm = header["alg"].encode()
            info = struct.pack(">I", 1) + shared + struct.pack(">I", len(algorithm)) + algorithm + struct.pack(">III", 0, 0, 256)
            key = keywrap.aes_key_unwrap(hashlib.sha256(info).digest(), wrapped)
        return AESGCM(key).decrypt(from_b64url(jwe["iv"]), from_b64url(jwe["ciphertext"]) + from_b64url(jwe["tag"]),
                                   jwe["protected"].encode())

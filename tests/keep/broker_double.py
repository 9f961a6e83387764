"""A broker for tests: the key-broker protocol of Confidential Containers, with simulated evidence only.

It checks what a keep sends (nonce, binding of the key, signature, measurement, host data) and releases resources, each
encrypted to the keep's key. Cryptography is python3-cryptography's.
"""
import base64
import hashlib
import http.server
import json
import os
import secrets
import ssl
import struct
import threading

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_b64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def encrypt_to(jwk, data):
    """A JSON Web Encryption, flattened: ECDH-ES+A256KW on P-256, A256GCM."""
    theirs = ec.EllipticCurvePublicNumbers(int.from_bytes(from_b64url(jwk["x"]), "big"),
                                           int.from_bytes(from_b64url(jwk["y"]), "big"), ec.SECP256R1()).public_key()
    own = ec.generate_private_key(ec.SECP256R1())
    algorithm = b"ECDH-ES+A256KW"
    shared = own.exchange(ec.ECDH(), theirs)
    info = struct.pack(">I", 1) + shared + struct.pack(">I", len(algorithm)) + algorithm + struct.pack(">III", 0, 0, 256)
    key, nonce = secrets.token_bytes(32), secrets.token_bytes(12)
    numbers = own.public_key().public_numbers()
    header = {"alg": algorithm.decode(), "enc": "A256GCM", "epk": {
        "kty": "EC", "crv": "P-256", "x": b64url(numbers.x.to_bytes(32, "big")), "y": b64url(numbers.y.to_bytes(32, "big"))}}
    protected = b64url(json.dumps(header).encode())
    sealed = AESGCM(key).encrypt(nonce, data, protected.encode())
    return {"protected": protected, "encrypted_key": b64url(keywrap.aes_key_wrap(hashlib.sha256(info).digest(), key)),
            "iv": b64url(nonce), "ciphertext": b64url(sealed[:-16]), "tag": b64url(sealed[-16:]), "aad": ""}


def check_simulated(text, report_data):
    """The claims of simulated evidence; refuses what does not hold."""
    evidence = json.loads(text)
    if evidence["format"] != "berth-simulated-evidence-1":
        raise ValueError("evidence of another format")
    fields = [bytes.fromhex(evidence[name]) for name in ("measurement", "report_data", "host_data")]
    if fields[1] != report_data.ljust(64, b"\0"):
        raise ValueError("the evidence is not for this nonce and key")
    key = serialization.load_der_public_key(base64.b64decode(evidence["public_key"]))
    signature = base64.b64decode(evidence["signature"])
    der = utils.encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        key.verify(der, b"berth-simulated-evidence-1\0" + b"".join(fields), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise ValueError("the evidence's signature does not hold") from None
    return evidence


class Broker:
    def __init__(self, resources, measurement=None, host_data=None, certificate=None, tamper=lambda name, answer: answer,
                 port=0, forgets=0, ails=0):
        self.resources, self.measurement, self.host_data, self.tamper = resources, measurement, host_data, tamper
        self.sessions, self.released, self.asked, self.evidence, self.lock = {}, [], [], [], threading.Lock()
        # How often it has forgotten all sessions when a resource is asked for, and how often it answers 503 first.
        self.forgets, self.ails = forgets, ails
        broker = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *words):
                pass

            def answer(self, code, value, cookie=None):
                body = json.dumps(value).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                if cookie:
                    self.send_header("Set-Cookie", f"kbs-session-id={cookie}; Path=/; HttpOnly")
                self.end_headers()
                self.wfile.write(body)

            def session(self):
                for part in self.headers.get("Cookie", "").split(";"):
                    name, _, value = part.strip().partition("=")
                    if name == "kbs-session-id":
                        return broker.sessions.get(value)
                return None

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if broker.ails > 0:
                    broker.ails -= 1
                    return self.answer(503, {"type": "Unavailable", "detail": "later"})
                with broker.lock:
                    broker.asked.append(self.path)
                if self.path == "/kbs/v0/auth":
                    cookie, nonce = secrets.token_hex(16), secrets.token_urlsafe(32)
                    broker.sessions[cookie] = {"nonce": nonce, "tee": body["tee"], "key": None}
                    return self.answer(200, broker.tamper("auth", {"nonce": nonce, "extra-params": ""}), cookie)
                if self.path == "/kbs/v0/attest":
                    try:
                        broker.attest(self.session(), body)
                    except (ValueError, KeyError, TypeError) as error:
                        return self.answer(401, {"type": "AttestationFailed", "detail": str(error)})
                    return self.answer(200, {"token": "a.b.c"})
                return self.answer(404, {"type": "NotFound", "detail": "no such path"})

            def do_GET(self):
                with broker.lock:
                    broker.asked.append(self.path)
                if broker.forgets > 0:
                    broker.forgets -= 1
                    broker.sessions.clear()
                session, name = self.session(), self.path.removeprefix("/kbs/v0/resource/")
                if not session or not session["key"]:
                    return self.answer(401, {"type": "Unauthorized", "detail": "nothing has been proved"})
                if name not in broker.resources:
                    return self.answer(404, {"type": "NotFound", "detail": f"there is no {name}"})
                with broker.lock:
                    broker.released.append(name)
                return self.answer(200, broker.tamper(name, encrypt_to(session["key"], broker.resources[name])))

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.scheme = "https"
        self.url = f"{self.scheme}://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def attest(self, session, body):
        if session is None:
            raise ValueError("no such session")
        runtime = body["runtime-data"]
        if runtime["nonce"] != session["nonce"]:
            raise ValueError("another nonce")
        if session["tee"] != "sample":
            raise ValueError("this broker knows simulated evidence only")
        digest = hashlib.sha384(canonical({"additional-evidence": "", "nonce": runtime["nonce"],
                                           "tee-pubkey": runtime["tee-pubkey"]})).digest()
        text = body["tee-evidence"]["primary_evidence"]["simulated"]
        evidence = check_simulated(text, digest)
        self.evidence.append((text, digest))
        if self.measurement and evidence["measurement"] != self.measurement:
            raise ValueError(f"the measurement is {evidence['measurement']}; {self.measurement} is wanted")
        if self.host_data and evidence["host_data"] != self.host_data:
            raise ValueError(f"the host data is {evidence['host_data']}; {self.host_data} is wanted")
        session["key"] = runtime["tee-pubkey"]


def hmac_sha256(key, data):
    import hmac
    return hmac.new(key, data, hashlib.sha256).digest()


def encrypt_layer(data, key_name, key):
    """A layer as ocicrypt encrypts it for the key provider "attestation-agent": bytes and annotations."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    layer_key, counter, nonce = secrets.token_bytes(32), secrets.token_bytes(16), secrets.token_bytes(12)
    sealed = Cipher(algorithms.AES(layer_key), modes.CTR(counter)).encryptor().update(data)
    b64 = lambda raw: base64.b64encode(raw).decode()
    private = {"symkey": b64(layer_key), "digest": "sha256:" + hashlib.sha256(data).hexdigest(),
               "cipheroptions": {"nonce": b64(counter)}}
    packet = {"kid": f"kbs:///{key_name}", "iv": b64(nonce), "wrap_type": "A256GCM",
              "wrapped_data": b64(AESGCM(key).encrypt(nonce, json.dumps(private).encode(), b""))}
    public = {"cipher": "AES_256_CTR_HMAC_SHA256", "hmac": b64(hmac_sha256(layer_key, sealed)), "cipheroptions": {}}
    return sealed, {
        "org.opencontainers.image.enc.keys.provider.attestation-agent": b64(json.dumps(packet).encode()),
        "org.opencontainers.image.enc.pubopts": b64(json.dumps(public).encode())}

// Uses the interfaces of WASI 0.2 that a command has, and prints what came of it. The last line is "done"; the exit code 1.
// The second argument is HOST:PORT of an HTTP server. componentize-js 0.23 has no bindings for wasi:sockets/network, whose
// one resource has no functions, so there are no sockets.
import { getArguments, getEnvironment, initialCwd } from "wasi:cli/environment@0.2.12";
import { exit } from "wasi:cli/exit@0.2.12";
import { getStdin } from "wasi:cli/stdin@0.2.12";
import { getStdout } from "wasi:cli/stdout@0.2.12";
import { getStderr } from "wasi:cli/stderr@0.2.12";
import { getTerminalStdin } from "wasi:cli/terminal-stdin@0.2.12";
import { getTerminalStdout } from "wasi:cli/terminal-stdout@0.2.12";
import { getTerminalStderr } from "wasi:cli/terminal-stderr@0.2.12";
import * as monotonic from "wasi:clocks/monotonic-clock@0.2.12";
import * as wall from "wasi:clocks/wall-clock@0.2.12";
import { poll } from "wasi:io/poll@0.2.12";
import { getRandomBytes, getRandomU64 } from "wasi:random/random@0.2.12";
import { getInsecureRandomBytes, getInsecureRandomU64 } from "wasi:random/insecure@0.2.12";
import { insecureSeed } from "wasi:random/insecure-seed@0.2.12";
import { getDirectories } from "wasi:filesystem/preopens@0.2.12";
import { Descriptor, DirectoryEntryStream, filesystemErrorCode } from "wasi:filesystem/types@0.2.12";
import { Fields, OutgoingRequest, OutgoingBody, IncomingBody } from "wasi:http/types@0.2.12";
import { handle } from "wasi:http/outgoing-handler@0.2.12";

// The bindings know only resources whose interfaces are imported by name.
const resources = [Descriptor, DirectoryEntryStream];

const text = (bytes) => new TextDecoder().decode(bytes);
const bytes = (string) => new TextEncoder().encode(string);
let out;
const print = (...words) => out.blockingWriteAndFlush(bytes(words.join(" ") + "\n"));
// What a call gives, or the code that it fails with.
const attempt = (call) => {
  try {
    const value = call();
    return value === undefined ? "ok" : value;
  } catch (error) {
    const code = error.payload ?? error;
    return "error " + (code.tag ?? code);
  }
};
// What an option of results of results holds.
const inmost = (value) => (value && "val" in value ? inmost(value.val) : value);
const readAll = (stream) => {
  let all = "";
  for (;;) {
    try {
      all += text(stream.blockingRead(1000n));
    } catch (error) {
      if ((error.payload ?? error).tag === "closed") return all;
      throw error;
    }
  }
};
function surroundings() {
  print("arguments", getArguments().length, "environment", JSON.stringify(getEnvironment()));
  print("folder", initialCwd() ?? "none");
  print("terminals", !!getTerminalStdin(), !!getTerminalStdout(), !!getTerminalStderr());
  print("input", readAll(getStdin()));
  getStderr().blockingWriteAndFlush(bytes("an error\n"));
}

function clocksAndRandomness() {
  const before = monotonic.now();
  poll([monotonic.subscribeDuration(1000000n)]);
  print("waited", monotonic.now() - before >= 1000000n, monotonic.resolution() > 0n);
  print("since 2024", wall.now().seconds > 1700000000n, wall.resolution().seconds === 0n);
  print("ready", poll([monotonic.subscribeInstant(0n), monotonic.subscribeDuration(60000000000n)]).join());
  print("random", getRandomBytes(20n).length, typeof getRandomU64(), getRandomBytes(0n).length);
  print("insecure", getInsecureRandomBytes(7n).length, typeof getInsecureRandomU64(), insecureSeed().length);
}

function files() {
  const folders = getDirectories();
  print("folders", folders.map(([, name]) => name).join());
  const root = folders[0][0];
  const none = {}, follow = { symlinkFollow: true };
  print("make", attempt(() => root.createDirectoryAt("sub")), attempt(() => root.createDirectoryAt("sub")));
  const file = root.openAt(none, "sub/file", { create: true, exclusive: true }, { read: true, write: true });
  print("exclusive", attempt(() => root.openAt(none, "sub/file", { create: true, exclusive: true }, { write: true })));
  print("write", file.write(bytes("hello, world"), 0n), file.getType(), attempt(() => file.sync()));
  print("read", text(file.read(5n, 7n)[0]), file.read(5n, 7n)[1], file.read(5n, 12n)[1]);
  const stream = file.writeViaStream(5n);
  stream.blockingWriteAndFlush(bytes("; streams"));
  const append = file.appendViaStream();
  append.blockingWriteAndFlush(bytes("!"));
  print("stream", readAll(file.readViaStream(0n)), file.stat().size);
  print("cut", attempt(() => file.setSize(5n)), file.stat().size, file.stat().type);
  print("rename", attempt(() => root.renameAt("sub/file", root, "sub/other")), attempt(() => root.statAt(none, "sub/file")));
  print("link", attempt(() => root.symlinkAt("other", "sub/link")), root.readlinkAt("sub/link"),
        root.statAt(none, "sub/link").type, root.statAt(follow, "sub/link").type);
  print("hard link", attempt(() => root.linkAt(none, "sub/other", root, "sub/second")), Number(file.stat().linkCount));
  const times = { tag: "timestamp", val: { seconds: 1000n, nanoseconds: 5 } };
  print("times", attempt(() => root.setTimesAt(follow, "sub/other", times, times)),
        file.stat().dataModificationTimestamp.seconds, file.stat().dataModificationTimestamp.nanoseconds);
  print("same", file.isSameObject(root.openAt(none, "sub/second", {}, { read: true })), file.isSameObject(root));
  const hashes = [file.metadataHash(), root.metadataHashAt(none, "sub/other"), root.metadataHashAt(none, "sub")];
  print("hash", hashes[0].lower === hashes[1].lower, hashes[0].lower === hashes[2].lower);
  const entries = [], directory = root.openAt(none, "sub", { directory: true }, { read: true }).readDirectory();
  for (let entry; (entry = directory.readDirectoryEntry());) entries.push(entry.name + "=" + entry.type);
  print("list", entries.sort().join());
  for (const path of ["../x", "/etc/passwd", "sub/none", "sub/other/x", "sub/../../x"])
    print("open", path, attempt(() => root.openAt(follow, path, {}, { read: true }) && "opened"));
  root.symlinkAt("../../..", "sub/out");
  print("through", attempt(() => root.openAt(follow, "sub/out/etc/passwd", {}, { read: true }) && "opened"));
  print("remove", attempt(() => root.removeDirectoryAt("sub")), attempt(() => root.unlinkFileAt("sub")));
  for (const name of ["other", "link", "second", "out"]) root.unlinkFileAt("sub/" + name);
  print("removed", attempt(() => root.removeDirectoryAt("sub")), attempt(() => root.statAt(none, "sub")));
}

function http(server) {
  const request = new OutgoingRequest(Fields.fromList([["x-test", bytes("1")]]));
  print("set", attempt(() => request.setMethod({ tag: "post" })), attempt(() => request.setScheme({ tag: "HTTP" })),
        attempt(() => request.setAuthority(server)), attempt(() => request.setPathWithQuery("/echo?a=b")));
  const body = request.body();
  const future = handle(request, undefined);
  {
    const stream = body.write();
    print("write", attempt(() => stream.blockingWriteAndFlush(bytes("a body"))));
    stream[Symbol.dispose]();
  }
  print("finish", attempt(() => OutgoingBody.finish(body, undefined)));
  future.subscribe().block();
  const response = inmost(future.get());
  print("status", response.status(), text(response.headers().get("x-answer")[0]));
  const incoming = response.consume();
  {
    const stream = incoming.stream();
    print("answer", readAll(stream));
    stream[Symbol.dispose]();
  }
  const trailers = IncomingBody.finish(incoming);
  trailers.subscribe().block();
  print("trailers", inmost(trailers.get()) ?? "none");
  print("forbidden", attempt(() => new Fields().append("host", bytes("x"))), attempt(() => new Fields().append("a b", bytes("x"))));
}

export const run = {
  run() {
    out = getStdout();
    const [, , server] = getArguments();
    surroundings();
    clocksAndRandomness();
    files();
    print("functions", typeof filesystemErrorCode, resources.length);
    http(server);
    print("done");
    exit({ tag: "err" });
  },
};

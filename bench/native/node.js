// Runs a module under Node.js: node.js SECONDS FUNCTION MODULE [ARG…]. FUNCTION is an export to be called with
// numbers, or - for a WASI program. The file SECONDS gets what it took in processor time after compilation.
const fs = require('node:fs');
const {WASI} = require('node:wasi');

const [seconds, name, file, ...args] = process.argv.slice(2);
const wasi = new WASI({version: 'preview1', args: [file, ...args], returnOnExit: true});
const module_ = new WebAssembly.Module(fs.readFileSync(file));
const imports = name === '-' ? wasi.getImportObject() : {};
const instance = new WebAssembly.Instance(module_, imports);
const before = process.cpuUsage();
const result = name === '-' ? wasi.start(instance) : instance.exports[name](...args.map(Number));
const {user, system} = process.cpuUsage(before);
if (name !== '-') console.log(String(result));
fs.writeFileSync(seconds, `${user / 1e6} ${system / 1e6}`);
process.exitCode = name === '-' ? result : 0;

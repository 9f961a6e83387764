import { hello } from "test:real/greet";
import { getArguments } from "wasi:cli/environment@0.2.12";
import { getStdout } from "wasi:cli/stdout@0.2.12";

export const run = {
  run() {
    const [, name] = getArguments();
    getStdout().blockingWriteAndFlush(new TextEncoder().encode(hello({ name, age: 36 }) + "\n"));
  },
};

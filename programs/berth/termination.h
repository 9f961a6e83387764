// What SIGTERM does to a run. One arrangement for the process; called before the guest's grants are opened.
//
// The first process of a container does not die of signals that it has not asked for. As such, berth ends with
// 128 + N at SIGHUP, SIGINT, SIGQUIT and SIGTERM, as any other process would be reported to have.
//
// With `drain` the first SIGTERM tells the guest, by the means that WASI 0.1 has: standard input is at its end, and
// listening sockets take no more connections (accept fails, poll reports a hangup). A guest that ends with 0 after that
// is reported as 143; the second SIGTERM does not wait for it. A standard input that is closed or /dev/null, and would
// be at its end from the start, waits for that end instead.
#pragma once

#include "base/result.h"

namespace berth::cli::termination {

// Fails with System when no pipe can be made.
Result<> arrange(bool drain);
// Names a listening socket that is shut down when draining begins. A few at most; the rest stay open.
void close_at_drain(int listener);
// What to report for a guest that ended with `code`.
int exit_code(int code);

}  // namespace berth::cli::termination

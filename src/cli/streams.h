// The process's standard streams, some of which may be closed when it starts.
#pragma once

namespace berth::cli {

// Takes the numbers of standard streams that are closed. The next file opened would get them else, and a
// guest's output could end up in a file that was granted for something else. What they get is a
// directory, which nobody takes for a stream: neither the program nor a guest can read or write it. Called
// first of all.
void reserve_standard_streams();

}  // namespace berth::cli

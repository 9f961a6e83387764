// The process's standard streams, some of which may be closed when it starts. Called before anything
// opens a file; no locking.
#pragma once

namespace berth::cli {

// A number that no open file has.
inline constexpr int kNoDescriptor = 1 << 30;

// Takes the numbers of standard streams that are closed. The next file opened would get them else, and a
// guest's output could end up in a file that was granted for something else.
void reserve_standard_streams();
// Whether the stream was closed when the process started.
bool standard_stream_was_closed(int fd);

}  // namespace berth::cli

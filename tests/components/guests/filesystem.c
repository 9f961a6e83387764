// wasi:filesystem: what each call does, and what it fails with. "/" may be changed, "/ro" may not.
#include "answers.h"

#define E(name) filesystem_types_error_code_##name
#define D(name) filesystem_types_descriptor_##name

enum { kNone = 0, kFollow = 1 };
enum { kCreate = 1, kDirectory = 2, kExclusive = 4, kTruncate = 8 };
enum { kRead = 1, kWrite = 2, kMutate = 32 };
enum { kNoChange = 0, kNow = 1, kAt = 2 };

static Answer answer;
static int32_t root = -1, ro = -1;

static void preopens(void) {
  int32_t list[2];
  ARENA();
  filesystem_preopens_get_directories(P(list));
  CHECK(list[1] == 2);
  const int32_t* entry = (void*)(uintptr_t)list[0];
  for (int i = 0; i < 2; ++i, entry += 3) {
    if (entry[2] == 1) root = entry[0];
    if (entry[2] == 3) ro = entry[0];
  }
  CHECK(root >= 0 && ro >= 0);
  // Each call gives handles of its own.
  ARENA();
  filesystem_preopens_get_directories(P(list));
  entry = (void*)(uintptr_t)list[0];
  CHECK(D(is_same_object)(root, entry[0]) == (entry[2] == 1));
  drop_descriptor(entry[0]);
  drop_descriptor(entry[3]);
}

static int32_t open_file(int32_t directory, const char* path, int32_t open_flags, int32_t flags) {
  WORKS(D(open_at)(directory, kNone, TEXT(path), open_flags, flags, A));
  return answer.word[0];
}

static void reading_and_writing(void) {
  const int32_t f = open_file(root, "f", kCreate | kExclusive, kRead | kWrite);
  WORKS(D(write)(f, TEXT("one two"), 0, A));
  CHECK(answer.number == 7);
  WORKS(D(write)(f, TEXT("TWO"), 4, A));
  WORKS(D(read)(f, 100, 2, A));
  CHECK(answer.word[1] == 5 && memcmp((void*)(uintptr_t)answer.word[0], "e TWO", 5) == 0);
  WORKS(D(read)(f, 100, 7, A));
  CHECK(answer.word[1] == 0 && (answer.word[2] & 0xFF) == 1);
  WORKS(D(read)(f, 0, 0, A));
  CHECK(answer.word[1] == 0 && (answer.word[2] & 0xFF) == 0);
  FAILS(4, E(invalid), D(read)(f, 1, -1, A));
  WORKS(D(get_flags)(f, A));
  CHECK(answer.code1 == (kRead | kWrite));
  WORKS(D(get_type)(f, A));
  CHECK(answer.code1 == filesystem_types_descriptor_type_regular_file);
  WORKS(D(stat)(f, A));
  CHECK(answer.bytes[8] == filesystem_types_descriptor_type_regular_file && answer.numbers[1] == 1 &&
        answer.numbers[2] == 7 && answer.bytes[32] == 1);
  WORKS(D(set_size)(f, 3, A));
  WORKS(D(advise)(f, 0, 0, 3, A));
  FAILS(1, E(invalid), D(advise)(f, -1, 1, 0, A));
  WORKS(D(sync)(f, A));
  WORKS(D(sync_data)(f, A));
  WORKS(D(set_times)(f, kAt, 1000, 5, kNoChange, 0, 0, A));
  WORKS(D(stat)(f, A));
  CHECK(answer.numbers[4] == 1000 && answer.word8[8 + 2] == 5);
  WORKS(D(set_times)(f, kNow, 0, 0, kAt, 2000, 999999999, A));
  FAILS(1, E(invalid), D(set_times)(f, kAt, 1, 1000000000, kNoChange, 0, 0, A));
  FAILS(1, E(overflow), D(set_times)(f, kAt, INT64_MAX, 0, kNoChange, 0, 0, A));
  // Not a directory.
  FAILS(4, E(not_directory), D(read_directory)(f, A));
  FAILS(4, E(not_directory), D(open_at)(f, kNone, TEXT("x"), 0, kRead, A));
  FAILS(1, E(not_directory), D(create_directory_at)(f, TEXT("x"), A));
  FAILS(8, E(not_directory), D(stat_at)(f, kNone, TEXT("x"), A));
  FAILS(1, E(not_directory), D(unlink_file_at)(f, TEXT("x"), A));

  // What it was not opened for.
  const int32_t r = open_file(root, "f", 0, kRead);
  FAILS(8, E(bad_descriptor), D(write)(r, TEXT("x"), 0, A));
  FAILS(4, E(bad_descriptor), D(write_via_stream)(r, 0, A));
  FAILS(4, E(bad_descriptor), D(append_via_stream)(r, A));
  FAILS(1, E(not_permitted), D(set_size)(r, 0, A));
  FAILS(1, E(not_permitted), D(set_times)(r, kNow, 0, 0, kNow, 0, 0, A));
  WORKS(D(sync)(r, A));
  const int32_t w = open_file(root, "f", 0, kWrite);
  FAILS(4, E(bad_descriptor), D(read)(w, 1, 0, A));
  FAILS(4, E(bad_descriptor), D(read_via_stream)(w, 0, A));
  CHECK(D(is_same_object)(r, w) && !D(is_same_object)(r, root));
  // The hash changes with the contents.
  WORKS(D(metadata_hash)(r, A));
  const uint64_t lower = answer.numbers[0], upper = answer.numbers[1];
  WORKS(D(metadata_hash_at)(root, kNone, TEXT("f"), A));
  CHECK(answer.numbers[0] == lower && answer.numbers[1] == upper);
  WORKS(D(write)(w, TEXT("longer"), 0, A));
  WORKS(D(metadata_hash)(r, A));
  CHECK(answer.numbers[0] != lower && answer.numbers[1] != upper);

  // A directory is not a file.
  FAILS(4, E(bad_descriptor), D(read)(root, 1, 0, A));
  FAILS(8, E(bad_descriptor), D(write)(root, TEXT("x"), 0, A));
  FAILS(4, E(bad_descriptor), D(read_via_stream)(root, 0, A));
  FAILS(4, E(bad_descriptor), D(write_via_stream)(root, 0, A));
  FAILS(4, E(bad_descriptor), D(append_via_stream)(root, A));
  FAILS(1, E(bad_descriptor), D(set_size)(root, 0, A));
  FAILS(1, E(bad_descriptor), D(advise)(root, 0, 0, 0, A));
  WORKS(D(sync)(root, A));
  WORKS(D(get_type)(root, A));
  CHECK(answer.code1 == filesystem_types_descriptor_type_directory);
  WORKS(D(get_flags)(root, A));
  CHECK(answer.code1 == (kRead | kMutate));
  WORKS(D(get_flags)(ro, A));
  CHECK(answer.code1 == kRead);
  drop_descriptor(f);
  drop_descriptor(r);
  drop_descriptor(w);
}

static void streams(void) {
  const int32_t f = open_file(root, "s", kCreate, kRead | kWrite);
  WORKS(D(write_via_stream)(f, 2, A));
  const int32_t w = answer.word[0];
  WORKS(io_streams_output_stream_check_write(w, A));
  CHECK(answer.number >= 4096);
  WORKS(io_streams_output_stream_write(w, TEXT("cdef"), A));
  WORKS(io_streams_output_stream_blocking_write_and_flush(w, TEXT("gh"), A));
  WORKS(io_streams_output_stream_blocking_write_zeroes_and_flush(w, 2, A));
  drop_output_stream(w);
  WORKS(D(append_via_stream)(f, A));
  const int32_t a = answer.word[0];
  WORKS(io_streams_output_stream_blocking_write_and_flush(a, TEXT("end"), A));
  const int32_t pollable = io_streams_output_stream_subscribe(a);
  CHECK(io_poll_pollable_ready(pollable));
  drop_output_stream(a);
  drop_pollable(pollable);
  WORKS(D(read_via_stream)(f, 1, A));
  const int32_t r = answer.word[0];
  WORKS(io_streams_input_stream_skip(r, 1, A));
  CHECK(answer.number == 1);
  WORKS(io_streams_input_stream_read(r, 3, A));
  CHECK(answer.word[1] == 3 && memcmp((void*)(uintptr_t)answer.word[0], "cde", 3) == 0);
  WORKS(io_streams_input_stream_blocking_read(r, 100, A));
  CHECK(answer.word[1] == 8 && memcmp((void*)(uintptr_t)answer.word[0], "fgh\0\0end", 8) == 0);
  CLOSED(4, io_streams_input_stream_read(r, 1, A));
  CLOSED(8, io_streams_input_stream_blocking_skip(r, 1, A));
  CLOSED(4, io_streams_input_stream_read(r, 0, A));
  drop_input_stream(r);

  // An error has a code of the file system's, once; then the stream is closed.
  WORKS(D(read_via_stream)(f, -1, A));
  const int32_t bad = answer.word[0];
  ARENA();
  io_streams_input_stream_read(bad, 1, A);
  CHECK(answer.is_error == 1 && answer.code4 == 0);
  const int32_t error = answer.word[1];
  struct { uint8_t is_some, code; } code;
  filesystem_types_filesystem_error_code(error, P(&code));
  CHECK(code.is_some == 1 && code.code == E(invalid));
  int32_t text[2];
  ARENA();
  io_error_error_to_debug_string(error, P(text));
  CHECK(text[1] > 0);
  drop_error(error);
  CLOSED(4, io_streams_input_stream_read(bad, 1, A));
  drop_input_stream(bad);
  drop_descriptor(f);
  WORKS(D(unlink_file_at)(root, TEXT("s"), A));
}

static void names(void) {
  WORKS(D(create_directory_at)(root, TEXT("d"), A));
  FAILS(1, E(exist), D(create_directory_at)(root, TEXT("d"), A));
  FAILS(1, E(no_entry), D(create_directory_at)(root, TEXT("none/d"), A));
  FAILS(4, E(exist), D(open_at)(root, kNone, TEXT("f"), kCreate | kExclusive, kWrite, A));
  FAILS(4, E(no_entry), D(open_at)(root, kNone, TEXT("none"), 0, kRead, A));
  FAILS(4, E(not_directory), D(open_at)(root, kNone, TEXT("f"), kDirectory, kRead, A));
  FAILS(4, E(not_directory), D(open_at)(root, kNone, TEXT("f/x"), 0, kRead, A));
  FAILS(4, E(is_directory), D(open_at)(root, kNone, TEXT("d"), 0, kWrite, A));
  FAILS(4, E(invalid), D(open_at)(root, kNone, TEXT("x"), kDirectory | kCreate, kRead, A));
  FAILS(4, E(no_entry), D(open_at)(root, kNone, TEXT(""), 0, kRead, A));
  char name[300];
  memset(name, 'n', sizeof name);
  name[299] = 0;
  FAILS(4, E(name_too_long), D(open_at)(root, kNone, TEXT(name), 0, kRead, A));
  // A NUL cannot be part of a name.
  FAILS(4, E(invalid), D(open_at)(root, kNone, P("f\0x"), 3, 0, kRead, A));
  // Out of the folder.
  FAILS(4, E(not_permitted), D(open_at)(root, kNone, TEXT(".."), 0, kRead, A));
  FAILS(4, E(not_permitted), D(open_at)(root, kNone, TEXT("d/../.."), 0, kRead, A));
  FAILS(4, E(not_permitted), D(open_at)(root, kFollow, TEXT("/etc"), 0, kRead, A));
  FAILS(8, E(not_permitted), D(stat_at)(root, kFollow, TEXT("../x"), A));
  FAILS(1, E(not_permitted), D(create_directory_at)(root, TEXT("../x"), A));
  FAILS(1, E(not_permitted), D(unlink_file_at)(root, TEXT("../x"), A));
  FAILS(1, E(not_permitted), D(rename_at)(root, TEXT("f"), root, TEXT("../x"), A));
  FAILS(1, E(not_permitted), D(symlink_at)(root, TEXT("/etc"), TEXT("l"), A));

  WORKS(D(symlink_at)(root, TEXT("f"), TEXT("l"), A));
  WORKS(D(symlink_at)(root, TEXT("l2"), TEXT("l2"), A));
  WORKS(D(readlink_at)(root, TEXT("l"), A));
  CHECK(answer.word[1] == 1 && *(char*)(uintptr_t)answer.word[0] == 'f');
  FAILS(4, E(invalid), D(readlink_at)(root, TEXT("f"), A));
  // A link that was there before, to an absolute path.
  FAILS(4, E(not_permitted), D(readlink_at)(root, TEXT("absolute"), A));
  FAILS(4, E(loop), D(open_at)(root, kNone, TEXT("l"), 0, kRead, A));
  FAILS(4, E(loop), D(open_at)(root, kFollow, TEXT("l2"), 0, kRead, A));
  WORKS(D(stat_at)(root, kNone, TEXT("l"), A));
  CHECK(answer.bytes[8] == filesystem_types_descriptor_type_symbolic_link);
  WORKS(D(stat_at)(root, kFollow, TEXT("l"), A));
  CHECK(answer.bytes[8] == filesystem_types_descriptor_type_regular_file);
  FAILS(8, E(no_entry), D(stat_at)(root, kNone, TEXT("none"), A));
  WORKS(D(set_times_at)(root, kFollow, TEXT("l"), kAt, 77, 0, kAt, 88, 0, A));
  WORKS(D(stat_at)(root, kNone, TEXT("f"), A));
  CHECK(answer.numbers[4] == 77 && answer.numbers[7] == 88);
  FAILS(1, E(no_entry), D(set_times_at)(root, kNone, TEXT("none"), kNow, 0, 0, kNow, 0, 0, A));

  WORKS(D(link_at)(root, kNone, TEXT("f"), root, TEXT("d/g"), A));
  FAILS(1, E(exist), D(link_at)(root, kNone, TEXT("f"), root, TEXT("d/g"), A));
  FAILS(1, E(no_entry), D(link_at)(root, kNone, TEXT("none"), root, TEXT("h"), A));
  FAILS(1, E(not_permitted), D(link_at)(root, kNone, TEXT("d"), root, TEXT("h"), A));
  FAILS(1, E(invalid), D(link_at)(root, kFollow, TEXT("f"), root, TEXT("h"), A));
  FAILS(1, E(not_empty), D(remove_directory_at)(root, TEXT("d"), A));
  FAILS(1, E(not_directory), D(remove_directory_at)(root, TEXT("f"), A));
  FAILS(1, E(is_directory), D(unlink_file_at)(root, TEXT("d"), A));
  WORKS(D(rename_at)(root, TEXT("d/g"), root, TEXT("g"), A));
  FAILS(1, E(no_entry), D(rename_at)(root, TEXT("none"), root, TEXT("x"), A));
  WORKS(D(remove_directory_at)(root, TEXT("d"), A));
  FAILS(1, E(no_entry), D(remove_directory_at)(root, TEXT("d"), A));
  FAILS(1, E(no_entry), D(unlink_file_at)(root, TEXT("none"), A));
}

static void directory(void) {
  WORKS(D(read_directory)(root, A));
  const int32_t stream = answer.word[0];
  int count = 0, found = 0;
  for (;; ++count) {
    WORKS(filesystem_types_directory_entry_stream_read_directory_entry(stream, A));
    if ((answer.word[0] & 0xFF) == 0) break;
    const char* name = (void*)(uintptr_t)answer.word[2];
    const int32_t size = answer.word[3];
    CHECK(size > 0 && name[0] != '.');
    if (size == 1 && name[0] == 'f') {
      CHECK((answer.word[1] & 0xFF) == filesystem_types_descriptor_type_regular_file);
      ++found;
    }
  }
  CHECK(found == 1 && count == 5);  // absolute, f, g, l, l2
  drop_directory_entry_stream(stream);
}

static void read_only(void) {
  FAILS(4, E(read_only), D(open_at)(ro, kNone, TEXT("kept"), 0, kWrite, A));
  FAILS(4, E(read_only), D(open_at)(ro, kNone, TEXT("new"), kCreate, kWrite, A));
  FAILS(4, E(read_only), D(open_at)(ro, kNone, TEXT("new"), kCreate, kRead, A));
  FAILS(4, E(read_only), D(open_at)(ro, kNone, TEXT("kept"), kTruncate, kRead, A));
  FAILS(4, E(read_only), D(open_at)(ro, kNone, TEXT("."), kDirectory, kMutate, A));
  FAILS(1, E(read_only), D(create_directory_at)(ro, TEXT("d"), A));
  FAILS(1, E(read_only), D(unlink_file_at)(ro, TEXT("kept"), A));
  FAILS(1, E(read_only), D(remove_directory_at)(ro, TEXT("kept"), A));
  FAILS(1, E(read_only), D(symlink_at)(ro, TEXT("kept"), TEXT("l"), A));
  FAILS(1, E(read_only), D(rename_at)(ro, TEXT("kept"), ro, TEXT("x"), A));
  FAILS(1, E(read_only), D(rename_at)(root, TEXT("f"), ro, TEXT("x"), A));
  FAILS(1, E(read_only), D(link_at)(ro, kNone, TEXT("kept"), root, TEXT("x"), A));
  FAILS(1, E(read_only), D(set_times_at)(ro, kNone, TEXT("kept"), kNow, 0, 0, kNow, 0, 0, A));
  FAILS(1, E(read_only), D(set_times)(ro, kNow, 0, 0, kNow, 0, 0, A));
  const int32_t f = open_file(ro, "kept", 0, kRead);
  FAILS(1, E(read_only), D(set_size)(f, 0, A));
  FAILS(1, E(read_only), D(set_times)(f, kNow, 0, 0, kNow, 0, 0, A));
  WORKS(D(read)(f, 100, 0, A));
  CHECK(answer.word[1] == 4);
  drop_descriptor(f);
}

int main(void) {
  preopens();
  reading_and_writing();
  streams();
  names();
  directory();
  read_only();
  puts("done");
  return 0;
}

// WASI 0.1 over WASI 0.2, for programs of wasi-libc: the functions that libc imports, defined here, so that the program
// imports WASI 0.2 alone. Programs that use WASI 0.2 directly get their start from here, too.
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

#include "wasi2.h"

#define IMPORTED(name) __imported_wasi_snapshot_preview1_##name
#define TAKE(type, pointer) (*(type*)(uintptr_t)(pointer))

extern void _start(void);
__attribute__((export_name("run"))) int32_t run(void) {
  _start();
  return 0;
}

// --- memory that results take

enum { kScratchBytes = 1 << 18 };
static _Alignas(8) uint8_t scratch[kScratchBytes];
static void use_scratch(void) { arena(scratch, sizeof scratch); }

// --- descriptors

typedef struct {
  enum { kFree, kFile, kDirectory, kInput, kOutput } kind;
  int32_t handle;  // descriptor, or stream
  int32_t input, output;  // streams of a file that cannot seek, 0: none yet
  bool seeks;
  uint64_t offset;
  uint16_t flags;
  uint8_t type;
  uint64_t rights, inheriting;
  char* preopen;
} Descriptor;

enum { kMax = 512 };
static Descriptor table[kMax];

static Descriptor* find(int32_t fd) {
  return fd >= 0 && fd < kMax && table[fd].kind != kFree ? &table[fd] : NULL;
}
static int32_t allocate(void) {
  for (int32_t fd = 0; fd < kMax; ++fd) {
    if (table[fd].kind == kFree) return fd;
  }
  return -1;
}

static const uint64_t kAllRights = ~(uint64_t)0 >> 34;

__attribute__((constructor(1))) static void start(void) {
  const int32_t in = cli_stdin_get_stdin(), out = cli_stdout_get_stdout(), err = cli_stderr_get_stderr();
  table[0] = (Descriptor){.kind = kInput, .handle = in, .rights = kAllRights};
  table[1] = (Descriptor){.kind = kOutput, .handle = out, .rights = kAllRights};
  table[2] = (Descriptor){.kind = kOutput, .handle = err, .rights = kAllRights};
  struct { int32_t list, count; } given;
  use_scratch();
  filesystem_preopens_get_directories((int32_t)(uintptr_t)&given);
  const struct { int32_t handle, name, length; }* preopens = (void*)(uintptr_t)given.list;
  for (int32_t i = 0; i < given.count && 3 + i < kMax; ++i) {
    char* name = malloc((size_t)preopens[i].length + 1);
    memcpy(name, (void*)(uintptr_t)preopens[i].name, (size_t)preopens[i].length);
    name[preopens[i].length] = 0;
    table[3 + i] = (Descriptor){.kind = kDirectory, .handle = preopens[i].handle, .type = __WASI_FILETYPE_DIRECTORY,
                                .rights = kAllRights, .inheriting = kAllRights, .preopen = name};
  }
}

// --- errors

static int32_t to_errno(uint8_t code) {
  static const uint16_t kErrno[] = {
      __WASI_ERRNO_ACCES,  __WASI_ERRNO_AGAIN,       __WASI_ERRNO_ALREADY, __WASI_ERRNO_BADF,    __WASI_ERRNO_BUSY,
      __WASI_ERRNO_DEADLK, __WASI_ERRNO_DQUOT,       __WASI_ERRNO_EXIST,   __WASI_ERRNO_FBIG,    __WASI_ERRNO_ILSEQ,
      __WASI_ERRNO_INPROGRESS, __WASI_ERRNO_INTR,    __WASI_ERRNO_INVAL,   __WASI_ERRNO_IO,      __WASI_ERRNO_ISDIR,
      __WASI_ERRNO_LOOP,   __WASI_ERRNO_MLINK,       __WASI_ERRNO_MSGSIZE, __WASI_ERRNO_NAMETOOLONG, __WASI_ERRNO_NODEV,
      __WASI_ERRNO_NOENT,  __WASI_ERRNO_NOLCK,       __WASI_ERRNO_NOMEM,   __WASI_ERRNO_NOSPC,   __WASI_ERRNO_NOTDIR,
      __WASI_ERRNO_NOTEMPTY, __WASI_ERRNO_NOTRECOVERABLE, __WASI_ERRNO_NOTSUP, __WASI_ERRNO_NOTTY, __WASI_ERRNO_NXIO,
      __WASI_ERRNO_OVERFLOW, __WASI_ERRNO_PERM,      __WASI_ERRNO_PIPE,    __WASI_ERRNO_ROFS,    __WASI_ERRNO_SPIPE,
      __WASI_ERRNO_TXTBSY, __WASI_ERRNO_XDEV,
  };
  return kErrno[code];
}

// A result<_, error-code>: the case, then the code; with a payload of alignment 8, the code is eight bytes on.
typedef struct {
  uint8_t is_error, code;
} Status;
typedef struct {
  _Alignas(8) uint8_t is_error;
  _Alignas(8) union {
    uint8_t code;
    int32_t handle;
    uint64_t number;
    struct { uint64_t lower, upper; } hash;
  };
} Answer;
typedef struct {  // result<handle, error-code>
  uint8_t is_error;
  _Alignas(4) union { int32_t handle; uint8_t code; };
} Opened;
typedef struct {  // result<tuple<list<u8>, bool>, error-code>
  uint8_t is_error;
  _Alignas(4) union { uint8_t code; struct { int32_t data, size; uint8_t is_end; } bytes; };
} Read;
typedef struct {  // result<list<u8>, stream-error>
  uint8_t is_error;
  _Alignas(4) int32_t value[2];
} Streamed;
#define P(x) ((int32_t)(uintptr_t)(x))
#define CHECK_STATUS(s) \
  if ((s).is_error) return to_errno((s).code)

// What came of a stream's operation: result<T, stream-error>, whose error is at `error`.
static int32_t stream_errno(const int32_t* error) {
  if (*(const uint8_t*)error == 1) return -1;  // closed
  struct { uint8_t is_some, code; } code;
  filesystem_types_filesystem_error_code(error[1], P(&code));
  drop_error(error[1]);
  return code.is_some ? to_errno(code.code) : __WASI_ERRNO_IO;
}

// --- arguments, environment

static char* copy_string(const int32_t* string, char* to) {
  memcpy(to, (void*)(uintptr_t)string[0], (size_t)string[1]);
  to[string[1]] = 0;
  return to + string[1] + 1;
}

int32_t IMPORTED(args_sizes_get)(int32_t count, int32_t bytes) {
  int32_t list[2];
  use_scratch();
  cli_environment_get_arguments(P(list));
  const int32_t* s = (void*)(uintptr_t)list[0];
  int32_t total = 0;
  for (int32_t i = 0; i < list[1]; ++i) total += s[2 * i + 1] + 1;
  TAKE(int32_t, count) = list[1];
  TAKE(int32_t, bytes) = total;
  return 0;
}
int32_t IMPORTED(args_get)(int32_t pointers, int32_t buffer) {
  int32_t list[2];
  use_scratch();
  cli_environment_get_arguments(P(list));
  const int32_t* s = (void*)(uintptr_t)list[0];
  char* to = (char*)(uintptr_t)buffer;
  for (int32_t i = 0; i < list[1]; ++i) {
    (&TAKE(int32_t, pointers))[i] = P(to);
    to = copy_string(s + 2 * i, to);
  }
  return 0;
}
int32_t IMPORTED(environ_sizes_get)(int32_t count, int32_t bytes) {
  int32_t list[2];
  use_scratch();
  cli_environment_get_environment(P(list));
  const int32_t* s = (void*)(uintptr_t)list[0];
  int32_t total = 0;
  for (int32_t i = 0; i < list[1]; ++i) total += s[4 * i + 1] + s[4 * i + 3] + 2;
  TAKE(int32_t, count) = list[1];
  TAKE(int32_t, bytes) = total;
  return 0;
}
int32_t IMPORTED(environ_get)(int32_t pointers, int32_t buffer) {
  int32_t list[2];
  use_scratch();
  cli_environment_get_environment(P(list));
  const int32_t* s = (void*)(uintptr_t)list[0];
  char* to = (char*)(uintptr_t)buffer;
  for (int32_t i = 0; i < list[1]; ++i) {
    (&TAKE(int32_t, pointers))[i] = P(to);
    to = copy_string(s + 4 * i, to);
    to[-1] = '=';
    to = copy_string(s + 4 * i + 2, to);
  }
  return 0;
}

// --- clocks, randomness, the end

typedef struct { _Alignas(8) uint64_t seconds; uint32_t nanoseconds; } Datetime;
static uint64_t to_time(const Datetime* d) { return d->seconds * 1000000000 + d->nanoseconds; }

int32_t IMPORTED(clock_res_get)(int32_t id, int32_t out) {
  if (id == 1) return TAKE(uint64_t, out) = (uint64_t)clocks_monotonic_clock_resolution(), 0;
  if (id != 0) return __WASI_ERRNO_INVAL;
  Datetime d;
  clocks_wall_clock_resolution(P(&d));
  return TAKE(uint64_t, out) = to_time(&d), 0;
}
int32_t IMPORTED(clock_time_get)(int32_t id, int64_t precision, int32_t out) {
  (void)precision;
  if (id == 1) return TAKE(uint64_t, out) = (uint64_t)clocks_monotonic_clock_now(), 0;
  if (id != 0) return __WASI_ERRNO_INVAL;
  Datetime d;
  clocks_wall_clock_now(P(&d));
  return TAKE(uint64_t, out) = to_time(&d), 0;
}
int32_t IMPORTED(random_get)(int32_t buffer, int32_t length) {
  int32_t list[2];
  arena((void*)(uintptr_t)buffer, (uint32_t)length);
  random_random_get_random_bytes(length, P(list));
  return 0;
}
int32_t IMPORTED(sched_yield)(void) { return 0; }
_Noreturn void IMPORTED(proc_exit)(int32_t code) {
  cli_exit_exit_with_code(code & 0xFF);
  __builtin_trap();
}
// What the tests' programs call directly.
int proc_raise(int signal) { IMPORTED(proc_exit)(128 + signal); }

// --- reading and writing

static int32_t input_of(Descriptor* d) {
  if (d->kind == kInput) return d->handle;
  if (d->input == 0) {
    Opened o;
    filesystem_types_descriptor_read_via_stream(d->handle, 0, P(&o));
    if (o.is_error) return 0;
    d->input = o.handle;
  }
  return d->input;
}
static int32_t output_of(Descriptor* d) {
  if (d->kind == kOutput) return d->handle;
  if (d->output == 0) {
    Opened o;
    filesystem_types_descriptor_append_via_stream(d->handle, P(&o));
    if (o.is_error) return 0;
    d->output = o.handle;
  }
  return d->output;
}

static int32_t read_file(Descriptor* d, void* to, uint32_t size, uint64_t offset, uint32_t* got) {
  Read a;
  arena(to, size);
  filesystem_types_descriptor_read(d->handle, size, (int64_t)offset, P(&a));
  CHECK_STATUS(a);
  *got = (uint32_t)a.bytes.size;
  return 0;
}
static int32_t read_stream(Descriptor* d, void* to, uint32_t size, uint32_t* got) {
  Streamed r;
  const int32_t stream = input_of(d);
  if (stream == 0) return __WASI_ERRNO_BADF;
  arena(to, size);
  if (d->flags & __WASI_FDFLAGS_NONBLOCK) {
    io_streams_input_stream_read(stream, size, P(&r));
  } else {
    io_streams_input_stream_blocking_read(stream, size, P(&r));
  }
  *got = 0;
  if (r.is_error) {
    const int32_t e = stream_errno(r.value);
    return e < 0 ? 0 : e;
  }
  *got = (uint32_t)r.value[1];
  return *got == 0 && size != 0 && (d->flags & __WASI_FDFLAGS_NONBLOCK) ? __WASI_ERRNO_AGAIN : 0;
}

static int32_t write_stream(int32_t stream, const uint8_t* from, uint32_t size) {
  Streamed r;
  while (size > 0) {
    const uint32_t part = size < 4096 ? size : 4096;
    io_streams_output_stream_blocking_write_and_flush(stream, P(from), (int32_t)part, P(&r));
    if (r.is_error) {
      const int32_t e = stream_errno(r.value);
      return e < 0 ? __WASI_ERRNO_PIPE : e;
    }
    from += part;
    size -= part;
  }
  return 0;
}

typedef struct { int32_t buffer, size; } Vector;

int32_t IMPORTED(fd_pread)(int32_t fd, int32_t vectors, int32_t count, int64_t offset, int32_t out) {
  Descriptor* d = find(fd);
  if (d == NULL) return __WASI_ERRNO_BADF;
  if (d->kind == kDirectory) return __WASI_ERRNO_ISDIR;
  if (d->kind != kFile || !d->seeks) return __WASI_ERRNO_SPIPE;
  const Vector* v = (void*)(uintptr_t)vectors;
  uint32_t total = 0;
  for (int32_t i = 0; i < count; ++i) {
    if (v[i].size == 0) continue;
    uint32_t got;
    const int32_t e = read_file(d, (void*)(uintptr_t)v[i].buffer, (uint32_t)v[i].size, (uint64_t)offset + total, &got);
    if (e != 0) return e;
    total += got;
    if (got < (uint32_t)v[i].size) break;
  }
  return TAKE(uint32_t, out) = total, 0;
}
int32_t IMPORTED(fd_read)(int32_t fd, int32_t vectors, int32_t count, int32_t out) {
  Descriptor* d = find(fd);
  if (d == NULL) return __WASI_ERRNO_BADF;
  if (d->kind == kDirectory) return __WASI_ERRNO_ISDIR;
  if (d->kind == kOutput) return __WASI_ERRNO_NOTCAPABLE;
  if (d->kind == kFile && d->seeks) {
    const int32_t e = IMPORTED(fd_pread)(fd, vectors, count, (int64_t)d->offset, out);
    if (e == 0) d->offset += TAKE(uint32_t, out);
    return e;
  }
  const Vector* v = (void*)(uintptr_t)vectors;
  for (int32_t i = 0; i < count; ++i) {
    if (v[i].size != 0) return read_stream(d, (void*)(uintptr_t)v[i].buffer, (uint32_t)v[i].size, &TAKE(uint32_t, out));
  }
  return TAKE(uint32_t, out) = 0, 0;
}
int32_t IMPORTED(fd_pwrite)(int32_t fd, int32_t vectors, int32_t count, int64_t offset, int32_t out) {
  Descriptor* d = find(fd);
  if (d == NULL) return __WASI_ERRNO_BADF;
  if (d->kind == kDirectory) return __WASI_ERRNO_ISDIR;
  if (d->kind != kFile || !d->seeks) return __WASI_ERRNO_SPIPE;
  const Vector* v = (void*)(uintptr_t)vectors;
  uint32_t total = 0;
  for (int32_t i = 0; i < count; ++i) {
    Answer a;
    filesystem_types_descriptor_write(d->handle, v[i].buffer, v[i].size, offset + total, P(&a));
    CHECK_STATUS(a);
    total += (uint32_t)a.number;
    if (a.number < (uint64_t)v[i].size) break;
  }
  return TAKE(uint32_t, out) = total, 0;
}
int32_t IMPORTED(fd_write)(int32_t fd, int32_t vectors, int32_t count, int32_t out) {
  Descriptor* d = find(fd);
  if (d == NULL) return __WASI_ERRNO_BADF;
  if (d->kind == kDirectory) return __WASI_ERRNO_ISDIR;
  if (d->kind == kInput) return __WASI_ERRNO_NOTCAPABLE;
  if (d->kind == kFile && d->seeks && !(d->flags & __WASI_FDFLAGS_APPEND)) {
    const int32_t e = IMPORTED(fd_pwrite)(fd, vectors, count, (int64_t)d->offset, out);
    if (e == 0) d->offset += TAKE(uint32_t, out);
    return e;
  }
  const int32_t stream = output_of(d);
  if (stream == 0) return __WASI_ERRNO_BADF;
  const Vector* v = (void*)(uintptr_t)vectors;
  uint32_t total = 0;
  for (int32_t i = 0; i < count; ++i) {
    const int32_t e = write_stream(stream, (void*)(uintptr_t)v[i].buffer, (uint32_t)v[i].size);
    if (e != 0) return e;
    total += (uint32_t)v[i].size;
  }
  return TAKE(uint32_t, out) = total, 0;
}

typedef struct {
  _Alignas(8) uint8_t type;
  _Alignas(8) uint64_t links, size;
  struct { _Alignas(8) uint8_t is_some; Datetime time; } accessed, modified, changed;
} Stat;
typedef struct {
  _Alignas(8) uint8_t is_error;
  _Alignas(8) union { uint8_t code; Stat stat; };
} Stated;

static uint8_t to_filetype(uint8_t type) {
  static const uint8_t kTypes[] = {__WASI_FILETYPE_UNKNOWN,   __WASI_FILETYPE_BLOCK_DEVICE,
                                   __WASI_FILETYPE_CHARACTER_DEVICE, __WASI_FILETYPE_DIRECTORY,
                                   __WASI_FILETYPE_UNKNOWN,   __WASI_FILETYPE_SYMBOLIC_LINK,
                                   __WASI_FILETYPE_REGULAR_FILE, __WASI_FILETYPE_SOCKET_STREAM};
  return kTypes[type];
}

int32_t IMPORTED(fd_seek)(int32_t fd, int64_t offset, int32_t whence, int32_t out) {
  Descriptor* d = find(fd);
  if (d == NULL) return __WASI_ERRNO_BADF;
  if (d->kind == kDirectory) return __WASI_ERRNO_ISDIR;
  if (d->kind != kFile || !d->seeks) return __WASI_ERRNO_SPIPE;
  int64_t base = 0;
  if (whence == __WASI_WHENCE_CUR) base = (int64_t)d->offset;
  if (whence == __WASI_WHENCE_END) {
    Stated s;
    filesystem_types_descriptor_stat(d->handle, P(&s));
    CHECK_STATUS(s);
    base = (int64_t)s.stat.size;
  }
  if (whence > 2 || base + offset < 0) return __WASI_ERRNO_INVAL;
  d->offset = (uint64_t)(base + offset);
  return TAKE(uint64_t, out) = d->offset, 0;
}
int32_t IMPORTED(fd_tell)(int32_t fd, int32_t out) { return IMPORTED(fd_seek)(fd, 0, __WASI_WHENCE_CUR, out); }

// --- descriptors

static void forget_entries(void);
static void release(Descriptor* d) {
  if (d->kind == kDirectory) forget_entries();
  if (d->input != 0) drop_input_stream(d->input);
  if (d->output != 0) drop_output_stream(d->output);
  switch (d->kind) {
    case kFile:
    case kDirectory: drop_descriptor(d->handle); break;
    case kInput: drop_input_stream(d->handle); break;
    case kOutput: drop_output_stream(d->handle); break;
    case kFree: break;
  }
  free(d->preopen);
  *d = (Descriptor){0};
}
int32_t IMPORTED(fd_close)(int32_t fd) {
  Descriptor* d = find(fd);
  if (d == NULL) return __WASI_ERRNO_BADF;
  release(d);
  return 0;
}
int32_t IMPORTED(fd_renumber)(int32_t from, int32_t to) {
  Descriptor *a = find(from), *b = find(to);
  if (a == NULL || b == NULL) return __WASI_ERRNO_BADF;
  if (a == b) return 0;
  release(b);
  *b = *a;
  *a = (Descriptor){0};
  return 0;
}
int32_t IMPORTED(fd_fdstat_get)(int32_t fd, int32_t out) {
  Descriptor* d = find(fd);
  if (d == NULL) return __WASI_ERRNO_BADF;
  __wasi_fdstat_t* s = (void*)(uintptr_t)out;
  memset(s, 0, sizeof *s);
  s->fs_filetype = d->type;
  if (d->kind == kInput) {
    int32_t terminal[2];
    cli_terminal_stdin_get_terminal_stdin(P(terminal));
    if (*(uint8_t*)terminal) s->fs_filetype = __WASI_FILETYPE_CHARACTER_DEVICE;
  }
  s->fs_flags = d->flags;
  s->fs_rights_base = d->rights;
  s->fs_rights_inheriting = d->inheriting;
  return 0;
}
int32_t IMPORTED(fd_fdstat_set_flags)(int32_t fd, int32_t flags) {
  Descriptor* d = find(fd);
  if (d == NULL) return __WASI_ERRNO_BADF;
  d->flags = (uint16_t)flags;
  return 0;
}
int32_t IMPORTED(fd_fdstat_set_rights)(int32_t fd, int64_t base, int64_t inheriting) {
  Descriptor* d = find(fd);
  if (d == NULL) return __WASI_ERRNO_BADF;
  if (((uint64_t)base & ~d->rights) != 0 || ((uint64_t)inheriting & ~d->inheriting) != 0) return __WASI_ERRNO_NOTCAPABLE;
  d->rights = (uint64_t)base;
  d->inheriting = (uint64_t)inheriting;
  return 0;
}
int32_t IMPORTED(fd_prestat_get)(int32_t fd, int32_t out) {
  Descriptor* d = find(fd);
  if (d == NULL || d->preopen == NULL) return __WASI_ERRNO_BADF;
  __wasi_prestat_t* p = (void*)(uintptr_t)out;
  p->tag = __WASI_PREOPENTYPE_DIR;
  p->u.dir.pr_name_len = strlen(d->preopen);
  return 0;
}
int32_t IMPORTED(fd_prestat_dir_name)(int32_t fd, int32_t out, int32_t length) {
  Descriptor* d = find(fd);
  if (d == NULL || d->preopen == NULL) return __WASI_ERRNO_BADF;
  if ((size_t)length < strlen(d->preopen)) return __WASI_ERRNO_NAMETOOLONG;
  memcpy((void*)(uintptr_t)out, d->preopen, strlen(d->preopen));
  return 0;
}

// --- files

#define FILE_OR(error_of_directory)                              \
  Descriptor* d = find(fd);                                      \
  if (d == NULL) return __WASI_ERRNO_BADF;                       \
  if (d->kind == kDirectory) return error_of_directory;          \
  if (d->kind != kFile) return __WASI_ERRNO_SPIPE

int32_t IMPORTED(fd_advise)(int32_t fd, int64_t offset, int64_t length, int32_t advice) {
  FILE_OR(__WASI_ERRNO_ISDIR);
  if (advice > 5) return __WASI_ERRNO_INVAL;
  Status s;
  filesystem_types_descriptor_advise(d->handle, offset, length, advice, P(&s));
  CHECK_STATUS(s);
  return 0;
}
// There is no such operation; but the size is what programs go by.
int32_t IMPORTED(fd_filestat_set_size)(int32_t fd, int64_t size);
int32_t IMPORTED(fd_allocate)(int32_t fd, int64_t offset, int64_t length) {
  FILE_OR(__WASI_ERRNO_ISDIR);
  Stated s;
  filesystem_types_descriptor_stat(d->handle, P(&s));
  CHECK_STATUS(s);
  return s.stat.size >= (uint64_t)(offset + length) ? 0 : IMPORTED(fd_filestat_set_size)(fd, offset + length);
}
static int32_t sync_any(int32_t fd, void (*how)(int32_t, int32_t)) {
  Descriptor* d = find(fd);
  if (d == NULL) return __WASI_ERRNO_BADF;
  if (d->kind != kFile && d->kind != kDirectory) return __WASI_ERRNO_INVAL;
  Status s;
  how(d->handle, P(&s));
  CHECK_STATUS(s);
  return 0;
}
int32_t IMPORTED(fd_datasync)(int32_t fd) { return sync_any(fd, filesystem_types_descriptor_sync_data); }
int32_t IMPORTED(fd_sync)(int32_t fd) { return sync_any(fd, filesystem_types_descriptor_sync); }
int32_t IMPORTED(fd_filestat_set_size)(int32_t fd, int64_t size) {
  FILE_OR(__WASI_ERRNO_ISDIR);
  Status s;
  filesystem_types_descriptor_set_size(d->handle, size, P(&s));
  CHECK_STATUS(s);
  return 0;
}

static void fill_stat(__wasi_filestat_t* out, const Stat* s, uint64_t inode) {
  memset(out, 0, sizeof *out);
  out->ino = inode;
  out->filetype = to_filetype(s->type);
  out->nlink = s->links;
  out->size = s->size;
  out->atim = to_time(&s->accessed.time);
  out->mtim = to_time(&s->modified.time);
  out->ctim = to_time(&s->changed.time);
}
int32_t IMPORTED(fd_filestat_get)(int32_t fd, int32_t out) {
  Descriptor* d = find(fd);
  if (d == NULL) return __WASI_ERRNO_BADF;
  __wasi_filestat_t* f = (void*)(uintptr_t)out;
  if (d->kind != kFile && d->kind != kDirectory) return memset(f, 0, sizeof *f), 0;
  Stated s;
  Answer hash;
  filesystem_types_descriptor_stat(d->handle, P(&s));
  CHECK_STATUS(s);
  filesystem_types_descriptor_metadata_hash(d->handle, P(&hash));
  CHECK_STATUS(hash);
  fill_stat(f, &s.stat, hash.hash.lower);
  return 0;
}

typedef struct { int32_t kind; int64_t seconds; int32_t nanoseconds; } Time;
static bool to_change(uint64_t time, int32_t flags, int32_t set, int32_t now, Time* out) {
  if ((flags & set) && (flags & now)) return false;
  *out = (Time){flags & now ? 1 : flags & set ? 2 : 0, (int64_t)(time / 1000000000), (int32_t)(time % 1000000000)};
  return true;
}
static bool to_changes(int64_t atim, int64_t mtim, int32_t flags, Time out[2]) {
  return to_change((uint64_t)atim, flags, __WASI_FSTFLAGS_ATIM, __WASI_FSTFLAGS_ATIM_NOW, &out[0]) &&
         to_change((uint64_t)mtim, flags, __WASI_FSTFLAGS_MTIM, __WASI_FSTFLAGS_MTIM_NOW, &out[1]);
}
int32_t IMPORTED(fd_filestat_set_times)(int32_t fd, int64_t atim, int64_t mtim, int32_t flags) {
  Descriptor* d = find(fd);
  if (d == NULL) return __WASI_ERRNO_BADF;
  Time t[2];
  if (!to_changes(atim, mtim, flags, t)) return __WASI_ERRNO_INVAL;
  if (d->kind != kFile && d->kind != kDirectory) return __WASI_ERRNO_INVAL;
  Status s;
  filesystem_types_descriptor_set_times(d->handle, t[0].kind, t[0].seconds, t[0].nanoseconds, t[1].kind, t[1].seconds,
                                        t[1].nanoseconds, P(&s));
  CHECK_STATUS(s);
  return 0;
}

// --- paths

#define DIRECTORY(d, fd)                                           \
  Descriptor* d = find(fd);                                        \
  if (d == NULL) return __WASI_ERRNO_BADF;                         \
  if (d->kind != kDirectory) return __WASI_ERRNO_NOTDIR

#define SIMPLE_PATH(name, function)                                \
  int32_t IMPORTED(name)(int32_t fd, int32_t path, int32_t size) { \
    DIRECTORY(d, fd);                                              \
    Status s;                                                      \
    function(d->handle, path, size, P(&s));                        \
    CHECK_STATUS(s);                                               \
    return 0;                                                      \
  }
SIMPLE_PATH(path_create_directory, filesystem_types_descriptor_create_directory_at)
SIMPLE_PATH(path_remove_directory, filesystem_types_descriptor_remove_directory_at)
SIMPLE_PATH(path_unlink_file, filesystem_types_descriptor_unlink_file_at)

int32_t IMPORTED(path_filestat_get)(int32_t fd, int32_t lookup, int32_t path, int32_t size, int32_t out) {
  DIRECTORY(d, fd);
  Stated s;
  Answer hash;
  filesystem_types_descriptor_stat_at(d->handle, lookup, path, size, P(&s));
  CHECK_STATUS(s);
  filesystem_types_descriptor_metadata_hash_at(d->handle, lookup, path, size, P(&hash));
  CHECK_STATUS(hash);
  fill_stat((void*)(uintptr_t)out, &s.stat, hash.hash.lower);
  return 0;
}
int32_t IMPORTED(path_filestat_set_times)(int32_t fd, int32_t lookup, int32_t path, int32_t size, int64_t atim,
                                          int64_t mtim, int32_t flags) {
  DIRECTORY(d, fd);
  Time t[2];
  if (!to_changes(atim, mtim, flags, t)) return __WASI_ERRNO_INVAL;
  Status s;
  filesystem_types_descriptor_set_times_at(d->handle, lookup, path, size, t[0].kind, t[0].seconds, t[0].nanoseconds,
                                           t[1].kind, t[1].seconds, t[1].nanoseconds, P(&s));
  CHECK_STATUS(s);
  return 0;
}
int32_t IMPORTED(path_link)(int32_t old_fd, int32_t lookup, int32_t path, int32_t size, int32_t fd, int32_t to,
                            int32_t to_size) {
  DIRECTORY(a, old_fd);
  DIRECTORY(b, fd);
  Status s;
  filesystem_types_descriptor_link_at(a->handle, lookup, path, size, b->handle, to, to_size, P(&s));
  CHECK_STATUS(s);
  return 0;
}
int32_t IMPORTED(path_rename)(int32_t old_fd, int32_t path, int32_t size, int32_t fd, int32_t to, int32_t to_size) {
  DIRECTORY(a, old_fd);
  DIRECTORY(b, fd);
  Status s;
  filesystem_types_descriptor_rename_at(a->handle, path, size, b->handle, to, to_size, P(&s));
  CHECK_STATUS(s);
  return 0;
}
int32_t IMPORTED(path_symlink)(int32_t target, int32_t target_size, int32_t fd, int32_t path, int32_t size) {
  DIRECTORY(d, fd);
  Status s;
  filesystem_types_descriptor_symlink_at(d->handle, target, target_size, path, size, P(&s));
  CHECK_STATUS(s);
  return 0;
}
int32_t IMPORTED(path_readlink)(int32_t fd, int32_t path, int32_t size, int32_t buffer, int32_t buffer_size,
                                int32_t used) {
  DIRECTORY(d, fd);
  struct { uint8_t is_error; _Alignas(4) union { uint8_t code; struct { int32_t data, size; } text; }; } r;
  use_scratch();
  filesystem_types_descriptor_readlink_at(d->handle, path, size, P(&r));
  CHECK_STATUS(r);
  const int32_t n = r.text.size < buffer_size ? r.text.size : buffer_size;
  memcpy((void*)(uintptr_t)buffer, (void*)(uintptr_t)r.text.data, (size_t)n);
  return TAKE(int32_t, used) = n, 0;
}

int32_t IMPORTED(path_open)(int32_t fd, int32_t lookup, int32_t path, int32_t size, int32_t oflags, int64_t base,
                            int64_t inheriting, int32_t fdflags, int32_t out) {
  DIRECTORY(d, fd);
  const int32_t made = allocate();
  if (made < 0) return __WASI_ERRNO_MFILE;
  int32_t flags = 0;
  if (base & __WASI_RIGHTS_FD_READ) flags |= 1;
  if (base & __WASI_RIGHTS_FD_WRITE) flags |= 2;
  if (fdflags & __WASI_FDFLAGS_SYNC) flags |= 4;
  if (fdflags & __WASI_FDFLAGS_DSYNC) flags |= 8;
  if (fdflags & __WASI_FDFLAGS_RSYNC) flags |= 16;
  if (oflags & __WASI_OFLAGS_DIRECTORY) flags &= ~2;
  Opened o;
  filesystem_types_descriptor_open_at(d->handle, lookup, path, size, oflags, flags, P(&o));
  CHECK_STATUS(o);
  struct { uint8_t is_error, type; } type;
  filesystem_types_descriptor_get_type(o.handle, P(&type));
  if (type.is_error) return drop_descriptor(o.handle), to_errno(type.type);
  table[made] = (Descriptor){.kind = type.type == 3 ? kDirectory : kFile,
                             .handle = o.handle,
                             .seeks = type.type == 6 || type.type == 1,
                             .flags = (uint16_t)fdflags,
                             .type = to_filetype(type.type),
                             .rights = (uint64_t)base,
                             .inheriting = (uint64_t)inheriting};
  return TAKE(int32_t, out) = made, 0;
}

// The entries of one directory, as it was last read. The cookie is how many entries came before.
static struct {
  int32_t fd, stream;
  uint64_t next;  // the number of the entry that is here
  bool is_end;
  uint8_t type;
  uint32_t length;
  char name[256];
} entries = {.fd = -1};

static void forget_entries(void) {
  if (entries.fd >= 0) drop_directory_entry_stream(entries.stream);
  entries.fd = -1;
}

// Takes the entry after the one that is here; "." and ".." are our own.
static int32_t next_entry(void) {
  struct {
    uint8_t is_error;
    _Alignas(4) union {
      uint8_t code;
      struct { uint8_t is_some; _Alignas(4) uint8_t type; int32_t name, length; } entry;
    };
  } r;
  ++entries.next;
  entries.length = (uint32_t)entries.next + 1;
  entries.type = 3;
  memcpy(entries.name, "..", 2);
  if (entries.next < 2) return 0;
  use_scratch();
  filesystem_types_directory_entry_stream_read_directory_entry(entries.stream, P(&r));
  CHECK_STATUS(r);
  entries.is_end = !r.entry.is_some;
  if (entries.is_end) return 0;
  entries.type = r.entry.type;
  entries.length = (uint32_t)r.entry.length < 255 ? (uint32_t)r.entry.length : 255;
  memcpy(entries.name, (void*)(uintptr_t)r.entry.name, entries.length);
  return 0;
}

int32_t IMPORTED(fd_readdir)(int32_t fd, int32_t buffer, int32_t size, int64_t cookie, int32_t out) {
  DIRECTORY(d, fd);
  if (entries.fd != fd || entries.next != (uint64_t)cookie || cookie == 0) {
    forget_entries();
    Opened stream;
    filesystem_types_descriptor_read_directory(d->handle, P(&stream));
    CHECK_STATUS(stream);
    entries.fd = fd;
    entries.stream = stream.handle;
    entries.next = ~(uint64_t)0;
    entries.is_end = false;
    do {
      const int32_t e = next_entry();
      if (e != 0) return e;
    } while (entries.next < (uint64_t)cookie && !entries.is_end);
  }
  uint8_t* to = (uint8_t*)(uintptr_t)buffer;
  uint32_t used = 0;
  while (!entries.is_end) {
    const __wasi_dirent_t head = {entries.next + 1, entries.next + 1, entries.length, to_filetype(entries.type)};
    const struct { const void* data; uint32_t size; } parts[] = {{&head, sizeof head}, {entries.name, entries.length}};
    bool fits = true;
    for (int p = 0; p < 2; ++p) {
      const uint32_t room = (uint32_t)size - used;
      if (parts[p].size > room) fits = false;
      memcpy(to + used, parts[p].data, fits ? parts[p].size : room);
      used += fits ? parts[p].size : room;
    }
    if (!fits) break;
    const int32_t e = next_entry();
    if (e != 0) return e;
  }
  return TAKE(uint32_t, out) = used, 0;
}

// --- waiting

int32_t IMPORTED(poll_oneoff)(int32_t in, int32_t out, int32_t count, int32_t nevents) {
  const __wasi_subscription_t* s = (void*)(uintptr_t)in;
  __wasi_event_t* e = (void*)(uintptr_t)out;
  enum { kMost = 64 };
  int32_t pollables[kMost], owner[kMost], waiting = 0, made = 0;
  if (count == 0 || count > kMost) return __WASI_ERRNO_INVAL;
  for (int32_t i = 0; i < count; ++i) {
    int32_t pollable = 0;
    uint16_t error = 0;
    if (s[i].u.tag == __WASI_EVENTTYPE_CLOCK) {
      const __wasi_subscription_clock_t* c = &s[i].u.u.clock;
      uint64_t time = c->timeout;
      if (c->id > 1) {
        error = __WASI_ERRNO_INVAL;
      } else if (!(c->flags & __WASI_SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME)) {
        pollable = clocks_monotonic_clock_subscribe_duration((int64_t)time);
      } else if (c->id == 1) {
        pollable = clocks_monotonic_clock_subscribe_instant((int64_t)time);
      } else {
        Datetime now;
        clocks_wall_clock_now(P(&now));
        pollable = clocks_monotonic_clock_subscribe_duration(time > to_time(&now) ? (int64_t)(time - to_time(&now)) : 0);
      }
    } else {
      Descriptor* d = find((int32_t)s[i].u.u.fd_read.file_descriptor);
      const bool reads = s[i].u.tag == __WASI_EVENTTYPE_FD_READ;
      if (d == NULL || d->kind == kDirectory) {
        error = __WASI_ERRNO_BADF;
      } else if (d->kind == (reads ? kOutput : kInput)) {
        error = __WASI_ERRNO_NOTCAPABLE;
      } else if (d->kind == kFile && d->seeks) {
        pollable = clocks_monotonic_clock_subscribe_duration(0);
      } else {
        pollable = reads ? io_streams_input_stream_subscribe(input_of(d)) : io_streams_output_stream_subscribe(output_of(d));
      }
    }
    if (error != 0) {
      e[made++] = (__wasi_event_t){.userdata = s[i].userdata, .error = error, .type = s[i].u.tag};
      continue;
    }
    pollables[waiting] = pollable;
    owner[waiting++] = i;
  }
  if (made == 0) {
    int32_t list[2];
    use_scratch();
    io_poll_poll(P(pollables), waiting, P(list));
    const uint32_t* ready = (void*)(uintptr_t)list[0];
    for (int32_t i = 0; i < list[1]; ++i) {
      const __wasi_subscription_t* from = &s[owner[ready[i]]];
      e[made] = (__wasi_event_t){.userdata = from->userdata, .type = from->u.tag};
      if (from->u.tag != __WASI_EVENTTYPE_CLOCK) e[made].fd_readwrite.nbytes = 1;
      ++made;
    }
  }
  for (int32_t i = 0; i < waiting; ++i) drop_pollable(pollables[i]);
  return TAKE(int32_t, nevents) = made, 0;
}

// Sockets are WASI 0.2's own.
int32_t IMPORTED(sock_accept)(int32_t fd, int32_t flags, int32_t out) {
  (void)flags, (void)out;
  return find(fd) == NULL ? __WASI_ERRNO_BADF : __WASI_ERRNO_NOTSOCK;
}
int32_t IMPORTED(sock_recv)(int32_t fd, int32_t data, int32_t count, int32_t flags, int32_t size, int32_t out_flags) {
  (void)data, (void)count, (void)flags, (void)size, (void)out_flags;
  return find(fd) == NULL ? __WASI_ERRNO_BADF : __WASI_ERRNO_NOTSOCK;
}
int32_t IMPORTED(sock_send)(int32_t fd, int32_t data, int32_t count, int32_t flags, int32_t size) {
  (void)data, (void)count, (void)flags, (void)size;
  return find(fd) == NULL ? __WASI_ERRNO_BADF : __WASI_ERRNO_NOTSOCK;
}
int32_t IMPORTED(sock_shutdown)(int32_t fd, int32_t how) {
  (void)how;
  return find(fd) == NULL ? __WASI_ERRNO_BADF : __WASI_ERRNO_NOTSOCK;
}

#include "os/memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "os/linux/written_pages.h"

namespace berth::os {

namespace {

std::string size_text(u64 bytes) {
  constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) value /= 1024, ++unit;
  char text[48];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.4g %s", value, kUnits[unit]);
  return text;
}

// Why address space or memory ran out, and what the user can do.
std::string exhaustion_text(const char* what, u64 bytes, int err) {
  std::string text = std::string("cannot ") + what + " " + size_text(bytes);
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    return text + " of address space: this process may use " + size_text(limit.rlim_cur) +
           " (ulimit -v); raise that limit or remove it";
  }
  if (err == ENOMEM) {
    return text +
           ": the kernel is out of address space, of mappings (vm.max_map_count) or of memory it "
           "may promise (vm.overcommit_memory)";
  }
  return text + ": errno " + std::to_string(err);
}

int protection(Access access) {
  switch (access) {
    case Access::None: return PROT_NONE;
    case Access::Read: return PROT_READ;
    case Access::ReadWrite: return PROT_READ | PROT_WRITE;
  }
  return PROT_NONE;
}

u8* map_inaccessible(u64 bytes) {
  void* p = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? nullptr : static_cast<u8*>(p);
}

}  // namespace

u64 page_size() {
  static const u64 size = static_cast<u64>(sysconf(_SC_PAGESIZE));
  return size;
}

namespace {

bool is_zero(const u8* page, u64 bytes) { return page[0] == 0 && std::memcmp(page, page + 1, bytes - 1) == 0; }

bool write_at(int file, const u8* data, u64 bytes, u64 at) {
  while (bytes != 0) {
    const ssize_t n = pwrite(file, data, bytes, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data += n, at += static_cast<u64>(n), bytes -= static_cast<u64>(n);
  }
  return true;
}

// Leaves holes where there are nothing but zeros.
bool fill(int file, std::span<const u8> contents) {
  if (ftruncate(file, static_cast<off_t>(contents.size())) != 0) return false;
  const u64 page = page_size();
  for (u64 at = 0; at < contents.size(); at += page) {
    if (!is_zero(&contents[at], page) && !write_at(file, &contents[at], page, at)) return false;
  }
  return fcntl(file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
}

}  // namespace

Result<MemoryImage> MemoryImage::make(std::span<const u8> contents) {
  CHECK(!contents.empty() && contents.size() % page_size() == 0);
#ifndef MFD_NOEXEC_SEAL
  constexpr unsigned MFD_NOEXEC_SEAL = 8;  // Linux 6.3
#endif
  int file = memfd_create("berth-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (file < 0) file = memfd_create("berth-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (file < 0 || !fill(file, contents)) {
    const int err = errno;
    if (file >= 0) close(file);
    return fail(ErrorCode::System,
                "cannot make an image of " + size_text(contents.size()) + " of memory: " + std::strerror(err));
  }
  void* p = mmap(nullptr, contents.size(), PROT_READ, MAP_SHARED, file, 0);
  if (p == MAP_FAILED) {
    const int err = errno;
    close(file);
    return fail(ErrorCode::OutOfMemory, exhaustion_text("map", contents.size(), err));
  }
  return MemoryImage(file, contents.size(), static_cast<const u8*>(p));
}

MemoryImage::~MemoryImage() {
  if (file_ < 0) return;
  munmap(const_cast<u8*>(contents_), bytes_);
  close(file_);
}

u64 round_to_pages(u64 bytes) { return (bytes + page_size() - 1) & ~(page_size() - 1); }

Reservation::~Reservation() {
  if (base_ != nullptr) munmap(base_, size_);
}

Result<Reservation> Reservation::reserve(u64 bytes, u64 alignment) {
  const u64 page = page_size();
  if (alignment < page) alignment = page;
  if (bytes == 0) bytes = page;
  // Beyond any address space that there is; also keeps the sums below from overflowing.
  if (bytes > (u64{1} << 56)) return fail(ErrorCode::OutOfMemory, exhaustion_text("reserve", bytes, ENOMEM));
  bytes = round_to_pages(bytes);
  const u64 slack = alignment - page;
  u8* base = map_inaccessible(bytes + slack);
  if (base == nullptr) return fail(ErrorCode::OutOfMemory, exhaustion_text("reserve", bytes, errno));
  if (slack != 0) {
    const auto address = reinterpret_cast<std::uintptr_t>(base);
    const u64 before = ((address + alignment - 1) & ~(alignment - 1)) - address;
    if (before != 0) munmap(base, before);
    if (slack != before) munmap(base + before + bytes, slack - before);
    base += before;
  }
  Reservation r;
  r.base_ = base;
  r.size_ = bytes;
  return r;
}

Result<> Reservation::commit(u64 offset, u64 bytes) {
  if (bytes == 0) return {};
  CHECK(offset <= size_ && bytes <= size_ - offset);
  if (mprotect(base_ + offset, bytes, PROT_READ | PROT_WRITE) != 0)
    return fail(ErrorCode::OutOfMemory, exhaustion_text("commit", bytes, errno));
  return {};
}

Result<> Reservation::protect(u64 offset, u64 bytes, Access access) {
  if (bytes == 0) return {};
  CHECK(offset <= size_ && bytes <= size_ - offset);
  if (mprotect(base_ + offset, bytes, protection(access)) != 0)
    return fail(ErrorCode::OutOfMemory, exhaustion_text("protect", bytes, errno));
  return {};
}

Result<> Reservation::map_image(u64 offset, const MemoryImage& image) {
  CHECK(offset <= size_ && image.bytes_ <= size_ - offset);
  void* p = mmap(base_ + offset, image.bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED,
                 image.file_, 0);
  if (p == MAP_FAILED) return fail(ErrorCode::OutOfMemory, exhaustion_text("map", image.bytes_, errno));
  return {};
}

void Reservation::populate(u64 offset, u64 bytes) {
  if (bytes == 0) return;
  CHECK(offset <= size_ && bytes <= size_ - offset);
#ifndef MADV_POPULATE_WRITE
  constexpr int MADV_POPULATE_WRITE = 23;  // Linux 5.14
#endif
  // Kernels that do not know it, or lack the memory now, leave it to the faults.
  madvise(base_ + offset, bytes, MADV_POPULATE_WRITE);
}

void Reservation::discard(u64 offset, u64 bytes) {
  if (bytes == 0) return;
  CHECK(offset <= size_ && bytes <= size_ - offset);
  CHECK(madvise(base_ + offset, bytes, MADV_DONTNEED) == 0);
}

void Reservation::restore(u64 bytes, const MemoryImage* image, u64 image_offset, u64 most_kept) {
  CHECK(bytes <= size_);
  WrittenPages written;
  if (bytes == 0) return;
  if (most_kept == 0 || !written.find(base_, bytes, most_kept)) return discard(0, bytes);
  for (const WrittenPages::Range& range : written.ranges()) {
    u8* const begin = reinterpret_cast<u8*>(range.begin);  // NOLINT(performance-no-int-to-ptr): as the kernel has it
    u8* const end = reinterpret_cast<u8*>(range.end);      // NOLINT(performance-no-int-to-ptr)
    u8* const image_begin = image == nullptr ? end : std::clamp(base_ + image_offset, begin, end);
    u8* const image_end = image == nullptr ? end : std::clamp(base_ + image_offset + image->bytes_, begin, end);
    std::memset(begin, 0, static_cast<size_t>(image_begin - begin));
    if (image_begin != image_end) {
      std::memcpy(image_begin, image->contents_ + (image_begin - (base_ + image_offset)),
                  static_cast<size_t>(image_end - image_begin));
    }
    std::memset(image_end, 0, static_cast<size_t>(end - image_end));
  }
}

Result<> Reservation::decommit(u64 offset, u64 bytes) {
  if (bytes == 0) return {};
  CHECK(offset <= size_ && bytes <= size_ - offset);
  // A fresh mapping also stops the range from counting towards what the kernel has promised.
  void* p = mmap(base_ + offset, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  if (p == MAP_FAILED) return fail(ErrorCode::OutOfMemory, exhaustion_text("decommit", bytes, errno));
  return {};
}

Result<> Reservation::move_to_larger(u64 bytes, u64 committed) {
  CHECK(committed <= size_ && committed <= bytes);
  Reservation larger = TRY(reserve(bytes));
  if (committed != 0) {
    void* p = mremap(base_, committed, committed, MREMAP_MAYMOVE | MREMAP_FIXED, larger.base_);
    if (p == MAP_FAILED) return fail(ErrorCode::OutOfMemory, exhaustion_text("move", committed, errno));
    // What remains of the old range is the part that was never committed.
    base_ += committed;
    size_ -= committed;
    if (size_ == 0) base_ = nullptr;
  }
  swap(larger);
  return {};
}

bool can_reserve(u64 bytes) { return Reservation::reserve(bytes).has_value(); }

}  // namespace berth::os

// Virtual memory: reservations of address space, of which parts are made accessible. A reservation
// belongs to one owner; calls on disjoint ranges of it may run on different threads.
#pragma once

#include <span>
#include <utility>

#include "base/result.h"

namespace berth::os {

// Bytes in a page of the operating system; a power of two.
u64 page_size();
// `bytes` rounded up to whole pages. Must not overflow.
u64 round_to_pages(u64 bytes);

enum class Access : u8 { None, Read, ReadWrite };

// Contents that nobody can change any more, for any number of reservations to start from. Any thread.
class MemoryImage {
 public:
  // Copies `contents`, whole pages of them. Fails with System.
  static Result<MemoryImage> make(std::span<const u8> contents);
  MemoryImage(MemoryImage&& other) noexcept
      : file_(std::exchange(other.file_, -1)), bytes_(other.bytes_), contents_(other.contents_) {}
  ~MemoryImage();

  u64 bytes() const { return bytes_; }

 private:
  friend class Reservation;
  MemoryImage(int file, u64 bytes, const u8* contents) : file_(file), bytes_(bytes), contents_(contents) {}
  int file_;
  u64 bytes_;
  const u8* contents_;
};

// A range of address space, inaccessible until parts of it are committed, released when destroyed.
// Offsets and sizes are multiples of the page size.
class Reservation {
 public:
  Reservation() = default;
  Reservation(Reservation&& other) noexcept { swap(other); }
  Reservation& operator=(Reservation&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Reservation();

  // Reserves `bytes`, rounded up to pages, at a multiple of `alignment` (a power of two). Costs no
  // memory. Fails with OutOfMemory whose text says what limit stands in the way (ulimit -v).
  static Result<Reservation> reserve(u64 bytes, u64 alignment = 4096);

  u8* base() const { return base_; }
  u64 size() const { return size_; }
  explicit operator bool() const { return base_ != nullptr; }
  bool contains(const void* p) const {
    return reinterpret_cast<std::uintptr_t>(p) - reinterpret_cast<std::uintptr_t>(base_) < size_;
  }

  // Makes a range readable and writable; pages never used before read as zero and cost nothing
  // until touched. Fails with OutOfMemory, the range then unchanged or partly accessible.
  Result<> commit(u64 offset, u64 bytes);
  Result<> protect(u64 offset, u64 bytes, Access access);
  // Hints that all of a committed range is about to be written: one call instead of a fault for each page.
  void populate(u64 offset, u64 bytes);
  // Makes the range that begins at `offset` a private copy of the image, readable and writable: its pages are the
  // image's until they are written to, and again after `discard`. Fails with OutOfMemory, nothing then changed.
  Result<> map_image(u64 offset, const MemoryImage& image);
  // Gives the pages back; the range stays as accessible as it was and reads as zero, or as the image mapped there.
  void discard(u64 offset, u64 bytes);
  // Does to the first `bytes` what `discard` does, `image` being mapped at `image_offset` (null: none). Pages that were
  // written to stay and are overwritten as long as they are no more than `most_kept` bytes in all: a tenth of what
  // having them made again costs.
  void restore(u64 bytes, const MemoryImage* image, u64 image_offset, u64 most_kept);
  // Gives the pages back and makes the range inaccessible.
  Result<> decommit(u64 offset, u64 bytes);
  // Moves the first `committed` bytes, without copying, into a new reservation of `bytes` that
  // replaces this one. Fails like `reserve`, this one then unchanged.
  Result<> move_to_larger(u64 bytes, u64 committed);

 private:
  void swap(Reservation& other) noexcept {
    std::swap(base_, other.base_);
    std::swap(size_, other.size_);
  }

  u8* base_ = nullptr;
  u64 size_ = 0;
};

// Whether this process can reserve `bytes` (say, a guarded memory) right now.
bool can_reserve(u64 bytes);

}  // namespace berth::os

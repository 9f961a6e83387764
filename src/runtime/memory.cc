#include "runtime/memory.h"

#include <algorithm>

namespace berth::runtime {

namespace {

// More than any machine has; keeps sums of sizes far from overflowing.
constexpr u64 kMaxMemoryBytes = u64{1} << 46;
// What is reserved for a 64-bit memory at first, so that it seldom has to move.
constexpr u64 kGrowthReservation = u64{8} << 30;

// A shared memory must never move, since others use it meanwhile; beyond this it cannot grow, whatever its type says.
constexpr u64 kSharedReservation = u64{1} << 40;

// Address space for a memory of the type. Only a guarded memory needs a certain amount of it.
Result<os::Reservation> reserve_for(const wasm::MemoryType& type, u64 max_bytes, u64 min_bytes) {
  const u64 usual = type.is_shared ? kSharedReservation : kGrowthReservation;
  u64 bytes = is_guarded(type) ? abi::kGuardedReservation : std::min(max_bytes, std::max(min_bytes, usual));
  while (true) {
    auto reservation = os::Reservation::reserve(bytes);
    if (reservation) return reservation;
    if (is_guarded(type) || bytes / 2 < std::max(min_bytes, os::page_size()))
      return fail(std::move(reservation.error()).with_context("while making a linear memory"));
    bytes /= 2;
  }
}

// The largest size in bytes that the type allows and this engine supports.
u64 max_bytes_of(const wasm::MemoryType& type) {
  const u32 shift = type.page_size_log2;
  // memory.grow reports a size in pages as a 32-bit number of which the largest means failure.
  u64 max = type.is_64 ? kMaxMemoryBytes : (shift == 0 ? (u64{1} << 32) - 1 : u64{1} << 32);
  if (type.limits.max && *type.limits.max < (max >> shift)) max = *type.limits.max << shift;
  return max;
}

}  // namespace

Result<MemoryBacking> MemoryBacking::create(const wasm::MemoryType& type) {
  MemoryBacking backing;
  backing.max_bytes_ = max_bytes_of(type);
  if (type.limits.min > backing.max_bytes_ >> type.page_size_log2)
    return fail(ErrorCode::LimitExceeded, "a memory of " + std::to_string(type.limits.min) + " pages");
  const u64 min_bytes = type.limits.min << type.page_size_log2;
  backing.reservation_ = TRY(reserve_for(type, backing.max_bytes_, min_bytes));
  if (type.is_shared) backing.max_bytes_ = std::min(backing.max_bytes_, backing.reservation_.size());
  if (!backing.grow(min_bytes, false)) {
    return fail(ErrorCode::OutOfMemory, "the system refuses " + std::to_string(min_bytes) + " bytes of linear memory");
  }
  return backing;
}

bool MemoryBacking::grow(u64 bytes, bool may_move) {
  const u64 wanted = os::round_to_pages(bytes);
  if (wanted <= committed_) return true;
  if (wanted > reservation_.size()) {
    if (!may_move) return false;
    const u64 larger = std::max(wanted, std::min(os::round_to_pages(max_bytes_), reservation_.size() * 2));
    if (!reservation_.move_to_larger(larger, committed_) && !reservation_.move_to_larger(wanted, committed_))
      return false;
  }
  if (!reservation_.commit(committed_, wanted - committed_)) return false;
  committed_ = wanted;
  return true;
}

void MemoryBacking::populate(u64 address, u64 bytes) {
  const u64 first = address & ~(os::page_size() - 1);
  reservation_.populate(first, std::min(os::round_to_pages(address + bytes), committed_) - first);
}

Result<> MemoryBacking::start_from(const InitialContents& contents) {
  CHECK(contents.offset + contents.image.bytes() <= committed_);
  return reservation_.map_image(contents.offset, contents.image);
}

bool MemoryBacking::reset(u64 bytes, const InitialContents* contents, u64 most_kept) {
  const u64 wanted = os::round_to_pages(bytes);
  CHECK(wanted <= committed_);
  reservation_.restore(wanted, contents == nullptr ? nullptr : &contents->image,
                       contents == nullptr ? 0 : contents->offset, most_kept);
  if (wanted == committed_) return true;
  reservation_.discard(wanted, committed_ - wanted);
  if (!reservation_.protect(wanted, committed_ - wanted, os::Access::None)) return false;
  committed_ = wanted;
  return true;
}

Result<std::shared_ptr<const InitialContents>> InitialContents::make(std::span<const u8> memory) {
  const auto is_zero = [](u8 byte) { return byte == 0; };
  const u64 first = static_cast<u64>(std::ranges::find_if_not(memory, is_zero) - memory.begin());
  if (first == memory.size()) return nullptr;
  u64 end = memory.size();
  while (is_zero(memory[end - 1])) --end;
  const u64 page = os::page_size(), begin = first & ~(page - 1);
  // A memory of less than a page's multiple is followed by accessible zeros.
  auto image = TRY(os::MemoryImage::make({memory.data() + begin, os::round_to_pages(end) - begin}));
  return std::make_shared<const InitialContents>(begin, std::move(image));
}

Result<std::unique_ptr<Memory>> Memory::create(const wasm::MemoryType& type, Allowance& allowance) {
  if (type.is_shared) {
    auto shared = TRY(SharedMemory::create(type));
    if (!allowance.charge(shared->bytes())) return fail(ErrorCode::LimitExceeded, "linear memory of the store");
    return std::make_unique<Memory>(std::move(shared), allowance);
  }
  const u64 min_bytes = type.limits.min > kMaxMemoryBytes >> type.page_size_log2
                            ? kMaxMemoryBytes
                            : type.limits.min << type.page_size_log2;
  if (!allowance.charge(min_bytes)) {
    return fail(ErrorCode::LimitExceeded, "a memory of " + std::to_string(type.limits.min) +
                                              " pages; the store may use " + std::to_string(allowance.limit) +
                                              " bytes of linear memory, " + std::to_string(allowance.used) +
                                              " are in use");
  }
  auto backing = MemoryBacking::create(type);
  if (!backing) {
    allowance.give_back(min_bytes);
    return std::unexpected(std::move(backing).error());
  }
  return std::unique_ptr<Memory>(new Memory(type, std::move(*backing), allowance));
}

Memory::Memory(const wasm::MemoryType& type, MemoryBacking backing, Allowance& allowance)
    : type_(type), backing_(std::move(backing)), record_{}, allowance_(allowance) {
  record_.base = backing_.base();
  record_.bytes.store(type.limits.min << type.page_size_log2, std::memory_order_relaxed);
}

Memory::Memory(std::shared_ptr<SharedMemory> shared, Allowance& allowance)
    : type_(shared->type()), record_{}, allowance_(allowance), shared_(std::move(shared)) {}

Memory::~Memory() {
  // What a shared memory takes stays with the stores that grew it: others may still use it.
  if (!shared_) allowance_.give_back(record_.bytes.load(std::memory_order_relaxed));
}

wasm::MemoryType Memory::current_type() const {
  wasm::MemoryType type = type_;
  type.limits.min = pages();
  return type;
}

void Memory::populate(u64 address, u64 count) {
  if (shared_ || count > bytes() || address > bytes() - count) return;
  backing_.populate(address, count);
}

bool Memory::start_from(std::shared_ptr<const InitialContents> contents) {
  CHECK(!shared_);
  if (contents != nullptr && !backing_.start_from(*contents)) return false;
  initial_ = std::move(contents);
  return true;
}

bool Memory::reset(u64 bytes, u64 most_kept) {
  CHECK(!shared_);
  const u64 now = record_.bytes.load(std::memory_order_relaxed);
  if (!backing_.reset(bytes, initial_.get(), most_kept)) return false;
  allowance_.give_back(now - bytes);
  record_.bytes.store(bytes, std::memory_order_relaxed);
  return true;
}

i64 Memory::grow(u64 delta_pages) {
  if (shared_) return shared_->grow(delta_pages, allowance_);
  const u32 shift = type_.page_size_log2;
  const u64 old_bytes = record_.bytes.load(std::memory_order_relaxed);
  if (delta_pages > (backing_.max_bytes() - old_bytes) >> shift) return -1;
  const u64 delta = delta_pages << shift;
  if (!allowance_.charge(delta)) return -1;
  if (!backing_.grow(old_bytes + delta, !guarded())) {
    allowance_.give_back(delta);
    return -1;
  }
  record_.base = backing_.base();
  record_.bytes.store(old_bytes + delta, std::memory_order_relaxed);
  return static_cast<i64>(old_bytes >> shift);
}

}  // namespace berth::runtime

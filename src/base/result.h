// Errors as values. `Result<T>` is what every fallible function across a library boundary returns;
// exceptions never cross one. Values of these types are not shared between threads.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/types.h"

namespace berth {

// What sort of thing went wrong; decides how a program reports it and which script assertion it meets.
enum class ErrorKind : u8 {
  Malformed,    // the bytes or the text are not a module at all
  Invalid,      // well-formed, but rejected by validation
  Unlinkable,   // imports missing or of the wrong type
  Limit,        // an implementation or configured limit was exceeded
  Unsupported,  // needs a feature that is switched off or that this build lacks
  Io,           // the operating system refused
  Usage,        // the caller asked for something contradictory
};

// Every error this project reports; texts live in spec/errors.def.
enum class ErrorCode : u16 {
#define BERTH_ERROR(id, kind, text) id,
#include "spec/errors.def"
#undef BERTH_ERROR
};

ErrorKind error_kind(ErrorCode code);
// The fixed text of `code` in the specification's words where it has any; static storage.
std::string_view error_text(ErrorCode code);

// An error: a code, the text for people, and where it happened. One pointer wide; move-only.
class [[nodiscard]] Error {
 public:
  // `detail` completes the code's fixed text ("unknown local" + "5, the function has 3").
  explicit Error(ErrorCode code, std::string detail = {});
  Error(Error&&) noexcept = default;
  Error& operator=(Error&&) noexcept = default;

  ErrorCode code() const { return d_->code; }
  ErrorKind kind() const { return error_kind(d_->code); }
  const std::string& detail() const { return d_->detail; }
  // Byte offset from the start of the binary, if the error has one.
  std::optional<u64> offset() const { return d_->offset; }
  // Index of the function in whose body the error lies, if any.
  std::optional<u32> function() const { return d_->function; }
  const std::vector<std::string>& context() const { return d_->context; }

  Error&& at(u64 offset) && {
    d_->offset = offset;
    return std::move(*this);
  }
  Error&& in_function(u32 index) && {
    d_->function = index;
    return std::move(*this);
  }
  // Adds an outer frame: "while reading app.wasm". Innermost first.
  Error&& with_context(std::string what) && {
    d_->context.push_back(std::move(what));
    return std::move(*this);
  }

  // One line: text, detail, function and offset, context.
  std::string to_string() const;

 private:
  struct Data {
    ErrorCode code;
    std::string detail;
    std::optional<u64> offset;
    std::optional<u32> function;
    std::vector<std::string> context;
  };
  std::unique_ptr<Data> d_;
};

template <typename T = void>
using Result = std::expected<T, Error>;

// Makes the failure side of a Result: `return fail(ErrorCode::UnexpectedEnd).…`.
inline std::unexpected<Error> fail(ErrorCode code, std::string detail = {}) {
  return std::unexpected(Error(code, std::move(detail)));
}
inline std::unexpected<Error> fail(Error&& e) { return std::unexpected(std::move(e)); }

// Result of a system call that failed with `err` (an errno value): kind Io, text from strerror.
Error os_error(int err, std::string what);

namespace detail {
template <typename T, typename E>
T unwrap(std::expected<T, E>& r) {
  return std::move(*r);
}
template <typename E>
void unwrap(std::expected<void, E>&) {}
}  // namespace detail

// Evaluates an expected; on failure returns its error from the enclosing function, else yields the value.
#define TRY(expr)                                            \
  __extension__({                                            \
    auto berth_try_ = (expr);                                \
    if (!berth_try_) [[unlikely]]                            \
      return std::unexpected(std::move(berth_try_).error()); \
    ::berth::detail::unwrap(berth_try_);                     \
  })

// Stops the process with a message when a condition that must hold does not; stays on in release.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
#define CHECK(condition)                                     \
  do {                                                       \
    if (!(condition)) [[unlikely]]                           \
      ::berth::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)

}  // namespace berth

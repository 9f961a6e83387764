#include "base/result.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace berth {

namespace {
struct Row {
  ErrorKind kind;
  std::string_view text;
};
constexpr Row kRows[] = {
#define BERTH_ERROR(id, kind, text) {ErrorKind::kind, text},
#include "spec/errors.def"
#undef BERTH_ERROR
};
}  // namespace

ErrorKind error_kind(ErrorCode code) { return kRows[static_cast<size_t>(code)].kind; }
std::string_view error_text(ErrorCode code) { return kRows[static_cast<size_t>(code)].text; }

Error::Error(ErrorCode code, std::string detail)
    : d_(std::make_unique<Data>(Data{code, std::move(detail), {}, {}, {}})) {}

std::string Error::to_string() const {
  std::string out(error_text(code()));
  if (!d_->detail.empty()) out += (out.empty() ? "" : ": ") + d_->detail;
  if (d_->function) out += " in function " + std::to_string(*d_->function);
  if (d_->offset) {
    char buf[32];
    std::snprintf(buf, sizeof buf, " at offset 0x%llx", static_cast<unsigned long long>(*d_->offset));
    out += buf;
  }
  for (const auto& c : d_->context) out += "; " + c;
  return out;
}

Error os_error(int err, std::string what) { return Error(ErrorCode::System, what + ": " + std::strerror(err)); }

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "berth: internal error: %s does not hold (%s:%d). Please report this.\n", condition, file, line);
  std::abort();
}

}  // namespace berth

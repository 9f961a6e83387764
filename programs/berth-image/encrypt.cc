// berth image encrypt

#include <algorithm>

#include "berth-image/commands.h"
#include "berth-image/unpacked.h"
#include "cli/output.h"
#include "oci/encryption.h"
#include "os/file.h"

namespace berth::image {
namespace {

// 64 hexadecimal digits, or 32 bytes.
Result<std::vector<u8>> read_key(const std::string& path) {
  const auto bytes = TRY(os::read_file(path, 4096));
  if (bytes.size() == 32) return bytes;
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  std::vector<u8> out;
  for (size_t i = 0; i + 1 < text.size() && text.size() == 64; i += 2) {
    const auto digit = [](char c) {
      return c >= '0' && c <= '9'   ? c - '0'
             : c >= 'a' && c <= 'f' ? c - 'a' + 10
             : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                    : -1;
    };
    if (digit(text[i]) < 0 || digit(text[i + 1]) < 0) break;
    out.push_back(static_cast<u8>(digit(text[i]) << 4 | digit(text[i + 1])));
  }
  if (out.size() != 32)
    return fail(ErrorCode::BadArgument,
                path + " is no key of 32 bytes, nor its 64 hexadecimal digits; `openssl rand -out FILE 32` makes one");
  return out;
}

Result<std::vector<oci::KeyWrapper>> read_wrappers(const Arguments& arguments) {
  std::vector<oci::KeyWrapper> out;
  for (const std::string_view given : arguments.values("--broker-key")) {
    const size_t equals = given.find('=');
    std::string_view name = given.substr(0, equals);
    if (name.starts_with("kbs:///")) name.remove_prefix(7);
    if (equals == std::string_view::npos || std::ranges::count(name, '/') != 2)
      return fail(ErrorCode::BadArgument, "--broker-key takes REPOSITORY/TYPE/TAG=FILE, as in default/key/app=app.key");
    out.push_back(oci::wrap_for_broker(std::string(name), TRY(read_key(std::string(given.substr(equals + 1))))));
  }
  for (std::string_view given : arguments.values("--recipient")) {
    if (given.starts_with("jwe:")) given.remove_prefix(4);
    const auto pem = TRY(os::read_file(std::string(given), u64{1} << 20));
    auto wrapper = oci::wrap_for_public_key({reinterpret_cast<const char*>(pem.data()), pem.size()});
    if (!wrapper) return fail(ErrorCode::BadArgument, std::string(given) + ": " + wrapper.error().detail());
    out.push_back(std::move(*wrapper));
  }
  return out;
}

Result<> encrypt(const Arguments& arguments, std::span<const oci::KeyWrapper> wrappers) {
  const oci::Reference from = TRY(oci::parse_reference(arguments.operands()[0]));
  const oci::Reference to = TRY(oci::parse_reference(arguments.operands()[1]));
  if (to.digest) return fail(ErrorCode::BadArgument, "an image cannot be given a digest");
  const oci::Store store = TRY(open_store());
  const oci::Descriptor image = TRY(find_image(store, from));
  const oci::Descriptor encrypted = TRY(oci::encrypt_image(store, image, wrappers));
  TRY(store.set_name(to.to_string(), encrypted));
  cli::Output out;
  out << to.to_string() << "@" << encrypted.digest.to_string() << "\n";
  out.finish(0);
  return {};
}

}  // namespace

int encrypt_command(const Arguments& arguments) {
  if (!arguments.has("--broker-key") && !arguments.has("--recipient"))
    return cli::usage_error({"nobody could decrypt the image", "name --broker-key or --recipient"});
  const auto wrappers = read_wrappers(arguments);
  if (!wrappers) return report(wrappers.error());
  const auto done = encrypt(arguments, *wrappers);
  return done ? 0 : report(done.error());
}

}  // namespace berth::image

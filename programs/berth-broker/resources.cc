// Commands that need no server: what is in the folder, and what the log says.

#include <unistd.h>

#include "berth-broker/commands.h"
#include "broker/audit.h"
#include "cli/output.h"
#include "cli/units.h"
#include "os/file.h"

namespace berth::broker {

int report(const Error& error) {
  const std::string text = error.to_string();
  const size_t end = text.find('\n');
  cli::print_error(text.substr(0, end), end == std::string::npos ? "" : text.substr(end + 1));
  return cli::kExitFailure;
}

Result<Store> open_store(const cli::Arguments& arguments, bool create) {
  std::string folder(arguments.value("--resources").value_or("resources"));
  while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  const auto key = arguments.value("--key");
  return Store::open(folder, key ? std::string(*key) : folder + ".key", create);
}

int put_command(const cli::Arguments& arguments) {
  const std::string name(arguments.operands()[0]), file(arguments.operands()[1]);
  if (!Store::is_name(name))
    return cli::usage_error({name + " is not REPOSITORY/TYPE/TAG",
                             "for example default/app/key; each part is of letters, digits, \"-\", \"_\" and \".\""});
  const auto content = file == "-" ? os::read_descriptor(STDIN_FILENO, "standard input", kMostResource)
                                   : os::read_file(file, kMostResource);
  if (!content) return report(content.error());
  const auto store = open_store(arguments, true);
  if (!store) return report(store.error());
  if (const auto put = store->put(name, *content); !put) return report(put.error());
  return 0;
}

int get_command(const cli::Arguments& arguments) {
  const auto store = open_store(arguments, false);
  if (!store) return report(store.error());
  const std::string_view name = arguments.operands()[0];
  if (Store::is_name(name) && !store->has(name)) {
    cli::print_error("there is no resource " + std::string(name), "`berth broker ls` lists them");
    return cli::kExitFailure;
  }
  const auto content = store->get(name);
  if (!content) return report(content.error());
  cli::Output out;
  out << attest::text_of(*content);
  return out.finish(0);
}

int ls_command(const cli::Arguments& arguments) {
  const auto store = open_store(arguments, false);
  if (!store) return report(store.error());
  const auto names = store->list();
  if (!names) return report(names.error());
  cli::Output out;
  for (const std::string& name : *names) out << name << "\n";
  return out.finish(0);
}

int rm_command(const cli::Arguments& arguments) {
  const auto store = open_store(arguments, false);
  if (!store) return report(store.error());
  int code = 0;
  for (const std::string_view name : arguments.operands())
    if (const auto removed = store->remove(name); !removed) code = report(removed.error());
  return code;
}

int audit_command(const cli::Arguments& arguments) {
  const std::string file(arguments.operands()[0]);
  const auto bytes = os::read_file(file);
  if (!bytes) return report(bytes.error());
  const auto lines = AuditLog::verify(attest::text_of(*bytes));
  if (!lines) {
    cli::print_error(file + ": " + lines.error().to_string());
    return cli::kExitFailure;
  }
  cli::Output out;
  out << file << ": " << std::to_string(*lines) << " lines, each following the one before\n";
  return out.finish(0);
}

}  // namespace berth::broker

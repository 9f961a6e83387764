// The program `berth-fetch`, which fetches one URL for others of Berth's programs. It needs shared libraries, which
// take longer to load than evidence takes to verify; nobody else shall have to.
//
// Prints the status, headers as "name: value" with names in lower case, an empty line, and the body. Exits with 1 and a
// message when there is no answer.

#include <csignal>

#include "cli/execute.h"
#include "cli/output.h"
#include "cli/streams.h"
#include "oci/http.h"

namespace berth::fetch {
namespace {

constexpr u64 kMostBody = u64{16} << 20;

int fetch_command(const cli::Arguments& arguments) {
  oci::HttpOptions options;
  options.verify = arguments.value("--tls-verify").value_or("true") != "false";
  options.plain = true;
  options.ca_file = arguments.value("--ca-file").value_or("");
  oci::HttpClient client(options);
  oci::Request request;
  request.url = arguments.operands().front();
  request.most_body = kMostBody;
  const auto response = client.perform(request);
  if (!response) {
    cli::print_message("cannot fetch " + request.url + ": " + response.error().what);
    return cli::kExitFailure;
  }
  cli::Output out;
  out << std::to_string(response->status) << "\n";
  for (const auto& [name, value] : response->headers) out << name << ": " << value << "\n";
  out << "\n" << response->body;
  return out.finish(0);
}

constexpr cli::Option kOptions[] = {
    {.name = "--ca-file", .value = "FILE", .help = "trust these authorities too", .complete = cli::Complete::File},
    {.name = "--tls-verify", .value = "true|false", .help = "false: take any certificate"},
};

constexpr cli::Command kCommand = {.usage = "[OPTION…] URL",
                                   .summary = "Fetch a URL for Berth's other programs",
                                   .options = kOptions,
                                   .min_operands = 1,
                                   .max_operands = 1,
                                   .run = fetch_command};

}  // namespace
}  // namespace berth::fetch

int main(int argc, char** argv) {
  berth::cli::reserve_standard_streams();
  std::signal(SIGPIPE, SIG_IGN);
  berth::cli::set_program_name("berth-fetch");
  return berth::cli::execute(berth::fetch::kCommand, {argv + std::min(argc, 1), argv + argc});
}

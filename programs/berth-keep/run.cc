// `berth keep run`.

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "berth-keep/backend.h"
#include "berth-keep/commands.h"
#include "berth-keep/host.h"
#include "berth-keep/programs.h"
#include "cli/output.h"
#include "cli/units.h"
#include "json/json.h"
#include "keep/http.h"
#include "keep/launch.h"
#include "keep/problem.h"
#include "measure/sim.h"
#include "measure/tdx.h"
#include "os/file.h"

namespace berth::keep {
namespace {

constexpr u64 kMostFile = u64{2} << 30;
constexpr std::chrono::milliseconds kForKvm{20'000};  // ten times what a start takes

// Everything that is known before anything is started.
struct Order {
  Plan plan;
  Launch launch;
  std::string launch_text;
  std::vector<u8> kernel, initrd;
  std::string workload;  // a file; empty: none
  Wishes wishes;
};

std::optional<std::string> find_image(const cli::Arguments& arguments) {
  if (const auto named = arguments.value("--image")) return std::string(*named);
  if (const char* const named = std::getenv("BERTH_KEEP_IMAGE"); named && *named) return std::string(named);
  for (const char* folder : {"keep", "/usr/local/lib/berth/keep", "/usr/lib/berth/keep"})
    if (access((std::string(folder) + "/initrd").c_str(), R_OK) == 0) return std::string(folder);
  return std::nullopt;
}

std::string first_readable(std::initializer_list<const char*> paths) {
  for (const char* path : paths)
    if (access(path, R_OK) == 0) return path;
  return {};
}

Result<std::string> find_firmware(const cli::Arguments& arguments, Backend backend) {
  if (const auto named = arguments.value("--ovmf")) return std::string(*named);
  const bool snp = backend == Backend::Snp;
  std::string found = snp ? first_readable({"/usr/share/ovmf/OVMF.amdsev.fd", "/usr/share/OVMF/OVMF.amdsev.fd",
                                            "/usr/share/edk2/ovmf/OVMF.amdsev.fd"})
                          : first_readable({"/usr/share/ovmf/OVMF.inteltdx.fd", "/usr/share/OVMF/OVMF.inteltdx.fd",
                                            "/usr/share/edk2/ovmf/OVMF.inteltdx.fd"});
  if (!found.empty()) return found;
  return problem(std::string("there is no firmware for ") + (snp ? "SEV-SNP" : "TDX") +
                 " where distributions put it\n" + "install Debian 13's ovmf-" + (snp ? "amdsev" : "inteltdx") +
                 ", or name OVMF built for it with --ovmf");
}

// Where a keep reaches the broker: names are looked up here, since there is nothing to do so in the keep.
Result<std::string> address_for(const Url& url, bool machine) {
  addrinfo hints = {};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(url.host.c_str(), nullptr, &hints, &found); error != 0)
    return problem("the broker's " + url.host + " has no IPv4 address: " + gai_strerror(error));
  sockaddr_in address;
  std::memcpy(&address, found->ai_addr, sizeof address);
  freeaddrinfo(found);
  char text[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
  // What is loopback to us is the host to a machine.
  const bool loopback = (ntohl(address.sin_addr.s_addr) >> 24) == 127;
  return (machine && loopback ? std::string(kHostAddress) : std::string(text)) + ":" + std::to_string(url.port);
}

// What is to be handed over: a file, or the image of that name as an archive.
Result<std::string> find_workload(std::string_view operand, const std::string& folder) {
  std::string path(operand);
  if (access(path.c_str(), R_OK) == 0) return path;
  if (path.starts_with('/') || path.starts_with('.') || path.find(':') == std::string::npos)
    return problem("there is no file " + path + "\nan image has a tag in its name, as registry/app:1");
  std::string archive = folder + "/workload.tar";
  const std::string program = TRY(find_program("berth-image"));
  TRY(run_to_end({program, "save", "-o", archive, path}));
  return archive;
}

Result<Order> read_order(const cli::Arguments& arguments, Backend backend) {
  Order order;
  Plan& plan = order.plan;
  plan.backend = backend;
  order.launch = {.broker = std::string(*arguments.value("--broker")),
                  .authorities = {},
                  .config = std::string(*arguments.value("--config"))};
  if (const auto path = arguments.value("--broker-ca")) {
    const auto bytes = TRY(os::read_file(std::string(*path), 1 << 20));
    order.launch.authorities.assign(bytes.begin(), bytes.end());
  }
  order.launch_text = launch_text(order.launch);
  TRY(parse_launch(order.launch_text));
  const Url url = TRY(parse_url(order.launch.broker));
  if (!url.tls && (backend == Backend::Snp || backend == Backend::Tdx))
    return problem("a broker by http could be anybody\nconfidential keeps want https, and --broker-ca FILE");
  if (url.tls && order.launch.authorities.empty())
    return problem(
        "a keep trusts nobody by itself: name the certificate that vouches for the broker with --broker-ca FILE");
  plan.host_data = launch_digest(order.launch_text);
  if (backend == Backend::None) return order;

  const auto folder = find_image(arguments);
  if (!folder)
    return problem(
        "there is no image of a keep\n"
        "`berth keep image -o keep` makes one; name it with --image, or $BERTH_KEEP_IMAGE");
  plan.kernel = *folder + "/vmlinuz";
  plan.initrd = *folder + "/initrd";
  order.kernel = TRY(os::read_file(plan.kernel, kMostFile));
  order.initrd = TRY(os::read_file(plan.initrd, kMostFile));
  const auto line = TRY(os::read_file(*folder + "/cmdline", 4096));
  plan.command_line.assign(line.begin(), line.end());
  while (plan.command_line.ends_with('\n')) plan.command_line.pop_back();
  if (backend != Backend::Vm) plan.firmware = TRY(find_firmware(arguments, backend));
  plan.cpu = arguments.value("--cpu").value_or("");
  const auto accelerator = arguments.value("--accel");
  plan.kvm = accelerator ? *accelerator == "kvm" : has_kvm();
  plan.c_bit = find_c_bit();
  return order;
}

std::optional<cli::UsageError> read_numbers(const cli::Arguments& arguments, Order& order) {
  using cli::UsageError;
  if (const auto text = arguments.value("--memory")) {
    const auto size = cli::parse_size(*text);
    if (!size || *size < (u64{128} << 20) || *size > (u64{1} << 42))
      return UsageError{"--memory takes a size of at least 128MiB, not " + std::string(*text), "as 512MiB or 2GiB"};
    order.plan.memory = *size;
  }
  if (const auto text = arguments.value("--vcpus")) {
    const auto count = cli::parse_count(*text);
    if (!count || *count < 1 || *count > 512)
      return UsageError{"--vcpus takes a number from 1 on, not " + std::string(*text), ""};
    order.plan.vcpus = static_cast<u32>(*count);
  }
  if (const auto text = arguments.value("--start-timeout")) {
    const auto time = cli::parse_duration(*text);
    if (!time || time->count() <= 0)
      return UsageError{"--start-timeout takes a time, not " + std::string(*text), "as 30s or 5m"};
    order.wishes.start_timeout = std::chrono::duration_cast<std::chrono::milliseconds>(*time);
  }
  for (const std::string_view text : arguments.values("--publish")) {
    const auto publish = parse_publish(text);
    if (!publish) return UsageError{"--publish takes [ADDRESS:]PORT[:PORT], not " + std::string(text), "as 8080:80"};
    order.plan.publish.push_back(*publish);
  }
  if (const auto accelerator = arguments.value("--accel");
      accelerator && *accelerator != "kvm" && *accelerator != "tcg")
    return UsageError{"--accel is kvm or tcg, not " + std::string(*accelerator), ""};
  order.wishes.console = arguments.has("--console");
  return std::nullopt;
}

Greeting greeting_of(const Order& order, const std::string& address, u64 workload_size) {
  Greeting greeting = {.launch = order.launch_text, .host = {}};
  HostInfo& host = greeting.host;
  host.broker_address = address;
  host.has_workload = !order.workload.empty();
  host.workload_size = workload_size;
  const Backend backend = order.plan.backend;
  if (backend != Backend::None) {
    host.address = kGuestAddress;
    host.gateway = kHostAddress;
    host.nameserver = kNameserver;
  }
  if (backend == Backend::Vm || backend == Backend::None) {
    const auto hashes = measure::hash_kernel(order.kernel, order.initrd, order.plan.command_line);
    host.simulated_measurement = measure::to_hex(measure::simulated_digest(hashes));
    host.simulated_host_data = measure::to_hex(order.plan.host_data);
  }
  return greeting;
}

// What would be started, and what its evidence will say: for a policy.
Result<int> show(const Order& order) {
  json::Value out;
  out.set("backend", name_of(order.plan.backend));
  out.set("host_data", measure::to_hex(order.plan.host_data));
  out.set("launch", order.launch_text);
  const auto hashes = measure::hash_kernel(order.kernel, order.initrd, order.plan.command_line);
  std::vector<u8> bytes;
  if (!order.plan.firmware.empty()) bytes = TRY(os::read_file(order.plan.firmware, kMostFile));
  if (order.plan.backend == Backend::Snp) {
    const auto firmware = TRY(measure::read_firmware(bytes));
    const auto type = measure::cpu_signature_of(order.plan.cpu.empty() ? "EPYC-v4" : order.plan.cpu);
    if (!type)
      return problem("the signature of " + order.plan.cpu + " is not known here; `berth measure --vcpu-sig` takes it");
    const auto digest = TRY(measure::snp_launch_digest(
        firmware, {.vcpus = order.plan.vcpus, .cpu_signature = *type, .guest_features = 1, .hashes = hashes}));
    out.set("measurement", measure::to_hex(digest));
  } else if (order.plan.backend == Backend::Tdx) {
    const auto firmware = TRY(measure::read_firmware(bytes));
    const auto mrtd = TRY(measure::tdx_mrtd(firmware));
    const auto kernel = TRY(measure::tdx_rtmr1(order.kernel));
    out.set("mrtd", measure::to_hex(mrtd));
    out.set("rtmr1", measure::to_hex(kernel));
    out.set("rtmr2", measure::to_hex(measure::tdx_rtmr2(order.initrd, order.plan.command_line)));
  } else {
    out.set("measurement", measure::to_hex(measure::simulated_digest(hashes)));
  }
  json::Array words;
  if (order.plan.backend != Backend::None)
    for (const std::string& word : qemu_command(order.plan)) words.emplace_back(word);
  out.set("command", words);
  cli::Output print;
  print << json::to_text(out, 2) << "\n";
  return print.finish(0);
}

Result<int> run(const cli::Arguments& arguments, Order& order, Backend backend) {
  const bool dry = arguments.has("--dry-run");
  if (!dry) TRY(check_backend(backend));
  Wishes wishes = order.wishes;
  Plan numbers = order.plan;
  order = TRY(read_order(arguments, backend));
  order.wishes = wishes;
  order.plan.memory = numbers.memory;
  order.plan.vcpus = numbers.vcpus;
  order.plan.publish = numbers.publish;
  const bool machine = backend != Backend::None;
  order.plan.qemu = arguments.value("--qemu").value_or("qemu-system-x86_64");
  const TemporaryFolder folder = TRY(TemporaryFolder::make());
  order.plan.sockets = folder.path();
  if (!arguments.operands().empty()) {
    order.workload = TRY(find_workload(arguments.operands()[0], folder.path()));
    order.plan.disk = order.workload;
  }
  if (dry) return show(order);
  if (backend == Backend::Vm)
    cli::print_error(
        "INSECURE: backend vm: this machine's owner can look into the keep, and what it proves is simulated");
  if (backend == Backend::None)
    cli::print_error("INSECURE: backend none: nothing is isolated, and what is proved is simulated");
  struct stat status = {};
  if (!order.workload.empty() && stat(order.workload.c_str(), &status) != 0)
    return fail(os_error(errno, "cannot look at " + order.workload));
  const Url url = TRY(parse_url(order.launch.broker));
  const std::string address = TRY(address_for(url, machine));
  const Greeting greeting = greeting_of(order, address, static_cast<u64>(status.st_size));
  if (machine) {
    // There may be a /dev/kvm that does not run guests.
    const bool may_emulate = backend == Backend::Vm && order.plan.kvm && !arguments.has("--accel");
    Wishes first = order.wishes;
    if (may_emulate) first.start_timeout = std::min(first.start_timeout, kForKvm);
    bool has_started = false;
    auto code = run_machine(qemu_command(order.plan), folder, greeting, first, has_started);
    if (code || has_started || !may_emulate) return code;
    cli::print_error("KVM does not start the machine; it is emulated instead, which is slow",
                     "`--accel tcg` does so at once, `--accel kvm` never");
    order.plan.kvm = false;
    return run_machine(qemu_command(order.plan), folder, greeting, order.wishes, has_started);
  }
  std::vector<std::string> words = {TRY(find_program("berth-keep-init"))};
  const std::string berth = TRY(find_program("berth"));
  for (const std::string& word : {std::string("--berth"), berth, std::string("--folder"), folder.path() + "/inside",
                                  std::string("--disk"), order.workload})
    words.push_back(word);
  return run_process(std::move(words), greeting);
}

}  // namespace

int run_command(const cli::Arguments& arguments) {
  for (const std::string_view needed : {"--broker", "--config"}) {
    if (!arguments.has(needed))
      return cli::usage_error(
          {std::string(needed) + " is missing",
           "a keep gets what it runs from a broker: --broker https://… --config default/app/config"});
  }
  const std::string_view name = arguments.value("--backend").value_or("auto");
  if (name == "sgx")
    return cli::usage_error(
        {"keeps in SGX are started by Gramine", "docs/keeps.md has the manifest, and how to sign it"});
  Order order;
  if (const auto wrong = read_numbers(arguments, order)) return cli::usage_error(*wrong);
  auto backend = name == "auto" ? find_backend() : Result<Backend>(Backend::Vm);
  if (!backend) return report(backend.error());
  if (name != "auto") {
    const auto named = backend_by_name(name);
    if (!named)
      return cli::usage_error({"there is no backend " + std::string(name), "they are: auto snp tdx sgx vm none"});
    backend = *named;
  }
  const auto code = run(arguments, order, *backend);
  return code ? *code : report(code.error());
}

}  // namespace berth::keep

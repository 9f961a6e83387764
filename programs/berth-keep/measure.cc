// `berth measure`.

#include <algorithm>

#include "berth-keep/commands.h"
#include "cli/output.h"
#include "cli/units.h"
#include "json/json.h"
#include "measure/sev.h"
#include "measure/sim.h"
#include "measure/tdx.h"
#include "os/file.h"

namespace berth::keep {
namespace {

constexpr u64 kFileLimit = u64{2} << 30;

struct Files {
  std::vector<u8> firmware, kernel, initrd;
  std::string command_line;
  bool has_kernel = false;
};

std::optional<cli::UsageError> check(const cli::Arguments& arguments) {
  const bool image = arguments.has("--image"), kernel = arguments.has("--kernel");
  if (image && (kernel || arguments.has("--initrd") || arguments.has("--append")))
    return cli::UsageError{"--image brings kernel, initrd and command line along", "leave the others out"};
  if (!kernel && !image && (arguments.has("--initrd") || arguments.has("--append")))
    return cli::UsageError{"--initrd and --append go with a kernel", "name it with --kernel FILE"};
  if (!arguments.has("--ovmf") && arguments.value("--backend").value_or("snp") != "sim")
    return cli::UsageError{"the firmware is missing",
                           "name it with --ovmf FILE, the one that the guest is started with"};
  return std::nullopt;
}

Result<Files> read_files(const cli::Arguments& arguments) {
  Files files;
  const auto read = [&](std::string_view path) { return os::read_file(std::string(path), kFileLimit); };
  if (const auto path = arguments.value("--ovmf")) files.firmware = TRY(read(*path));
  if (const auto image = arguments.value("--image")) {
    const std::string folder(*image);
    files.kernel = TRY(read(folder + "/vmlinuz"));
    files.initrd = TRY(read(folder + "/initrd"));
    const auto line = TRY(read(folder + "/cmdline"));
    files.command_line.assign(line.begin(), line.end());
    while (files.command_line.ends_with('\n')) files.command_line.pop_back();
    files.has_kernel = true;
  }
  if (const auto path = arguments.value("--kernel")) {
    files.kernel = TRY(read(*path));
    files.has_kernel = true;
  }
  if (const auto path = arguments.value("--initrd")) files.initrd = TRY(read(*path));
  if (const auto line = arguments.value("--append")) files.command_line = *line;
  return files;
}

std::expected<measure::SevLaunch, cli::UsageError> sev_launch(const cli::Arguments& arguments, const Files& files,
                                                              std::string_view backend) {
  using cli::UsageError;
  measure::SevLaunch launch;
  const auto number = [&](std::string_view option, u64 most) -> std::expected<std::optional<u64>, UsageError> {
    const auto text = arguments.value(option);
    if (!text) return std::nullopt;
    const auto value = cli::parse_count(*text);
    if (!value || *value > most)
      return std::unexpected(
          UsageError{std::string(option) + " takes a number, not " + std::string(*text), "as 1 or 0x1"});
    return value;
  };
  auto vcpus = number("--vcpus", 4096), signature = number("--vcpu-sig", 0xffffffff),
       features = number("--guest-features", ~u64{0});
  for (auto* each : {&vcpus, &signature, &features})
    if (!*each) return std::unexpected(each->error());
  launch.vcpus = static_cast<u32>(vcpus->value_or(1));
  if (launch.vcpus == 0) return std::unexpected(UsageError{"a guest has at least one processor", "--vcpus 1"});
  launch.guest_features = features->value_or(1);
  if (const auto type = arguments.value("--vmm-type")) {
    if (*type == "qemu" || *type == "QEMU") {
      launch.hypervisor = measure::Hypervisor::Qemu;
    } else if (*type == "ec2") {
      launch.hypervisor = measure::Hypervisor::Ec2;
    } else if (*type == "gce") {
      launch.hypervisor = measure::Hypervisor::Gce;
    } else {
      return std::unexpected(UsageError{"--vmm-type is qemu, ec2 or gce, not " + std::string(*type), ""});
    }
  }
  if (const auto type = arguments.value("--vcpu-type")) {
    const auto known = measure::cpu_signature_of(*type);
    if (!known) {
      std::string all = "they are:";
      for (const std::string_view name : measure::cpu_types()) all += " " + std::string(name);
      return std::unexpected(UsageError{"there is no processor " + std::string(*type), all + ", and -v1, … of each"});
    }
    launch.cpu_signature = *known;
  } else if (*signature) {
    launch.cpu_signature = static_cast<u32>(**signature);
  } else if (launch.hypervisor == measure::Hypervisor::Qemu && backend != "sev") {
    return std::unexpected(UsageError{"the model of the guest's processors is missing",
                                      "it is part of the measurement: --vcpu-type EPYC-Milan, or --vcpu-sig"});
  }
  if (files.has_kernel) launch.hashes = measure::hash_kernel(files.kernel, files.initrd, files.command_line);
  return launch;
}

int print(const cli::Arguments& arguments, std::string_view backend,
          const std::vector<std::pair<std::string_view, std::string>>& values) {
  cli::Output out;
  if (arguments.has("--json")) {
    json::Value document;
    document.set("backend", backend);
    for (const auto& [name, digest] : values) document.set(name, digest);
    out << json::to_text(document, 2) << "\n";
  } else if (values.size() == 1) {
    out << values[0].second << "\n";
  } else {
    for (const auto& [name, digest] : values) out << name << " " << digest << "\n";
  }
  return out.finish(0);
}

int tdx(const cli::Arguments& arguments, const Files& files) {
  const auto order = arguments.value("--page-order").value_or("page");
  if (order != "page" && order != "section")
    return cli::usage_error({"--page-order is page or section, not " + std::string(order), ""});
  const auto firmware = measure::read_firmware(files.firmware);
  if (!firmware) return report(firmware.error());
  const auto mrtd =
      measure::tdx_mrtd(*firmware, order == "page" ? measure::PageOrder::ByPage : measure::PageOrder::BySection);
  if (!mrtd) return report(mrtd.error());
  std::vector<std::pair<std::string_view, std::string>> values = {{"mrtd", measure::to_hex(*mrtd)}};
  if (files.has_kernel) {
    const auto kernel = measure::tdx_rtmr1(files.kernel);
    if (!kernel) return report(kernel.error());
    values.emplace_back("rtmr1", measure::to_hex(*kernel));
    values.emplace_back("rtmr2", measure::to_hex(measure::tdx_rtmr2(files.initrd, files.command_line)));
  }
  return print(arguments, "tdx", values);
}

int sev(const cli::Arguments& arguments, const Files& files, std::string_view backend) {
  const auto launch = sev_launch(arguments, files, backend);
  if (!launch) return cli::usage_error(launch.error());
  const auto firmware = measure::read_firmware(files.firmware);
  if (!firmware) return report(firmware.error());
  std::string digest;
  if (backend == "snp") {
    const auto measured = measure::snp_launch_digest(*firmware, *launch);
    if (!measured) return report(measured.error());
    digest = measure::to_hex(*measured);
  } else {
    const auto measured = backend == "sev-es" ? measure::sev_es_launch_digest(*firmware, *launch)
                                              : measure::sev_launch_digest(*firmware, *launch);
    if (!measured) return report(measured.error());
    digest = measure::to_hex(*measured);
  }
  return print(arguments, backend, {{"measurement", digest}});
}

}  // namespace

int measure_command(const cli::Arguments& arguments) {
  const std::string_view backend = arguments.value("--backend").value_or("snp");
  constexpr std::string_view kBackends[] = {"snp", "tdx", "sev-es", "sev", "sim"};
  if (backend == "sgx")
    return cli::usage_error({"what SGX measures is not computed here",
                             "gramine-sgx-sigstruct-view prints MRENCLAVE of what gramine-sgx-sign has signed"});
  if (!std::ranges::count(kBackends, backend))
    return cli::usage_error({"there is no backend " + std::string(backend), "they are: snp tdx sev-es sev sim"});
  if (const auto wrong = check(arguments)) return cli::usage_error(*wrong);
  const auto files = read_files(arguments);
  if (!files) return report(files.error());
  if (backend == "tdx") return tdx(arguments, *files);
  if (backend != "sim") return sev(arguments, *files, backend);
  if (!files->has_kernel)
    return cli::usage_error(
        {"what is simulated is missing", "name an image of `berth keep image` with --image FOLDER"});
  const auto digest =
      measure::simulated_digest(measure::hash_kernel(files->kernel, files->initrd, files->command_line));
  return print(arguments, "sim", {{"measurement", measure::to_hex(digest)}});
}

}  // namespace berth::keep

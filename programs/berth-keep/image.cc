// `berth keep image`: a kernel and an initial file system that has nothing but Berth in it.

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "berth-keep/commands.h"
#include "berth-keep/cpio.h"
#include "berth-keep/kernel.h"
#include "berth-keep/programs.h"
#include "cli/output.h"
#include "cli/units.h"
#include "keep/problem.h"
#include "measure/sim.h"
#include "os/file.h"

namespace berth::keep {
namespace {

constexpr u64 kMostProgram = u64{512} << 20;
// quiet: the console is slow, and nobody reads it. panic: a keep that cannot go on ends. Modules have to be those that
// the kernel's maker signed.
constexpr std::string_view kCommandLine =
    "console=ttyS0 quiet loglevel=4 panic=-1 oops=panic module.sig_enforce=1 random.trust_cpu=on reboot=t";

std::string numbered(size_t number, const std::string& name) {
  std::string digits = std::to_string(number);
  return std::string(3 - std::min<size_t>(3, digits.size()), '0') + digits + "-" + name + ".ko";
}

// Always the same bytes for the same programs and kernel: names in order, no times, fixed owners and modes.
Result<std::vector<u8>> make_initrd(const Kernel& kernel, const ModuleOrder& order, std::span<const u8> init,
                                    std::span<const u8> berth) {
  Cpio out;
  for (const char* folder : {"dev", "etc", "modules", "proc", "run", "sys", "tmp"}) out.add_folder(folder);
  // Before anything is mounted, the first program's own output goes there.
  out.add_character_device("dev/console", 5, 1);
  out.add_character_device("dev/null", 1, 3, 0666);
  out.add_file("init", init, 0755);
  out.add_file("berth", berth, 0755);
  for (size_t i = 0; i < order.load.size(); ++i)
    out.add_file("modules/" + numbered(i, order.load[i]), kernel.modules.at(order.load[i]));
  return out.finish();
}

Result<Kernel> find_kernel(const cli::Arguments& arguments) {
  if (const auto package = arguments.value("--kernel-package")) return read_kernel_package(std::string(*package));
  if (const auto image = arguments.value("--kernel"))
    return read_kernel_files(std::string(*image), std::string(arguments.value("--modules").value_or("")));
  // The newest that is installed, those for machines like a keep first.
  std::vector<std::string> versions;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/boot", error)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("vmlinuz-")) continue;
    const std::string version = name.substr(8);
    if (std::filesystem::is_directory("/lib/modules/" + version, error)) versions.push_back(version);
  }
  if (versions.empty())
    return problem(
        "no kernel is installed here\n"
        "`apt-get download linux-image-VERSION-cloud-amd64` gets one; name the file with --kernel-package, or "
        "a kernel with --kernel and its modules with --modules");
  const auto rank = [](const std::string& version) { return version.find("cloud") != std::string::npos ? 1 : 0; };
  std::ranges::sort(versions, [&](const std::string& a, const std::string& b) {
    if (rank(a) != rank(b)) return rank(a) < rank(b);
    return strverscmp(a.c_str(), b.c_str()) < 0;
  });
  return read_kernel_files("/boot/vmlinuz-" + versions.back(), "/lib/modules/" + versions.back());
}

Result<> make_image(const cli::Arguments& arguments, cli::Output& out) {
  const std::string folder(arguments.value("--output").value_or("keep"));
  const Kernel kernel = TRY(find_kernel(arguments));
  const ModuleOrder order = TRY(order_modules(kernel));
  const auto program = [&](std::string_view option, const char* name) -> Result<std::vector<u8>> {
    const auto named = arguments.value(option);
    const std::string path = named ? std::string(*named) : TRY(find_program(name));
    auto bytes = TRY(os::read_file(path, kMostProgram));
    if (!is_static_program(bytes))
      return problem(path +
                     " is no static program, and there is nothing in a keep that it could load\n"
                     "take those of a release build, or name others with --init and --berth");
    return bytes;
  };
  const std::vector<u8> init = TRY(program("--init", "berth-keep-init")),
                        berth = TRY(program("--berth", "berth-serve"));
  const std::vector<u8> initrd = TRY(make_initrd(kernel, order, init, berth));
  std::string line(kCommandLine);
  for (const std::string_view more : arguments.values("--append")) line += " " + std::string(more);
  if (mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST) return fail(os_error(errno, "cannot make " + folder));
  TRY(os::replace_file(folder + "/vmlinuz", kernel.image, 0644));
  TRY(os::replace_file(folder + "/initrd", initrd, 0644));
  TRY(os::replace_file(folder + "/cmdline", measure::bytes_of(line + "\n"), 0644));
  out << folder << "/vmlinuz  " << (kernel.version.empty() ? "a kernel" : kernel.version) << ", "
      << cli::format_size(kernel.image.size()) << ", sha256:" << measure::to_hex(measure::sha256({kernel.image}))
      << "\n"
      << folder << "/initrd   " << cli::format_size(initrd.size()) << ", " << std::to_string(order.load.size())
      << " modules, sha256:" << measure::to_hex(measure::sha256({initrd})) << "\n"
      << folder << "/cmdline  " << line << "\n";
  const auto lacks = [&](std::string_view name) { return std::ranges::count(order.missing, name) != 0; };
  if (lacks("sev_guest")) out << "note: this kernel has no driver for evidence of SEV-SNP (sev-guest)\n";
  if (lacks("tdx_guest")) out << "note: this kernel has no driver for evidence of TDX (tdx-guest)\n";
  return {};
}

}  // namespace

int image_command(const cli::Arguments& arguments) {
  if (arguments.has("--kernel-package") && (arguments.has("--kernel") || arguments.has("--modules")))
    return cli::usage_error({"--kernel-package brings kernel and modules along", "leave --kernel and --modules out"});
  cli::Output out;
  if (const auto made = make_image(arguments, out); !made) return report(made.error());
  return out.finish(0);
}

}  // namespace berth::keep

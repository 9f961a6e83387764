#include "berth-keep-init/machine.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "keep/problem.h"
#include "os/file.h"

namespace berth::keep {
namespace {

constexpr int kTries = 200;  // of 50 ms each
constexpr useconds_t kPause = 50'000;

std::vector<std::string> names_in(const char* folder) {
  std::vector<std::string> names;
  DIR* const open = opendir(folder);
  if (!open) return names;
  while (const dirent* entry = readdir(open))
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  closedir(open);
  std::ranges::sort(names);
  return names;
}

std::string first_line(const std::string& path) {
  const auto bytes = os::read_file(path, 4096);
  if (!bytes) return {};
  const std::string text(bytes->begin(), bytes->end());
  return text.substr(0, text.find('\n'));
}

Result<> mount_one(const char* type, const char* where, unsigned long flags, const char* options) {
  mkdir(where, 0755);
  if (mount(type, where, type, flags, options) != 0 && errno != EBUSY)
    return fail(os_error(errno, std::string("cannot mount ") + where));
  return {};
}

Result<> write_file(const char* path, std::string_view text) {
  const int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0) return fail(os_error(errno, std::string("cannot open ") + path));
  const ssize_t n = write(file, text.data(), text.size());
  close(file);
  if (n != static_cast<ssize_t>(text.size())) return fail(os_error(errno, std::string("cannot write to ") + path));
  return {};
}

int find_port(std::string_view name) {
  for (const std::string& port : names_in("/sys/class/virtio-ports")) {
    if (first_line("/sys/class/virtio-ports/" + port + "/name") == name)
      return open(("/dev/" + port).c_str(), O_RDWR | O_CLOEXEC);
  }
  errno = ENODEV;
  return -1;
}

sockaddr address_of(const std::string& text, bool& good) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  good = good && inet_pton(AF_INET, text.c_str(), &address.sin_addr) == 1;
  sockaddr out;
  std::memcpy(&out, &address, sizeof out);
  return out;
}

Result<> bring_up(int socket, const char* name) {
  ifreq request = {};
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (ioctl(socket, SIOCGIFFLAGS, &request) != 0) return fail(os_error(errno, std::string("cannot look at ") + name));
  request.ifr_flags |= IFF_UP;
  if (ioctl(socket, SIOCSIFFLAGS, &request) != 0) return fail(os_error(errno, std::string("cannot start ") + name));
  return {};
}

Result<> give_address(int socket, const std::string& name, const HostInfo& host) {
  const size_t slash = host.address.find('/');
  const int bits = slash == std::string::npos ? 32 : std::atoi(host.address.c_str() + slash + 1);
  if (bits < 1 || bits > 32) return problem(host.address + " is no address of a network");
  const u32 mask = htonl(~u32{0} << (32 - bits));
  in_addr mask_address = {.s_addr = mask};
  char mask_text[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &mask_address, mask_text, sizeof mask_text);
  bool good = true;
  ifreq request = {};
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  request.ifr_addr = address_of(host.address.substr(0, slash), good);
  ifreq netmask = request;
  netmask.ifr_netmask = address_of(mask_text, good);
  if (!good) return problem(host.address + " is no address of a network");
  if (ioctl(socket, SIOCSIFADDR, &request) != 0 || ioctl(socket, SIOCSIFNETMASK, &netmask) != 0)
    return fail(os_error(errno, "cannot give " + name + " its address"));
  TRY(bring_up(socket, name.c_str()));
  if (host.gateway.empty()) return {};
  rtentry route = {};
  route.rt_dst = address_of("0.0.0.0", good);
  route.rt_genmask = address_of("0.0.0.0", good);
  route.rt_gateway = address_of(host.gateway, good);
  route.rt_flags = RTF_UP | RTF_GATEWAY;
  if (!good) return problem(host.gateway + " is no address");
  if (ioctl(socket, SIOCADDRT, &route) != 0) return fail(os_error(errno, "cannot route by " + host.gateway));
  return {};
}

}  // namespace

Result<> mount_all() {
  constexpr unsigned long kPlain = MS_NOSUID | MS_NOEXEC | MS_NODEV;
  TRY(mount_one("devtmpfs", "/dev", MS_NOSUID | MS_NOEXEC, "mode=0755"));
  TRY(mount_one("proc", "/proc", kPlain, ""));
  TRY(mount_one("sysfs", "/sys", kPlain, ""));
  // Native code is mapped from there.
  TRY(mount_one("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755"));
  TRY(mount_one("tmpfs", "/tmp", kPlain, "mode=1777"));
  return {};
}

Result<> load_modules() {
  for (const std::string& name : names_in("/modules")) {
    const std::string path = "/modules/" + name;
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return fail(os_error(errno, "cannot open " + path));
    // Those that find no hardware say so; what matters is missed where it is used.
    (void)syscall(SYS_finit_module, file, "", 0);
    close(file);
    unlink(path.c_str());
  }
  rmdir("/modules");
  // Here since it is a module, too. Without it there is no evidence by configfs-tsm.
  (void)mount_one("configfs", "/sys/kernel/config", MS_NOSUID | MS_NOEXEC | MS_NODEV, "");
  // Kernels without modules have no such file.
  (void)write_file("/proc/sys/kernel/modules_disabled", "1");
  (void)write_file("/proc/sys/kernel/kexec_load_disabled", "1");
  (void)write_file("/proc/sys/kernel/kptr_restrict", "2");
  (void)write_file("/proc/sys/kernel/dmesg_restrict", "1");
  (void)write_file("/proc/sys/kernel/core_pattern", "|/");
  return {};
}

Result<Ports> open_ports() {
  Ports ports;
  constexpr std::pair<const char*, int Ports::*> kPorts[] = {{"berth.control", &Ports::control},
                                                             {"berth.stdin", &Ports::in},
                                                             {"berth.stdout", &Ports::out},
                                                             {"berth.stderr", &Ports::err}};
  for (const auto& [name, port] : kPorts) {
    for (int i = 0; i < kTries && ports.*port < 0; ++i) {
      ports.*port = find_port(name);
      if (ports.*port < 0) usleep(kPause);
    }
    if (ports.*port < 0) return fail(os_error(errno, std::string("the host has no port ") + name));
  }
  return ports;
}

Result<> start_network(const HostInfo& host) {
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return fail(os_error(errno, "cannot make a socket"));
  auto done = bring_up(socket, "lo");
  if (done && !host.address.empty()) {
    std::string name;
    for (int i = 0; i < kTries && name.empty(); ++i) {
      for (const std::string& each : names_in("/sys/class/net"))
        if (each != "lo") name = each;
      if (name.empty()) usleep(kPause);
    }
    done =
        name.empty() ? problem("the host has given this keep no network interface") : give_address(socket, name, host);
  }
  close(socket);
  TRY(std::move(done));
  if (host.nameserver.empty()) return {};
  bool good = true;
  (void)address_of(host.nameserver, good);
  if (!good) return problem(host.nameserver + " is no address");
  const std::string text = "nameserver " + host.nameserver + "\n";
  return os::replace_file("/etc/resolv.conf", {reinterpret_cast<const u8*>(text.data()), text.size()}, 0644);
}

Result<> wait_for_entropy() {
  for (int i = 0; i < kTries; ++i) {
    u8 byte = 0;
    if (getrandom(&byte, 1, GRND_NONBLOCK) == 1) return {};
    usleep(kPause);
  }
  return problem("the kernel has gathered no randomness\nthe processor needs RDRAND");
}

Result<std::vector<u8>> read_disk(u64 size) {
  constexpr u64 kMost = u64{2} << 30;
  if (size > kMost) return problem("the workload on the disk is larger than 2 GiB");
  int disk = -1;
  for (int i = 0; i < kTries && disk < 0; ++i) {
    disk = open("/dev/vda", O_RDONLY | O_CLOEXEC);
    if (disk < 0) usleep(kPause);
  }
  if (disk < 0) return fail(os_error(errno, "cannot open the disk with the workload"));
  std::vector<u8> bytes(size);
  size_t done = 0;
  while (done < size) {
    const ssize_t n = pread(disk, bytes.data() + done, std::min<u64>(size - done, 1 << 24), static_cast<off_t>(done));
    if (n <= 0 && errno != EINTR) break;
    if (n > 0) done += static_cast<size_t>(n);
  }
  close(disk);
  if (done != size) return problem("the disk with the workload is shorter than the host says");
  return bytes;
}

void switch_off() {
  sync();
  reboot(RB_POWER_OFF);
  // A machine that cannot be switched off is started anew, which its host takes for the end.
  reboot(RB_AUTOBOOT);
  _exit(1);
}

}  // namespace berth::keep

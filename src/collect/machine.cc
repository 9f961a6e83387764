#include "collect/machine.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
// After sys/socket.h, which it needs.
#include <linux/vm_sockets.h>

#include <cerrno>

#include "os/file.h"

namespace berth::collect {
namespace {

constexpr u64 kMost = u64{4} << 20;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

class ThisMachine final : public Machine {
 public:
  explicit ThisMachine(std::string root) : root_(std::move(root)) {}

  bool exists(const std::string& path) override { return access((root_ + path).c_str(), F_OK) == 0; }
  Result<std::vector<u8>> read(const std::string& path) override { return os::read_file(root_ + path, kMost); }
  Result<> write(const std::string& path, std::span<const u8> bytes) override {
    const Descriptor file(open((root_ + path).c_str(), O_WRONLY | O_CLOEXEC));
    if (file.get() < 0) return fail(os_error(errno, "cannot open " + root_ + path));
    const ssize_t n = ::write(file.get(), bytes.data(), bytes.size());
    if (n < 0) return fail(os_error(errno, "cannot write to " + root_ + path));
    if (static_cast<size_t>(n) != bytes.size()) return fail(ErrorCode::System, root_ + path + " took but a part");
    return {};
  }
  Result<> make_folder(const std::string& path) override {
    if (mkdir((root_ + path).c_str(), 0700) != 0) return fail(os_error(errno, "cannot make " + root_ + path));
    return {};
  }
  Result<> remove_folder(const std::string& path) override {
    if (rmdir((root_ + path).c_str()) != 0) return fail(os_error(errno, "cannot remove " + root_ + path));
    return {};
  }
  Result<> control(const std::string& path, unsigned long request, void* argument) override {
    const Descriptor device(open((root_ + path).c_str(), O_RDWR | O_CLOEXEC));
    if (device.get() < 0) return fail(os_error(errno, "cannot open " + root_ + path));
    if (ioctl(device.get(), request, argument) != 0) return fail(os_error(errno, "a request to " + root_ + path));
    return {};
  }
  Result<std::vector<u8>> ask_host(u32 port, std::span<const u8> message,
                                   bool (*enough)(std::span<const u8>)) override {
    const std::string what = "the host's port " + std::to_string(port) + " by vsock";
    const Descriptor socket(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (socket.get() < 0) return fail(os_error(errno, what));
    const timeval patience = {.tv_sec = 30, .tv_usec = 0};
    setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sockaddr_vm address = {};
    address.svm_family = AF_VSOCK;
    address.svm_port = port;
    address.svm_cid = VMADDR_CID_HOST;
    if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      return fail(os_error(errno, "cannot connect to " + what));
    for (size_t sent = 0; sent < message.size();) {
      const ssize_t n = send(socket.get(), message.data() + sent, message.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return fail(os_error(errno, "cannot send to " + what));
      sent += static_cast<size_t>(n);
    }
    std::vector<u8> answer;
    while (!enough(answer)) {
      u8 buffer[4096];
      const ssize_t n = recv(socket.get(), buffer, sizeof buffer, 0);
      if (n < 0) return fail(os_error(errno, "no answer from " + what));
      if (n == 0 || answer.size() > kMost) return fail(ErrorCode::System, "a broken answer from " + what);
      answer.insert(answer.end(), buffer, buffer + n);
    }
    return answer;
  }

 private:
  std::string root_;
};

}  // namespace

std::unique_ptr<Machine> this_machine(std::string root) { return std::make_unique<ThisMachine>(std::move(root)); }

}  // namespace berth::collect

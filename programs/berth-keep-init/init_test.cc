#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "berth-keep-init/control.h"
#include "berth-keep-init/deliver.h"
#include "berth-keep-init/supervise.h"

namespace berth::keep {
namespace {

TEST(Control, ReadsLinesInWhateverPieces) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  Control control(ends[0]);
  ASSERT_EQ(write(ends[1], "one\ntw", 6), 6);
  EXPECT_EQ(*control.line(), "one");
  ASSERT_EQ(write(ends[1], "o", 1), 1);
  const auto none = control.poll_line();
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);
  ASSERT_EQ(write(ends[1], "\nthree\nfour\n", 12), 12);
  EXPECT_EQ(*control.line(), "two");
  EXPECT_EQ(*control.line(), "three");
  EXPECT_EQ(*control.line(), "four");
  control.state("started");
  control.error("a \"b\"\nc");
  control.exit(7);
  char buffer[200] = {};
  ASSERT_GT(read(ends[1], buffer, sizeof buffer - 1), 0);
  EXPECT_STREQ(buffer, "{\"state\":\"started\"}\n{\"error\":\"a \\\"b\\\"\\nc\"}\n{\"exit\":7}\n");
  close(ends[1]);
  const auto gone = control.line();
  ASSERT_FALSE(gone);
  EXPECT_NE(gone.error().detail().find("gone"), std::string::npos);
  close(ends[0]);
}

TEST(Supervise, GrantsWhatTheConfigurationSaysAndNothingElse) {
  Delivery delivery;
  const Place place = {.berth = "/berth", .folder = "/run/keep", .is_machine = true};
  EXPECT_EQ(command_of(delivery, place), (std::vector<std::string>{"/berth", "run", "--argv0", "app.wasm", "--tier",
                                                                   "interp", "/run/keep/app.wasm"}));
  delivery.config.native = true;
  delivery.config.args = {"--dir", "/"};
  delivery.config.env = {{"N", "v"}};
  delivery.config.tcp_listen = {"0.0.0.0:80"};
  delivery.secrets = {{"s", {1}}};
  EXPECT_EQ(command_of(delivery, place),
            (std::vector<std::string>{"/berth", "run", "--argv0", "app.wasm", "--artifact", "/run/keep/app.wasm",
                                      "--dir", "/run/keep/secrets::/secrets:ro", "--env", "N=v", "--tcp-listen",
                                      "0.0.0.0:80", "/run/keep/app.wasm", "--dir", "/"}));
}

// No device, and whatever is asked for is not there.
class NoMachine final : public collect::Machine {
 public:
  explicit NoMachine(bool has_report = false) : has_report_(has_report) {}
  bool exists(const std::string& path) override { return has_report_ && path == "/dev/attestation/user_report_data"; }
  Result<std::vector<u8>> read(const std::string& path) override { return fail(ErrorCode::System, "no " + path); }
  Result<> write(const std::string&, std::span<const u8>) override { return {}; }
  Result<> make_folder(const std::string& path) override { return fail(ErrorCode::System, "no " + path); }
  Result<> remove_folder(const std::string& path) override { return fail(ErrorCode::System, "no " + path); }
  Result<> control(const std::string& path, unsigned long, void*) override {
    return fail(ErrorCode::System, "no " + path);
  }
  Result<std::vector<u8>> ask_host(u32, std::span<const u8>, bool (*)(std::span<const u8>)) override {
    return fail(ErrorCode::System, "no host");
  }

 private:
  bool has_report_;
};

std::string refusal(const Greeting& greeting, collect::Machine& machine) {
  bool told = false;
  const auto delivery = deliver(
      greeting, machine, []() -> Result<std::vector<u8>> { return std::vector<u8>(); },
      [&](std::string_view) { told = true; });
  // Nobody was asked for anything.
  EXPECT_FALSE(told);
  return delivery ? "" : delivery.error().to_string();
}

TEST(Deliver, GoesNoFurtherThanItsHostIsHonest) {
  NoMachine machine;
  Greeting greeting;
  EXPECT_NE(refusal(greeting, machine), "");
  greeting.launch = launch_text({.broker = "http://127.0.0.1:1", .authorities = {}, .config = "a/b"});
  EXPECT_NE(refusal(greeting, machine).find("gives no evidence"), std::string::npos);
  greeting.host.simulated_measurement = "00";
  EXPECT_NE(refusal(greeting, machine).find("wrong size"), std::string::npos);
  // A simulated machine that was started for another launch.
  greeting.host.simulated_measurement = std::string(96, '0');
  greeting.host.simulated_host_data = std::string(64, '1');
  EXPECT_NE(refusal(greeting, machine).find("another launch"), std::string::npos);
  // Hardware counts where there is any, whatever the host would like to simulate.
  NoMachine real(true);
  const std::string text = refusal(greeting, real);
  EXPECT_NE(text.find("/dev/attestation/quote"), std::string::npos) << text;
}

}  // namespace
}  // namespace berth::keep

// Rewriting, policy and settings; what needs a runtime is in tests/containers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "container/cgroup.h"
#include "container/record.h"
#include "container/rewrite.h"
#include "container/text.h"

namespace berth::container {
namespace {

json::Value parsed(std::string_view text) {
  auto value = json::parse(text);
  EXPECT_TRUE(value) << text;
  return value ? std::move(*value) : json::Value();
}

class ContainerTest : public testing::Test {
 protected:
  ContainerTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "berth-test-XXXXXX").string();
    folder = mkdtemp(pattern.data());
  }
  ~ContainerTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  std::string write(const std::string& name, std::string_view text) const {
    std::filesystem::create_directories(std::filesystem::path(folder + "/" + name).parent_path());
    std::ofstream(folder + "/" + name) << text;
    return folder + "/" + name;
  }
  EntryPoint find(std::string_view command, const std::vector<std::string>& environment = {},
                  std::string_view cwd = "/") const {
    json::Value config;
    config.object_at("root").set("path", "rootfs");
    const auto files = ContainerFiles::planned(config, folder);
    EXPECT_TRUE(files);
    return files ? find_entry_point(*files, command, cwd, environment) : EntryPoint{};
  }

  std::string folder;
};

using namespace std::string_literals;
const std::string kModule = "\0asm\1\0\0\0"s, kComponent = "\0asm\x0d\0\1\0"s;

TEST_F(ContainerTest, KindsAreToldByContents) {
  write("rootfs/app", kModule);
  write("rootfs/component.wasm", kComponent);
  write("rootfs/short.wasm", "\0asm"s);
  write("rootfs/text.wat", " ;; comment\n(; another ;)(module)");
  write("rootfs/notes.wat", "no module");
  write("rootfs/text.txt", "(module)");
  write("rootfs/app.berth",
        "\x7f"
        "ELF");
  write("rootfs/elf",
        "\x7f"
        "ELF");
  EXPECT_EQ(find("/app").kind, ProgramKind::Module);
  EXPECT_EQ(find("/component.wasm").kind, ProgramKind::Component);
  EXPECT_EQ(find("/short.wasm").kind, ProgramKind::Module);
  EXPECT_EQ(find("/text.wat").kind, ProgramKind::Text);
  EXPECT_EQ(find("/notes.wat").kind, ProgramKind::Native);
  EXPECT_EQ(find("/text.txt").kind, ProgramKind::Native);
  EXPECT_EQ(find("/app.berth").kind, ProgramKind::Artifact);
  EXPECT_EQ(find("/elf").kind, ProgramKind::Native);
  EXPECT_EQ(find("/absent").kind, ProgramKind::Missing);
  EXPECT_EQ(find("").kind, ProgramKind::Missing);
  EXPECT_EQ(find("/").kind, ProgramKind::Missing);
}

TEST_F(ContainerTest, CommandsAreFoundAsTheContainerWould) {
  write("rootfs/opt/app", kModule);
  write("rootfs/bin/app",
        "\x7f"
        "ELF");
  write("rootfs/srv/here.wasm", kModule);
  EXPECT_EQ(find("app", {"PATH=/opt:/bin"}).path, "/opt/app");
  EXPECT_EQ(find("app", {"PATH=/bin:/opt"}).kind, ProgramKind::Native);
  EXPECT_EQ(find("app").path, "/bin/app");
  EXPECT_EQ(find("./here.wasm", {}, "/srv").path, "/srv/here.wasm");
  EXPECT_EQ(find("here.wasm", {}, "/srv").path, "/srv/here.wasm");
  EXPECT_EQ(find("here.wasm", {"PATH=../srv"}, "/bin").path, "/srv/here.wasm");
}

TEST_F(ContainerTest, LinksStayInside) {
  const std::string outside = write("outside.wasm", kModule);
  write("rootfs/real.wasm", kModule);
  std::filesystem::create_symlink("/real.wasm", folder + "/rootfs/inside");
  std::filesystem::create_symlink("../../../real.wasm", folder + "/rootfs/above");
  std::filesystem::create_symlink(outside, folder + "/rootfs/absolute");
  std::filesystem::create_symlink("../outside.wasm", folder + "/rootfs/relative");
  EXPECT_EQ(find("/inside").kind, ProgramKind::Module);
  EXPECT_EQ(find("/above").kind, ProgramKind::Module);
  EXPECT_EQ(find("/absolute").kind, ProgramKind::Missing);
  EXPECT_EQ(find("/relative").kind, ProgramKind::Missing);
}

json::Value config_with(std::string_view rest) {
  return parsed(R"({"ociVersion":"1.2.0","unknown":[1.50],"process":{"args":["/app","x"],"env":["A=1"],"cwd":"/w",)"
                R"("user":{"uid":5}},"root":{"path":"rootfs","readonly":true},)" +
                std::string(rest) + "}");
}

Result<Rewritten> rewritten(json::Value config, const Grants& allowed = {}) {
  const Settings settings = TRY(read_settings(config));
  return rewrite(std::move(config), "/bundle", {ProgramKind::Module, "/app"}, settings, allowed, "/usr/bin/berth");
}

TEST(Rewrite, KeepsWhatItDoesNotChange) {
  auto out = rewritten(config_with(R"("mounts":[{"destination":"/dev","type":"tmpfs","source":"tmpfs"},)"
                                   R"({"destination":"/d","type":"bind","source":"data","options":["ro"]}])"));
  ASSERT_TRUE(out);
  EXPECT_EQ(
      json::to_text(out->config),
      R"({"ociVersion":"1.0.2","unknown":[1.50],"process":{"args":["/dev/.berth/berth","run","--inherit-env",)"
      R"("--dir=/::/:ro","--tier=interp","--argv0=/app","--env=PWD=/w","/app","x"],"env":["A=1"],"cwd":"/w","user":{"uid":5}},)"
      R"("root":{"path":"/bundle/rootfs","readonly":true},)"
      R"("mounts":[{"destination":"/dev","type":"tmpfs","source":"tmpfs"},)"
      R"({"destination":"/d","type":"bind","source":"/bundle/data","options":["ro"]},)"
      R"({"destination":"/dev/.berth/berth","type":"bind","source":"/usr/bin/berth",)"
      R"("options":["bind","ro","nosuid","nodev"]}]})");
  EXPECT_EQ(rewritten(config_with(R"("mounts":[])"))->launcher.berth, "/.berth/berth");
}

TEST(Rewrite, MakesOneOfVersion1OfALaterConfiguration) {
  json::Value config =
      parsed(R"({"ociVersion":"1.3.0","linux":{"resources":{"pids":{"limit":-1},"cpu":{"shares":2}}}})");
  declare_1_0(config);
  EXPECT_EQ(json::to_text(config), R"({"ociVersion":"1.0.2","linux":{"resources":{"cpu":{"shares":2}}}})");
  config = parsed(R"({"ociVersion":"1.2.0","linux":{"resources":{"pids":{"limit":9}}}})");
  declare_1_0(config);
  EXPECT_EQ(json::to_text(config), R"({"ociVersion":"1.0.2","linux":{"resources":{"pids":{"limit":9}}}})");
}

TEST(Rewrite, AllowsSystemCallsThatProfilesDoNotKnow) {
  auto out = rewritten(config_with(
      R"("linux":{"seccomp":{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["openat2"],"action":"SCMP_ACT_ERRNO"}]}})"));
  ASSERT_TRUE(out);
  const json::Value* rules = out->config.find("linux")->find("seccomp")->find("syscalls");
  ASSERT_EQ(rules->items().size(), 2u);
  const auto names = texts(rules->items()[1].find("names"));
  EXPECT_EQ(std::ranges::count(names, "preadv2"), 1);
  EXPECT_EQ(std::ranges::count(names, "openat2"), 0) << "the profile forbids it";
}

TEST(Rewrite, FindsTheCommandBehindAnInit) {
  EXPECT_EQ(command_position({"/run/podman-init", "--", "/app"}), 2u);
  EXPECT_EQ(command_position({"/bin/app", "--", "x"}), 0u);
  EXPECT_EQ(command_position({"/run/podman-init", "--"}), 0u);
}

TEST(Rewrite, LeavesOutTheBerthThatAnImageBrings) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(without_image_launcher({"/.berth/berth", "run", "--dir", "/", "--", "/app.wasm", "--", "x"}),
            (Words{"/app.wasm", "--", "x"}));
  EXPECT_EQ(without_image_launcher({"/dev/init", "--", "/.berth/berth", "run", "--", "/app.wasm"}),
            (Words{"/dev/init", "--", "/app.wasm"}));
  for (const Words& other :
       {Words{}, Words{"/.berth/berth"}, Words{"/.berth/berth", "run", "/app.wasm", "x"},
        Words{"/.berth/berth", "run", "x", "--"}, Words{"/.berth/berth", "version", "--", "/app.wasm"},
        Words{"/usr/bin/berth", "run", "--", "/app.wasm"}}) {
    EXPECT_EQ(without_image_launcher(other), other);
  }
}

TEST(Settings, AnnotationsCountBeforeVariables) {
  auto settings = read_settings(
      parsed(R"({"process":{"env":["BERTH_TCP_LISTEN=[::]:80, 0.0.0.0:81","BERTH_DRAIN=true","BERTH_OTHER=x"]},)"
             R"("annotations":{"run.berth.drain":"false","other":"y"}})"));
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->tcp_listen, (std::vector<std::string>{"[::]:80", "0.0.0.0:81"}));
  EXPECT_FALSE(settings->drain);
}

TEST(Settings, SayWhatIsWrong) {
  for (const auto& [text, said] : {std::pair{R"({"run.berth.root":"all"})", "none, ro or rw"},
                                   {R"({"run.berth.rot":"ro"})", "run.berth.root"},
                                   {R"({"run.berth.max-memory":"lots"})", "64MiB"},
                                   {R"({"run.berth.tcp-listen":"8080"})", "ADDRESS:PORT"},
                                   {R"({"run.berth.drain":1})", "true or false"}}) {
    auto settings = read_settings(parsed(R"({"annotations":)" + std::string(text) + "}"));
    ASSERT_FALSE(settings) << text;
    EXPECT_NE(settings.error().to_string().find(said), std::string::npos) << settings.error().to_string();
  }
}

TEST_F(ContainerTest, PoliciesGrantTheFirstRuleThatMatches) {
  const std::string path = write("policy.toml",
                                 "tcp-listen = ['127.0.0.1:8000-8010']\n"
                                 "[[rule]]\nnamespace = 'prod-*'\nannotations = { team = 'web' }\n"
                                 "tcp-listen = ['*:443']\nroot = 'none'\nmax-memory = '1GiB'\n"
                                 "[[rule]]\nannotations = { team = '*' }\n");
  auto policy = Policy::read(path);
  ASSERT_TRUE(policy) << policy.error().to_string();
  const Grants& plain = policy->grants_for(parsed("{}"));
  EXPECT_TRUE(plain.allows_listening("127.0.0.1:8000") && plain.allows_listening("127.0.0.1:8010"));
  EXPECT_FALSE(plain.allows_listening("127.0.0.1:8011") || plain.allows_listening("0.0.0.0:8000") ||
               plain.allows_listening("127.0.0.1"));
  const Grants& first =
      policy->grants_for(parsed(R"({"annotations":{"team":"web","io.kubernetes.cri.sandbox-namespace":"prod-1"}})"));
  EXPECT_TRUE(first.allows_listening("[::]:443"));
  EXPECT_EQ(first.root, RootAccess::None);
  EXPECT_EQ(first.max_memory, u64{1} << 30);
  EXPECT_FALSE(policy->grants_for(parsed(R"({"annotations":{"team":"web"}})")).allows_listening("[::]:443"));
  EXPECT_TRUE(Policy::read(folder + "/absent")->grants_for(parsed("{}")).allows_listening("0.0.0.0:1"));
}

TEST_F(ContainerTest, PoliciesSayWhatIsWrong) {
  for (const auto& [text, said] : {std::pair{"root = 'all'", "line 1: root takes"},
                                   {"\ntcp-listen = ['80']", "line 2: tcp-listen"},
                                   {"tcp-lisen = []", "tcp-lisen is no key"},
                                   {"namespace = 'x'", "belongs to a [[rule]]"},
                                   {"[[rule]]\nroot = 'ro'", "needs a namespace or annotations"},
                                   {"root = ", "line 1"},
                                   {"tcp-listen = ['*:70000']", "tcp-listen"},
                                   {"max-memory = 5", "max-memory takes"}}) {
    auto policy = Policy::read(write("policy.toml", text));
    ASSERT_FALSE(policy) << text;
    EXPECT_NE(policy.error().to_string().find(said), std::string::npos) << policy.error().to_string();
  }
}

TEST(Text, PatternsHaveStars) {
  EXPECT_TRUE(matches("a*c", "abbc") && matches("*", "") && matches("a**", "a") && matches("*b*", "abc"));
  EXPECT_FALSE(matches("a*c", "abcd") || matches("", "a") || matches("a", ""));
}

TEST_F(ContainerTest, FoldersAreLockedWhileTheyChange) {
  auto folder_of_a = ContainerFolder::create(folder, "a", folder + "/crun/" + "a");
  ASSERT_TRUE(folder_of_a);
  EXPECT_FALSE(ContainerFolder::create(folder, "a", folder + "/crun/" + "a"));
  EXPECT_FALSE(ContainerFolder::lock(folder, "a", std::chrono::milliseconds(5)));
  EXPECT_FALSE(ContainerFolder::read(folder, "a")) << "nothing is written yet";
  const Record record{"/b", "/usr/bin/crun", "/b/pid", "/c/a", true, {"/.berth/berth", {"--dir=/::/"}}};
  ASSERT_TRUE(folder_of_a->write(record, json::Value(json::Object())));
  const auto read = ContainerFolder::read(folder, "a");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->launcher.options, record.launcher.options);
  EXPECT_EQ(read->cgroup, "/c/a");
  folder_of_a->remove();
  auto gone = ContainerFolder::lock(folder, "a", std::chrono::milliseconds(5));
  EXPECT_TRUE(gone && !*gone);
}

TEST(Cgroup, IsWhereSystemdPutsIt) {
  EXPECT_EQ(cgroup_folder("/a/b"), "/a/b");
  EXPECT_EQ(cgroup_folder("system.slice:docker:abc"), "/system.slice/docker-abc.scope");
  EXPECT_EQ(cgroup_folder("kubepods-burstable-pod1.slice:cri-containerd:abc"),
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-abc.scope");
  EXPECT_EQ(cgroup_folder(":runc:abc"), "/system.slice/runc-abc.scope");
  EXPECT_EQ(cgroup_folder("-.slice:runc:abc"), "/runc-abc.scope");
  for (const char* text : {"", "a", "a:b", "a.slice:b:", "../a.slice:b:c", "a.slice:b:../c", "a:b:c"})
    EXPECT_EQ(cgroup_folder(text), "") << text;
}

TEST(ContainerId, IsNoPath) {
  EXPECT_TRUE(is_container_id("a-b_c.d+1"));
  for (const char* id : {"", ".", "..", "a/b", "a b", "ä"}) EXPECT_FALSE(is_container_id(id)) << id;
}

}  // namespace
}  // namespace berth::container

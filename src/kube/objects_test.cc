#include "kube/objects.h"

#include <gtest/gtest.h>

namespace berth::kube {
namespace {

Result<Application> read(const std::string& text) {
  const auto documents = parse_yaml(text, "app.yaml");
  if (!documents) return fail(ErrorCode::TextSyntax, documents.error().detail());
  return read_application(*documents);
}

std::string error_of(const std::string& text) {
  const auto read_it = read(text);
  return read_it ? "" : read_it.error().detail();
}

constexpr char kPod[] = R"(apiVersion: v1
kind: Pod
metadata: {name: a, labels: {app: a}}
spec:
  containers:
  - name: main
    image: localhost/app:1
)";

TEST(Yaml, TellsTextFromWhatLooksLikeSomethingElse) {
  const auto documents = parse_yaml(
      "a: '1'\nb: 1\nc: yes\nd: true\ne: 1.5\nf: 0x10\ng: ~\nh: |\n  x\n  y\ni: 1e3\n--- \n---\n{\"j\": [1]}\n", "x");
  ASSERT_TRUE(documents) << documents.error().detail();
  ASSERT_EQ(documents->size(), 2u);
  EXPECT_EQ(json::to_text((*documents)[0].value),
            R"({"a":"1","b":1,"c":"yes","d":true,"e":1.5,"f":16,"g":null,"h":"x\ny\n","i":1e3})");
  EXPECT_EQ(json::to_text((*documents)[1].value), R"({"j":[1]})");
}

TEST(Yaml, SaysWhereItIsWrong) {
  EXPECT_TRUE(parse_yaml("a: 1\nb: [1, 2\n", "x").error().detail().starts_with("x:"));
  EXPECT_EQ(parse_yaml("a: 1\na: 2\n", "x").error().detail(), "x:2:1: key \"a\" already set in map");
  for (const char* text : {",,,", "!*", "a: *b", "&a [*a]", "? [1]\n: 2", "]", "%YAML", "\t", "a: }"})
    EXPECT_FALSE(parse_yaml(text, "x") && !parse_yaml(text, "x")->empty()) << text;
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) bomb += (j ? "," : "") + before;
    bomb += "]\n";
  }
  EXPECT_NE(parse_yaml(bomb, "x").error().detail().find("aliases"), std::string::npos);
}

TEST(Application, HasKubernetesDefaults) {
  const auto app = read(kPod);
  ASSERT_TRUE(app) << app.error().detail();
  const Pod& pod = app->pods.at(0);
  EXPECT_EQ(pod.metadata.name_space, "default");
  EXPECT_EQ(pod.spec.restart, RestartPolicy::Always);
  EXPECT_EQ(pod.spec.grace, Seconds(30));
  EXPECT_EQ(pod.spec.containers[0].pull, PullPolicy::IfNotPresent);
}

TEST(Application, NamesUnknownAndMistypedFields) {
  EXPECT_EQ(
      error_of(std::string(kPod) + "    imagePulPolicy: Always\n    env: [{name: A, value: 1}]\n"),
      "app.yaml, line 1, Pod a: unknown field \"spec.containers[0].imagePulPolicy\"\n"
      "app.yaml, line 1, Pod a: field \"spec.containers[0].env[0].value\" takes a string, not a number: quotation "
      "marks make one of it");
  EXPECT_NE(error_of("apiVersion: v1\nkind: Podd\nmetadata: {name: a}\n").find("kind Podd"), std::string::npos);
  EXPECT_NE(error_of(std::string(kPod) + "    volumeMounts: [{name: none, mountPath: /x}]\n").find("volume \"none\""),
            std::string::npos);
  const auto app = read(std::string(kPod) + "    tty: true\n");
  ASSERT_TRUE(app);
  EXPECT_EQ(app->warnings.at(0), "app.yaml, line 1, Pod a: field \"spec.containers[0].tty\" has no effect here");
}

TEST(Application, DecodesSecretsAndRefusesWhatIsNone) {
  const auto app =
      read("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: aGVsbG8=, b: ''}\nstringData: {c: x}\n");
  ASSERT_TRUE(app) << app.error().detail();
  EXPECT_EQ(app->secrets[0].data.at("a"), "hello");
  EXPECT_EQ(app->secrets[0].data.at("c"), "x");
  EXPECT_NE(error_of("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: '*'}\n").find("base64"),
            std::string::npos);
}

TEST(Application, ReadsProbesPortsAndLimits) {
  const auto app = read(std::string(kPod) +
                        "    ports: [{name: web, containerPort: 8080, hostPort: 80}]\n"
                        "    readinessProbe: {httpGet: {path: ok, port: web}, periodSeconds: 1}\n"
                        "    resources: {limits: {memory: 64Mi, cpu: 500m}, requests: {cpu: 1}}\n");
  ASSERT_TRUE(app) << app.error().detail();
  const Container& c = app->pods[0].spec.containers[0];
  EXPECT_EQ(c.readiness->path, "/ok");
  EXPECT_EQ(c.readiness->port.name, "web");
  EXPECT_EQ(c.memory_limit, u64{64} << 20);
  EXPECT_EQ(c.cpu_limit, 500u);
  EXPECT_NE(error_of(std::string(kPod) + "    livenessProbe: {periodSeconds: 1}\n").find("needs one of"),
            std::string::npos);
}

TEST(Application, ReadsHooksAndSidecars) {
  const auto app = read(std::string(kPod) +
                        "    lifecycle: {postStart: {httpGet: {path: up, port: 80}}, preStop: {sleep: {seconds: 5}}}\n"
                        "    livenessProbe: {tcpSocket: {port: 80}, terminationGracePeriodSeconds: 3}\n"
                        "  initContainers: [{name: side, image: x:1, restartPolicy: Always}, {name: i, image: x:1}]\n");
  ASSERT_TRUE(app) << app.error().detail();
  const PodSpec& spec = app->pods[0].spec;
  EXPECT_EQ(spec.containers[0].post_start->action.path, "/up");
  EXPECT_EQ(spec.containers[0].pre_stop->sleep, Seconds(5));
  EXPECT_EQ(spec.containers[0].liveness->grace, Seconds(3));
  EXPECT_TRUE(spec.init_containers[0].is_sidecar);
  EXPECT_FALSE(spec.init_containers[1].is_sidecar);
  EXPECT_NE(error_of(std::string(kPod) + "    lifecycle: {preStop: {}}\n").find("preStop needs one of"),
            std::string::npos);
  EXPECT_NE(error_of(std::string(kPod) + "    restartPolicy: Always\n").find("makes a sidecar"), std::string::npos);
}

TEST(Application, ReadsCronJobs) {
  const std::string text = R"(apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  concurrencyPolicy: Forbid
  jobTemplate:
    spec:
      activeDeadlineSeconds: 60
      template: {spec: {restartPolicy: Never, containers: [{name: a, image: x:1}]}}
)";
  const auto app = read(text);
  ASSERT_TRUE(app) << app.error().detail();
  const CronJob& job = app->cron_jobs.at(0);
  EXPECT_TRUE(job.schedule.hours[3]);
  EXPECT_EQ(job.concurrency, Concurrency::Forbid);
  EXPECT_EQ(job.job.most_active, Seconds(60));
  EXPECT_EQ(job.kept_succeeded, 3u);
  std::string wrong = text;
  wrong.replace(wrong.find("0 3"), 3, "0 X");
  EXPECT_NE(error_of(wrong).find("spec.schedule: hour \"X\""), std::string::npos) << error_of(wrong);
  wrong = text;
  wrong.replace(wrong.find("Never"), 5, "Always");
  EXPECT_NE(error_of(wrong).find("jobTemplate.spec.template.spec.restartPolicy"), std::string::npos);
}

TEST(Quantity, HasBinaryAndDecimalSuffixes) {
  EXPECT_EQ(parse_quantity("1.5Gi", false), u64{1610612736});
  EXPECT_EQ(parse_quantity("100M", false), 100'000'000u);
  EXPECT_EQ(parse_quantity("0.1", true), 100u);
  EXPECT_FALSE(parse_quantity("64MB", false));
  EXPECT_FALSE(parse_quantity("", false));
  EXPECT_FALSE(parse_quantity("-1", false));
}

TEST(Expand, ReplacesWhatThereIs) { EXPECT_EQ(expand("$(A)-$(B)-$$(A)-$A", {{"A", "1"}}), "1-$(B)-$(A)-$A"); }

}  // namespace
}  // namespace berth::kube

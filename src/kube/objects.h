// Manifests as values: what `berth play` runs. Defaults are those of Kubernetes 1.31. Pure; any thread.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "kube/schedule.h"
#include "kube/yaml.h"

namespace berth::kube {

using Labels = std::map<std::string, std::string>;
using Seconds = std::chrono::seconds;

struct Metadata {
  std::string name, name_space = "default";
  Labels labels, annotations;
};

// One that is wanted by number or by the name that a container's port has.
struct PortRef {
  u16 number = 0;
  std::string name;
};

struct Probe {
  enum class Kind : u8 { Http, Tcp, Exec } kind = Kind::Http;
  PortRef port;
  std::string path = "/";
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> command;
  Seconds delay{0}, period{10}, timeout{1};
  u32 successes = 1, failures = 3;
  std::optional<Seconds> grace;  // instead of the pod's, where it ends the container
};

// What is done when a container has started, or before it is ended.
struct Hook {
  Probe action;                  // its times do not count
  std::optional<Seconds> sleep;  // or else just that
};

// Where an environment variable's value comes from.
struct EnvSource {
  enum class Kind : u8 { Value, ConfigMap, Secret, Field } kind = Kind::Value;
  std::string name, key;  // the value; object and key; the field's path
  bool optional = false;
};
struct EnvVar {
  std::string name;
  EnvSource source;
};
struct EnvFrom {
  bool is_secret = false;
  std::string name, prefix;
  bool optional = false;
};

struct ContainerPort {
  std::string name;
  u16 port = 0, host_port = 0;
  std::string host_ip;
};

struct VolumeMount {
  std::string volume, path, sub_path;
  bool read_only = false;
};

enum class PullPolicy : u8 { Always, IfNotPresent, Never };

struct Container {
  std::string name, image;
  PullPolicy pull = PullPolicy::IfNotPresent;
  std::vector<std::string> command, args;
  std::string working_folder;
  std::vector<EnvFrom> env_from;
  std::vector<EnvVar> env;
  std::vector<ContainerPort> ports;
  std::vector<VolumeMount> mounts;
  std::optional<Probe> liveness, readiness, startup;
  std::optional<Hook> post_start, pre_stop;
  std::optional<u64> memory_limit;  // bytes
  std::optional<u64> cpu_limit;     // thousandths of a processor
  bool read_only_root = false;
  bool is_sidecar = false;  // an init container that stays
  std::optional<i64> user, group;
};

struct Volume {
  enum class Kind : u8 { ConfigMap, Secret, Empty, Host, Claim } kind = Kind::Empty;
  std::string name;
  std::string source;  // object's name, path on the host, claim's name
  std::string host_type;
  std::vector<std::pair<std::string, std::string>> items;  // key, path; none: all
  bool optional = false, read_only = false;
};

enum class RestartPolicy : u8 { Always, OnFailure, Never };

struct PodSpec {
  std::vector<Container> init_containers, containers;
  std::vector<Volume> volumes;
  RestartPolicy restart = RestartPolicy::Always;
  Seconds grace{30};
  bool host_network = false;
  std::string hostname;
};

struct Pod {
  Metadata metadata;
  PodSpec spec;
};
struct Deployment {
  Metadata metadata;
  u32 replicas = 1;
  Labels selector;
  Pod pod;  // without a name
};
struct Job {
  Metadata metadata;
  u32 completions = 1, parallelism = 1, backoff_limit = 6;
  std::optional<Seconds> most_active;  // activeDeadlineSeconds
  Pod pod;
};
enum class Concurrency : u8 { Allow, Forbid, Replace };
struct CronJob {
  Metadata metadata;
  Schedule schedule;
  std::string time_zone;  // empty: this machine's
  bool suspended = false;
  Concurrency concurrency = Concurrency::Allow;
  std::optional<Seconds> most_late;
  u32 kept_succeeded = 3, kept_failed = 1;
  Job job;  // without a name
};
struct ServicePort {
  std::string name;
  u16 port = 0, node_port = 0;
  PortRef target;
};
struct Service {
  Metadata metadata;
  enum class Kind : u8 { ClusterIP, NodePort, LoadBalancer } kind = Kind::ClusterIP;
  Labels selector;
  std::vector<ServicePort> ports;
  bool also_not_ready = false;
};
struct ConfigMap {
  Metadata metadata;
  std::map<std::string, std::string> data;  // of both kinds, bytes
};
struct Secret {
  Metadata metadata;
  std::map<std::string, std::string> data;
};
struct Claim {
  Metadata metadata;
};

struct Application {
  std::vector<Pod> pods;
  std::vector<Deployment> deployments;
  std::vector<Job> jobs;
  std::vector<CronJob> cron_jobs;
  std::vector<Service> services;
  std::vector<ConfigMap> config_maps;
  std::vector<Secret> secrets;
  std::vector<Claim> claims;
  std::vector<std::string> warnings;  // "app.yaml, line 3, Pod a: …"
};

// Reads all documents, `List`s among them. Fails with BadArgument; the text has a line for each thing that is wrong:
// unknown fields, values of wrong types, names that Kubernetes would not take, what is referred to and not there.
Result<Application> read_application(const std::vector<Document>& documents);

// "64Mi", "1.5G", "100m": bytes, or thousandths where `thousandths`. Nothing for what is no quantity.
std::optional<u64> parse_quantity(std::string_view text, bool thousandths);

// "$(NAME)" replaced by variables that there are; "$$(NAME)" is "$(NAME)".
std::string expand(std::string_view text, const std::vector<std::pair<std::string, std::string>>& variables);

bool matches(const Labels& selector, const Labels& labels);

}  // namespace berth::kube

#include "kube/objects.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <set>

#include "kube/schema.h"

namespace berth::kube {

namespace {

const json::Value& member(const json::Value& value, std::string_view name) {
  static const json::Value nothing;
  const json::Value* found = value.find(name);
  return found ? *found : nothing;
}

std::string text(const json::Value& value, std::string_view name) { return std::string(value.text_at({name})); }
i64 number(const json::Value& value, std::string_view name, i64 otherwise) {
  return member(value, name).integer().value_or(otherwise);
}
bool flag(const json::Value& value, std::string_view name) { return member(value, name).boolean().value_or(false); }

std::vector<std::string> texts(const json::Value& list) {
  std::vector<std::string> out;
  for (const json::Value& item : list.items()) out.emplace_back(item.string().value_or(""));
  return out;
}

Labels map_of(const json::Value& value) {
  Labels out;
  for (const json::Member& m : value.members()) out[m.name] = m.value.string().value_or("");
  return out;
}

bool is_label(std::string_view name, size_t most) {
  auto is_word = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= most && is_word(name.front()) && is_word(name.back()) &&
         std::ranges::all_of(name, [&](char c) { return is_word(c) || c == '-' || (most > 63 && c == '.'); });
}

// A relative path that stays where it is.
bool stays_below(std::string_view path) {
  if (path.starts_with('/')) return false;
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    if (part == "..") return false;
    path.remove_prefix(std::min(path.size(), part.size() + 1));
  }
  return true;
}

std::optional<std::string> from_base64(std::string_view in) {
  std::string out;
  u32 bits = 0;
  int count = 0;
  size_t padding = 0;
  for (const char c : in) {
    if (c == '\n' || c == '\r') continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    const int value = c >= 'A' && c <= 'Z'   ? c - 'A'
                      : c >= 'a' && c <= 'z' ? c - 'a' + 26
                      : c >= '0' && c <= '9' ? c - '0' + 52
                      : c == '+'             ? 62
                      : c == '/'             ? 63
                                             : -1;
    if (value < 0 || padding != 0) return std::nullopt;
    bits = (bits << 6) | static_cast<u32>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>((bits >> count) & 0xFF);
  }
  if (padding > 2 || count >= 6) return std::nullopt;
  return out;
}

// Reads one object; what is wrong goes into a list.
class Reader {
 public:
  Reader(Application& out, std::vector<std::string>& errors) : out_(out), errors_(errors) {}

  void read(const Document& document, const json::Value& value);

 private:
  void wrong(const std::string& what) { errors_.push_back(where_ + ": " + what); }
  u16 port(const json::Value& value, const std::string& path, bool may_be_zero = false);
  PortRef port_ref(const json::Value& value, const std::string& path);
  std::optional<Probe> probe(const json::Value& value, const std::string& path);
  Probe action(const json::Value& value, const std::string& path, const char* others);
  std::optional<Hook> hook(const json::Value& value, const std::string& path);
  EnvSource env_source(const json::Value& value, const std::string& path);
  Container container(const json::Value& value, const std::string& path);
  Volume volume(const json::Value& value, const std::string& path);
  PodSpec pod_spec(const json::Value& value, const std::string& path, RestartPolicy otherwise);
  Metadata metadata(const json::Value& value);
  Pod pod_template(const json::Value& spec, const std::string& path, RestartPolicy otherwise);
  u32 count(const json::Value& spec, const std::string& path, const char* name, i64 otherwise);
  Job job(const json::Value& spec, const Metadata& meta, const std::string& path);
  CronJob cron_job(const json::Value& spec, const Metadata& meta);
  Service service(const json::Value& value);
  void resources(const json::Value& value, Container& out, const std::string& path);
  std::map<std::string, std::string> data(const json::Value& plain, const json::Value& coded, const char* name);

  Application& out_;
  std::vector<std::string>& errors_;
  std::string where_;
};

u16 Reader::port(const json::Value& value, const std::string& path, bool may_be_zero) {
  const i64 n = value.integer().value_or(may_be_zero ? 0 : -1);
  if (n < (may_be_zero ? 0 : 1) || n > 65535) wrong(path + " must be a port between 1 and 65535");
  return static_cast<u16>(n);
}

PortRef Reader::port_ref(const json::Value& value, const std::string& path) {
  if (const auto name = value.string()) return {0, std::string(*name)};
  return {port(value, path), {}};
}

// What a probe or hook does; `others` is what else it could be, for the message.
Probe Reader::action(const json::Value& value, const std::string& path, const char* others) {
  Probe out;
  const json::Value &http = member(value, "httpGet"), &tcp = member(value, "tcpSocket"), &exec = member(value, "exec");
  if (http.is(json::Kind::Object)) {
    out.port = port_ref(member(http, "port"), path + ".httpGet.port");
    if (const std::string given = text(http, "path"); !given.empty())
      out.path = given.starts_with('/') ? given : "/" + given;
    if (text(http, "scheme") == "HTTPS") wrong(path + ".httpGet.scheme: HTTPS is not known here");
    for (const json::Value& header : member(http, "httpHeaders").items())
      out.headers.emplace_back(text(header, "name"), text(header, "value"));
  } else if (tcp.is(json::Kind::Object)) {
    out.kind = Probe::Kind::Tcp;
    out.port = port_ref(member(tcp, "port"), path + ".tcpSocket.port");
  } else if (exec.is(json::Kind::Object)) {
    out.kind = Probe::Kind::Exec;
    out.command = texts(member(exec, "command"));
    if (out.command.empty()) wrong(path + ".exec.command is required");
  } else {
    wrong(path + " needs one of httpGet, tcpSocket" + others);
  }
  return out;
}

std::optional<Probe> Reader::probe(const json::Value& value, const std::string& path) {
  if (!value.is(json::Kind::Object)) return std::nullopt;
  Probe out = action(value, path, " and exec");
  auto seconds = [&](const char* name, i64 otherwise, i64 least) {
    const i64 n = number(value, name, otherwise);
    if (n < least || n > 1'000'000) wrong(path + "." + name + " must be at least " + std::to_string(least));
    return n;
  };
  out.delay = Seconds(seconds("initialDelaySeconds", 0, 0));
  out.period = Seconds(seconds("periodSeconds", 10, 1));
  out.timeout = Seconds(seconds("timeoutSeconds", 1, 1));
  out.successes = static_cast<u32>(seconds("successThreshold", 1, 1));
  out.failures = static_cast<u32>(seconds("failureThreshold", 3, 1));
  if (value.find("terminationGracePeriodSeconds")) out.grace = Seconds(seconds("terminationGracePeriodSeconds", 1, 1));
  return out;
}

std::optional<Hook> Reader::hook(const json::Value& value, const std::string& path) {
  if (!value.is(json::Kind::Object)) return std::nullopt;
  if (const json::Value& sleep = member(value, "sleep"); sleep.is(json::Kind::Object)) {
    const i64 n = number(sleep, "seconds", -1);
    if (n < 0 || n > 1'000'000) wrong(path + ".sleep.seconds must be at least 0");
    return Hook{{}, Seconds(n)};
  }
  return Hook{action(value, path, ", exec and sleep"), std::nullopt};
}

EnvSource Reader::env_source(const json::Value& value, const std::string& path) {
  const json::Value& from = member(value, "valueFrom");
  if (!from.is(json::Kind::Object)) return {EnvSource::Kind::Value, text(value, "value"), {}, false};
  for (const auto& [name, kind] :
       {std::pair{"configMapKeyRef", EnvSource::Kind::ConfigMap}, std::pair{"secretKeyRef", EnvSource::Kind::Secret}}) {
    const json::Value& ref = member(from, name);
    if (ref.is(json::Kind::Object)) return {kind, text(ref, "name"), text(ref, "key"), flag(ref, "optional")};
  }
  const json::Value& field = member(from, "fieldRef");
  if (field.is(json::Kind::Object)) return {EnvSource::Kind::Field, text(field, "fieldPath"), {}, false};
  wrong(path + ".valueFrom needs one of configMapKeyRef, secretKeyRef and fieldRef");
  return {};
}

void Reader::resources(const json::Value& value, Container& out, const std::string& path) {
  for (const json::Member& limit : member(value, "limits").members()) {
    const std::string amount(limit.value.string().value_or(limit.value.digits()));
    const auto parsed = parse_quantity(amount, limit.name == "cpu");
    if (!parsed) {
      wrong(path + ".limits." + limit.name + ": \"" + amount + "\" is no quantity");
    } else if (limit.name == "memory") {
      out.memory_limit = parsed;
    } else if (limit.name == "cpu") {
      out.cpu_limit = parsed;
    }
  }
}

Container Reader::container(const json::Value& value, const std::string& path) {
  Container out;
  out.name = text(value, "name");
  if (!is_label(out.name, 63))
    wrong(path + ".name: \"" + out.name + "\" is no name of lower case letters, digits and -");
  out.image = text(value, "image");
  if (out.image.empty()) wrong(path + ".image is required");
  const size_t name_begin = out.image.rfind('/') == std::string::npos ? 0 : out.image.rfind('/');
  const bool is_latest = out.image.find('@') == std::string::npos &&
                         (out.image.find(':', name_begin) == std::string::npos || out.image.ends_with(":latest"));
  const std::string policy = text(value, "imagePullPolicy");
  if (policy.empty()) {
    out.pull = is_latest ? PullPolicy::Always : PullPolicy::IfNotPresent;
  } else if (policy == "Always") {
    out.pull = PullPolicy::Always;
  } else if (policy == "Never") {
    out.pull = PullPolicy::Never;
  } else if (policy != "IfNotPresent") {
    wrong(path + ".imagePullPolicy takes Always, IfNotPresent or Never, not " + policy);
  }
  out.command = texts(member(value, "command"));
  out.args = texts(member(value, "args"));
  out.working_folder = text(value, "workingDir");
  for (const json::Value& from : member(value, "envFrom").items()) {
    const json::Value& map = member(from, "configMapRef");
    const bool is_secret = !map.is(json::Kind::Object);
    const json::Value& ref = is_secret ? member(from, "secretRef") : map;
    out.env_from.push_back({is_secret, text(ref, "name"), text(from, "prefix"), flag(ref, "optional")});
  }
  const json::Array& env = member(value, "env").items();
  for (size_t i = 0; i < env.size(); ++i) {
    const std::string at = path + ".env[" + std::to_string(i) + "]";
    const std::string name = text(env[i], "name");
    if (name.empty() || name.find('=') != std::string::npos) wrong(at + ".name is no name of a variable");
    out.env.push_back({name, env_source(env[i], at)});
  }
  const json::Array& ports = member(value, "ports").items();
  for (size_t i = 0; i < ports.size(); ++i) {
    const std::string at = path + ".ports[" + std::to_string(i) + "]";
    if (const std::string protocol = text(ports[i], "protocol"); !protocol.empty() && protocol != "TCP")
      wrong(at + ".protocol: only TCP is known here");
    out.ports.push_back({text(ports[i], "name"), port(member(ports[i], "containerPort"), at + ".containerPort"),
                         port(member(ports[i], "hostPort"), at + ".hostPort", true), text(ports[i], "hostIP")});
  }
  for (const json::Value& mount : member(value, "volumeMounts").items()) {
    VolumeMount m{text(mount, "name"), text(mount, "mountPath"), text(mount, "subPath"), flag(mount, "readOnly")};
    if (!m.path.starts_with('/') || m.path.find("::") != std::string::npos)
      wrong(path + ".volumeMounts: mountPath \"" + m.path + "\" must be absolute");
    if (!stays_below(m.sub_path))
      wrong(path + ".volumeMounts: subPath \"" + m.sub_path + "\" must be relative, without ..");
    out.mounts.push_back(std::move(m));
  }
  out.liveness = probe(member(value, "livenessProbe"), path + ".livenessProbe");
  out.readiness = probe(member(value, "readinessProbe"), path + ".readinessProbe");
  out.startup = probe(member(value, "startupProbe"), path + ".startupProbe");
  const json::Value& lifecycle = member(value, "lifecycle");
  out.post_start = hook(member(lifecycle, "postStart"), path + ".lifecycle.postStart");
  out.pre_stop = hook(member(lifecycle, "preStop"), path + ".lifecycle.preStop");
  resources(member(value, "resources"), out, path + ".resources");
  const json::Value& security = member(value, "securityContext");
  out.read_only_root = flag(security, "readOnlyRootFilesystem");
  out.user = member(security, "runAsUser").integer();
  out.group = member(security, "runAsGroup").integer();
  return out;
}

Volume Reader::volume(const json::Value& value, const std::string& path) {
  Volume out;
  out.name = text(value, "name");
  auto items = [&](const json::Value& from) {
    out.optional = flag(from, "optional");
    for (const json::Value& item : member(from, "items").items()) {
      out.items.emplace_back(text(item, "key"), text(item, "path"));
      if (!stays_below(out.items.back().second)) wrong(path + ": items: path must be relative, without ..");
    }
  };
  if (const json::Value& map = member(value, "configMap"); map.is(json::Kind::Object)) {
    out.kind = Volume::Kind::ConfigMap;
    out.source = text(map, "name");
    items(map);
  } else if (const json::Value& secret = member(value, "secret"); secret.is(json::Kind::Object)) {
    out.kind = Volume::Kind::Secret;
    out.source = text(secret, "secretName");
    items(secret);
  } else if (const json::Value& host = member(value, "hostPath"); host.is(json::Kind::Object)) {
    out.kind = Volume::Kind::Host;
    out.source = text(host, "path");
    out.host_type = text(host, "type");
    if (!out.source.starts_with('/')) wrong(path + ".hostPath.path must be absolute");
  } else if (const json::Value& claim = member(value, "persistentVolumeClaim"); claim.is(json::Kind::Object)) {
    out.kind = Volume::Kind::Claim;
    out.source = text(claim, "claimName");
    out.read_only = flag(claim, "readOnly");
  } else if (!member(value, "emptyDir").is(json::Kind::Object) && value.find("emptyDir") == nullptr) {
    wrong(path + " needs one of configMap, secret, emptyDir, hostPath and persistentVolumeClaim");
  }
  return out;
}

PodSpec Reader::pod_spec(const json::Value& value, const std::string& path, RestartPolicy otherwise) {
  PodSpec out;
  std::set<std::string> names, volumes;
  for (const auto& [name, to] :
       {std::pair{"initContainers", &out.init_containers}, std::pair{"containers", &out.containers}}) {
    const json::Array& list = member(value, name).items();
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string at = path + "." + name + "[" + std::to_string(i) + "]";
      to->push_back(container(list[i], at));
      if (const std::string restart = text(list[i], "restartPolicy"); !restart.empty()) {
        to->back().is_sidecar = restart == "Always" && to == &out.init_containers;
        if (!to->back().is_sidecar)
          wrong(at + ".restartPolicy takes Always alone, which makes a sidecar of an init container");
      }
      const Container& added = to->back();
      if (to == &out.init_containers && !added.is_sidecar &&
          (added.liveness || added.readiness || added.startup || added.post_start || added.pre_stop))
        wrong(at + ": init containers have no probes and no lifecycle, unless they stay (restartPolicy: Always)");
      if (!names.insert(to->back().name).second) wrong(path + ": two containers are called " + to->back().name);
    }
  }
  if (out.containers.empty()) wrong(path + ".containers is required");
  const json::Array& list = member(value, "volumes").items();
  for (size_t i = 0; i < list.size(); ++i) {
    out.volumes.push_back(volume(list[i], path + ".volumes[" + std::to_string(i) + "]"));
    if (!volumes.insert(out.volumes.back().name).second)
      wrong(path + ": two volumes are called " + out.volumes.back().name);
  }
  for (const auto* containers : {&out.init_containers, &out.containers}) {
    for (const Container& c : *containers) {
      for (const VolumeMount& mount : c.mounts)
        if (!volumes.contains(mount.volume))
          wrong(path + ": container " + c.name + " mounts volume \"" + mount.volume + "\", which is not there");
    }
  }
  const std::string restart = text(value, "restartPolicy");
  out.restart = otherwise;
  if (restart == "Always") {
    out.restart = RestartPolicy::Always;
  } else if (restart == "OnFailure") {
    out.restart = RestartPolicy::OnFailure;
  } else if (restart == "Never") {
    out.restart = RestartPolicy::Never;
  } else if (!restart.empty()) {
    wrong(path + ".restartPolicy takes Always, OnFailure or Never, not " + restart);
  }
  out.grace = Seconds(std::max<i64>(number(value, "terminationGracePeriodSeconds", 30), 0));
  out.host_network = flag(value, "hostNetwork");
  out.hostname = text(value, "hostname");
  const json::Value& security = member(value, "securityContext");
  for (auto* containers : {&out.init_containers, &out.containers}) {
    for (Container& c : *containers) {
      if (!c.user) c.user = member(security, "runAsUser").integer();
      if (!c.group) c.group = member(security, "runAsGroup").integer();
    }
  }
  return out;
}

Metadata Reader::metadata(const json::Value& value) {
  const json::Value& from = member(value, "metadata");
  Metadata out{text(from, "name"), text(from, "namespace"), map_of(member(from, "labels")),
               map_of(member(from, "annotations"))};
  if (out.name_space.empty()) out.name_space = "default";
  return out;
}

Pod Reader::pod_template(const json::Value& spec, const std::string& path, RestartPolicy otherwise) {
  const json::Value& from = member(spec, "template");
  return {metadata(from), pod_spec(member(from, "spec"), path + ".template.spec", otherwise)};
}

u32 Reader::count(const json::Value& spec, const std::string& path, const char* name, i64 otherwise) {
  const i64 n = number(spec, name, otherwise);
  if (n < 0 || n > 1000) wrong(path + "." + name + " must be between 0 and 1000");
  return static_cast<u32>(n);
}

Job Reader::job(const json::Value& spec, const Metadata& meta, const std::string& path) {
  Job out{meta,
          count(spec, path, "completions", 1),
          count(spec, path, "parallelism", 1),
          count(spec, path, "backoffLimit", 6),
          {},
          pod_template(spec, path, RestartPolicy::Always)};
  if (const auto seconds = member(spec, "activeDeadlineSeconds").integer()) {
    if (*seconds < 1) wrong(path + ".activeDeadlineSeconds must be at least 1");
    out.most_active = Seconds(*seconds);
  }
  if (out.pod.spec.restart == RestartPolicy::Always)
    wrong(path + ".template.spec.restartPolicy must be OnFailure or Never");
  return out;
}

CronJob Reader::cron_job(const json::Value& spec, const Metadata& meta) {
  CronJob out;
  out.metadata = meta;
  if (auto schedule = parse_schedule(text(spec, "schedule"))) {
    out.schedule = *schedule;
  } else {
    wrong("spec.schedule: " + schedule.error().detail());
  }
  out.time_zone = text(spec, "timeZone");
  out.suspended = flag(spec, "suspend");
  const std::string concurrency = text(spec, "concurrencyPolicy");
  if (concurrency == "Forbid") {
    out.concurrency = Concurrency::Forbid;
  } else if (concurrency == "Replace") {
    out.concurrency = Concurrency::Replace;
  } else if (!concurrency.empty() && concurrency != "Allow") {
    wrong("spec.concurrencyPolicy takes Allow, Forbid or Replace, not " + concurrency);
  }
  if (const auto seconds = member(spec, "startingDeadlineSeconds").integer())
    out.most_late = Seconds(std::max<i64>(*seconds, 0));
  out.kept_succeeded = count(spec, "spec", "successfulJobsHistoryLimit", 3);
  out.kept_failed = count(spec, "spec", "failedJobsHistoryLimit", 1);
  const json::Value& from = member(spec, "jobTemplate");
  out.job = job(member(from, "spec"), metadata(from), "spec.jobTemplate.spec");
  return out;
}

Service Reader::service(const json::Value& value) {
  Service out;
  out.metadata = metadata(value);
  const json::Value& spec = member(value, "spec");
  const std::string type = text(spec, "type");
  if (type == "NodePort") {
    out.kind = Service::Kind::NodePort;
  } else if (type == "LoadBalancer") {
    out.kind = Service::Kind::LoadBalancer;
  } else if (!type.empty() && type != "ClusterIP") {
    wrong("spec.type: services of type " + type + " are not known here");
  }
  out.selector = map_of(member(spec, "selector"));
  out.also_not_ready = flag(spec, "publishNotReadyAddresses");
  const json::Array& ports = member(spec, "ports").items();
  if (ports.empty()) wrong("spec.ports is required");
  for (size_t i = 0; i < ports.size(); ++i) {
    const std::string at = "spec.ports[" + std::to_string(i) + "]";
    if (const std::string protocol = text(ports[i], "protocol"); !protocol.empty() && protocol != "TCP")
      wrong(at + ".protocol: only TCP is known here");
    ServicePort p;
    p.name = text(ports[i], "name");
    p.port = port(member(ports[i], "port"), at + ".port");
    p.node_port = port(member(ports[i], "nodePort"), at + ".nodePort", true);
    p.target = ports[i].find("targetPort") ? port_ref(member(ports[i], "targetPort"), at + ".targetPort")
                                           : PortRef{p.port, {}};
    out.ports.push_back(std::move(p));
  }
  return out;
}

std::map<std::string, std::string> Reader::data(const json::Value& plain, const json::Value& coded, const char* name) {
  std::map<std::string, std::string> out;
  for (const json::Member& m : coded.members()) {
    const auto bytes = from_base64(m.value.string().value_or(""));
    if (!bytes) wrong(std::string(name) + "." + m.name + " is no base64");
    out[m.name] = bytes.value_or("");
  }
  for (const json::Member& m : plain.members()) out[m.name] = m.value.string().value_or("");
  for (const auto& [key, ignored] : out) {
    if (key.empty() || key == "." || key == ".." || key.find('/') != std::string::npos)
      wrong("\"" + key + "\" is no key: letters, digits, -, _ and .");
  }
  return out;
}

void Reader::read(const Document& document, const json::Value& value) {
  const std::string kind = text(value, "kind");
  where_ = document.source + (kind.empty() ? "" : ", " + kind + " " + std::string(value.text_at({"metadata", "name"})));
  if (kind == "List") {
    for (const json::Value& item : member(value, "items").items()) read(document, item);
    return;
  }
  const Findings findings = check(value);
  for (const std::string& warning : findings.warnings) out_.warnings.push_back(where_ + ": " + warning);
  for (const std::string& error : findings.errors) wrong(error);
  if (!findings.errors.empty() || is_for_clusters_only(kind)) return;
  const Metadata meta = metadata(value);
  if (!is_label(meta.name, 253))
    wrong("metadata.name: \"" + meta.name + "\" is no name of lower case letters, digits, - and .");
  const json::Value& spec = member(value, "spec");
  if (kind == "Pod") {
    out_.pods.push_back({meta, pod_spec(spec, "spec", RestartPolicy::Always)});
  } else if (kind == "Deployment") {
    Deployment d{meta, count(spec, "spec", "replicas", 1), map_of(member(member(spec, "selector"), "matchLabels")),
                 pod_template(spec, "spec", RestartPolicy::Always)};
    if (d.selector.empty()) wrong("spec.selector.matchLabels is required");
    if (!matches(d.selector, d.pod.metadata.labels)) wrong("`selector` does not match template `labels`");
    if (d.pod.spec.restart != RestartPolicy::Always) wrong("spec.template.spec.restartPolicy must be Always");
    out_.deployments.push_back(std::move(d));
  } else if (kind == "Job") {
    out_.jobs.push_back(job(spec, meta, "spec"));
  } else if (kind == "CronJob") {
    // Jobs are called by it and the time.
    if (meta.name.size() > 52) wrong("metadata.name has more than 52 characters");
    out_.cron_jobs.push_back(cron_job(spec, meta));
  } else if (kind == "Service") {
    out_.services.push_back(service(value));
  } else if (kind == "ConfigMap") {
    out_.config_maps.push_back({meta, data(member(value, "data"), member(value, "binaryData"), "binaryData")});
  } else if (kind == "Secret") {
    out_.secrets.push_back({meta, data(member(value, "stringData"), member(value, "data"), "data")});
  } else {
    out_.claims.push_back({meta});
  }
}

template <typename Objects>
void check_names(const Objects& objects, const char* kind, std::vector<std::string>& errors) {
  std::set<std::pair<std::string, std::string>> names;
  for (const auto& object : objects) {
    if (!names.insert({object.metadata.name_space, object.metadata.name}).second)
      errors.push_back(std::string("two objects of kind ") + kind + " are called " + object.metadata.name);
  }
}

}  // namespace

std::optional<u64> parse_quantity(std::string_view text, bool thousandths) {
  size_t end = text.find_first_not_of("0123456789.");
  if (end == std::string_view::npos) end = text.size();
  double value = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + end, value);
  if (end == 0 || error != std::errc() || at != text.data() + end) return std::nullopt;
  constexpr std::pair<std::string_view, double> kSuffixes[] = {{"", 1},
                                                               {"m", 1e-3},
                                                               {"k", 1e3},
                                                               {"M", 1e6},
                                                               {"G", 1e9},
                                                               {"T", 1e12},
                                                               {"P", 1e15},
                                                               {"Ki", 1024},
                                                               {"Mi", 1 << 20},
                                                               {"Gi", 1 << 30},
                                                               {"Ti", 1099511627776.0},
                                                               {"Pi", 1125899906842624.0}};
  for (const auto& [suffix, factor] : kSuffixes) {
    if (text.substr(end) != suffix) continue;
    const double amount = std::ceil(value * factor * (thousandths ? 1000 : 1) - 1e-9);
    if (amount > 9e18) return std::nullopt;
    return static_cast<u64>(amount);
  }
  return std::nullopt;
}

std::string expand(std::string_view text, const std::vector<std::pair<std::string, std::string>>& variables) {
  std::string out;
  while (!text.empty()) {
    if (text.starts_with("$$")) {
      out += '$';
      text.remove_prefix(2);
      continue;
    }
    const size_t end = text.starts_with("$(") ? text.find(')') : std::string_view::npos;
    if (end != std::string_view::npos) {
      const std::string_view name = text.substr(2, end - 2);
      const auto found = std::ranges::find(variables.rbegin(), variables.rend(), name,
                                           [](const auto& v) -> std::string_view { return v.first; });
      if (found != variables.rend()) {
        out += found->second;
        text.remove_prefix(end + 1);
        continue;
      }
    }
    out += text[0];
    text.remove_prefix(1);
  }
  return out;
}

bool matches(const Labels& selector, const Labels& labels) {
  return std::ranges::all_of(selector, [&](const auto& wanted) {
    const auto found = labels.find(wanted.first);
    return found != labels.end() && found->second == wanted.second;
  });
}

Result<Application> read_application(const std::vector<Document>& documents) {
  Application out;
  std::vector<std::string> errors;
  Reader reader(out, errors);
  for (const Document& document : documents) reader.read(document, document.value);
  check_names(out.pods, "Pod", errors);
  check_names(out.deployments, "Deployment", errors);
  check_names(out.jobs, "Job", errors);
  check_names(out.cron_jobs, "CronJob", errors);
  check_names(out.services, "Service", errors);
  check_names(out.config_maps, "ConfigMap", errors);
  check_names(out.secrets, "Secret", errors);
  if (errors.empty()) return out;
  std::string all;
  for (const std::string& error : errors) all += (all.empty() ? "" : "\n") + error;
  return fail(ErrorCode::BadArgument, std::move(all));
}

}  // namespace berth::kube

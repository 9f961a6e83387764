#include "kube/schema.h"

#include <algorithm>
#include <span>

namespace berth::kube {

namespace {

enum class Type : u8 {
  Any,     // whatever it is, it is used or does not matter on one machine
  Unused,  // exists, and would change what a workload does, but has no effect here
  Text,
  Number,
  Bool,
  TextOrNumber,
  Texts,    // a list of strings
  Map,      // of strings
  Object,   // of `fields`
  Objects,  // a list of those
};

struct Field {
  std::string_view name;
  Type type;
  std::span<const Field> fields = {};
};

constexpr Field kMetadata[] = {{"name", Type::Text},
                               {"namespace", Type::Text},
                               {"labels", Type::Map},
                               {"annotations", Type::Map},
                               {"generateName", Type::Text},
                               {"uid", Type::Any},
                               {"creationTimestamp", Type::Any},
                               {"resourceVersion", Type::Any},
                               {"generation", Type::Any},
                               {"ownerReferences", Type::Any},
                               {"finalizers", Type::Any},
                               {"managedFields", Type::Any},
                               {"selfLink", Type::Any}};
constexpr Field kKeyRef[] = {{"name", Type::Text}, {"key", Type::Text}, {"optional", Type::Bool}};
constexpr Field kFieldRef[] = {{"fieldPath", Type::Text}, {"apiVersion", Type::Text}};
constexpr Field kValueFrom[] = {{"configMapKeyRef", Type::Object, kKeyRef},
                                {"secretKeyRef", Type::Object, kKeyRef},
                                {"fieldRef", Type::Object, kFieldRef},
                                {"resourceFieldRef", Type::Unused}};
constexpr Field kEnv[] = {{"name", Type::Text}, {"value", Type::Text}, {"valueFrom", Type::Object, kValueFrom}};
constexpr Field kSourceRef[] = {{"name", Type::Text}, {"optional", Type::Bool}};
constexpr Field kEnvFrom[] = {
    {"prefix", Type::Text}, {"configMapRef", Type::Object, kSourceRef}, {"secretRef", Type::Object, kSourceRef}};
constexpr Field kPort[] = {{"name", Type::Text},
                           {"containerPort", Type::Number},
                           {"hostPort", Type::Number},
                           {"hostIP", Type::Text},
                           {"protocol", Type::Text}};
constexpr Field kHeader[] = {{"name", Type::Text}, {"value", Type::Text}};
constexpr Field kHttpGet[] = {{"path", Type::Text},
                              {"port", Type::TextOrNumber},
                              {"host", Type::Unused},
                              {"scheme", Type::Text},
                              {"httpHeaders", Type::Objects, kHeader}};
constexpr Field kTcpSocket[] = {{"port", Type::TextOrNumber}, {"host", Type::Unused}};
constexpr Field kExec[] = {{"command", Type::Texts}};
constexpr Field kProbe[] = {{"httpGet", Type::Object, kHttpGet},   {"tcpSocket", Type::Object, kTcpSocket},
                            {"exec", Type::Object, kExec},         {"grpc", Type::Unused},
                            {"initialDelaySeconds", Type::Number}, {"periodSeconds", Type::Number},
                            {"timeoutSeconds", Type::Number},      {"successThreshold", Type::Number},
                            {"failureThreshold", Type::Number},    {"terminationGracePeriodSeconds", Type::Number}};
constexpr Field kSleep[] = {{"seconds", Type::Number}};
constexpr Field kHook[] = {{"httpGet", Type::Object, kHttpGet},
                           {"tcpSocket", Type::Object, kTcpSocket},
                           {"exec", Type::Object, kExec},
                           {"sleep", Type::Object, kSleep}};
constexpr Field kLifecycle[] = {
    {"postStart", Type::Object, kHook}, {"preStop", Type::Object, kHook}, {"stopSignal", Type::Unused}};
constexpr Field kResources[] = {{"limits", Type::Any}, {"requests", Type::Any}, {"claims", Type::Unused}};
constexpr Field kVolumeMount[] = {{"name", Type::Text},
                                  {"mountPath", Type::Text},
                                  {"subPath", Type::Text},
                                  {"readOnly", Type::Bool},
                                  {"mountPropagation", Type::Any},
                                  {"subPathExpr", Type::Unused},
                                  {"recursiveReadOnly", Type::Any}};
constexpr Field kContainerSecurity[] = {{"readOnlyRootFilesystem", Type::Bool},
                                        {"runAsUser", Type::Number},
                                        {"runAsGroup", Type::Number},
                                        {"runAsNonRoot", Type::Any},
                                        {"allowPrivilegeEscalation", Type::Any},
                                        {"capabilities", Type::Any},
                                        {"privileged", Type::Unused},
                                        {"procMount", Type::Unused},
                                        {"seLinuxOptions", Type::Unused},
                                        {"seccompProfile", Type::Any},
                                        {"appArmorProfile", Type::Any},
                                        {"windowsOptions", Type::Any}};
constexpr Field kContainer[] = {{"name", Type::Text},
                                {"image", Type::Text},
                                {"imagePullPolicy", Type::Text},
                                {"command", Type::Texts},
                                {"args", Type::Texts},
                                {"workingDir", Type::Text},
                                {"env", Type::Objects, kEnv},
                                {"envFrom", Type::Objects, kEnvFrom},
                                {"ports", Type::Objects, kPort},
                                {"resources", Type::Object, kResources},
                                {"volumeMounts", Type::Objects, kVolumeMount},
                                {"livenessProbe", Type::Object, kProbe},
                                {"readinessProbe", Type::Object, kProbe},
                                {"startupProbe", Type::Object, kProbe},
                                {"lifecycle", Type::Object, kLifecycle},
                                {"restartPolicy", Type::Text},
                                {"securityContext", Type::Object, kContainerSecurity},
                                {"stdin", Type::Unused},
                                {"stdinOnce", Type::Unused},
                                {"tty", Type::Unused},
                                {"terminationMessagePath", Type::Any},
                                {"terminationMessagePolicy", Type::Any},
                                {"resizePolicy", Type::Any},
                                {"volumeDevices", Type::Unused}};
constexpr Field kItem[] = {{"key", Type::Text}, {"path", Type::Text}, {"mode", Type::Any}};
constexpr Field kConfigMapVolume[] = {
    {"name", Type::Text}, {"items", Type::Objects, kItem}, {"optional", Type::Bool}, {"defaultMode", Type::Any}};
constexpr Field kSecretVolume[] = {
    {"secretName", Type::Text}, {"items", Type::Objects, kItem}, {"optional", Type::Bool}, {"defaultMode", Type::Any}};
constexpr Field kHostPath[] = {{"path", Type::Text}, {"type", Type::Text}};
constexpr Field kClaimVolume[] = {{"claimName", Type::Text}, {"readOnly", Type::Bool}};
constexpr Field kEmptyDir[] = {{"medium", Type::Any}, {"sizeLimit", Type::Unused}};
constexpr Field kVolume[] = {{"name", Type::Text},
                             {"configMap", Type::Object, kConfigMapVolume},
                             {"secret", Type::Object, kSecretVolume},
                             {"emptyDir", Type::Object, kEmptyDir},
                             {"hostPath", Type::Object, kHostPath},
                             {"persistentVolumeClaim", Type::Object, kClaimVolume}};
constexpr Field kPodSecurity[] = {
    {"runAsUser", Type::Number},   {"runAsGroup", Type::Number},       {"runAsNonRoot", Type::Any},
    {"fsGroup", Type::Unused},     {"fsGroupChangePolicy", Type::Any}, {"supplementalGroups", Type::Unused},
    {"seccompProfile", Type::Any}, {"appArmorProfile", Type::Any},     {"seLinuxOptions", Type::Unused},
    {"sysctls", Type::Unused},     {"windowsOptions", Type::Any}};
constexpr Field kPodSpec[] = {{"containers", Type::Objects, kContainer},
                              {"initContainers", Type::Objects, kContainer},
                              {"volumes", Type::Objects, kVolume},
                              {"restartPolicy", Type::Text},
                              {"terminationGracePeriodSeconds", Type::Number},
                              {"activeDeadlineSeconds", Type::Unused},
                              {"hostNetwork", Type::Bool},
                              {"hostname", Type::Text},
                              {"subdomain", Type::Unused},
                              {"hostAliases", Type::Unused},
                              {"hostPID", Type::Unused},
                              {"hostIPC", Type::Unused},
                              {"dnsPolicy", Type::Any},
                              {"dnsConfig", Type::Unused},
                              {"shareProcessNamespace", Type::Unused},
                              {"securityContext", Type::Object, kPodSecurity},
                              {"ephemeralContainers", Type::Unused},
                              // These choose between machines, and there is but one; or between runtimes, of which
                              // the image decides.
                              {"runtimeClassName", Type::Any},
                              {"nodeSelector", Type::Any},
                              {"nodeName", Type::Any},
                              {"affinity", Type::Any},
                              {"tolerations", Type::Any},
                              {"topologySpreadConstraints", Type::Any},
                              {"priorityClassName", Type::Any},
                              {"priority", Type::Any},
                              {"preemptionPolicy", Type::Any},
                              {"schedulerName", Type::Any},
                              {"serviceAccountName", Type::Any},
                              {"serviceAccount", Type::Any},
                              {"automountServiceAccountToken", Type::Any},
                              {"enableServiceLinks", Type::Bool},
                              {"imagePullSecrets", Type::Unused},
                              {"readinessGates", Type::Unused},
                              {"overhead", Type::Any},
                              {"os", Type::Any},
                              {"setHostnameAsFQDN", Type::Any}};
constexpr Field kTemplate[] = {{"metadata", Type::Object, kMetadata}, {"spec", Type::Object, kPodSpec}};
constexpr Field kSelector[] = {{"matchLabels", Type::Map}, {"matchExpressions", Type::Unused}};
constexpr Field kDeploymentSpec[] = {{"replicas", Type::Number},
                                     {"selector", Type::Object, kSelector},
                                     {"template", Type::Object, kTemplate},
                                     {"strategy", Type::Any},
                                     {"minReadySeconds", Type::Any},
                                     {"revisionHistoryLimit", Type::Any},
                                     {"progressDeadlineSeconds", Type::Any},
                                     {"paused", Type::Unused}};
constexpr Field kJobSpec[] = {{"template", Type::Object, kTemplate},
                              {"completions", Type::Number},
                              {"parallelism", Type::Number},
                              {"backoffLimit", Type::Number},
                              {"activeDeadlineSeconds", Type::Number},
                              {"ttlSecondsAfterFinished", Type::Any},
                              {"completionMode", Type::Unused},
                              {"suspend", Type::Unused},
                              {"selector", Type::Any},
                              {"manualSelector", Type::Any},
                              {"podFailurePolicy", Type::Unused},
                              {"podReplacementPolicy", Type::Any}};
constexpr Field kJobTemplate[] = {{"metadata", Type::Object, kMetadata}, {"spec", Type::Object, kJobSpec}};
constexpr Field kCronJobSpec[] = {{"schedule", Type::Text},
                                  {"timeZone", Type::Text},
                                  {"suspend", Type::Bool},
                                  {"concurrencyPolicy", Type::Text},
                                  {"startingDeadlineSeconds", Type::Number},
                                  {"successfulJobsHistoryLimit", Type::Number},
                                  {"failedJobsHistoryLimit", Type::Number},
                                  {"jobTemplate", Type::Object, kJobTemplate}};
constexpr Field kServicePort[] = {
    {"name", Type::Text},       {"port", Type::Number},   {"targetPort", Type::TextOrNumber},
    {"nodePort", Type::Number}, {"protocol", Type::Text}, {"appProtocol", Type::Any}};
constexpr Field kServiceSpec[] = {{"selector", Type::Map},
                                  {"ports", Type::Objects, kServicePort},
                                  {"type", Type::Text},
                                  {"clusterIP", Type::Any},
                                  {"clusterIPs", Type::Any},
                                  {"externalIPs", Type::Unused},
                                  {"externalName", Type::Unused},
                                  {"sessionAffinity", Type::Unused},
                                  {"internalTrafficPolicy", Type::Any},
                                  {"externalTrafficPolicy", Type::Any},
                                  {"ipFamilies", Type::Any},
                                  {"ipFamilyPolicy", Type::Any},
                                  {"publishNotReadyAddresses", Type::Bool}};
constexpr Field kPod[] = {{"apiVersion", Type::Text},
                          {"kind", Type::Text},
                          {"metadata", Type::Object, kMetadata},
                          {"spec", Type::Object, kPodSpec},
                          {"status", Type::Any}};
constexpr Field kDeployment[] = {{"apiVersion", Type::Text},
                                 {"kind", Type::Text},
                                 {"metadata", Type::Object, kMetadata},
                                 {"spec", Type::Object, kDeploymentSpec},
                                 {"status", Type::Any}};
constexpr Field kJob[] = {{"apiVersion", Type::Text},
                          {"kind", Type::Text},
                          {"metadata", Type::Object, kMetadata},
                          {"spec", Type::Object, kJobSpec},
                          {"status", Type::Any}};
constexpr Field kCronJob[] = {{"apiVersion", Type::Text},
                              {"kind", Type::Text},
                              {"metadata", Type::Object, kMetadata},
                              {"spec", Type::Object, kCronJobSpec},
                              {"status", Type::Any}};
constexpr Field kService[] = {{"apiVersion", Type::Text},
                              {"kind", Type::Text},
                              {"metadata", Type::Object, kMetadata},
                              {"spec", Type::Object, kServiceSpec},
                              {"status", Type::Any}};
constexpr Field kConfigMap[] = {
    {"apiVersion", Type::Text}, {"kind", Type::Text},      {"metadata", Type::Object, kMetadata},
    {"data", Type::Map},        {"binaryData", Type::Map}, {"immutable", Type::Any}};
constexpr Field kSecret[] = {
    {"apiVersion", Type::Text}, {"kind", Type::Text},      {"metadata", Type::Object, kMetadata},
    {"data", Type::Map},        {"stringData", Type::Map}, {"type", Type::Any},
    {"immutable", Type::Any}};
constexpr Field kClaim[] = {{"apiVersion", Type::Text},
                            {"kind", Type::Text},
                            {"metadata", Type::Object, kMetadata},
                            {"spec", Type::Any},
                            {"status", Type::Any}};

struct Kind {
  std::string_view name, version;
  std::span<const Field> fields;
};
constexpr Kind kKinds[] = {{"Pod", "v1", kPod},         {"Deployment", "apps/v1", kDeployment},
                           {"Job", "batch/v1", kJob},   {"CronJob", "batch/v1", kCronJob},
                           {"Service", "v1", kService}, {"ConfigMap", "v1", kConfigMap},
                           {"Secret", "v1", kSecret},   {"PersistentVolumeClaim", "v1", kClaim}};
constexpr std::string_view kForClusters[] = {"Namespace",
                                             "RuntimeClass",
                                             "HorizontalPodAutoscaler",
                                             "PodDisruptionBudget",
                                             "NetworkPolicy",
                                             "ServiceAccount",
                                             "Role",
                                             "RoleBinding",
                                             "ClusterRole",
                                             "ClusterRoleBinding",
                                             "Ingress",
                                             "LimitRange",
                                             "ResourceQuota",
                                             "PriorityClass",
                                             "StorageClass"};

std::string_view name_of(json::Kind kind) {
  switch (kind) {
    case json::Kind::Null: return "nothing";
    case json::Kind::Bool: return "a bool";
    case json::Kind::Number: return "a number";
    case json::Kind::String: return "a string";
    case json::Kind::Array: return "a list";
    case json::Kind::Object: return "an object";
  }
  return {};
}

class Checker {
 public:
  explicit Checker(Findings& out) : out_(out) {}

  void object(const json::Value& value, std::span<const Field> fields, const std::string& path) {
    if (!expect(value, json::Kind::Object, path)) return;
    for (const json::Member& member : value.members()) {
      const std::string at = path.empty() ? member.name : path + "." + member.name;
      const auto field = std::ranges::find(fields, std::string_view(member.name), &Field::name);
      if (field == fields.end()) {
        out_.errors.push_back("unknown field \"" + at + "\"");
      } else if (!member.value.is(json::Kind::Null)) {
        one(member.value, *field, at);
      }
    }
  }

 private:
  bool expect(const json::Value& value, json::Kind kind, const std::string& path) {
    if (value.is(kind)) return true;
    std::string text =
        "field \"" + path + "\" takes " + std::string(name_of(kind)) + ", not " + std::string(name_of(value.kind()));
    if (kind == json::Kind::String && (value.is(json::Kind::Number) || value.is(json::Kind::Bool)))
      text += ": quotation marks make one of it";
    out_.errors.push_back(std::move(text));
    return false;
  }

  void one(const json::Value& value, const Field& field, const std::string& at) {
    auto each = [&](json::Kind kind) {
      if (!expect(value, json::Kind::Array, at)) return;
      for (size_t i = 0; i < value.items().size(); ++i) {
        const std::string item = at + "[" + std::to_string(i) + "]";
        if (kind == json::Kind::Object) {
          object(value.items()[i], field.fields, item);
        } else {
          expect(value.items()[i], kind, item);
        }
      }
    };
    switch (field.type) {
      case Type::Any: return;
      case Type::Unused: out_.warnings.push_back("field \"" + at + "\" has no effect here"); return;
      case Type::Text: expect(value, json::Kind::String, at); return;
      case Type::Number: expect(value, json::Kind::Number, at); return;
      case Type::Bool: expect(value, json::Kind::Bool, at); return;
      case Type::TextOrNumber:
        if (!value.is(json::Kind::Number)) expect(value, json::Kind::String, at);
        return;
      case Type::Texts: each(json::Kind::String); return;
      case Type::Objects: each(json::Kind::Object); return;
      case Type::Object: object(value, field.fields, at); return;
      case Type::Map:
        if (!expect(value, json::Kind::Object, at)) return;
        for (const json::Member& member : value.members())
          expect(member.value, json::Kind::String, at + "." + member.name);
        return;
    }
  }

  Findings& out_;
};

}  // namespace

bool is_for_clusters_only(std::string_view kind) {
  return std::ranges::find(kForClusters, kind) != std::end(kForClusters);
}

Findings check(const json::Value& object) {
  Findings out;
  const std::string kind(object.text_at({"kind"})), version(object.text_at({"apiVersion"}));
  if (kind.empty() || version.empty()) {
    out.errors.emplace_back("it has no apiVersion and kind, which every object of Kubernetes has");
    return out;
  }
  if (is_for_clusters_only(kind)) {
    out.warnings.push_back(kind + " has no effect on one machine, and is left aside");
    return out;
  }
  const auto known = std::ranges::find(kKinds, kind, &Kind::name);
  if (known == std::end(kKinds)) {
    std::string names;
    for (const Kind& k : kKinds) names += (names.empty() ? "" : ", ") + std::string(k.name);
    out.errors.push_back("objects of kind " + kind + " are not known here; there are: " + names);
    return out;
  }
  if (version != known->version)
    out.errors.push_back(kind + " is of apiVersion " + std::string(known->version) + ", not " + version);
  Checker(out).object(object, known->fields, "");
  if (object.text_at({"metadata", "name"}).empty()) out.errors.emplace_back("field \"metadata.name\" is required");
  return out;
}

}  // namespace berth::kube

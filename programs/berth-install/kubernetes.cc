#include "berth-install/kubernetes.h"

#include <string_view>

namespace berth::install {

namespace {

// Pods go to nodes that say that they have Berth; the label is the cluster's administrator's to give.
constexpr std::string_view kRuntimeClass = R"(apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata:
  name: berth
handler: berth
scheduling:
  nodeSelector:
    run.berth/node: "true"
# What a container of Berth takes beyond its own limits is next to nothing; this is for the engine's monitor.
overhead:
  podFixed:
    memory: 4Mi
    cpu: 1m
)";

constexpr std::string_view kInstaller = R"(---
apiVersion: v1
kind: Namespace
metadata:
  name: @NAMESPACE@
  labels:
    # The installer writes to the node's file system.
    pod-security.kubernetes.io/enforce: privileged
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: berth-policy
  namespace: @NAMESPACE@
data:
  # What workloads may have: docs/containers.md, "What the node grants". Without a policy.toml in it, what they ask for.
@POLICY@
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: berth-node
  namespace: @NAMESPACE@
  labels:
    app.kubernetes.io/name: berth-node
spec:
  selector:
    matchLabels:
      app.kubernetes.io/name: berth-node
  updateStrategy:
    rollingUpdate:
      maxUnavailable: 1
  template:
    metadata:
      labels:
        app.kubernetes.io/name: berth-node
    spec:
      nodeSelector:
        run.berth/node: "true"
      tolerations:
        - operator: Exists
      priorityClassName: system-node-critical
      hostPID: true
      automountServiceAccountToken: false
      initContainers:
        - name: install
          image: @IMAGE@
          command:
            - /berth-install
            - install
            - @ENGINE@
            - --root=/host
            - --copy-to=/opt/berth/bin
            - --policy=/policy/policy.toml
            - --restart
            - --yes
          securityContext:
            privileged: true
          volumeMounts:
            - name: host
              mountPath: /host
              mountPropagation: HostToContainer
            - name: policy
              mountPath: /policy
              readOnly: true
      containers:
        - name: installed
          image: @IMAGE@
          command: ["/berth-install", "wait"]
          resources:
            requests: {cpu: 1m, memory: 4Mi}
            limits: {memory: 16Mi}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: ["ALL"]}
      volumes:
        - name: host
          hostPath: {path: /}
        - name: policy
          configMap: {name: berth-policy}
)";

void replace(std::string& text, std::string_view what, std::string_view with) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
    text.replace(at, what.size(), with);
}

// As a block scalar.
std::string indented(const std::string& policy) {
  if (policy.empty()) return "  README: no policy is set";
  std::string out = "  policy.toml: |";
  size_t begin = 0;
  while (begin < policy.size()) {
    const size_t end = std::min(policy.find('\n', begin), policy.size());
    out += "\n    " + policy.substr(begin, end - begin);
    begin = end + 1;
  }
  return out;
}

}  // namespace

std::string manifests_for(const Cluster& cluster) {
  std::string out(kRuntimeClass);
  if (cluster.image.empty()) return out;
  std::string installer(kInstaller);
  replace(installer, "@NAMESPACE@", cluster.name_space);
  replace(installer, "@IMAGE@", cluster.image);
  replace(installer, "@ENGINE@", cluster.engine);
  replace(installer, "@POLICY@", indented(cluster.policy));
  return out + installer;
}

}  // namespace berth::install

// Functions of the host with C++ parameters and results: they read and write the caller's memory in place, so that
// a call costs what its values cost. A table of them is an interface (HostInterface) that a Linker offers; whatever
// imports it is checked against the C++ types. The functions find what they work on in Store::set_host.
//
// C++ types and the component model's:
//   bool, u8 … u64, i8 … i64   themselves
//   std::string_view           string: as a parameter the guest's own bytes, good until the call returns
//   std::string                string
//   std::span<const u8>        list<u8>: as a parameter the guest's own bytes; as a result, bytes that stay until
//                              the host's next call in the store
//   std::vector<u8>            list<u8>, as a result
//   MadeBytes                  list<u8>, as a result that is made in the guest's memory
//   std::vector<T>             list
//   std::optional, std::tuple  option, tuple; std::expected<T, E> result, std::monostate or void where it has none
//   Own<T>, Borrow<T>          handles: T is the class of the resource
//   classes, enums             records, variants, enums and flags as HostTraits of them says
// A function takes the host's context first. It returns its result, or a runtime::Outcome of it to be able to trap.
//
// The store's thread.
#pragma once

#include <algorithm>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "component/canonical.h"

namespace berth::component {

// Handles as functions of the host see them. The object is the host's; an Own among the results passes it to the guest,
// whose drop comes back as HostResource::drop.
template <typename T>
struct Own {
  T* object = nullptr;
};
template <typename T>
struct Borrow {
  T* object = nullptr;
  T* operator->() const { return object; }
  T& operator*() const { return *object; }
};

// So many bytes, which `fill` then writes; or it traps. Nothing of the host's holds them in between.
struct MadeBytes {
  u64 length = 0;
  std::function<runtime::Outcome<void>(std::span<u8>)> fill;
};

// A character sequence as a template argument.
template <size_t N>
struct Labels {
  char text[N];
  consteval Labels(const char (&t)[N]) { std::copy_n(t, N, text); }
  constexpr std::string_view view() const { return {text, N - 1}; }
};
constexpr size_t count_labels(std::string_view labels) {
  size_t n = labels.empty() ? 0 : 1;
  for (const char c : labels) n += c == ' ' ? 1 : 0;
  return n;
}

// What a class or enum stands for: specialise it as one of these. Labels are in order, separated by blanks.
enum class HostForm : u8 { Record, Variant, Enum, Flags };
template <typename T>
struct HostTraits;
// A class with those members.
template <Labels kNames, auto... kMembers>
struct RecordTraits {
  static constexpr HostForm kForm = HostForm::Record;
  static constexpr std::string_view kLabels = kNames.view();
  static constexpr auto kParts = std::make_tuple(kMembers...);
};
// A class with a std::variant, of type Cases, as its member `value`: the payloads, std::monostate where there is none.
template <Labels kNames>
struct VariantTraits {
  static constexpr HostForm kForm = HostForm::Variant;
  static constexpr std::string_view kLabels = kNames.view();
};
// An enum whose values are the cases' indices.
template <Labels kNames>
struct EnumTraits {
  static constexpr HostForm kForm = HostForm::Enum;
  static constexpr std::string_view kLabels = kNames.view();
};
// An enum whose values are the bits, the first label's the lowest.
template <Labels kNames>
struct FlagsTraits {
  static constexpr HostForm kForm = HostForm::Flags;
  static constexpr std::string_view kLabels = kNames.view();
};

// Identifies the resource of a C++ class.
template <typename T>
inline constexpr char kResourceTag = 0;

// One call, from the side of the host.
class HostCall {
 public:
  HostCall(StoreState& store, const Side& caller) : store_(store), transfer_(store), caller_(caller) {}

  void* host() const { return store_.host; }
  Transfer& transfer() { return transfer_; }
  const Side& caller() const { return caller_; }
  u8* at(u64 address) const { return caller_.base() + address; }

  // Strings of guests that do not have them in UTF-8.
  std::string_view keep(std::string text) {
    return *kept_.emplace_back(std::make_unique<std::string>(std::move(text)));
  }
  const Handle* handle(const Plan& plan, u32 index) {
    const Handle* found = caller_.instance->handles.find(index);
    if (found != nullptr && found->type == plan.resource) [[likely]]
      return found;
    transfer_.fail(handle_error(found, index, plan.resource));
    return nullptr;
  }

 private:
  StoreState& store_;
  Transfer transfer_;
  const Side& caller_;
  std::vector<std::unique_ptr<std::string>> kept_;
};

// Whether types that a component asks for are the C++ ones.
struct HostMatcher {
  const std::unordered_map<cm::ResourceVar, ResourceType*>& bound;
  bool is_resource(const cm::ValType& type, const void* tag) const {
    const auto found = bound.find(type.resource.var);
    return found != bound.end() && found->second->host_tag == tag;
  }
};
bool has_labels(const cm::ValType& type, std::string_view labels);

struct HostDefinition {
  std::string_view name;  // "[method]pollable.ready"
  bool (*call)(HostCall& call, const Lowered& l, abi::Slot* values) = nullptr;
  bool (*matches)(const HostMatcher& matcher, const cm::FuncType& type) = nullptr;
};
struct HostResource {
  std::string_view name;
  const void* tag = nullptr;
  void (*drop)(void* host, u64 rep) = nullptr;
};
struct HostInterface {
  std::string_view name;  // with its version
  std::span<const HostResource> resources;
  std::span<const HostDefinition> functions;
};

}  // namespace berth::component

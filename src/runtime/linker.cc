#include "runtime/store.h"

namespace berth::runtime {

Result<> Linker::define(std::string_view module, std::string_view name, Extern value) {
  auto at = modules_.find(module);
  if (at == modules_.end()) at = modules_.emplace(module, std::map<std::string, Extern, std::less<>>()).first;
  const auto [entry, is_new] = at->second.try_emplace(std::string(name), value);
  if (is_new) return {};
  if (!allow_shadowing_) {
    return fail(ErrorCode::BadArgument,
                "the import \"" + std::string(module) + "\" \"" + std::string(name) + "\" is defined twice");
  }
  entry->second = value;
  return {};
}

Result<> Linker::define_instance(std::string_view module, Instance& instance) {
  const auto& exports = instance.module().module().exports;
  for (u32 i = 0; i < exports.size(); ++i) TRY(define(module, exports[i].name, instance.export_at(i)));
  return {};
}

std::optional<Extern> Linker::find(std::string_view module, std::string_view name) const {
  const auto at = modules_.find(module);
  if (at == modules_.end()) return std::nullopt;
  const auto entry = at->second.find(name);
  if (entry == at->second.end()) return std::nullopt;
  return entry->second;
}

std::expected<Instance*, InstantiationFailure> Linker::instantiate(std::shared_ptr<const PreparedModule> module) {
  const auto& imports = module->module().imports;
  std::vector<Extern> found;
  found.reserve(imports.size());
  std::string missing;
  for (const wasm::Import& import : imports) {
    if (const auto value = find(import.module, import.name)) {
      found.push_back(*value);
      continue;
    }
    if (!missing.empty()) missing += ", ";
    missing += "\"" + import.module + "\" \"" + import.name + "\" (" + wasm::to_string(import.kind) + ")";
  }
  if (!missing.empty())
    return std::unexpected(InstantiationFailure(Error(ErrorCode::UnknownImport, std::move(missing))));
  return store_.instantiate(std::move(module), found);
}

}  // namespace berth::runtime
